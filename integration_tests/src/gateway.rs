//! The executable under test.
use crate::broker::free_port;
use crate::scratch::Scratch;
use crate::settings::Settings;
use crate::{PATIENCE, eventually, executable};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// The object definitions of the tests.
pub const OBJECTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/objects");

/// A running `lwm2m-gateway run`; ended when dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Option<Child>,
    scratch: Scratch,
    udp: SocketAddr,
    http: SocketAddr,
    environment: Vec<(String, String)>,
}

impl Gateway {
    /// Starts it against a broker (`mqtt://…`, or `embedded`) with these settings on top of the bench's own, and waits until it is ready.
    pub fn start(server: &str, settings: &Settings) -> Gateway {
        let mut gateway = Gateway::prepare(server, settings);
        gateway.launch();
        gateway.await_ready();
        gateway
    }

    /// Writes the configuration, starts nothing.
    pub fn prepare(server: &str, settings: &Settings) -> Gateway {
        let udp = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let http = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut gateway = Gateway { child: None, scratch: Scratch::new(), udp, http, environment: Vec::new() };
        gateway.configure(server, settings);
        gateway
    }

    /// Writes the configuration anew; takes effect with the next start or reload.
    pub fn configure(&mut self, server: &str, settings: &Settings) {
        let mut settings = settings.clone();
        settings
            .preset("mqtt.server", format!("{server:?}"))
            .preset("mqtt.client_id", format!("{:?}", format!("gateway-{}", self.udp.port())))
            .preset("lwm2m.xml_dir", format!("{OBJECTS:?}"))
            .preset("listeners.udp.bind", format!("\"{}\"", self.udp))
            .preset("store.path", format!("{:?}", self.scratch.path().join("data").display().to_string()))
            .preset("http.bind", format!("\"{}\"", self.http))
            .preset("runtime.drain_timeout", "\"5s\"")
            .preset("log.level", "\"debug\"");
        self.scratch.file("gateway.toml", settings.to_toml());
    }

    /// Sets an environment variable for the next start.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the process, without waiting for it to be ready.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "the gateway runs already");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.scratch.path().join("gateway.log"))
            .expect("a log file");
        let child = Command::new(executable::gateway())
            .arg("run")
            .arg("--config")
            .arg(self.scratch.path().join("gateway.toml"))
            .env_remove("RUST_LOG")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.scratch.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the gateway can be started");
        self.child = Some(child);
    }

    /// Waits for `GET /health/ready` = 200.
    pub fn await_ready(&mut self) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.is_ready() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none(), "the gateway ended with {ended:?} instead of getting ready:\n{}", self.log());
            assert!(Instant::now() < end, "the gateway did not get ready within 20 s:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether `GET /health/ready` answers 200.
    pub fn is_ready(&self) -> bool {
        self.get("/health/ready").is_some_and(|(status, _)| status == 200)
    }

    /// One HTTP GET: status and body, `None` when nobody answers.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.http, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        Some((status, body))
    }

    /// Where devices speak to.
    pub fn udp(&self) -> SocketAddr {
        self.udp
    }

    /// Where HTTP is.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its folder: configuration, store, log.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.scratch.path().join("gateway.toml")
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.scratch.path().join("gateway.log")).unwrap_or_default())
            .into_owned()
    }

    /// Waits for a log line that holds all of `words`, and returns it.
    pub fn await_log(&self, words: &[&str]) -> String {
        let mut found = None;
        let holds = |line: &str| words.iter().all(|word| line.contains(word));
        eventually(PATIENCE, || {
            found = self.log().lines().find(|line| holds(line)).map(str::to_owned);
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no log line with {words:?} in:\n{}", self.log()))
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the gateway runs").id()
    }

    /// Whether the process lives.
    pub fn is_alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_none()))
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running process has a status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process has a resident size");
        let kilobytes: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
        kilobytes * 1024
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).arg(self.pid().to_string()).status().expect("kill can be run");
        assert!(status.success(), "kill {signal} failed");
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// SIGTERM.
    pub fn ask_to_end(&self) {
        self.signal("-TERM");
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.await_end()
    }

    /// SIGINT, and waits for the end.
    pub fn interrupt(&mut self) -> ExitStatus {
        self.signal("-INT");
        self.await_end()
    }

    /// `kill -9`: a crash.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits until the process has ended by itself.
    pub fn await_end(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the gateway runs");
        let mut status = None;
        eventually(Duration::from_secs(15), || {
            status = child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        if status.is_none() {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the gateway did not end within 15 s:\n{}", self.log());
        }
        status.expect("it ended")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(6_000).map_or(0, |(at, _)| at);
            eprintln!("--- end of the gateway's log ---\n{}\n--------------------------------", &log[from..]);
        }
        self.kill();
    }
}

/// Runs the executable with these arguments to its end.
pub fn run(arguments: &[&str]) -> Output {
    run_in(Path::new("."), arguments, &[])
}

/// Runs the executable in a folder, with additional environment variables, to its end.
pub fn run_in(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut child = Command::new(executable::gateway())
        .args(arguments)
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the gateway can be started");
    let over = eventually(Duration::from_secs(20), || child.try_wait().is_ok_and(|status| status.is_some()));
    if !over {
        let _ = child.kill();
        panic!("`lwm2m-gateway {arguments:?}` did not end within 20 s");
    }
    child.wait_with_output().expect("its output")
}

/// Standard output and error of a run, one after the other.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
