//! Retransmission timers of a handshake in progress, which OpenSSL keeps by the system's clock.
use crate::ffi;
use openssl::error::ErrorStack;
use openssl::ssl::SslRef;
use std::time::Duration;

/// Sets the first timer; it doubles with each repetition, up to 60 s (RFC 6347 §4.2.4.1). RFC 7925 §11 advises 9 s for slow networks.
pub fn set_first(ssl: &mut SslRef, first: Duration) -> Result<(), ErrorStack> {
    ffi::set_first_timer(ssl, first)
}

/// Repeats the last flight if its time has come; false when OpenSSL gave up.
pub fn repeat_if_due(ssl: &SslRef) -> bool {
    match ffi::timeout(ssl) {
        Some(left) if left.is_zero() => ffi::handle_timeout(ssl),
        _ => true,
    }
}
