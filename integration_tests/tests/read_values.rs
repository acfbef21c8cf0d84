//! Values of the device on their way to JSON (contract 3.2).
use integration_tests::datagram::{option, uint};
use integration_tests::expectation::{assert_message, content, plain};
use integration_tests::{World, unhex};
use serde_json::{Value, json};

const TEXT: u16 = 0;
const TLV: u16 = 11542;

/// Resource of object 33000, Content-Format, payload (hex of the value in TLV, text otherwise), JSON; `None`: 4.00.
fn table() -> Vec<(u16, u16, &'static str, Option<Value>)> {
    vec![
        // String
        (0, TLV, "48656c6c6f", Some(json!("Hello"))),
        (0, TLV, "", Some(json!(""))),
        (0, TLV, "4772c3bcc39f65", Some(json!("Grüße"))),
        (0, TLV, "41ff42", Some(json!("A\u{fffd}B"))),
        (0, TEXT, "Hello", Some(json!("Hello"))),
        // Integer: signed, any length
        (1, TLV, "00", Some(json!(0))),
        (1, TLV, "7f", Some(json!(127))),
        (1, TLV, "ff", Some(json!(-1))),
        (1, TLV, "80", Some(json!(-128))),
        (1, TLV, "0080", Some(json!(128))),
        (1, TLV, "ff7f", Some(json!(-129))),
        (1, TLV, "9c40", Some(json!(-25536))),
        (1, TLV, "015180", Some(json!(86400))),
        (1, TLV, "00015180", Some(json!(86400))),
        (1, TLV, "fffffffffe", Some(json!(-2))),
        (1, TLV, "7fffffffffffffff", Some(json!(i64::MAX))),
        (1, TLV, "8000000000000000", Some(json!(i64::MIN))),
        (1, TEXT, "12345", Some(json!(12345))),
        (1, TEXT, "-5", Some(json!(-5))),
        (1, TEXT, "9007199254740993", Some(json!(9_007_199_254_740_993_i64))),
        (1, TEXT, "1.5", Some(json!(1.5))),
        (1, TEXT, "abc", None),
        // Float: 4 or 8 bytes, shortest rendering
        (2, TLV, "41a028f6", Some(json!(20.02))),
        (2, TLV, "3fb999999999999a", Some(json!(0.1))),
        (2, TLV, "40c81c8000000000", Some(json!(12345.0))),
        (2, TLV, "c1200000", Some(json!(-10.0))),
        // not finite: no JSON number, refused (tlv-128 to tlv-131 of the vectors; the contract's older word was null)
        (2, TLV, "7fc00000", None),
        (2, TLV, "7ff0000000000000", None),
        (2, TLV, "0102", None),
        (2, TEXT, "20.02", Some(json!(20.02))),
        (2, TEXT, "7", Some(json!(7))),
        (2, TEXT, "warm", None),
        // Boolean
        (3, TLV, "00", Some(json!(false))),
        (3, TLV, "01", Some(json!(true))),
        (3, TLV, "0101", None),
        (3, TEXT, "true", Some(json!(true))),
        (3, TEXT, "false", Some(json!(false))),
        (3, TEXT, "1", Some(json!(true))),
        (3, TEXT, "0", Some(json!(false))),
        (3, TEXT, "perhaps", None),
        // Opaque: base64 of the bytes; a text's bytes are encoded again for a 1.0 device
        (4, TLV, "010203", Some(json!("AQID"))),
        (4, TLV, "01", Some(json!("AQ=="))),
        (4, TLV, "", Some(json!(""))),
        (4, TEXT, "abc", Some(json!("YWJj"))),
        // Time: unsigned
        (5, TLV, "6553f100", Some(json!(1_700_000_000))),
        (5, TLV, "ffffffff", Some(json!(4_294_967_295_u32))),
        (5, TLV, "0a", Some(json!(10))),
        (5, TEXT, "1700000000", Some(json!(1_700_000_000))),
        // Objlnk
        (6, TLV, "00420000", Some(json!("66:0"))),
        (6, TLV, "ffffffff", Some(json!("65535:65535"))),
        (6, TLV, "0042", None),
        (6, TEXT, "66:0", Some(json!("66:0"))),
        // 1.1 types
        (7, TLV, "ff", Some(json!(255))),
        (7, TLV, "ffffffffffffffff", Some(json!(u64::MAX))),
        (7, TEXT, "18446744073709551615", Some(json!(u64::MAX))),
        (8, TLV, "3c2f332f303e", Some(json!("</3/0>"))),
        (8, TEXT, "</3/0>", Some(json!("</3/0>"))),
    ]
}

#[test]
fn each_type_is_rendered_as_the_contract_says() {
    let world = World::start();
    let device = world.device("ep1");
    for (resource, format, payload, value) in table() {
        let path = format!("/33000/0/{resource}");
        let body = if format == TLV {
            let bytes = unhex(payload);
            let length = u8::try_from(bytes.len()).unwrap();
            let mut tlv = if length < 8 {
                vec![0xc0 | length, u8::try_from(resource).unwrap()]
            } else {
                vec![0xc8, u8::try_from(resource).unwrap(), length]
            };
            tlv.extend(bytes);
            tlv
        } else {
            payload.as_bytes().to_vec()
        };
        let number = uint(u32::from(format));
        let message = world.round_trip(
            &device,
            &json!({"reqID": 1, "msgType": "read", "data": {"path": path}}),
            "2.05",
            &[(option::CONTENT_FORMAT, &number)],
            body,
        );
        let data =
            value.clone().map_or_else(|| plain("4.00", &path), |value| content("2.05", &path, &[(&path, value)]));
        assert_message(&message, &json!({"reqID": 1, "msgType": "read", "data": data}));
    }
}

#[test]
fn integers_of_64_bits_keep_every_digit_in_the_text_of_the_message() {
    let world = World::start();
    let device = world.device("ep1");
    for (resource, payload, digits) in
        [(1, "c8010820000000000000 01", "2305843009213693953"), (7, "c80708ffffffffffffffff", "18446744073709551615")]
    {
        let command = json!({"reqID": 1, "msgType": "read", "data": {"path": format!("/33000/0/{resource}")}});
        let message =
            world.round_trip(&device, &command, "2.05", &[(option::CONTENT_FORMAT, &[0x2d, 0x16])], unhex(payload));
        let text = String::from_utf8(message.payload).unwrap();
        assert!(text.contains(digits), "{digits} in {text}");
    }
}

#[test]
fn a_32_bit_float_is_rendered_shortest() {
    let world = World::start();
    let device = world.device("ep1");
    let command = json!({"reqID": 1, "msgType": "read", "data": {"path": "/3303/0/5700"}});
    let message = world.round_trip(
        &device,
        &command,
        "2.05",
        &[(option::CONTENT_FORMAT, &[0x2d, 0x16])],
        unhex("e4164441a028f6"),
    );
    let text = String::from_utf8(message.payload).unwrap();
    assert!(text.contains("20.02") && !text.contains("20.020"), "{text}");
}

#[test]
fn opaque_text_of_a_1_1_device_is_base64_already() {
    let world = World::start();
    let device = world.device_with("ep1", &["lwm2m=1.1"], "</33000/0>");
    let command = json!({"reqID": 1, "msgType": "read", "data": {"path": "/33000/0/4"}});
    let message = world.round_trip(&device, &command, "2.05", &[(option::CONTENT_FORMAT, &[])], "AQID");
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "read", "data": content("2.05", "/33000/0/4", &[("/33000/0/4", json!("AQID"))])}),
    );
}
