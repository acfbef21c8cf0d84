//! DTLS associations and handshakes that came to nothing.
use super::{Event, Limiter, TARGET};
use crate::metrics;
use handshake::{Closure, Identity, Refusal};
use std::net::SocketAddr;

/// A handshake is finished.
#[derive(Debug)]
pub struct DtlsEstablished<'a> {
    /// Where the device is.
    pub peer: SocketAddr,
    /// Who it is; its endpoint name, where the identity tells it, is the line's `endpoint`.
    pub identity: &'a Identity,
    /// OpenSSL's name of the suite.
    pub suite: &'a str,
    /// Connection ids are in use.
    pub with_cid: bool,
    /// By session id or ticket.
    pub resumed: bool,
}

impl Event for DtlsEstablished<'_> {
    fn emit(self) {
        metrics::DTLS_ESTABLISHED.increment();
        metrics::DTLS_ASSOCIATIONS.increment();
        log::info!(target: TARGET, event = "dtls_established", endpoint = self.identity.endpoint().unwrap_or(""), peer:% = self.peer,
            identity:% = self.identity, suite = self.suite, cid = self.with_cid, resumed = self.resumed; "secure association");
    }
}

/// A handshake failed.
#[derive(Debug)]
pub struct DtlsRefused<'a> {
    /// From where.
    pub peer: SocketAddr,
    /// Why, in words that an operator can act on.
    pub refusal: &'a Refusal,
}

impl Event for DtlsRefused<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(10);
        metrics::DTLS_REFUSED.increment();
        if let Some(suppressed) = LIMITER.admit() {
            log::warn!(target: TARGET, event = "dtls_refused", peer:% = self.peer, cause:% = self.refusal, suppressed; "handshake failed");
        }
    }
}

/// An association ended.
#[derive(Debug)]
pub struct DtlsClosed<'a> {
    /// Who it was.
    pub identity: &'a Identity,
    /// Why.
    pub closure: Closure,
}

impl Event for DtlsClosed<'_> {
    fn emit(self) {
        metrics::DTLS_ASSOCIATIONS.decrement();
        log::info!(target: TARGET, event = "dtls_closed", endpoint = self.identity.endpoint().unwrap_or(""), identity:% = self.identity,
            cause:% = self.closure; "secure association ended");
    }
}
