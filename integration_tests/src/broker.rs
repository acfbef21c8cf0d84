//! A mosquitto of the test's own.
use crate::scratch::Scratch;
use crate::{PATIENCE, eventually, executable};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A running mosquitto; ended when dropped.
#[derive(Debug)]
pub struct Broker {
    port: u16,
    child: Option<Child>,
    scratch: Scratch,
}

/// A port that is free for both UDP and TCP. Below the range from which the system gives ports to unbound sockets, so that no other
/// test's socket takes it in between.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..22_000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + (std::process::id().wrapping_mul(97).wrapping_add(step)) % 22_000;
        let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).expect("below 32,000")));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address.port();
        }
    }
    panic!("no free port between 10,000 and 32,000");
}

impl Broker {
    /// Starts one that lets everybody in.
    pub fn start() -> Broker {
        Broker::with("allow_anonymous true\n")
    }

    /// Starts one with these lines in its configuration, after the listener.
    pub fn with(lines: &str) -> Broker {
        let port = free_port();
        let scratch = Scratch::new();
        // Started by root it would become another user, who cannot read its files where the project lies in root's home.
        scratch.file(
            "mosquitto.conf",
            format!(
                "user root\nper_listener_settings false\npersistence false\nmax_queued_messages 0\nmax_inflight_messages 0\n\
                 listener {port} 127.0.0.1\n{lines}"
            ),
        );
        let mut broker = Broker { port, child: None, scratch };
        broker.resume();
        broker
    }

    /// A file beside the configuration (passwords, access lists); to be written before [`Broker::resume`].
    pub fn folder(&self) -> &std::path::Path {
        self.scratch.path()
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `mqtt://…` of it.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the broker runs").id()
    }

    /// Ends it: an outage.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, on the same port.
    pub fn resume(&mut self) {
        let mosquitto = executable::tool("mosquitto", "mosquitto");
        let log = std::fs::File::create(self.scratch.path().join("mosquitto.log")).expect("a log file");
        let child = Command::new(mosquitto)
            .arg("-c")
            .arg(self.scratch.path().join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("mosquitto can be started");
        self.child = Some(child);
        let up = eventually(PATIENCE, || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
        let log = std::fs::read_to_string(self.scratch.path().join("mosquitto.log")).unwrap_or_default();
        assert!(up, "mosquitto did not come up:\n{log}");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}
