//! DTLS 1.2 for a server of many sleeping devices.
//!
//! OpenSSL performs the handshake, over datagrams that are handed in and out; then the session moves into
//! [`dtls::Association`] and OpenSSL's memory is freed. [`Endpoint`] is the whole of one listener: it routes datagrams to handshakes and
//! associations, by connection id or address, and reports what happened. It owns no socket; OpenSSL itself reads the system's
//! clock for its retransmission timers and the system's randomness.

pub mod context;
pub mod credentials;
pub mod endpoint;
pub mod identity;
pub mod refusal;

mod cookie;
mod datagrams;
mod exchange;
mod ffi;
mod takeover;

pub use context::{Materials, SetupError};
pub use credentials::{CredentialError, Credentials};
pub use endpoint::{Closure, Counters, Effect, Endpoint, Limits, LinkId, StoredLink};
pub use identity::Identity;
pub use refusal::Refusal;
