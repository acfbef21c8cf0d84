//! Topics: mountpoints, placeholders of both kinds, translators (contract chapter 1).
use integration_tests::{QUIET, World};
use serde_json::json;

const LINKS: &str = "</3/0>";

/// Registers with these query members and checks that commands, answers and notifications use this prefix.
fn assert_prefix(world: &World, query: &[&str], prefix: &str) {
    let mut device = world.wire();
    device.register(query, LINKS);
    let message = world.application.expect("register", |message| message.kind() == "register");
    assert_eq!(message.topic, format!("{prefix}up/resp"), "{query:?}");
    world.application.publish(&format!("{prefix}dn"), r#"{"reqID":1,"msgType":"observe","data":{"path":"/3/0/0"}}"#);
    let request = device.expect_request();
    device.answer(&request, "2.05", &[(6, &[])], "v");
    assert_eq!(
        world.application.expect("answer", |message| message.kind() == "observe").topic,
        format!("{prefix}up/resp")
    );
    device.notify(integration_tests::Kind::Non, &request, 2, 0, "w");
    assert_eq!(
        world.application.expect("notify", |message| message.kind() == "notify").topic,
        format!("{prefix}up/notify")
    );
    device.update(&[], LINKS);
    assert_eq!(
        world.application.expect("update", |message| message.kind() == "update").topic,
        format!("{prefix}up/resp")
    );
    device.deregister();
}

#[test]
fn placeholders_in_braces() {
    let world = World::with(&[("lwm2m.mountpoint", "\"m/${endpoint_name}/${clientid}/${username}/${peerhost}/\"")]);
    assert_prefix(&world, &["ep=ep1", "lt=60", "lwm2m=1.0"], "m/ep1/ep1/ep1/127.0.0.1/");
    assert_prefix(&world, &["ep=ep2", "lt=60", "lwm2m=1.0", "device_id=dev", "imei=123"], "m/ep2/dev/123/127.0.0.1/");
}

#[test]
fn placeholders_with_percent() {
    let world = World::with(&[("lwm2m.mountpoint", "\"m/%e/%a/%e/\"")]);
    assert_prefix(&world, &["ep=ep1", "lt=60", "lwm2m=1.0"], "m/ep1/127.0.0.1/ep1/");
}

#[test]
fn unknown_placeholder_stays_literally() {
    let world = World::with(&[("lwm2m.mountpoint", "\"m/${nothing}/${endpoint_name}/\"")]);
    assert_prefix(&world, &["ep=ep1", "lt=60", "lwm2m=1.0"], "m/${nothing}/ep1/");
}

#[test]
fn mountpoint_is_glued_without_a_slash() {
    let world = World::with(&[
        ("lwm2m.mountpoint", "\"devices-${endpoint_name}\""),
        ("lwm2m.translators.command", "{ topic = \"/dn/#\", qos = 0 }"),
        ("lwm2m.translators.response", "{ topic = \"/up/resp\", qos = 0 }"),
        ("lwm2m.translators.register", "{ topic = \"/up/resp\", qos = 0 }"),
        ("lwm2m.translators.update", "{ topic = \"/up/resp\", qos = 0 }"),
        ("lwm2m.translators.notify", "{ topic = \"/up/notify\", qos = 0 }"),
    ]);
    assert_prefix(&world, &["ep=ep1", "lt=60", "lwm2m=1.0"], "devices-ep1/");
}

#[test]
fn translators_name_their_topics_and_quality_of_service() {
    let world = World::with(&[
        ("lwm2m.translators.command", "{ topic = \"down/%e/#\", qos = 2 }"),
        ("lwm2m.translators.response", "{ topic = \"answers/${endpoint_name}\", qos = 1 }"),
        ("lwm2m.translators.notify", "{ topic = \"news/%a\", qos = 2 }"),
        ("lwm2m.translators.register", "{ topic = \"arrivals\", qos = 1 }"),
        ("lwm2m.translators.update", "{ topic = \"changes\", qos = 0 }"),
    ]);
    let mut device = world.wire();
    device.register(&["ep=ep1", "lt=60", "lwm2m=1.0"], LINKS);
    let place = |kind: &str| {
        let message = world.application.expect(kind, |message| message.kind() == kind);
        assert!(!message.retained, "nothing is retained");
        (message.topic, message.qos)
    };
    assert_eq!(place("register"), ("lwm2m/ep1/arrivals".to_owned(), 1));
    world.application.publish("lwm2m/ep1/down/ep1/x", r#"{"reqID":1,"msgType":"observe","data":{"path":"/3/0/0"}}"#);
    let request = device.expect_request();
    device.acknowledge(request.mid);
    assert_eq!(place("ack"), ("lwm2m/ep1/answers/ep1".to_owned(), 1));
    let mid = device.answer_separately(integration_tests::Kind::Con, &request, "2.05", &[(6, &[1])], "v");
    device.expect_ack(mid);
    assert_eq!(place("observe"), ("lwm2m/ep1/answers/ep1".to_owned(), 1));
    device.notify(integration_tests::Kind::Non, &request, 2, 0, "w");
    assert_eq!(place("notify"), ("lwm2m/ep1/news/127.0.0.1".to_owned(), 2));
    device.update(&[], LINKS);
    assert_eq!(place("update"), ("lwm2m/ep1/changes".to_owned(), 0));
}

#[test]
fn registration_whose_topics_would_be_unsafe_is_refused() {
    let world = World::with(&[("lwm2m.mountpoint", "\"m/${endpoint_name}/${clientid}/${username}/\"")]);
    for bad in ["ep=a/b", "ep=+", "ep=#", "device_id=a/b", "device_id=+", "imei=#", "imei=x/y"] {
        let mut query = vec!["lt=60", "lwm2m=1.0", bad];
        if !bad.starts_with("ep=") {
            query.push("ep=good");
        }
        let mut device = world.wire();
        assert_eq!(device.try_register(&query, LINKS).code_text(), "4.00", "{query:?}");
    }
    world.application.expect_none(QUIET, "a message of a refused registration", |_| true);
    assert_prefix(&world, &["ep=ep1", "lt=60", "lwm2m=1.0"], "m/ep1/ep1/ep1/");
}

#[test]
fn each_listener_may_have_a_mountpoint_of_its_own() {
    let [second, third] = [integration_tests::broker::free_port(), integration_tests::broker::free_port()];
    let mut settings = integration_tests::Settings::default();
    settings.append(&format!(
        "[[listeners.udp]]\nbind = \"127.0.0.1:{second}\"\nmountpoint = \"second/%e/\"\n\
         [[listeners.udp]]\nbind = \"127.0.0.1:{third}\""
    ));
    let world = World::with_settings(&settings);
    // the same device name as on the other listeners would be the same device: its registration would move
    for (number, address, prefix) in [
        (1, world.gateway.udp(), "lwm2m/ep1/"),
        (2, ([127, 0, 0, 1], second).into(), "second/ep2/"),
        (3, ([127, 0, 0, 1], third).into(), "lwm2m/ep3/"),
    ] {
        let mut device = integration_tests::Wire::new(address);
        device.register(&[&format!("ep=ep{number}"), "lt=60", "lwm2m=1.0"], LINKS);
        let register = world.application.expect("register", |message| message.kind() == "register");
        assert_eq!(register.topic, format!("{prefix}up/resp"));
        let command = json!({"reqID": number, "msgType": "read", "data": {"path": "/3/0/0"}});
        world.application.publish(&format!("{prefix}dn"), command.to_string());
        let request = device.expect_request();
        device.answer(&request, "2.05", &[], "v");
        let answer = world.application.expect("answer", |message| message.kind() == "read");
        assert_eq!((answer.topic, &answer.json["reqID"]), (format!("{prefix}up/resp"), &json!(number)));
    }
    // nobody else is found under the mountpoint of another listener
    let command = json!({"reqID": 9, "msgType": "read", "data": {"path": "/3/0/0"}});
    world.application.publish("second/ep1/dn", command.to_string());
    let answer = world.application.expect("refusal", |message| message.json["reqID"] == 9);
    assert_eq!((answer.topic.as_str(), answer.data("code")), ("second/ep1/up/resp", &json!("4.04")));
}
