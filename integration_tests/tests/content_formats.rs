//! Which decoder a Content-Format gets (contract chapter 6).
use integration_tests::datagram::{option, uint};
use integration_tests::expectation::{assert_message, content, plain};
use integration_tests::{World, unhex};
use serde_json::{Value, json};

/// Path and value of each element; `None`: the answer is 4.00.
type Elements = Option<Vec<(&'static str, Value)>>;

/// Path read, Content-Format (`None`: no option), payload, elements; `None`: 4.00.
fn table() -> Vec<(&'static str, Option<u16>, Vec<u8>, Elements)> {
    vec![
        // text: resource or resource instance, with a definition
        ("/3/0/0", None, b"EMQ".to_vec(), Some(vec![("/3/0/0", json!("EMQ"))])),
        ("/3/0/0", Some(0), b"EMQ".to_vec(), Some(vec![("/3/0/0", json!("EMQ"))])),
        ("/3/0/6/0", Some(0), b"1".to_vec(), Some(vec![("/3/0/6/0", json!(1))])),
        ("/3/0/0?x=1", Some(0), b"EMQ".to_vec(), Some(vec![("/3/0/0", json!("EMQ"))])),
        ("3/0/0", Some(0), b"EMQ".to_vec(), Some(vec![("3/0/0", json!("EMQ"))])),
        ("/3/0", Some(0), b"EMQ".to_vec(), None),
        ("/3", Some(0), b"EMQ".to_vec(), None),
        ("/3/0/999", Some(0), b"EMQ".to_vec(), None),
        ("/50000/0/0", Some(0), b"EMQ".to_vec(), None),
        // link-format in a read
        ("/3/0", Some(40), b"</3/0/0>".to_vec(), None),
        // octets: no definition needed
        ("/3/0/0", Some(42), unhex("00ff"), Some(vec![("/3/0/0", json!("AP8="))])),
        ("/3/0", Some(42), unhex("00ff"), Some(vec![("/3/0", json!("AP8="))])),
        ("/50000/1/2", Some(42), b"EMQ".to_vec(), Some(vec![("/50000/1/2", json!("RU1R"))])),
        ("3/0/0?x", Some(42), unhex("00ff"), Some(vec![("3/0/0", json!("AP8="))])),
        ("/3/0/0", Some(42), vec![], Some(vec![("/3/0/0", json!(""))])),
        // xml, exi, json
        ("/3/0/0", Some(41), b"<x/>".to_vec(), None),
        ("/3/0/0", Some(47), unhex("80"), None),
        ("/3/0/0", Some(50), b"{}".to_vec(), None),
        // what nobody can decode: base64
        ("/3/0/0", Some(43), unhex("0102"), Some(vec![("/3/0/0", json!("AQI="))])),
        ("/3/0/0", Some(9999), b"EMQ".to_vec(), Some(vec![("/3/0/0", json!("RU1R"))])),
        ("/3/0", Some(65000), b"EMQ".to_vec(), Some(vec![("/3/0", json!("RU1R"))])),
        // SenML
        (
            "/3/0",
            Some(110),
            br#"[{"bn":"/3/0/","n":"0","vs":"EMQ"},{"n":"9","v":95}]"#.to_vec(),
            Some(vec![("/3/0/0", json!("EMQ")), ("/3/0/9", json!(95))]),
        ),
        (
            "/33000/0",
            Some(110),
            br#"[{"bn":"/33000/0/","n":"3","vb":true},{"n":"4","vd":"AP8"},{"n":"6","vlo":"66:0"}]"#.to_vec(),
            Some(vec![("/33000/0/3", json!(true)), ("/33000/0/4", json!("AP8=")), ("/33000/0/6", json!("66:0"))]),
        ),
        ("/3/0/0", Some(112), unhex("81 a2 21 66 2f332f302f30 03 63 454d51"), Some(vec![("/3/0/0", json!("EMQ"))])),
        ("/3/0", Some(110), b"[{\"bn\":".to_vec(), None),
        ("/3/0", Some(112), unhex("81a221"), None),
    ]
}

#[test]
fn content_format_of_the_answer_decides() {
    let world = World::start();
    let device = world.device("ep1");
    for (path, format, payload, elements) in table() {
        let number = format.map(|format| uint(u32::from(format)));
        let options: Vec<(u16, &[u8])> =
            number.iter().map(|number| (option::CONTENT_FORMAT, number.as_slice())).collect();
        let command = json!({"reqID": format, "msgType": "read", "data": {"path": path}});
        let message = world.round_trip(&device, &command, "2.05", &options, payload);
        let path = path.split('?').next().unwrap();
        let data = elements.map_or_else(|| plain("4.00", path), |elements| content("2.05", path, &elements));
        assert_message(&message, &json!({"reqID": format, "msgType": "read", "data": data}));
    }
}

#[test]
fn device_of_1_0_gets_no_accept_unless_the_command_asks() {
    let world = World::start();
    let device = world.device("ep1");
    for (format, accept) in [
        (None, None),
        (Some("text"), Some(0)),
        (Some("opaque"), Some(42)),
        (Some("tlv"), Some(11542)),
        (Some("json"), Some(11543)),
        (Some("cbor"), Some(60)),
        (Some("senml-json"), Some(110)),
        (Some("senml-cbor"), Some(112)),
        (Some("lwm2m-cbor"), Some(11544)),
    ] {
        let mut command = json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}});
        if let Some(format) = format {
            command["data"]["format"] = json!(format);
        }
        let request = world.command(&device, &command);
        assert_eq!(request.uint(option::ACCEPT), accept, "{command}");
        device.answer(&request, "2.05", &[], "x");
        world.application.answer("ep1");
    }
    for data in [json!({"path": "/3", "format": "text"}), json!({"path": "/3/0/0", "format": "nonsense"})] {
        world.application.command("ep1", &json!({"reqID": 2, "msgType": "read", "data": data}));
        let message = world.application.answer("ep1");
        assert_eq!(message.data("code"), "4.00", "{}", message.json);
        assert!(message.data("diagnostic").is_string(), "{}", message.json);
    }
    device.expect_quiet();
}

#[test]
fn device_of_1_1_is_asked_for_the_best_format_that_it_announced() {
    let world = World::start();
    for (ep, root, accept) in [
        ("none", "</>;rt=\"oma.lwm2m\"", None),
        ("both", "</>;rt=\"oma.lwm2m\";ct=\"110 112\"", Some(112)),
        ("json", "</>;rt=\"oma.lwm2m\";ct=110", Some(110)),
        ("tlv", "</>;rt=\"oma.lwm2m\";ct=11542", Some(11542)),
    ] {
        let device = world.device_with(ep, &["lwm2m=1.1"], &format!("{root},</3/0>"));
        let request = world.command(&device, &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0"}}));
        assert_eq!(request.uint(option::ACCEPT), accept, "{ep}");
        device.answer(&request, "2.05", &[(option::CONTENT_FORMAT, &[0x2d, 0x16])], unhex("c2004849"));
        assert_message(
            &world.application.answer(ep),
            &json!({"reqID": 1, "msgType": "read", "data": content("2.05", "/3/0", &[("/3/0/0", json!("HI"))])}),
        );
    }
}
