//! The anti-replay window (RFC 6347 §4.1.2.6): the 64 sequence numbers up to the newest one seen.
use serde::{Deserialize, Serialize};

/// Bit n stands for `newest - n`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ReplayWindow {
    newest: u64,
    seen: u64,
}

impl ReplayWindow {
    /// A window in which everything up to and including `newest` counts as seen.
    pub fn closed_up_to(newest: u64) -> ReplayWindow {
        ReplayWindow { newest, seen: u64::MAX }
    }

    /// The newest number seen; `None` before the first.
    pub fn newest(&self) -> Option<u64> {
        (self.seen != 0).then_some(self.newest)
    }

    /// The number was not seen and is not too old to tell.
    pub fn is_fresh(&self, sequence: u64) -> bool {
        if self.seen == 0 || sequence > self.newest {
            return true;
        }
        let age = self.newest - sequence;
        age < 64 && self.seen >> age & 1 == 0
    }

    /// Notes a number whose record was verified; tells whether it is newer than all before.
    pub fn note(&mut self, sequence: u64) -> bool {
        if self.seen != 0 && sequence <= self.newest {
            let age = self.newest - sequence;
            if age < 64 {
                self.seen |= 1 << age;
            }
            return false;
        }
        let step = if self.seen == 0 { 64 } else { sequence - self.newest };
        self.seen = if step < 64 { self.seen << step | 1 } else { 1 };
        self.newest = sequence;
        true
    }
}
