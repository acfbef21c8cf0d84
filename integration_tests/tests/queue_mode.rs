//! Sleeping devices (contract chapter 10).
use integration_tests::datagram::Kind;
use integration_tests::{QUIET, Wire, World};
use paho_mqtt::{MessageBuilder, Properties, PropertyCode};
use serde_json::{Value, json};
use std::time::Duration;

const WINDOW: &[(&str, &str)] = &[("lwm2m.qmode_time_window", "\"1s\"")];

fn read(req: u32) -> Value {
    json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}})
}

fn fall_asleep() {
    std::thread::sleep(Duration::from_millis(1400));
}

fn sleeper(world: &World, ep: &str) -> Wire {
    world.device_with(ep, &["b=UQ"], "</3/0>")
}

fn answer_all(world: &World, device: &Wire, requests: std::ops::RangeInclusive<u32>) {
    for req in requests {
        let request = device.expect_request();
        device.expect_silence(Duration::from_millis(20));
        device.answer(&request, "2.05", &[], req.to_string());
        let message = world.application.answer(device.endpoint());
        assert_eq!((&message.json["reqID"], message.data("code")), (&json!(req), &json!("2.05")), "{}", message.json);
    }
}

#[test]
fn each_way_to_say_that_a_device_sleeps_is_understood() {
    let world = World::with(WINDOW);
    // query members, whether it sleeps
    let rows: &[(&[&str], bool)] = &[
        (&["b=UQ"], true),
        (&["b=SQ"], true),
        (&["b=UQS"], true),
        (&["apn=Ctnb"], true),
        (&["apn=psmA.eDRX0.ctnb"], true),
        (&["apn=psmC.eDRX0.ctnb"], true),
        (&["apn=psmF.eDRXC.ctnb"], true),
        (&["lwm2m=1.1", "Q"], true),
        (&["lwm2m=1.1", "b=U", "Q"], true),
        (&["b=U"], false),
        (&["apn=internet"], false),
        (&[], false),
    ];
    let devices: Vec<Wire> = rows
        .iter()
        .enumerate()
        .map(|(at, (query, _))| world.device_with(&format!("ep{at}"), query, "</3/0>"))
        .collect();
    fall_asleep();
    for (device, (query, sleeps)) in devices.iter().zip(rows) {
        world.application.command(device.endpoint(), &read(1));
        let request = device.receive_within(Duration::from_millis(200));
        assert_eq!(request.is_none(), *sleeps, "{query:?}: {request:?}");
        if let Some(request) = request {
            device.answer(&request, "2.05", &[], "v");
        }
    }
    for (device, (_, sleeps)) in devices.iter().zip(rows) {
        if *sleeps {
            assert_eq!(device.update(&[], "").code_text(), "2.04");
            answer_all(&world, device, 1..=1);
        }
    }
}

#[test]
fn commands_reach_an_awake_device_at_once() {
    let world = World::with(WINDOW);
    let device = sleeper(&world, "ep1");
    world.application.command("ep1", &read(1));
    answer_all(&world, &device, 1..=1);
}

#[test]
fn update_wakes_answer_first_then_the_commands_in_order_one_by_one() {
    let world = World::with(WINDOW);
    let device = sleeper(&world, "ep1");
    fall_asleep();
    for req in 1..=5 {
        world.application.command("ep1", &read(req));
    }
    device.expect_quiet();
    // `update` itself demands that the first datagram is the 2.04
    assert_eq!(device.update(&[], "").code_text(), "2.04");
    answer_all(&world, &device, 1..=5);
}

#[test]
fn notification_wakes() {
    let world = World::with(WINDOW);
    let device = sleeper(&world, "ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "1");
    fall_asleep();
    world.application.command("ep1", &read(2));
    device.expect_quiet();
    device.notify(Kind::Non, &observe, 5, 0, "2");
    answer_all(&world, &device, 2..=2);
}

#[test]
fn registering_again_wakes_and_keeps_the_waiting_commands() {
    let world = World::with(WINDOW);
    let mut device = sleeper(&world, "ep1");
    fall_asleep();
    for req in 1..=3 {
        world.application.command("ep1", &read(req));
    }
    device.expect_quiet();
    device.register(&["ep=ep1", "lt=300", "lwm2m=1.0", "b=UQ"], "</3/0>");
    answer_all(&world, &device, 1..=3);
}

#[test]
fn registering_again_from_a_new_address_keeps_the_waiting_commands() {
    let world = World::with(WINDOW);
    let device = sleeper(&world, "ep1");
    fall_asleep();
    world.application.command("ep1", &read(1));
    device.expect_quiet();
    let moved = sleeper(&world, "ep1");
    answer_all(&world, &moved, 1..=1);
}

#[test]
fn every_datagram_prolongs_the_window() {
    let world = World::with(WINDOW);
    let device = sleeper(&world, "ep1");
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(700));
        device.ping();
    }
    world.application.command("ep1", &read(1));
    answer_all(&world, &device, 1..=1);
}

#[test]
fn no_answer_while_awake_means_asleep_and_the_rest_stays_queued() {
    let mut keys = vec![("coap.ack_timeout", "\"100ms\""), ("coap.max_retransmit", "1")];
    keys.push(("lwm2m.qmode_time_window", "\"20s\""));
    let world = World::with(&keys);
    let device = sleeper(&world, "ep1");
    world.application.command("ep1", &read(1));
    world.application.command("ep1", &read(2));
    let request = device.expect_request();
    assert_eq!(world.application.answer("ep1").kind(), "coap_timeout");
    device.discard();
    device.expect_quiet();
    assert_eq!(device.update(&[], "").code_text(), "2.04");
    let next = device.expect_request();
    assert_ne!(next.token, request.token);
    device.answer(&next, "2.05", &[], "v");
    assert_eq!(world.application.answer("ep1").json["reqID"], 2);
}

#[test]
fn ttl_zero_passes_the_sleep() {
    let world = World::with(WINDOW);
    let device = sleeper(&world, "ep1");
    fall_asleep();
    world.application.command("ep1", &read(1));
    let mut urgent = read(2);
    urgent["mheaders"] = json!({"ttl": 0});
    let request = world.command(&device, &urgent);
    device.answer(&request, "2.05", &[], "v");
    assert_eq!(world.application.answer("ep1").json["reqID"], 2);
    answer_all(&world, &device, 1..=1);
}

#[test]
fn expired_command_is_not_sent_and_a_timeout_is_published() {
    let world = World::with(WINDOW);
    let device = sleeper(&world, "ep1");
    fall_asleep();
    let mut properties = Properties::new();
    properties.push_int(PropertyCode::MessageExpiryInterval, 1).unwrap();
    let message =
        MessageBuilder::new().topic("lwm2m/ep1/dn").payload(read(1).to_string()).properties(properties).finalize();
    world.application.send(message);
    world.application.command("ep1", &read(2));
    let message = world.application.answer("ep1");
    assert_eq!((message.kind(), &message.json["reqID"]), ("coap_timeout", &json!(1)), "{}", message.json);
    assert_eq!(message.data("reqPath"), "/3/0/0");
    assert!(message.data("diagnostic").as_str().is_some_and(|text| text.starts_with("expired")), "{}", message.json);
    device.expect_quiet();
    assert_eq!(device.update(&[], "").code_text(), "2.04");
    answer_all(&world, &device, 2..=2);
}

#[test]
fn queue_of_a_sleeper_is_bounded() {
    let world = World::with(&[("lwm2m.qmode_time_window", "\"1s\""), ("lwm2m.queue_max", "2")]);
    let device = sleeper(&world, "ep1");
    fall_asleep();
    for req in 1..=3 {
        world.application.command("ep1", &read(req));
    }
    let message = world.application.answer("ep1");
    assert_eq!((&message.json["reqID"], message.data("code")), (&json!(3), &json!("5.03")), "{}", message.json);
    assert_eq!(device.update(&[], "").code_text(), "2.04");
    answer_all(&world, &device, 1..=2);
}

#[test]
fn deregistration_of_a_sleeper_ends_its_waiting_commands() {
    let world = World::with(WINDOW);
    let device = sleeper(&world, "ep1");
    fall_asleep();
    world.application.command("ep1", &read(1));
    device.expect_quiet();
    assert_eq!(device.deregister().code_text(), "2.02");
    // whether it still went out behind the answer or not: exactly one terminal message
    let message = world.application.answer("ep1");
    assert_eq!(message.json["reqID"], 1);
    world.application.expect_none(QUIET, "a second terminal message", |_| true);
}
