//! The bodies of the gateway's contract, byte for byte: what commands send (3.1, 4.2 to 4.4) and what answers mean (6).
#![allow(clippy::unwrap_used, reason = "a broken case fails the test")]

use lwm2m::format::{self, ContentFormat, EncodeError, Types};
use lwm2m::link::Version;
use lwm2m::{Node, Path, ResourceType, Value};

const NOW: f64 = 1_763_825_000.0;

/// Every resource has this type, for a device of this LwM2M version.
struct All(Option<ResourceType>, Version);

impl Types for All {
    fn resource_type(&self, _: u16, _: u16) -> Option<ResourceType> {
        self.0
    }
    fn is_multiple(&self, _: u16, _: u16) -> Option<bool> {
        None
    }
    fn enabler(&self) -> Version {
        self.1
    }
}

fn typed(resource_type: ResourceType) -> All {
    All(Some(resource_type), Version::new(1, 0))
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn node(at: &str, value: Value) -> Node {
    Node::new(path(at), value)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn text(value: &str) -> Value {
    Value::String(value.into())
}

/// Paths and values as text, times after an `@`.
fn shown(nodes: &[Node]) -> String {
    let one = |node: &Node| match node.time {
        None => format!("{} {:?}", node.path, node.value),
        Some(time) => format!("{} {:?} @{time}", node.path, node.value),
    };
    nodes.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn decoded(format: ContentFormat, body: &[u8], base: &str, types: &All) -> String {
    match format::decode(format, body, path(base), types, NOW) {
        Ok(nodes) => shown(&nodes),
        Err(error) => format!("refused: {error}"),
    }
}

#[test]
fn integers_take_the_least_bytes_that_keep_the_sign() {
    let cases = [
        (0, "c10d00"),
        (127, "c10d7f"),
        (128, "c20d0080"),
        (-1, "c10dff"),
        (-129, "c20dff7f"),
        (12345, "c20d3039"),
        (86400, "c40d00015180"),
        (i64::MIN, "c80d088000000000000000"),
    ];
    for (integer, expected) in cases {
        for value in [Value::Integer(integer), Value::Time(integer)] {
            let body = format::encode(ContentFormat::Tlv, path("/3/0/13"), &[node("/3/0/13", value)]).unwrap();
            assert_eq!(hex(&body), expected, "{integer}");
        }
    }
}

#[test]
fn writes_are_shaped_by_the_request() {
    let cases: Vec<(&str, &str, Vec<Node>, &str)> = vec![
        ("float", "/3/0/13", vec![node("/3/0/13", Value::Float(12345.0))], "c80d08 40c81c8000000000"),
        ("string", "/3/0/1", vec![node("/3/0/1", text("Hello"))], "c50148656c6c6f"),
        ("object link", "/3/0/22", vec![node("/3/0/22", Value::ObjectLink(1, 2))], "c41600010002"),
        ("resource instance, LwM2M 1.0", "/3/0/6", vec![node("/3/0/6/1", Value::Integer(5))], "8306 410105"),
        ("resource instance, LwM2M 1.1", "/3/0/6/1", vec![node("/3/0/6/1", Value::Integer(5))], "410105"),
        (
            "batch on an instance",
            "/3/0",
            vec![
                node("/3/0/13", Value::Integer(12345)),
                node("/3/0/14", text("87x")),
                node("/3/0/6/0", Value::Integer(1)),
            ],
            "c20d3039 c30e383778 8306410001",
        ),
        (
            "batch on a resource, a repeated element replaces the earlier",
            "/3/0/22",
            vec![
                node("/3/0/22/0", Value::ObjectLink(1, 2)),
                node("/3/0/22/1", Value::ObjectLink(1, 3)),
                node("/3/0/22/1", Value::ObjectLink(1, 4)),
            ],
            "88160c 440000010002 440100010004",
        ),
        (
            "instances of one resource are collected where the first stands",
            "/3/0",
            vec![node("/3/0/6/0", Value::Integer(1)), node("/3/0/14", text("x")), node("/3/0/6/1", Value::Integer(2))],
            "8606 410001 410102 c10e78",
        ),
        (
            "create",
            "/6",
            vec![
                node("/6/0/0", Value::Float(1.5)),
                node("/6/0/4", Value::Opaque(vec![1, 2, 3])),
                node("/6/1/0", Value::Float(2.5)),
            ],
            "080010 c800083ff8000000000000 c304010203 08010b c800084004000000000000",
        ),
        ("create in an instance", "/6/0", vec![node("/6/0/0", Value::Float(1.5))], "c800083ff8000000000000"),
        ("create without content", "/6", vec![], ""),
    ];
    for (case, base, nodes, expected) in cases {
        let body = format::encode(ContentFormat::Tlv, path(base), &nodes).unwrap();
        assert_eq!(hex(&body), hex(&unhex(expected)), "{case}");
    }
}

#[test]
fn what_does_not_fit_the_request_is_not_written() {
    use ContentFormat::{Cbor, Json, Lwm2mCbor, Opaque, SenmlCbor, SenmlJson, Text, Tlv};
    let here = |value| vec![node("/3/0/1", value)];
    let two = vec![node("/3/0/1", text("a")), node("/3/0/2", text("b"))];
    let mixed = vec![node("/3/0/6", Value::Integer(1)), node("/3/0/6/1", Value::Integer(1))];
    let [outside, value] = [EncodeError::Path(path("/3/0/1")), EncodeError::Value(path("/3/0/1"))];
    let cases: Vec<(ContentFormat, &str, Vec<Node>, EncodeError)> = vec![
        (Tlv, "/4", here(text("a")), outside.clone()),
        (Tlv, "/", here(text("a")), outside.clone()),
        (Tlv, "/3/0", vec![node("/3/0", Value::Integer(1))], EncodeError::Path(path("/3/0"))),
        (Tlv, "/3/0", mixed.clone(), EncodeError::Path(path("/3/0/6"))),
        (Tlv, "/3/0/1", here(Value::Absent), value.clone()),
        (Lwm2mCbor, "/3/0", mixed, EncodeError::Path(path("/3/0/6"))),
        (Json, "/4", here(text("a")), outside.clone()),
        (SenmlJson, "/4", here(text("a")), outside.clone()),
        (SenmlCbor, "/4", here(text("a")), outside.clone()),
        (Lwm2mCbor, "/4", here(text("a")), outside),
        (Text, "/3/0/1", two.clone(), EncodeError::NotSingle),
        (Cbor, "/3/0", two, EncodeError::NotSingle),
        (Opaque, "/3/0/1", here(text("a")), value.clone()),
        (Text, "/3/0/1", here(Value::Float(f64::NAN)), value.clone()),
        (Json, "/3/0/1", here(Value::Float(f64::INFINITY)), value.clone()),
        (SenmlJson, "/3/0/1", here(Value::Float(f64::NAN)), value.clone()),
        (SenmlCbor, "/3/0/1", here(Value::Float(f64::NAN)), value.clone()),
        (Lwm2mCbor, "/3/0/1", here(Value::Float(f64::NAN)), value.clone()),
        (Cbor, "/3/0/1", here(Value::Untyped(vec![0xFF])), value.clone()),
        // Only SenML-ETCH can remove, and LwM2M CBOR has no times.
        (SenmlJson, "/3/0/1", here(Value::Absent), value.clone()),
        (Lwm2mCbor, "/3/0/1", vec![Node { time: Some(NOW), ..node("/3/0/1", text("a")) }], value),
        (ContentFormat::Link, "/3", vec![], EncodeError::NotSingle),
    ];
    for (format, base, nodes, expected) in cases {
        assert_eq!(format::encode(format, path(base), &nodes), Err(expected), "{format:?} {base} {}", shown(&nodes));
    }
}

#[test]
fn tlv_answers_are_read_relative_to_the_request() {
    let (string, integer) = (typed(ResourceType::String), typed(ResourceType::Integer));
    let cases: [(&str, &str, &All, &str); 14] = [
        ("/3/0/0", "c3 00 454d51", &string, "/3/0/0 String(\"EMQ\")"),
        ("/3/0", "c3 00 454d51", &string, "/3/0/0 String(\"EMQ\")"),
        ("/3", "c3 00 454d51", &string, "refused: resource without an instance in the answer to an object at byte 0"),
        ("/2/0/2", "8702 417f07 61013601", &integer, "/2/0/2/127 Integer(7), /2/0/2/310 Integer(1)"),
        ("/3", "080003 c10001 080103 c10002", &integer, "/3/0/0 Integer(1), /3/1/0 Integer(2)"),
        ("/3/1", "080103 c10002", &integer, "/3/1/0 Integer(2)"),
        ("/3/0", "080103 c10002", &integer, "refused: /3/1 in the answer to /3/0 at byte 0"),
        ("/3/0/6/1", "410105", &integer, "/3/0/6/1 Integer(5)"),
        ("/3/0/6", "410105", &integer, "/3/0/6/1 Integer(5)"),
        ("/3/0", "410105", &integer, "refused: resource instance without a resource at byte 0"),
        ("/3/0", "", &integer, ""),
        ("/", "c10001", &integer, "refused: TLV holds one object and the request names none at content format"),
        ("/3/0", "c3 00 000001 c5 01 8000000000", &integer, "/3/0/0 Integer(1), /3/0/1 Integer(-549755813888)"),
        ("/3/0", "c10001 c202", &integer, "refused: TLV ends 2 bytes short at byte 3"),
    ];
    for (base, body, types, expected) in cases {
        assert_eq!(decoded(ContentFormat::Tlv, &unhex(body), base, types), expected, "{base} {body}");
    }
}

#[test]
fn time_in_tlv_is_unsigned_and_integer_signed() {
    let cases = [
        (ResourceType::Time, "Time(4294967295)"),
        (ResourceType::Integer, "Integer(-1)"),
        (ResourceType::Unsigned, "Unsigned(4294967295)"),
    ];
    for (resource_type, expected) in cases {
        let got = decoded(ContentFormat::Tlv, &unhex("c40dffffffff"), "/3/0/13", &typed(resource_type));
        assert_eq!(got, format!("/3/0/13 {expected}"));
    }
}

#[test]
fn a_32_bit_float_keeps_its_shortest_decimal() {
    let float = typed(ResourceType::Float);
    for single in [20.02f32, 0.1, -273.15, 1e-7, 16_777_217.0, f32::MIN_POSITIVE, 3.402_823e38, 1.0 / 3.0, 22.5, 0.0] {
        let expected = format!("/3303/0/5700 Float({:?})", single.to_string().parse::<f64>().unwrap());
        let bits = single.to_be_bytes();
        assert_eq!(
            decoded(ContentFormat::Tlv, &[&[0xE4, 0x16, 0x44], &bits[..]].concat(), "/3303/0/5700", &float),
            expected
        );
        assert_eq!(decoded(ContentFormat::Cbor, &[&[0xFA], &bits[..]].concat(), "/3303/0/5700", &float), expected);
    }
}

/// Its shortest decimal, 3.4028235e38, is more than 32 bits can hold.
#[test]
fn the_largest_32_bit_float_is_taken_as_it_is() {
    let float = typed(ResourceType::Float);
    for (bits, expected) in [("7f7fffff", "3.4028234663852886e38"), ("ff7fffff", "-3.4028234663852886e38")] {
        let got = decoded(ContentFormat::Tlv, &unhex(&format!("e41644{bits}")), "/3303/0/5700", &float);
        assert_eq!(got, format!("/3303/0/5700 Float({expected})"));
    }
}

/// A decimal fraction where an integer should be is a float (contract 3.2), but never a negative zero: that would be written `-0`, which
/// reads as the integer 0 and is written `0`.
#[test]
fn integers_as_text_know_no_negative_zero() {
    use ResourceType::{Float, Integer, Time, Unsigned};
    let path = Path::parse("/3/0/13").unwrap();
    for text in ["-0", "-0.0", "-0e5", "0E-86", "-1E-860404"] {
        for resource_type in [Integer, Unsigned, Time, Float] {
            let types = typed(resource_type);
            let Ok(nodes) = format::decode(ContentFormat::Text, text.as_bytes(), path, &types, NOW) else { continue };
            let written = format::encode(ContentFormat::Text, path, &nodes).unwrap();
            let again = format::decode(ContentFormat::Text, &written, path, &types, NOW).unwrap();
            let once_more = format::encode(ContentFormat::Text, path, &again).unwrap();
            assert_eq!(written, once_more, "{text:?} as {resource_type:?}");
        }
    }
    assert_eq!(decoded(ContentFormat::Text, b"-0.0", "/3/0/13", &typed(Time)), "/3/0/13 Float(0.0)");
    assert_eq!(decoded(ContentFormat::Text, b"-0.0", "/3/0/13", &typed(Float)), "/3/0/13 Float(-0.0)");
}

#[test]
fn text_is_read_as_its_type() {
    use ResourceType::{Boolean, Float, Integer, ObjectLink, Opaque, String, Time, Unsigned};
    let cases = [
        (Integer, "12345", "Integer(12345)"),
        (Integer, "+5", "Integer(5)"),
        (Integer, "1.5", "Float(1.5)"),
        (Integer, "1e3", "Float(1000.0)"),
        (Unsigned, "18446744073709551615", "Unsigned(18446744073709551615)"),
        (Time, "1476186613", "Time(1476186613)"),
        (Time, "1476186613.5", "Float(1476186613.5)"),
        (Float, "22", "Float(22.0)"),
        (Boolean, "true", "Boolean(true)"),
        (Boolean, "0", "Boolean(false)"),
        (ObjectLink, "66:0", "ObjectLink(66, 0)"),
        (String, " a ", "String(\" a \")"),
        // LwM2M 1.0: the text itself is the value.
        (Opaque, "AQID", "Opaque([65, 81, 73, 68])"),
    ];
    for (resource_type, body, expected) in cases {
        let got = decoded(ContentFormat::Text, body.as_bytes(), "/1/0/1", &typed(resource_type));
        assert_eq!(got, format!("/1/0/1 {expected}"), "{resource_type:?} {body}");
    }
    for (resource_type, body) in
        [(Integer, "1e19"), (Unsigned, "-1.0"), (Unsigned, "1e20"), (Time, "-1e19"), (Float, "1e309")]
    {
        let got = decoded(ContentFormat::Text, body.as_bytes(), "/1/0/1", &typed(resource_type));
        assert!(got.starts_with("refused: ") && got.contains("range"), "{resource_type:?} {body}: {got}");
    }
    let newer = All(Some(Opaque), Version::new(1, 1));
    assert_eq!(decoded(ContentFormat::Text, b"AQID", "/1/0/1", &newer), "/1/0/1 Opaque([1, 2, 3])");
    assert!(decoded(ContentFormat::Text, b"A*ID", "/1/0/1", &newer).starts_with("refused: not base64"));
    let unknown = All(None, Version::new(1, 1));
    assert_eq!(decoded(ContentFormat::Text, b"7", "/1/0/1", &unknown), "/1/0/1 Untyped([55])");
    assert!(decoded(ContentFormat::Text, b"7", "/1/0", &unknown).starts_with("refused: "));
}

#[test]
fn old_json_takes_types_from_itself_and_definitions_refine_them() {
    use ResourceType::{CoreLink, Float, Integer, Opaque, String, Time};
    let cases = [
        (
            String,
            r#"{"bn":"/3/0/","e":[{"n":"0","sv":"a"},{"n":"/1","v":7}]}"#,
            "/3/0/0 String(\"a\"), /3/0/1 Integer(7)",
        ),
        (Float, r#"{"bn":"/3/0","e":[{"n":"1","v":7}]}"#, "/3/0/1 Float(7.0)"),
        (Time, r#"{"bn":"/3/0/13","e":[{"v":7}]}"#, "/3/0/13 Time(7)"),
        (Opaque, r#"{"bn":"/5/0/0","e":[{"sv":"AQID"}]}"#, "/5/0/0 Opaque([1, 2, 3])"),
        (CoreLink, r#"{"bn":"/25/0/3","e":[{"sv":"</3>"}]}"#, "/25/0/3 CoreLink(\"</3>\")"),
        (Integer, r#"{"bn":"/3/0/9","e":[{"v":1.5}]}"#, "/3/0/9 Float(1.5)"),
        (Integer, r#"{"bn":"/3/0/9","e":[{"v":9007199254740993}]}"#, "/3/0/9 Integer(9007199254740993)"),
        // The order of the contract: v before bv, ov and sv; a lone t is the value, beside another it is the time.
        (Integer, r#"{"bn":"/3/0/9","e":[{"sv":"x","bv":true,"v":1}]}"#, "/3/0/9 Integer(1)"),
        (Integer, r#"{"bn":"/3/0/9","e":[{"t":5}]}"#, "/3/0/9 Integer(5)"),
        (Integer, r#"{"bn":"/3/0/9","e":[{"t":5,"v":1}],"bt":1700000000}"#, "/3/0/9 Integer(1) @1700000005"),
        (Integer, r#"{"bn":"/3/0/9","e":[{"t":-5,"v":1}]}"#, "/3/0/9 Integer(1) @1763824995"),
        (Integer, r#"{"bn":"/3/0/9","e":[{}]}"#, "/3/0/9 Absent"),
        // Names without a base are absolute, or else below the request.
        (Integer, r#"{"e":[{"n":"/3/0/9","v":1}]}"#, "/3/0/9 Integer(1)"),
        (Integer, r#"{"e":[{"n":"9","v":1},{"n":"6/0","v":2}]}"#, "/3/0/9 Integer(1), /3/0/6/0 Integer(2)"),
    ];
    for (resource_type, body, expected) in cases {
        let base = expected.split('/').take(3).collect::<Vec<_>>().join("/");
        assert_eq!(decoded(ContentFormat::Json, body.as_bytes(), &base, &typed(resource_type)), expected, "{body}");
    }
}

#[test]
fn senml_json_is_written_compactly() {
    let timed = |at: &str, value, time| Node { time: Some(time), ..node(at, value) };
    let cases: Vec<(&str, Vec<Node>, &str)> = vec![
        ("/3/0/14", vec![node("/3/0/14", text("+02:00"))], r#"[{"bn":"/3/0/14","vs":"+02:00"}]"#),
        (
            "/3/0",
            vec![node("/3/0/13", Value::Time(9_007_199_254_740_993)), node("/3/0/6/0", Value::Unsigned(u64::MAX))],
            r#"[{"bn":"/3/0/","n":"13","v":9007199254740993},{"n":"6/0","v":18446744073709551615}]"#,
        ),
        ("/", vec![node("/3/0/0", Value::Absent), node("/1", Value::Absent)], r#"[{"n":"/3/0/0"},{"n":"/1"}]"#),
        (
            "/",
            vec![node("/3/0/0", Value::Absent), node("/3/0", Value::Absent)],
            r#"[{"bn":"/3/","n":"0/0"},{"n":"0"}]"#,
        ),
        ("/", vec![node("/", Value::Absent)], r#"[{"n":"/"}]"#),
        (
            "/",
            vec![node("/1/0/6", Value::Boolean(true)), node("/5/0/0", Value::Opaque(vec![0xFB, 0xFF]))],
            r#"[{"n":"/1/0/6","vb":true},{"n":"/5/0/0","vd":"-_8"}]"#,
        ),
        ("/65/0/1", vec![node("/65/0/1", Value::ObjectLink(66, 0))], r#"[{"bn":"/65/0/1","vlo":"66:0"}]"#),
        (
            "/3303/0/5700",
            vec![
                timed("/3303/0/5700", Value::Float(20.5), 1.7e9),
                timed("/3303/0/5700", Value::Float(20.0), 1_700_000_000.5),
            ],
            r#"[{"bn":"/3303/0/5700","t":1700000000,"v":20.5},{"t":1700000000.5,"v":20.0}]"#,
        ),
        (
            "/3303/0",
            vec![timed("/3303/0/5700", Value::Float(20.5), 1.7e9), timed("/3303/0/5701", text("Cel"), 1.7e9)],
            r#"[{"bn":"/3303/0/","bt":1700000000,"n":"5700","v":20.5},{"n":"5701","vs":"Cel"}]"#,
        ),
        ("/3", vec![], "[]"),
    ];
    for (base, nodes, expected) in cases {
        let body = format::encode(ContentFormat::SenmlJson, path(base), &nodes).unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        let cbor = format::encode(ContentFormat::SenmlCbor, path(base), &nodes).unwrap();
        assert!(cbor.len() < expected.len());
    }
}

#[test]
fn an_object_link_may_come_as_text_as_leshan_sends_it() {
    let link = typed(ResourceType::ObjectLink);
    for (format, body) in [
        (ContentFormat::SenmlJson, br#"[{"n":"/65/0/1","vs":"66:0"}]"#.to_vec()),
        (ContentFormat::SenmlCbor, unhex("81a200672f36352f302f31036436363a30")),
    ] {
        assert_eq!(decoded(format, &body, "/65/0/1", &link), "/65/0/1 ObjectLink(66, 0)", "{format:?}");
    }
    let body = br#"[{"n":"/65/0/1","vs":"a:b"}]"#;
    assert!(format::decode(ContentFormat::SenmlJson, body, path("/65/0/1"), &link, 0.0).is_err());
}

#[test]
fn a_time_in_cbor_is_tagged_up_to_1_1() {
    let nodes = [node("/3/0/13", Value::Time(1_476_186_613))];
    for (enabler, expected) in
        [(Version::new(1, 0), "c11a57fcd1f5"), (Version::new(1, 1), "c11a57fcd1f5"), (Version::new(1, 2), "1a57fcd1f5")]
    {
        let body = format::encode_for(enabler, ContentFormat::Cbor, path("/3/0/13"), &nodes).unwrap();
        assert_eq!(hex(&body), expected, "{enabler}");
    }
    let nodes = [node("/3/0/9", Value::Integer(60))];
    let body = format::encode_for(Version::new(1, 1), ContentFormat::Cbor, path("/3/0/9"), &nodes).unwrap();
    assert_eq!(hex(&body), "183c", "an Integer is no Time");
}

#[test]
fn senml_etch_removes_with_null() {
    let nodes = [node("/3/0/6/1", Value::Absent), node("/1/0/1", Value::Integer(60))];
    let json = format::encode(ContentFormat::SenmlEtchJson, Path::ROOT, &nodes).unwrap();
    assert_eq!(String::from_utf8(json.clone()).unwrap(), r#"[{"n":"/3/0/6/1","v":null},{"n":"/1/0/1","v":60}]"#);
    let cbor = format::encode(ContentFormat::SenmlEtchCbor, Path::ROOT, &nodes).unwrap();
    assert_eq!(hex(&cbor), "82a200682f332f302f362f3102f6a200662f312f302f3102183c");
    let types = typed(ResourceType::Integer);
    for (format, body) in [(ContentFormat::SenmlEtchJson, &json), (ContentFormat::SenmlEtchCbor, &cbor)] {
        assert_eq!(decoded(format, body, "/", &types), "/3/0/6/1 Absent, /1/0/1 Integer(60)");
    }
    for (format, body) in [(ContentFormat::SenmlJson, &json), (ContentFormat::SenmlCbor, &cbor)] {
        assert!(decoded(format, body, "/", &types).starts_with("refused: "), "{format:?}");
    }
}

#[test]
fn times_of_a_pack_become_absolute() {
    let float = typed(ResourceType::Float);
    let cases = [
        (r#"[{"bn":"/3303/0/5700","bt":1700000000,"v":1},{"t":-10,"v":2}]"#, "@1700000000, @1699999990"),
        (r#"[{"bn":"/3303/0/5700","bt":-60,"v":1},{"t":30,"v":2}]"#, "@1763824940, @1763824970"),
        (r#"[{"bn":"/3303/0/5700","t":0,"v":1}]"#, "@1763825000"),
    ];
    for (body, expected) in cases {
        let nodes =
            format::decode(ContentFormat::SenmlJson, body.as_bytes(), path("/3303/0/5700"), &float, NOW).unwrap();
        let times: Vec<String> = nodes.iter().map(|node| format!("@{}", node.time.unwrap())).collect();
        assert_eq!(times.join(", "), expected, "{body}");
    }
}

#[test]
fn formats_are_known_by_number() {
    for number in [0, 40, 42, 60, 110, 112, 320, 322, 11542, 11543, 11544] {
        assert_eq!(ContentFormat::from_number(number).map(ContentFormat::number), Some(number));
    }
    for (older, newer) in [(1541, 0), (1542, 11542), (1543, 11543)] {
        assert_eq!(ContentFormat::from_number(older).map(ContentFormat::number), Some(newer));
    }
    for number in [41, 47, 50, 311, 65535] {
        assert_eq!(ContentFormat::from_number(number), None);
    }
    assert!(
        decoded(ContentFormat::Link, b"</3>", "/3", &typed(ResourceType::String)).starts_with("refused: link-format")
    );
}

#[test]
fn paths_are_ordered_by_their_segments() {
    let mut paths = ["/3/0/6/1", "/6", "/3/0", "/3/0/7", "/", "/3/1/0", "/3/0/6", "/3/0/0"].map(path);
    paths.sort();
    assert_eq!(paths, ["/", "/3/0", "/3/0/0", "/3/0/6", "/3/0/6/1", "/3/0/7", "/3/1/0", "/6"].map(path));
}
