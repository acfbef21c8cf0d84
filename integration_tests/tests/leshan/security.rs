//! DTLS with Scandium, and changes of address.
use crate::Bench;
use integration_tests::certificate::Holder;
use integration_tests::{Application, Broker, Gateway, Relay, Settings, World, broker, hex, interop, leshan};
use serde_json::{Value, json};
use std::cell::Cell;
use std::net::SocketAddr;

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// A gateway with a DTLS listener, its certificate, and the authority of both sides.
struct Secure {
    world: World,
    address: SocketAddr,
    server: Holder,
    authority: Holder,
}

/// `credentials` is the file of pre-shared and raw public keys.
fn secure(credentials: &str) -> Secure {
    let broker = Broker::start();
    let application = Application::connect(broker.port(), 5);
    let address = SocketAddr::from(([127, 0, 0, 1], broker::free_port()));
    let mut settings = Settings::default();
    settings.append(&format!(
        "[[listeners.dtls]]\nbind = \"{address}\"\ncredentials_file = \"credentials.toml\"\ncert_file = \"server.crt\"\n\
         key_file = \"server.key\"\nca_file = \"ca.crt\""
    ));
    let mut gateway = Gateway::prepare(&broker.url(), &settings);
    let authority = Holder::authority("authority of the tests");
    let server = authority.issue("127.0.0.1");
    for (file, content) in [
        ("credentials.toml", credentials.as_bytes().to_vec()),
        ("server.crt", server.certificate_pem()),
        ("server.key", server.private_pem()),
        ("ca.crt", authority.certificate_pem()),
    ] {
        std::fs::write(gateway.folder().join(file), content).unwrap();
    }
    gateway.launch();
    gateway.await_ready();
    Secure { world: World { application, gateway, broker: Some(broker) }, address, server, authority }
}

/// A registered device that speaks DTLS to `address`.
fn device(row: interop::Scenario, world: World, endpoint: &str, address: SocketAddr, start: Value) -> Option<Bench> {
    let mut start = start;
    start["uri"] = json!(format!("coaps://{address}"));
    let device = leshan::shared()?.device(endpoint, start);
    device.registered();
    Some(Bench { device, world, row, next: Cell::new(1) })
}

fn psk(endpoint: &str) -> String {
    format!("[[device]]\nendpoint = \"{endpoint}\"\nidentity = \"id of {endpoint}\"\npsk = \"{KEY}\"\n")
}

/// Read, large write, observe and notify.
fn works(bench: &Bench) {
    assert_eq!(bench.read("/3/0/0"), json!({"/3/0/0": "Leshan"}));
    let text = "0123456789".repeat(500);
    bench.done("2.04", "write", json!({"path": "/33000/0/0", "type": "String", "value": text}));
    assert!(bench.read("/33000/0/0") == json!({"/33000/0/0": text}), "5,000 bytes in blocks");
    bench.done("2.05", "observe", json!({"path": "/3/0/9"}));
    notifies(bench, 77);
}

fn notifies(bench: &Bench, value: i64) {
    bench.device.set("/3/0/9", value);
    assert_eq!(bench.notified(), json!({"/3/0/9": value}));
}

#[test]
fn leshan_speaks_dtls_with_a_pre_shared_key() {
    if leshan::shared().is_none() {
        return;
    }
    let row = interop::scenario(leshan::name(), "DTLS: pre-shared key");
    let secure = secure(&psk("leshan-psk"));
    let security = json!({"mode": "psk", "identity": "id of leshan-psk", "key": KEY});
    let bench = device(row, secure.world, "leshan-psk", secure.address, json!({"security": security})).unwrap();
    works(&bench);
    bench.device.say("stop", json!({"deregister": true}));
    bench.device.expect("deregistered");
}

#[test]
fn leshan_speaks_dtls_with_raw_public_keys() {
    if leshan::shared().is_none() {
        return;
    }
    let row = interop::scenario(leshan::name(), "DTLS: raw public keys");
    let own = Holder::new();
    let listed = openssl::base64::encode_block(&own.public());
    let secure = secure(&format!("[[device]]\nendpoint = \"leshan-rpk\"\npublic_key = \"{listed}\"\n"));
    let security = json!({
        "mode": "rpk", "public": hex(&own.public()), "private": hex(&own.private()), "server": hex(&secure.server.public()),
    });
    let bench = device(row, secure.world, "leshan-rpk", secure.address, json!({"security": security})).unwrap();
    works(&bench);
}

#[test]
fn leshan_speaks_dtls_with_certificates() {
    if leshan::shared().is_none() {
        return;
    }
    let row = interop::scenario(leshan::name(), "DTLS: certificates");
    let secure = secure("");
    let own = secure.authority.issue("leshan-x509");
    let security = json!({
        "mode": "x509", "certificate": hex(&own.certificate()), "private": hex(&own.private()),
        "server": hex(&secure.server.certificate()),
    });
    let bench = device(row, secure.world, "leshan-x509", secure.address, json!({"security": security})).unwrap();
    works(&bench);
}

#[test]
fn leshan_keeps_its_association_by_connection_id_when_its_address_changes() {
    if leshan::shared().is_none() {
        return;
    }
    // 0: only the gateway gets an id; 6: both sides have one.
    for length in [0, 6] {
        let endpoint = format!("leshan-cid-{length}");
        let name = format!("DTLS: connection id ({length} bytes of the client), new address");
        let row = interop::scenario(leshan::name(), name);
        let secure = secure(&psk(&endpoint));
        let relay = Relay::before(secure.address);
        let security = json!({"mode": "psk", "identity": format!("id of {endpoint}"), "key": KEY});
        let start = json!({"security": security, "connectionId": length});
        let bench = device(row, secure.world, &endpoint, relay.address(), start).unwrap();
        works(&bench);
        relay.rebind();
        // A notification from the new address is as good as any: the association tells who it is.
        notifies(&bench, 78);
        assert_eq!(bench.read("/3/0/0"), json!({"/3/0/0": "Leshan"}));
        let log = bench.world.gateway.log();
        assert_eq!(log.matches("event=dtls_established").count(), 1, "one handshake only:\n{log}");
        assert_eq!(log.matches("event=registered").count(), 1, "one registration only:\n{log}");
    }
}

#[test]
fn leshan_with_an_unknown_identity_is_refused() {
    let Some(leshan) = leshan::shared() else { return };
    let _row = interop::scenario(leshan::name(), "DTLS: unknown identity is refused");
    let secure = secure(&psk("leshan-wrong"));
    let security = json!({"mode": "psk", "identity": "nobody", "key": KEY});
    let start = json!({"security": security, "uri": format!("coaps://{}", secure.address)});
    let device = leshan.device("leshan-wrong", start);
    device.expect("registration-failed");
    secure.world.gateway.await_log(&["event=dtls_refused", "nobody"]);
}

#[test]
fn leshan_goes_on_with_an_update_when_its_address_changes() {
    let Some(leshan) = leshan::shared() else { return };
    let row = interop::scenario(leshan::name(), "new address without DTLS: Update, observation goes on");
    let world = World::start();
    let relay = Relay::before(world.gateway.udp());
    let device = leshan.device("leshan-nat", json!({"uri": format!("coap://{}", relay.address())}));
    device.registered();
    let bench = Bench { device, world, row, next: Cell::new(1) };
    bench.done("2.05", "observe", json!({"path": "/3/0/9"}));
    relay.rebind();
    bench.device.say("update", Value::Null);
    bench.device.expect("updated");
    bench.world.gateway.await_log(&["event=moved", "leshan-nat"]);
    notifies(&bench, 78);
    assert_eq!(bench.read("/3/0/0"), json!({"/3/0/0": "Leshan"}));
}

#[test]
fn leshan_keeps_its_association_over_a_restart_of_the_gateway() {
    if leshan::shared().is_none() {
        return;
    }
    let row = interop::scenario(leshan::name(), "DTLS: restart of the gateway, no handshake, notifications go on");
    let secure = secure(&psk("leshan-dtls-restart"));
    let security = json!({"mode": "psk", "identity": "id of leshan-dtls-restart", "key": KEY});
    let start = json!({"security": security, "connectionId": 6});
    let mut bench = device(row, secure.world, "leshan-dtls-restart", secure.address, start).unwrap();
    works(&bench);
    bench.world.gateway.terminate();
    bench.world.gateway.launch();
    bench.world.gateway.await_ready();
    notifies(&bench, 79);
    assert_eq!(bench.read("/3/0/0"), json!({"/3/0/0": "Leshan"}));
    let log = bench.world.gateway.log();
    assert_eq!(log.matches("event=dtls_established").count(), 1, "one handshake only:\n{log}");
    assert_eq!(log.matches("event=registered").count(), 1, "one registration only:\n{log}");
}
