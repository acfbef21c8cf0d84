//! What is up: for `/health/ready`.
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use store::Store;

/// Readiness: latches that whoever becomes ready sets, and the present state of the broker beside them.
#[derive(Debug, Default)]
pub struct Health {
    listeners: AtomicBool,
    subscribed: AtomicBool,
    broker: AtomicBool,
    draining: AtomicBool,
    store: Option<Store>,
}

impl Health {
    pub(crate) fn new(store: Option<Store>) -> Health {
        Health { store, ..Health::default() }
    }

    /// All listeners bound, the store takes writes, broker connected and subscribed at least once, and not draining. A broker that goes away later does not
    /// count: devices are served and publications wait for it.
    pub fn is_ready(&self) -> bool {
        self.listeners.load(Relaxed)
            && self.is_store_up()
            && self.subscribed.load(Relaxed)
            && !self.draining.load(Relaxed)
    }

    /// All listeners are bound.
    pub fn are_listeners_bound(&self) -> bool {
        self.listeners.load(Relaxed)
    }

    /// The store takes writes: its files are open and the disk has room.
    pub fn is_store_up(&self) -> bool {
        self.store.as_ref().is_none_or(Store::is_healthy)
    }

    /// Connected and subscribed at this moment.
    pub fn is_broker_up(&self) -> bool {
        self.broker.load(Relaxed)
    }

    /// The gateway is stopping.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    pub(crate) fn listeners_bound(&self) {
        self.listeners.store(true, Relaxed);
    }

    pub(crate) fn broker_up(&self, up: bool) {
        self.broker.store(up, Relaxed);
        if up {
            self.subscribed.store(true, Relaxed);
        }
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Health;

    #[test]
    fn ready_needs_listeners_and_one_subscription_and_ends_with_the_drain() {
        let health = Health::default();
        assert!(!health.is_ready());
        health.broker_up(true);
        assert!(!health.is_ready());
        health.listeners_bound();
        assert!(health.is_ready());
        health.broker_up(false);
        assert!(health.is_ready() && !health.is_broker_up());
        health.drain();
        assert!(!health.is_ready());
    }
}
