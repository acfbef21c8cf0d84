//! DTLS associations and handshakes that came to nothing.
use super::{Event, Limiter, TARGET};
use crate::metrics;
use handshake::{Closure, Facts, Refusal};
use std::net::SocketAddr;

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
