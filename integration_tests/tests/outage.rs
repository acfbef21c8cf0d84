//! The broker goes away, hangs, refuses, forgets: nothing that must arrive is lost (contract chapter 13).
use integration_tests::datagram::{Kind, method};
use integration_tests::settings::QOS_1;
use integration_tests::{
    Application, Broker, Datagram, Door, Gateway, Message, PATIENCE, Passage, QUIET, Settings, Wire, World, eventually,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than the longest pause between two attempts to connect.
const RECONNECT: Duration = Duration::from_secs(40);

fn read(req: u32) -> Value {
    json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}})
}

/// A world with a door between gateway and broker.
fn world_with_door(keys: &[(&str, &str)]) -> (World, Door) {
    let broker = Broker::start();
    let door = Door::before(broker.port());
    let application = Application::connect(broker.port(), 5);
    let mut settings = Settings::default();
    settings.all(QOS_1).all(keys);
    let gateway = Gateway::start(&door.url(), &settings);
    (World { application, gateway, broker: Some(broker) }, door)
}

fn notify(device: &Wire, observe: &Datagram, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        let mid = device.notify(Kind::Con, observe, number, 0, number.to_string());
        device.expect_ack(mid);
    }
}

/// All of these, each after the one before; the first may come again.
fn expect_in_order(application: &Application, numbers: std::ops::RangeInclusive<u32>) {
    let mut wanted = *numbers.start();
    while wanted <= *numbers.end() {
        let message = application.take(RECONNECT, |message| message.kind() == "notify");
        let Some(message) = message else { panic!("notification {wanted} is lost; came:\n{}", application.dump()) };
        let number = message.json["seqNum"].as_u64().expect("a number");
        assert!(number <= u64::from(wanted), "{number} comes before {wanted}");
        wanted += u32::from(number == u64::from(wanted));
    }
}

fn back(world: &mut World) {
    world.broker.as_mut().unwrap().resume();
    world.application.reconnect();
    world.application.subscribe("#");
}

#[test]
fn messages_that_waited_for_the_broker_survive_a_crash_and_go_out_in_order() {
    let mut keys = QOS_1.to_vec();
    // Most of them are on disk alone.
    keys.push(("mqtt.outbox_messages", "50"));
    let mut world = World::with(&keys);
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "0");
    world.broker.as_mut().unwrap().stop();
    world.gateway.await_log(&["event=broker_down"]);
    notify(&device, &observe, 1..=300);
    let (_, ready) = world.gateway.get("/health/ready").unwrap();
    assert!(ready.contains("\"broker\":false"), "{ready}");
    world.gateway.kill();
    back(&mut world);
    world.gateway.launch();
    expect_in_order(&world.application, 1..=300);
    world.gateway.await_ready();
    world.application.expect_none(QUIET, "a notification twice", |message| message.kind() == "notify");
}

#[test]
fn without_qos_they_survive_an_orderly_end() {
    let mut world = World::with(&[("mqtt.outbox_messages", "50"), ("runtime.drain_timeout", "\"1s\"")]);
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "0");
    world.broker.as_mut().unwrap().stop();
    world.gateway.await_log(&["event=broker_down"]);
    notify(&device, &observe, 1..=120);
    assert_eq!(world.gateway.terminate().code(), Some(0), "{}", world.gateway.log());
    back(&mut world);
    world.gateway.launch();
    expect_in_order(&world.application, 1..=120);
}

#[test]
fn a_broker_that_forgot_the_session_gets_what_was_under_way() {
    let (mut world, door) = world_with_door(&[]);
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "0");
    // What is sent now reaches nobody, and the broker that comes back knows nothing.
    door.set(Passage::Stalled);
    notify(&device, &observe, 1..=150);
    door.set(Passage::Shut);
    door.slam();
    world.broker.as_mut().unwrap().stop();
    world.gateway.await_log(&["event=broker_down"]);
    notify(&device, &observe, 151..=160);
    // The application first: what it does not see then is lost.
    back(&mut world);
    door.set(Passage::Open);
    expect_in_order(&world.application, 1..=160);
    world.application.command_qos_1("ep1", &read(2));
    let request = device.expect_request();
    device.answer(&request, "2.05", &[], "v");
    assert_eq!(world.application.answer("ep1").data("code"), "2.05");
}

#[test]
fn a_broker_that_hangs_holds_up_neither_devices_nor_memory() {
    let (world, door) = world_with_door(&[("mqtt.keep_alive", "\"3s\""), ("mqtt.outbox_messages", "100")]);
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "0");
    notify(&device, &observe, 1..=5);
    expect_in_order(&world.application, 1..=5);
    let before = world.gateway.resident();
    door.set(Passage::Stalled);
    notify(&device, &observe, 6..=1500);
    let grown = world.gateway.resident().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes for messages that are on disk");
    door.set(Passage::Open);
    expect_in_order(&world.application, 6..=1500);
}

#[test]
fn a_broker_that_breaks_off_again_and_again_costs_no_message() {
    let (world, door) = world_with_door(&[]);
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "0");
    let ups = || world.gateway.log().matches("event=broker_up").count();
    // It never sees a publication, so that the same ones are under way each time when the connection breaks.
    door.set(Passage::Deaf);
    notify(&device, &observe, 1..=3);
    for _ in 0..7 {
        let before = ups();
        door.slam();
        assert!(eventually(RECONNECT, || ups() > before), "{}", world.gateway.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    door.set(Passage::Open);
    door.slam();
    notify(&device, &observe, 4..=4);
    expect_in_order(&world.application, 1..=4);
}

#[test]
fn a_broker_that_refuses_gets_everything_when_it_lets_the_gateway_in() {
    let mut broker = Broker::with("allow_anonymous false\n");
    let conf = broker.folder().join("mosquitto.conf");
    let closed = std::fs::read_to_string(&conf).unwrap();
    let mut settings = Settings::default();
    settings.all(QOS_1);
    settings.set("mqtt.username", "\"gateway\"").set("mqtt.password", "\"right\"");
    let mut gateway = Gateway::prepare(&broker.url(), &settings);
    gateway.launch();
    gateway.await_log(&["event=broker_down"]);
    assert!(!gateway.is_ready());
    let (status, body) = gateway.get("/health/ready").unwrap();
    assert_eq!(status, 503);
    assert!(body.contains("\"broker\":false"), "{body}");
    let mut device = Wire::new(gateway.udp());
    device.register(&["ep=ep1", "lt=300", "lwm2m=1.0"], "</3/0>");
    assert_eq!(device.update(&[], "</3/0>,</4/0>").code_text(), "2.04");
    // The operator puts it right on the broker's side.
    broker.stop();
    std::fs::write(&conf, closed.replace("allow_anonymous false", "allow_anonymous true")).unwrap();
    broker.resume();
    let application = Application::connect(broker.port(), 5);
    assert!(eventually(RECONNECT, || gateway.is_ready()), "{}", gateway.log());
    // They may have gone out before the application was there; what it asks now must work.
    application.command_qos_1("ep1", &read(1));
    let request = device.expect_request();
    device.answer(&request, "2.05", &[], "v");
    assert_eq!(application.answer("ep1").data("code"), "2.05");
    assert!(!gateway.log().contains("\"right\""));
}

#[test]
fn a_command_that_the_broker_delivers_again_is_carried_out_once() {
    for crash in [false, true] {
        let (mut world, door) = world_with_door(&[]);
        let device = world.device("ep1");
        // The acknowledgement of the command does not reach the broker.
        door.set(Passage::Inward);
        world.application.command_qos_1("ep1", &json!({"reqID": 9, "msgType": "execute", "data": {"path": "/3/0/4"}}));
        let request = device.expect_request();
        assert_eq!(request.code, method::POST);
        if crash {
            world.gateway.kill();
        } else {
            device.answer(&request, "2.04", &[], "");
        }
        door.slam();
        door.set(Passage::Open);
        if crash {
            world.gateway.launch();
            world.gateway.await_ready();
        }
        let message = world.application.take(RECONNECT, |message| message.json["reqID"] == 9).expect("an outcome");
        if crash {
            assert_eq!((message.kind(), message.data("diagnostic")), ("coap_timeout", &json!("interrupted")));
        } else {
            assert_eq!(message.data("code"), "2.04", "{}", message.json);
        }
        let metric = "lwm2m_gateway_commands_total{reaction=\"duplicate\"} 1";
        let counted = || world.gateway.get("/metrics").is_some_and(|(_, text)| text.contains(metric));
        assert!(eventually(PATIENCE, counted), "not recognised, crash: {crash}\n{}", world.gateway.log());
        device.expect_quiet();
        // The same may come twice after an outage, another one never.
        let another = |other: &Message| other.json["reqID"] == 9 && other.payload != message.payload;
        world.application.expect_none(QUIET, "another outcome", another);
    }
}

#[test]
fn the_same_command_again_and_again_is_carried_out_each_time() {
    let world = World::with(QOS_1);
    let device = world.device("ep1");
    for _ in 0..5 {
        world.application.command_qos_1("ep1", &read(1));
        let request = device.expect_request();
        device.answer(&request, "2.05", &[], "v");
        assert_eq!(world.application.answer("ep1").data("code"), "2.05");
    }
}
