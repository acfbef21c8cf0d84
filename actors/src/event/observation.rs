//! Information reporting interface: observations, notifications, Sends.
use super::{Event, Limiter, TARGET};
use crate::metrics;

/// An observation now exists.
#[derive(Debug)]
pub struct ObserveStarted<'a> {
    /// On whom.
    pub endpoint: &'a str,
}

impl Event for ObserveStarted<'_> {
    fn emit(self) {
        metrics::OBSERVE_STARTED.increment();
        log::debug!(target: TARGET, event = "observe_started", endpoint = self.endpoint; "observation established");
    }
}

/// An observation is over without a command.
#[derive(Debug)]
pub struct ObserveEnded<'a> {
    /// On whom.
    pub endpoint: &'a str,
    /// The device stopped answering.
    pub lost: bool,
}

impl Event for ObserveEnded<'_> {
    fn emit(self) {
        if self.lost {
            metrics::OBSERVE_LOST.increment();
            log::warn!(target: TARGET, event = "observe_lost", endpoint = self.endpoint; "observation lost");
        } else {
            metrics::OBSERVE_ENDED.increment();
            log::info!(target: TARGET, event = "observe_ended", endpoint = self.endpoint; "observation ended");
        }
    }
}

/// A notification came.
#[derive(Debug)]
pub struct Notified<'a> {
    /// From whom.
    pub endpoint: &'a str,
    /// Code.
    pub code: coap::Code,
}

impl Event for Notified<'_> {
    fn emit(self) {
        metrics::NOTIFICATIONS.increment();
        log::debug!(target: TARGET, event = "notify", endpoint = self.endpoint, code:% = self.code; "notification");
    }
}

/// A Send came.
#[derive(Debug)]
pub struct DataSent<'a> {
    /// From whom.
    pub endpoint: &'a str,
    /// Values in it.
    pub values: usize,
}

impl Event for DataSent<'_> {
    fn emit(self) {
        metrics::SENDS.increment();
        log::debug!(target: TARGET, event = "notify", endpoint = self.endpoint, op = "send", values = self.values; "send");
    }
}

/// A notification or Send could not be kept: the device does not get its ACK.
#[derive(Debug)]
pub struct Declined<'a> {
    /// From whom.
    pub endpoint: &'a str,
}

impl Event for Declined<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(5);
        metrics::DECLINED.increment();
        if let Some(suppressed) = LIMITER.admit() {
            log::warn!(target: TARGET, event = "outbox_full", endpoint = self.endpoint, suppressed = suppressed; "notification not acknowledged");
        }
    }
}

/// Something came that cannot be used.
#[derive(Debug)]
pub struct Oddity<'a> {
    /// From whom.
    pub endpoint: &'a str,
    /// In words.
    pub what: &'a str,
}

impl Event for Oddity<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(10);
        metrics::ODDITIES.increment();
        if let Some(suppressed) = LIMITER.admit() {
            log::info!(target: TARGET, event = "oddity", endpoint = self.endpoint, cause = self.what, suppressed = suppressed; "unusable message");
        }
    }
}

/// A block-wise transfer moved on.
#[derive(Debug)]
pub struct Progress<'a> {
    /// With whom.
    pub endpoint: &'a str,
    /// Bytes done.
    pub done: usize,
    /// Bytes in all, when known.
    pub total: Option<usize>,
}

impl Event for Progress<'_> {
    fn emit(self) {
        log::debug!(target: TARGET, event = "progress", endpoint = self.endpoint, done = self.done, total = self.total.unwrap_or(0); "block-wise transfer");
    }
}
