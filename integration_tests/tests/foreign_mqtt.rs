//! Brokers and MQTT clients of other people: one life of a device with each, over MQTT 3.1.1 and 5.
use integration_tests::datagram::Kind;
use integration_tests::foreign::{self, Program};
use integration_tests::leshan::PATIENCE;
use integration_tests::maven::ARTEMIS;
use integration_tests::{Application, Broker, Gateway, Settings, Wire, World, broker, eventually, interop};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

fn words(version: u32) -> &'static str {
    if version == 5 { "MQTT 5" } else { "MQTT 3.1.1" }
}

fn mosquitto() -> String {
    let output =
        Command::new(integration_tests::executable::tool("mosquitto", "mosquitto")).arg("-h").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().unwrap_or("mosquitto").replace("version ", "")
}

/// Register, read, observe, notify, deregister, as the application of the bench (Eclipse Paho in C) sees it.
fn life(world: &World) {
    let device = world.device("ep1");
    let read = json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}});
    let answer = world.round_trip(&device, &read, "2.05", &[], "value");
    assert_eq!(answer.json["data"]["content"], json!([{"path": "/3/0/0", "value": "value"}]));
    let request = world.observe(&device, 2, "/3/0/9", 0, "1");
    for number in 2..=20 {
        let mid = device.notify(Kind::Con, &request, number, 0, number.to_string());
        device.expect_ack(mid);
        let message = world.application.message("ep1", "notify");
        assert_eq!((&message.json["reqID"], &message.json["seqNum"]), (&json!(2), &json!(number)));
    }
    assert_eq!(device.deregister().code_text(), "2.02");
    world.application.command("ep1", &read);
    assert_eq!(world.application.answer("ep1").data("code"), "4.04");
}

#[test]
fn mosquitto_carries_a_devices_life() {
    for version in [4, 5] {
        let _row = interop::scenario(mosquitto(), format!("broker, {}", words(version)));
        let broker = Broker::start();
        let application = Application::connect(broker.port(), version);
        let mut settings = Settings::default();
        settings.set("mqtt.version", version.to_string());
        let gateway = Gateway::start(&broker.url(), &settings);
        life(&World { application, gateway, broker: Some(broker) });
    }
}

#[test]
fn built_in_broker_carries_a_devices_life() {
    for version in [4, 5] {
        let _row = interop::scenario("built-in broker (rumqttd)", format!("broker, {}", words(version)));
        let port = broker::free_port();
        let mut settings = Settings::default();
        settings.set("broker.bind", format!("\"127.0.0.1:{port}\""));
        let mut of_application = port;
        if version == 5 {
            of_application = broker::free_port();
            settings.set("broker.bind_v5", format!("\"127.0.0.1:{of_application}\""));
        }
        let gateway = Gateway::start("embedded", &settings);
        let application = Application::connect(of_application, version);
        life(&World { application, gateway, broker: None });
    }
}

/// Artemis in a Java process; ended when dropped.
struct Artemis(Child);

impl Drop for Artemis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn artemis_carries_a_devices_life() {
    // Seventeen megabytes to fetch: not in an ordinary test run.
    if !interop::all_are_wanted() && !ARTEMIS.is_built() {
        return interop::skip("Artemis", "not built (`make interop` does that)");
    }
    let classpath = match ARTEMIS.classpath() {
        Ok(classpath) => classpath,
        Err(missing) => return interop::skip("Artemis", &missing.to_string()),
    };
    let port = broker::free_port();
    let child = Command::new("java")
        .args(["-Xmx256m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", &classpath])
        .args(["interop.Broker", &port.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("Java can be started");
    let _artemis = Artemis(child);
    assert!(eventually(PATIENCE, || TcpStream::connect(("127.0.0.1", port)).is_ok()), "Artemis did not come up");
    for version in [4, 5] {
        let _row =
            interop::scenario(format!("ActiveMQ Artemis {}", ARTEMIS.version()), format!("broker, {}", words(version)));
        let application = Application::connect(port, version);
        let mut settings = Settings::default();
        settings.set("mqtt.version", version.to_string());
        let gateway = Gateway::start(&format!("mqtt://127.0.0.1:{port}"), &settings);
        life(&World { application, gateway, broker: None });
    }
}

/// The foreign application's next message of this endpoint and kind.
fn message(application: &mut Program, kind: &str) -> Value {
    let line = application.expect(kind, |line| {
        serde_json::from_str::<Value>(line)
            .is_ok_and(|message| message["payload"]["msgType"] == kind && message["topic"] != "lwm2m/ep1/dn")
    });
    serde_json::from_str(&line).expect("it fitted")
}

/// Register, read, observe, notify, as a foreign application sees it; over MQTT 5 with a response topic.
fn life_for(mut application: Program, world: &World, version: u32) {
    application.expect_word("ready");
    let mut device = world.wire();
    device.register(&["ep=ep1", "lt=300", "lwm2m=1.0"], "</3/0>");
    let register = message(&mut application, "register");
    assert_eq!((&register["topic"], &register["payload"]["data"]["ep"]), (&json!("lwm2m/ep1/up/resp"), &json!("ep1")));

    let mut command =
        json!({"topic": "lwm2m/ep1/dn", "payload": {"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}});
    if version == 5 {
        command["responseTopic"] = json!("lwm2m/answers/1");
        command["correlation"] = json!("mine");
    }
    answer_with(&device, &mut application, &command, "2.05", b"value");
    let answer = message(&mut application, "read");
    assert_eq!(answer["payload"]["data"]["content"], json!([{"path": "/3/0/0", "value": "value"}]));
    let (topic, correlation, endpoint) = if version == 5 {
        (json!("lwm2m/answers/1"), json!("mine"), json!("ep1"))
    } else {
        (json!("lwm2m/ep1/up/resp"), Value::Null, Value::Null)
    };
    assert_eq!((&answer["topic"], &answer["correlation"]), (&topic, &correlation), "{answer}");
    assert_eq!(answer["ep"], endpoint, "{answer}");

    let command =
        json!({"topic": "lwm2m/ep1/dn", "payload": {"reqID": 2, "msgType": "observe", "data": {"path": "/3/0/9"}}});
    application.say(&command.to_string());
    let request = device.expect_request();
    device.acknowledge(request.mid);
    for number in 1..=3 {
        let mid = device.notify(Kind::Con, &request, number, 0, number.to_string());
        device.expect_ack(mid);
        let kind = if number == 1 { "observe" } else { "notify" };
        let told = message(&mut application, kind);
        assert_eq!(told["payload"]["data"]["content"], json!([{"path": "/3/0/9", "value": number}]), "{told}");
    }
}

fn answer_with(device: &Wire, application: &mut Program, command: &Value, code: &str, payload: &[u8]) {
    application.say(&command.to_string());
    let request = device.expect_request();
    device.answer(&request, code, &[], payload);
}

#[test]
fn paho_in_python_commands_a_device() {
    let Some(found) = foreign::python_version("paho-mqtt", "paho.mqtt.client") else {
        return interop::skip("paho-mqtt (Python)", "not installed (`make interop` does that)");
    };
    for version in [4, 5] {
        let _row = interop::scenario(format!("paho-mqtt {found} (Python)"), format!("application, {}", words(version)));
        let world = World::start();
        let port = world.broker.as_ref().unwrap().port().to_string();
        let program = Program::python("paho.mqtt.client", "paho_application.py", &[&port, &version.to_string()]);
        life_for(program, &world, version);
    }
}

#[test]
fn mqtt_js_commands_a_device() {
    let Some(found) = foreign::npm_version("mqtt") else {
        return interop::skip("MQTT.js", "not installed (`make interop` does that)");
    };
    for version in [4, 5] {
        let _row = interop::scenario(format!("MQTT.js {found}"), format!("application, {}", words(version)));
        let world = World::start();
        let port = world.broker.as_ref().unwrap().port().to_string();
        let program = Program::node("mqttjs_application.js", &[&port, &version.to_string()]);
        life_for(program, &world, version);
    }
}
