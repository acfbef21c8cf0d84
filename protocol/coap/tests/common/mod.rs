//! One peer on virtual time, driven by messages as a device would send them.
#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "each test file uses its part; a test may panic")]
use coap::peer::Counters;
use coap::{Code, Config, ExchangeId, IncomingId, Kind, Message, Method, Output, Peer, Receipt, Request, Response};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use coap::option;

pub const SEED: [u8; 16] = *b"lockstep testing";

/// A peer and its clock.
pub struct Bench {
    pub peer: Peer,
    pub now: Instant,
    pub start: Instant,
    device_id: u16,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(Config::default())
    }
    pub fn with(config: Config) -> Bench {
        Bench::seeded(config, SEED)
    }
    #[allow(clippy::disallowed_methods, reason = "only a starting point: all that follows is virtual time")]
    pub fn seeded(config: Config, seed: [u8; 16]) -> Bench {
        let now = Instant::now();
        Bench { peer: Peer::new(Arc::new(config), seed), now, start: now, device_id: 0x7000 }
    }

    /// Time passes, and every timer fires when it is due. All output of that time.
    pub fn wait(&mut self, duration: Duration) -> Vec<Output> {
        let end = self.now + duration;
        let mut outputs = self.drain();
        while let Some(due) = self.peer.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.peer.handle_timeout(self.now);
            outputs.extend(self.drain());
        }
        self.now = end;
        outputs
    }
    pub fn wait_seconds(&mut self, seconds: f64) -> Vec<Output> {
        self.wait(Duration::from_secs_f64(seconds))
    }
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.peer.poll_output()).collect()
    }

    /// Raw bytes from the device.
    pub fn raw(&mut self, datagram: &[u8]) -> Vec<Output> {
        self.peer.handle_datagram(self.now, datagram);
        self.drain()
    }
    /// A datagram as hexadecimal text; blanks do not count.
    pub fn hex(&mut self, text: &str) -> Vec<Output> {
        self.raw(&bytes(text))
    }
    /// A message from the device.
    pub fn receive(&mut self, message: &Message) -> Vec<Output> {
        self.raw(&message.encode())
    }

    /// A request of ours; what was sent, if it was sent at once.
    pub fn request(&mut self, request: Request) -> (ExchangeId, Option<Message>) {
        self.request_with(request, coap::Urgency::Ordered)
    }
    pub fn request_with(&mut self, request: Request, urgency: coap::Urgency) -> (ExchangeId, Option<Message>) {
        let exchange = self.peer.request(self.now, request, urgency);
        (exchange, sent(&self.drain()).pop())
    }
    /// A request of ours that goes out at once.
    pub fn send(&mut self, request: Request) -> (ExchangeId, Message) {
        let (exchange, message) = self.request(request);
        (exchange, message.expect("the request is sent at once"))
    }

    /// Establishes an observation of `path` with this first Observe value.
    pub fn observe(&mut self, path: &str, sequence: u32) -> (ExchangeId, Message) {
        let (exchange, request) = self.send(observe(path));
        let mut answer = piggyback(&request, Code::CONTENT, b"0");
        answer.add_uint(option::OBSERVE, sequence);
        let (response, observing) = response_of(&self.receive(&answer), exchange);
        assert!(observing && response.observe == Some(sequence));
        (exchange, request)
    }

    /// Answers a request of the device.
    pub fn respond(&mut self, id: IncomingId, response: Response) -> Vec<Output> {
        self.peer.respond(self.now, id, response);
        self.drain()
    }
    pub fn confirm(&mut self, receipt: Receipt) -> Vec<Output> {
        self.peer.confirm(self.now, receipt);
        self.drain()
    }
    pub fn decline(&mut self, receipt: Receipt) -> Vec<Output> {
        self.peer.decline(self.now, receipt);
        self.drain()
    }
    pub fn counters(&self) -> Counters {
        self.peer.counters()
    }

    /// A new message of the device with a fresh message id.
    pub fn message(&mut self, kind: Kind, code: Code, token: &[u8]) -> Message {
        self.device_id += 1;
        Message::new(kind, code, self.device_id, token)
    }
    /// A separate response or notification to the request.
    pub fn separate(&mut self, kind: Kind, request: &Message, code: Code, payload: &[u8]) -> Message {
        let mut message = self.message(kind, code, request.token());
        message.set_payload(payload);
        message
    }
    /// A notification.
    pub fn notification(&mut self, kind: Kind, request: &Message, sequence: u32, payload: &[u8]) -> Message {
        let mut message = self.separate(kind, request, Code::CONTENT, payload);
        message.add_uint(option::OBSERVE, sequence);
        message
    }
    /// A request of the device.
    pub fn device_request(&mut self, method: Method, path: &str) -> Message {
        let mut message = self.message(Kind::Confirmable, method.code(), &[0xaa, 0xbb]);
        add_path(&mut message, path);
        message
    }
    /// Nothing is left: no timer, nothing busy, no output.
    pub fn assert_idle(&mut self) {
        assert!(self.peer.poll_output().is_none() && self.peer.poll_timeout().is_none() && !self.peer.is_busy());
    }
}

pub fn add_path(message: &mut Message, path: &str) {
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        message.add_option(option::URI_PATH, segment.as_bytes());
    }
}

pub fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    assert!(digits.len().is_multiple_of(2), "whole bytes");
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

pub fn get(path: &str) -> Request {
    with_body(Method::Get, path, b"")
}
pub fn observe(path: &str) -> Request {
    Request { observe: Some(0), ..get(path) }
}
pub fn with_body(method: Method, path: &str, payload: &[u8]) -> Request {
    Request {
        method,
        path: path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect(),
        query: Vec::new(),
        accept: None,
        content_format: (!payload.is_empty()).then_some(42),
        observe: None,
        payload: payload.to_vec(),
    }
}

/// The response in the ACK of a request.
pub fn piggyback(request: &Message, code: Code, payload: &[u8]) -> Message {
    let mut message = Message::new(Kind::Acknowledgement, code, request.id(), request.token());
    message.set_payload(payload);
    message
}
pub fn empty_ack(id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![0x60, 0, high, low]
}
pub fn rst(id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![0x70, 0, high, low]
}

/// The datagrams among the outputs.
pub fn datagrams(outputs: &[Output]) -> Vec<Vec<u8>> {
    let transmitted = |output: &Output| match output {
        Output::Transmit(datagram) => Some(datagram.clone()),
        _ => None,
    };
    outputs.iter().filter_map(transmitted).collect()
}
/// The same, decoded.
pub fn sent(outputs: &[Output]) -> Vec<Message> {
    datagrams(outputs).iter().map(|datagram| Message::decode(datagram).expect("what is sent is well-formed")).collect()
}
/// The only message among the outputs.
pub fn only(outputs: &[Output]) -> Message {
    let mut messages = sent(outputs);
    assert_eq!(messages.len(), 1, "one datagram: {outputs:?}");
    messages.pop().expect("it is there")
}
/// All outputs that are no datagrams.
pub fn events(outputs: &[Output]) -> Vec<Output> {
    outputs.iter().filter(|output| !matches!(output, Output::Transmit(_))).cloned().collect()
}
/// The only request of the device among the outputs.
pub fn incoming(outputs: &[Output]) -> (IncomingId, Request) {
    match events(outputs).as_slice() {
        [Output::Request { id, request, .. }] => (*id, request.clone()),
        other => panic!("one request expected: {other:?}"),
    }
}
/// The response to `exchange`, the only event that is no progress, and whether it established an observation.
pub fn response_of(outputs: &[Output], exchange: ExchangeId) -> (Response, bool) {
    let mut events = events(outputs);
    events.retain(|event| !matches!(event, Output::Progress { .. }));
    match events.as_slice() {
        [Output::Response { exchange: of, response, observing }] if *of == exchange => (response.clone(), *observing),
        other => panic!("a response to {exchange:?} expected: {other:?}"),
    }
}
/// The notification of `exchange`, the only event.
pub fn notification_of(outputs: &[Output], exchange: ExchangeId) -> (Response, Option<Receipt>, bool) {
    match events(outputs).as_slice() {
        [Output::Notification { exchange: of, response, receipt, ended }] if *of == exchange => {
            (response.clone(), *receipt, *ended)
        }
        other => panic!("a notification of {exchange:?} expected: {other:?}"),
    }
}
pub fn numbers(message: &Message) -> Vec<u16> {
    message.options().map(|(number, _)| number).collect()
}

/// SZX of a size.
pub fn szx(size: usize) -> u8 {
    (size.trailing_zeros() - 4) as u8
}
/// Adds a Block option in the notation of RFC 7959: number/more/size.
pub fn add_block(message: &mut Message, option: u16, number: u32, more: bool, size: usize) {
    message.add_uint(option, coap::Block { number, more, exponent: szx(size) }.to_uint());
}
/// A Block option in the notation of RFC 7959: number, more, size.
pub fn block_of(message: &Message, option: u16) -> Option<(u32, bool, usize)> {
    let block = message.uint(option, 3).map(coap::Block::from_uint)?;
    Some((block.number, block.more, block.size()))
}
/// The part of a body that a block carries.
pub fn part(body: &[u8], number: u32, size: usize) -> &[u8] {
    let start = number as usize * size;
    &body[start..body.len().min(start + size)]
}
/// The piggybacked answer with one block of a body.
pub fn piggyback_block(request: &Message, body: &[u8], number: u32, size: usize) -> Message {
    let mut message = piggyback(request, Code::CONTENT, part(body, number, size));
    add_block(&mut message, option::BLOCK2, number, (number as usize + 1) * size < body.len(), size);
    message
}
/// 0, 1, 2 …
pub fn body(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}
