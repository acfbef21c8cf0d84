//! Codes of the device and how each is reported (contract 5.1 and 5.2).
use integration_tests::World;
use integration_tests::datagram::option;
use integration_tests::expectation::{assert_message, content, name_of, plain};
use serde_json::{Value, json};

fn command(kind: &str) -> Value {
    match kind {
        "write" => json!({"reqID": 1, "msgType": "write", "data": {"path": "/3/0/14", "type": "String", "value": "x"}}),
        "create" => json!({"reqID": 1, "msgType": "create", "data": {"basePath": "/3303", "content": []}}),
        "delete" => json!({"reqID": 1, "msgType": "delete", "data": {"path": "/3303/0"}}),
        "execute" => json!({"reqID": 1, "msgType": "execute", "data": {"path": "/3/0/4"}}),
        "write-attr" => json!({"reqID": 1, "msgType": "write-attr", "data": {"path": "/3/0/9", "pmin": 1}}),
        kind => json!({"reqID": 1, "msgType": kind, "data": {"path": "/3/0/0"}}),
    }
}

fn path(kind: &str) -> &'static str {
    match kind {
        "write" => "/3/0/14",
        "create" => "/3303",
        "delete" => "/3303/0",
        "execute" => "/3/0/4",
        "write-attr" => "/3/0/9",
        _ => "/3/0/0",
    }
}

const KINDS: &[&str] =
    &["read", "discover", "write", "write-attr", "execute", "create", "delete", "observe", "cancel-observe"];

#[test]
fn every_error_code_is_reported_for_every_command() {
    const ERRORS: &[&str] = &[
        "4.00", "4.01", "4.02", "4.03", "4.04", "4.05", "4.06", "4.09", "4.12", "4.15", "4.22", "4.29", "5.00", "5.01",
        "5.02", "5.03", "5.04", "5.05", "5.08", // not in any table
        "4.07", "4.10", "4.30", "4.31", "5.06", "5.31",
    ];
    let world = World::start();
    let device = world.device("ep1");
    for kind in KINDS {
        for code in ERRORS {
            let message = world.round_trip(&device, &command(kind), code, &[], "");
            assert_message(&message, &json!({"reqID": 1, "msgType": kind, "data": plain(code, path(kind))}));
        }
    }
}

#[test]
fn block_wise_error_codes_are_reported_for_a_write() {
    let world = World::start();
    let device = world.device("ep1");
    for code in ["4.08", "4.13"] {
        let message = world.round_trip(&device, &command("write"), code, &[], "");
        assert_message(&message, &json!({"reqID": 1, "msgType": "write", "data": plain(code, "/3/0/14")}));
    }
}

#[test]
fn diagnostic_text_of_the_device_is_reported() {
    let world = World::start();
    let device = world.device("ep1");
    let message = world.round_trip(&device, &command("read"), "4.00", &[], "bad");
    assert!(message.data("diagnostic").as_str().is_some_and(|text| text.contains("bad")), "{}", message.json);
}

#[test]
fn success_codes_are_reported_as_the_table_says() {
    let world = World::start();
    let device = world.device("ep1");
    let text: &[(u16, &[u8])] = &[(option::CONTENT_FORMAT, &[])];
    // command, device's code, payload, published code, published content
    let rows: &[(&str, &str, &str, &str, Option<&str>)] = &[
        ("read", "2.05", "v", "2.05", Some("v")),
        ("read", "2.04", "v", "2.04", Some("v")),
        ("observe", "2.05", "v", "2.05", Some("v")),
        ("cancel-observe", "2.05", "v", "2.05", Some("v")),
        ("write", "2.04", "", "2.04", None),
        ("write", "2.05", "", "4.05", None),
        ("write", "2.05", "payload", "2.04", None),
        ("execute", "2.04", "", "2.04", None),
        ("write-attr", "2.04", "", "2.04", None),
        ("create", "2.01", "", "2.01", None),
        ("create", "2.04", "", "2.04", None),
        ("delete", "2.02", "", "2.02", None),
        ("delete", "2.04", "", "2.04", None),
        // odd for the operation: as received
        ("execute", "2.05", "", "2.05", None),
        ("execute", "2.01", "", "2.01", None),
        ("discover", "2.04", "", "2.04", None),
        ("write-attr", "2.01", "", "2.01", None),
        ("write", "2.01", "", "2.01", None),
        // no table knows them
        ("execute", "2.07", "", "2.07", None),
        ("write", "2.07", "", "2.07", None),
        ("execute", "2.03", "", "2.03", None),
    ];
    for (kind, answer, payload, code, value) in rows {
        let options = if payload.is_empty() { &[][..] } else { text };
        let message = world.round_trip(&device, &command(kind), answer, options, payload);
        let data = match value {
            Some(value) => content(code, path(kind), &[(path(kind), json!(value))]),
            None => plain(code, path(kind)),
        };
        let mut message = message;
        if *kind == "discover" && message.json["data"]["content"] == json!([]) {
            message.json["data"].as_object_mut().unwrap().remove("content");
        }
        assert_message(&message, &json!({"reqID": 1, "msgType": kind, "data": data}));
    }
}

#[test]
fn discover_is_split_at_commas_outside_quotes() {
    let world = World::start();
    let device = world.device("ep1");
    let rows: &[(&str, &[&str])] = &[
        ("</3/0>;dim=8,</3/0/0>", &["</3/0>;dim=8", "</3/0/0>"]),
        ("</3/0>;pmin=10, </3/0/1>,</3/0/2>", &["</3/0>;pmin=10", " </3/0/1>", "</3/0/2>"]),
        ("</0/0>;uri=\"coap://h/a,b;c\",</0/1>", &["</0/0>;uri=\"coap://h/a,b;c\"", "</0/1>"]),
        ("</3/0/0>", &["</3/0/0>"]),
    ];
    for (payload, links) in rows {
        let message =
            world.round_trip(&device, &command("discover"), "2.05", &[(option::CONTENT_FORMAT, &[40])], payload);
        let data = json!({"code": "2.05", "codeMsg": "content", "reqPath": "/3/0/0", "content": links});
        assert_message(&message, &json!({"reqID": 1, "msgType": "discover", "data": data}));
    }
}

#[test]
fn names_of_the_contract_are_spelled_as_there() {
    assert_eq!(
        (name_of("4.01"), name_of("5.05"), name_of("2.07")),
        ("unauthorized", "proxying_not_supported", "unknown")
    );
}
