//! Who the peers of DTLS associations proved to be: written by the listeners, read wherever a name is claimed.
use handshake::Identity;
use lwm2m::session::Address;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, PoisonError, RwLock};

/// One association of one listener.
type Key = (u16, NonZeroU64);

/// Shared by listeners, registry and admission.
#[derive(Debug, Default)]
pub struct Identities {
    known: RwLock<HashMap<Key, Arc<Identity>>>,
}

impl Identities {
    pub(crate) fn enter(&self, listener: u16, association: NonZeroU64, identity: Arc<Identity>) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert((listener, association), identity);
    }

    pub(crate) fn remove(&self, listener: u16, association: NonZeroU64) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(&(listener, association));
    }

    /// Who is at an address; `None` without DTLS.
    pub fn of(&self, address: Address) -> Option<Arc<Identity>> {
        let key = (address.listener, address.association?);
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }
}
