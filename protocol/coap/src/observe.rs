//! Observations that this side holds (RFC 7641).
use crate::duplicates::Seen;
use crate::peer::{ExchangeId, Receipt};
use crate::random::Token;
use std::time::{Duration, Instant};

/// A notification that comes this long after the last fresh one is fresh whatever its number (RFC 7641 §3.4).
const REORDERING_MAX: Duration = Duration::from_secs(128);
const HALF: u32 = 1 << 23;

/// One observation.
#[derive(Debug)]
pub(crate) struct Observation {
    pub(crate) id: ExchangeId,
    pub(crate) token: Token,
    /// See [`crate::Request::identity`].
    pub(crate) identity: Box<[u8]>,
    pub(crate) freshest: Freshness,
}

/// Number and arrival of a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Freshness {
    pub(crate) sequence: u32,
    pub(crate) arrived: Instant,
}

impl Freshness {
    /// `self` is newer than `last` by the rule of RFC 7641 §3.4.
    pub(crate) fn is_newer_than(self, last: Freshness) -> bool {
        let (v1, v2) = (last.sequence, self.sequence);
        (v1 < v2 && v2 - v1 < HALF) || (v1 > v2 && v1 - v2 > HALF) || self.arrived > last.arrived + REORDERING_MAX
    }
}

/// A confirmable notification whose ACK is held back, with what is needed to forget that it came.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) receipt: Receipt,
    pub(crate) seen: Seen,
    pub(crate) exchange: ExchangeId,
    pub(crate) since: Instant,
    pub(crate) undo: Undo,
}

/// How to take back what the notification did to its observation.
#[derive(Debug)]
pub(crate) enum Undo {
    /// The observation is forgotten anyway.
    Nothing,
    /// It made `this` the freshest after `before`.
    Freshness { this: Freshness, before: Freshness },
    /// It ended the observation.
    Ended(Box<Observation>),
}
