//! Commands that are none (contract chapter 12).
use integration_tests::expectation::{assert_message, plain};
use integration_tests::{QUIET, World};
use serde_json::{Value, json};

/// The command without reqID, its expected `reqPath`.
fn table() -> Vec<(Value, Value)> {
    let none = Value::Null;
    vec![
        // unknown msgType, or data missing
        (json!({"msgType": "nonsense", "data": {"path": "/3/0/1"}}), json!("/3/0/1")),
        (json!({"msgType": "READ", "data": {"path": "/3/0/1"}}), json!("/3/0/1")),
        (json!({"msgType": "notify", "data": {"path": "/3/0/1"}}), json!("/3/0/1")),
        (json!({"msgType": "register", "data": {"path": "/3/0/1"}}), json!("/3/0/1")),
        (json!({"msgType": "update", "data": {"basePath": "/3/0/1"}}), json!("/3/0/1")),
        (json!({"msgType": "read"}), none.clone()),
        (json!({"msgType": "read", "data": null}), none.clone()),
        (json!({"msgType": "read", "data": "text"}), none.clone()),
        (json!({"msgType": "read", "data": []}), none.clone()),
        (json!({"msgType": "read", "data": {"reqPath": "/3/0"}}), json!("/3/0")),
        // missing members
        (json!({"msgType": "read", "data": {}}), none.clone()),
        (json!({"msgType": "discover", "data": {}}), none.clone()),
        (json!({"msgType": "execute", "data": {}}), none.clone()),
        (json!({"msgType": "delete", "data": {}}), none.clone()),
        (json!({"msgType": "observe", "data": {}}), none.clone()),
        (json!({"msgType": "cancel-observe", "data": {}}), none.clone()),
        (json!({"msgType": "write-attr", "data": {"pmin": 1}}), none.clone()),
        (json!({"msgType": "create", "data": {"content": []}}), none.clone()),
        (json!({"msgType": "write", "data": {"type": "String", "value": "x"}}), none.clone()),
        (json!({"msgType": "write", "data": {"path": "/3/0/14", "type": "String"}}), json!("/3/0/14")),
        (json!({"msgType": "write", "data": {"path": "/50000/0/14", "value": "x"}}), json!("/50000/0/14")),
        (json!({"msgType": "write", "data": {"basePath": "/3/0"}}), json!("/3/0")),
        // wrong JSON types
        (json!({"msgType": "read", "data": {"path": 3}}), none.clone()),
        (json!({"msgType": "read", "data": {"path": ["3"]}}), none.clone()),
        (json!({"msgType": "write", "data": {"basePath": "/3/0", "content": "x"}}), json!("/3/0")),
        (json!({"msgType": "write", "data": {"basePath": "/3/0", "content": {}}}), json!("/3/0")),
        (json!({"msgType": "write", "data": {"basePath": "/3/0", "content": ["x"]}}), json!("/3/0")),
        (json!({"msgType": "create", "data": {"basePath": "/6", "content": 5}}), json!("/6")),
        (json!({"msgType": "execute", "data": {"path": "/3/0/4", "args": [1]}}), json!("/3/0/4")),
        (json!({"msgType": "execute", "data": {"path": "/3/0/4", "args": true}}), json!("/3/0/4")),
        (json!({"msgType": "write-attr", "data": {"path": "/3/0/9", "pmin": "soon"}}), json!("/3/0/9")),
        (json!({"msgType": "write-attr", "data": {"path": "/3/0/9", "gt": [1]}}), json!("/3/0/9")),
        // paths
        (json!({"msgType": "read", "data": {"path": "/3/0/0/0/0"}}), json!("/3/0/0/0/0")),
        (json!({"msgType": "read", "data": {"path": "/a/b"}}), json!("/a/b")),
        (json!({"msgType": "read", "data": {"path": "/3/-1"}}), json!("/3/-1")),
        (json!({"msgType": "read", "data": {"path": "/70000"}}), json!("/70000")),
        (json!({"msgType": "read", "data": {"path": "/3//0"}}), json!("/3//0")),
        // batch write at the wrong level, or empty
        (
            json!({"msgType": "write", "data": {"basePath": "/3", "content": [{"path": "0/14", "type": "String", "value": "x"}]}}),
            json!("/3"),
        ),
        (
            json!({"msgType": "write", "data": {"basePath": "/3/0/14/1", "content": [{"path": "0", "type": "String", "value": "x"}]}}),
            json!("/3/0/14/1"),
        ),
        (json!({"msgType": "write", "data": {"basePath": "/3/0", "content": []}}), json!("/3/0")),
        (json!({"msgType": "write", "data": {"path": "/3/0", "type": "String", "value": "x"}}), json!("/3/0")),
        (json!({"msgType": "write", "data": {"path": "/3", "type": "String", "value": "x"}}), json!("/3")),
        // values: more in written_values.rs
        (
            json!({"msgType": "write", "data": {"path": "/33000/0/4", "type": "Opaque", "value": "***"}}),
            json!("/33000/0/4"),
        ),
        (
            json!({"msgType": "write", "data": {"path": "/33000/0/1", "type": "Integer", "value": "one"}}),
            json!("/33000/0/1"),
        ),
        (
            json!({"msgType": "write", "data": {"path": "/33000/0/3", "type": "Boolean", "value": "maybe"}}),
            json!("/33000/0/3"),
        ),
        (
            json!({"msgType": "write", "data": {"path": "/33000/0/6", "type": "Objlnk", "value": "1-2"}}),
            json!("/33000/0/6"),
        ),
        (
            json!({"msgType": "write", "encoding": "hex", "data": {"path": "/3/0/1", "type": "String", "value": "xyz"}}),
            json!("/3/0/1"),
        ),
        (
            json!({"msgType": "create", "data": {"basePath": "/6", "content": [{"path": "0", "type": "Float", "value": 1}]}}),
            json!("/6"),
        ),
        (
            json!({"msgType": "create", "data": {"basePath": "/6", "content": [{"path": "0/0", "type": "Float", "value": "x"}]}}),
            json!("/6"),
        ),
        // operations that the contract does not have
        (json!({"msgType": "send", "data": {"path": "/3"}}), json!("/3")),
        (json!({"msgType": "bootstrap", "data": {}}), none),
    ]
}

#[test]
fn each_bad_command_is_answered_and_nothing_reaches_the_device() {
    let world = World::start();
    let device = world.device("ep1");
    for (at, (mut command, path)) in table().into_iter().enumerate() {
        command["reqID"] = json!(at);
        world.application.command("ep1", &command);
        // also for msgType notify, register, update on the response topic
        let message = world.application.expect(&format!("answer to {command}"), |message| message.json["reqID"] == at);
        assert_eq!(message.topic, "lwm2m/ep1/up/resp", "{command}");
        let mut expected = command.clone();
        expected["data"] = json!({"code": "4.00", "codeMsg": "bad_request", "reqPath": path});
        assert_message(&message, &expected);
        let diagnostic = message.data("diagnostic").as_str().unwrap_or("");
        assert!(
            diagnostic.starts_with("bad command:") && diagnostic.len() > "bad command: ".len(),
            "{command}: {}",
            message.json
        );
    }
    device.expect_quiet();
}

#[test]
fn what_is_no_json_object_or_has_no_type_reaches_nobody() {
    let world = World::start();
    let device = world.device("ep1");
    for payload in [
        "",
        "{",
        "nonsense",
        "[]",
        "5",
        "null",
        "\"read\"",
        "{\"msgType\":\"read\",\"data\":{\"path\":\"/3/0/0\"}",
        "\u{feff}{}",
        "{}garbage",
    ] {
        world.application.publish("lwm2m/ep1/dn", payload);
    }
    world.application.publish("lwm2m/ep1/dn", vec![0xff, 0xfe, 0x00, 0x80]);
    world
        .application
        .publish("lwm2m/ep1/dn", [&b"{\"msgType\":\"read\",\"data\":{\"path\":\"/3/0/"[..], &[0xff], b"\"}}"].concat());
    world.application.publish("lwm2m/ep1/dn", "[".repeat(100_000));
    device.expect_quiet();
    // an optional error message must not pretend to be an answer
    for message in world.application.drain() {
        assert_eq!(message.json["data"]["code"], "4.00", "{} {}", message.topic, message.json);
    }
    world.round_trip(&device, &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}), "2.05", &[], "v");
}

#[test]
fn command_without_a_type_is_answered() {
    let world = World::start();
    let device = world.device("ep1");
    for command in [
        json!({"reqID": 1, "data": {"path": "/3/0/0"}}),
        json!({"reqID": 1}),
        json!({"reqID": 1, "msgType": 5, "data": {"path": "/3/0/0"}}),
    ] {
        world.application.command("ep1", &command);
        let message = world.application.expect("answer", |message| message.json["reqID"] == 1);
        assert_eq!(
            (message.data("code"), message.topic.as_str()),
            (&json!("4.00"), "lwm2m/ep1/up/resp"),
            "{}",
            message.json
        );
    }
    device.expect_quiet();
}

#[test]
fn the_example_of_the_contract() {
    let world = World::start();
    let _device = world.device("ep1");
    world.application.command("ep1", &json!({"reqID": 10086, "encoding": "hex", "msgType": "write", "data": {"path": "/3/0/1", "type": "String", "value": "123fg"}}));
    assert_message(
        &world.application.answer("ep1"),
        &json!({"reqID": 10086, "encoding": "hex", "msgType": "write", "data": plain("4.00", "/3/0/1")}),
    );
}

#[test]
fn bad_command_for_an_endpoint_that_is_not_there_is_answered_once() {
    let world = World::start();
    world.application.command("nobody", &json!({"reqID": 1, "msgType": "nonsense", "data": {"path": "/3"}}));
    let message = world.application.expect("answer", |message| message.json["reqID"] == 1);
    assert!(["4.00", "4.04"].contains(&message.data("code").as_str().unwrap()), "{}", message.json);
    world.application.expect_none(QUIET, "a second answer", |_| true);
}

#[test]
fn duplicate_members_and_deep_nesting_do_no_harm() {
    let world = World::start();
    let device = world.device("ep1");
    let deep = format!(
        "{{\"reqID\":1,\"msgType\":\"read\",\"data\":{{\"path\":\"/3/0/0\"}},\"deep\":{}1{}}}",
        "[".repeat(100),
        "]".repeat(100)
    );
    world.application.publish("lwm2m/ep1/dn", deep);
    device.answer(&device.expect_request(), "2.05", &[], "v");
    let message = world.application.answer("ep1");
    assert!(message.json["deep"].is_array());
    let long = "x".repeat(200_000);
    let request = world.command(&device, &json!({"reqID": long, "msgType": "read", "data": {"path": "/3/0/0"}}));
    device.answer(&request, "2.05", &[], "v");
    assert_eq!(world.application.answer("ep1").json["reqID"], long);
}
