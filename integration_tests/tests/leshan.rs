//! The gateway against devices made with Eclipse Leshan's client library and its Californium transport.
//!
//! One Java process for all tests; skipped, in words, where Java, Maven or Leshan cannot be had.
use integration_tests::expectation::{assert_message, content};
use integration_tests::leshan::{self, Device};
use integration_tests::{World, interop};
use serde_json::{Value, json};

/// A device that is registered with this gateway.
fn device(world: &World, endpoint: &str, start: Value) -> Option<Device> {
    let leshan = leshan::shared()?;
    let mut start = if start.is_null() { json!({}) } else { start };
    if start["uri"].is_null() {
        start["uri"] = json!(format!("coap://{}", world.gateway.udp()));
    }
    let device = leshan.device(endpoint, start);
    device.registered();
    Some(device)
}

fn scenario(name: &str) -> interop::Scenario {
    interop::scenario(leshan::name(), name)
}

#[test]
fn leshan_is_read_and_observed() {
    let world = World::start();
    let Some(device) = device(&world, "leshan-first", Value::Null) else { return };
    let _row = scenario("read, observe, notify, cancel");
    world.application.message("leshan-first", "register");
    let message =
        world.application.ask("leshan-first", &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "read", "data": content("2.05", "/3/0/0", &[("/3/0/0", json!("Leshan"))])}),
    );
    let observe = json!({"reqID": 2, "msgType": "observe", "data": {"path": "/3/0/9"}});
    let message = world.application.ask("leshan-first", &observe);
    assert_message(
        &message,
        &json!({"reqID": 2, "msgType": "observe", "data": content("2.05", "/3/0/9", &[("/3/0/9", json!(100))])}),
    );
    for value in [99, 98] {
        device.set("/3/0/9", value);
        let message = world.application.message("leshan-first", "notify");
        assert_eq!(message.json["reqID"], 2);
        assert_eq!(message.data("content"), &json!([{"path": "/3/0/9", "value": value}]));
    }
}
