//! What the fuzz targets do with their input; the corpus is replayed through the same functions by `tests/corpus.rs`.
use coap::{
    Block, Blockwise, Budget, Code, Config, ExchangeId, IncomingId, Kind, Message, Method, Output, Peer, Receipt,
    Request, Response, Urgency, option, stranger,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BODY_MAX: usize = 4096;

/// A peer whose requests, receipts and exchanges are at hand, so that input can refer to them.
struct Subject {
    peer: Peer,
    now: Instant,
    bodies: Budget,
    last_sent: Option<Message>,
    incoming: Vec<IncomingId>,
    receipts: Vec<Receipt>,
    exchanges: Vec<ExchangeId>,
}

impl Subject {
    #[allow(clippy::disallowed_methods, reason = "only a starting point: all that follows is virtual time")]
    fn new() -> Subject {
        let bodies = Budget::new(1 << 20);
        let blockwise = Blockwise { max_block_size: 64, max_body_size: BODY_MAX, ..Blockwise::default() };
        let config = Config { blockwise, bodies: bodies.clone(), ..Config::default() };
        Subject {
            peer: Peer::new(Arc::new(config), [7; 16]),
            now: Instant::now(),
            bodies,
            last_sent: None,
            incoming: Vec::new(),
            receipts: Vec::new(),
            exchanges: Vec::new(),
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            match output {
                Output::Transmit(datagram) => {
                    let message = Message::decode(&datagram).expect("what is sent is well-formed");
                    if message.code().is_request() {
                        self.last_sent = Some(message);
                    }
                }
                Output::Request { id, .. } => self.incoming.push(id),
                Output::Notification { receipt, response, .. } => {
                    self.receipts.extend(receipt);
                    assert!(response.payload.len() <= BODY_MAX, "a body within the limit");
                }
                Output::Response { response, .. } => {
                    assert!(response.payload.len() <= BODY_MAX, "a body within the limit")
                }
                _ => {}
            }
        }
        assert!(self.bodies.used() <= 16 * BODY_MAX, "a bounded number of unfinished bodies");
    }

    fn receive(&mut self, datagram: &[u8]) {
        if let Ok(message) = Message::decode(datagram) {
            if let Some(answer) = stranger::respond(&message) {
                Message::decode(&answer).expect("what is sent is well-formed");
            }
            // What was decoded is encoded to something that is decoded to the same.
            let again = Message::decode(&message.encode()).expect("what is encoded is well-formed");
            assert_eq!(
                (again.token(), again.payload(), again.code()),
                (message.token(), message.payload(), message.code())
            );
        }
        self.peer.handle_datagram(self.now, datagram);
        self.drain();
    }

    /// Our own calls, chosen by a byte.
    fn act(&mut self, choice: u8, length: usize) {
        let request = |method, observe| Request {
            method,
            path: vec!["3".into(), "0".into()],
            query: Vec::new(),
            accept: None,
            content_format: None,
            observe,
            payload: if method == Method::Get { Vec::new() } else { vec![7; length] },
        };
        let now = self.now;
        match choice % 10 {
            0 => self.exchanges.push(self.peer.request(now, request(Method::Get, None), Urgency::Ordered)),
            1 => self.exchanges.push(self.peer.request(now, request(Method::Put, None), Urgency::Immediate)),
            2 => self.exchanges.push(self.peer.request(now, request(Method::Get, Some(0)), Urgency::Ordered)),
            3 => self.exchanges.push(self.peer.request(now, request(Method::Get, Some(1)), Urgency::Ordered)),
            4 => self.advance(Duration::from_millis(length as u64 * 100)),
            5 => {
                if let Some(id) = self.incoming.pop() {
                    self.peer.respond(now, id, Response { payload: vec![1; length], ..Response::new(Code::CONTENT) });
                }
            }
            6 => self.receipts.pop().into_iter().for_each(|receipt| self.peer.confirm(now, receipt)),
            7 => self.receipts.pop().into_iter().for_each(|receipt| self.peer.decline(now, receipt)),
            8 => self.exchanges.pop().into_iter().for_each(|exchange| self.peer.forget(exchange)),
            _ => self.peer.forget_all(),
        }
        self.drain();
    }

    fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.peer.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.peer.handle_timeout(self.now);
            self.drain();
            assert!(self.peer.poll_timeout().is_none_or(|next| next > self.now), "a timer leads on");
        }
        self.now = end;
    }

    /// All timers lead to an end, and no body is kept.
    fn finish(mut self) {
        self.advance(Duration::from_secs(24 * 3600));
        assert!(self.peer.poll_timeout().is_none() && !self.peer.is_busy(), "nothing goes on for ever");
        assert_eq!(self.bodies.used(), 0, "no body is kept");
    }
}

/// Pieces of the input are datagrams of the peer, or calls of ours: a length byte (0 = a call, two bytes) and the piece.
pub fn datagrams(mut data: &[u8]) {
    let mut subject = Subject::new();
    while let Some((length, rest)) = data.split_first() {
        match (*length, rest) {
            (0, [choice, length, rest @ ..]) => {
                subject.act(*choice, usize::from(*length) * 4);
                data = rest;
            }
            (length, rest) => {
                let (datagram, rest) = rest.split_at(rest.len().min(usize::from(length)));
                subject.receive(datagram);
                data = rest;
            }
        }
    }
    subject.finish();
}

/// Every four bytes are a well-formed block message: which kind, which number, flags and size, how long the payload is; so that the
/// assembly is reached without luck.
pub fn blocks(data: &[u8]) {
    let mut subject = Subject::new();
    subject.act(2, 0);
    for (index, step) in data.chunks_exact(4).enumerate() {
        let [choice, number, flags, length] = [step[0], step[1], step[2], step[3]];
        let block = Block { number: u32::from(number & 0x1f), more: flags & 8 != 0, exponent: flags & 7 };
        let payload = match length {
            255 => vec![9; block.size().min(2048)],
            length => vec![9; usize::from(length)],
        };
        let id = index as u16;
        let message = match (choice % 8, &subject.last_sent) {
            (0..=2, _) => {
                let kind = if choice & 8 == 0 { Kind::Confirmable } else { Kind::NonConfirmable };
                let mut message = Message::new(kind, Method::Post.code(), id, &[1]);
                message.add_option(option::URI_PATH, [b'a' + (choice >> 4 & 3)]);
                message.add_uint(option::BLOCK1, block.to_uint());
                message
            }
            (3, Some(request)) => {
                let code = if flags & 0x10 == 0 { Code::CONTINUE } else { Code::CHANGED };
                let mut message = Message::new(Kind::Acknowledgement, code, request.id(), request.token());
                message.add_uint(option::BLOCK1, block.to_uint());
                message
            }
            (4 | 5, Some(request)) => {
                let (kind, id) = match choice & 8 {
                    0 => (Kind::Acknowledgement, request.id()),
                    _ => (Kind::Confirmable, id),
                };
                let mut message = Message::new(kind, Code::CONTENT, id, request.token());
                message.add_uint(option::BLOCK2, block.to_uint());
                message.add_option(option::ETAG, [flags >> 6]);
                if flags & 0x20 != 0 {
                    message.add_uint(option::OBSERVE, u32::from(number));
                }
                message
            }
            (6, _) => {
                let mut message = Message::new(Kind::Confirmable, Method::Get.code(), id, &[2]);
                message.add_option(option::URI_PATH, b"large".as_slice());
                message.add_uint(option::BLOCK2, block.to_uint());
                message
            }
            _ => {
                subject.act(choice >> 3, usize::from(length) * 8);
                continue;
            }
        };
        let mut message = message;
        message.set_payload(payload);
        subject.receive(&message.encode());
    }
    subject.finish();
}

/// Options and payload of a request and of a response: whatever is read can be read out by every accessor, is written as it was meant, and is
/// answered by a peer and to a stranger.
pub fn options(data: &[u8]) {
    for head in [[0x41, 0x02, 0x12, 0x34, 9], [0x51, 0x05, 0x12, 0x35, 9], [0x41, 0x45, 0x12, 0x36, 9]] {
        let datagram = [&head[..], data].concat();
        let Ok(message) = Message::decode(&datagram) else { continue };
        let (number, value) = (message.options().map(|(number, _)| number).last(), message.value(option::URI_PATH));
        assert!(
            value.is_none_or(|value| value.len() <= data.len())
                && number.is_none_or(|number| message.value(number).is_some())
        );
        for uint in [message.observe(), message.uint(option::SIZE1, 4), message.uint(option::NO_RESPONSE, 1)] {
            assert!(uint.is_none() || !data.is_empty());
        }
        for block in [message.block1(), message.block2()].into_iter().flatten() {
            assert_eq!(Block::from_uint(block.to_uint()), block);
        }
        assert!(message.uri_path().len() + message.uri_query().len() <= data.len());
        let _numbers = (message.content_format(), message.accept(), message.method());
        let written = message.encode();
        let again = Message::decode(&written).expect("what is written is well-formed");
        assert_eq!(again.encode(), written);
        let same = message.options().map(|(number, values)| (number, values.map(<[u8]>::to_vec).collect::<Vec<_>>()));
        let options: Vec<_> =
            again.options().map(|(number, values)| (number, values.map(<[u8]>::to_vec).collect())).collect();
        assert_eq!(same.collect::<Vec<_>>(), options);
        assert_eq!(again.payload(), message.payload());
        if let Some(answer) = stranger::respond(&message) {
            Message::decode(&answer).expect("what is answered is well-formed");
        }
        let mut subject = Subject::new();
        subject.receive(&datagram);
        subject.finish();
    }
}
