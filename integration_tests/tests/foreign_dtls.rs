//! A whole device of other people over DTLS: aiocoap with DTLSSocket (tinydtls).
use integration_tests::foreign::{self, Program};
use integration_tests::{Application, Broker, Gateway, Settings, World, broker, interop};
use serde_json::{Value, json};

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

#[test]
fn aiocoap_is_a_device_over_dtls_with_a_pre_shared_key() {
    let Some(tinydtls) = foreign::python_version("DTLSSocket", "DTLSSocket") else {
        return interop::skip("aiocoap over DTLS", "DTLSSocket is not installed (`make interop` does that)");
    };
    let client = format!("{}, DTLSSocket {tinydtls}", foreign::aiocoap_version());
    let _row = interop::scenario(client, "DTLS with a pre-shared key: register, read, observe, notify, deregister");
    let broker = Broker::start();
    let application = Application::connect(broker.port(), 5);
    let port = broker::free_port();
    let mut settings = Settings::default();
    settings
        .append(&format!("[[listeners.dtls]]\nbind = \"127.0.0.1:{port}\"\ncredentials_file = \"credentials.toml\""));
    let mut gateway = Gateway::prepare(&broker.url(), &settings);
    let credentials = format!("[[device]]\nendpoint = \"py\"\nidentity = \"dev\"\npsk = \"{KEY}\"\n");
    std::fs::write(gateway.folder().join("credentials.toml"), credentials).unwrap();
    gateway.launch();
    gateway.await_ready();
    let world = World { application, gateway, broker: Some(broker) };
    let arguments = ["127.0.0.1", &port.to_string(), "py", "dev", KEY];
    let mut device = Program::python("DTLSSocket", "aiocoap_device.py", &arguments);
    device.expect_word("ready");
    device.say("register");
    assert!(device.expect_word("registered").ends_with(" 2.01"));
    let ask = |kind: &str, path: &str| {
        let command = json!({"reqID": kind, "msgType": kind, "data": {"path": path}});
        let answer = world.application.ask("py", &command);
        assert_eq!(answer.data("code"), "2.05", "{command} was answered {}", answer.json);
        answer.data("content")[0]["value"].clone()
    };
    assert_eq!(ask("read", "/3/0/0"), "aiocoap");
    assert_eq!(ask("observe", "/3/0/9"), 100);
    device.say("set 55");
    let notified: Value = world.application.message("py", "notify").json;
    assert_eq!(notified["data"]["content"], json!([{"path": "/3/0/9", "value": 55}]));
    device.say("deregister");
    assert!(device.expect_word("deregistered").ends_with(" 2.02"));
}
