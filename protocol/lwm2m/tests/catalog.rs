//! The object catalog: reading definition files, and which definition serves a device.
use lwm2m::ResourceType;
use lwm2m::catalog::{Catalog, DeviceTypes, Finding};
use lwm2m::format::Types;
use lwm2m::link::Version;

const V1_0: Version = Version::new(1, 0);

/// A definition file for an object of one resource, whose type tells the version apart.
fn file(object: u16, version: &str, resource_type: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<LWM2M><Object ObjectType="MODefinition"><Name>Thing</Name><ObjectID>{object}</ObjectID>
<ObjectURN>urn:oma:lwm2m:x:{object}</ObjectURN><LWM2MVersion>1.1</LWM2MVersion><ObjectVersion>{version}</ObjectVersion>
<MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory>
<Resources><Item ID="7"><Name>Level</Name><Operations>RW</Operations><MultipleInstances>Multiple</MultipleInstances>
<Mandatory>Mandatory</Mandatory><Type>{resource_type}</Type><RangeEnumeration>0..9</RangeEnumeration><Units>Cel</Units></Item>
</Resources></Object></LWM2M>"#
    )
}

fn load(files: &[(&str, &[u8])]) -> (Catalog, Vec<Finding>) {
    Catalog::load(files.iter().copied())
}

fn load_one(text: &[u8]) -> (Catalog, Vec<Finding>) {
    load(&[("x.xml", text)])
}

#[test]
fn a_definition_file_is_read_completely() {
    let (catalog, findings) = load_one(file(42769, "1.1", "Integer").as_bytes());
    assert_eq!(findings, []);
    let object = catalog.definition(42769, None, V1_0).unwrap();
    assert_eq!((object.id, object.version, object.enabler), (42769, Version::new(1, 1), Version::new(1, 1)));
    assert_eq!((object.name.as_str(), object.urn.as_str()), ("Thing", "urn:oma:lwm2m:x:42769"));
    assert_eq!((object.multiple, object.mandatory), (true, false));
    let resource = object.resource(7).unwrap();
    assert_eq!((resource.name.as_str(), resource.resource_type), ("Level", ResourceType::Integer));
    assert_eq!(
        (resource.operations.to_string(), resource.multiple, resource.mandatory),
        ("RW".to_string(), true, true)
    );
    assert_eq!((resource.range.as_str(), resource.units.as_str()), ("0..9", "Cel"));
    assert!(object.resource(8).is_none());
}

#[test]
fn files_as_they_are_found_in_the_field_are_read() {
    let plain = file(42769, "1.0", "Float");
    let without_declaration = plain.split_once("?>").unwrap().1.trim_start().to_string();
    let without_versions = plain.replace("<LWM2MVersion>1.1</LWM2MVersion><ObjectVersion>1.0</ObjectVersion>", "");
    let with_empty_versions =
        plain.replace(">1.1</LWM2MVersion>", "></LWM2MVersion>").replace(">1.0</ObjectVersion>", "/>");
    let with_empty_versions = with_empty_versions.replace("<ObjectVersion/>", "<ObjectVersion />");
    let name = "<Name>Thing</Name><ObjectID>42769</ObjectID>";
    let reordered = plain.replace(name, "").replace("</Resources>", &format!("</Resources>{name}"));
    let cases: [(&str, Vec<u8>); 8] = [
        ("plain", plain.clone().into()),
        ("byte order mark", [b"\xEF\xBB\xBF", plain.as_bytes()].concat()),
        ("CRLF", plain.replace('\n', "\r\n").into()),
        ("no declaration", without_declaration.into()),
        ("no versions", without_versions.into()),
        ("empty versions", with_empty_versions.into()),
        ("other order of children", reordered.into()),
        ("comments and blanks", plain.replace("<Type>", "<Type> <!-- what? --> ").into()),
    ];
    for (case, bytes) in cases {
        let (catalog, findings) = load_one(&bytes);
        assert_eq!(findings, [], "{case}");
        let object = catalog.definition(42769, Some(V1_0), V1_0).unwrap_or_else(|| panic!("{case}"));
        assert_eq!((object.name.as_str(), object.version), ("Thing", V1_0), "{case}");
        assert_eq!(object.resource(7).unwrap().resource_type, ResourceType::Float, "{case}");
    }
}

#[test]
fn every_type_of_the_schema_is_known() {
    let types = [
        ("String", ResourceType::String),
        ("Integer", ResourceType::Integer),
        ("Float", ResourceType::Float),
        ("Boolean", ResourceType::Boolean),
        ("Opaque", ResourceType::Opaque),
        ("Time", ResourceType::Time),
        ("Objlnk", ResourceType::ObjectLink),
        ("Unsigned Integer", ResourceType::Unsigned),
        ("Corelnk", ResourceType::CoreLink),
        ("none", ResourceType::None),
    ];
    for (name, expected) in types {
        let (catalog, findings) = load_one(file(9999, "1.0", name).as_bytes());
        assert_eq!(findings, [], "{name}");
        let object = catalog.definition(9999, None, V1_0).unwrap();
        assert_eq!(object.resource(7).unwrap().resource_type, expected, "{name}");
    }
}

#[test]
fn a_bad_file_costs_only_itself_and_is_reported_with_its_line() {
    let good = file(3303, "1.0", "Float");
    let cases: [(&str, String, u64); 8] = [
        ("not XML", "{}".into(), 1),
        ("empty", String::new(), 1),
        ("cut off", good[..good.len() - 30].into(), 6),
        ("crossed tags", good.replace("</Units>", "</Unit>"), 6),
        ("other document", "<?xml version=\"1.0\"?>\n<html/>".into(), 2),
        ("control character", good.replace("Thing", "Th\u{1}ing"), 2),
        ("object id", good.replace(">3303<", ">33o3<"), 2),
        ("version", good.replace(">1.0</ObjectVersion>", ">one</ObjectVersion>"), 2),
    ];
    for (case, bad, line) in cases {
        let other = file(3304, "1.0", "Float");
        let (catalog, findings) = load(&[("bad.xml", bad.as_bytes()), ("good.xml", other.as_bytes())]);
        assert_eq!(catalog.len(), 1, "{case}");
        let [finding] = findings.as_slice() else { panic!("{case}: {findings:?}") };
        assert!(finding.fatal && finding.file == "bad.xml" && !finding.message.is_empty(), "{case}: {finding}");
        assert_eq!(finding.line, line, "{case}: {finding}");
    }
}

#[test]
fn a_doubtful_resource_is_a_warning() {
    let good = file(3303, "1.0", "Float");
    let twice =
        good.replace("</Resources>", "<Item ID=\"7\"><Type>String</Type><Operations>R</Operations></Item></Resources>");
    let cases = [
        ("unknown type", good.replace(">Float<", ">Number<"), ResourceType::None),
        ("id not a number", good.replace("</Resources>", "<Item ID=\"x\"/></Resources>"), ResourceType::Float),
        ("id twice", twice, ResourceType::Float),
        ("LwM2M version", good.replace(">1.1</LWM2MVersion>", ">soon</LWM2MVersion>"), ResourceType::Float),
    ];
    for (case, text, expected) in cases {
        let (catalog, findings) = load_one(text.as_bytes());
        assert_eq!((findings.len(), findings[0].fatal), (1, false), "{case}: {findings:?}");
        let object = catalog.definition(3303, None, V1_0).unwrap();
        assert_eq!(object.resource(7).unwrap().resource_type, expected, "{case}");
    }
}

#[test]
fn of_several_files_for_one_object_version_the_last_wins_with_a_warning() {
    let (first, second, other) = (file(5, "1.0", "Float"), file(5, "1.0", "String"), file(5, "1.1", "Time"));
    let files = [("a.xml", first.as_bytes()), ("b.xml", second.as_bytes()), ("c.xml", other.as_bytes())];
    let (catalog, findings) = load(&files);
    assert_eq!(catalog.len(), 2);
    let object = catalog.definition(5, Some(V1_0), V1_0).unwrap();
    assert_eq!(object.resource(7).unwrap().resource_type, ResourceType::String);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].file.as_str(), findings[0].fatal), ("b.xml", false));
    assert!(findings[0].message.contains("a.xml"), "{}", findings[0]);
}

#[test]
fn the_version_decides_which_definition_serves() {
    let files: Vec<String> =
        [(3, "1.0"), (3, "1.1"), (3, "1.3"), (3, "2.0"), (3303, "1.0"), (3303, "1.1"), (3303, "2.0")]
            .iter()
            .map(|(object, version)| file(*object, version, "Float"))
            .collect();
    let (catalog, _) = Catalog::load(files.iter().map(|text| ("x.xml", text.as_bytes())));
    let cases: [(u16, Option<&str>, &str, Option<&str>); 13] = [
        (3, Some("1.1"), "1.0", Some("1.1")),
        // Another minor: the next higher one knows all resources of the one asked for, else the next lower.
        (3, Some("1.2"), "1.0", Some("1.3")),
        (3, Some("1.9"), "1.0", Some("1.3")),
        (3, Some("2.1"), "1.0", Some("2.0")),
        (3, Some("3.0"), "1.0", None),
        // No version named: what the LwM2M version defines.
        (3, None, "1.0", Some("1.0")),
        (3, None, "1.1", Some("1.1")),
        (3, None, "1.2", Some("1.3")),
        // Objects outside the LwM2M version: the highest.
        (3303, None, "1.0", Some("2.0")),
        (3303, None, "1.2", Some("2.0")),
        (3303, Some("1.0"), "1.2", Some("1.0")),
        (3303, Some("1.5"), "1.2", Some("1.1")),
        (40000, None, "1.0", None),
    ];
    for (object, version, enabler, expected) in cases {
        let parse = |text: &str| Version::parse(text).unwrap();
        let got = catalog.definition(object, version.map(parse), parse(enabler)).map(|definition| definition.version);
        assert_eq!(got, expected.map(parse), "/{object} {version:?} LwM2M {enabler}");
    }
}

#[test]
fn a_device_sees_the_versions_that_it_registered() {
    let files = [file(3303, "1.0", "Float"), file(3303, "1.1", "String"), file(3304, "1.0", "Time")];
    let (catalog, _) = Catalog::load(files.iter().map(|text| ("x.xml", text.as_bytes())));
    let versions = [(3303, V1_0)];
    let device = DeviceTypes { catalog: &catalog, enabler: Version::new(1, 1), versions: &versions };
    assert_eq!(device.resource_type(3303, 7), Some(ResourceType::Float));
    assert_eq!(device.is_multiple(3303, 7), Some(true));
    assert_eq!(device.resource_type(3304, 7), Some(ResourceType::Time));
    assert_eq!(device.resource_type(3304, 8), None);
    assert_eq!(device.resource_type(3305, 7), None);
    assert_eq!(device.enabler(), Version::new(1, 1));
}

/// All files of a registry checkout, if `LWM2M_REGISTRY` names one: the latest versions and the older ones under `version_history`.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test, not the crate, reads the directory that its caller names")]
fn a_whole_registry_loads_without_an_error() {
    let Ok(directory) = std::env::var("LWM2M_REGISTRY") else {
        println!("skipped: LWM2M_REGISTRY names no directory of object definitions");
        return;
    };
    let mut files = Vec::new();
    for directory in [directory.clone(), format!("{directory}/version_history")] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "xml") {
                files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    let (catalog, findings) = Catalog::load(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    for finding in &findings {
        println!("{finding}");
    }
    println!("{} files, {} definitions, {} findings", files.len(), catalog.len(), findings.len());
    assert!(!findings.iter().any(|finding| finding.fatal));
    assert!(!files.is_empty());
}
