//! CoAP (RFC 7252, 7641, 7959, 7967, 8132, 9175) for one peer, pure: datagrams and time in, datagrams and events out.
//!
//! The centre is [`Peer`]: feed it with [`Peer::handle_datagram`], [`Peer::request`], [`Peer::respond`] and
//! [`Peer::handle_timeout`]; after each call drain [`Peer::poll_output`] until it is empty and then ask
//! [`Peer::poll_timeout`] when to call again. It never reads a clock, a socket or a source of randomness.
//!
//! Datagrams of addresses that have no [`Peer`] are answered by [`stranger`], without any state.
#![forbid(unsafe_code)]

mod assembly;
pub mod block;
pub mod budget;
pub mod code;
mod download;
mod duplicates;
mod exchange;
mod incoming;
pub mod message;
mod message_id;
mod observe;
pub mod option;
pub mod peer;
mod random;
mod reliability;
pub mod request;
pub mod response;
pub mod stranger;
pub mod transmission;
mod upload;

pub use block::Block;
pub use budget::Budget;
pub use code::{Code, Method};
pub use message::{Kind, Message, MessageError};
pub use peer::{ExchangeId, IncomingId, Output, Peer, Receipt, Request, Response, Urgency};
pub use transmission::{Blockwise, Config, Transmission};
