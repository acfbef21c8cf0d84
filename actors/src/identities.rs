//! Who the peers of DTLS associations proved to be: written by the listeners, read wherever a name is claimed.
use handshake::{Facts, Identity};
use lwm2m::session::Address;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, PoisonError, RwLock};

/// One association of one listener.
type Key = (u16, NonZeroU64);

/// Shared by listeners, registry and admission.
#[derive(Debug, Default)]
pub struct Identities {
    known: RwLock<HashMap<Key, Arc<Facts>>>,
}

impl Identities {
    pub(crate) fn enter(&self, listener: u16, association: NonZeroU64, facts: Arc<Facts>) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert((listener, association), facts);
    }

    pub(crate) fn remove(&self, listener: u16, association: NonZeroU64) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(&(listener, association));
    }

    /// What is known of the association that an address belongs to; `None` without DTLS.
    pub(crate) fn facts(&self, address: Address) -> Option<Arc<Facts>> {
        let key = (address.listener, address.association?);
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Who is at an address; `None` without DTLS.
    pub fn of(&self, address: Address) -> Option<Arc<Identity>> {
        self.facts(address).map(|facts| facts.identity.clone())
    }
}
