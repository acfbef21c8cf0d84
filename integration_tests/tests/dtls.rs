//! Devices over DTLS: OpenSSL's client as a whole device, libcoap's clients and `openssl s_client` as foreign peers.
use integration_tests::datagram::{self, Datagram, Kind, method, option};
use integration_tests::{Application, Broker, Gateway, Settings, World, broker, executable, foreign, interop};
use openssl::ssl::{Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode};
use serde_json::json;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// A gateway with a DTLS listener; yields its port.
fn secure_world(credentials: &str) -> (World, u16) {
    secure_world_with(credentials, &[])
}

fn secure_world_with(credentials: &str, keys: &[(&str, &str)]) -> (World, u16) {
    let broker = Broker::start();
    let application = Application::connect(broker.port(), 5);
    let port = broker::free_port();
    let mut settings = Settings::default();
    for (key, literal) in keys {
        settings.set(key, *literal);
    }
    let materials = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/materials");
    settings.append(&format!(
        "[[listeners.dtls]]\nbind = \"127.0.0.1:{port}\"\ncredentials_file = \"credentials.toml\"\n\
         cert_file = \"{materials}/server.crt\"\nkey_file = \"{materials}/server.key\"\nverify_peer = false"
    ));
    let mut gateway = Gateway::prepare(&broker.url(), &settings);
    std::fs::write(gateway.folder().join("credentials.toml"), credentials).unwrap();
    gateway.launch();
    gateway.await_ready();
    (World { application, gateway, broker: Some(broker) }, port)
}

fn credentials() -> String {
    format!(
        "[[device]]\nidentity = \"dev\"\npsk = \"{KEY}\"\n\n[[device]]\nendpoint = \"bound\"\nidentity = \"other\"\npsk = \"{KEY}\"\n"
    )
}

/// One record is one datagram on the socket.
#[derive(Debug)]
struct Socket(UdpSocket);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.recv(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A device that speaks CoAP through OpenSSL's DTLS client.
struct SecureDevice {
    stream: SslStream<Socket>,
    mid: u16,
}

impl SecureDevice {
    fn connect(port: u16, identity: &'static str, suite: &str) -> SecureDevice {
        let mut context = SslContext::builder(SslMethod::dtls_client()).unwrap();
        context.set_cipher_list(&format!("{suite}:@SECLEVEL=0")).unwrap();
        context.set_options(SslOptions::NO_QUERY_MTU);
        context.set_verify(SslVerifyMode::NONE);
        context.set_psk_client_callback(move |_, _, name, out| {
            name[..identity.len()].copy_from_slice(identity.as_bytes());
            name[identity.len()] = 0;
            for (at, byte) in out[..16].iter_mut().enumerate() {
                *byte = at as u8;
            }
            Ok(16)
        });
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut ssl = Ssl::new(&context.build()).unwrap();
        ssl.set_mtu(1200).unwrap();
        let stream = ssl.connect(Socket(socket)).unwrap();
        SecureDevice { stream, mid: 1 }
    }

    fn send(&mut self, datagram: &Datagram) {
        self.stream.write_all(&datagram.encode()).unwrap();
    }

    fn receive(&mut self) -> Datagram {
        let mut buffer = [0; 2000];
        let length = self.stream.read(&mut buffer).unwrap();
        Datagram::parse(&buffer[..length]).unwrap()
    }

    fn request(&mut self, method: u8) -> Datagram {
        self.mid += 1;
        Datagram::new(Kind::Con, method, self.mid, &[self.mid as u8, 7])
    }

    /// Registers; yields the answer.
    fn register(&mut self, endpoint: &str) -> Datagram {
        let query = [format!("ep={endpoint}"), "lt=300".to_owned(), "lwm2m=1.0".to_owned()];
        let request = self.request(method::POST).path(&["rd"]).query(&query).body("</3/0>");
        self.send(&request);
        self.receive()
    }
}

#[test]
fn a_secure_device_registers_is_read_and_notifies() {
    let (world, port) = secure_world(&credentials());
    // AEAD suites are served by the gateway's own record layer, CBC ones inside OpenSSL.
    for suite in ["PSK-AES128-CCM8", "PSK-AES128-GCM-SHA256", "PSK-AES128-CBC-SHA256"] {
        let mut device = SecureDevice::connect(port, "dev", suite);
        assert_eq!(device.register("dev").code_text(), "2.01", "{suite}");
        world.application.message("dev", "register");

        world.application.command("dev", &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
        let request = device.receive();
        assert_eq!(request.uri_path(), "/3/0/0");
        device.send(&Datagram::new(Kind::Ack, datagram::code("2.05"), request.mid, &request.token).body("secret"));
        assert_eq!(world.application.answer("dev").json["data"]["content"][0]["value"], "secret");

        world.application.command("dev", &json!({"reqID": 2, "msgType": "observe", "data": {"path": "/3/0/0"}}));
        let request = device.receive();
        let observing =
            Datagram::new(Kind::Ack, datagram::code("2.05"), request.mid, &request.token).with(option::OBSERVE, []);
        device.send(&observing.body("one"));
        world.application.answer("dev");
        let notification =
            Datagram::new(Kind::Con, datagram::code("2.05"), 900, &request.token).with(option::OBSERVE, [5]);
        device.send(&notification.body("two"));
        let acknowledged = device.receive();
        assert_eq!((acknowledged.kind, acknowledged.mid), (Kind::Ack, 900));
        let notify = world.application.message("dev", "notify");
        assert_eq!(notify.json["data"]["content"][0]["value"], "two");
    }
}

/// Interoperability test case 401 (docs/ets.md): cases 101 and 203 within the secure channel.
#[test]
fn ets_401_udp_channel_security_with_pre_shared_key() {
    let (world, port) = secure_world(&credentials());
    let mut device = SecureDevice::connect(port, "dev", "PSK-AES128-CCM8");
    assert_eq!(device.register("dev").code_text(), "2.01");
    let message = world.application.message("dev", "register");
    assert_eq!((message.data("ep"), message.data("lt")), (&json!("dev"), &json!(300)));
    let read = json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0", "format": "tlv"}});
    world.application.command("dev", &read);
    let request = device.receive();
    assert_eq!((request.uri_path().as_str(), request.uint(option::ACCEPT)), ("/3/0", Some(11542)));
    let body = integration_tests::unhex("c40041434d45 c10d0a 830b410000");
    let tlv = datagram::uint(11542);
    let answer = Datagram::new(Kind::Ack, datagram::code("2.05"), request.mid, &request.token);
    device.send(&answer.with(option::CONTENT_FORMAT, &tlv).body(body));
    let expected = json!([{"path": "/3/0/0", "value": "ACME"}, {"path": "/3/0/13", "value": 10}, {"path": "/3/0/11/0", "value": 0}]);
    assert_eq!(world.application.answer("dev").data("content"), &expected);
}

#[test]
fn an_identity_registers_only_the_endpoint_that_it_is_bound_to() {
    let (world, port) = secure_world(&credentials());
    let mut device = SecureDevice::connect(port, "dev", "PSK-AES128-CCM8");
    assert_eq!(device.register("foreign").code_text(), "4.00");
    let mut device = SecureDevice::connect(port, "other", "PSK-AES128-CCM8");
    assert_eq!(device.register("other").code_text(), "4.00");
    assert_eq!(device.register("bound").code_text(), "2.01");
    world.application.message("bound", "register");
    let log = world.gateway.await_log(&["registration_refused", "may not register"]);
    assert!(!log.contains(KEY), "no key in the log");
}

#[test]
fn a_plain_datagram_on_the_secure_port_is_met_with_silence() {
    let (world, port) = secure_world(&credentials());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    let query = ["ep=plain", "lt=300", "lwm2m=1.0"];
    let register = Datagram::new(Kind::Con, method::POST, 1, &[1]).path(&["rd"]).query(&query).body("</3/0>");
    for bytes in [register.encode(), vec![0x40, 0, 0, 1], vec![0x16, 0xfe, 0xfd], vec![0xff; 200]] {
        socket.send(&bytes).unwrap();
        assert!(socket.recv(&mut [0; 100]).is_err(), "answered {bytes:02x?}");
    }
    let mut device = SecureDevice::connect(port, "dev", "PSK-AES128-CCM8");
    assert_eq!(device.register("dev").code_text(), "2.01");
    drop(world);
}

/// Runs a foreign client with a time-out of its own.
fn foreign(tool: &str, package: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.arg("10").arg(executable::tool(tool, package)).args(arguments);
    command.stdin(Stdio::null()).output().expect("the tool starts")
}

#[test]
fn libcoap_registers_over_dtls_with_openssl_and_gnutls() {
    let _row = interop::scenario(foreign::libcoap_version(), "client: DTLS with a pre-shared key (OpenSSL, GnuTLS)");
    // libcoap takes the key as text.
    let text = "[[device]]\nidentity = \"coap\"\npsk = \"7365637265746b65\"\n";
    let (world, port) = secure_world(text);
    for tool in ["coap-client-openssl", "coap-client-gnutls"] {
        let uri = format!("coaps://127.0.0.1:{port}/rd?ep=coap&lt=300&lwm2m=1.1");
        let output =
            foreign(tool, "libcoap3-bin", &["-m", "post", "-u", "coap", "-k", "secretke", "-e", "</3/0>", &uri]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let message = world.application.take(Duration::from_secs(5), |message| message.kind() == "register");
        let message = message
            .unwrap_or_else(|| panic!("{tool}: no register message; the client said {told}\n{}", world.gateway.log()));
        assert_eq!(message.json["data"]["ep"], "coap", "{tool}");
    }
}

#[test]
fn refused_handshakes_are_told_in_words_and_old_versions_refused() {
    let (world, port) = secure_world(&credentials());
    let at = format!("127.0.0.1:{port}");
    foreign(
        "openssl",
        "openssl",
        &["s_client", "-dtls1_2", "-psk_identity", "nobody", "-psk", KEY, "-cipher", "PSK", "-connect", &at],
    );
    world.gateway.await_log(&["event=dtls_refused", "unknown PSK identity", "nobody"]);
    let output = foreign("openssl", "openssl", &["s_client", "-dtls1", "-cipher", "ALL:@SECLEVEL=0", "-connect", &at]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!told.contains("Cipher is ECDHE") && !told.contains("Cipher is PSK"), "{told}");
    world.gateway.await_log(&["event=dtls_refused", "does not speak DTLS 1.2"]);
}

#[test]
fn credentials_are_renewed_on_hang_up_and_withdrawn_ones_close_the_association() {
    let (world, port) = secure_world(&credentials());
    let mut device = SecureDevice::connect(port, "dev", "PSK-AES128-CCM8");
    assert_eq!(device.register("dev").code_text(), "2.01");
    let mut kept = SecureDevice::connect(port, "other", "PSK-AES128-CCM8");
    assert_eq!(kept.register("bound").code_text(), "2.01");
    let file = world.gateway.folder().join("credentials.toml");
    std::fs::write(&file, format!("[[device]]\nendpoint = \"bound\"\nidentity = \"other\"\npsk = \"{KEY}\"\n"))
        .unwrap();
    world.gateway.hang_up();
    world.gateway.await_log(&["event=dtls_closed", "endpoint=dev", "withdrawn"]);
    assert_eq!(kept.register("bound").code_text(), "2.01");
    // A file that cannot be used leaves the old state in force.
    std::fs::write(&file, "[[device]]\nidentity = 5\n").unwrap();
    world.gateway.hang_up();
    world.gateway.await_log(&["old one stays in force"]);
    assert_eq!(kept.register("bound").code_text(), "2.01");
}

#[test]
fn a_changed_credentials_file_takes_effect_by_itself() {
    let (world, port) = secure_world(&credentials());
    let mut kept = SecureDevice::connect(port, "other", "PSK-AES128-CCM8");
    assert_eq!(kept.register("bound").code_text(), "2.01");
    let mut withdrawn = SecureDevice::connect(port, "dev", "PSK-AES128-CCM8");
    assert_eq!(withdrawn.register("dev").code_text(), "2.01");
    let file = world.gateway.folder().join("credentials.toml");
    let bound = format!("[[device]]\nendpoint = \"bound\"\nidentity = \"other\"\npsk = \"{KEY}\"\n");
    let added = format!("[[device]]\nidentity = \"new\"\npsk = \"{KEY}\"\n");
    // As careful editors do it: a new file in the place of the old one.
    let draft = world.gateway.folder().join("draft");
    std::fs::write(&draft, format!("{bound}{added}")).unwrap();
    std::fs::rename(&draft, &file).unwrap();
    world.gateway.await_log(&["credentials in force", "devices=2"]);
    world.gateway.await_log(&["event=dtls_closed", "endpoint=dev", "the PSK identity was removed"]);
    let mut device = SecureDevice::connect(port, "new", "PSK-AES128-CCM8");
    assert_eq!(device.register("new").code_text(), "2.01");
    assert_eq!(kept.register("bound").code_text(), "2.01", "its association goes on");
    std::fs::write(&file, "[[device]]\nidentity = 5\n").unwrap();
    world.gateway.await_log(&["the new credentials have errors; the old ones stay in force"]);
    assert_eq!(device.register("new").code_text(), "2.01");
}

#[test]
fn refused_devices_are_told_on_mqtt_where_events_are_wanted() {
    let (world, port) = secure_world_with(&credentials(), &[("lwm2m.lifecycle_events", "true")]);
    let at = format!("127.0.0.1:{port}");
    let try_in = |identity: &str, key: &str| {
        foreign(
            "openssl",
            "openssl",
            &["s_client", "-dtls1_2", "-psk_identity", identity, "-psk", key, "-cipher", "PSK", "-connect", &at],
        );
    };
    let refused = |endpoint: &str| {
        let message = world.application.expect("event dtls_refused", |message| message.json["event"] == "dtls_refused");
        assert_eq!(message.topic, format!("lwm2m/{endpoint}/up/event"));
        assert_eq!(message.json["data"]["ep"], endpoint);
        assert!(message.json["data"]["from"].as_str().unwrap().starts_with("127.0.0.1:"), "{}", message.json);
        message.json["data"]["cause"].as_str().unwrap().to_owned()
    };
    try_in("nobody", KEY);
    assert_eq!(refused("nobody"), "unknown PSK identity \"nobody\": no entry in the credentials");
    try_in("other", "ff0102030405060708090a0b0c0d0e0f");
    assert_eq!(refused("bound"), "wrong key: device and gateway hold different keys for this identity");
    let mut device = SecureDevice::connect(port, "dev", "PSK-AES128-CCM8");
    assert_eq!(device.register("bound").code_text(), "4.00");
    assert_eq!(refused("dev"), "registered as \"bound\": psk:dev may not register this endpoint");
    let (_, metrics) = world.gateway.get("/metrics").unwrap();
    for line in ["dtls_refusals_total{reason=\"unknown_identity\"} 1", "dtls_refusals_total{reason=\"wrong_key\"} 1"] {
        assert!(metrics.contains(line), "{line}");
    }
    assert!(!world.gateway.log().contains(KEY));
}

#[test]
fn facts_of_an_association_are_shown_by_the_api() {
    let (world, port) = secure_world(&credentials());
    for handshakes in 1..=2 {
        let mut device = SecureDevice::connect(port, "other", "PSK-AES128-GCM-SHA256");
        assert_eq!(device.register("bound").code_text(), "2.01");
        let (status, text) = world.gateway.get("/api/devices/bound").unwrap();
        assert_eq!(status, 200);
        let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
        let dtls = &shown["dtls"];
        assert_eq!(dtls["identity"], "psk:other");
        assert_eq!(dtls["suite"], "PSK-AES128-GCM-SHA256");
        assert_eq!((&dtls["connection_id"], &dtls["resumed"]), (&json!(false), &json!(false)));
        assert_eq!(dtls["handshakes"], handshakes);
        assert!(dtls["age"].as_u64().unwrap() < 60 && dtls["since"].as_u64().unwrap() > 1_700_000_000);
    }
    world.gateway.await_log(&["event=dtls_established", "endpoint=bound", "handshakes=2"]);
}
