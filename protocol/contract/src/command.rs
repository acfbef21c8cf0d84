//! Commands: JSON in, [`lwm2m::session::Operation`] out (contract chapters 2 to 4 and 12, extensions).
use lwm2m::format::Types;
use lwm2m::session::{Operation, Ticket};

/// What MQTT says beside the payload.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    /// MQTT 5 Response Topic.
    pub response_topic: Option<String>,
    /// MQTT 5 Correlation Data.
    pub correlation_data: Option<Vec<u8>>,
    /// MQTT 5 Message Expiry Interval, seconds.
    pub expiry: Option<u32>,
}

/// A payload that is not a JSON object: there is nothing to answer to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a command: {0}")]
pub struct NotACommand(pub String);

/// Why a command is bad; its text is the `diagnostic` (`bad command: <member>: <reason>`), the answer is 4.00.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("bad command: {0}")]
pub struct BadCommand(pub String);

/// A JSON object received as a command.
#[derive(Clone, Debug)]
pub struct Command {}

impl Command {
    /// Reads the JSON. Everything that can be judged without knowing the device is judged here, the verdict kept for [`Command::check`].
    pub fn parse(_payload: &[u8], _envelope: Envelope) -> Result<Command, NotACommand> {
        todo!()
    }
    /// The verdict about everything that needs no device.
    pub fn check(&self) -> Result<(), BadCommand> {
        todo!()
    }
    /// The operation; `types` gives types for elements that name none.
    pub fn operation(&self, _types: &dyn Types) -> Result<Operation, BadCommand> {
        todo!()
    }
    /// What must come back with every message that this command causes: echo members, msgType, reqPath(s), response topic,
    /// correlation data; packed so that it can be stored.
    pub fn ticket(&self) -> Ticket {
        todo!()
    }
    /// `mheaders.ttl = 0`.
    pub fn is_immediate(&self) -> bool {
        todo!()
    }
    /// How long it may wait: the shorter of Message Expiry Interval and a positive `mheaders.ttl` (seconds).
    pub fn expiry(&self) -> Option<std::time::Duration> {
        todo!()
    }
    /// `msgType`, for the log.
    pub fn message_type(&self) -> &str {
        todo!()
    }
    /// `reqID` as JSON text, for the log.
    pub fn request_id(&self) -> Option<&str> {
        todo!()
    }
}

/// The virtual command of auto-observe (contract 8.1): echo member `is_auto_observe`.
pub fn auto_observe_ticket(_path: &str) -> Ticket {
    todo!()
}
