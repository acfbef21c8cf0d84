//! The CoAP state of one peer: reliability, de-duplication, exchanges, observations, block-wise transfers.
//!
//! Rules that the RFCs leave open:
//! - **NSTART** is 1: of the [`Urgency::Ordered`] requests one at a time is unacknowledged, the others wait in the order in which they
//!   were made. An empty ACK frees the line, since the peer is alive and working: the next request goes out while the first waits for
//!   its separate response. The next block of a transfer goes before requests that were made later.
//! - **A message id that comes again with other bytes** is a new message, not a duplicate (a device that restarted).
//! - **A block-wise notification** is acknowledged at once, since the peer would repeat it while we fetch the rest; it is delivered without
//!   receipt when its body is complete.
mod client;
mod notification;
mod server;

pub(crate) use server::refusal;

use crate::duplicates::{self, Answer, Duplicates, Seen};
use crate::exchange::Exchange;
use crate::incoming::Server;
use crate::message::empty;
use crate::message_id::MessageIds;
use crate::observe::Observation;
use crate::random::Random;
pub use crate::request::Request;
pub use crate::response::Response;
use crate::{Config, Kind, Message, MessageError};
use std::collections::VecDeque;
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
    /// The response; the exchange is over. `observing`: the response established an observation, which lives on under this id. An
    /// earlier observation of the same target ends with the response, whatever it is.
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
    /// The exchange, or the observation of this id, failed on our side: what came cannot be used. It is over.
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
    /// The memory for unfinished bodies is used up (see [`crate::Budget`]): reported as 5.03.
    #[error("too many block-wise transfers at once")]
    Exhausted,
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
    /// Notifications in blocks whose rest could not be fetched.
    pub incomplete_notifications: u64,
}

/// [`Counters`] in half the room: one peer does not reach 2³² of anything.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    received: u32,
    transmitted: u32,
    retransmitted: u32,
    duplicates: u32,
    malformed: u32,
    unmatched: u32,
    resets_sent: u32,
    stale_notifications: u32,
    incomplete_notifications: u32,
}

/// CoAP for one peer.
#[derive(Debug)]
pub struct Peer {
    config: Arc<Config>,
    random: Random,
    ids: MessageIds,
    /// Last number given to an exchange, an incoming request or a receipt.
    last_name: u64,
    outputs: VecDeque<Output>,
    duplicates: Duplicates,
    /// Boxed: they are moved about, and most of the time there is none.
    #[expect(clippy::vec_box, reason = "removing and inserting must not move whole exchanges")]
    exchanges: Vec<Box<Exchange>>,
    observations: Vec<Observation>,
    server: Option<Box<Server>>,
    tally: Tally,
    /// An upload was broken off: the next one to the same target must not be mixed up with it (RFC 9175 §3.3).
    upload_aborted: bool,
}

impl Peer {
    /// A peer without state. `seed` must be unpredictable: message ids, tokens and back-off jitter come from it.
    pub fn new(config: Arc<Config>, seed: [u8; 16]) -> Peer {
        let mut random = Random::new(seed);
        let ids = MessageIds::new(random.next() as u16);
        Peer {
            config,
            random,
            ids,
            last_name: 0,
            outputs: VecDeque::new(),
            duplicates: Duplicates::default(),
            exchanges: Vec::new(),
            observations: Vec::new(),
            server: None,
            tally: Tally::default(),
            upload_aborted: false,
        }
    }

    /// A datagram of the peer.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        match Message::decode(datagram) {
            Ok(message) => self.handle_message(now, message),
            Err(error) => {
                self.tally.received += 1;
                self.tally.malformed += 1;
                if let MessageError::Format { kind: Kind::Confirmable, id } = error {
                    self.reset(id);
                }
            }
        }
    }

    /// The same, already decoded.
    pub fn handle_message(&mut self, now: Instant, message: Message) {
        self.tally.received += 1;
        let code = message.code();
        match message.kind() {
            Kind::Acknowledgement if code.is_response() => self.handle_piggybacked(now, message),
            Kind::Acknowledgement if code == crate::Code::EMPTY => self.handle_acknowledgement(now, message.id()),
            Kind::Reset if code == crate::Code::EMPTY => self.handle_reset(now, message.id()),
            Kind::Acknowledgement | Kind::Reset => self.tally.malformed += 1,
            Kind::Confirmable if code == crate::Code::EMPTY => self.reset(message.id()),
            Kind::NonConfirmable if code == crate::Code::EMPTY => self.tally.malformed += 1,
            Kind::Confirmable | Kind::NonConfirmable => self.handle_new_or_duplicate(now, message),
        }
        self.tidy();
    }

    /// Begins an exchange. Always confirmable. With `observe: Some(0)` the response may establish an observation; one that exists for the
    /// same target lends its token, so that the peer replaces it. With `observe: Some(1)` the token of the observation of the same
    /// method, path, query, accept and payload is used, if there is one, and the observation ends.
    pub fn request(&mut self, now: Instant, request: Request, urgency: Urgency) -> ExchangeId {
        let id = ExchangeId(self.name());
        self.begin(now, id, request, urgency);
        id
    }

    /// Answers a request of the peer: piggybacked while its ACK is still due, separately afterwards.
    pub fn respond(&mut self, now: Instant, id: IncomingId, response: Response) {
        self.answer_pending(now, id, response);
        self.tidy();
    }

    /// Sends the ACK of a notification that was held back.
    pub fn confirm(&mut self, _now: Instant, receipt: Receipt) {
        if let Some(held) = self.take_held(receipt) {
            self.acknowledge(held.seen);
        }
        self.tidy();
    }

    /// Drops a held-back notification as if it had never come: no ACK, and the peer's repetition is delivered again.
    pub fn decline(&mut self, _now: Instant, receipt: Receipt) {
        if let Some(held) = self.take_held(receipt) {
            self.undo(held);
        }
        self.tidy();
    }

    /// Gives up an exchange or observation without a word; a later notification of it is answered RST. If it was outstanding,
    /// [`Peer::poll_timeout`] then asks to be called at once, and the next request goes out.
    pub fn forget(&mut self, exchange: ExchangeId) {
        self.forget_exchange(exchange);
        self.forget_undo(|held| held == exchange);
        self.tidy();
    }

    /// Gives up all observations and exchanges (a new registration began); queued output stays.
    pub fn forget_all(&mut self) {
        self.upload_aborted |= self.exchanges.iter().any(|exchange| exchange.upload.is_some());
        self.exchanges = Vec::new();
        self.observations = Vec::new();
        self.forget_undo(|_| true);
        self.tidy();
    }

    /// State of an observation, to be kept across a restart.
    pub fn observation(&self, exchange: ExchangeId) -> Option<ObservationState> {
        let observation = self.observations.iter().find(|observation| observation.id == exchange)?;
        let request = Request { observe: Some(0), ..Request::of_identity(&observation.identity)? };
        Some(ObservationState {
            token: observation.token.as_slice().to_vec(),
            request,
            sequence: observation.freshest.sequence,
        })
    }

    /// Takes up an observation again after a restart. Its last notification counts as just arrived: for 128 s older numbers are stale.
    pub fn restore(&mut self, now: Instant, state: ObservationState) -> ExchangeId {
        let id = ExchangeId(self.name());
        self.restore_observation(now, id, &state);
        id
    }

    /// Time has passed; call when [`Peer::poll_timeout`] is reached.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance_server(now);
        self.advance_exchanges(now);
        self.tidy();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            // Most peers are idle most of the time: what is empty takes no memory.
            self.outputs = VecDeque::new();
        }
        output
    }

    /// When to call [`Peer::handle_timeout`] next; `None`: not until something else happens. Forgetting old duplicates alone never asks
    /// for a timer: it is done on the way.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let server = self.server.as_ref().and_then(|server| server.due());
        server.into_iter().chain(self.exchanges_due()).min()
    }

    /// Any request of ours without ACK or response.
    pub fn is_busy(&self) -> bool {
        self.exchanges.iter().any(|exchange| !exchange.is_acknowledged())
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        let tally = self.tally;
        Counters {
            received: tally.received.into(),
            transmitted: tally.transmitted.into(),
            retransmitted: tally.retransmitted.into(),
            duplicates: tally.duplicates.into(),
            malformed: tally.malformed.into(),
            unmatched: tally.unmatched.into(),
            resets_sent: tally.resets_sent.into(),
            stale_notifications: tally.stale_notifications.into(),
            incomplete_notifications: tally.incomplete_notifications.into(),
        }
    }

    /// A CON or NON with a code: answered from memory if it came before.
    fn handle_new_or_duplicate(&mut self, now: Instant, message: Message) {
        let seen = Seen { id: message.id(), fingerprint: message.fingerprint() };
        if let Some((answer, datagram)) = self.duplicates.find(now, seen) {
            let datagram = datagram.map(<[u8]>::to_vec);
            self.tally.duplicates += 1;
            match answer {
                Answer::Pending | Answer::Silence => {}
                Answer::Acknowledgement => self.transmit(empty(Kind::Acknowledgement, seen.id)),
                Answer::Reset => self.reset(seen.id),
                Answer::Datagram => datagram.into_iter().for_each(|datagram| self.transmit(datagram)),
            }
            return;
        }
        let confirmable = message.kind() == Kind::Confirmable;
        let transmission = &self.config.transmission;
        let (lifetime, answer) = match confirmable {
            true => (transmission.exchange_lifetime(), Answer::Pending),
            false => (transmission.non_lifetime(), Answer::Silence),
        };
        let max = self.config.duplicates_max();
        let max = if self.config.bodies.is_forgetful() { max.min(duplicates::FEW) } else { max };
        self.duplicates.insert(now, seen, lifetime, answer, max);
        match message.code().is_request() {
            true => self.handle_request(now, message),
            false => self.handle_response(now, seen, message),
        }
    }

    fn transmit(&mut self, datagram: Vec<u8>) {
        self.tally.transmitted += 1;
        self.outputs.push_back(Output::Transmit(datagram));
    }

    /// Sends the empty ACK of a message, now and for its repetitions.
    fn acknowledge(&mut self, seen: Seen) {
        self.duplicates.set(seen, Answer::Acknowledgement, None);
        self.transmit(empty(Kind::Acknowledgement, seen.id));
    }

    /// Rejects a confirmable message, now and for its repetitions.
    fn reject(&mut self, seen: Seen) {
        self.duplicates.set(seen, Answer::Reset, None);
        self.reset(seen.id);
    }

    fn reset(&mut self, id: u16) {
        self.tally.resets_sent += 1;
        self.transmit(empty(Kind::Reset, id));
    }

    fn name(&mut self) -> u64 {
        self.last_name += 1;
        self.last_name
    }

    fn server(&mut self) -> &mut Server {
        self.server.get_or_insert_default()
    }

    /// What is empty takes no memory, and what is remembered is accounted for.
    fn tidy(&mut self) {
        self.duplicates.account(&self.config.bodies);
        if self.server.as_ref().is_some_and(|server| server.is_empty()) {
            self.server = None;
        }
        if self.exchanges.is_empty() && self.exchanges.capacity() > 0 {
            self.exchanges = Vec::new();
        }
        if self.observations.is_empty() && self.observations.capacity() > 0 {
            self.observations = Vec::new();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.duplicates.close(&self.config.bodies);
    }
}
