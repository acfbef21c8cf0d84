//! How the process ends and comes back: SIGTERM, SIGINT, a crash.
use integration_tests::datagram::Kind;
use integration_tests::{QUIET, World};
use paho_mqtt::MessageBuilder;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn read(req: u32) -> Value {
    json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}})
}

#[test]
fn term_and_int_end_it_with_0_within_seconds() {
    let mut world = World::start();
    for at in 0..20 {
        world.device(&format!("ep{at}"));
    }
    let begin = Instant::now();
    assert_eq!(world.gateway.terminate().code(), Some(0), "{}", world.gateway.log());
    assert!(begin.elapsed() < Duration::from_secs(6), "took {:?}", begin.elapsed());
    assert!(!world.gateway.log().contains("panicked"), "{}", world.gateway.log());
    world.gateway.launch();
    world.gateway.await_ready();
    assert_eq!(world.gateway.interrupt().code(), Some(0), "{}", world.gateway.log());
}

#[test]
fn term_ends_it_also_without_a_broker() {
    let mut world = World::start();
    world.broker.as_mut().unwrap().stop();
    world.gateway.await_log(&["event=broker_down"]);
    assert_eq!(world.gateway.terminate().code(), Some(0), "{}", world.gateway.log());
}

#[test]
fn what_was_answered_before_the_end_is_published() {
    let mut world = World::start();
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "0");
    for sequence in 1..=50 {
        let mid = device.notify(Kind::Con, &observe, sequence, 0, sequence.to_string());
        device.expect_ack(mid);
    }
    assert_eq!(world.gateway.terminate().code(), Some(0));
    for sequence in 1..=50 {
        assert_eq!(world.application.message("ep1", "notify").json["seqNum"], sequence);
    }
}

#[test]
fn devices_do_not_notice_a_restart_or_a_crash() {
    for crash in [false, true] {
        let mut world = World::start();
        let device = world.device("ep1");
        let observe = world.observe(&device, 7, "/3/0/9", 0, "0");
        if crash {
            world.gateway.kill();
        } else {
            assert_eq!(world.gateway.terminate().code(), Some(0));
        }
        world.gateway.launch();
        world.gateway.await_ready();
        world.application.clear();
        // notification with the token of before
        let mid = device.notify(Kind::Con, &observe, 9, 0, "55");
        device.expect_ack(mid);
        let message = world.application.message("ep1", "notify");
        assert_eq!(
            (&message.json["reqID"], &message.json["data"]["content"][0]["value"]),
            (&json!(7), &json!(55)),
            "crash: {crash}"
        );
        // commands reach it, its location is good
        world.round_trip(&device, &read(1), "2.05", &[], "v");
        assert_eq!(device.update(&[], "").code_text(), "2.04");
        world
            .application
            .expect_none(QUIET, "a register message that nobody sent", |message| message.kind() == "register");
    }
}

#[test]
fn lifetime_goes_on_while_the_gateway_is_away() {
    let mut world = World::with(&[("lwm2m.lifecycle_events", "true")]);
    let device = world.device_with("ep1", &["lt=1"], "</3/0>");
    world.gateway.kill();
    std::thread::sleep(Duration::from_millis(1500));
    world.gateway.launch();
    world.gateway.await_ready();
    world
        .application
        .expect("expired", |message| message.json["event"] == "expired" && message.json["data"]["ep"] == "ep1");
    assert_eq!(device.update(&[], "").code_text(), "4.04");
}

const QOS_1: &[(&str, &str)] = &[
    ("lwm2m.translators.command", "{ topic = \"dn/#\", qos = 1 }"),
    ("lwm2m.translators.response", "{ topic = \"up/resp\", qos = 1 }"),
    ("lwm2m.translators.notify", "{ topic = \"up/notify\", qos = 1 }"),
];

fn publish(world: &World, command: &Value) {
    world.application.send(MessageBuilder::new().topic("lwm2m/ep1/dn").payload(command.to_string()).qos(1).finalize());
}

#[test]
fn every_command_taken_before_a_crash_gets_exactly_one_outcome() {
    let mut world = World::with(QOS_1);
    let device = world.device("ep1");
    // one in flight, the others waiting behind it
    publish(&world, &read(1));
    let in_flight = device.expect_request();
    for req in 2..=6 {
        publish(&world, &read(req));
    }
    std::thread::sleep(Duration::from_millis(200));
    world.gateway.kill();
    device.discard();
    world.gateway.launch();
    world.gateway.await_ready();
    // a read is idempotent: sent again, under a new message id or the old one
    let mut answered = 0;
    while answered < 6 {
        let request = device.expect_request();
        assert!(answered > 0 || request.uri_path() == in_flight.uri_path());
        device.answer(&request, "2.05", &[], "v");
        answered += 1;
    }
    for req in 1..=6 {
        let message = world.application.expect(&format!("outcome of {req}"), |message| message.json["reqID"] == req);
        assert_eq!(message.data("code"), "2.05", "{}", message.json);
    }
    world.application.expect_none(QUIET, "a second outcome", |message| message.kind() == "read");
}

#[test]
fn execute_and_create_in_flight_at_a_crash_are_not_repeated() {
    for command in [
        json!({"reqID": 1, "msgType": "execute", "data": {"path": "/3/0/4"}}),
        json!({"reqID": 1, "msgType": "create", "data": {"basePath": "/3303", "content": []}}),
    ] {
        let mut world = World::with(QOS_1);
        let device = world.device("ep1");
        publish(&world, &command);
        device.expect_request();
        std::thread::sleep(Duration::from_millis(200));
        world.gateway.kill();
        world.gateway.launch();
        world.gateway.await_ready();
        let message = world.application.answer("ep1");
        assert_eq!((message.kind(), &message.json["reqID"]), ("coap_timeout", &json!(1)), "{}", message.json);
        assert!(message.data("diagnostic").as_str().unwrap_or("").starts_with("interrupted"), "{}", message.json);
        device.expect_quiet();
    }
}

#[test]
fn messages_that_waited_for_the_broker_survive_a_crash() {
    let mut world = World::with(QOS_1);
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "0");
    world.broker.as_mut().unwrap().stop();
    world.gateway.await_log(&["event=broker_down"]);
    for sequence in 1..=10 {
        let mid = device.notify(Kind::Con, &observe, sequence, 0, sequence.to_string());
        device.expect_ack(mid);
    }
    world.gateway.kill();
    world.broker.as_mut().unwrap().resume();
    world.application.reconnect();
    world.application.subscribe("#");
    world.gateway.launch();
    world.gateway.await_ready();
    for sequence in 1..=10 {
        let message = world
            .application
            .expect("notify", |message| message.kind() == "notify" && message.json["seqNum"] == sequence);
        assert_eq!(message.json["data"]["content"][0]["value"], sequence);
    }
}
