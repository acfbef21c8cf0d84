//! Registration interface: who came, went, moved, slept.
use super::{Event, Limiter, TARGET};
use crate::metrics;
use lwm2m::session::{Address, Ending};
use std::net::SocketAddr;

/// A device registered.
#[derive(Debug)]
pub struct Registered<'a> {
    /// Who.
    pub endpoint: &'a str,
    /// From where.
    pub from: Address,
    /// Location-Path, `/rd/…`.
    pub location: &'a str,
    /// Effective lifetime in seconds.
    pub lifetime: u64,
    /// It had a registration before.
    pub replaced: bool,
}

impl Event for Registered<'_> {
    fn emit(self) {
        metrics::REGISTERED.increment();
        if self.replaced {
            metrics::REPLACED.increment();
        } else {
            metrics::DEVICES_REGISTERED.increment();
        }
        log::info!(target: TARGET, event = if self.replaced { "replaced" } else { "registered" }, endpoint = self.endpoint,
            peer:% = self.from.socket, location = self.location, lifetime = self.lifetime; "device registered");
    }
}

/// A device updated its registration.
#[derive(Debug)]
pub struct Updated<'a> {
    /// Who.
    pub endpoint: &'a str,
    /// With an object list.
    pub with_objects: bool,
}

impl Event for Updated<'_> {
    fn emit(self) {
        metrics::UPDATED.increment();
        log::debug!(target: TARGET, event = "updated", endpoint = self.endpoint, objects = self.with_objects; "registration updated");
    }
}

/// A registration is over.
#[derive(Debug)]
pub struct Ended<'a> {
    /// Who.
    pub endpoint: &'a str,
    /// Why.
    pub ending: Ending,
}

impl Event for Ended<'_> {
    fn emit(self) {
        metrics::DEVICES_REGISTERED.decrement();
        let (event, counter) = match self.ending {
            Ending::Deregistered => ("deregistered", &metrics::DEREGISTERED),
            Ending::Expired => ("expired", &metrics::EXPIRED),
            Ending::Replaced => ("replaced", &metrics::DISPLACED),
            Ending::Removed => ("deregistered", &metrics::REMOVED),
        };
        counter.increment();
        let cause = match self.ending {
            Ending::Deregistered => "device",
            Ending::Expired => "lifetime",
            Ending::Replaced => "another endpoint at this address",
            Ending::Removed => "gateway",
        };
        log::info!(target: TARGET, event = event, endpoint = self.endpoint, cause = cause; "registration ended");
    }
}

/// A Register was refused.
#[derive(Debug)]
pub struct RegistrationRefused<'a> {
    /// Who.
    pub endpoint: &'a str,
    /// From where.
    pub from: Option<Address>,
    /// Code that it got.
    pub code: Option<coap::Code>,
    /// Why.
    pub reason: &'a str,
}

impl Event for RegistrationRefused<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(20);
        metrics::REGISTRATION_REFUSED.increment();
        if let Some(suppressed) = LIMITER.admit() {
            let peer = self.from.map(|from| from.socket.to_string()).unwrap_or_default();
            let code = self.code.map(|code| code.to_string()).unwrap_or_default();
            log::warn!(target: TARGET, event = "registration_refused", endpoint = self.endpoint, peer = peer.as_str(), code = code.as_str(),
                cause = self.reason, suppressed = suppressed; "registration refused");
        }
    }
}

/// A device speaks from a new address.
#[derive(Debug)]
pub struct Moved<'a> {
    /// Who.
    pub endpoint: &'a str,
    /// Before.
    pub from: SocketAddr,
    /// Now.
    pub to: SocketAddr,
}

impl Event for Moved<'_> {
    fn emit(self) {
        metrics::MOVED.increment();
        log::info!(target: TARGET, event = "moved", endpoint = self.endpoint, from:% = self.from, peer:% = self.to; "device moved");
    }
}

/// A queue-mode device woke.
#[derive(Debug)]
pub struct Awake<'a> {
    /// Who.
    pub endpoint: &'a str,
}

impl Event for Awake<'_> {
    fn emit(self) {
        metrics::AWAKE.increment();
        log::debug!(target: TARGET, event = "awake", endpoint = self.endpoint; "device awake");
    }
}

/// A queue-mode device went to sleep.
#[derive(Debug)]
pub struct Asleep<'a> {
    /// Who.
    pub endpoint: &'a str,
    /// Commands that wait.
    pub queued: usize,
}

impl Event for Asleep<'_> {
    fn emit(self) {
        metrics::ASLEEP.increment();
        log::debug!(target: TARGET, event = "asleep", endpoint = self.endpoint, queued = self.queued; "device asleep");
    }
}

/// A panic in a device cost its current message.
#[derive(Debug)]
pub struct DeviceRevived<'a> {
    /// Who.
    pub endpoint: &'a str,
    /// What the panic said.
    pub error: &'a str,
    /// Commands that were ended because of it.
    pub interrupted: usize,
}

impl Event for DeviceRevived<'_> {
    fn emit(self) {
        metrics::DEVICES_REVIVED.increment();
        log::error!(target: TARGET, event = "device_revived", endpoint = self.endpoint, error = self.error, queued = self.interrupted;
            "a panic cost this device its current message");
    }
}
