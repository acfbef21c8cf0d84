//! The contract between the gateway and MQTT applications: topics, commands in, messages out. `docs/contract.md` is its text.
//!
//! ```text
//! MQTT payload ─ Command::parse ─ check ─ operation(types) ─▶ lwm2m::session::Operation
//!                      └──────── ticket ─────────────────────▶ lwm2m::session::Ticket (comes back with every event)
//! lwm2m::session::Event ─ Voice::render ─▶ Publication (topic, JSON, QoS, keep or droppable)
//! ```
#![forbid(unsafe_code)]

pub mod command;
mod json;
pub mod message;
mod schema;
pub mod ticket;
pub mod topic;

pub use schema::schema;
