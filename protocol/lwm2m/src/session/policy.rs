//! Settings of a session.
use std::sync::Arc;
use std::time::Duration;

/// `auto_observe` (contract 8.1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AutoObserve {
    /// Nothing.
    #[default]
    Off,
    /// Every listed object with a definition but the core ones.
    All,
    /// These paths, if listed.
    Paths(Vec<String>),
}

/// Settings that all sessions share; replaced as a whole on reload.
#[derive(Clone, Debug)]
pub struct Policy {
    /// CoAP parameters.
    pub coap: Arc<coap::Config>,
    /// Shorter lifetimes are refused with 4.00.
    pub lifetime_min: Duration,
    /// Longer lifetimes are cut to this; also the effective lifetime of `lt=0`.
    pub lifetime_max: Duration,
    /// Awake window after the last datagram of a queue-mode device.
    pub awake_window: Duration,
    /// Waiting commands per device.
    pub queue_max: usize,
    /// Observe by itself after a first registration.
    pub auto_observe: AutoObserve,
    /// Ticket of auto-observe commands for a path; made by the contract.
    pub auto_observe_ticket: fn(&str) -> super::Ticket,
    /// Asked for every Register (and Update from a new address) before it is accepted: topic safety, identity, provisioning.
    pub admission: Arc<dyn Admission>,
    /// `unknown_objects = "raw"`: untyped values are passed on; otherwise such an answer becomes 4.00.
    pub raw_unknown_objects: bool,
    /// Update and Deregister from a new address are taken when the location is right (without DTLS).
    pub address_change: bool,
}

/// Decides whether a well-formed registration may be accepted.
pub trait Admission: Send + Sync + std::fmt::Debug {
    /// `Err` carries the code for the device and the reason in words.
    fn admit(
        &self,
        registration: &crate::registration::Registration,
        from: super::Address,
    ) -> Result<(), (coap::Code, String)>;
}
