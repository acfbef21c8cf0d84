//! What keeps a command from getting lost on its way through the actors: its number in the journal travels with it to its outcome.
use crate::bridge::intake::{arrival, envelope};
use crate::bridge::journal::Journal;
use lwm2m::session::Now;
use paho_mqtt::Message;
use std::time::Instant;

/// How a command is kept until it has its outcome.
#[derive(Debug, Default)]
pub(crate) struct Custody {
    /// Its number in the journal.
    pub(crate) number: Option<u64>,
    /// The message, as long as it is not in the journal and may have to be.
    pub(crate) message: Option<Box<Message>>,
    /// It was taken before a restart …
    pub(crate) restored: bool,
    /// … and had gone to the device.
    pub(crate) sent: bool,
}

impl Custody {
    /// Writes the command into the journal if it is not there. What cannot be written stays in memory.
    pub(crate) fn keep(&mut self, journal: &Journal, received: Instant, now: Now) {
        let Some(message) = &self.message else { return };
        let unix = now.unix - now.instant.saturating_duration_since(received).as_secs_f64();
        if let Ok(number) = journal.keep(&arrival(message, &envelope(message), unix)) {
            (self.number, self.message) = (Some(number), None);
        }
    }
}
