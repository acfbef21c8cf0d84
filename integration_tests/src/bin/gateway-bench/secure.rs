//! What DTLS costs: handshakes, associations in memory and after a restart, notifications beside those over plain UDP, records, credentials.

use crate::mqtt::Mqtt;
use crate::report::Report;
use crate::usage::{Process, Spent};
use dtls::record::records;
use dtls::replay::ReplayWindow;
use dtls::{Aead, Association, ContentType, KeyBlock, Suite};
use handshake::Credentials;
use integration_tests::datagram::{Datagram, Kind, code, method, option};
use integration_tests::{Broker, Gateway, Settings, broker, eventually};
use openssl::ssl::{Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Extent of this part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Associations that stand in the end.
    pub(crate) associations: usize,
    /// Handshakes with a certificate.
    pub(crate) certificates: usize,
    /// Devices that notify.
    pub(crate) notifying: usize,
    pub(crate) time: Duration,
}

/// Notifications between device and application, at most.
const UNDER_WAY: u64 = 200;

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

/// A device over DTLS or plain UDP.
enum Device {
    Secure(Box<SslStream<Socket>>),
    Plain(UdpSocket),
}

impl Device {
    fn send(&mut self, datagram: &Datagram) {
        let bytes = datagram.encode();
        match self {
            Device::Secure(stream) => stream.write_all(&bytes).expect("an association"),
            Device::Plain(socket) => drop(socket.send(&bytes).expect("loopback")),
        }
    }

    fn receive(&mut self) -> Datagram {
        let mut buffer = [0; 2000];
        let length = match self {
            Device::Secure(stream) => stream.read(&mut buffer).expect("a datagram"),
            Device::Plain(socket) => socket.recv(&mut buffer).expect("a datagram"),
        };
        Datagram::parse(&buffer[..length]).expect("CoAP")
    }
}

fn socket(port: u16) -> UdpSocket {
    connected(UdpSocket::bind("127.0.0.1:0").expect("a port"), port)
}

/// At an address of its own, which no other device gets later: there are not enough ports for that on one.
fn socket_of(number: usize, port: u16) -> UdpSocket {
    let network = u8::try_from(1 + number / 10_000).expect("few enough devices");
    let own = u16::try_from(20_000 + number % 10_000).expect("a port");
    connected(UdpSocket::bind(std::net::SocketAddr::from(([127, 0, network, 1], own))).expect("a free port"), port)
}

fn connected(socket: UdpSocket, port: u16) -> UdpSocket {
    socket.connect(("127.0.0.1", port)).expect("loopback");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    socket
}

fn identity(number: usize) -> String {
    format!("device-{number}")
}

/// The context of all clients; the PSK identity is the host name that a connection is for.
fn context(suite: &str) -> SslContext {
    let mut context = SslContext::builder(SslMethod::dtls_client()).expect("a context");
    context.set_cipher_list(&format!("{suite}:@SECLEVEL=0")).expect("a suite");
    context.set_options(SslOptions::NO_QUERY_MTU);
    context.set_verify(SslVerifyMode::NONE);
    let index = Ssl::new_ex_index::<usize>().expect("an index");
    INDEX.get_or_init(|| index);
    context.set_psk_client_callback(|ssl, _, name, out| {
        let number = INDEX.get().and_then(|index| ssl.ex_data(*index)).copied().unwrap_or(0);
        let identity = identity(number);
        name[..identity.len()].copy_from_slice(identity.as_bytes());
        name[identity.len()] = 0;
        out[..16].fill(7);
        Ok(16)
    });
    context.build()
}

static INDEX: std::sync::OnceLock<openssl::ex_data::Index<Ssl, usize>> = std::sync::OnceLock::new();

fn connect(context: &SslContext, socket: UdpSocket, number: usize) -> SslStream<Socket> {
    let mut ssl = Ssl::new(context).expect("a connection");
    ssl.set_mtu(1200).expect("a size");
    if let Some(index) = INDEX.get() {
        ssl.set_ex_data(*index, number);
    }
    ssl.connect(Socket(socket)).expect("the handshake ends well")
}

pub(crate) fn measure(report: &mut Report, extent: Extent) {
    credentials(report);
    protection(report);
    let broker = Broker::start();
    let broker_process = Process::new(broker.pid());
    let mut mqtt = Mqtt::connect(broker.port());
    mqtt.subscribe("lwm2m/+/up/#");
    let port = broker::free_port();
    let mut settings = Settings::default();
    settings.set("log.level", "\"warn\"");
    let materials = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/materials");
    settings.append(&format!(
        "[[listeners.dtls]]\nbind = \"127.0.0.1:{port}\"\ncredentials_file = \"credentials.toml\"\n\
         cert_file = \"{materials}/server.crt\"\nkey_file = \"{materials}/server.key\"\nverify_peer = false"
    ));
    let mut gateway = Gateway::prepare(&broker.url(), &settings);
    std::fs::write(gateway.folder().join("credentials.toml"), listed(extent.associations)).expect("a file");
    gateway.launch();
    gateway.await_ready();
    let process = Process::new(gateway.pid());

    let cases = [
        ("DTLS handshake, PSK-AES128-CCM8", "PSK-AES128-CCM8", extent.associations),
        ("DTLS handshake, ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-CCM8", extent.certificates),
    ];
    let psk = context("PSK-AES128-CCM8");
    for (name, suite, count) in cases {
        eprintln!("{name} …");
        let context = context(suite);
        let with_psk = suite.starts_with("PSK");
        // Handshakes with certificates come from anywhere, so that they replace no association that is to stand.
        let address = |number| if with_psk { socket_of(number, port) } else { socket(port) };
        let before = process.resident();
        let end = Spent::begin(process, broker_process);
        let start = Instant::now();
        for number in 0..count {
            let mut association = connect(&context, address(number), number);
            // A CoAP ping; then no goodbye, as devices fall asleep.
            association.write_all(&[0x40, 0, 0, 1]).expect("an association");
        }
        let spent = end(start.elapsed());
        report.rate(name, count as u64, spent, None, "one client, one after another");
        if with_psk {
            std::thread::sleep(Duration::from_secs(2));
            let after = process.resident();
            report.bytes("DTLS associations", after, count, after.saturating_sub(before), 1024);
        }
    }
    restore(report, &mut gateway, extent.associations);
    let process = Process::new(gateway.pid());
    for secure in [false, true] {
        let mut devices: Vec<(Device, Vec<u8>)> = (0..extent.notifying)
            .map(|number| {
                let device = match secure {
                    true => Device::Secure(Box::new(connect(&psk, socket(port), number))),
                    false => Device::Plain(socket(gateway.udp().port())),
                };
                observed(&mut mqtt, device, &identity(number))
            })
            .collect();
        notify(report, &mqtt, (process, broker_process), &mut devices, secure, extent.time);
    }
    gateway.terminate();
}

fn listed(devices: usize) -> String {
    (0..devices).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "[[device]]\nidentity = \"{}\"\npsk = \"{}\"\n", identity(number), "07".repeat(16));
        text
    })
}

/// Registers, and answers the application's observe command; yields the token.
fn observed(mqtt: &mut Mqtt, mut device: Device, endpoint: &str) -> (Device, Vec<u8>) {
    let query = [format!("ep={endpoint}"), "lt=3600".to_owned(), "lwm2m=1.0".to_owned()];
    let register = Datagram::new(Kind::Con, method::POST, 1, &[1]).path(&["rd"]).query(&query).body("</3303/0>");
    device.send(&register);
    assert_eq!(device.receive().code_text(), "2.01");
    let command = br#"{"reqID":1,"msgType":"observe","data":{"path":"/3303/0/5700"}}"#;
    mqtt.publish(&format!("lwm2m/{endpoint}/dn"), command);
    mqtt.flush();
    let request = device.receive();
    device.send(&notification(Kind::Ack, request.mid, &request.token, 1));
    mqtt.answer(Duration::from_secs(20)).expect("the answer of the observation");
    (device, request.token)
}

/// One float in TLV.
fn notification(kind: Kind, mid: u16, token: &[u8], sequence: u32) -> Datagram {
    let mut value = vec![0xe8, 0x16, 0x44, 8];
    value.extend_from_slice(&21.5f64.to_be_bytes());
    Datagram::new(kind, code("2.05"), mid, token)
        .with(option::OBSERVE, integration_tests::datagram::uint(sequence))
        .with(option::CONTENT_FORMAT, integration_tests::datagram::uint(11542))
        .body(value)
}

fn notify(
    report: &mut Report,
    mqtt: &Mqtt,
    (gateway, broker): (Process, Process),
    devices: &mut [(Device, Vec<u8>)],
    secure: bool,
    time: Duration,
) {
    let name = if secure { "notification over DTLS, CCM-8, NON" } else { "notification over UDP, the same devices" };
    eprintln!("{name} …");
    let arrived = || mqtt.received().notifications.load(Ordering::Relaxed);
    let first = arrived();
    let end = Spent::begin(gateway, broker);
    let start = Instant::now();
    let mut sent = 0u64;
    'all: for round in 2u16.. {
        for (device, token) in devices.iter_mut() {
            while sent >= arrived() - first + UNDER_WAY {
                if start.elapsed() >= time {
                    break 'all;
                }
                std::thread::yield_now();
            }
            device.send(&notification(Kind::Non, round, token, u32::from(round)));
            sent += 1;
        }
        if start.elapsed() >= time {
            break;
        }
    }
    let elapsed = start.elapsed();
    eventually(Duration::from_secs(5), || arrived() - first >= sent);
    let spent = end(elapsed);
    let delivered = arrived() - first;
    report.rate(name, delivered, spent, None, &format!("{} of {sent} not delivered", sent - delivered));
}

/// Ends the gateway, starts it again, and reads how long the associations took.
fn restore(report: &mut Report, gateway: &mut Gateway, associations: usize) {
    eprintln!("restoring {associations} associations …");
    gateway.terminate();
    gateway.environment("RUST_LOG", "warn,lwm2m_gateway=info");
    gateway.launch();
    gateway.await_ready();
    let log = gateway.await_log(&["event=dtls_restored"]);
    let line = log.lines().rev().find(|line| line.contains("event=dtls_restored")).expect("the line was there");
    let field = |name: &str| {
        let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)).expect("the field is there");
        value.parse::<u64>().expect("a number")
    };
    let milliseconds = Duration::from_millis(field("elapsed_ms="));
    report.once(&format!("{} associations restored", field("associations=")), milliseconds, Duration::from_secs(2));
}

/// Seals and opens records of 100 bytes, in this process.
fn protection(report: &mut Report) {
    const RECORDS: u32 = 200_000;
    let keys = KeyBlock::derive(&[3; 48], &[4; 32], &[5; 32]).expect("keys");
    let mut aead = Aead::new().expect("a cipher");
    for (name, suite) in [("CCM-8", Suite::Ccm8), ("GCM", Suite::Gcm)] {
        let mut gateway = Association::new(suite, keys.clone(), 1, ReplayWindow::default(), None, None);
        let mut device = Association::new(suite, keys.mirrored(), 1, ReplayWindow::default(), None, None);
        gateway.reserve(u64::from(RECORDS));
        device.reserve(u64::from(RECORDS));
        let (mut wire, mut plaintext) = (Vec::new(), Vec::new());
        let mut spent = Duration::ZERO;
        for _ in 0..RECORDS {
            wire.clear();
            device.seal(&mut aead, ContentType::APPLICATION_DATA, &[9; 100], &mut wire).expect("room");
            let start = Instant::now();
            let record = records(&wire, 0).next().expect("a record");
            gateway.open(&mut aead, &record, &mut plaintext).expect("the device's record");
            wire.clear();
            gateway.seal(&mut aead, ContentType::APPLICATION_DATA, &[9; 100], &mut wire).expect("room");
            spent += start.elapsed();
        }
        report.once(&format!("one record of 100 bytes opened and one sealed, {name}"), spent / RECORDS, Duration::MAX);
    }
}

/// Parses credentials of 100,000 devices, in this process.
fn credentials(report: &mut Report) {
    const DEVICES: usize = 100_000;
    let text = listed(DEVICES);
    let start = Instant::now();
    let parsed = Credentials::parse(&text).expect("good credentials");
    assert_eq!(parsed.len(), DEVICES);
    report.once("100,000 pre-shared keys read", start.elapsed(), Duration::from_secs(2));
    let mut text = String::new();
    let prefix = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
    for number in 0..DEVICES {
        // 64 bytes of point in base64, each another one.
        let point = format!("{number:085}A==");
        let _ = writeln!(text, "[[device]]\nendpoint = \"{}\"\npublic_key = \"{prefix}{point}\"\n", identity(number));
    }
    let start = Instant::now();
    let parsed = Credentials::parse(&text).expect("good credentials");
    assert_eq!(parsed.len(), DEVICES);
    report.once("100,000 raw public keys read", start.elapsed(), Duration::from_secs(2));
}
