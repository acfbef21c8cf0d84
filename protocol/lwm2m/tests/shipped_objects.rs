//! The object definitions that the project ships: each is read without a finding, and together they say what their facts say.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "the test, not the crate, reads the project's files"
)]

use lwm2m::catalog::{Catalog, DeviceTypes};
use lwm2m::format::Types;
use lwm2m::link::Version;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../objects")
}

/// Name and content of each definition.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.push((name, std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

fn catalog() -> Catalog {
    let files = files();
    let (catalog, findings) = Catalog::load(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    assert_eq!(findings, []);
    catalog
}

/// Fields of one line of comma-separated values; quotes only where a field has a comma.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().unwrap().push(other),
        }
    }
    fields
}

#[test]
fn each_file_is_one_object_version_and_named_after_it() {
    let files = files();
    assert!(files.len() >= 120, "{}", files.len());
    for (name, bytes) in &files {
        let (catalog, findings) = Catalog::load([(name.as_str(), bytes.as_slice())]);
        assert_eq!(findings, [], "{name}");
        let objects: Vec<String> =
            catalog.definitions().map(|object| format!("{}-{}.xml", object.id, object.version)).collect();
        assert_eq!(objects, [name.as_str()]);
    }
}

#[test]
fn the_files_say_what_the_facts_say() {
    let catalog = catalog();
    let facts = std::fs::read_to_string(folder().join("facts.csv")).unwrap();
    let mut rows: BTreeSet<String> = facts.lines().skip(1).map(|line| fields(line).join("|")).collect();
    for object in catalog.definitions() {
        for resource in &object.resources {
            let instances = |multiple| if multiple { "Multiple" } else { "Single" };
            let mandatory = |mandatory| if mandatory { "Mandatory" } else { "Optional" };
            let resource_type = match format!("{:?}", resource.resource_type).as_str() {
                "Unsigned" => "Unsigned Integer".to_string(),
                "ObjectLink" => "Objlnk".to_string(),
                "CoreLink" => "Corelnk".to_string(),
                "None" => String::new(),
                other => other.to_string(),
            };
            let row = [
                object.id.to_string(),
                object.version.to_string(),
                object.enabler.to_string(),
                object.name.clone(),
                instances(object.multiple).to_string(),
                mandatory(object.mandatory).to_string(),
                object.urn.clone(),
                resource.id.to_string(),
                resource.name.clone(),
                resource.operations.to_string(),
                instances(resource.multiple).to_string(),
                mandatory(resource.mandatory).to_string(),
                resource_type,
                resource.range.clone(),
                resource.units.clone(),
            ];
            assert!(rows.remove(&row.join("|")), "no such fact: {row:?}");
        }
    }
    assert!(rows.is_empty(), "not in the files: {rows:?}");
}

#[test]
fn the_shipped_set_is_complete() {
    let catalog = catalog();
    let ids: BTreeSet<u16> = catalog.definitions().map(|object| object.id).collect();
    let core = (0..=7).chain([9, 10, 21, 22]);
    let missing: Vec<u16> = core.filter(|id| !ids.contains(id)).collect();
    assert_eq!(missing, [] as [u16; 0]);
    // 3307, 3309 were never assigned.
    let sensors = (3300..=3350).filter(|id| ids.contains(id)).count();
    assert_eq!(sensors, 49);
}

#[test]
fn core_objects_have_every_version_that_an_lwm2m_version_implies() {
    let catalog = catalog();
    for (enabler, expected) in
        [("1.0", "1.0 1.0 1.0 1.0 1.0 1.0"), ("1.1", "1.1 1.1 1.0 1.1 1.2 1.0"), ("1.2", "1.2 1.2 1.1 1.2 1.3 1.1")]
    {
        let enabler = Version::parse(enabler).unwrap();
        let versions: Vec<String> =
            (0..=5).map(|id| catalog.definition(id, None, enabler).unwrap().version.to_string()).collect();
        assert_eq!(versions.join(" "), expected, "LwM2M {enabler}");
    }
    let device = DeviceTypes { catalog: &catalog, enabler: Version::new(1, 1), versions: &[] };
    assert_eq!(device.is_multiple(3, 6), Some(true));
}
