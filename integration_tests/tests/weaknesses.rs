//! The sixteen weaknesses of the incumbent that this gateway must not have (contract chapter 17), one test each.
//! Most are tested in breadth elsewhere; here each is shown in its shortest form.
use integration_tests::datagram::{Datagram, Kind, method, option};
use integration_tests::expectation::{assert_message, content, plain};
use integration_tests::{QUIET, World, hex, unhex};
use serde_json::{Value, json};
use std::time::Duration;

fn read(req: u32, path: &str) -> Value {
    json!({"reqID": req, "msgType": "read", "data": {"path": path}})
}

#[test]
fn weakness_01_a_lost_datagram_blocks_the_device_for_ever() {
    let world = World::with(&[("coap.ack_timeout", "\"100ms\""), ("coap.max_retransmit", "1")]);
    let device = world.device("ep1");
    world.application.command("ep1", &read(1, "/3/0/0"));
    world.application.command("ep1", &read(2, "/3/0/0"));
    let lost = device.expect_request();
    assert_eq!(device.expect_request(), lost, "retransmitted");
    assert_eq!(world.application.answer("ep1").kind(), "coap_timeout");
    device.answer(&device.expect_request(), "2.05", &[], "v");
    assert_eq!(world.application.answer("ep1").json["reqID"], 2);
}

#[test]
fn weakness_02_real_notifications_are_reset() {
    let world = World::start();
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "1");
    assert!(!observe.token.is_empty());
    let mid = device.notify(Kind::Con, &observe, 2, 0, "2");
    device.expect_ack(mid);
    world.application.message("ep1", "notify");
}

#[test]
fn weakness_03_separate_repeated_and_error_messages_are_not_acknowledged() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &read(1, "/3/0/0"));
    device.acknowledge(request.mid);
    let mid = device.answer_separately(Kind::Con, &request, "2.05", &[], "v");
    device.expect_ack(mid);
    world.application.answer("ep1");
    let observe = world.observe(&device, 2, "/3/0/9", 0, "1");
    for _ in 0..2 {
        let mid = device.notify(Kind::Con, &observe, 7, 0, "2");
        device.expect_ack(mid);
    }
    let mid = device.answer_separately(Kind::Con, &observe, "5.00", &[], "");
    device.expect_ack(mid);
}

#[test]
fn weakness_04_unusual_datagrams_kill_the_session() {
    let world = World::start();
    let device = world.device("ep1");
    for request in [
        device.request(method::GET).path(&["rd"]),
        device.request(method::PUT).path(&["rd"]),
        device.request(method::FETCH).path(&["3"]),
        device.update_request(&["lt=abc"], ""),
        Datagram::new(Kind::Con, 0x47, device.next_mid(), &[1]),
        Datagram::new(Kind::Con, 0x9d, device.next_mid(), &[1]),
        Datagram::new(Kind::Con, 0xe1, device.next_mid(), &[1]),
    ] {
        device.send(&request);
        device.receive();
    }
    device.send_hex("ffffffffffffffff");
    let message = world.round_trip(
        &device,
        &json!({"reqID": 1, "msgType": "execute", "data": {"path": "/3/0/4"}}),
        "2.07",
        &[],
        "",
    );
    assert_eq!(message.data("code"), "2.07");
    let message = world.round_trip(&device, &read(2, "/3/0/0"), "4.29", &[], "");
    assert_eq!((message.data("code"), message.data("codeMsg")), (&json!("4.29"), &json!("too_many_requests")));
    assert_eq!(device.update(&[], "").code_text(), "2.04", "the registration is still there");
}

#[test]
fn weakness_05_bad_commands_vanish_without_an_answer() {
    let world = World::start();
    let _device = world.device("ep1");
    for data in [json!({}), json!({"path": "/3/0/0/0/0"}), json!({"path": 5})] {
        world.application.command("ep1", &json!({"reqID": 1, "msgType": "read", "data": data}));
        assert_eq!(world.application.answer("ep1").data("code"), "4.00");
    }
}

#[test]
fn weakness_06_numbers_are_encoded_by_their_look() {
    let world = World::start();
    let device = world.device("ep1");
    for (resource, kind, value, payload) in [
        (1, "Integer", json!(128), "c2010080"),
        (1, "Integer", json!(86400), "c40100015180"),
        (2, "Float", json!("1"), "c802083ff0000000000000"),
        (3, "Boolean", json!(true), "c10301"),
    ] {
        let path = format!("/33000/0/{resource}");
        let request = world.command(
            &device,
            &json!({"reqID": 1, "msgType": "write", "data": {"path": path, "type": kind, "value": value}}),
        );
        assert_eq!(hex(&request.payload), payload);
        device.answer(&request, "2.04", &[], "");
        world.application.answer("ep1");
    }
}

#[test]
fn weakness_07_resource_instances_empty_tlv_and_senml_are_unsupported() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(
        &device,
        &json!({"reqID": 1, "msgType": "write", "data": {"path": "/33000/0/11/2", "type": "Integer", "value": 7}}),
    );
    assert_eq!(hex(&request.payload), "830b410207");
    device.answer(&request, "2.04", &[], "");
    world.application.answer("ep1");
    let tlv: &[(u16, &[u8])] = &[(option::CONTENT_FORMAT, &[0x2d, 0x16])];
    let message = world.round_trip(&device, &read(2, "/33000/0/11/2"), "2.05", tlv, unhex("410207"));
    assert_message(
        &message,
        &json!({"reqID": 2, "msgType": "read", "data": content("2.05", "/33000/0/11/2", &[("/33000/0/11/2", json!(7))])}),
    );
    let message = world.round_trip(&device, &read(3, "/33000/0"), "2.05", tlv, "");
    assert_eq!(message.data("content"), &json!([]));
    let message = world.round_trip(
        &device,
        &read(4, "/3/0"),
        "2.05",
        &[(option::CONTENT_FORMAT, &[110])],
        r#"[{"bn":"/3/0/","n":"0","vs":"EMQ"}]"#,
    );
    assert_message(
        &message,
        &json!({"reqID": 4, "msgType": "read", "data": content("2.05", "/3/0", &[("/3/0/0", json!("EMQ"))])}),
    );
}

#[test]
fn weakness_08_write_attr_refuses_numbers_and_loses_the_query() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world
        .command(&device, &json!({"reqID": 1, "msgType": "write-attr", "data": {"path": "/3/0/9?x=y", "pmin": 5}}));
    let mut queries = request.texts(option::URI_QUERY);
    queries.sort();
    assert_eq!(queries, ["pmin=5", "x=y"]);
}

#[test]
fn weakness_09_registering_again_merges_and_names_no_location() {
    let world = World::start();
    let mut device = world.device_with("ep1", &["b=U", "sms=+1"], "</3/0>");
    let answer = device.register(&["ep=ep1", "lt=100", "lwm2m=1.0"], "</3/0>");
    assert!(answer.texts(option::LOCATION_PATH).len() >= 2);
    assert_message(
        &world.application.message("ep1", "register"),
        &json!({"msgType":"register","data":{"ep":"ep1","lt":100,"lwm2m":"1.0","alternatePath":"/","objectList":["/3/0"]}}),
    );
}

#[test]
fn weakness_10_lifetime_min_is_ignored() {
    let world = World::with(&[("lwm2m.lifetime_min", "\"30s\"")]);
    let mut device = world.wire();
    assert_eq!(device.try_register(&["ep=ep1", "lt=29", "lwm2m=1.0"], "</3/0>").code_text(), "4.00");
    assert_eq!(device.try_register(&["ep=ep1", "lt=30", "lwm2m=1.0"], "</3/0>").code_text(), "2.01");
}

#[test]
fn weakness_11_queues_are_unbounded_volatile_and_never_expire() {
    let world = World::with(&[("lwm2m.qmode_time_window", "\"1s\""), ("lwm2m.queue_max", "1")]);
    let device = world.device_with("ep1", &["b=UQ"], "</3/0>");
    std::thread::sleep(Duration::from_millis(1400));
    let mut properties = paho_mqtt::Properties::new();
    properties.push_int(paho_mqtt::PropertyCode::MessageExpiryInterval, 1).unwrap();
    let command = paho_mqtt::MessageBuilder::new()
        .topic("lwm2m/ep1/dn")
        .payload(read(1, "/3/0/0").to_string())
        .properties(properties)
        .finalize();
    world.application.send(command);
    world.application.command("ep1", &read(2, "/3/0/0"));
    let message = world.application.answer("ep1");
    assert_eq!((&message.json["reqID"], message.data("code")), (&json!(2), &json!("5.03")), "bounded");
    let message = world.application.answer("ep1");
    assert_eq!((&message.json["reqID"], message.kind()), (&json!(1), "coap_timeout"), "expires");
    assert_eq!(device.update(&[], "").code_text(), "2.04");
    device.expect_quiet();
}

#[test]
fn weakness_12_names_are_copied_into_topics_and_locations_are_guessable() {
    let world = World::start();
    for name in ["+", "#", "a/b"] {
        assert_eq!(
            world.wire().try_register(&[&format!("ep={name}"), "lt=60", "lwm2m=1.0"], "</3/0>").code_text(),
            "4.00"
        );
    }
    let device = world.device("ep1");
    assert_ne!(device.location()[1], b"ep1");
}

#[test]
fn weakness_13_notifications_of_object_5_go_to_a_fixed_topic() {
    let world = World::with(&[("lwm2m.translators.notify", "{ topic = \"news\", qos = 1 }")]);
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/5/0/3", 0, "0");
    device.notify(Kind::Non, &observe, 1, 0, "1");
    let message = world.application.expect("notify", |message| message.kind() == "notify");
    assert_eq!((message.topic.as_str(), message.qos), ("lwm2m/ep1/news", 1));
}

#[test]
fn weakness_14_one_broken_definition_prevents_the_start() {
    let scratch = integration_tests::scratch::Scratch::new();
    scratch.file(
        "objects/33000.xml",
        std::fs::read(format!("{}/33000.xml", integration_tests::gateway::OBJECTS)).unwrap(),
    );
    scratch.file("objects/broken.xml", "<LWM2M><Object>");
    let world =
        World::with(&[("lwm2m.xml_dir", &format!("{:?}", scratch.path().join("objects").display().to_string()))]);
    let device = world.device("ep1");
    // and a type of LwM2M 1.1 is known
    let message = world.round_trip(
        &device,
        &read(1, "/33000/0/7"),
        "2.05",
        &[(option::CONTENT_FORMAT, &[0x2d, 0x16])],
        unhex("c107ff"),
    );
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "read", "data": content("2.05", "/33000/0/7", &[("/33000/0/7", json!(255))])}),
    );
}

#[test]
fn weakness_15_update_from_a_new_address_is_refused() {
    let world = World::start();
    let mut device = world.device("ep1");
    device.change_address();
    assert_eq!(device.update(&[], "").code_text(), "2.04");
}

#[test]
fn weakness_16_nothing_on_mqtt_says_that_a_device_has_gone() {
    let world = World::with(&[("lwm2m.lifecycle_events", "true")]);
    let device = world.device("ep1");
    device.deregister();
    world.application.expect("event", |message| message.json["event"] == "deregistered");
    world.application.command("ep1", &read(1, "/3/0/0"));
    assert_message(
        &world.application.answer("ep1"),
        &json!({"reqID": 1, "msgType": "read", "data": plain("4.04", "/3/0/0")}),
    );
    world.application.expect_none(QUIET, "a second answer", |message| message.kind() == "read");
}
