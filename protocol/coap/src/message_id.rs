//! Message ids of one peer: consecutive from a random start, none twice within EXCHANGE_LIFETIME (RFC 7252 §4.4).
use std::time::{Duration, Instant};

const QUARTER: u32 = 1 << 14;
const ALL: u32 = 1 << 16;

/// Hands out message ids. The 65,536 ids form four quarters, and a quarter is entered anew only when all of its ids are old enough:
/// that is when the quarter after it was begun long enough ago.
#[derive(Debug)]
pub(crate) struct MessageIds {
    start: u16,
    /// How many were handed out; cut back by `ALL` so that it never overflows, but never below `ALL` again.
    issued: u32,
    /// When each quarter was begun last; kept only by peers that ever fill one.
    begun: Option<Box<[Instant; 4]>>,
}

impl MessageIds {
    pub(crate) fn new(start: u16) -> MessageIds {
        MessageIds { start, issued: 0, begun: None }
    }

    /// When the next id may be used, if not at once.
    pub(crate) fn free_at(&self, lifetime: Duration) -> Option<Instant> {
        let begun = self.begun.as_deref()?;
        let entering = self.issued >= ALL && self.issued.is_multiple_of(QUARTER);
        entering.then(|| begun[self.quarter(1)] + lifetime)
    }

    /// The next id; `None` while it might still be in use.
    pub(crate) fn next(&mut self, now: Instant, lifetime: Duration) -> Option<u16> {
        if self.free_at(lifetime).is_some_and(|free| now < free) {
            return None;
        }
        if self.issued > 0 && self.issued.is_multiple_of(QUARTER) {
            let quarter = self.quarter(0);
            self.begun.get_or_insert_with(|| Box::new([now; 4]))[quarter] = now;
        }
        let id = self.start.wrapping_add(self.issued as u16);
        self.issued += 1;
        if self.issued == 2 * ALL {
            self.issued = ALL;
        }
        Some(id)
    }

    fn quarter(&self, ahead: u32) -> usize {
        (self.issued / QUARTER + ahead) as usize % 4
    }
}
