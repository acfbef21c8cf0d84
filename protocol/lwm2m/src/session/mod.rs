//! The whole life of one device: registration, operations, observations, sleep.
//!
//! [`Session`] is a state machine without input or output of its own. Each call changes it once; afterwards drain
//! [`Session::poll_output`] until it yields [`Output::Timeout`], and do what it says in that order.
//!
//! | File | Holds |
//! |---|---|
//! | `arrival` | datagrams: from the known address, from a new one |
//! | `interface` | requests of the device: Register, Update, Deregister, Send |
//! | `queue` | waiting commands, the awake window |
//! | `flight` | commands on the wire, their outcomes |
//! | `observation` | observations and their notifications |
//! | `request`, `answer`, `negotiation` | operations to CoAP and back |
//! | `snapshot` | what survives a restart |
mod answer;
mod arrival;
pub mod event;
mod flight;
mod interface;
mod negotiation;
mod observation;
pub mod operation;
pub mod policy;
mod queue;
mod randomness;
mod request;
pub mod snapshot;

pub use event::{Answer, Content, Ending, Event, Outcome};
pub use operation::{Attribute, Mode, Operation, Subject, Target};
pub use policy::Policy;
pub use snapshot::{Patch, Snapshot};

use crate::catalog::{Catalog, DeviceTypes};
use crate::link::Version;
use crate::registration::{LifetimeBounds, Registration};
use negotiation::Refusals;
use randomness::Randomness;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the peer of a session is, as the listener knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Address {
    /// UDP address of the device.
    pub socket: std::net::SocketAddr,
    /// Which listener it speaks to.
    pub listener: u16,
    /// Number of the DTLS association that the peer speaks through: it is authenticated, and its socket may change with a connection id.
    /// Without DTLS `None`.
    pub association: Option<std::num::NonZeroU64>,
}

impl Address {
    /// The peer is authenticated.
    pub fn is_secure(&self) -> bool {
        self.association.is_some()
    }
}

/// Where a command came from, opaque to this crate; comes back with everything that the command causes.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Ticket(pub Arc<[u8]>);

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({} bytes)", self.0.len())
    }
}

/// A moment in both clocks: monotonic for timers, wall for stored lifetimes and for times inside values.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Monotonic.
    pub instant: Instant,
    /// Unix seconds.
    pub unix: f64,
}

impl Now {
    /// The wall-clock time of a moment.
    fn unix_at(&self, moment: Instant) -> f64 {
        match moment.checked_duration_since(self.instant) {
            Some(ahead) => self.unix + ahead.as_secs_f64(),
            None => self.unix - self.instant.duration_since(moment).as_secs_f64(),
        }
    }

    /// The moment of a wall-clock time; what has passed is now.
    fn instant_at(&self, unix: f64) -> Instant {
        let ahead = Duration::try_from_secs_f64(unix - self.unix).unwrap_or_default();
        self.instant.checked_add(ahead).unwrap_or(self.instant)
    }
}

/// Names one notification or Send that waits for [`Session::confirm`] or [`Session::decline`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Delivery(pub u64);

/// What a session wants done, in the order in which it must be done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this datagram to this address.
    Transmit(Address, Vec<u8>),
    /// Something happened that others want to know.
    Event(Event),
    /// State changed that must survive a restart.
    Persist(Patch),
    /// Nothing more to do until then (`None`: until the next call).
    Timeout(Option<Instant>),
}

/// What became of a submitted command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accepted {
    /// On the wire, or next in line for an awake device.
    Sent,
    /// Waiting: the device sleeps or others are before it.
    Queued {
        /// How many wait, this one included.
        waiting: usize,
    },
}

/// Why a command was not taken; the contract turns it into the answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// No registration.
    #[error("not registered")]
    NotRegistered,
    /// `lwm2m.queue_max` commands wait already.
    #[error("queue full: {0} commands wait")]
    QueueFull(usize),
    /// The command cannot be expressed for this device (format impossible for the path, value impossible in the format…).
    #[error("bad command: {0}")]
    Impossible(String),
}

/// What [`Session::cancel`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cancelled {
    /// Commands that waited and have ended as `cancelled`.
    pub waiting: usize,
    /// Commands that are with the device already: their outcome is still to come.
    pub on_the_wire: usize,
}

/// Everything beside the operation itself.
#[derive(Clone, Debug)]
pub struct Submission {
    /// What to do.
    pub operation: Operation,
    /// Where it came from.
    pub ticket: Ticket,
    /// Not to be sent after this moment: terminal `expired`.
    pub expires: Option<Instant>,
    /// `mheaders.ttl = 0`: at once, past queue and sleep, blocking nothing.
    pub immediate: bool,
}

/// A live registration.
#[derive(Debug)]
struct Life {
    registration: Arc<Registration>,
    expires: Instant,
    refusals: Refusals,
    /// `pmax` as written through the gateway, for observations that fall silent.
    pmax: Vec<(crate::Path, u32)>,
}

impl Life {
    fn alternate_path(&self) -> &[String] {
        self.registration.objects.as_ref().map_or(&[], |objects| &objects.alternate_path)
    }

    fn negotiation(&self) -> negotiation::Negotiation<'_> {
        negotiation::Negotiation::new(&self.registration, self.refusals)
    }
}

/// The life of one device.
#[derive(Debug)]
pub struct Session {
    endpoint: Box<str>,
    policy: Arc<Policy>,
    catalog: Arc<Catalog>,
    randomness: Randomness,
    peer: coap::Peer,
    /// Of the peer; before the first registration the address of the first datagram.
    address: Option<Address>,
    /// A new address of the device, until its Register is accepted.
    arriving: Option<Box<arrival::Arriving>>,
    life: Option<Life>,
    /// Without a registration: when to give up waiting for one.
    give_up: Option<Instant>,
    last_received: Option<Instant>,
    /// Queue mode: the awake window has been reported closed.
    asleep: bool,
    /// The process is about to stop.
    resting: bool,
    /// The device came out of sleep in this call.
    woken: bool,
    /// The device waits for the answer to a Send: until then nothing of ours goes before it.
    answer_first: Option<Instant>,
    waiting: VecDeque<queue::Command>,
    flights: Vec<flight::Flight>,
    observations: Vec<observation::Observation>,
    held: Vec<(Delivery, interface::Held)>,
    last_id: u64,
    /// Outputs of the peer that were overtaken by a datagram to be sent.
    overtaken: VecDeque<coap::Output>,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A session without a registration: its first datagram is a Register for `endpoint`. `seed` must be unpredictable.
    pub fn new(endpoint: &str, policy: Arc<Policy>, catalog: Arc<Catalog>, seed: [u8; 16]) -> Session {
        let mut randomness = Randomness::new(seed);
        let peer = coap::Peer::new(policy.coap.clone(), randomness.next_seed());
        Session {
            endpoint: endpoint.into(),
            policy,
            catalog,
            randomness,
            peer,
            address: None,
            arriving: None,
            life: None,
            give_up: None,
            last_received: None,
            asleep: false,
            resting: false,
            woken: false,
            answer_first: None,
            waiting: VecDeque::new(),
            flights: Vec::new(),
            observations: Vec::new(),
            held: Vec::new(),
            last_id: 0,
            overtaken: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// A datagram of this device from `from`: the known address, or a new one (Register, or a request that names the location).
    pub fn handle_datagram(&mut self, now: Now, from: Address, datagram: &[u8]) {
        self.expire_registration(now);
        self.arrive(now, from, datagram);
        self.revive_observations(now);
        self.settle(now);
    }

    /// A command.
    pub fn submit(&mut self, now: Now, submission: Submission) -> Result<Accepted, Refused> {
        self.expire_registration(now);
        let accepted = self.take(now, submission, false);
        self.settle(now);
        accepted
    }

    /// A command that had been accepted before a restart: as [`Session::submit`], but never refused because of those that wait.
    pub fn resubmit(&mut self, now: Now, submission: Submission) -> Result<Accepted, Refused> {
        self.expire_registration(now);
        let accepted = self.take(now, submission, true);
        self.settle(now);
        accepted
    }

    /// Takes back the waiting commands whose tickets are meant: they end as `cancelled`.
    pub fn cancel(&mut self, now: Now, meant: impl Fn(&Ticket) -> bool) -> Cancelled {
        self.expire_registration(now);
        let cancelled = self.take_back(meant);
        self.settle(now);
        cancelled
    }

    /// The notification or Send is safe with the other side: now it may be acknowledged to the device.
    pub fn confirm(&mut self, now: Now, delivery: Delivery) {
        self.settle_delivery(now, delivery, true);
        self.settle(now);
    }

    /// It could not be kept: no ACK for a notification, 5.03 for a Send.
    pub fn decline(&mut self, now: Now, delivery: Delivery) {
        self.settle_delivery(now, delivery, false);
        self.settle(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.expire_registration(now);
        self.peer.handle_timeout(now.instant);
        self.arriving_timeout(now);
        self.pump(now);
        self.give_up(now);
        self.close_window(now);
        self.expire_commands(now);
        self.revive_observations(now);
        self.settle(now);
    }

    /// Settings or definitions changed.
    pub fn reload(&mut self, now: Now, policy: Arc<Policy>, catalog: Arc<Catalog>) {
        self.policy = policy;
        self.catalog = catalog;
        self.settle(now);
    }

    /// Ends the session from our side (another endpoint took the address, shutdown): waiting commands get their outcome.
    pub fn end(&mut self, now: Now, ending: Ending) {
        self.end_registration(ending);
        self.settle(now);
    }

    /// The process is about to stop: from now on no command is begun, what is on the wire goes on.
    pub fn rest(&mut self) {
        self.resting = true;
    }

    /// The process stops: commands without an outcome end as `interrupted`. The registration stays.
    pub fn abandon_commands(&mut self, now: Now) {
        for flight in std::mem::take(&mut self.flights) {
            self.peer.forget(flight.exchange);
            self.finish(flight.command, Outcome::TimedOut(Some("interrupted")), None);
        }
        for command in std::mem::take(&mut self.waiting) {
            self.finish(command, Outcome::TimedOut(Some("interrupted")), None);
        }
        self.settle(now);
    }

    /// The next thing to do; ends with [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        // An idle device keeps no buffer.
        self.outputs = VecDeque::new();
        Output::Timeout(self.next_timeout())
    }

    /// Endpoint name.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where the device is, since its first datagram.
    pub fn address(&self) -> Option<Address> {
        self.address
    }

    /// The registration, while there is one.
    pub fn registration(&self) -> Option<&Arc<Registration>> {
        self.life.as_ref().map(|life| &life.registration)
    }

    /// This device's view on the object catalog, for the translation of values.
    pub fn types(&self) -> DeviceTypes<'_> {
        types_of(&self.catalog, self.life.as_ref())
    }

    /// Awake, or asleep in queue mode.
    pub fn is_awake(&self, now: Now) -> bool {
        self.life.as_ref().is_some_and(|life| !life.registration.queue_mode || self.window_is_open(now))
    }

    /// Time until the lifetime ends.
    pub fn remaining_lifetime(&self, now: Now) -> Option<Duration> {
        self.life.as_ref().map(|life| life.expires.saturating_duration_since(now.instant))
    }

    /// Commands that wait to be sent.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Commands on the wire.
    pub fn outstanding(&self) -> usize {
        self.flights.len()
    }

    /// Live observations.
    pub fn observing(&self) -> usize {
        self.observations.len()
    }

    /// What happened on the wire since the device came to its present address.
    pub fn counters(&self) -> coap::peer::Counters {
        self.peer.counters()
    }

    /// Works off what the peers have to say and sends what may be sent, until nothing more happens.
    fn settle(&mut self, now: Now) {
        self.pump(now);
        if std::mem::take(&mut self.woken) && self.life.is_some() {
            self.emit(Event::Awake);
        }
        while self.advance(now) {
            self.pump(now);
        }
        self.pump(now);
        self.release_buffers();
    }

    fn pump(&mut self, now: Now) {
        self.pump_arriving(now);
        while let Some(output) = self.overtaken.pop_front().or_else(|| self.peer.poll_output()) {
            self.handle_peer_output(now, output);
        }
    }

    fn handle_peer_output(&mut self, now: Now, output: coap::Output) {
        use coap::Output as Peer;
        match output {
            Peer::Transmit(datagram) => self.transmit(datagram),
            Peer::Request { id, request, .. } => self.handle_request(now, id, &request),
            Peer::Notification { exchange, response, receipt, ended } => {
                self.handle_notification(now, exchange, &response, receipt, ended);
            }
            Peer::Acknowledged(exchange) => self.acknowledged(exchange),
            Peer::Response { exchange, response, observing } => self.answered(now, exchange, &response, observing),
            Peer::Reset(exchange) => self.reset(exchange),
            Peer::TimedOut { exchange, acknowledged } => self.timed_out(exchange, acknowledged),
            Peer::Failed { exchange, failure } => self.failed(exchange, failure),
            Peer::Progress { exchange, done, total } => self.progress(exchange, done, total),
        }
    }

    fn transmit(&mut self, datagram: Vec<u8>) {
        if let Some(address) = self.address {
            self.outputs.push_back(Output::Transmit(address, datagram));
        }
    }

    /// Puts the datagrams that the peer wants sent before whatever is reported next.
    fn transmit_first(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            match output {
                coap::Output::Transmit(datagram) => self.transmit(datagram),
                other => self.overtaken.push_back(other),
            }
        }
    }

    fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn persist(&mut self, patch: Patch) {
        self.outputs.push_back(Output::Persist(patch));
    }

    fn oddity(&mut self, what: impl Into<String>) {
        self.emit(Event::Oddity { what: what.into() });
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn bounds(&self) -> LifetimeBounds {
        LifetimeBounds { min: self.policy.lifetime_min, max: self.policy.lifetime_max }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let arriving = self.arriving.as_ref().and_then(|arriving| arriving.next_timeout());
        let commands = self.waiting.iter().filter_map(|command| command.expires);
        let observations = self.observations.iter().filter_map(|observation| observation.silent_at);
        [
            self.peer.poll_timeout(),
            arriving,
            self.life.as_ref().map(|life| life.expires),
            self.give_up,
            self.window_closes(),
            self.answer_first,
        ]
        .into_iter()
        .flatten()
        .chain(commands)
        .chain(observations)
        .min()
    }

    fn release_buffers(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > 0 {
            self.waiting = VecDeque::new();
        }
        if self.flights.is_empty() && self.flights.capacity() > 0 {
            self.flights = Vec::new();
        }
        if self.held.is_empty() && self.held.capacity() > 0 {
            self.held = Vec::new();
        }
        if self.overtaken.capacity() > 0 {
            self.overtaken = VecDeque::new();
        }
    }
}

/// The view of a device on the catalog, borrowed apart from the rest of the session.
fn types_of<'a>(catalog: &'a Catalog, life: Option<&'a Life>) -> DeviceTypes<'a> {
    let registration = life.map(|life| &life.registration);
    DeviceTypes {
        catalog,
        enabler: registration.map_or(Version::new(1, 0), |registration| registration.version),
        versions: registration
            .and_then(|registration| registration.objects.as_ref())
            .map_or(&[], |objects| &objects.versions),
    }
}
