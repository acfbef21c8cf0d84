//! Which format to ask for and to send: pure rules of the contract's extensions (§1), for the session to call.
use super::ContentFormat;
use crate::Path;
use crate::link::Version;

/// What a format is to be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// The answer to Read or Observe.
    Read,
    /// The body of a Write.
    Write,
    /// The body of a Create.
    Create,
    /// Body and answer of the composite operations Read and Observe, and a Send.
    ReadComposite,
    /// The body of a Write-Composite.
    WriteComposite,
    /// The answer to a Discover.
    Discover,
}

/// LwM2M CBOR came with this version.
const V1_2: Version = Version::new(1, 2);
/// SenML came with this version.
const V1_1: Version = Version::new(1, 1);

/// Whether a format can be used for a path at all.
pub fn is_possible(format: ContentFormat, usage: Use, path: Path) -> bool {
    use ContentFormat::{
        Cbor, Json, Link, Lwm2mCbor, Opaque, SenmlCbor, SenmlEtchCbor, SenmlEtchJson, SenmlJson, Text, Tlv,
    };
    let is_composite = matches!(usage, Use::ReadComposite | Use::WriteComposite);
    match format {
        Link => usage == Use::Discover,
        _ if usage == Use::Discover => false,
        SenmlEtchJson | SenmlEtchCbor => is_composite,
        // Their names begin at the root, so that they can hold all of a device; only a Read is about the root.
        SenmlJson | SenmlCbor | Lwm2mCbor => is_composite || usage == Use::Read || path.depth() > 0,
        Tlv | Json => !is_composite && path.depth() > 0,
        // One value: only where a resource or one of its instances is meant.
        Text | Opaque | Cbor => matches!(usage, Use::Read | Use::Write) && path.depth() >= 3,
    }
}

/// The Accept of a Read or Observe for which the command names no format: none for a device of LwM2M 1.0, else the best of the formats
/// that it announced with `ct=`.
pub fn accept(enabler: Version, announced: &[u16]) -> Option<ContentFormat> {
    if enabler < V1_1 {
        return None;
    }
    let best = [
        ContentFormat::SenmlCbor,
        ContentFormat::SenmlJson,
        ContentFormat::Lwm2mCbor,
        ContentFormat::Tlv,
        ContentFormat::Json,
    ];
    best.into_iter().find(|format| is_known_to(*format, enabler) && lists(announced, *format))
}

/// The formats for the body of a Write or Create for which the command names none, the best first; the next one is for a device that
/// answers 4.15. Never empty.
///
/// TLV for a device of LwM2M 1.0. From 1.1 on TLV as well unless `ct=` excludes it, then of SenML CBOR, SenML JSON and LwM2M CBOR those
/// that it lists, or all if it lists nothing. A device that lists none of these still has what every device has for one value: CBOR if
/// listed, else text.
pub fn bodies(enabler: Version, announced: &[u16], usage: Use, path: Path) -> Vec<ContentFormat> {
    if enabler < V1_1 {
        return vec![ContentFormat::Tlv];
    }
    let order = [ContentFormat::Tlv, ContentFormat::SenmlCbor, ContentFormat::SenmlJson, ContentFormat::Lwm2mCbor];
    let mut formats = listed(&order, enabler, announced);
    if formats.is_empty() && is_possible(ContentFormat::Text, usage, path) {
        formats = listed(&[ContentFormat::Cbor], enabler, announced);
        formats.push(ContentFormat::Text);
    }
    if formats.is_empty() {
        formats.push(ContentFormat::Tlv);
    }
    formats
}

/// The formats for a composite operation for which the command names none, the best first. With `removes` for a Write-Composite that
/// removes something, which only SenML-ETCH can say. Never empty.
pub fn composites(enabler: Version, announced: &[u16], removes: bool) -> Vec<ContentFormat> {
    if removes {
        let order = [ContentFormat::SenmlEtchCbor, ContentFormat::SenmlEtchJson];
        let formats = listed(&order, enabler, announced);
        return if formats.is_empty() { order.to_vec() } else { formats };
    }
    let order = [ContentFormat::SenmlCbor, ContentFormat::SenmlJson, ContentFormat::Lwm2mCbor];
    let formats = listed(&order, enabler, announced);
    if formats.is_empty() { vec![ContentFormat::SenmlCbor] } else { formats }
}

/// Those of `order` that the device can know and does not exclude by listing others.
fn listed(order: &[ContentFormat], enabler: Version, announced: &[u16]) -> Vec<ContentFormat> {
    let admits = |format: &&ContentFormat| announced.is_empty() || lists(announced, **format);
    order.iter().filter(|format| is_known_to(**format, enabler)).filter(admits).copied().collect()
}

fn lists(announced: &[u16], format: ContentFormat) -> bool {
    announced.iter().any(|number| ContentFormat::from_number(*number) == Some(format))
}

fn is_known_to(format: ContentFormat, enabler: Version) -> bool {
    format != ContentFormat::Lwm2mCbor || enabler >= V1_2
}

#[cfg(test)]
mod tests {
    use super::*;
    use ContentFormat::{Cbor, Json, Lwm2mCbor, SenmlCbor, SenmlEtchCbor, SenmlEtchJson, SenmlJson, Text, Tlv};

    const V1_0: Version = Version::new(1, 0);

    #[test]
    fn accept_is_the_best_of_what_the_device_announced() {
        let cases: [(Version, &[u16], Option<ContentFormat>); 9] = [
            (V1_0, &[110, 112, 11542], None),
            (V1_1, &[], None),
            (V1_1, &[0, 42, 60, 110, 112, 11542], Some(SenmlCbor)),
            (V1_1, &[11542, 110], Some(SenmlJson)),
            (V1_1, &[11544, 11542], Some(Tlv)),
            (V1_2, &[11544, 11542], Some(Lwm2mCbor)),
            (V1_1, &[1543], Some(Json)),
            (V1_1, &[0, 42, 60], None),
            (V1_1, &[9999], None),
        ];
        for (enabler, announced, expected) in cases {
            assert_eq!(accept(enabler, announced), expected, "{enabler} {announced:?}");
        }
    }

    #[test]
    fn bodies_begin_with_tlv_unless_the_device_excludes_it() {
        let (resource, instance) = (Path::parse("/3/0/14").unwrap(), Path::parse("/3/0").unwrap());
        let cases: [(Version, &[u16], Path, &[ContentFormat]); 8] = [
            (V1_0, &[110], instance, &[Tlv]),
            (V1_1, &[], instance, &[Tlv, SenmlCbor, SenmlJson]),
            (V1_2, &[], instance, &[Tlv, SenmlCbor, SenmlJson, Lwm2mCbor]),
            (V1_1, &[110, 11542], instance, &[Tlv, SenmlJson]),
            (V1_2, &[11544, 110], instance, &[SenmlJson, Lwm2mCbor]),
            (V1_1, &[60, 0], resource, &[Cbor, Text]),
            (V1_1, &[0], resource, &[Text]),
            (V1_1, &[0], instance, &[Tlv]),
        ];
        for (enabler, announced, path, expected) in cases {
            assert_eq!(bodies(enabler, announced, Use::Write, path), expected, "{enabler} {announced:?} {path}");
        }
        assert_eq!(bodies(V1_1, &[0, 60], Use::Create, Path::parse("/3").unwrap()), [Tlv]);
    }

    #[test]
    fn composites_use_senml_and_removal_its_etch_form() {
        let cases: [(Version, &[u16], bool, &[ContentFormat]); 6] = [
            (V1_1, &[], false, &[SenmlCbor, SenmlJson]),
            (V1_1, &[110], false, &[SenmlJson]),
            (V1_2, &[11544, 112], false, &[SenmlCbor, Lwm2mCbor]),
            (V1_1, &[11542], false, &[SenmlCbor]),
            (V1_2, &[112], true, &[SenmlEtchCbor, SenmlEtchJson]),
            (V1_2, &[112, 320], true, &[SenmlEtchJson]),
        ];
        for (enabler, announced, removes, expected) in cases {
            assert_eq!(composites(enabler, announced, removes), expected, "{enabler} {announced:?} {removes}");
        }
    }

    #[test]
    fn a_format_is_possible_where_it_can_hold_what_the_path_names() {
        let path = |text| Path::parse(text).unwrap();
        let cases = [
            (Text, Use::Read, "/3/0/0", true),
            (Text, Use::Read, "/3/0/6/1", true),
            (Text, Use::Read, "/3/0", false),
            (Text, Use::Create, "/3/0/0", false),
            (Cbor, Use::Write, "/3", false),
            (Tlv, Use::Read, "/3", true),
            (Tlv, Use::ReadComposite, "/", false),
            (Json, Use::Write, "/3/0/1", true),
            (Tlv, Use::Read, "/", false),
            (SenmlCbor, Use::Read, "/", true),
            (Lwm2mCbor, Use::Read, "/", true),
            (SenmlCbor, Use::Write, "/", false),
            (SenmlCbor, Use::Create, "/3", true),
            (SenmlCbor, Use::WriteComposite, "/", true),
            (SenmlEtchJson, Use::WriteComposite, "/", true),
            (SenmlEtchJson, Use::Write, "/3/0/1", false),
            (ContentFormat::Link, Use::Discover, "/3", true),
            (ContentFormat::Link, Use::Read, "/3/0/0", false),
            (Tlv, Use::Discover, "/3", false),
        ];
        for (format, usage, text, expected) in cases {
            assert_eq!(is_possible(format, usage, path(text)), expected, "{format:?} {usage:?} {text}");
        }
    }
}
