//! A device made of bytes: a UDP socket, and a test that plays the LwM2M client by hand.
use crate::datagram::{Datagram, Kind, code, hex, method, option, unhex};
use crate::{PATIENCE, QUIET};
use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The raw device.
#[derive(Debug)]
pub struct Wire {
    socket: UdpSocket,
    gateway: SocketAddr,
    mid: Cell<u16>,
    location: Vec<Vec<u8>>,
    endpoint: String,
}

/// What most tests register with.
pub const LINKS: &str = "</>;rt=\"oma.lwm2m\",</1/0>,</2/0>,</3/0>,</4/0>,</5/0>,</6/0>,</3303/0>,</33000/0>";

impl Wire {
    /// A device that has not said anything yet.
    pub fn new(gateway: SocketAddr) -> Wire {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
        let mid = Cell::new(rand::random());
        Wire { socket, gateway, mid, location: Vec::new(), endpoint: String::new() }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket has an address")
    }

    /// From now on it speaks from another port: a NAT has forgotten it, or it has rebooted.
    pub fn change_address(&mut self) {
        self.socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    }

    /// Its socket, for a test that sends by itself.
    pub fn into_socket(self) -> UdpSocket {
        self.socket
    }

    /// A message id that it has not used yet.
    pub fn next_mid(&self) -> u16 {
        self.mid.set(self.mid.get().wrapping_add(1));
        self.mid.get()
    }

    /// Endpoint name of the last registration.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Location-Path of the last registration.
    pub fn location(&self) -> &[Vec<u8>] {
        &self.location
    }

    /// Takes over the registration of another socket (same device, new address).
    pub fn set_location(&mut self, location: &[Vec<u8>]) {
        self.location = location.to_vec();
    }

    /// Sends bytes.
    pub fn send_bytes(&self, bytes: &[u8]) {
        // A refused datagram is reported with the next send (ICMP): the second try goes out.
        if self.socket.send_to(bytes, self.gateway).is_err() {
            self.socket.send_to(bytes, self.gateway).expect("a datagram can be sent");
        }
    }

    /// Sends hex digits.
    pub fn send_hex(&self, text: &str) {
        self.send_bytes(&unhex(text));
    }

    /// Sends a message.
    pub fn send(&self, datagram: &Datagram) {
        self.send_bytes(&datagram.encode());
    }

    /// The next datagram within a time, as bytes.
    pub fn receive_bytes(&self, limit: Duration) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 65_536];
        self.socket.set_read_timeout(Some(limit.max(Duration::from_millis(1)))).expect("a time-out can be set");
        let end = Instant::now() + limit;
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) if from == self.gateway => return Some(buffer[..length].to_vec()),
                Ok((_, from)) => panic!("a datagram from {from}, which is not the gateway's address {}", self.gateway),
                Err(_) if Instant::now() >= end => return None,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// The next message within a time.
    pub fn receive_within(&self, limit: Duration) -> Option<Datagram> {
        self.receive_bytes(limit).map(|bytes| {
            Datagram::parse(&bytes).unwrap_or_else(|error| panic!("the gateway sent {}: {error}", hex(&bytes)))
        })
    }

    /// The next message.
    pub fn receive(&self) -> Datagram {
        self.receive_within(PATIENCE).unwrap_or_else(|| panic!("nothing from the gateway within {PATIENCE:?}"))
    }

    /// Nothing comes for a while.
    pub fn expect_silence(&self, limit: Duration) {
        if let Some(bytes) = self.receive_bytes(limit) {
            panic!("silence was expected, not {} {:?}", hex(&bytes), Datagram::parse(&bytes));
        }
    }

    /// Nothing comes for the usual short while.
    pub fn expect_quiet(&self) {
        self.expect_silence(QUIET);
    }

    /// Whatever waits in the socket is thrown away.
    pub fn discard(&self) {
        while self.receive_bytes(Duration::from_millis(20)).is_some() {}
    }

    /// Sends a CON request and waits for its piggybacked response. Requests of the gateway that come in between are an error.
    pub fn exchange(&self, request: &Datagram) -> Datagram {
        self.send(request);
        let response = self.receive();
        assert_eq!(
            (response.kind, response.mid, &response.token),
            (Kind::Ack, request.mid, &request.token),
            "the answer to {request:?} is {response:?}"
        );
        response
    }

    /// A CON request of this device with a fresh message id and token.
    pub fn request(&self, method: u8) -> Datagram {
        let mid = self.next_mid();
        Datagram::new(Kind::Con, method, mid, &[&mid.to_be_bytes()[..], &[0x5a]].concat())
    }

    /// The Register message with these query members and links.
    pub fn register_request(&self, query: &[impl AsRef<[u8]>], links: &str) -> Datagram {
        self.request(method::POST).path(&["rd"]).with(option::CONTENT_FORMAT, [40]).query(query).body(links)
    }

    /// Registers; on success it remembers the location. Returns the answer.
    pub fn try_register(&mut self, query: &[&str], links: &str) -> Datagram {
        let answer = self.exchange(&self.register_request(query, links));
        if answer.code == code("2.01") {
            self.keep_location(&answer);
            self.endpoint = query.iter().find_map(|member| member.strip_prefix("ep=")).unwrap_or("").to_owned();
        }
        answer
    }

    /// Remembers where a 2.01 says the registration is.
    pub fn keep_location(&mut self, answer: &Datagram) {
        self.location = answer
            .options
            .iter()
            .filter(|(number, _)| *number == option::LOCATION_PATH)
            .map(|(_, value)| value.clone())
            .collect();
    }

    /// Registers, and fails the test if that is refused.
    pub fn register(&mut self, query: &[&str], links: &str) -> Datagram {
        let answer = self.try_register(query, links);
        assert_eq!(answer.code_text(), "2.01", "Register {query:?} {links} was answered {answer:?}");
        assert_eq!(self.location.first().map(Vec::as_slice), Some(&b"rd"[..]), "Location-Path of {answer:?}");
        assert!(self.location.len() >= 2, "Location-Path of {answer:?}");
        answer
    }

    /// The Update message.
    pub fn update_request(&self, query: &[&str], links: &str) -> Datagram {
        let mut request = self.request(method::POST).path(&self.location).query(query);
        if !links.is_empty() {
            request = request.with(option::CONTENT_FORMAT, [40]).body(links);
        }
        request
    }

    /// Updates; returns the answer.
    pub fn update(&self, query: &[&str], links: &str) -> Datagram {
        self.exchange(&self.update_request(query, links))
    }

    /// Deregisters; returns the answer.
    pub fn deregister(&self) -> Datagram {
        self.exchange(&self.request(method::DELETE).path(&self.location))
    }

    /// The next request of the gateway.
    pub fn expect_request(&self) -> Datagram {
        let request = self.receive();
        assert!(request.is_request() && request.kind == Kind::Con, "a CON request was expected, not {request:?}");
        assert!((1..=8).contains(&request.token.len()), "a token of 1 to 8 bytes, not {request:?}");
        request
    }

    /// Answers a request piggybacked.
    pub fn answer(&self, request: &Datagram, answer: &str, options: &[(u16, &[u8])], payload: impl AsRef<[u8]>) {
        self.send(&respond(Kind::Ack, request.mid, request, answer, options, payload));
    }

    /// Answers a request with a message of its own; returns its message id.
    pub fn answer_separately(
        &self,
        kind: Kind,
        request: &Datagram,
        answer: &str,
        options: &[(u16, &[u8])],
        payload: impl AsRef<[u8]>,
    ) -> u16 {
        let mid = self.next_mid();
        self.send(&respond(kind, mid, request, answer, options, payload));
        mid
    }

    /// An empty ACK.
    pub fn acknowledge(&self, mid: u16) {
        self.send(&Datagram::empty(Kind::Ack, mid));
    }

    /// A RST.
    pub fn reset(&self, mid: u16) {
        self.send(&Datagram::empty(Kind::Rst, mid));
    }

    /// A notification; `request` is the observe request. Returns its message id.
    pub fn notify(&self, kind: Kind, request: &Datagram, sequence: u32, format: u16, payload: impl AsRef<[u8]>) -> u16 {
        let observe = crate::datagram::uint(sequence);
        let format = crate::datagram::uint(u32::from(format));
        self.answer_separately(
            kind,
            request,
            "2.05",
            &[(option::OBSERVE, &observe), (option::CONTENT_FORMAT, &format)],
            payload,
        )
    }

    /// The empty ACK to this message id must come.
    pub fn expect_ack(&self, mid: u16) {
        let ack = self.receive();
        assert_eq!(ack, Datagram::empty(Kind::Ack, mid), "an empty ACK to {mid:04x} was expected");
    }

    /// The RST to this message id must come.
    pub fn expect_rst(&self, mid: u16) {
        let rst = self.receive();
        assert_eq!(rst, Datagram::empty(Kind::Rst, mid), "a RST to {mid:04x} was expected");
    }

    /// The gateway answers a ping of this device with RST: it lives, and everything before has been taken in.
    pub fn ping(&self) {
        let mid = self.next_mid();
        self.send(&Datagram::empty(Kind::Con, mid));
        self.expect_rst(mid);
    }
}

/// A response to a request.
pub fn respond(
    kind: Kind,
    mid: u16,
    request: &Datagram,
    answer: &str,
    options: &[(u16, &[u8])],
    payload: impl AsRef<[u8]>,
) -> Datagram {
    let mut response = Datagram::new(kind, code(answer), mid, &request.token).body(payload);
    for (number, value) in options {
        response = response.with(*number, value);
    }
    response
}
