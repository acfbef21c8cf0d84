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
pub mod timer;

mod cookie;
mod datagrams;
mod exchange;
mod ffi;
mod last_flight;
mod link;
mod resumption;
mod slots;
mod stored;
mod takeover;
mod trust;

pub use context::{Materials, SetupError};
pub use credentials::{CredentialError, Credentials};
pub use endpoint::{Closure, Counters, Effect, Endpoint, Limits, Now};
pub use identity::Identity;
pub use link::{Facts, LinkId};
pub use refusal::Refusal;
pub use resumption::SessionChange;
pub use stored::{StoredLink, Trace};
