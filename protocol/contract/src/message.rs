//! Messages: session events in, publications out (contract chapters 5 to 9, extensions).
use crate::topic::{DeviceTopics, Topics};
use lwm2m::registration::Registration;
use lwm2m::session::{Answer, Event, Outcome, Refused, Ticket};
use std::sync::Arc;

/// Whether a publication may be dropped when there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Must arrive: answers, registrations, confirmable notifications, Sends.
    Keep,
    /// A non-confirmable notification: the oldest per path may go first. The key is equal for the same device and path.
    Droppable {
        /// Hash of endpoint and request path.
        key: u64,
    },
}

/// One MQTT publication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publication {
    /// Endpoint name: user property `ep`.
    pub endpoint: Arc<str>,
    /// Full topic.
    pub topic: Arc<str>,
    /// JSON.
    pub payload: Vec<u8>,
    /// QoS of the translator.
    pub qos: u8,
    /// MQTT 5 Correlation Data.
    pub correlation_data: Option<Vec<u8>>,
    /// Keep or droppable.
    pub class: Class,
}

/// Renders what happens to one device. Made anew at each registration.
#[derive(Clone, Debug)]
pub struct Voice {}

impl Voice {
    /// For a device: its topics, and `imei`/`imsi` for the answers. `lifecycle_events`: `extensions` §5. `update_always`:
    /// `update_msg_publish_condition = "always"`. `raw_unknown`: `unknown_objects = "raw"`.
    pub fn new(_topics: &Topics, _device: DeviceTopics, _registration: &Registration, _settings: Settings) -> Voice {
        todo!()
    }
    /// The publications that an event causes, in order (often none). `unix` is now, for lifecycle events.
    pub fn render(&self, _event: &Event, _unix: f64, _out: &mut Vec<Publication>) {
        todo!()
    }
    /// The answer to a command that was not taken.
    pub fn refused(&self, _ticket: &Ticket, _refused: &Refused) -> Publication {
        todo!()
    }
    /// The answer to a bad command.
    pub fn bad_command(&self, _ticket: &Ticket, _bad: &crate::command::BadCommand) -> Publication {
        todo!()
    }
}

/// What a [`Voice`] needs of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the names are the configuration's")]
pub struct Settings {
    pub lifecycle_events: bool,
    pub update_always: bool,
    pub raw_unknown: bool,
}

/// The same two answers where no device is registered under a mountpoint: `4.04 not registered`, `4.00 bad command`.
pub fn without_device(_topics: &Topics, _mountpoint: &str, _ticket: &Ticket, _problem: &Problem) -> Publication {
    todo!()
}

/// Why a command is answered without a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// 4.00
    Bad(crate::command::BadCommand),
    /// 4.04
    NotRegistered,
    /// 5.03
    Unavailable(String),
}

/// Renders one terminal outcome (used by [`Voice::render`]; public for tests and for HTTP).
pub fn outcome_json(_ticket: &Ticket, _outcome: &Outcome) -> Vec<u8> {
    todo!()
}

/// The elements of `content` for an answer, or `None` where it must become 4.00 (untyped values under `reject`).
pub fn content_json(_answer: &Answer, _raw_unknown: bool) -> Option<Vec<u8>> {
    todo!()
}
