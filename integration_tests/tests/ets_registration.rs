//! OMA interoperability test cases 100–199, registration interface, driven through the gateway. docs/ets.md lists them all.
//! Lifetimes and windows are shorter than in the test specification.
use integration_tests::Lab;
use integration_tests::expectation::assert_message;
use integration_tests::lab::reference;
use serde_json::{Value, json};
use simulator::{DeviceError, Event, Update};
use std::time::Duration;

const EVENTS: (&str, &str) = ("lwm2m.lifecycle_events", "true");
const ALL_UPDATES: (&str, &str) = ("lwm2m.update_msg_publish_condition", "\"always\"");

fn sleep(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

fn device_page(lab: &Lab) -> Value {
    let (status, body) = lab.world.gateway.get("/api/devices").expect("an answer");
    assert_eq!(status, 200);
    serde_json::from_str(&body).expect("JSON")
}

#[test]
fn ets_101_initial_registration() {
    let lab = Lab::unregistered(&[], reference("ets101"));
    assert_message(
        &lab.register(),
        &json!({"msgType": "register", "data": {"ep": "ets101", "lt": 86400, "lwm2m": "1.1", "b": "U", "alternatePath": "/",
            "objectList": ["/1", "/1/0", "/3/0", "/16/0"]}}),
    );
    assert!(lab.device.location().is_some_and(|location| location.starts_with("/rd/")));
    assert_eq!(lab.value("/3/0/0"), "Open Mobile Alliance");
}

#[test]
fn ets_102_registration_update() {
    let lab = Lab::with(&[EVENTS, ALL_UPDATES], reference("ets102"));
    lab.write("/1/0/1", "Integer", &json!(2));
    lab.update(Update::default().lifetime(2)).expect("the update is accepted");
    assert_eq!(lab.message("update").data("lt"), 2);
    // No second update: the registration ends by its new lifetime.
    assert_eq!(lab.event("expired").json["data"]["cause"], "lifetime");
}

#[test]
fn ets_103_deregistration() {
    let lab = Lab::with(&[EVENTS], reference("ets103"));
    lab.expect("2.04", "execute", &json!({"path": "/1/0/4"}));
    lab.wait("Disable", |event| matches!(event, Event::Executed { .. }).then_some(()));
    lab.deregister();
    lab.event("deregistered");
    let message = lab.expect("4.04", "read", &json!({"path": "/3/0/0"}));
    assert!(message.data("diagnostic").as_str().is_some_and(|text| text.starts_with("not registered")));
}

#[test]
fn ets_104_registration_update_trigger() {
    let lab = Lab::with(&[ALL_UPDATES], reference("ets104").lifetime(10));
    sleep(5);
    lab.expect("2.04", "execute", &json!({"path": "/1/0/8"}));
    lab.wait("the trigger", |event| matches!(event, Event::Executed { .. }).then_some(()));
    lab.update(Update::default()).expect("the update is accepted");
    lab.message("update");
    // Beyond the end of the first lifetime, well before the end of the second.
    sleep(6);
    assert_eq!(lab.value("/3/0/0"), "Open Mobile Alliance");
}

#[test]
fn ets_105_discarded_register_update() {
    let lab = Lab::with(&[ALL_UPDATES], reference("ets105"));
    let location = lab.device.location().expect("a location");
    // Somebody who knows the location ends the registration behind the device's back.
    let foreign = lab.world.wire();
    let request = foreign.request(integration_tests::datagram::method::DELETE);
    let path: Vec<&str> = location.trim_matches('/').split('/').collect();
    assert_eq!(foreign.exchange(&request.path(&path)).code_text(), "2.02");
    let refused = lab.update(Update::default());
    assert!(matches!(&refused, Err(DeviceError::Refused { code, .. }) if code.to_string() == "4.04"), "{refused:?}");
    assert!(lab.world.application.drain().iter().all(|message| message.kind() != "update"));
    lab.register();
    assert_eq!(lab.value("/3/0/0"), "Open Mobile Alliance");
}

#[test]
fn ets_107_extending_the_lifetime() {
    let lab = Lab::with(&[ALL_UPDATES], reference("ets107").lifetime(8));
    lab.write("/1/0/1", "Integer", &json!(12));
    lab.update(Update::default().lifetime(12)).expect("the update is accepted");
    assert_eq!(lab.message("update").data("lt"), 12);
    sleep(7);
    lab.update(Update::default()).expect("the update is accepted");
    assert_eq!(lab.message("update").data("lt"), 12, "an update without parameters changes nothing");
    sleep(7);
    assert_eq!(lab.value("/1/0/1"), 12);
}

#[test]
fn ets_108_turn_on_queue_mode() {
    let lab = Lab::with(&[], reference("ets108").queue_mode());
    assert_eq!(device_page(&lab)["devices"][0]["queue_mode"], true);
    let old = Lab::unregistered(&[], reference("ets108-1.0").version("1.0").binding("UQ"));
    assert_eq!(old.register().data("b"), "UQ");
    assert_eq!(device_page(&old)["devices"][0]["queue_mode"], true);
}

#[test]
fn ets_109_behaviour_in_queue_mode() {
    let window = ("lwm2m.qmode_time_window", "\"3s\"");
    let lab = Lab::with(&[EVENTS, window], reference("ets109").queue_mode());
    lab.event("asleep");
    lab.device.sleep();
    let requests = lab.device.requests().len();
    let ids: Vec<u64> =
        ["/3/0/0", "/3/0/1", "/3/0/2"].iter().map(|path| lab.publish("read", &json!({"path": path}))).collect();
    for _ in &ids {
        lab.event("command_queued");
    }
    assert_eq!((lab.device.requests().len(), lab.device.counters().missed_asleep), (requests, 0), "nothing is sent");
    lab.update(Update::default()).expect("the update is accepted");
    for (id, value) in ids.iter().zip(["Open Mobile Alliance", "Lightweight M2M Client", "345000123"]) {
        assert_eq!(lab.answer(*id, "read").data("content")[0]["value"], value);
    }
    let order: Vec<String> = lab.device.requests().into_iter().skip(requests).map(|request| request.path).collect();
    assert_eq!(order, ["/3/0/0", "/3/0/1", "/3/0/2"]);
}
