//! The worked session of the contract (chapter 18), byte by byte, over each kind of broker.
use integration_tests::datagram::{Datagram, Kind, option};
use integration_tests::expectation::{assert_message, content};
use integration_tests::{World, hex, unhex};
use serde_json::json;

const REGISTER: &str = "4202000c0102b2726411283665703d657031066c743d333435076c776d326d3d31ff\
                        3c2f6c776d326d3e3b72743d226f6d612e6c776d326d222c3c2f6c776d326d2f332f303e";

fn worked_session(world: &World) {
    let mut device = world.wire();

    device.send_hex(REGISTER);
    let bytes = device.receive_bytes(integration_tests::PATIENCE).expect("an answer to the Register");
    assert_eq!(hex(&bytes[..9]), "6241000c0102827264", "2.01, Location-Path first segment rd: {}", hex(&bytes));
    let created = Datagram::parse(&bytes).expect("a good answer");
    device.keep_location(&created);
    assert!(created.options.iter().all(|(number, _)| *number == option::LOCATION_PATH), "{created:?}");
    assert!(created.payload.is_empty(), "{created:?}");

    let registered = world.application.expect("register", |message| message.kind() == "register");
    assert_eq!(registered.topic, "lwm2m/ep1/up/resp");
    let expected = json!({"msgType":"register","data":{"ep":"ep1","lt":345,"lwm2m":"1","alternatePath":"/lwm2m","objectList":["/3/0"]}});
    assert_message(&registered, &expected);

    world.application.publish("lwm2m/ep1/dn", r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    let read = device.expect_request();
    assert_eq!((read.code, read.tail().as_str()), (1, "b56c776d326d013301300130"));
    let mut answer = vec![0x60 | u8::try_from(read.token.len()).unwrap(), 0x45];
    answer.extend(read.mid.to_be_bytes());
    answer.extend(&read.token);
    answer.extend(unhex("c0ff454d51"));
    device.send_bytes(&answer);
    let message = world.application.expect("answer", |message| message.kind() == "read");
    assert_eq!(message.topic, "lwm2m/ep1/up/resp");
    assert_message(
        &message,
        &json!({"reqID":1,"msgType":"read","data": content("2.05", "/3/0/0", &[("/3/0/0", json!("EMQ"))])}),
    );

    let update = Datagram::new(Kind::Con, 2, 0x000d, &[3]).path(device.location()).query(&["lt=789"]);
    device.send(&update);
    assert_eq!(hex(&device.receive_bytes(integration_tests::PATIENCE).unwrap()), "6144000d03");

    let deregister = Datagram::new(Kind::Con, 4, 0x000e, &[4]).path(device.location());
    device.send(&deregister);
    assert_eq!(hex(&device.receive_bytes(integration_tests::PATIENCE).unwrap()), "6142000e04");

    // The Update carried no object list: by default it is not reported, and neither is the end.
    world.application.expect_none(integration_tests::QUIET, "any further message", |message| {
        message.topic.starts_with("lwm2m/ep1/up")
    });
    // After the end no command reaches the device.
    world.application.publish("lwm2m/ep1/dn", r#"{"reqID":2,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    device.expect_quiet();
}

#[test]
fn worked_session_with_mosquitto_and_mqtt_5() {
    worked_session(&World::start());
}

#[test]
fn worked_session_with_mosquitto_and_mqtt_3_1_1() {
    worked_session(&World::with(&[("mqtt.version", "4")]));
}

#[test]
fn worked_session_with_the_embedded_broker() {
    worked_session(&World::embedded(&[]));
}
