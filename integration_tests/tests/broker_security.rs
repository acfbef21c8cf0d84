//! TLS between gateway and broker: verification of the broker, the gateway's own certificate.
use integration_tests::authority::Authority;
use integration_tests::{Application, Broker, Gateway, Settings, World, broker};
use std::path::{Path, PathBuf};

/// A mosquitto that speaks TLS on one port and plain MQTT, for the application, on another.
struct SecureBroker {
    broker: Broker,
    port: u16,
    authority: Authority,
    folder: PathBuf,
}

impl SecureBroker {
    fn start(lines: &str) -> SecureBroker {
        let mut broker = Broker::start();
        broker.stop();
        let folder = broker.folder().to_path_buf();
        let authority = Authority::new("broker authority");
        let ca = authority.write(&folder, "ca.crt");
        let (certificate, key) = authority.issue("broker", &folder, "broker");
        let port = broker::free_port();
        let file = folder.join("mosquitto.conf");
        let conf = std::fs::read_to_string(&file).unwrap();
        let (ca, certificate, key) = (ca.display(), certificate.display(), key.display());
        let secure =
            format!("\nlistener {port} 127.0.0.1\ncafile {ca}\ncertfile {certificate}\nkeyfile {key}\n{lines}\n");
        std::fs::write(&file, conf + &secure).unwrap();
        broker.resume();
        SecureBroker { broker, port, authority, folder }
    }

    fn url(&self) -> String {
        format!("mqtts://127.0.0.1:{}", self.port)
    }

    fn ca_file(&self) -> String {
        literal(&self.folder.join("ca.crt"))
    }
}

fn literal(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

fn never_ready(broker: &SecureBroker, settings: &Settings, why: &str) {
    let mut gateway = Gateway::prepare(&broker.url(), settings);
    gateway.launch();
    gateway.await_log(&["event=broker_down"]);
    gateway.await_log(&[why]);
    assert!(!gateway.is_ready() && gateway.is_alive(), "{}", gateway.log());
}

#[test]
fn broker_is_reached_by_tls_and_its_certificate_is_verified() {
    let secure = SecureBroker::start("");
    let mut settings = Settings::default();
    settings.set("mqtt.ca_file", secure.ca_file());
    let gateway = Gateway::start(&secure.url(), &settings);
    let application = Application::connect(secure.broker.port(), 5);
    let SecureBroker { broker, port, authority, folder } = secure;
    let world = World { application, gateway, broker: Some(broker) };
    world.assert_works("ep1");

    // an authority that did not sign the broker's certificate
    let other = Authority::new("somebody else").write(&folder, "other.crt");
    let World { broker, .. } = world;
    let secure = SecureBroker { broker: broker.unwrap(), port, authority, folder };
    let mut settings = Settings::default();
    settings.set("mqtt.ca_file", literal(&other));
    never_ready(&secure, &settings, "the broker's certificate is not accepted");
}

#[test]
fn gateway_shows_its_certificate_where_the_broker_wants_one() {
    let secure = SecureBroker::start("require_certificate true\nuse_identity_as_username true");
    let (certificate, key) = secure.authority.issue("the-gateway", &secure.folder, "gateway");
    let mut settings = Settings::default();
    settings.set("mqtt.ca_file", secure.ca_file());
    never_ready(&secure, &settings, "event=broker_down");

    settings.set("mqtt.cert_file", literal(&certificate)).set("mqtt.key_file", literal(&key));
    let gateway = Gateway::start(&secure.url(), &settings);
    let application = Application::connect(secure.broker.port(), 5);
    World { application, gateway, broker: Some(secure.broker) }.assert_works("ep1");
}
