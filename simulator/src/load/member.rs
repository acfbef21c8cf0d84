//! One lean device: a location, its observations, what it waits for.

use std::time::{Duration, Instant};

/// What a CON message of a member was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Register,
    Update,
    Deregister,
    Notify,
}

/// A CON message that waits for its acknowledgement.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) purpose: Purpose,
    pub(super) message_id: u16,
    pub(super) bytes: Vec<u8>,
    pub(super) first_sent: Instant,
    pub(super) timeout: Duration,
    pub(super) attempts: u32,
}

/// Token and content (index into the plan's contents) of one observation.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) token: Vec<u8>,
    pub(super) content: u16,
    pub(super) sequence: u32,
}

/// One device of a fleet.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) message_id: u16,
    pub(super) location: Option<Box<str>>,
    /// At most one CON message at a time (NSTART 1).
    pub(super) pending: Option<Box<Pending>>,
    pub(super) observed: Vec<Observed>,
}

impl Member {
    pub(super) fn new(message_id: u16) -> Member {
        Member { message_id, location: None, pending: None, observed: Vec::new() }
    }

    pub(super) fn next_message_id(&mut self) -> u16 {
        self.message_id = self.message_id.wrapping_add(1);
        self.message_id
    }
}
