//! Re-registration and change of address (contract 9.5).
use integration_tests::datagram::Kind;
use integration_tests::expectation::assert_message;
use integration_tests::{QUIET, World};
use serde_json::json;

fn read(req: u32) -> serde_json::Value {
    json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}})
}

#[test]
fn registering_again_replaces_the_data_and_drops_observations() {
    let world = World::start();
    let mut device = world.device_with("ep1", &["b=U", "sms=+49"], "</1/0>,</3/0>");
    let old = device.location().to_vec();
    let observe = world.observe(&device, 1, "/3/0/0", 0, "v");

    let answer = device.register(&["ep=ep1", "lt=500", "lwm2m=1.0"], "</3/0>");
    assert_eq!(answer.code_text(), "2.01", "2.01 and a Location again");
    assert_message(
        &world.application.message("ep1", "register"),
        &json!({"msgType":"register","data":{"ep":"ep1","lt":500,"lwm2m":"1.0","alternatePath":"/","objectList":["/3/0"]}}),
    );

    // the old observation is gone
    let mid = device.notify(Kind::Con, &observe, 5, 0, "late");
    device.expect_rst(mid);
    world.application.expect_none(QUIET, "notify", |message| message.kind() == "notify");

    // the old location is gone, the new one is good
    if old != device.location() {
        let mut stale = world.wire();
        stale.set_location(&old);
        assert_eq!(stale.update(&[], "").code_text(), "4.04");
    }
    assert_eq!(device.update(&[], "").code_text(), "2.04");
    world.round_trip(&device, &read(2), "2.05", &[], "x");
}

#[test]
fn registering_again_is_always_reported() {
    let world = World::start();
    let mut device = world.device("ep1");
    for _ in 0..3 {
        device.register(&["ep=ep1", "lt=300", "lwm2m=1.0"], "");
        world.application.message("ep1", "register");
    }
    world.application.expect_none(QUIET, "a second register message", |_| true);
}

#[test]
fn registering_from_another_address_moves_the_commands_there() {
    let world = World::start();
    let before = world.device("ep1");
    let after = world.device("ep1");
    world.application.command("ep1", &read(1));
    let request = after.expect_request();
    after.answer(&request, "2.05", &[], "new home");
    let message = world.application.answer("ep1");
    assert_eq!(message.json["data"]["content"][0]["value"], "new home");
    before.expect_quiet();
    assert_eq!(before.update(&[], "").code_text(), "4.04", "the location of the replaced registration");
    world.application.expect_none(QUIET, "a message about the end of the old registration", |_| true);
}

#[test]
fn update_from_a_new_address_moves_the_session() {
    let world = World::start();
    let mut device = world.device("ep1");
    let observe = world.observe(&device, 7, "/3/0/0", 0, "v");
    device.change_address();
    assert_eq!(device.update(&["lt=600"], "").code_text(), "2.04");
    let message = world.round_trip(&device, &read(1), "2.05", &[], "moved");
    assert_eq!(message.json["data"]["content"][0]["value"], "moved");
    // the observation has moved along
    let mid = device.notify(Kind::Con, &observe, 5, 0, "from here");
    device.expect_ack(mid);
    let message = world.application.message("ep1", "notify");
    assert_eq!(
        (&message.json["reqID"], &message.json["data"]["content"][0]["value"]),
        (&json!(7), &json!("from here"))
    );
}

#[test]
fn deregistering_from_a_new_address_works_with_the_right_location() {
    let world = World::start();
    let mut device = world.device("ep1");
    device.change_address();
    assert_eq!(device.deregister().code_text(), "2.02");
}

#[test]
fn notification_from_a_foreign_address_is_not_taken_for_the_devices() {
    let world = World::start();
    let mut device = world.device("ep1");
    let observe = world.observe(&device, 7, "/3/0/0", 0, "v");
    device.change_address();
    device.notify(Kind::Con, &observe, 5, 0, "spoofed");
    world.application.expect_none(QUIET, "notify", |message| message.kind() == "notify");
}

#[test]
fn another_endpoint_at_the_same_address_replaces_the_first() {
    let world = World::start();
    let mut device = world.device("ep1");
    device.register(&["ep=ep2", "lt=300", "lwm2m=1.0"], "</3/0>");
    world.application.message("ep2", "register");
    world.round_trip(&device, &read(1), "2.05", &[], "two");
}

#[test]
fn restarted_device_that_reuses_its_message_id_can_register() {
    let world = World::start();
    let mut device = world.device("ep1");
    let mut request = device.register_request(&["ep=ep1", "lt=300", "lwm2m=1.0"], "</3/0>");
    request.mid = 1;
    let first = device.exchange(&request);
    world.application.message("ep1", "register");
    let mut again = device.register_request(&["ep=ep1", "lt=301", "lwm2m=1.0"], "</3/0>,</1/0>");
    again.mid = 1;
    again.token = vec![9, 9, 9];
    let second = device.exchange(&again);
    assert_eq!((first.code_text().as_str(), second.code_text().as_str()), ("2.01", "2.01"));
    device.keep_location(&second);
    assert_eq!(world.application.message("ep1", "register").data("lt"), 301);
    assert_eq!(device.update(&[], "").code_text(), "2.04");
}
