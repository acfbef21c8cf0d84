//! Lifecycle events (extensions §5).
use integration_tests::datagram::{Kind, option};
use integration_tests::{Message, QUIET, World};
use serde_json::json;
use std::time::Duration;

const ON: (&str, &str) = ("lwm2m.lifecycle_events", "true");

fn event(world: &World, ep: &str, word: &str) -> Message {
    let message = world.application.expect(&format!("event {word} of {ep}"), |message| {
        message.json["msgType"] == "event" && message.json["event"] == word && message.json["data"]["ep"] == ep
    });
    assert_eq!(message.topic, format!("lwm2m/{ep}/up/event"));
    let time = message.json["time"].as_f64().expect("a time");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((time - now).abs() < 60.0, "Unix seconds: {}", message.json);
    message
}

#[test]
fn off_by_default() {
    let world = World::start();
    let device = world.device("ep1");
    device.update(&[], "</3/0>");
    device.deregister();
    world.application.expect_none(QUIET, "event", |message| message.kind() == "event");
}

#[test]
fn life_of_a_registration() {
    let world = World::with(&[ON]);
    let mut device = world.device("ep1");
    let registered = event(&world, "ep1", "registered");
    let location: String =
        device.location().iter().map(|segment| format!("/{}", String::from_utf8_lossy(segment))).collect();
    assert_eq!(registered.json["data"]["location"], location);
    device.update(&[], "");
    event(&world, "ep1", "updated");
    device.change_address();
    device.update(&[], "");
    event(&world, "ep1", "moved");
    let other = world.device("ep1");
    event(&world, "ep1", "replaced");
    event(&world, "ep1", "registered");
    other.deregister();
    event(&world, "ep1", "deregistered");

    let _short = world.device_with("ep2", &["lt=1"], "</3/0>");
    event(&world, "ep2", "registered");
    event(&world, "ep2", "expired");
}

#[test]
fn life_of_a_sleeper() {
    let world = World::with(&[ON, ("lwm2m.qmode_time_window", "\"1s\"")]);
    let device = world.device_with("ep1", &["b=UQ"], "</3/0>");
    event(&world, "ep1", "asleep");
    let command = json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}});
    world.application.command("ep1", &command);
    event(&world, "ep1", "command_queued");
    device.update(&[], "");
    event(&world, "ep1", "awake");
    device.answer(&device.expect_request(), "2.05", &[], "v");
    world.application.answer("ep1");
    event(&world, "ep1", "asleep");
    let mut properties = paho_mqtt::Properties::new();
    properties.push_int(paho_mqtt::PropertyCode::MessageExpiryInterval, 1).unwrap();
    let message = paho_mqtt::MessageBuilder::new()
        .topic("lwm2m/ep1/dn")
        .payload(command.to_string())
        .properties(properties)
        .finalize();
    world.application.send(message);
    event(&world, "ep1", "command_expired");
}

#[test]
fn event_topic_can_be_named() {
    let world = World::with(&[ON, ("lwm2m.translators.event", "{ topic = \"life\", qos = 1 }")]);
    let _device = world.device("ep1");
    let message = world.application.expect("event", |message| message.json["event"] == "registered");
    assert_eq!((message.topic.as_str(), message.qos), ("lwm2m/ep1/life", 1));
}

#[test]
fn observation_that_the_device_has_lost_is_said() {
    // The observation's notifications stop (Max-Age has passed) and the device does not answer the probe.
    let world = World::with(&[ON, ("coap.ack_timeout", "\"100ms\""), ("coap.max_retransmit", "1")]);
    let device = world.device("ep1");
    let request = world.command(&device, &json!({"reqID": 1, "msgType": "observe", "data": {"path": "/3/0/9"}}));
    device.answer(&request, "2.05", &[(option::OBSERVE, &[1]), (option::MAX_AGE, &[1])], "1");
    world.application.answer("ep1");
    device.notify(Kind::Non, &request, 2, 0, "2");
    world.application.message("ep1", "notify");
    // Nothing is fixed about when: it must only not be taken for lost before Max-Age (default 60 s after the last notification).
    world
        .application
        .expect_none(Duration::from_secs(2), "observe_lost", |message| message.json["event"] == "observe_lost");
}
