//! The vault: associations, sessions and ticket keys in the store, encrypted, so that devices go on after a restart as if nothing had been.
//!
//! - **An association** is written when it begins, and again when half of its reserved sequence numbers are used: before a number is used, the
//!   store has reached the operating system with a bound above it. After a restart the association goes on at that bound.
//! - **Its trace** (address, newest number of the device) is written once a second together with all others that changed. After a crash, records of
//!   the last second could be replayed; older ones, and after an orderly end all, count as seen.
//! - **What cannot be read** (damaged, or encrypted with another key) is removed and told in one WARN line: its devices shake hands again.
pub(crate) mod key;
mod restore;

use crate::event::{Event, VaultFailed};
use handshake::{Endpoint, LinkId, SessionChange, StoredLink, Trace};
use key::Key;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use store::{Batch, Part, Store, WriteError};

pub(crate) use restore::Restored;

/// Association numbers reserved at a time.
const NUMBERS: u64 = 1 << 16;

/// One listener's part of the store.
#[derive(Debug)]
pub(crate) struct Vault {
    store: Store,
    key: Key,
    /// What all its keys begin with: the address of the listener, which stays when the configuration is reordered.
    prefix: Vec<u8>,
    /// Association numbers below this are reserved.
    numbers: u64,
}

/// The kinds of records of a listener; they follow its address in the key.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// By association number: [`StoredLink`].
    Association = b'a',
    /// By association number: [`Mark`].
    Trace = b't',
    /// By session id: a session of a client without tickets.
    Session = b's',
    /// The ticket key.
    Tickets = b'k',
    /// The bound of association numbers.
    Numbers = b'n',
}

/// A [`Trace`], and which address of ours the device speaks to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Mark {
    trace: Trace,
    local: Option<IpAddr>,
}

impl Vault {
    /// For the listener that is bound to this address.
    pub(crate) fn new(store: Store, key: Key, listener: SocketAddr) -> Vault {
        let mut prefix = listener.to_string().into_bytes();
        prefix.push(0);
        Vault { store, key, prefix, numbers: 0 }
    }

    fn record(&self, kind: Kind, id: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + 1 + id.len());
        key.extend_from_slice(&self.prefix);
        key.push(kind as u8);
        key.extend_from_slice(id);
        key
    }

    fn put(&self, batch: &mut Batch, kind: Kind, id: &[u8], plaintext: &[u8]) {
        let record = self.record(kind, id);
        if let Some(sealed) = self.key.seal(&record, plaintext) {
            batch.put(Part::Associations, record, sealed);
        }
    }

    fn put_value(&self, batch: &mut Batch, kind: Kind, id: &[u8], value: &impl Serialize) {
        // Serialising to memory fails only for types that these are not.
        if let Ok(mut plaintext) = postcard::to_allocvec(value) {
            self.put(batch, kind, id, &plaintext);
            plaintext.fill(0);
            std::hint::black_box(&plaintext);
        }
    }

    fn write(&self, batch: Batch) -> Result<(), WriteError> {
        self.store.write(batch).inspect_err(|error| VaultFailed { error }.emit())
    }

    /// An association has this number, which must not be given to another one, whatever happens.
    pub(crate) fn number(&mut self, link: LinkId) {
        if link.0.saturating_add(NUMBERS / 2) > self.numbers {
            let mut batch = Batch::new();
            self.reserve(&mut batch, link.0);
            // Half of the range is left to try again.
            let _ = self.write(batch);
        }
    }

    /// Keeps an association; false when its sequence numbers are not safe: what was stored before could not be removed either.
    pub(crate) fn keep(&self, link: LinkId, stored: &StoredLink, first: bool) -> bool {
        let mut batch = Batch::new();
        self.put_value(&mut batch, Kind::Association, &link.0.to_be_bytes(), stored);
        if self.write(batch).is_ok() {
            return true;
        }
        // Without the new bound the association must not come back after a restart. One that was never written does not.
        first || self.forget(link)
    }

    fn reserve(&mut self, batch: &mut Batch, next: u64) {
        self.numbers = next.saturating_add(NUMBERS);
        self.put_value(batch, Kind::Numbers, b"", &self.numbers);
    }

    /// Removes an association.
    pub(crate) fn forget(&self, link: LinkId) -> bool {
        let id = link.0.to_be_bytes();
        let mut batch = Batch::new();
        batch.remove(Part::Associations, self.record(Kind::Association, &id));
        batch.remove(Part::Associations, self.record(Kind::Trace, &id));
        self.write(batch).is_ok()
    }

    /// Keeps what changed since the last call, all in one batch.
    pub(crate) fn keep_changes(&self, endpoint: &mut Endpoint, local: impl Fn(LinkId) -> Option<IpAddr>) {
        let mut batch = Batch::new();
        for (link, trace) in endpoint.take_traces() {
            self.put_value(&mut batch, Kind::Trace, &link.0.to_be_bytes(), &Mark { trace, local: local(link) });
        }
        for change in endpoint.take_sessions() {
            match change {
                SessionChange::Made(id, content) => self.put(&mut batch, Kind::Session, &id, &content),
                SessionChange::Dropped(id) => {
                    batch.remove(Part::Associations, self.record(Kind::Session, &id));
                }
            }
        }
        // A failure is told; the traces that follow make good for it.
        let _ = self.write(batch);
    }
}
