//! JSON values on their way to the device (contract 3.1).
use integration_tests::expectation::{assert_message, plain};
use integration_tests::{World, hex};
use serde_json::{Value, json};

/// Resource of object 33000, type, value, bytes of the value in hex; `None`: refused with 4.00 and nothing sent.
fn table() -> Vec<(u16, Value, Value, Option<&'static str>)> {
    let integers: &[(i64, &str)] = &[
        (0, "00"),
        (1, "01"),
        (127, "7f"),
        (128, "0080"),
        (255, "00ff"),
        (-1, "ff"),
        (-128, "80"),
        (-129, "ff7f"),
        (12345, "3039"),
        (32767, "7fff"),
        (32768, "00008000"),
        (-32768, "8000"),
        (-32769, "ffff7fff"),
        (40000, "00009c40"),
        (86400, "00015180"),
        (2_147_483_647, "7fffffff"),
        (2_147_483_648, "0000000080000000"),
        (-2_147_483_648, "80000000"),
        (-2_147_483_649, "ffffffff7fffffff"),
        (1_700_000_000, "6553f100"),
        (i64::MAX, "7fffffffffffffff"),
        (i64::MIN, "8000000000000000"),
    ];
    let mut rows = Vec::new();
    for (number, bytes) in integers {
        rows.push((1, json!("Integer"), json!(number), Some(*bytes)));
        rows.push((1, json!("Integer"), json!(number.to_string()), Some(*bytes)));
    }
    rows.extend([
        (1, json!("Integer"), json!("-129"), Some("ff7f")),
        (1, json!("Integer"), json!(5.0), Some("05")),
        (1, json!("Integer"), json!(1.5), None),
        (1, json!("Integer"), json!("1.5"), None),
        (1, json!("Integer"), json!("abc"), None),
        (1, json!("Integer"), json!(""), None),
        (1, json!("Integer"), json!(true), None),
        (1, json!("Integer"), json!(null), None),
        (1, json!("Integer"), json!([1]), None),
        (1, json!("Integer"), json!("9223372036854775808"), None),
        (5, json!("Time"), json!(1_700_000_000), Some("6553f100")),
        (5, json!("Time"), json!("1700000000"), Some("6553f100")),
        (5, json!("Time"), json!("now"), None),
        (2, json!("Float"), json!(1.5), Some("3ff8000000000000")),
        (2, json!("Float"), json!("12345.0"), Some("40c81c8000000000")),
        (2, json!("Float"), json!("1e3"), Some("408f400000000000")),
        (2, json!("Float"), json!(1), Some("3ff0000000000000")),
        (2, json!("Float"), json!("1"), Some("3ff0000000000000")),
        (2, json!("Float"), json!("-0.25"), Some("bfd0000000000000")),
        (2, json!("Float"), json!(0.1), Some("3fb999999999999a")),
        (2, json!("Float"), json!("x"), None),
        (2, json!("Float"), json!(true), None),
        (3, json!("Boolean"), json!("true"), Some("01")),
        (3, json!("Boolean"), json!("false"), Some("00")),
        (3, json!("Boolean"), json!(true), Some("01")),
        (3, json!("Boolean"), json!(false), Some("00")),
        (3, json!("Boolean"), json!(1), Some("01")),
        (3, json!("Boolean"), json!(0), Some("00")),
        (3, json!("Boolean"), json!("yes"), None),
        (3, json!("Boolean"), json!(2), None),
        (4, json!("Opaque"), json!("AQID"), Some("010203")),
        (4, json!("Opaque"), json!("AQ=="), Some("01")),
        (4, json!("Opaque"), json!("AQ"), Some("01")),
        (4, json!("Opaque"), json!(""), Some("")),
        (4, json!("Opaque"), json!("*"), None),
        (4, json!("Opaque"), json!("A"), None),
        (4, json!("Opaque"), json!(5), None),
        (6, json!("Objlnk"), json!("1:2"), Some("00010002")),
        (6, json!("Objlnk"), json!("65535:65535"), Some("ffffffff")),
        (6, json!("Objlnk"), json!("65536:0"), None),
        (6, json!("Objlnk"), json!("1"), None),
        (6, json!("Objlnk"), json!("1:2:3"), None),
        (6, json!("Objlnk"), json!("a:b"), None),
        (6, json!("Objlnk"), json!(-1), None),
        (0, json!("String"), json!("Hello"), Some("48656c6c6f")),
        (0, json!("String"), json!(""), Some("")),
        (0, json!("String"), json!("Grüße ✓"), Some("4772c3bcc39f6520e29c93")),
        (0, json!("String"), json!(5), None),
        (0, json!("String"), json!(true), None),
        (0, json!("String"), json!(null), None),
        // LwM2M 1.1 types
        (7, json!("Unsigned Integer"), json!(5), Some("05")),
        (8, json!("Corelnk"), json!("</3/0>"), Some("3c2f332f303e")),
        // the type string is case-sensitive: an unknown one is taken from the definition
        (1, json!("integer"), json!(128), Some("0080")),
        (0, json!("Nonsense"), json!("x"), Some("78")),
        (1, Value::Null, json!(-1), Some("ff")),
        (2, Value::Null, json!(1), Some("3ff0000000000000")),
        (3, Value::Null, json!(true), Some("01")),
        (4, Value::Null, json!("AQID"), Some("010203")),
        // the type of the command beats the definition
        (0, json!("Integer"), json!(5), Some("05")),
    ]);
    rows
}

/// The TLV of one resource with this value.
fn tlv(resource: u16, value: &str) -> String {
    let length = value.len() / 2;
    let head = if length < 8 {
        format!("{:02x}{resource:02x}", 0xc0 | length)
    } else {
        format!("c8{resource:02x}{length:02x}")
    };
    head + value
}

#[test]
fn each_type_is_encoded_as_the_contract_says() {
    let world = World::start();
    let device = world.device("ep1");
    for (at, (resource, kind, value, bytes)) in table().into_iter().enumerate() {
        let path = format!("/33000/0/{resource}");
        let mut data = json!({"path": path, "type": kind, "value": value});
        if kind.is_null() {
            data.as_object_mut().unwrap().remove("type");
        }
        let command = json!({"reqID": at, "msgType": "write", "data": data});
        world.application.command("ep1", &command);
        let code = match bytes {
            Some(bytes) => {
                let request = device.expect_request();
                assert_eq!(hex(&request.payload), tlv(resource, bytes), "payload of {command}");
                device.answer(&request, "2.04", &[], "");
                "2.04"
            }
            None => "4.00",
        };
        let message = world.application.answer("ep1");
        assert_message(&message, &json!({"reqID": at, "msgType": "write", "data": plain(code, &path)}));
        if code == "4.00" {
            assert!(
                message.data("diagnostic").as_str().is_some_and(|text| text.starts_with("bad command:")),
                "{command}: {}",
                message.json
            );
        }
    }
    device.expect_quiet();
}

#[test]
fn type_unknown_everywhere_is_refused() {
    let world = World::start();
    let device = world.device_with("ep1", &[], "</50000/0>");
    for data in
        [json!({"path": "/50000/0/1", "value": "x"}), json!({"path": "/50000/0/1", "type": "Nonsense", "value": "x"})]
    {
        world.application.command("ep1", &json!({"reqID": 1, "msgType": "write", "data": data}));
        assert_message(
            &world.application.answer("ep1"),
            &json!({"reqID": 1, "msgType": "write", "data": plain("4.00", "/50000/0/1")}),
        );
    }
    device.expect_quiet();
}

#[test]
fn hex_encoded_values_are_sent_as_their_bytes() {
    let world = World::start();
    let device = world.device("ep1");
    // resource, type, value, bytes
    let rows: &[(u16, &str, Value, Option<&str>)] = &[
        (0, "String", json!("48656c6C6F"), Some("48656c6c6f")),
        (0, "String", json!("f"), Some("0f")),
        (0, "String", json!("123"), Some("0123")),
        (4, "Opaque", json!("DEADbeef"), Some("deadbeef")),
        (4, "Opaque", json!("00"), Some("00")),
        (4, "Opaque", json!("xy"), None),
        (0, "String", json!("0g"), None),
        (0, "String", json!(12), None),
        (0, "String", json!(null), None),
        (1, "Integer", json!("3132"), None),
        (2, "Float", json!("312e35"), None),
        (3, "Boolean", json!("01"), None),
    ];
    for (resource, kind, value, bytes) in rows {
        let path = format!("/33000/0/{resource}");
        let command = json!({"reqID": 1, "encoding": "hex", "msgType": "write", "data": {"path": path, "type": kind, "value": value}});
        world.application.command("ep1", &command);
        let code = if let Some(bytes) = bytes {
            let request = device.expect_request();
            assert_eq!(hex(&request.payload), tlv(*resource, bytes), "payload of {command}");
            device.answer(&request, "2.04", &[], "");
            "2.04"
        } else {
            "4.00"
        };
        assert_message(
            &world.application.answer("ep1"),
            &json!({"reqID": 1, "encoding": "hex", "msgType": "write", "data": plain(code, &path)}),
        );
    }
    // in a batch every element is hex
    let batch = json!({"reqID": 2, "encoding": "hex", "msgType": "write", "data": {"basePath": "/33000/0", "content": [
        {"path": "0", "type": "String", "value": "4142"}, {"path": "4", "type": "Opaque", "value": "ff"}]}});
    let request = world.command(&device, &batch);
    assert_eq!(hex(&request.payload), "c2004142c104ff");
    device.answer(&request, "2.04", &[], "");
    world.application.answer("ep1");
    // any other value of encoding means plain
    for encoding in [json!("plain"), json!("HEX"), json!(5)] {
        let command = json!({"reqID": 3, "encoding": encoding, "msgType": "write", "data": {"path": "/33000/0/0", "type": "String", "value": "41"}});
        let request = world.command(&device, &command);
        assert_eq!(hex(&request.payload), "c2003431", "{command}");
        device.answer(&request, "2.04", &[], "");
        assert_eq!(world.application.answer("ep1").json["encoding"], encoding);
    }
    // and it means nothing for other commands
    let request = world.command(
        &device,
        &json!({"reqID": 4, "encoding": "hex", "msgType": "execute", "data": {"path": "/3/0/4", "args": "zz"}}),
    );
    assert_eq!(request.payload, b"zz");
}

#[test]
fn long_values_get_long_lengths() {
    let world = World::start();
    let device = world.device("ep1");
    for (resource, length, head) in
        [(0, 7, "c700"), (0, 8, "c80008"), (0, 255, "c800ff"), (0, 256, "d0000100"), (0, 700, "d00002bc")]
    {
        let value = "a".repeat(length);
        let path = format!("/33000/0/{resource}");
        let request = world.command(
            &device,
            &json!({"reqID": 1, "msgType": "write", "data": {"path": path, "type": "String", "value": value}}),
        );
        let expected = format!("{head}{}", "61".repeat(length));
        assert_eq!(hex(&request.payload), expected, "length {length}");
        device.answer(&request, "2.04", &[], "");
        world.application.answer("ep1");
    }
    // an id above 255 takes two bytes
    let request = world.command(
        &device,
        &json!({"reqID": 1, "msgType": "write", "data": {"path": "/33000/0/300", "type": "Integer", "value": 5}}),
    );
    assert_eq!(hex(&request.payload), "e1012c05");
}
