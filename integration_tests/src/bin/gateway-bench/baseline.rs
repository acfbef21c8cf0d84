//! What the machine can do at best, measured in the same run.

use crate::mqtt::Mqtt;
use crate::usage::Process;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The argument with which this program is its own echo server.
pub(crate) const ECHO: &str = "udp-echo";

/// A bare UDP echo and mosquitto's own work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Baseline {
    /// Echoes per second with 64 under way.
    pub(crate) echoes_per_second: f64,
    /// CPU of a single-threaded echo process per datagram (one `recvfrom`, one `sendto`).
    pub(crate) echo: Duration,
    /// Publications per second through mosquitto, QoS 0, one subscriber.
    pub(crate) publications_per_second: f64,
    /// CPU of mosquitto per publication.
    pub(crate) publication: Duration,
}

impl Baseline {
    pub(crate) fn measure(mqtt: &mut Mqtt, broker: &Process, time: Duration) -> Baseline {
        let (echoes_per_second, echo) = measure_echo(time / 2);
        let (publications_per_second, publication) = measure_publications(mqtt, broker, time / 2);
        Baseline { echoes_per_second, echo, publications_per_second, publication }
    }
}

/// Echoes until the parent closes standard input.
pub(crate) fn echo() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
    println!("{}", socket.local_addr().expect("a bound socket has an address"));
    std::thread::spawn(|| {
        let _ = std::io::stdin().lines().count();
        std::process::exit(0);
    });
    let mut buffer = [0; 2048];
    loop {
        if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], peer);
        }
    }
}

fn measure_echo(time: Duration) -> (f64, Duration) {
    let program = std::env::current_exe().expect("this program knows its own path");
    let mut child = Command::new(program)
        .arg(ECHO)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be started");
    let mut address = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut address).expect("the echo says its address");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
    socket.connect(address.trim()).expect("the echo has an address");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket has this option");
    let process = Process::new(child.id());
    let (before, start, mut echoes) = (process.cpu(), Instant::now(), 0u32);
    // The size of a notification of one float.
    let mut datagram = [7; 32];
    let mut missing = 64;
    while start.elapsed() < time {
        for _ in 0..std::mem::take(&mut missing) {
            let _ = socket.send(&datagram);
        }
        // After a loss nothing is under way any more.
        missing = if socket.recv(&mut datagram).is_ok() {
            echoes += 1;
            1
        } else {
            64
        };
    }
    let elapsed = start.elapsed();
    let spent = process.cpu() - before;
    drop(child.stdin.take());
    let _ = child.wait();
    (f64::from(echoes) / elapsed.as_secs_f64(), spent / echoes.max(1))
}

fn measure_publications(mqtt: &mut Mqtt, broker: &Process, time: Duration) -> (f64, Duration) {
    const UNDER_WAY: u64 = 1000;
    mqtt.subscribe("bench");
    let payload = [b'x'; 150];
    let arrived = |mqtt: &Mqtt| mqtt.received().other.load(Ordering::Relaxed);
    let (before, first, start, mut sent) = (broker.cpu(), arrived(mqtt), Instant::now(), 0u64);
    while start.elapsed() < time {
        if sent - (arrived(mqtt) - first) > UNDER_WAY {
            std::thread::sleep(Duration::from_micros(100));
            continue;
        }
        for _ in 0..50 {
            mqtt.publish("bench", &payload);
        }
        mqtt.flush();
        sent += 50;
    }
    integration_tests::eventually(Duration::from_secs(5), || arrived(mqtt) - first == sent);
    let elapsed = start.elapsed();
    let spent = broker.cpu() - before;
    (sent as f64 / elapsed.as_secs_f64(), spent / u32::try_from(sent.max(1)).expect("fewer than 2^32 publications"))
}
