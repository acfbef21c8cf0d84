//! DTLS 1.2 after the handshake, pure: records in, plaintext out, and back.
//!
//! OpenSSL performs the handshake; after Finished its keys move into an [`Association`] of a few hundred bytes, which opens and seals
//! AEAD records (RFC 5246 §6.2.3.3, RFC 5288, RFC 6655), rejects replays (RFC 6347 §4.1.2.6), carries connection ids (RFC 9146) and
//! can be stored. Nothing here reads a clock, a socket or a source of randomness.
//!
//! # Invariants
//!
//! 1. **A nonce is used once.** The nonce of a sealed record is salt ‖ epoch ‖ sequence number; [`Association::seal`] advances the number
//!    before the record leaves and refuses to pass the reserved bound. A restored association starts at the bound that was stored,
//!    so no number is used on both sides of a restart, whatever was lost in between.
//! 2. **Nothing is believed before its tag is verified.** The replay window and the "newer than all seen" verdict, on which an
//!    address change depends, are touched only after the AEAD accepted the record.
//! 3. **Failure is silent for the peer.** Every reason to refuse a record is an [`OpenError`] to be counted; none causes an alert.
//! 4. **Keys do not leave.** No `Debug` prints them; memory is overwritten when an association ends.
#![forbid(unsafe_code)]

pub mod aead;
pub mod alert;
pub mod association;
pub mod cid;
pub mod hello;
pub mod keys;
pub mod prf;
pub mod record;
pub mod replay;
pub mod suite;

pub use aead::Aead;
pub use alert::Alert;
pub use association::{Association, OpenError, Opened, SealError, Stored};
pub use cid::ConnectionId;
pub use keys::KeyBlock;
pub use record::{ContentType, Record};
pub use suite::Suite;
