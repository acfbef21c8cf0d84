//! Reliable transmission of one confirmable message (RFC 7252 §4.2).
use crate::Transmission;
use std::time::{Duration, Instant};

/// A confirmable message that is not yet acknowledged.
#[derive(Debug)]
pub(crate) struct Retransmission {
    pub(crate) id: u16,
    pub(crate) due: Instant,
    datagram: Vec<u8>,
    timeout: Duration,
    repeated: u32,
}

/// What to do about it now.
pub(crate) enum Due {
    /// Its time has not come.
    Wait,
    /// Send it once more.
    Repeat(Vec<u8>),
    /// It was sent often enough.
    GiveUp,
}

impl Retransmission {
    /// `datagram` is sent for the first time now; `timeout` is the randomised first one.
    pub(crate) fn begin(now: Instant, id: u16, datagram: Vec<u8>, timeout: Duration) -> Retransmission {
        Retransmission { id, due: now + timeout, datagram, timeout, repeated: 0 }
    }

    pub(crate) fn advance(&mut self, now: Instant, transmission: &Transmission) -> Due {
        if now < self.due {
            return Due::Wait;
        }
        if self.repeated >= transmission.retransmissions() {
            return Due::GiveUp;
        }
        self.repeated += 1;
        self.timeout *= 2;
        self.due = now + self.timeout;
        Due::Repeat(self.datagram.clone())
    }
}
