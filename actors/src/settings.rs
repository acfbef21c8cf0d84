//! What the actors need to know; made from the configuration file by the executable, complete and checked.
use contract::topic::Topics;
use lwm2m::catalog::Catalog;
use lwm2m::session::Policy;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// All settings of [`crate::start`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Arbiters (threads) that devices are spread over; 0 = one per core.
    pub shards: usize,
    /// UDP listeners, at least one listener of any kind. Their order gives [`lwm2m::session::Address::listener`].
    pub udp: Vec<UdpListener>,
    /// DTLS listeners; they are numbered after the UDP ones.
    pub dtls: Vec<DtlsListener>,
    /// Who the peers of DTLS associations are; the [`crate::Gatekeeper`] of the policy holds the same.
    pub identities: Arc<crate::Identities>,
    /// The broker.
    pub mqtt: Mqtt,
    /// Mountpoint and translators.
    pub topics: Topics,
    /// Which messages are published.
    pub voice: contract::message::Settings,
    /// Settings of all sessions. Its `admission` is usually a [`crate::Gatekeeper`].
    pub policy: Arc<Policy>,
    /// Object definitions.
    pub catalog: Arc<Catalog>,
    /// Bounds of what waits for the broker.
    pub outbox: OutboxLimits,
    /// What must survive a restart is kept there; without it, in some tests, nothing survives.
    pub store: Option<store::Store>,
    /// File of the key that DTLS associations are encrypted with in the store; made if it is missing. Without it they are not stored.
    pub dtls_key: Option<PathBuf>,
}

/// One UDP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpListener {
    /// Address and port; port 0 lets the system choose (see [`crate::Gateway::local_addresses`]).
    pub bind: SocketAddr,
    /// Wanted receive buffer in bytes; the kernel may allow less, what it gave is logged.
    pub receive_buffer: usize,
}

impl UdpListener {
    /// With the default buffer of 4 MiB.
    pub fn new(bind: SocketAddr) -> UdpListener {
        UdpListener { bind, receive_buffer: 4 << 20 }
    }
}

/// One DTLS socket.
#[derive(Clone, Debug)]
pub struct DtlsListener {
    /// Address, port and receive buffer.
    pub socket: UdpListener,
    /// Credentials and certificates.
    pub materials: handshake::Materials,
    /// Bounds of handshakes and associations.
    pub limits: handshake::Limits,
}

/// How to reach the broker.
#[derive(Clone, Debug)]
pub struct Mqtt {
    /// `mqtt://host:port` or `mqtts://host:port`. The embedded broker has such an address as well.
    pub server: String,
    /// Client identifier.
    pub client_id: String,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Protocol version to begin with.
    pub version: MqttVersion,
    /// For `mqtts`.
    pub tls: Tls,
    /// Retained `{"status":"online"}` and last will `offline` go here.
    pub status_topic: String,
    /// Keep-alive interval.
    pub keep_alive: Duration,
    /// Publications handed to the MQTT library and not yet completed.
    pub window: usize,
    /// For how long a command that has its outcome is remembered, to recognise what the broker delivers again.
    pub duplicate_window: Duration,
    /// How long the broker keeps the session, where commands are subscribed with QoS 1 or 2, so that none is lost while the
    /// gateway is away; whole seconds.
    pub session_expiry: Duration,
}

impl Mqtt {
    /// Defaults for a broker: MQTT 5, no user, status topic `lwm2m-gateway/${client_id}/status`.
    pub fn new(server: &str, client_id: &str) -> Mqtt {
        Mqtt {
            server: server.to_owned(),
            client_id: client_id.to_owned(),
            username: None,
            password: None,
            version: MqttVersion::V5,
            tls: Tls::default(),
            status_topic: format!("lwm2m-gateway/{client_id}/status"),
            keep_alive: Duration::from_secs(30),
            window: 100,
            session_expiry: Duration::from_secs(86_400),
            duplicate_window: Duration::from_secs(60),
        }
    }
}

/// MQTT protocol version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MqttVersion {
    /// MQTT 5, and 3.1.1 where the broker refuses it.
    V5,
    /// MQTT 3.1.1 only.
    V3_1_1,
}

/// Files for TLS to the broker, PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Trust anchors; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// Client certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

/// Text that must not reach a log: its `Debug` is blind.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }
    /// The text, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Bounds of the outbox: what waits while the broker is away or slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Publications in memory.
    pub messages: usize,
    /// Bytes of their payloads and of what is needed to know of them.
    pub bytes: usize,
    /// Publications on disk beyond those in memory.
    pub disk_messages: u64,
    /// Their bytes.
    pub disk_bytes: u64,
}

impl Default for OutboxLimits {
    /// On disk: a day at 100 publications a second.
    fn default() -> Self {
        OutboxLimits { messages: 100_000, bytes: 64 << 20, disk_messages: 8_640_000, disk_bytes: 4 << 30 }
    }
}
