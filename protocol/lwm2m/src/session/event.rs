//! What a session reports.
use super::{Address, Delivery, Ticket};
use crate::registration::Registration;
use crate::{Node, Path};
use coap::Code;
use std::sync::Arc;

/// Why a registration ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// DELETE by the device.
    Deregistered,
    /// Lifetime passed without an Update.
    Expired,
    /// Another endpoint registered from the same address.
    Replaced,
    /// An operator or the gateway ended it.
    Removed,
}

/// The body of an answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Content {
    /// No content (writes, errors).
    None,
    /// Decoded nodes in wire order.
    Nodes(Vec<Node>),
    /// One opaque body of a request path (content format 42, or one that nobody can decode).
    Bytes(Vec<u8>),
    /// Links of a Discover, as sent.
    Links(Vec<String>),
}

/// What a device answered, decoded.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// Code as the device sent it, or the gateway's where content could not be decoded or assembled.
    pub code: Code,
    /// Body.
    pub content: Content,
    /// Diagnostic text of an error.
    pub diagnostic: Option<String>,
    /// New path from Location-Path (Create), alternate path cut off.
    pub location: Option<Path>,
}

/// The terminal outcome of a command.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// The device answered (or the gateway in its place, with an error code).
    Answered(Answer),
    /// RST.
    Reset,
    /// No answer; with a word about it (`expired`, `interrupted`, `no response after ack`…).
    TimedOut(Option<&'static str>),
    /// Taken and then not carried out (registration ended while waiting, …).
    Refused(super::Refused),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Register accepted. Ordered after the Transmit of the 2.01.
    Registered {
        /// What the device said.
        registration: Arc<Registration>,
        /// The location that this one replaces, if the session had a registration before.
        replaced: Option<Vec<String>>,
    },
    /// Update accepted.
    Updated {
        /// Merged data.
        registration: Arc<Registration>,
        /// The Update carried an object list.
        with_objects: bool,
    },
    /// The registration is over.
    Ended {
        /// Of what.
        registration: Arc<Registration>,
        /// Why.
        ending: Ending,
    },
    /// The Register was refused, or never completed: the session has no registration and none to wait for.
    NeverRegistered {
        /// Code that the device got, if any.
        code: Option<Code>,
        /// Why, in words.
        reason: String,
    },
    /// A Register for another endpoint came from this device's address: not handled here, hand it to the registry.
    Stray {
        /// From where.
        from: Address,
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// The device speaks from a new address now.
    Moved {
        /// Before.
        from: Address,
        /// Now.
        to: Address,
    },
    /// Queue mode: the awake window opened.
    Awake,
    /// Queue mode: the awake window closed.
    Asleep {
        /// Commands that wait.
        queued: usize,
    },
    /// A command went to the device (DEBUG line).
    Sent {
        /// Which.
        ticket: Ticket,
    },
    /// Empty ACK to a command.
    Acknowledged {
        /// Which.
        ticket: Ticket,
    },
    /// A command is over: exactly once per accepted command.
    Finished {
        /// Which.
        ticket: Ticket,
        /// How.
        outcome: Outcome,
        /// Observe value of the answer that established an observation.
        observing: Option<u32>,
    },
    /// A fresh notification.
    Notified {
        /// The observe command.
        ticket: Ticket,
        /// Observe value.
        sequence: u32,
        /// What came.
        answer: Answer,
        /// Confirmable: wants [`super::Session::confirm`] or [`super::Session::decline`].
        delivery: Option<Delivery>,
    },
    /// An observation is over without a command of ours (error notification, not re-established…). `lost`: the device stopped answering.
    ObservationEnded {
        /// The observe command.
        ticket: Ticket,
        /// Lost rather than ended by the device.
        lost: bool,
    },
    /// A Send of the device.
    DataSent {
        /// What came.
        nodes: Vec<Node>,
        /// Wants [`super::Session::confirm`] or [`super::Session::decline`].
        delivery: Delivery,
    },
    /// A block-wise transfer moved on.
    Progress {
        /// The command.
        ticket: Ticket,
        /// Bytes done.
        done: usize,
        /// Bytes in all, when known.
        total: Option<usize>,
    },
    /// A notification or Send came that cannot be used (undecodable Send, unknown observation…); for log and metrics.
    Oddity {
        /// In words.
        what: String,
    },
}
