//! `lwm2m.auto_observe` (contract 8.1).
use integration_tests::datagram::{Kind, option};
use integration_tests::expectation::{assert_message, content};
use integration_tests::{QUIET, Wire, World, unhex};
use serde_json::json;

const TLV: &[(u16, &[u8])] = &[(option::CONTENT_FORMAT, &[0x2d, 0x16]), (option::OBSERVE, &[])];

fn register(world: &World, ep: &str, links: &str) -> Wire {
    let mut device = world.wire();
    device.register(&[&format!("ep={ep}"), "lt=60", "lwm2m=1.0"], links);
    device
}

/// Answers observes until nothing more comes; returns their paths.
fn observed(device: &Wire) -> Vec<String> {
    let mut paths = Vec::new();
    while let Some(request) = device.receive_within(QUIET) {
        assert_eq!((request.code, request.uint(option::OBSERVE)), (1, Some(0)), "{request:?}");
        paths.push(request.uri_path());
        device.answer(&request, "2.05", TLV, "");
    }
    paths
}

#[test]
fn off_by_default() {
    let world = World::start();
    let device = register(&world, "ep1", "</3/0>,</3303/0>");
    device.expect_quiet();
}

#[test]
fn true_observes_every_link_but_the_known_exceptions_in_order() {
    let world = World::with(&[("lwm2m.auto_observe", "true")]);
    let links =
        "</0/0>,</1/0>,</3303/0>,</2/0>,</4/0>,</5/0>,</6/0>,</7/0>,</9/0>,</15/0>,</50000/0>,</text>,</3>,</33000/0>";
    let device = register(&world, "ep1", links);
    assert_eq!(observed(&device), ["/3303/0", "/3", "/33000/0"]);
    let mut again = world.wire();
    again.register(&["ep=ep2", "lt=60", "lwm2m=1.0"], "</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/3/0>");
    assert_eq!(observed(&again), ["/lwm2m/3/0"], "the alternate path applies");
}

#[test]
fn one_at_a_time() {
    let world = World::with(&[("lwm2m.auto_observe", "true")]);
    let device = register(&world, "ep1", "</3/0>,</3303/0>");
    let first = device.expect_request();
    device.expect_quiet();
    device.answer(&first, "2.05", TLV, "");
    assert_eq!(device.expect_request().uri_path(), "/3303/0");
}

#[test]
fn list_observes_what_occurs_literally_in_configured_order_without_exceptions() {
    let world = World::with(&[("lwm2m.auto_observe", "[\"/5/0\", \"/3303/0\", \"/3\", \"/50000/0\", \"/6/0\"]")]);
    let device = register(&world, "ep1", "</3/0>,</3303/0>,</5/0>,</50000/0>");
    assert_eq!(observed(&device), ["/5/0", "/3303/0"]);
}

#[test]
fn messages_say_that_they_come_from_an_automatic_observe() {
    let world = World::with(&[("lwm2m.auto_observe", "[\"/3303/0\"]")]);
    let device = register(&world, "ep1", "</3303/0>");
    let request = device.expect_request();
    device.answer(&request, "2.05", TLV, unhex("e4164441a00000"));
    let path = "/3303/0/5700";
    assert_message(
        &world.application.message("ep1", "observe"),
        &json!({"msgType": "observe", "is_auto_observe": true, "data": content("2.05", "/3303/0", &[(path, json!(20.0))])}),
    );
    let mid = device.notify(Kind::Con, &request, 2, 11542, unhex("e4164441b00000"));
    device.expect_ack(mid);
    assert_message(
        &world.application.message("ep1", "notify"),
        &json!({"msgType": "notify", "is_auto_observe": true, "seqNum": 2, "data": content("2.05", "/3303/0", &[(path, json!(22.0))])}),
    );
}

#[test]
fn a_device_that_refuses_one_observe_still_gets_the_next() {
    let world = World::with(&[("lwm2m.auto_observe", "true")]);
    let device = register(&world, "ep1", "</3/0>,</3303/0>");
    let first = device.expect_request();
    device.answer(&first, "4.05", &[], "");
    let second = device.expect_request();
    assert_eq!(second.uri_path(), "/3303/0");
    device.reset(second.mid);
    let message = world.application.message("ep1", "observe");
    assert_eq!((message.data("code"), &message.json["is_auto_observe"]), (&json!("4.05"), &json!(true)));
}

#[test]
fn created_answer_goes_out_before_the_first_observe() {
    let world = World::with(&[("lwm2m.auto_observe", "true")]);
    for at in 0..10 {
        // `register` itself demands that the first datagram is the 2.01
        let device = register(&world, &format!("ep{at}"), "</3303/0>");
        device.expect_request();
    }
}
