//! Requests of the peer that are being answered, and what their answers still need.
use crate::assembly::Assemblies;
use crate::block::Block;
use crate::duplicates::Seen;
use crate::observe::Held;
use crate::peer::IncomingId;
use crate::random::Token;
use crate::reliability::Retransmission;
use crate::{Kind, Message, Method, Response, option};
use std::time::Instant;

/// Bodies served in blocks per peer; beyond it the oldest goes.
const SERVED_MAX: usize = 4;
/// What a request for a further block must have in common with the first one.
const KEY_OPTIONS: [u16; 3] = [option::URI_PATH, option::URI_QUERY, option::ACCEPT];

/// All state of the server side and of held notifications; most peers have none of it most of the time.
#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) pending: Vec<Incoming>,
    /// Separate responses that wait for their ACK.
    pub(crate) separate: Vec<Retransmission>,
    pub(crate) assemblies: Assemblies,
    pub(crate) served: Vec<Served>,
    pub(crate) held: Vec<Held>,
}

impl Server {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
            && self.separate.is_empty()
            && self.assemblies.is_empty()
            && self.served.is_empty()
            && self.held.is_empty()
    }

    /// When something here is due next.
    pub(crate) fn due(&self) -> Option<Instant> {
        let pending = self.pending.iter().map(|incoming| incoming.ack_due.unwrap_or(incoming.expires));
        let separate = self.separate.iter().map(|retransmission| retransmission.due);
        let served = self.served.iter().map(|served| served.expires);
        pending.chain(separate).chain(served).chain(self.assemblies.expires()).min()
    }

    /// Keeps a response whose further blocks the peer will ask for.
    pub(crate) fn keep(&mut self, served: Served) {
        self.served.retain(|other| other.key != served.key);
        if self.served.len() >= SERVED_MAX {
            self.served.remove(0);
        }
        self.served.push(served);
    }
}

/// One request of the peer, not yet answered.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) id: IncomingId,
    pub(crate) seen: Seen,
    pub(crate) token: Token,
    pub(crate) confirmable: bool,
    /// By when the ACK must leave; `None`: it has left, or none is due.
    pub(crate) ack_due: Option<Instant>,
    /// Nobody answers any more.
    pub(crate) expires: Instant,
    pub(crate) block1: Option<Block>,
    pub(crate) block2: Option<Block>,
    pub(crate) safe: bool,
    pub(crate) key: Box<[u8]>,
    no_response: u32,
}

impl Incoming {
    pub(crate) fn new(id: IncomingId, message: &Message, ack_due: Instant, expires: Instant) -> Incoming {
        let confirmable = message.kind() == Kind::Confirmable;
        Incoming {
            id,
            seen: Seen { id: message.id(), fingerprint: message.fingerprint() },
            token: Token::new(message.token()),
            confirmable,
            ack_due: confirmable.then_some(ack_due),
            expires,
            block1: message.block1(),
            block2: message.block2(),
            safe: message.method().is_some_and(Method::is_safe),
            key: target_key(message, &KEY_OPTIONS),
            no_response: message.uint(option::NO_RESPONSE, 1).unwrap_or(0),
        }
    }

    /// The peer does not want responses of this class (RFC 7967 §2.1). 2.31 is never withheld: the transfer would stop.
    pub(crate) fn is_unwanted(&self, response: &Response) -> bool {
        let class = response.code.class();
        response.code != crate::Code::CONTINUE && class > 0 && self.no_response >> (class - 1) & 1 == 1
    }
}

/// A response that the peer fetches block by block.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) key: Box<[u8]>,
    pub(crate) response: Response,
    pub(crate) expires: Instant,
}

/// Method and the given options as bytes: equal for requests that belong together.
pub(crate) fn target_key(message: &Message, options: &[u16]) -> Box<[u8]> {
    let mut key = vec![message.code().0];
    for number in options {
        for value in message.values(*number) {
            key.extend_from_slice(&number.to_be_bytes());
            key.extend_from_slice(&(value.len() as u16).to_be_bytes());
            key.extend_from_slice(value);
        }
    }
    key.into_boxed_slice()
}
