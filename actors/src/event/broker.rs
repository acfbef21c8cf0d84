//! The connection to the broker and the outbox.
use super::{Event, Limiter, TARGET};
use crate::metrics;

/// Connected and subscribed.
#[derive(Debug)]
pub struct BrokerUp<'a> {
    /// Address.
    pub server: &'a str,
    /// `5` or `3.1.1`.
    pub version: &'a str,
    /// Publications that waited.
    pub queued: usize,
}

impl Event for BrokerUp<'_> {
    fn emit(self) {
        metrics::BROKER_UP.increment();
        metrics::BROKER_CONNECTED.set(1);
        log::info!(target: TARGET, event = "broker_up", server = self.server, version = self.version, queued = self.queued; "connected to the broker");
    }
}

/// The connection is gone, or could not be made.
#[derive(Debug)]
pub struct BrokerDown<'a> {
    /// Address.
    pub server: &'a str,
    /// It had been connected.
    pub was_up: bool,
    /// Why.
    pub error: &'a str,
    /// Milliseconds until the next attempt.
    pub retry_ms: u64,
}

impl Event for BrokerDown<'_> {
    fn emit(self) {
        metrics::BROKER_CONNECTED.set(0);
        if self.was_up {
            metrics::BROKER_LOST.increment()
        } else {
            metrics::BROKER_FAILED.increment()
        }
        log::warn!(target: TARGET, event = "broker_down", server = self.server, error = self.error, retry_ms = self.retry_ms; "no connection to the broker");
    }
}

/// The broker speaks only MQTT 3.1.1.
#[derive(Debug)]
pub struct FellBack<'a> {
    /// Address.
    pub server: &'a str,
    /// What it said to MQTT 5.
    pub error: &'a str,
}

impl Event for FellBack<'_> {
    fn emit(self) {
        log::warn!(target: TARGET, event = "broker_down", server = self.server, error = self.error;
            "the broker refuses MQTT 5: falling back to 3.1.1 (no response topics, correlation data or expiry)");
    }
}

/// The outbox had to drop or refuse something.
#[derive(Debug)]
pub struct OutboxFull<'a> {
    /// Whose.
    pub endpoint: &'a str,
    /// An older droppable notification went; otherwise a publication was refused.
    pub dropped: bool,
}

impl Event for OutboxFull<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(1);
        if self.dropped {
            metrics::OUTBOX_DROPPED.increment()
        } else {
            metrics::OUTBOX_REFUSED.increment()
        }
        if let Some(suppressed) = LIMITER.admit() {
            let cause = if self.dropped { "oldest notification dropped" } else { "publication refused" };
            log::warn!(target: TARGET, event = "outbox_full", endpoint = self.endpoint, cause = cause, suppressed = suppressed; "outbox full");
        }
    }
}

/// The broker refused one publication for good.
#[derive(Debug)]
pub struct PublishRefused<'a> {
    /// Whose.
    pub endpoint: &'a str,
    /// Where to.
    pub topic: &'a str,
    /// Why.
    pub error: &'a str,
}

impl Event for PublishRefused<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(5);
        metrics::PUBLISH_REFUSED.increment();
        if let Some(suppressed) = LIMITER.admit() {
            log::error!(target: TARGET, event = "publish_refused", endpoint = self.endpoint, topic = self.topic, error = self.error,
                suppressed = suppressed; "publication refused by the broker");
        }
    }
}

/// A command subscription was refused: commands cannot arrive.
#[derive(Debug)]
pub struct SubscribeRefused<'a> {
    /// Topic filter.
    pub filter: &'a str,
    /// Why.
    pub error: &'a str,
}

impl Event for SubscribeRefused<'_> {
    fn emit(self) {
        log::error!(target: TARGET, event = "broker_down", topic = self.filter, error = self.error; "command subscription refused");
    }
}

/// Memory has no more room for what must arrive: the disk takes it.
#[derive(Debug)]
pub struct OutboxSpills;

impl Event for OutboxSpills {
    fn emit(self) {
        log::info!(target: TARGET, event = "outbox_spills"; "the outbox goes on on disk");
    }
}

/// All that was on disk alone is in memory again.
#[derive(Debug)]
pub struct OutboxDrained;

impl Event for OutboxDrained {
    fn emit(self) {
        log::info!(target: TARGET, event = "outbox_drained"; "the outbox fits into memory again");
    }
}

/// The store takes nothing any more.
#[derive(Debug)]
pub struct StoreUnavailable;

impl Event for StoreUnavailable {
    fn emit(self) {
        metrics::STORE_UNAVAILABLE.set(1);
        log::error!(target: TARGET, event = "store_unavailable";
            "the store takes nothing, disk full or failed: new commands are refused, confirmable notifications are not acknowledged");
    }
}

/// It takes writes again.
#[derive(Debug)]
pub struct StoreAvailable;

impl Event for StoreAvailable {
    fn emit(self) {
        metrics::STORE_UNAVAILABLE.set(0);
        log::info!(target: TARGET, event = "store_recovered"; "the store takes writes again");
    }
}
