use super::*;
use crate::hex;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn types(path: &Path) -> Option<DataType> {
    Some(match path.ids() {
        [3, _, 6 | 9] => DataType::Integer,
        [3, _, 13] => DataType::Time,
        [1, _, 13] => DataType::Unsigned,
        [3303, _, 5700] => DataType::Float,
        [1, _, 6] => DataType::Boolean,
        [65, ..] => DataType::Objlnk,
        [5, ..] => DataType::Opaque,
        [25, ..] => DataType::Corelnk,
        _ => DataType::String,
    })
}

fn device_nodes() -> Vec<Node> {
    vec![
        Node::new([3, 0, 0], "Acme"),
        Node::new([3, 0, 6, 0], 1i64),
        Node::new([3, 0, 6, 1], 5i64),
        Node::new([3, 0, 9], 100i64),
        Node { path: path("/3/0/13"), value: Some(Value::Time(1_367_491_215)), time: None },
    ]
}

#[test]
fn tlv_bytes_of_the_specification() {
    for (at, nodes, bytes) in [
        ("/3/0/0", vec![Node::new([3, 0, 0], "Acme")], "c40041636d65"),
        ("/3/0/0", vec![Node::new([3, 0, 0], "8 bytes!")], "c800083820627974657321"),
        ("/3/0/9", vec![Node::new([3, 0, 9], 128i64)], "c2090080"),
        ("/3/0/9", vec![Node::new([3, 0, 9], -129i64)], "c209ff7f"),
        ("/1/0/13", vec![Node::new([1, 0, 13], 255u64)], "c10dff"),
        ("/3303/0/5700", vec![Node::new([3303, 0, 5700], 22.5f32)], "e4164441b40000"),
        ("/3303/0/5700", vec![Node::new([3303, 0, 5700], 22.5f64)], "e81644084036800000000000"),
        ("/1/0/6", vec![Node::new([1, 0, 6], true)], "c10601"),
        ("/65/0/1", vec![Node::new([65, 0, 1], (66, 0))], "c40100420000"),
        ("/3/0/6", vec![Node::new([3, 0, 6, 0], 1i64), Node::new([3, 0, 6, 1], 5i64)], "8606410001410105"),
    ] {
        let at = path(at);
        assert_eq!(hex::encode(&Format::Tlv.encode(&at, &nodes).unwrap()), bytes);
        assert_eq!(Format::Tlv.decode(&at, &hex::decode(bytes).unwrap(), &types).unwrap(), nodes);
    }
}

#[test]
fn json_and_cbor_text_of_the_specification() {
    let nodes = device_nodes();
    let old = Format::Json.encode(&path("/3/0"), &nodes).unwrap();
    assert_eq!(
        String::from_utf8(old).unwrap(),
        r#"{"bn":"/3/0/","e":[{"n":"0","sv":"Acme"},{"n":"6/0","v":1},{"n":"6/1","v":5},{"n":"9","v":100},{"n":"13","v":1367491215}]}"#
    );
    let senml = Format::SenmlJson.encode(&path("/5/0/0"), &[Node::new([5, 0, 0], vec![0xde, 0xad, 0xbe, 0xef])]);
    assert_eq!(String::from_utf8(senml.unwrap()).unwrap(), r#"[{"n":"/5/0/0","vd":"3q2-7w"}]"#);
    let link = Format::SenmlCbor.encode(&path("/65/0/0/0"), &[Node::new([65, 0, 0, 0], (66, 0))]).unwrap();
    assert_eq!(hex::encode(&link), "81a200692f36352f302f302f3063766c6f6436363a30");
    let nested = Format::Lwm2mCbor.encode(&path("/3/0/0"), &[Node::new([3, 0, 0], "Acme")]).unwrap();
    assert_eq!(hex::encode(&nested), "a103a100a1006441636d65");
}

#[test]
fn every_listing_format_round_trips_an_instance() {
    let base = path("/3/0");
    let nodes = device_nodes();
    for format in [Format::Tlv, Format::Json, Format::SenmlJson, Format::SenmlCbor, Format::Lwm2mCbor] {
        let bytes = format.encode(&base, &nodes).unwrap();
        assert_eq!(format.decode(&base, &bytes, &types).unwrap(), nodes, "{format:?}");
    }
}

#[test]
fn single_value_formats_round_trip_every_type() {
    for (at, value) in [
        ("/3/0/0", Value::from("é")),
        ("/3/0/9", Value::Integer(-9_007_199_254_740_993)),
        ("/1/0/13", Value::Unsigned(u64::MAX)),
        ("/3303/0/5700", Value::Float(-0.000_000_000_066_67)),
        ("/1/0/6", Value::Boolean(true)),
        ("/5/0/0", Value::Opaque(vec![0, 255])),
        ("/3/0/13", Value::Time(1_476_186_613)),
        ("/65/0/1", Value::Objlnk(65535, 65535)),
        ("/25/0/3", Value::Corelnk("</3/0>".into())),
    ] {
        let at = path(at);
        let node = Node { path: at.clone(), value: Some(value), time: None };
        for format in [Format::Text, Format::Cbor, Format::SenmlJson, Format::SenmlCbor, Format::Lwm2mCbor] {
            let bytes = format.encode(&at, std::slice::from_ref(&node)).unwrap();
            assert_eq!(format.decode(&at, &bytes, &types).unwrap(), std::slice::from_ref(&node), "{format:?}");
        }
    }
}

#[test]
fn text_cannot_hold_an_instance() {
    for format in [Format::Text, Format::Cbor, Format::Opaque] {
        assert_eq!(format.encode(&path("/3/0"), &device_nodes()), Err(FormatError::NotExpressible));
    }
}

#[test]
fn truncated_content_is_refused() {
    let base = path("/3/0");
    for format in [Format::Tlv, Format::Json, Format::SenmlJson, Format::SenmlCbor, Format::Lwm2mCbor] {
        let bytes = format.encode(&base, &device_nodes()).unwrap();
        assert!(format.decode(&base, &bytes[..bytes.len() - 1], &types).is_err(), "{format:?}");
    }
}

#[test]
fn composite_requests_name_paths_without_values() {
    let nodes: Vec<Node> = ["/3/0/9", "/1/0"].iter().map(|p| Node { path: path(p), value: None, time: None }).collect();
    let bytes = Format::SenmlCbor.encode(&Path::root(), &nodes).unwrap();
    assert_eq!(hex::encode(&bytes), "82a100662f332f302f39a100642f312f30");
    assert_eq!(Format::SenmlCbor.decode(&Path::root(), &bytes, &types).unwrap(), nodes);
    let json = Format::SenmlJson.encode(&Path::root(), &nodes).unwrap();
    assert_eq!(Format::SenmlJson.decode(&Path::root(), &json, &types).unwrap(), nodes);
}
