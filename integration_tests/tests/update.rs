//! Update, deregistration, expiry (contract 9.4 and 9.6).
use integration_tests::datagram::method;
use integration_tests::expectation::assert_message;
use integration_tests::{QUIET, World};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn update_with_an_object_list_is_reported_with_all_merged_data() {
    let world = World::start();
    let device = world.device_with("ep1", &["lt=345", "lwm2m=1", "b=U"], "</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/3/0>");
    let answer = device.update(&["lt=789", "sms=+49"], "</1>,</6>");
    assert_eq!((answer.code_text().as_str(), answer.payload.as_slice()), ("2.04", &b""[..]));
    let message = world.application.message("ep1", "update");
    assert_eq!(message.topic, "lwm2m/ep1/up/resp");
    assert_message(
        &message,
        &json!({"msgType":"update","data":{"ep":"ep1","lt":789,"lwm2m":"1","b":"U","sms":"+49","alternatePath":"/","objectList":["/1","/6"]}}),
    );
    // lt missing keeps the old value, and so does everything else
    assert_eq!(device.update(&[], "</3/0>").code_text(), "2.04");
    assert_message(
        &world.application.message("ep1", "update"),
        &json!({"msgType":"update","data":{"ep":"ep1","lt":789,"lwm2m":"1","b":"U","sms":"+49","alternatePath":"/","objectList":["/3/0"]}}),
    );
}

#[test]
fn update_without_an_object_list_is_reported_only_with_always() {
    let quiet = World::start();
    let device = quiet.device("ep1");
    assert_eq!(device.update(&["lt=400"], "").code_text(), "2.04");
    quiet.application.expect_none(QUIET, "update", |message| message.kind() == "update");

    let always = World::with(&[("lwm2m.update_msg_publish_condition", "\"always\"")]);
    let device = always.device_with("ep1", &[], "</3/0>");
    assert_eq!(device.update(&[], "").code_text(), "2.04");
    assert_message(
        &always.application.message("ep1", "update"),
        &json!({"msgType":"update","data":{"ep":"ep1","lt":300,"lwm2m":"1.0","alternatePath":"/","objectList":["/3/0"]}}),
    );
    assert_eq!(device.update(&["lt=400"], "").code_text(), "2.04");
    assert_eq!(always.application.message("ep1", "update").data("lt"), 400);
}

#[test]
fn update_with_a_new_alternate_path_changes_the_targets() {
    let world = World::start();
    let device = world.device_with("ep1", &[], "</a>;rt=\"oma.lwm2m\",</a/3/0>");
    let read = json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}});
    let request = world.command(&device, &read);
    assert_eq!(request.uri_path(), "/a/3/0/0");
    device.answer(&request, "2.05", &[], "x");
    assert_eq!(device.update(&[], "</b>;rt=\"oma.lwm2m\",</b/3/0>").code_text(), "2.04");
    let request = world.command(&device, &read);
    assert_eq!(request.uri_path(), "/b/3/0/0");
}

#[test]
fn update_and_deregister_need_the_right_location() {
    let world = World::start();
    let device = world.device("ep1");
    let id = device.location()[1].clone();
    for path in [
        vec![b"rd".to_vec(), b"wrong".to_vec()],
        vec![b"rd".to_vec(), id.clone(), b"x".to_vec()],
        vec![b"rd".to_vec(), b"ep1".to_vec()],
    ] {
        for method in [method::POST, method::DELETE] {
            let request = device.request(method).path(&path);
            assert_eq!(device.exchange(&request).code_text(), "4.04", "{request:?}");
        }
    }
    let put = device.request(method::PUT).path(device.location());
    assert_eq!(device.exchange(&put).code_text(), "4.05", "PUT on the location");
    let get = device.request(method::GET).path(device.location());
    assert_eq!(device.exchange(&get).code_text(), "4.05", "GET on the location");
    assert_eq!(device.update(&["lt=x"], "").code_text(), "4.00", "a malformed lifetime");
    assert_eq!(device.update(&[], "").code_text(), "2.04", "and the registration is still there");
}

#[test]
fn deregistration_is_answered_once_and_nothing_is_published() {
    let world = World::start();
    let device = world.device("ep1");
    assert_eq!(device.deregister().code_text(), "2.02");
    assert_eq!(device.deregister().code_text(), "4.04");
    assert_eq!(device.update(&[], "").code_text(), "4.04");
    world.application.expect_none(QUIET, "a message about the end", |_| true);
    world.application.command("ep1", &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
    device.expect_quiet();
}

#[test]
fn registration_expires_after_its_lifetime_and_nothing_is_published() {
    let world = World::start();
    let device = world.device_with("ep1", &["lt=1"], "</3/0>");
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(device.update(&[], "").code_text(), "4.04");
    world.application.expect_none(QUIET, "a message about the end", |_| true);
    world.application.command("ep1", &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
    device.expect_quiet();
}

#[test]
fn update_renews_the_lifetime() {
    let world = World::with(&[("lwm2m.lifecycle_events", "true")]);
    let device = world.device_with("ep1", &["lt=2"], "</3/0>");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(1000));
        assert_eq!(device.update(&[], "").code_text(), "2.04");
    }
    let last = Instant::now();
    world.application.expect("expired", |message| message.json["event"] == "expired");
    let after = last.elapsed();
    assert!(
        after > Duration::from_millis(1700) && after < Duration::from_millis(3500),
        "expired {after:?} after the last Update"
    );
}

#[test]
fn update_with_a_shorter_lifetime_counts_from_then_on() {
    let world = World::with(&[("lwm2m.lifecycle_events", "true")]);
    let device = world.device("ep1");
    assert_eq!(device.update(&["lt=1"], "").code_text(), "2.04");
    world
        .application
        .expect("expired", |message| message.json["event"] == "expired" && message.json["data"]["ep"] == "ep1");
}
