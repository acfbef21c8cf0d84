//! DTLS associations and handshakes that came to nothing.
use super::{Event, Limiter, TARGET};
use crate::metrics;
use handshake::{Closure, Facts, Refusal};
use std::net::SocketAddr;
use std::time::Duration;

/// A handshake is finished.
#[derive(Debug)]
pub struct DtlsEstablished<'a> {
    /// Where the device is.
    pub peer: SocketAddr,
    /// Who it is, and how it came in; its endpoint name, where the identity tells it, is the line's `endpoint`.
    pub facts: &'a Facts,
}

impl Event for DtlsEstablished<'_> {
    fn emit(self) {
        metrics::DTLS_ESTABLISHED.increment();
        if self.facts.resumed {
            metrics::DTLS_RESUMED.increment();
        }
        metrics::DTLS_ASSOCIATIONS.increment();
        let Facts { identity, suite, with_cid, resumed, handshakes, .. } = self.facts;
        log::info!(target: TARGET, event = "dtls_established", endpoint = identity.endpoint().unwrap_or(""), peer:% = self.peer,
            identity:% = identity, suite = suite, cid = with_cid, resumed = resumed, handshakes = handshakes; "secure association");
    }
}

/// A handshake failed.
#[derive(Debug)]
pub struct DtlsRefused<'a> {
    /// From where.
    pub peer: SocketAddr,
    /// The endpoint name that the device's identity, proven or not, would entitle it to.
    pub endpoint: &'a str,
    /// Why, in words that an operator can act on.
    pub refusal: &'a Refusal,
}

impl DtlsRefused<'_> {
    /// Counts and, unless there were too many in this second, logs; whether it did.
    pub fn told(self) -> bool {
        static LIMITER: Limiter = Limiter::new(10);
        metrics::DTLS_REFUSED.increment();
        match self.refusal {
            Refusal::UnknownIdentity(_) | Refusal::UnknownPublicKey(_) => &metrics::DTLS_UNKNOWN,
            Refusal::WrongKey => &metrics::DTLS_WRONG_KEY,
            Refusal::Certificate(_) => &metrics::DTLS_CERTIFICATE,
            Refusal::Withdrawn(_) => &metrics::DTLS_WITHDRAWN,
            Refusal::NoCommonSuite | Refusal::Version => &metrics::DTLS_NO_COMMON_GROUND,
            Refusal::TimedOut => &metrics::DTLS_TIMED_OUT,
            Refusal::Busy => &metrics::DTLS_BUSY,
            Refusal::Alert(_) | Refusal::Protocol(_) => &metrics::DTLS_PROTOCOL,
        }
        .increment();
        let admitted = LIMITER.admit();
        if let Some(suppressed) = admitted {
            log::warn!(target: TARGET, event = "dtls_refused", endpoint = self.endpoint, peer:% = self.peer, cause:% = self.refusal,
                suppressed; "handshake failed");
        }
        admitted.is_some()
    }
}

/// Associations came back from the store.
#[derive(Debug)]
pub struct DtlsRestored {
    /// So many.
    pub associations: usize,
    /// Records that were damaged or encrypted with another key; their devices shake hands again.
    pub unreadable: usize,
    /// Records whose credentials are gone, whose device was silent for too long or has a newer association.
    pub outdated: usize,
    /// How long it took.
    pub elapsed: Duration,
}

impl Event for DtlsRestored {
    fn emit(self) {
        metrics::DTLS_ASSOCIATIONS.add(i64::try_from(self.associations).unwrap_or(i64::MAX));
        let DtlsRestored { associations, unreadable, outdated, elapsed } = self;
        let elapsed_ms = elapsed.as_millis() as u64;
        log::info!(target: TARGET, event = "dtls_restored", associations, outdated, elapsed_ms; "secure associations restored");
        if unreadable > 0 {
            log::warn!(target: TARGET, event = "dtls_restored", unreadable;
                "stored DTLS records are damaged or were encrypted with another key; they were removed, and their devices will shake hands again");
        }
    }
}

/// The store did not take what associations want kept.
#[derive(Debug)]
pub struct VaultFailed<'a> {
    /// Why.
    pub error: &'a store::WriteError,
}

impl Event for VaultFailed<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(1);
        metrics::DTLS_NOT_KEPT.increment();
        if let Some(suppressed) = LIMITER.admit() {
            log::warn!(target: TARGET, event = "dtls_not_kept", error:% = self.error, suppressed;
                "secure associations cannot be stored: after a restart their devices would have to shake hands again");
        }
    }
}

/// An association ended.
#[derive(Debug)]
pub struct DtlsClosed<'a> {
    /// Who it was.
    pub facts: &'a Facts,
    /// Why.
    pub closure: Closure,
}

impl Event for DtlsClosed<'_> {
    fn emit(self) {
        metrics::DTLS_ASSOCIATIONS.decrement();
        let identity = &self.facts.identity;
        log::info!(target: TARGET, event = "dtls_closed", endpoint = identity.endpoint().unwrap_or(""), identity:% = identity,
            cause:% = self.closure; "secure association ended");
    }
}
