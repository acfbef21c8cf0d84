//! The running executable as a service manager meets it: readiness, signals, reload, failures.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway with a folder and ports of its own; ended when dropped.
struct Gateway {
    child: Child,
    folder: PathBuf,
    http: SocketAddr,
}

/// Below the range from which the system gives ports to unbound sockets, so that none of those takes it in between.
fn free_tcp() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let free = |_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + std::process::id().wrapping_mul(97).wrapping_add(step) % 22_000;
        let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).ok()?));
        TcpListener::bind(address).is_ok().then_some(address)
    };
    (0..22_000).find_map(free).expect("a free port between 10,000 and 32,000")
}

fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _was_not_there = fs::remove_dir_all(&path);
    fs::create_dir_all(path.join("objects")).expect("can be made");
    path
}

/// The configuration: built-in broker unless another one is named, free ports everywhere.
fn configuration(http: SocketAddr, server: &str, more: &str) -> String {
    format!(
        "[mqtt]\nserver = \"{server}\"\nversion = 4\n[broker]\nbind = \"{}\"\n[http]\nbind = \"{http}\"\n{more}\n",
        free_tcp()
    )
}

impl Gateway {
    fn start(name: &str, server: &str, more: &str) -> Gateway {
        Gateway::start_with(name, server, more, &[])
    }

    fn start_with(name: &str, server: &str, more: &str, environment: &[(&str, &str)]) -> Gateway {
        let folder = folder(name);
        let http = free_tcp();
        let file = folder.join("gateway.toml");
        let udp = "[[listeners.udp]]\nbind = \"127.0.0.1:0\"\n";
        fs::write(&file, configuration(http, server, &format!("{udp}{more}"))).expect("can be written");
        let log = fs::File::create(folder.join("stderr")).expect("can be made");
        let child = Command::new(env!("CARGO_BIN_EXE_lwm2m-gateway"))
            .args(["run", "--config"])
            .arg(&file)
            .env_remove("RUST_LOG")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the executable runs");
        Gateway { child, folder, http }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).expect("is there")
    }

    fn get(&self, path: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(self.http).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    fn wait(&self, what: &str, condition: impl Fn(&Gateway) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < end, "{what} did not happen; the log:\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    fn wait_ready(&self) {
        self.wait("readiness", |gateway| gateway.get("/health/ready") == Some(200));
    }

    fn wait_logged(&self, words: &str) {
        self.wait(words, |gateway| gateway.log().contains(words));
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Exit status; fails when it does not end.
    fn status(&mut self) -> i32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("can be waited for") {
                return status.code().unwrap_or_else(|| panic!("killed: {status}\n{}", self.log()));
            }
            assert!(Instant::now() < end, "it does not end; the log:\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    fn rewrite(&self, change: impl Fn(&str) -> String) {
        let file = self.folder.join("gateway.toml");
        let text = fs::read_to_string(&file).expect("is there");
        fs::write(&file, change(&text)).expect("can be written");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _has_ended = self.child.kill();
        let _has_ended = self.child.wait();
    }
}

#[test]
fn sigterm_drains_and_ends_with_0() {
    let mut gateway = Gateway::start("sigterm", "embedded", "");
    gateway.wait_ready();
    assert_eq!(gateway.get("/health/live"), Some(200));
    assert_eq!(gateway.get("/metrics"), Some(200));
    gateway.signal("TERM");
    assert_eq!(gateway.status(), 0);
    let log = gateway.log();
    assert!(log.contains("gateway ended"), "{log}");
    assert!(!log.contains("target=") && !log.contains("ERROR"), "only the gateway itself speaks:\n{log}");
}

#[test]
fn ctrl_c_ends_it_as_well() {
    let mut gateway = Gateway::start("sigint", "embedded", "");
    gateway.wait_ready();
    gateway.signal("INT");
    assert_eq!(gateway.status(), 0);
}

#[test]
fn broker_that_is_away_makes_it_alive_but_not_ready() {
    let server = format!("mqtt://{}", free_tcp());
    let mut gateway = Gateway::start("no-broker", &server, "[runtime]\ndrain_timeout = \"1s\"\n");
    gateway.wait("life", |gateway| gateway.get("/health/live") == Some(200));
    sleep(Duration::from_millis(500));
    assert_eq!(gateway.get("/health/ready"), Some(503));
    gateway.signal("TERM");
    assert_eq!(gateway.status(), 0);
}

#[test]
fn taken_port_ends_it_with_70_and_names_the_key() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let bind = taken.local_addr().expect("bound").to_string();
    let mut gateway =
        Gateway::start_with("taken-port", "embedded", "", &[("LWM2M_GATEWAY__LISTENERS__UDP__0__BIND", bind.as_str())]);
    assert_eq!(gateway.status(), 70);
    let log = gateway.log();
    assert!(log.contains("listeners.udp") && log.contains(&bind), "{log}");
}

#[test]
fn dtls_listener_serves_beside_the_udp_one() {
    let credentials = folder("dtls-credentials").join("credentials.toml");
    fs::write(&credentials, "[[device]]\nidentity = \"a\"\npsk = \"00112233445566778899aabbccddeeff\"\n")
        .expect("can be written");
    let dtls =
        format!("[[listeners.dtls]]\nbind = \"127.0.0.1:0\"\ncredentials_file = \"{}\"\n", credentials.display());
    let mut gateway = Gateway::start("dtls", "embedded", &dtls);
    gateway.wait_ready();
    let bound = gateway.log().lines().filter(|line| line.contains("event=listener_bound")).count();
    assert_eq!(bound, 2, "{}", gateway.log());
    gateway.signal("TERM");
    assert_eq!(gateway.status(), 0);
}

#[test]
fn reload_applies_the_log_level_and_names_what_must_wait() {
    let gateway = Gateway::start("reload", "embedded", "[log]\nlevel = \"warn\"\n");
    gateway.wait_ready();
    assert!(!gateway.log().contains("INFO"), "{}", gateway.log());
    gateway.rewrite(|text| {
        text.replace("level = \"warn\"", "level = \"info\"")
            .replace("version = 4", "version = 4\nclient_id = \"other\"")
    });
    gateway.signal("HUP");
    gateway.wait_logged("reloaded");
    assert!(gateway.log().contains("takes effect only after a restart key=mqtt"), "{}", gateway.log());
    assert_eq!(gateway.get("/health/ready"), Some(200));
}

#[test]
fn reload_of_a_broken_configuration_changes_nothing_and_says_so() {
    let gateway = Gateway::start("broken-reload", "embedded", "");
    gateway.wait_ready();
    gateway.rewrite(|text| format!("{text}[lwm2m]\nqueue_max = 0\n"));
    gateway.signal("HUP");
    gateway.wait_logged("the old one stays in force");
    assert!(gateway.log().contains("key=lwm2m.queue_max"), "{}", gateway.log());
    assert_eq!(gateway.get("/health/ready"), Some(200));
}

#[test]
fn new_definition_file_is_read_without_a_signal_and_a_bad_one_is_told_with_its_line() {
    let gateway = Gateway::start("definitions", "embedded", "");
    gateway.wait_ready();
    fs::write(gateway.folder.join("objects/bad.xml"), "<LWM2M>\n<Object>\n</LWM2M>").expect("can be written");
    gateway.wait_logged("object definition cannot be used");
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("cannot be used")).expect("just seen");
    assert!(line.contains("ERROR") && line.contains("objects/bad.xml") && line.contains(" line="), "{line}");
    assert_eq!(gateway.get("/health/ready"), Some(200));
}

#[test]
fn json_log_is_one_object_per_line() {
    let mut gateway = Gateway::start("json-log", "embedded", "[log]\nformat = \"json\"\nlevel = \"debug\"\n");
    gateway.wait_ready();
    gateway.signal("TERM");
    assert_eq!(gateway.status(), 0);
    let log = gateway.log();
    assert!(log.lines().count() > 3, "{log}");
    for line in log.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for member in ["time", "level", "target", "message"] {
            assert!(object[member].is_string(), "{member} in {line}");
        }
    }
}

#[test]
fn service_manager_is_told_of_start_and_end() {
    let socket_file = folder("notify").join("socket");
    let socket = UnixDatagram::bind(&socket_file).expect("can be bound");
    socket.set_read_timeout(Some(PATIENCE)).expect("can be set");
    let told = || {
        let mut buffer = [0_u8; 512];
        let length = socket.recv(&mut buffer).expect("something is told");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let path = socket_file.to_str().expect("UTF-8").to_owned();
    let mut gateway = Gateway::start_with("notified", "embedded", "", &[("NOTIFY_SOCKET", path.as_str())]);
    assert!(told().contains("READY=1"));
    gateway.signal("HUP");
    let reloading = told();
    assert!(reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="), "{reloading}");
    assert!(told().contains("READY=1"));
    gateway.signal("TERM");
    assert!(told().contains("STOPPING=1"));
    assert_eq!(gateway.status(), 0);
}
