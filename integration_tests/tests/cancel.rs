//! `cancel` takes back commands that wait (contract chapter 5).
use integration_tests::expectation::assert_message;
use integration_tests::{QUIET, World};
use serde_json::{Value, json};
use std::time::Duration;

fn read(req: Value) -> Value {
    json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}})
}

fn cancel(req: Value) -> Value {
    json!({"reqID": req, "msgType": "cancel"})
}

fn answer(req: Value, code: &str, name: &str) -> Value {
    json!({"reqID": req, "msgType": "cancel", "data": {"code": code, "codeMsg": name, "reqPath": null}})
}

fn diagnosed(mut answer: Value, diagnostic: &str) -> Value {
    answer["data"]["diagnostic"] = json!(diagnostic);
    answer
}

#[test]
fn what_waits_is_taken_back_and_the_rest_goes_on() {
    let world = World::with(&[("lwm2m.qmode_time_window", "\"1s\"")]);
    let device = world.device_with("ep1", &["b=UQ"], "</3/0>");
    std::thread::sleep(Duration::from_millis(1400));
    for req in [json!(1), json!("1"), json!(2), json!(1)] {
        world.application.command("ep1", &read(req));
    }
    world.application.command("ep1", &cancel(json!(1)));
    let cancelled =
        json!({"reqID": 1, "msgType": "coap_timeout", "data": {"reqPath": "/3/0/0", "diagnostic": "cancelled"}});
    for _ in 0..2 {
        assert_message(&world.application.answer("ep1"), &cancelled);
    }
    assert_message(&world.application.answer("ep1"), &answer(json!(1), "2.02", "deleted"));
    world.application.command("ep1", &cancel(json!(1)));
    let nothing = diagnosed(answer(json!(1), "4.04", "not_found"), "no command waits with this reqID");
    assert_message(&world.application.answer("ep1"), &nothing);
    device.expect_quiet();
    assert_eq!(device.update(&[], "").code_text(), "2.04");
    for req in [json!("1"), json!(2)] {
        let request = device.expect_request();
        device.answer(&request, "2.05", &[], "v");
        let message = world.application.answer("ep1");
        assert_eq!((&message.json["reqID"], message.data("code")), (&req, &json!("2.05")));
    }
    device.expect_quiet();
    world.application.expect_none(QUIET, "anything more", |_| true);
}

#[test]
fn what_is_with_the_device_cannot_be_taken_back() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &read(json!(5)));
    world.application.command("ep1", &cancel(json!(5)));
    let sent = diagnosed(answer(json!(5), "4.09", "conflict"), "already sent");
    assert_message(&world.application.answer("ep1"), &sent);
    device.answer(&request, "2.05", &[], "v");
    assert_eq!(world.application.answer("ep1").data("code"), "2.05");
}

#[test]
fn cancel_itself_can_be_wrong() {
    let world = World::start();
    let _device = world.device("ep1");
    world.application.command("ep1", &json!({"msgType": "cancel"}));
    let message = world.application.answer("ep1");
    assert_eq!(message.data("diagnostic"), "bad command: reqID: missing", "{}", message.json);
    world.application.command("nobody", &cancel(json!(1)));
    assert_eq!(world.application.answer("nobody").data("code"), "4.04");
}
