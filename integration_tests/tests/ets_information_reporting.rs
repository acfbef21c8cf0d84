//! OMA interoperability test cases 300–399, information reporting, driven through the gateway. docs/ets.md lists them all.
//! Periods are shorter than in the test specification.
use integration_tests::lab::{reference, values};
use integration_tests::{Lab, Message, QUIET};
use serde_json::{Value, json};
use simulator::{DeviceError, EndCause, Event, Format, Request};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Starts an observation; gives the number of its command and the first answer.
#[track_caller]
fn observe(lab: &Lab, kind: &str, data: &Value) -> (u64, Message) {
    let message = lab.expect("2.05", kind, data);
    assert_eq!(lab.last().observe(), Some(0));
    (lab.last_id(), message)
}

/// The token of the latest observation of this path.
fn token_of(lab: &Lab, path: &str) -> Vec<u8> {
    let path: simulator::Path = path.parse().expect("a path");
    let tokens = lab.device.log().collect(|event| match event {
        Event::ObserveStarted { paths, token } if paths.contains(&path) => Some(token.clone()),
        _ => None,
    });
    tokens.last().expect("an observation").clone()
}

/// When the notifications with this token left.
fn moments(lab: &Lab, token: &[u8]) -> Vec<Instant> {
    let events = lab.device.log().events();
    let notified = |(at, event): (Instant, Event)| match event {
        Event::Notified { token: of, .. } if of == token => Some(at),
        _ => None,
    };
    events.into_iter().filter_map(notified).collect()
}

fn no_notification(lab: &Lab, id: u64) {
    let what = format!("a notification of {id}");
    lab.world
        .application
        .expect_none(QUIET, &what, |message| message.kind() == "notify" && message.json["reqID"] == id);
}

fn expect_end(lab: &Lab, token: &[u8], cause: EndCause) {
    lab.wait("the end of the observation", |event| match event {
        Event::ObserveEnded { token: of, cause: why } if of == token && *why == cause => Some(()),
        _ => None,
    });
}

/// A request without what differs from message to message.
fn options_but_observe(request: &Request) -> Vec<(u16, Vec<u8>)> {
    let mut options = request.message.options.clone();
    options.retain(|(number, _)| *number != simulator::message::option::OBSERVE);
    options
}

#[test]
fn ets_301_observation_and_notification_of_parameter_values() {
    let lab = Lab::start(reference("ets301"));
    assert_eq!(lab.read("/3/0/6").len(), 2);
    lab.attributes("/3/0/7", &json!({"pmin": 1, "pmax": 2}));
    lab.attributes("/3/0/8", &json!({"pmin": 2, "pmax": 3}));
    let (voltage, first) = observe(&lab, "observe", &json!({"path": "/3/0/7"}));
    assert_eq!(values(&first)["/3/0/7/0"], 3800);
    let (current, _) = observe(&lab, "observe", &json!({"path": "/3/0/8"}));
    lab.device.set([3, 0, 7, 0], 3700i64);
    let mut last = 0;
    for _ in 0..3 {
        let message = lab.notification(voltage);
        let sequence = message.json["seqNum"].as_u64().expect("a sequence number");
        assert!(sequence > last, "{sequence} after {last}");
        last = sequence;
        assert_eq!(values(&message)["/3/0/7/0"], 3700);
    }
    assert_eq!(values(&lab.notification(current))["/3/0/8/1"], 900);
    let moments = moments(&lab, &token_of(&lab, "/3/0/7"));
    let shortest = moments.windows(2).map(|pair| pair[1] - pair[0]).min().expect("two notifications");
    assert!(shortest >= Duration::from_secs(1), "pmin is kept: {shortest:?}");
}

#[test]
fn ets_302_cancel_observations_with_reset() {
    let lab = Lab::start(reference("ets302"));
    let (voltage, _) = observe(&lab, "observe", &json!({"path": "/3/0/7"}));
    let (current, _) = observe(&lab, "observe", &json!({"path": "/3/0/8"}));
    let requests = lab.device.requests().len();
    for (path, ids, cancelled, other) in
        [("/3/0/7", [3u16, 0, 7], voltage, Some(current)), ("/3/0/8", [3, 0, 8], current, None)]
    {
        let token = token_of(&lab, path);
        let message = lab.expect("2.05", "cancel-observe", &json!({"path": path, "passive": true}));
        assert!(message.data("content").is_null());
        assert_eq!(lab.device.notify(ids, None), 1);
        expect_end(&lab, &token, EndCause::Reset);
        no_notification(&lab, cancelled);
        if let Some(other) = other {
            assert_eq!(lab.device.notify([3, 0, 8], None), 1);
            lab.notification(other);
        }
    }
    assert_eq!(lab.device.requests().len(), requests, "no request went out");
}

#[test]
fn ets_303_cancel_observations_with_observe_1() {
    let lab = Lab::start(reference("ets303"));
    let (id, _) = observe(&lab, "observe", &json!({"path": "/3/0/7"}));
    let started = lab.last();
    let message = lab.expect("2.05", "cancel-observe", &json!({"path": "/3/0/7"}));
    assert_eq!(values(&message)["/3/0/7/0"], 3800);
    let ended = lab.last();
    assert_eq!((ended.observe(), &ended.message.token), (Some(1), &started.message.token));
    assert_eq!(options_but_observe(&ended), options_but_observe(&started));
    expect_end(&lab, &started.message.token, EndCause::Cancelled);
    lab.device.set([3, 0, 7, 0], 1i64);
    no_notification(&lab, id);
}

const OBSERVED: [&str; 3] = ["/1/0/1", "/3/0/11/0", "/3/0/16"];

fn assert_observed(message: &Message) {
    let expected: BTreeMap<String, Value> =
        [("/1/0/1", json!(86400)), ("/3/0/11/0", json!(0)), ("/3/0/16", json!("U"))]
            .map(|(path, value)| (path.to_owned(), value))
            .into();
    assert_eq!(values(message), expected);
    assert_eq!(message.data("reqPaths"), &json!(OBSERVED));
}

#[test]
fn ets_304_observe_composite() {
    for format in ["senml-json", "senml-cbor"] {
        let lab = Lab::start(reference("ets304"));
        lab.attributes("/1/0/1", &json!({"pmin": 1, "pmax": 2}));
        let (id, first) = observe(&lab, "observe-composite", &json!({"paths": OBSERVED, "format": format}));
        assert_observed(&first);
        assert_observed(&lab.notification(id));
        assert_observed(&lab.notification(id));
        let moments = moments(&lab, &token_of(&lab, "/1/0/1"));
        assert!(moments[1] - moments[0] >= Duration::from_secs(2), "pmax, since nothing changed: {moments:?}");
    }
}

#[test]
fn ets_305_cancel_observe_composite() {
    let lab = Lab::start(reference("ets305"));
    let data = json!({"paths": OBSERVED});
    let (id, _) = observe(&lab, "observe-composite", &data);
    let started = lab.last();
    assert_observed(&lab.expect("2.05", "cancel-observe-composite", &data));
    let ended = lab.last();
    assert_eq!((ended.observe(), &ended.message.token), (Some(1), &started.message.token));
    assert_eq!((options_but_observe(&ended), ended.payload()), (options_but_observe(&started), started.payload()));
    expect_end(&lab, &started.message.token, EndCause::Cancelled);
    lab.device.set([3, 0, 11, 0], 1i64);
    no_notification(&lab, id);
}

const SEND_FORMATS: [Format; 2] = [Format::SenmlJson, Format::SenmlCbor];

/// Lets the device send; the message has exactly the paths that the device has there.
#[track_caller]
fn send(lab: &Lab, paths: &[&str], format: Format) {
    let sent: Vec<simulator::Path> = paths.iter().map(|path| path.parse().expect("a path")).collect();
    lab.run(lab.device.send(&sent, format)).expect("2.04");
    let message = lab.message("send");
    assert!(message.json["reqID"].is_null() && message.topic.ends_with("/up/send"), "{message:?}");
    let mut expected: Vec<String> = paths.iter().flat_map(|path| lab.truth(path)).collect();
    expected.sort();
    assert_eq!(values(&message).into_keys().collect::<Vec<_>>(), expected);
}

#[test]
fn ets_306_send() {
    let lab = Lab::start(reference("ets306"));
    for format in SEND_FORMATS {
        send(&lab, &["/1", "/3"], format);
    }
    let lab = Lab::start(reference("ets306-1.2").version("1.2"));
    send(&lab, &["/1", "/3"], Format::Lwm2mCbor);
}

#[test]
fn ets_307_muting_send() {
    let lab = Lab::start(reference("ets307"));
    let path = [simulator::Path::from([3u16, 0])];
    lab.write("/1/0/23", "Boolean", &json!(true));
    assert!(matches!(lab.run(lab.device.send(&path, Format::SenmlCbor)), Err(DeviceError::Muted)));
    lab.world.application.expect_none(QUIET, "send", |message| message.kind() == "send");
    lab.write("/1/0/23", "Boolean", &json!(false));
    send(&lab, &["/1", "/3"], Format::SenmlCbor);
}

fn create_second_portfolio(lab: &Lab) {
    let content = json!([{"path": "1/0/0", "type": "String", "value": "second"}]);
    lab.expect("2.01", "create", &json!({"basePath": "/16", "content": content}));
}

/// Waits for a notification that names the second Portfolio instance, or that does not.
#[track_caller]
fn notification_with(lab: &Lab, id: u64, second: bool) {
    for _ in 0..10 {
        let values = values(&lab.notification(id));
        assert!(values.contains_key("/16/0/0/0"), "{values:?}");
        if values.contains_key("/16/1/0/0") == second {
            return;
        }
    }
    panic!("ten notifications, and /16/1 is still {}there", if second { "not " } else { "" });
}

#[test]
fn ets_308_observe_composite_and_create() {
    let lab = Lab::start(reference("ets308"));
    lab.attributes("/16/0", &json!({"pmin": 1, "pmax": 2}));
    let (id, first) = observe(&lab, "observe-composite", &json!({"paths": ["/16/0", "/16/1"]}));
    let paths: Vec<String> = values(&first).into_keys().collect();
    assert_eq!(paths, ["/16/0/0/0", "/16/0/0/1", "/16/0/0/2", "/16/0/0/3"]);
    notification_with(&lab, id, false);
    create_second_portfolio(&lab);
    notification_with(&lab, id, true);
}

#[test]
fn ets_309_observe_composite_and_delete() {
    let lab = Lab::start(reference("ets309"));
    create_second_portfolio(&lab);
    lab.attributes("/16/0", &json!({"pmin": 1, "pmax": 2}));
    let (id, first) = observe(&lab, "observe-composite", &json!({"paths": ["/16/0", "/16/1"]}));
    assert!(values(&first).contains_key("/16/1/0/0"));
    notification_with(&lab, id, true);
    lab.expect("2.02", "delete", &json!({"path": "/16/1"}));
    notification_with(&lab, id, false);
    notification_with(&lab, id, false);
}

#[test]
fn ets_310_observe_composite_and_modified_attributes() {
    let lab = Lab::start(reference("ets310"));
    let (id, _) = observe(&lab, "observe-composite", &json!({"paths": ["/1/0/1", "/3/0"]}));
    no_notification(&lab, id);
    lab.attributes("/3", &json!({"pmax": 1}));
    for _ in 0..2 {
        assert_eq!(values(&lab.notification(id))["/1/0/1"], 86400);
    }
}

#[test]
fn ets_311_send_command() {
    let lab = Lab::start(reference("ets311"));
    for format in SEND_FORMATS {
        send(&lab, &["/1/0/1", "/3/0/11"], format);
    }
}
