//! Secure associations outlive the process: killed or ended in good order, devices go on without a handshake.
mod secure;

use integration_tests::datagram::{Datagram, Kind, code, method, option};
use integration_tests::{Application, Broker, Gateway, PATIENCE, Settings, broker, eventually};
use secure::{KEY, Manner, SecureDevice};
use serde_json::json;
use std::time::Duration;

struct World {
    application: Application,
    gateway: Gateway,
    port: u16,
    _broker: Broker,
}

const IDENTITIES: [&str; 4] = ["one", "two", "three", "four"];

impl World {
    fn start() -> World {
        let broker = Broker::start();
        let application = Application::connect(broker.port(), 5);
        let port = broker::free_port();
        let mut settings = Settings::default();
        settings.append(&format!(
            "[[listeners.dtls]]\nbind = \"127.0.0.1:{port}\"\ncredentials_file = \"credentials.toml\""
        ));
        let mut gateway = Gateway::prepare(&broker.url(), &settings);
        let credentials =
            IDENTITIES.map(|identity| format!("[[device]]\nidentity = \"{identity}\"\npsk = \"{KEY}\"\n"));
        std::fs::write(gateway.folder().join("credentials.toml"), credentials.concat()).unwrap();
        gateway.launch();
        gateway.await_ready();
        World { application, gateway, port, _broker: broker }
    }

    fn restart_after_kill(&mut self) {
        self.gateway.kill();
        self.gateway.launch();
        self.gateway.await_ready();
    }

    /// Handshakes that the running process finished.
    fn handshakes(&self) -> u64 {
        let (_, metrics) = self.gateway.get("/metrics").unwrap();
        let name = "lwm2m_gateway_dtls_handshakes_total{outcome=\"established\"} ";
        metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
    }
}

fn device(world: &World, identity: &'static str, cid: bool) -> SecureDevice {
    let mut device = SecureDevice::connect(world.port, &Manner { cid, ..Manner::plain(identity) });
    assert_eq!(device.register(identity, &[]).code_text(), "2.01");
    world.application.message(identity, "register");
    device
}

#[test]
fn devices_go_on_after_a_kill_without_a_handshake() {
    let mut world = World::start();
    let mut with_cid = device(&world, "one", true);
    let mut without = device(&world, "two", false);
    let in_openssl =
        SecureDevice::connect(world.port, &Manner { suite: "PSK-AES128-CBC-SHA256", ..Manner::plain("three") });
    world.restart_after_kill();
    world.gateway.await_log(&["event=dtls_restored", "associations=2"]);
    // The NAT forgot the device; its connection id does not care.
    with_cid.change_address();
    assert_eq!(with_cid.register("one", &[]).code_text(), "2.01");
    assert_eq!(without.register("two", &[]).code_text(), "2.01");
    assert_eq!(world.handshakes(), 0);
    for device in [&with_cid, &without] {
        let mut numbers = device.received.clone();
        numbers.dedup();
        assert!(numbers.is_sorted() && numbers.len() == device.received.len(), "numbers are used once: {numbers:?}");
    }
    // A suite that stays inside OpenSSL ends with the process, and its device comes in anew.
    drop(in_openssl);
    device(&world, "three", false);
    assert_eq!(world.handshakes(), 1);
}

#[test]
fn registrations_and_queued_commands_live_on_over_the_restored_association() {
    let mut world = World::start();
    for (identity, cid) in [("one", true), ("two", false)] {
        let mut device = SecureDevice::connect(world.port, &Manner { cid, ..Manner::plain(identity) });
        let registered = device.register(identity, &["Q"]);
        assert_eq!(registered.code_text(), "2.01");
        let location = registered.texts(option::LOCATION_PATH);
        world.application.message(identity, "register");
        world.restart_after_kill();
        world.application.clear();
        let before = world.handshakes();

        if cid {
            device.change_address();
        }
        let update = device.request(method::POST).path(&location);
        device.send(&update);
        assert_eq!(device.receive().code_text(), "2.04", "{identity}");
        world.application.command(identity, &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
        let request = device.receive();
        assert_eq!(request.uri_path(), "/3/0/0");
        device.send(&Datagram::new(Kind::Ack, code("2.05"), request.mid, &request.token).body("v"));
        assert_eq!(world.application.answer(identity).json["data"]["content"][0]["value"], "v", "{identity}");
        assert_eq!(world.handshakes(), before);
    }
}

#[test]
fn the_gateway_may_speak_first_over_a_restored_association() {
    let mut world = World::start();
    let mut device = device(&world, "one", true);
    world.gateway.terminate();
    world.gateway.launch();
    world.gateway.await_ready();
    // Not asleep by its registration: the first word after the restart is the gateway's.
    world.application.command("one", &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
    let request = device.receive();
    assert_eq!(request.uri_path(), "/3/0/0");
    device.send(&Datagram::new(Kind::Ack, code("2.05"), request.mid, &request.token).body("v"));
    assert_eq!(world.application.answer("one").json["data"]["content"][0]["value"], "v");
    assert_eq!(world.handshakes(), 0);
}

#[test]
fn what_was_received_before_an_orderly_end_is_not_received_again() {
    let mut world = World::start();
    let mut sleeper = device(&world, "one", true);
    let replayed = sleeper.last_sent.clone();
    world.gateway.terminate();
    world.gateway.launch();
    world.gateway.await_ready();
    sleeper.send_raw(&replayed);
    assert_eq!(sleeper.register("one", &[]).code_text(), "2.01");
    let counted = eventually(PATIENCE, || {
        let (_, metrics) = world.gateway.get("/metrics").unwrap();
        metrics.contains("dtls_records_dropped_total{cause=\"replayed\"} 1")
    });
    assert!(counted, "the replay is dropped and counted");
    assert_eq!(world.handshakes(), 0);
}

#[test]
fn sessions_are_resumed_after_a_kill_by_ticket_and_by_id() {
    let mut world = World::start();
    let manners =
        [("one", true), ("two", false)].map(|(identity, tickets)| Manner { tickets, ..Manner::plain(identity) });
    let sessions = manners.clone().map(|manner| SecureDevice::connect(world.port, &manner).session());
    // Session ids are kept once a second.
    std::thread::sleep(Duration::from_millis(2500));
    world.restart_after_kill();
    for (manner, session) in manners.into_iter().zip(sessions) {
        let identity = manner.identity;
        let mut device = SecureDevice::connect(world.port, &Manner { session: Some(session), ..manner });
        assert!(device.is_resumed(), "{identity}");
        assert_eq!(device.register(identity, &[]).code_text(), "2.01");
        assert_eq!(device.register("four", &[]).code_text(), "4.00", "it is still {identity}");
    }
}

#[test]
fn credentials_that_were_withdrawn_meanwhile_are_not_restored() {
    let mut world = World::start();
    let mut withdrawn = device(&world, "one", false);
    let mut kept = device(&world, "two", false);
    world.gateway.kill();
    let text = format!("[[device]]\nidentity = \"two\"\npsk = \"{KEY}\"\n");
    std::fs::write(world.gateway.folder().join("credentials.toml"), text).unwrap();
    world.gateway.launch();
    world.gateway.await_ready();
    world.gateway.await_log(&["event=dtls_restored", "associations=1", "outdated=1"]);
    let request = withdrawn.request(1).path(&["rd"]);
    withdrawn.send(&request);
    assert!(withdrawn.receive_within(Duration::from_millis(600)).is_none());
    assert_eq!(kept.register("two", &[]).code_text(), "2.01");
}

#[test]
fn another_key_file_costs_the_associations_and_nothing_else() {
    let mut world = World::start();
    let before = device(&world, "one", true);
    let key = world.gateway.folder().join("data").join("dtls.key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    world.gateway.kill();
    std::fs::write(&key, "5a".repeat(32)).unwrap();
    world.gateway.launch();
    world.gateway.await_ready();
    world.gateway.await_log(&["WARN", "event=dtls_restored", "encrypted with another key"]);
    drop(before);
    let mut after = device(&world, "one", true);
    // Gone for good: the next start has nothing to warn of, and knows what was made since.
    world.restart_after_kill();
    world.gateway.await_log(&["event=dtls_restored", "associations=1", "outdated=0"]);
    assert_eq!(after.register("one", &[]).code_text(), "2.01");
    assert_eq!(world.handshakes(), 0);
}

#[test]
fn no_key_of_a_device_stands_in_the_store_readably() {
    let mut world = World::start();
    let _device = device(&world, "one", true);
    world.gateway.terminate();
    let mut files = vec![world.gateway.folder().join("data")];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            read += bytes.len();
            let psk: Vec<u8> = (0..16).collect();
            assert!(!bytes.windows(16).any(|window| window == psk), "{}", path.display());
            // The suite stands in every record of an association.
            assert!(!bytes.windows(10).any(|window| window == b"PSK-AES128"), "{}", path.display());
        }
    }
    assert!(read > 100);
}
