//! Sockets and strangers.
use super::{Event, Limiter, TARGET};
use crate::metrics;
use std::net::SocketAddr;

/// A listener is bound.
#[derive(Debug)]
pub struct ListenerBound {
    /// Where.
    pub address: SocketAddr,
    /// Receive buffer that the kernel gave, in bytes.
    pub receive_buffer: usize,
    /// Receive buffer wanted.
    pub wanted: usize,
}

impl Event for ListenerBound {
    fn emit(self) {
        log::info!(target: TARGET, event = "listener_bound", address:% = self.address, receive_buffer = self.receive_buffer; "listening");
        if self.receive_buffer < self.wanted {
            log::warn!(target: TARGET, event = "listener_bound", address:% = self.address, receive_buffer = self.receive_buffer, wanted = self.wanted;
                "the kernel allows only a smaller receive buffer: raise net.core.rmem_max to survive bursts");
        }
    }
}

/// A socket reported an error; it goes on.
#[derive(Debug)]
pub struct SocketError<'a> {
    /// Which.
    pub address: SocketAddr,
    /// What.
    pub error: &'a std::io::Error,
}

impl Event for SocketError<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(1);
        metrics::SOCKET_ERRORS.increment();
        if let Some(suppressed) = LIMITER.admit() {
            log::warn!(target: TARGET, event = "socket_error", address:% = self.address, error:% = self.error, suppressed = suppressed; "socket error");
        }
    }
}

/// A datagram from an unknown address that is no Register and names no location.
#[expect(missing_debug_implementations, reason = "holds a Display object")]
pub struct UnknownPeer<'a> {
    /// From where.
    pub peer: SocketAddr,
    /// Why it was not handled.
    pub cause: &'a dyn std::fmt::Display,
}

impl Event for UnknownPeer<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(5);
        metrics::DROPPED_UNKNOWN_PEER.increment();
        if log::log_enabled!(target: TARGET, log::Level::Debug)
            && let Some(suppressed) = LIMITER.admit()
        {
            log::debug!(target: TARGET, event = "unknown_peer", peer:% = self.peer, cause:% = self.cause, suppressed = suppressed; "datagram of a stranger");
        }
    }
}
