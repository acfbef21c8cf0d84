//! The store: what was read back, what could not be written.
use super::{Event, Limiter, TARGET};
use crate::metrics;
use std::fmt::Display;
use std::time::Duration;

/// The store did not take a batch; its records wait and are written as soon as it does.
pub(crate) struct StoreFailed<'a> {
    /// Why.
    pub(crate) error: &'a dyn Display,
    /// Records in the batch.
    pub(crate) records: usize,
}

impl Event for StoreFailed<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(1);
        metrics::STORE_FAILURES.increment();
        if let Some(suppressed) = LIMITER.admit() {
            log::error!(target: TARGET, event = "store_failed", error:% = self.error, records = self.records, suppressed = suppressed;
                "state is not safe from a restart until the store takes it");
        }
    }
}

/// Somebody set the system clock.
#[derive(Debug)]
pub(crate) struct ClockSet {
    /// Forward, or back if negative.
    pub(crate) seconds: f64,
}

impl Event for ClockSet {
    fn emit(self) {
        log::warn!(target: TARGET, event = "clock_set", seconds = self.seconds; "the system clock was set; lifetimes go on as they were");
    }
}

/// A record cannot be used; it was put aside in the store.
pub(crate) struct RecordSetAside<'a> {
    /// Whose.
    pub(crate) endpoint: &'a str,
    /// Why.
    pub(crate) error: &'a dyn Display,
}

impl Event for RecordSetAside<'_> {
    fn emit(self) {
        log::warn!(target: TARGET, event = "record_set_aside", endpoint = self.endpoint, error:% = self.error;
            "a stored record cannot be read; it was put aside");
    }
}

/// The listener of a device is not configured any more.
#[derive(Debug)]
pub(crate) struct ListenerGone<'a> {
    /// Whose.
    pub(crate) endpoint: &'a str,
}

impl Event for ListenerGone<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(20);
        if let Some(suppressed) = LIMITER.admit() {
            log::warn!(target: TARGET, event = "listener_gone", endpoint = self.endpoint, suppressed = suppressed;
                "no listener of this kind is configured any more; the device is out of reach until it registers elsewhere");
        }
    }
}

/// The devices of the store are back.
#[derive(Debug)]
pub(crate) struct Restored {
    /// Registrations.
    pub(crate) devices: usize,
    /// Observations.
    pub(crate) observations: usize,
    /// How long it took.
    pub(crate) elapsed: Duration,
}

impl Event for Restored {
    fn emit(self) {
        log::info!(target: TARGET, event = "restored", devices = self.devices, observations = self.observations,
            elapsed_ms = self.elapsed.as_millis(); "registrations restored");
    }
}
