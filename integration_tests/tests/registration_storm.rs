//! A registration storm: 5,000 devices within 5 seconds; none has to retransmit.
use integration_tests::datagram::{Datagram, Kind};
use integration_tests::{Application, World};
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

const DEVICES: u16 = 5_000;

/// A device's first retransmission comes 2 s after its Register at the earliest (RFC 7252 §4.8).
const ACK_TIMEOUT: Duration = Duration::from_secs(2);

/// Each device has a socket of its own: allow this process enough of them.
fn allow_sockets(number: u32) {
    let prlimit = integration_tests::executable::tool("prlimit", "util-linux");
    let status = Command::new(prlimit)
        .args([format!("--nofile={number}:"), "--pid".to_owned(), std::process::id().to_string()])
        .status()
        .expect("prlimit can be run");
    assert!(
        status.success(),
        "{DEVICES} devices need {number} open files; the limit of this system (ulimit -Hn) is lower"
    );
}

fn storm(world: &World, application: &Application) {
    let gateway = world.gateway.udp();
    let sockets: Vec<UdpSocket> = (0..DEVICES)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket for each device");
            socket.connect(gateway).unwrap();
            socket.set_read_timeout(Some(ACK_TIMEOUT)).unwrap();
            socket
        })
        .collect();
    let (sent, slowest) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let begin = Instant::now();
            let mut sent = Vec::with_capacity(usize::from(DEVICES));
            for (at, socket) in (0u16..).zip(&sockets) {
                let due = begin + Duration::from_secs(5) * u32::from(at) / u32::from(DEVICES);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let request = Datagram::new(Kind::Con, 2, at, &at.to_be_bytes())
                    .path(&["rd"])
                    .query(&[format!("ep=storm-{at}"), "lt=300".to_owned(), "lwm2m=1.0".to_owned()])
                    .body("</1/0>,</3/0>,</3303/0>");
                sent.push(Instant::now());
                socket.send(&request.encode()).unwrap();
            }
            sent
        });
        let mut answered = Vec::with_capacity(usize::from(DEVICES));
        let mut buffer = [0; 1500];
        for (at, socket) in (0u16..).zip(&sockets) {
            // The sender is at most 5 s behind this loop's beginning.
            let end = Instant::now() + Duration::from_secs(5) + ACK_TIMEOUT;
            let length = loop {
                match socket.recv(&mut buffer) {
                    Ok(length) => break length,
                    Err(error) => assert!(Instant::now() < end, "device {at} got no answer: {error}"),
                }
            };
            answered.push(Instant::now());
            let answer = Datagram::parse(&buffer[..length]).unwrap();
            assert_eq!((answer.code_text().as_str(), answer.mid), ("2.01", at), "{answer:?}");
        }
        let sent = sender.join().unwrap();
        let slowest =
            sent.iter().zip(&answered).map(|(sent, answered)| answered.saturating_duration_since(*sent)).max().unwrap();
        (sent, slowest)
    });
    let took = *sent.last().unwrap() - sent[0];
    println!("{DEVICES} registrations sent within {took:?}, slowest answer {slowest:?}");
    assert!(took < Duration::from_millis(5_500), "the storm itself was slower than meant: {took:?}");
    assert!(slowest < ACK_TIMEOUT, "a device had to wait {slowest:?} and would have sent again");

    // every one is reported, once
    let mut names = BTreeSet::new();
    while names.len() < usize::from(DEVICES) {
        let message = application.take(Duration::from_secs(10), |message| message.kind() == "register");
        let message = message.unwrap_or_else(|| panic!("only {} of {DEVICES} register messages came", names.len()));
        let name = message.data("ep").as_str().unwrap().to_owned();
        assert!(names.insert(name), "twice: {}", message.json);
    }
    application
        .expect_none(integration_tests::QUIET, "a register message too many", |message| message.kind() == "register");
}

#[test]
fn five_thousand_devices_within_five_seconds_need_no_retransmission() {
    allow_sockets(16_384);
    let world = World::with(&[("log.level", "\"info\"")]);
    storm(&world, &world.application);
    world.assert_works("after-the-storm");
}
