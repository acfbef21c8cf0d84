//! Test bench: a real broker, a gateway in a thread of its own, a device that speaks hand-made CoAP, an application.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
use actors::{Gatekeeper, Gateway, Handle, Mqtt, OutboxLimits, Settings, UdpListener};
use contract::topic::{Topics, Translator};
use lwm2m::catalog::Catalog;
use lwm2m::registration::Registration;
use lwm2m::session::policy::{Admission, AutoObserve, Policy};
use lwm2m::session::{Address, Ticket};
use paho_mqtt::{AsyncClient, ConnectOptionsBuilder, CreateOptionsBuilder, Message, MessageBuilder};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub const PATIENCE: Duration = Duration::from_secs(10);

/// Below the range from which the system gives ports to unbound sockets: a socket of another test, or the very one that looks whether the
/// broker is up (TCP can connect to itself), would take it in between.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let free = |_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + std::process::id().wrapping_mul(97).wrapping_add(step) % 22_000;
        let port = u16::try_from(port).unwrap();
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
    };
    (0..22_000).find_map(free).expect("a free port between 10,000 and 32,000")
}

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// mosquitto on a port of its own.
pub struct Broker {
    pub port: u16,
    child: Option<Child>,
}

impl Broker {
    pub fn start() -> Broker {
        let mut broker = Broker { port: free_port(), child: None };
        broker.resume();
        broker
    }

    pub fn resume(&mut self) {
        let binary = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())
            .unwrap_or("mosquitto");
        let child = Command::new(binary)
            .args(["-p", &self.port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("mosquitto is installed"));
        wait_until("mosquitto accepts", || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok());
    }

    /// As a power failure does it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a test may change.
pub struct Options {
    pub bind: SocketAddr,
    pub notify_qos: u8,
    pub server: String,
    pub outbox: OutboxLimits,
    pub admission: Option<Arc<dyn Admission>>,
    pub lifecycle_events: bool,
}

impl Options {
    pub fn new(broker: u16) -> Options {
        Options {
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            notify_qos: 0,
            server: format!("mqtt://127.0.0.1:{broker}"),
            outbox: OutboxLimits::default(),
            admission: None,
            lifecycle_events: false,
        }
    }
}

/// The actors, running in a thread.
pub struct Running {
    pub udp: SocketAddr,
    pub http: SocketAddr,
    pub handle: Handle,
    stop: Option<tokio::sync::oneshot::Sender<Duration>>,
    thread: Option<JoinHandle<actors::Drained>>,
}

pub fn topics(notify_qos: u8) -> Topics {
    let translator = |topic: &str, qos| Translator { topic: topic.to_owned(), qos };
    Topics {
        own_mountpoints: Vec::new(),
        mountpoint: "lwm2m/${endpoint_name}/".to_owned(),
        command: translator("dn/#", 0),
        response: translator("up/resp", 0),
        notify: translator("up/notify", notify_qos),
        register: translator("up/resp", 0),
        update: translator("up/resp", 0),
        send: translator("up/send", notify_qos),
        event: translator("up/event", 0),
    }
}

pub fn catalog() -> Catalog {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../objects/");
    let file = std::fs::read(format!("{folder}3-1.0.xml")).unwrap();
    let (catalog, findings) = Catalog::load([("3-1.0.xml", file.as_slice())]);
    assert!(findings.iter().all(|finding| !finding.fatal), "{findings:?}");
    catalog
}

pub fn policy(admission: Arc<dyn Admission>) -> Arc<Policy> {
    Arc::new(Policy {
        coap: Arc::new(coap::Config::default()),
        lifetime_min: Duration::from_secs(1),
        lifetime_max: Duration::from_secs(86_400),
        awake_window: Duration::from_secs(22),
        queue_max: 100,
        auto_observe: AutoObserve::Off,
        auto_observe_ticket: contract::command::auto_observe_ticket as fn(&str) -> Ticket,
        admission,
        raw_unknown_objects: false,
        address_change: true,
    })
}

impl Running {
    pub fn start(options: Options) -> Running {
        let _ = env_logger::Builder::from_default_env().format_timestamp_millis().is_test(true).try_init();
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let topics = topics(options.notify_qos);
                let identities = Arc::new(actors::Identities::default());
                let admission =
                    options.admission.unwrap_or_else(|| Arc::new(Gatekeeper::new(topics.clone(), identities.clone())));
                let mut mqtt = Mqtt::new(&options.server, &format!("gateway-{}", free_port()));
                mqtt.status_topic = "gateway/status".to_owned();
                let settings = Settings {
                    shards: 2,
                    udp: vec![UdpListener::new(options.bind)],
                    dtls: Vec::new(),
                    identities,
                    mqtt,
                    topics,
                    voice: contract::message::Settings {
                        lifecycle_events: options.lifecycle_events,
                        ..Default::default()
                    },
                    policy: policy(admission),
                    catalog: Arc::new(catalog()),
                    outbox: options.outbox,
                    store: None,
                    dtls_key: None,
                };
                let gateway: Gateway = actors::start(settings).await.unwrap();
                let (server, http) = actors::http::serve((Ipv4Addr::LOCALHOST, 0).into(), gateway.handle()).unwrap();
                let serving = server.handle();
                actix_rt::spawn(server);
                tell.send((gateway.local_addresses()[0], http, gateway.handle())).unwrap();
                let timeout = stopped.await.unwrap_or(Duration::from_secs(2));
                let drained = gateway.drain(timeout).await;
                serving.stop(false).await;
                drained
            })
        });
        let (udp, http, handle) = told.recv_timeout(PATIENCE).expect("the gateway starts");
        Running { udp, http, handle, stop: Some(stop), thread: Some(thread) }
    }

    pub fn ready(self) -> Running {
        wait_until("the gateway is ready", || self.handle.health().is_ready());
        self
    }

    pub fn stop(mut self) -> actors::Drained {
        self.stop.take().unwrap().send(Duration::from_secs(3)).unwrap();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Refuses nothing, but panics for endpoints whose name says so.
#[derive(Debug)]
pub struct Fragile;

impl Admission for Fragile {
    fn admit(&self, registration: &Registration, _: Address) -> Result<(), (coap::Code, String)> {
        assert!(registration.member("panic").is_none(), "asked to panic");
        Ok(())
    }
}

/// A device that speaks CoAP by hand.
pub struct Device {
    pub socket: UdpSocket,
    pub gateway: SocketAddr,
    next_id: u16,
}

/// One datagram, taken apart as far as the tests need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coap {
    pub kind: u8,
    pub code: u8,
    pub id: u16,
    pub token: Vec<u8>,
    pub rest: Vec<u8>,
}

impl Device {
    pub fn new(gateway: SocketAddr) -> Device {
        Device::at((Ipv4Addr::LOCALHOST, 0).into(), gateway)
    }

    pub fn at(bind: SocketAddr, gateway: SocketAddr) -> Device {
        let socket = UdpSocket::bind(bind).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Device { socket, gateway, next_id: 1000 }
    }

    pub fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.gateway).unwrap();
    }

    pub fn receive_from(&self) -> (Coap, SocketAddr) {
        let mut buffer = [0; 2048];
        let (length, from) = self.socket.recv_from(&mut buffer).expect("a datagram of the gateway");
        let bytes = &buffer[..length];
        let token = usize::from(bytes[0] & 15);
        let coap = Coap {
            kind: (bytes[0] >> 4) & 3,
            code: bytes[1],
            id: u16::from_be_bytes([bytes[2], bytes[3]]),
            token: bytes[4..4 + token].to_vec(),
            rest: bytes[4 + token..].to_vec(),
        };
        (coap, from)
    }

    pub fn receive(&self) -> Coap {
        self.receive_from().0
    }

    pub fn is_silent_for(&self, time: Duration) -> bool {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let silent = self.socket.recv_from(&mut [0; 2048]).is_err();
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        silent
    }

    fn post(&mut self, path: &[&[u8]], query: &[String], payload: &[u8]) -> u16 {
        self.next_id += 1;
        let mut bytes = vec![0x42, 2];
        bytes.extend(self.next_id.to_be_bytes());
        bytes.extend([0xaa, 0xbb]);
        let mut last = 0;
        let mut option = |bytes: &mut Vec<u8>, number: u8, value: &[u8]| {
            let delta = number - last;
            last = number;
            if value.len() < 13 {
                bytes.push((delta << 4) | u8::try_from(value.len()).unwrap());
            } else {
                bytes.push((delta << 4) | 13);
                bytes.push(u8::try_from(value.len() - 13).unwrap());
            }
            bytes.extend(value);
        };
        for segment in path {
            option(&mut bytes, 11, segment);
        }
        for member in query {
            option(&mut bytes, 15, member.as_bytes());
        }
        if !payload.is_empty() {
            bytes.push(0xff);
            bytes.extend(payload);
        }
        self.send(&bytes);
        self.next_id
    }

    /// Sends a Register with object 3 and further members; its message id.
    pub fn send_register(&mut self, endpoint: &str, more: &[&str]) -> u16 {
        let mut query = vec![format!("ep={endpoint}"), "lt=300".to_owned(), "lwm2m=1.0".to_owned()];
        query.extend(more.iter().map(|member| (*member).to_owned()));
        self.post(&[b"rd"], &query, b"</3/0>")
    }

    /// Registers; the location id.
    pub fn register(&mut self, endpoint: &str) -> Vec<u8> {
        let id = self.send_register(endpoint, &[]);
        let answer = self.receive();
        assert_eq!((answer.kind, answer.code, answer.id), (2, 0x41, id), "2.01 Created");
        // Location-Path: `rd` (delta 8, 2 bytes), then the id.
        assert_eq!(&answer.rest[..3], b"\x82rd");
        let length = usize::from(answer.rest[3] & 15);
        let (at, length) = if length == 13 { (5, 13 + usize::from(answer.rest[4])) } else { (4, length) };
        answer.rest[at..at + length].to_vec()
    }

    pub fn update(&mut self, location: &[u8]) -> u8 {
        let id = self.post(&[b"rd", location], &[], b"");
        let answer = self.receive();
        assert_eq!(answer.id, id);
        answer.code
    }

    /// Answers a request with 2.05 text, `observe` if given.
    pub fn answer(&self, request: &Coap, observe: Option<u8>, text: &str) {
        self.content(2, request.id, &request.token, observe, text);
    }

    /// A notification of the observation with this token.
    pub fn notify(&self, confirmable: bool, id: u16, token: &[u8], observe: u8, text: &str) {
        self.content(if confirmable { 0 } else { 1 }, id, token, Some(observe), text);
    }

    fn content(&self, kind: u8, id: u16, token: &[u8], observe: Option<u8>, text: &str) {
        let mut bytes = vec![0x40 | (kind << 4) | u8::try_from(token.len()).unwrap(), 0x45];
        bytes.extend(id.to_be_bytes());
        bytes.extend(token);
        if let Some(observe) = observe {
            bytes.extend([0x61, observe]);
        }
        bytes.push(0xff);
        bytes.extend(text.as_bytes());
        self.send(&bytes);
    }
}

/// An MQTT application that sees everything.
pub struct App {
    client: AsyncClient,
    messages: mpsc::Receiver<Message>,
}

impl App {
    pub fn connect(broker: u16) -> App {
        let options = CreateOptionsBuilder::new()
            .server_uri(format!("mqtt://127.0.0.1:{broker}"))
            .client_id(format!("app-{}", free_port()))
            .mqtt_version(paho_mqtt::MQTT_VERSION_5)
            .finalize();
        let client = AsyncClient::new(options).unwrap();
        let (tell, messages) = mpsc::channel();
        client.set_message_callback(move |_, message| {
            if let Some(message) = message {
                let _ = tell.send(message);
            }
        });
        let clean = ConnectOptionsBuilder::new_v5().clean_start(true).finalize();
        client.connect(clean).wait_for(PATIENCE).unwrap();
        client.subscribe("#", 1).wait_for(PATIENCE).unwrap();
        App { client, messages }
    }

    pub fn publish(&self, message: Message) {
        self.client.publish(message).wait_for(PATIENCE).unwrap();
    }

    pub fn command(&self, endpoint: &str, json: &str) {
        self.publish(MessageBuilder::new().topic(format!("lwm2m/{endpoint}/dn")).payload(json).qos(1).finalize());
    }

    /// The next message that the gateway published on `topic`.
    pub fn next_message(&self, topic: &str) -> Message {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left).unwrap_or_else(|_| panic!("no message on {topic}"));
            if message.topic() == topic {
                return message;
            }
        }
    }

    pub fn next(&self, topic: &str) -> Value {
        serde_json::from_slice(self.next_message(topic).payload()).unwrap()
    }

    pub fn is_silent_on(&self, topic: &str, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while let Ok(message) = self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if message.topic() == topic {
                return false;
            }
        }
        true
    }
}

/// `GET`, its status and body.
pub fn get(http: SocketAddr, path: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(http).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

/// The value of a metric line.
pub fn metric(http: SocketAddr, line: &str) -> f64 {
    let (_, text) = get(http, "/metrics");
    let value = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{line} not in\n{text}")).parse().unwrap()
}
