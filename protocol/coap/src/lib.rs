//! CoAP (RFC 7252, 7641, 7959, 8132) for one peer, pure: datagrams and time in, datagrams and events out.
//!
//! The centre is [`Peer`]: feed it with [`Peer::handle_datagram`], [`Peer::request`], [`Peer::respond`] and
//! [`Peer::handle_timeout`]; after each call drain [`Peer::poll_output`] until it is empty and then ask
//! [`Peer::poll_timeout`] when to call again. It never reads a clock, a socket or a source of randomness.
#![forbid(unsafe_code)]

pub mod code;
pub mod message;
pub mod peer;
pub mod transmission;

pub use code::{Code, Method};
pub use message::{Kind, Message, MessageError};
pub use peer::{ExchangeId, IncomingId, Output, Peer, Receipt, Request, Response, Urgency};
pub use transmission::{Blockwise, Config, Transmission};
