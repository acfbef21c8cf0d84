//! The contract between the gateway and MQTT applications: topics, commands in, messages out. `docs/contract.md` is its text.
#![forbid(unsafe_code)]

pub mod command;
pub mod message;
pub mod topic;
