//! The CoAP state of one peer: reliability, de-duplication, exchanges, observations, block-wise transfers.
use crate::{Code, Config, Message, Method};
use std::sync::Arc;
use std::time::Instant;

/// Names one exchange that this side began.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

/// Names one request of the peer that waits for [`Peer::respond`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct IncomingId(pub u64);

/// Names one confirmable notification whose ACK is held back until [`Peer::confirm`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Receipt(pub u64);

/// Whether a request respects NSTART.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urgency {
    /// Waits, in order, until no other request of ours is outstanding (RFC 7252 §4.7, NSTART = 1).
    Ordered,
    /// Sent at once and blocks nothing.
    Immediate,
}

/// A request, in either direction, whole body included (blocks are already assembled, or still to be cut).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Method; of an incoming request with an unknown method code 4.05 was already answered.
    pub method: Method,
    /// Uri-Path segments.
    pub path: Vec<String>,
    /// Uri-Query members.
    pub query: Vec<String>,
    /// Accept.
    pub accept: Option<u16>,
    /// Content-Format.
    pub content_format: Option<u16>,
    /// Observe: 0 = register, 1 = cancel.
    pub observe: Option<u32>,
    /// Body.
    pub payload: Vec<u8>,
}

/// A response, in either direction, whole body included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// Response code.
    pub code: Code,
    /// Content-Format, `None` = option absent.
    pub content_format: Option<u16>,
    /// Observe sequence number (24 bits) of a response or notification.
    pub observe: Option<u32>,
    /// Location-Path segments.
    pub location_path: Vec<String>,
    /// Max-Age in seconds when present.
    pub max_age: Option<u32>,
    /// Body; the diagnostic text of an error.
    pub payload: Vec<u8>,
}

/// What a [`Peer`] wants done, in the order in which it must be done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this datagram to the peer.
    Transmit(Vec<u8>),
    /// A new request of the peer (never a duplicate): answer it with [`Peer::respond`].
    Request {
        /// To name it in the answer.
        id: IncomingId,
        /// What is asked.
        request: Request,
        /// It came as CON.
        confirmable: bool,
    },
    /// The peer acknowledged with an empty ACK; the response comes later. At most once per exchange.
    Acknowledged(ExchangeId),
    /// The response; the exchange is over. `observing`: the response established an observation, which lives on under this id.
    Response {
        /// Of which exchange.
        exchange: ExchangeId,
        /// What came.
        response: Response,
        /// An observation now exists.
        observing: bool,
    },
    /// A fresh notification of an observation, body complete. With `receipt` it was confirmable and its ACK waits for
    /// [`Peer::confirm`]. An error code ends the observation (`ended`).
    Notification {
        /// The exchange that established the observation.
        exchange: ExchangeId,
        /// What came.
        response: Response,
        /// ACK held back.
        receipt: Option<Receipt>,
        /// The observation is over.
        ended: bool,
    },
    /// The peer answered RST; the exchange is over.
    Reset(ExchangeId),
    /// No ACK after all retransmissions, or no response after the ACK; the exchange is over.
    TimedOut {
        /// Of which exchange.
        exchange: ExchangeId,
        /// An empty ACK had come: the peer is alive, but its response did not come.
        acknowledged: bool,
    },
    /// The exchange failed on our side: what came cannot be used. The exchange is over.
    Failed {
        /// Of which exchange.
        exchange: ExchangeId,
        /// Why.
        failure: Failure,
    },
    /// A block-wise transfer moved on (for log and events).
    Progress {
        /// Of which exchange.
        exchange: ExchangeId,
        /// Bytes done.
        done: usize,
        /// Bytes in all, when known.
        total: Option<usize>,
    },
}

/// Why an exchange failed on our side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// The assembled answer exceeds `max_body_size`: reported as 4.13.
    #[error("body too large")]
    BodyTooLarge,
    /// Blocks missing, out of order, of changing ETag or wrong size: reported as 4.08.
    #[error("incomplete or inconsistent block-wise answer")]
    Incomplete,
    /// The response carries a critical option that is not understood.
    #[error("unknown critical option {0} in the answer")]
    CriticalOption(u16),
}

/// What is needed to go on with an observation after a restart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObservationState {
    /// Its token.
    pub token: Vec<u8>,
    /// The request that established it.
    pub request: Request,
    /// Observe value of the freshest notification.
    pub sequence: u32,
}

/// Numbers of what happened, for tests and metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counters {
    pub received: u64,
    pub transmitted: u64,
    pub retransmitted: u64,
    pub duplicates: u64,
    pub malformed: u64,
    pub unmatched: u64,
    pub resets_sent: u64,
    pub stale_notifications: u64,
}

/// CoAP for one peer.
#[derive(Debug)]
pub struct Peer {}

impl Peer {
    /// A peer without state. `seed` must be unpredictable: message ids, tokens and back-off jitter come from it.
    pub fn new(_config: Arc<Config>, _seed: [u8; 16]) -> Peer {
        todo!()
    }
    /// A datagram of the peer.
    pub fn handle_datagram(&mut self, _now: Instant, _datagram: &[u8]) {
        todo!()
    }
    /// The same, already decoded.
    pub fn handle_message(&mut self, _now: Instant, _message: Message) {
        todo!()
    }
    /// Begins an exchange. Always confirmable. With `observe: Some(0)` the response may establish an observation. With
    /// `observe: Some(1)` the token of the observation of the same method, path, query, accept and payload is used, if there is one,
    /// and the observation ends.
    pub fn request(&mut self, _now: Instant, _request: Request, _urgency: Urgency) -> ExchangeId {
        todo!()
    }
    /// Answers a request of the peer: piggybacked while its ACK is still due, separately afterwards.
    pub fn respond(&mut self, _now: Instant, _id: IncomingId, _response: Response) {
        todo!()
    }
    /// Sends the ACK of a notification that was held back.
    pub fn confirm(&mut self, _now: Instant, _receipt: Receipt) {
        todo!()
    }
    /// Drops a held-back notification as if it had never come: no ACK, and the peer's repetition is delivered again.
    pub fn decline(&mut self, _now: Instant, _receipt: Receipt) {
        todo!()
    }
    /// Gives up an exchange or observation without a word; a later notification of it is answered RST.
    pub fn forget(&mut self, _exchange: ExchangeId) {
        todo!()
    }
    /// Gives up all observations and exchanges (a new registration began); queued output stays.
    pub fn forget_all(&mut self) {
        todo!()
    }
    /// State of an observation, to be kept across a restart.
    pub fn observation(&self, _exchange: ExchangeId) -> Option<ObservationState> {
        todo!()
    }
    /// Takes up an observation again after a restart.
    pub fn restore(&mut self, _now: Instant, _state: ObservationState) -> ExchangeId {
        todo!()
    }
    /// Time has passed; call when [`Peer::poll_timeout`] is reached.
    pub fn handle_timeout(&mut self, _now: Instant) {
        todo!()
    }
    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }
    /// When to call [`Peer::handle_timeout`] next; `None`: not until something else happens. Forgetting old duplicates alone never asks
    /// for a timer: it is done on the way.
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }
    /// Any request of ours without ACK or response.
    pub fn is_busy(&self) -> bool {
        todo!()
    }
    /// What happened so far.
    pub fn counters(&self) -> Counters {
        todo!()
    }
}
