//! Commands from MQTT to a device.
use super::{Event, Limiter, TARGET};
use crate::metrics;
use lwm2m::session::Outcome;
use std::time::Duration;

/// A command arrived for a device.
#[derive(Debug)]
pub struct CommandReceived<'a> {
    /// For whom.
    pub endpoint: &'a str,
    /// `msgType`.
    pub op: &'a str,
    /// `reqID` as JSON.
    pub req: Option<&'a str>,
}

impl Event for CommandReceived<'_> {
    fn emit(self) {
        metrics::COMMANDS_RECEIVED.increment();
        log::debug!(target: TARGET, event = "command_received", endpoint = self.endpoint, op = self.op, req = self.req.unwrap_or(""); "command");
    }
}

/// A command waits for a sleeping or busy device.
#[derive(Debug)]
pub struct CommandQueued<'a> {
    /// For whom.
    pub endpoint: &'a str,
    /// How many wait.
    pub queued: usize,
}

impl Event for CommandQueued<'_> {
    fn emit(self) {
        metrics::COMMANDS_QUEUED.increment();
        log::debug!(target: TARGET, event = "command_queued", endpoint = self.endpoint, queued = self.queued; "command waits");
    }
}

/// A command went to the device.
#[derive(Debug)]
pub struct CommandSent<'a> {
    /// To whom.
    pub endpoint: &'a str,
}

impl Event for CommandSent<'_> {
    fn emit(self) {
        log::debug!(target: TARGET, event = "command_sent", endpoint = self.endpoint; "command sent");
    }
}

/// A command is over.
#[derive(Debug)]
pub struct CommandFinished<'a> {
    /// Whose.
    pub endpoint: &'a str,
    /// How.
    pub outcome: &'a Outcome,
    /// Since its receipt, where that is known.
    pub elapsed: Option<Duration>,
}

impl Event for CommandFinished<'_> {
    fn emit(self) {
        if let Some(elapsed) = self.elapsed {
            metrics::COMMAND_DURATION.observe(elapsed);
        }
        let elapsed_ms = self.elapsed.map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        match self.outcome {
            Outcome::Answered(answer) => {
                let counter =
                    if answer.code.is_success() { &metrics::COMMANDS_SUCCEEDED } else { &metrics::COMMANDS_FAILED };
                counter.increment();
                log::debug!(target: TARGET, event = "command_answered", endpoint = self.endpoint, code:% = answer.code, elapsed_ms = elapsed_ms;
                    "command answered");
            }
            Outcome::Reset => {
                metrics::COMMANDS_RESET.increment();
                log::debug!(target: TARGET, event = "command_answered", endpoint = self.endpoint, code = "RST", elapsed_ms = elapsed_ms; "command reset");
            }
            Outcome::TimedOut(Some("expired")) => {
                metrics::COMMANDS_EXPIRED.increment();
                log::info!(target: TARGET, event = "command_expired", endpoint = self.endpoint, elapsed_ms = elapsed_ms; "command expired");
            }
            Outcome::TimedOut(Some("cancelled")) => {
                metrics::COMMANDS_CANCELLED.increment();
                log::debug!(target: TARGET, event = "command_cancelled", endpoint = self.endpoint, elapsed_ms = elapsed_ms; "command cancelled");
            }
            Outcome::TimedOut(cause) => {
                metrics::COMMANDS_TIMED_OUT.increment();
                log::info!(target: TARGET, event = "command_timeout", endpoint = self.endpoint, cause = cause.unwrap_or("no answer"),
                    elapsed_ms = elapsed_ms; "command timed out");
            }
            Outcome::Refused(refused) => {
                metrics::COMMANDS_FAILED.increment();
                log::info!(target: TARGET, event = "command_refused", endpoint = self.endpoint, cause:% = refused; "command not carried out");
            }
        }
    }
}

/// A command was answered by the gateway instead of the device.
#[expect(missing_debug_implementations, reason = "holds a Display object")]
pub struct CommandRefused<'a> {
    /// For whom: endpoint, or mountpoint where no device is registered.
    pub endpoint: &'a str,
    /// Why.
    pub cause: &'a dyn std::fmt::Display,
}

impl Event for CommandRefused<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(20);
        metrics::COMMANDS_REFUSED.increment();
        if let Some(suppressed) = LIMITER.admit() {
            log::info!(target: TARGET, event = "command_refused", endpoint = self.endpoint, cause:% = self.cause, suppressed = suppressed;
                "command refused");
        }
    }
}

/// A message on a command topic that nobody can answer.
#[expect(missing_debug_implementations, reason = "holds a Display object")]
pub struct CommandIgnored<'a> {
    /// Where.
    pub topic: &'a str,
    /// Why.
    pub cause: &'a dyn std::fmt::Display,
}

impl Event for CommandIgnored<'_> {
    fn emit(self) {
        static LIMITER: Limiter = Limiter::new(20);
        metrics::COMMANDS_IGNORED.increment();
        if let Some(suppressed) = LIMITER.admit() {
            log::warn!(target: TARGET, event = "command_refused", topic = self.topic, cause:% = self.cause, suppressed = suppressed;
                "message ignored");
        }
    }
}

/// A command came once more that is being carried out, or was; it is acknowledged to the broker, and that is all.
#[derive(Debug)]
pub struct CommandDuplicate<'a> {
    /// Where.
    pub topic: &'a str,
    /// `reqID` as JSON.
    pub req: Option<&'a str>,
}

impl Event for CommandDuplicate<'_> {
    fn emit(self) {
        metrics::COMMANDS_DUPLICATE.increment();
        log::debug!(target: TARGET, event = "command_duplicate", topic = self.topic, req = self.req.unwrap_or(""); "command came again");
    }
}

/// Commands of before a restart go on.
#[derive(Debug)]
pub struct CommandsReplayed {
    /// How many.
    pub commands: u64,
}

impl Event for CommandsReplayed {
    fn emit(self) {
        metrics::COMMANDS_REPLAYED.add(self.commands);
        log::info!(target: TARGET, event = "command_received", queued = self.commands; "commands of before the restart go on");
    }
}
