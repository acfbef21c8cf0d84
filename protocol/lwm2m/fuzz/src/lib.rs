//! What must hold for any bytes at all.
use lwm2m::catalog::Catalog;
use lwm2m::format::{self, ContentFormat, Types};
use lwm2m::link::{self, Version};
use lwm2m::{Path, ResourceType};

const NOW: f64 = 1_763_825_000.0;

/// Resources have all types, by their id.
struct ByResource(Version);

impl Types for ByResource {
    fn resource_type(&self, _: u16, resource: u16) -> Option<ResourceType> {
        Some(match resource % 11 {
            0 => ResourceType::String,
            1 => ResourceType::Integer,
            2 => ResourceType::Unsigned,
            3 => ResourceType::Float,
            4 => ResourceType::Boolean,
            5 => ResourceType::Opaque,
            6 => ResourceType::Time,
            7 => ResourceType::ObjectLink,
            8 => ResourceType::CoreLink,
            9 => ResourceType::None,
            _ => return None,
        })
    }
    fn is_multiple(&self, _: u16, _: u16) -> Option<bool> {
        None
    }
    fn enabler(&self) -> Version {
        self.0
    }
}

/// The first byte chooses the request, the rest is the body. Whatever was read can be written or is refused, and what was written
/// reads as something that is written the same way.
pub fn content(format: ContentFormat, input: &[u8]) {
    let Some((choice, body)) = input.split_first() else { return };
    let ids = [3, 0, u16::from(choice / 10), 1];
    let base = Path::from_ids(&ids[..usize::from(choice % 5)]).expect("at most four segments");
    let types = ByResource(Version::new(1, choice / 5 % 2));
    let Ok(nodes) = format::decode(format, body, base, &types, NOW) else { return };
    let Ok(written) = format::encode(format, base, &nodes) else { return };
    let before_1970 = |node: &lwm2m::Node| matches!(node.value, lwm2m::Value::Time(..0));
    // Two forms of the contract read differently than they are written: Time in TLV, and Opaque as text of LwM2M 1.0.
    if format == ContentFormat::Tlv && nodes.iter().any(before_1970)
        || format == ContentFormat::Text && types.0.minor == 0
    {
        return;
    }
    let again = format::decode(format, &written, base, &types, NOW).expect("what was written can be read");
    let once_more = format::encode(format, base, &again).expect("what was written and read can be written");
    assert_eq!(written, once_more);
}

/// Object lists, Discover answers and their splitting.
pub fn links(input: &[u8]) {
    let _list = link::parse_object_list(input);
    let alternate = ["lwm2m".to_string()];
    let _links = link::parse_discover(input, Path::ROOT, &alternate);
    if let Ok(text) = std::str::from_utf8(input) {
        let parts = link::split_links(text);
        assert_eq!(parts.join(","), text);
    }
}

/// Object definition files: an unusable one says why.
pub fn definition(input: &[u8]) {
    let (catalog, findings) = Catalog::load([("input.xml", input)]);
    assert!(!catalog.is_empty() || findings.iter().any(|finding| finding.fatal));
}
