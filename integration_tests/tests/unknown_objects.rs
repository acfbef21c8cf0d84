//! Objects without a definition (contract 6.5, extensions §8).
use integration_tests::World;
use integration_tests::datagram::option;
use integration_tests::expectation::{assert_message, content, plain};
use integration_tests::unhex;
use serde_json::json;

const TLV: &[(u16, &[u8])] = &[(option::CONTENT_FORMAT, &[0x2d, 0x16])];

fn read(path: &str) -> serde_json::Value {
    json!({"reqID": 1, "msgType": "read", "data": {"path": path}})
}

#[test]
fn reject_publishes_a_bad_request() {
    let world = World::start();
    let device = world.device_with("ep1", &[], "</50000/0>,</3/0>");
    for (path, options, payload) in [
        ("/50000/0/1", TLV, "c10105"),
        ("/50000/0", TLV, "c10105"),
        ("/50000/0/1", &[][..], "35"),
        ("/3/0", TLV, "c1c805"),
    ] {
        let message = world.round_trip(&device, &read(path), "2.05", options, unhex(payload));
        assert_message(&message, &json!({"reqID": 1, "msgType": "read", "data": plain("4.00", path)}));
    }
    // formats that need no definition
    let message =
        world.round_trip(&device, &read("/50000/0/1"), "2.05", &[(option::CONTENT_FORMAT, &[42])], unhex("05"));
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "read", "data": content("2.05", "/50000/0/1", &[("/50000/0/1", json!("BQ=="))])}),
    );
    // commands do not need one either
    let request = world.command(
        &device,
        &json!({"reqID": 1, "msgType": "write", "data": {"path": "/50000/0/1", "type": "Integer", "value": 5}}),
    );
    assert_eq!(request.payload, unhex("c10105"));
}

#[test]
fn raw_publishes_the_bytes() {
    let world = World::with(&[("lwm2m.unknown_objects", "\"raw\"")]);
    let device = world.device_with("ep1", &[], "</50000/0>,</3/0>");
    let raw = |path: &str, value: &str| json!({"path": path, "value": value, "raw": true});
    let data = |path: &str, elements: Vec<serde_json::Value>| json!({"code": "2.05", "codeMsg": "content", "reqPath": path, "content": elements});

    let message = world.round_trip(&device, &read("/50000/0/1"), "2.05", TLV, unhex("c10105"));
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "read", "data": data("/50000/0/1", vec![raw("/50000/0/1", "BQ==")])}),
    );

    let message = world.round_trip(&device, &read("/50000/0"), "2.05", TLV, unhex("c10105 c2024849"));
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "read", "data": data("/50000/0", vec![raw("/50000/0/1", "BQ=="), raw("/50000/0/2", "SEk=")])}),
    );

    // an unknown resource of a known object: only that element is raw
    let message = world.round_trip(&device, &read("/3/0"), "2.05", TLV, unhex("c2004849 c1c805"));
    let elements = vec![json!({"path": "/3/0/0", "value": "HI"}), raw("/3/0/200", "BQ==")];
    assert_message(&message, &json!({"reqID": 1, "msgType": "read", "data": data("/3/0", elements)}));

    let message = world.round_trip(&device, &read("/50000/0/1"), "2.05", &[(option::CONTENT_FORMAT, &[])], "35");
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "read", "data": data("/50000/0/1", vec![raw("/50000/0/1", "MzU=")])}),
    );

    // broken TLV stays an error
    let message = world.round_trip(&device, &read("/50000/0"), "2.05", TLV, unhex("c8"));
    assert_message(&message, &json!({"reqID": 1, "msgType": "read", "data": plain("4.00", "/50000/0")}));
}
