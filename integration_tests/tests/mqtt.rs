//! What MQTT 5 adds (extensions §7), MQTT 3.1.1, fallback, outages of the broker.
use integration_tests::datagram::Kind;
use integration_tests::expectation::{assert_message, content};
use integration_tests::{Application, Broker, Gateway, QUIET, Settings, World, eventually};
use paho_mqtt::{Message, MessageBuilder, Properties, PropertyCode};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn with_properties(topic: &str, payload: &Value, fill: impl Fn(&mut Properties)) -> Message {
    let mut properties = Properties::new();
    fill(&mut properties);
    MessageBuilder::new().topic(topic).payload(payload.to_string()).properties(properties).finalize()
}

#[test]
fn response_topic_and_correlation_data_are_honoured_by_every_message_of_a_command() {
    let world = World::start();
    let device = world.device("ep1");
    let command = json!({"reqID": 1, "msgType": "observe", "data": {"path": "/3/0/9"}});
    world.application.send(with_properties("lwm2m/ep1/dn", &command, |properties| {
        properties.push_string(PropertyCode::ResponseTopic, "my/answers").unwrap();
        properties.push_binary(PropertyCode::CorrelationData, vec![1, 0, 255]).unwrap();
    }));
    let request = device.expect_request();
    device.acknowledge(request.mid);
    let mid = device.notify(Kind::Con, &request, 1, 0, "1");
    device.expect_ack(mid);
    device.notify(Kind::Non, &request, 2, 0, "2");
    for kind in ["ack", "observe", "notify"] {
        let message = world.application.expect(kind, |message| message.kind() == kind);
        assert_eq!(message.topic, "my/answers", "{kind}");
        assert_eq!(message.properties.get_binary(PropertyCode::CorrelationData), Some(vec![1, 0, 255]), "{kind}");
    }
    // errors made by the gateway, too
    let bad = json!({"reqID": 2, "msgType": "nonsense", "data": {}});
    world.application.send(with_properties("lwm2m/ep1/dn", &bad, |properties| {
        properties.push_string(PropertyCode::ResponseTopic, "my/errors").unwrap();
        properties.push_binary(PropertyCode::CorrelationData, vec![2]).unwrap();
    }));
    let message = world.application.expect("refusal", |message| message.json["reqID"] == 2);
    assert_eq!(
        (message.topic.as_str(), message.properties.get_binary(PropertyCode::CorrelationData)),
        ("my/errors", Some(vec![2]))
    );
    // other commands are not affected
    let message = world.round_trip(
        &device,
        &json!({"reqID": 3, "msgType": "read", "data": {"path": "/3/0/0"}}),
        "2.05",
        &[],
        "v",
    );
    assert_eq!(message.topic, "lwm2m/ep1/up/resp");
    assert!(message.properties.get_binary(PropertyCode::CorrelationData).is_none());
    world.application.expect_none(QUIET, "anything else", |_| true);
}

#[test]
fn messages_name_their_endpoint_and_content_type() {
    let world = World::start();
    let mut device = world.wire();
    device.register(&["ep=ep1", "lt=60", "lwm2m=1.0"], "</3/0>");
    let register = world.application.message("ep1", "register");
    let answer = world.round_trip(
        &device,
        &json!({"reqID": 3, "msgType": "read", "data": {"path": "/3/0/0"}}),
        "2.05",
        &[],
        "v",
    );
    for message in [register, answer] {
        assert_eq!(message.properties.find_user_property("ep").as_deref(), Some("ep1"), "{}", message.json);
        assert_eq!(
            message.properties.get_string(PropertyCode::ContentType).as_deref(),
            Some("application/json"),
            "{}",
            message.json
        );
    }
}

#[test]
fn status_topic_says_online_and_offline() {
    let mut world = World::with(&[("mqtt.client_id", "\"my-gateway\"")]);
    let topic = "lwm2m-gateway/my-gateway/status";
    let status = |world: &World, wanted: &str| {
        world.application.expect(wanted, |message| message.topic == topic && message.json["status"] == wanted)
    };
    status(&world, "online");
    let late = Application::without_subscription(world.broker.as_ref().unwrap().port(), 5);
    late.subscribe(topic);
    let message = late.expect("retained status", |message| message.topic == topic);
    assert!(message.retained && message.json["status"] == "online", "{}", message.json);
    // a crash: the last will
    world.gateway.kill();
    status(&world, "offline");
    world.gateway.launch();
    world.gateway.await_ready();
    status(&world, "online");
    // and a good end
    assert_eq!(world.gateway.terminate().code(), Some(0));
    status(&world, "offline");
}

#[test]
fn status_topic_can_be_named() {
    let world = World::with(&[("mqtt.status_topic", "\"here/${client_id}\""), ("mqtt.client_id", "\"gw7\"")]);
    world.application.expect("status", |message| message.topic == "here/gw7" && message.json["status"] == "online");
}

fn full_loop(world: &World) {
    let device = world.device("ep1");
    let request = world.observe(&device, 5, "/3/0/9", 0, "1");
    let mid = device.notify(Kind::Con, &request, 2, 0, "2");
    device.expect_ack(mid);
    assert_message(
        &world.application.message("ep1", "notify"),
        &json!({"reqID": 5, "msgType": "notify", "seqNum": 2, "data": content("2.05", "/3/0/9", &[("/3/0/9", json!(2))])}),
    );
    for req in 0..50 {
        let message = world.round_trip(
            &device,
            &json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}}),
            "2.05",
            &[],
            "v",
        );
        assert_eq!(message.json["reqID"], req);
    }
}

const ALL_QOS_1: &[(&str, &str)] = &[
    ("lwm2m.translators.command", "{ topic = \"dn/#\", qos = 1 }"),
    ("lwm2m.translators.response", "{ topic = \"up/resp\", qos = 1 }"),
    ("lwm2m.translators.notify", "{ topic = \"up/notify\", qos = 1 }"),
    ("lwm2m.translators.register", "{ topic = \"up/resp\", qos = 1 }"),
    ("lwm2m.translators.update", "{ topic = \"up/resp\", qos = 1 }"),
];

#[test]
fn everything_works_with_quality_of_service_1() {
    full_loop(&World::with(ALL_QOS_1));
}

#[test]
fn everything_works_with_quality_of_service_2() {
    let keys: Vec<_> = ALL_QOS_1.iter().map(|(key, literal)| (*key, literal.replace("qos = 1", "qos = 2"))).collect();
    let keys: Vec<_> = keys.iter().map(|(key, literal)| (*key, literal.as_str())).collect();
    let world = World::with(&keys);
    full_loop(&world);
    let device = world.device("ep2");
    // a command of QoS 2 comes once, and so does its answer
    let command = json!({"reqID": 77, "msgType": "read", "data": {"path": "/3/0/0"}});
    world.application.send(MessageBuilder::new().topic("lwm2m/ep2/dn").payload(command.to_string()).qos(2).finalize());
    let request = device.expect_request();
    device.answer(&request, "2.05", &[], "once");
    let answer = world.application.answer("ep2");
    assert_eq!((answer.qos, answer.data("code")), (2, &json!("2.05")));
    world.application.expect_none(QUIET, "a second answer", |_| true);
}

#[test]
fn everything_works_with_mqtt_3_1_1() {
    let mut keys = ALL_QOS_1.to_vec();
    keys.push(("mqtt.version", "4"));
    full_loop(&World::with(&keys));
}

#[test]
fn everything_works_with_the_embedded_broker() {
    full_loop(&World::embedded(&[]));
}

#[test]
fn everything_works_with_the_embedded_broker_and_quality_of_service_1() {
    full_loop(&World::embedded(ALL_QOS_1));
}

/// A door in front of the broker that refuses MQTT 5, as a broker of the 3.1.1 days does.
fn old_broker(behind: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream, behind));
        }
    });
    port
}

fn serve(mut client: TcpStream, behind: u16) {
    let mut connect = vec![0; 4096];
    let Ok(length) = client.read(&mut connect) else { return };
    connect.truncate(length);
    let level = connect.windows(4).position(|window| window == b"MQTT").and_then(|at| connect.get(at + 4).copied());
    if level != Some(4) {
        // CONNACK, unacceptable protocol version
        let _ = client.write_all(&[0x20, 2, 0, 1]);
        return;
    }
    let Ok(mut broker) = TcpStream::connect(("127.0.0.1", behind)) else { return };
    let _ = broker.write_all(&connect);
    let (mut from, mut to) = (client.try_clone().unwrap(), broker.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    let _ = std::io::copy(&mut broker, &mut client);
}

#[test]
fn broker_that_refuses_mqtt_5_is_spoken_to_in_3_1_1() {
    let broker = Broker::start();
    let door = old_broker(broker.port());
    let application = Application::connect(broker.port(), 5);
    let gateway = Gateway::start(&format!("mqtt://127.0.0.1:{door}"), &Settings::default());
    full_loop(&World { application, gateway, broker: Some(broker) });
}

#[test]
fn user_name_and_password_are_used() {
    let password = "correct horse";
    let broker = {
        let mut broker = Broker::with("allow_anonymous true\n");
        broker.stop();
        let folder = broker.folder().to_path_buf();
        std::fs::write(folder.join("passwords"), format!("gate:{password}\n")).unwrap();
        let hashed = std::process::Command::new(integration_tests::executable::tool("mosquitto_passwd", "mosquitto"))
            .arg("-U")
            .arg(folder.join("passwords"))
            .status()
            .unwrap();
        assert!(hashed.success());
        let conf = std::fs::read_to_string(folder.join("mosquitto.conf")).unwrap();
        let conf = conf.replace(
            "allow_anonymous true",
            &format!("allow_anonymous false\npassword_file {}", folder.join("passwords").display()),
        );
        std::fs::write(folder.join("mosquitto.conf"), conf).unwrap();
        broker.resume();
        broker
    };
    let mut settings = Settings::default();
    settings.set("mqtt.username", "\"gate\"").set("mqtt.password", format!("{password:?}"));
    let gateway = Gateway::start(&broker.url(), &settings);
    assert!(gateway.is_ready());
    assert!(!gateway.log().contains(password), "the password is in the log");

    // from a file
    settings.set("mqtt.password_file", "\"secret\"");
    let mut settings_with_file = Settings::default();
    settings_with_file.set("mqtt.username", "\"gate\"");
    let mut second = Gateway::prepare(&broker.url(), &settings_with_file);
    let secret = second.folder().join("secret");
    std::fs::write(&secret, format!("{password}\n")).unwrap();
    settings_with_file.set("mqtt.password_file", format!("{:?}", secret.display().to_string()));
    second.configure(&broker.url(), &settings_with_file);
    second.launch();
    second.await_ready();

    // with the wrong one it does not get ready, and says why
    let mut wrong = Settings::default();
    wrong.set("mqtt.username", "\"gate\"").set("mqtt.password", "\"wrong-battery\"");
    let mut refused = Gateway::prepare(&broker.url(), &wrong);
    refused.launch();
    assert!(!eventually(std::time::Duration::from_secs(2), || refused.is_ready()));
    assert!(!refused.log().contains("wrong-battery"), "the password is in the log");
}

#[test]
fn nothing_is_lost_over_an_outage_of_the_broker() {
    let mut world = World::start();
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "0");
    // a command is on its way when the broker goes
    let command = json!({"reqID": 2, "msgType": "read", "data": {"path": "/3/0/0"}});
    let request = world.command(&device, &command);
    world.broker.as_mut().unwrap().stop();
    world.gateway.await_log(&["event=broker_down"]);
    device.answer(&request, "2.05", &[], "kept");
    for sequence in 1..=20 {
        let mid = device.notify(Kind::Con, &observe, sequence, 0, sequence.to_string());
        device.expect_ack(mid);
    }
    // devices may come meanwhile
    let mut late = world.wire();
    late.register(&["ep=ep2", "lt=60", "lwm2m=1.0"], "</3/0>");

    world.broker.as_mut().unwrap().resume();
    world.application.reconnect();
    world.application.subscribe("#");
    let patience = std::time::Duration::from_secs(15);
    for sequence in 1..=20 {
        let message = world
            .application
            .take(patience, |message| message.kind() == "notify" && message.json["seqNum"] == sequence);
        assert!(message.is_some(), "notification {sequence} is lost; came:\n{}", world.application.dump());
    }
    let answer = world.application.answer("ep1");
    assert_eq!((&answer.json["reqID"], answer.data("code")), (&json!(2), &json!("2.05")));
    world.application.message("ep2", "register");
    world.round_trip(&late, &json!({"reqID": 3, "msgType": "read", "data": {"path": "/3/0/0"}}), "2.05", &[], "v");
}

#[test]
fn gateway_waits_for_a_broker_that_is_not_there_yet() {
    let mut broker = Broker::start();
    broker.stop();
    let mut gateway = Gateway::prepare(&broker.url(), &Settings::default());
    gateway.launch();
    assert!(!eventually(std::time::Duration::from_secs(2), || gateway.is_ready()), "not ready without a broker");
    assert!(gateway.is_alive(), "and still alive:\n{}", gateway.log());
    assert_eq!(gateway.get("/health/live").map(|(status, _)| status), Some(200));
    broker.resume();
    assert!(eventually(std::time::Duration::from_secs(20), || gateway.is_ready()), "{}", gateway.log());
}
