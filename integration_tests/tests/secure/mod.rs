//! A device behind DTLS: OpenSSL's client for the handshake, and where it offers a connection id (RFC 9146), which OpenSSL does not know,
//! records of its own afterwards. Those are made with the gateway's record layer, which known answers hold to the RFCs' formulas.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use dtls::record::records;
use dtls::replay::ReplayWindow;
use dtls::{Aead, Association, ConnectionId, ContentType, KeyBlock, Suite, cid};
use integration_tests::datagram::{Datagram, Kind, method};
use openssl::ssl::{
    ExtensionContext, Ssl, SslAlert, SslContext, SslMethod, SslOptions, SslSession, SslStream, SslVerifyMode,
};
use openssl::x509::X509Ref;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The key of all devices here, as hex in credentials.
pub const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct Datagrams {
    inbound: VecDeque<Vec<u8>>,
    outbound: Vec<Vec<u8>>,
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let datagram = self.inbound.pop_front().ok_or(ErrorKind::WouldBlock)?;
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for Datagrams {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.outbound.push(bytes.to_vec());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How a device comes in.
#[derive(Clone, Debug)]
pub struct Manner {
    /// PSK identity.
    pub identity: &'static str,
    /// OpenSSL's name of the suite.
    pub suite: &'static str,
    /// Offers a connection id (and wants none on what it receives).
    pub cid: bool,
    /// Knows session tickets.
    pub tickets: bool,
    /// Session to resume, as [`SecureDevice::session`] gave it.
    pub session: Option<Vec<u8>>,
}

impl Manner {
    /// CCM-8, no connection id, tickets, nothing to resume.
    pub fn plain(identity: &'static str) -> Manner {
        Manner { identity, suite: "PSK-AES128-CCM8", cid: false, tickets: true, session: None }
    }
}

/// A device with an association.
pub struct SecureDevice {
    socket: UdpSocket,
    port: u16,
    stream: SslStream<Datagrams>,
    /// After a handshake with connection id.
    own: Option<Association>,
    aead: Aead,
    /// Sequence numbers of what was received, epoch 1.
    pub received: Vec<u64>,
    /// What was sent last, as it went over the wire.
    pub last_sent: Vec<u8>,
    mid: u16,
}

impl std::fmt::Debug for SecureDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecureDevice")
    }
}

fn socket(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(("127.0.0.1", port)).expect("loopback");
    socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a time-out");
    socket
}

type Learned = Arc<Mutex<Option<Vec<u8>>>>;

fn context(manner: &Manner, learned: &Learned) -> SslContext {
    let mut context = SslContext::builder(SslMethod::dtls_client()).expect("a context");
    context.set_cipher_list(&format!("{}:@SECLEVEL=0", manner.suite)).expect("a suite");
    context.set_options(SslOptions::NO_QUERY_MTU);
    if !manner.tickets {
        context.set_options(SslOptions::NO_TICKET);
    }
    context.set_verify(SslVerifyMode::NONE);
    let identity = manner.identity;
    context.set_psk_client_callback(move |_, _, name, out| {
        name[..identity.len()].copy_from_slice(identity.as_bytes());
        name[identity.len()] = 0;
        for (byte, value) in out[..16].iter_mut().zip(0..) {
            *byte = value;
        }
        Ok(16)
    });
    if manner.cid {
        let learned = learned.clone();
        let places =
            ExtensionContext::CLIENT_HELLO | ExtensionContext::TLS1_2_SERVER_HELLO | ExtensionContext::DTLS_ONLY;
        let add =
            |_: &mut _, _, _: Option<(usize, &X509Ref)>| -> Result<Option<Vec<u8>>, SslAlert> { Ok(Some(vec![0])) };
        let parse = move |_: &mut _, _, body: &[u8], _: Option<(usize, &X509Ref)>| {
            let id = cid::parse_extension(body).ok_or(SslAlert::DECODE_ERROR)?;
            *learned.lock().expect("one thread") = Some(id.to_vec());
            Ok(())
        };
        context.add_custom_ext(54, places, add, parse).expect("the extension");
    }
    context.build()
}

impl SecureDevice {
    /// With a pre-shared key ([`KEY`]) over any suite that OpenSSL has.
    pub fn connect(port: u16, manner: &Manner) -> SecureDevice {
        SecureDevice::try_connect(port, manner).expect("the handshake ends well")
    }

    /// `None` when the handshake does not come to its end in time.
    pub fn try_connect(port: u16, manner: &Manner) -> Option<SecureDevice> {
        let learned = Learned::default();
        let mut ssl = Ssl::new(&context(manner, &learned)).expect("a connection");
        ssl.set_mtu(1200).expect("a size");
        ssl.set_connect_state();
        if let Some(session) = &manner.session {
            resume(&mut ssl, session);
        }
        let stream = SslStream::new(ssl, Datagrams::default()).expect("a stream");
        let mut device = SecureDevice {
            socket: socket(port),
            port,
            stream,
            own: None,
            aead: Aead::new().expect("a cipher"),
            received: Vec::new(),
            last_sent: Vec::new(),
            mid: 0,
        };
        let mut next = 0;
        let mut flight = Vec::new();
        for _ in 0..20 {
            let done = device.stream.do_handshake().is_ok();
            let written = std::mem::take(&mut device.stream.get_mut().outbound);
            let id = learned.lock().expect("one thread").clone();
            if !written.is_empty() {
                flight = written.iter().map(|datagram| device.wrapped(datagram, id.as_deref(), &mut next)).collect();
            }
            // Also what nobody answered is sent again: a busy gateway may have dropped it.
            for datagram in &flight {
                device.socket.send(datagram).expect("loopback");
            }
            if done {
                device.own = id.map(|id| device.end(next, Some(&id)));
                return Some(device);
            }
            let mut buffer = [0; 2000];
            if let Ok(length) = device.socket.recv(&mut buffer) {
                flight.clear();
                device.stream.get_mut().inbound.push_back(buffer[..length].to_vec());
            }
        }
        None
    }

    /// The device's end of the association.
    fn end(&self, next: u64, outbound: Option<&[u8]>) -> Association {
        let ssl = self.stream.ssl();
        let suite = ssl.current_cipher().and_then(|cipher| Suite::from_openssl_name(cipher.name()));
        let suite = suite.expect("connection ids come with AEAD suites");
        let mut end = Association::new(suite, self.keys().mirrored(), next, ReplayWindow::default(), None, outbound);
        end.reserve(1 << 20);
        end
    }

    fn keys(&self) -> KeyBlock {
        let ssl = self.stream.ssl();
        let mut master = [0; 48];
        ssl.session().expect("a session").master_key(&mut master);
        let (mut client_random, mut server_random) = ([0; 32], [0; 32]);
        ssl.client_random(&mut client_random);
        ssl.server_random(&mut server_random);
        KeyBlock::derive(&master, &client_random, &server_random).expect("keys")
    }

    /// What OpenSSL wrote, with the gateway's connection id on protected records.
    fn wrapped(&mut self, datagram: &[u8], id: Option<&[u8]>, next: &mut u64) -> Vec<u8> {
        let Some(id) = id else { return datagram.to_vec() };
        let mut out = Vec::new();
        for record in records(datagram, 0) {
            if record.epoch() == 0 {
                out.extend_from_slice(record.bytes);
                continue;
            }
            let suite = self.end(0, None).suite();
            let mut gateway = Association::new(suite, self.keys(), 0, ReplayWindow::default(), None, None);
            let mut plaintext = Vec::new();
            let opened = gateway.open(&mut self.aead, &record, &mut plaintext).expect("OpenSSL's own record");
            *next = record.sequence() + 1;
            let mut end = self.end(record.sequence(), Some(id));
            end.seal(&mut self.aead, opened.content_type, &plaintext, &mut out).expect("room");
        }
        out
    }

    /// For resuming later.
    pub fn session(&self) -> Vec<u8> {
        self.stream.ssl().session().and_then(|session| session.to_der().ok()).expect("a session")
    }

    /// The handshake was an abbreviated one.
    pub fn is_resumed(&self) -> bool {
        self.stream.ssl().session_reused()
    }

    /// A NAT gives the device another port.
    pub fn change_address(&mut self) {
        self.socket = socket(self.port);
    }

    /// Sends bytes as they are.
    pub fn send_raw(&self, bytes: &[u8]) {
        self.socket.send(bytes).expect("loopback");
    }

    /// Sends a CoAP message.
    pub fn send(&mut self, datagram: &Datagram) {
        let bytes = datagram.encode();
        let mut wire = Vec::new();
        match &mut self.own {
            Some(own) => {
                own.seal(&mut self.aead, ContentType::APPLICATION_DATA, &bytes, &mut wire).expect("room");
            }
            None => {
                self.stream.ssl_write(&bytes).expect("an association");
                wire = self.stream.get_mut().outbound.remove(0);
            }
        }
        self.socket.send(&wire).expect("loopback");
        self.last_sent = wire;
    }

    /// The next CoAP message.
    pub fn receive(&mut self) -> Datagram {
        self.receive_within(PATIENCE).expect("a message from the gateway")
    }

    /// The next CoAP message, if one comes in time.
    pub fn receive_within(&mut self, limit: Duration) -> Option<Datagram> {
        let end = std::time::Instant::now() + limit;
        let mut buffer = [0; 2000];
        while std::time::Instant::now() < end {
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            let wire = &buffer[..length];
            self.received.extend(records(wire, 0).filter(|record| record.epoch() == 1).map(|record| record.sequence()));
            let mut plaintext = Vec::new();
            match &mut self.own {
                Some(own) => {
                    let Some(record) = records(wire, ConnectionId::LEN).next() else { continue };
                    match own.open(&mut self.aead, &record, &mut plaintext) {
                        Ok(opened) if opened.content_type == ContentType::APPLICATION_DATA => {}
                        _ => continue,
                    }
                }
                None => {
                    self.stream.get_mut().inbound.push_back(wire.to_vec());
                    let mut read = [0; 2000];
                    let Ok(length) = self.stream.ssl_read(&mut read) else { continue };
                    plaintext.extend_from_slice(&read[..length]);
                }
            }
            return Some(Datagram::parse(&plaintext).expect("CoAP"));
        }
        None
    }

    /// A confirmable request with a message id and token of its own.
    pub fn request(&mut self, method: u8) -> Datagram {
        self.mid += 1;
        let [high, low] = self.mid.to_be_bytes();
        Datagram::new(Kind::Con, method, self.mid, &[high, low, 7])
    }

    /// Registers; yields the answer.
    pub fn register(&mut self, endpoint: &str, more: &[&str]) -> Datagram {
        let mut query = vec![format!("ep={endpoint}"), "lt=300".to_owned(), "lwm2m=1.1".to_owned()];
        query.extend(more.iter().map(|text| (*text).to_owned()));
        let request = self.request(method::POST).path(&["rd"]).query(&query).body("</3/0>");
        self.send(&request);
        self.receive()
    }
}

/// Offers a session of an earlier context.
#[allow(unsafe_code, reason = "the contract forbids sessions of another context: this one is made anew from its bytes")]
fn resume(ssl: &mut Ssl, session: &[u8]) {
    let session = SslSession::from_der(session).expect("a session");
    // SAFETY: a session from bytes belongs to no context.
    unsafe { ssl.set_session(&session).expect("a session that fits") };
}
