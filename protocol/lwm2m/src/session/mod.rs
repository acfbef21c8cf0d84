//! The whole life of one device: registration, operations, observations, sleep.
pub mod event;
pub mod operation;
pub mod policy;

pub use event::{Answer, Content, Ending, Event, Outcome};
pub use operation::{Attribute, Mode, Operation, Target};
pub use policy::Policy;

use crate::catalog::{Catalog, DeviceTypes};
use crate::registration::Registration;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the peer of a session is, as the listener knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Address {
    /// UDP address of the device.
    pub socket: std::net::SocketAddr,
    /// Which listener it speaks to.
    pub listener: u16,
    /// Through DTLS: the peer is authenticated and its address follows the security association.
    pub secure: bool,
}

/// Where a command came from, opaque to this crate; comes back with everything that the command causes.
#[derive(Clone, PartialEq, Eq, Hash)]
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

/// A change of what must survive a restart.
#[derive(Clone, Debug)]
pub enum Patch {
    /// The registration as a whole was made or changed.
    Registered(Arc<Registration>),
    /// The registration is over; everything of this device may be forgotten.
    Ended,
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

/// The life of one device.
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// A session without a registration: its first datagram is a Register for `endpoint`. `seed` must be unpredictable.
    pub fn new(_endpoint: &str, _policy: Arc<Policy>, _catalog: Arc<Catalog>, _seed: [u8; 16]) -> Session {
        todo!()
    }
    /// A datagram of this device from `from`: the known address, or a new one (Register, or a request that names the location).
    pub fn handle_datagram(&mut self, _now: Now, _from: Address, _datagram: &[u8]) {
        todo!()
    }
    /// A command.
    pub fn submit(&mut self, _now: Now, _submission: Submission) -> Result<Accepted, Refused> {
        todo!()
    }
    /// The notification or Send is safe with the other side: now it may be acknowledged to the device.
    pub fn confirm(&mut self, _now: Now, _delivery: Delivery) {
        todo!()
    }
    /// It could not be kept: no ACK for a notification, 5.03 for a Send.
    pub fn decline(&mut self, _now: Now, _delivery: Delivery) {
        todo!()
    }
    /// Time has passed.
    pub fn handle_timeout(&mut self, _now: Now) {
        todo!()
    }
    /// Settings or definitions changed.
    pub fn reload(&mut self, _now: Now, _policy: Arc<Policy>, _catalog: Arc<Catalog>) {
        todo!()
    }
    /// Ends the session from our side (another endpoint took the address, shutdown): waiting commands get their outcome.
    pub fn end(&mut self, _now: Now, _ending: Ending) {
        todo!()
    }
    /// The next thing to do; ends with [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output {
        todo!()
    }
    /// The registration, while there is one.
    pub fn registration(&self) -> Option<&Arc<Registration>> {
        todo!()
    }
    /// This device's view on the object catalog, for the translation of values.
    pub fn types(&self) -> DeviceTypes<'_> {
        todo!()
    }
    /// Awake, or asleep in queue mode.
    pub fn is_awake(&self, _now: Now) -> bool {
        todo!()
    }
    /// Time until the lifetime ends.
    pub fn remaining_lifetime(&self, _now: Now) -> Option<Duration> {
        todo!()
    }
}
