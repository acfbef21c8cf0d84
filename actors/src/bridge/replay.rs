//! After a restart: the commands of the journal go their way again, in their order, before any new one.
use super::journal::{Journal, Replayed};
use crate::custody::Custody;
use crate::event::{CommandIgnored, CommandsReplayed, Event};
use crate::registry::{Command, Registry};
use crate::{clock, mailbox};
use actix::Addr;
use contract::command::Command as Parsed;
use contract::topic::Topics;
use lwm2m::session::Now;
use std::time::{Duration, Instant};
use store::WriteError;

/// So many are in memory at once.
const PIECE: usize = 1_000;

/// Hands everything that has no outcome to the registry, which must know its devices by now.
pub(crate) async fn replay(journal: &Journal, topics: &Topics, registry: &Addr<Registry>) -> Result<(), WriteError> {
    let (mut from, mut commands) = (Some(0), 0);
    while let Some(at) = from {
        let piece = journal.read(at, PIECE)?;
        from = piece.next;
        for replayed in piece.commands {
            let number = replayed.number;
            match command(replayed, topics, clock::now()) {
                Ok(command) => {
                    commands += 1;
                    // A registry that is gone is reported by `Gateway::failed`.
                    let _ = mailbox::deliver(registry, command).await;
                }
                Err((topic, cause)) => {
                    CommandIgnored { topic: &topic, cause: &cause }.emit();
                    journal.strike(number);
                }
            }
        }
    }
    if commands > 0 {
        CommandsReplayed { commands }.emit();
    }
    Ok(())
}

/// The command as the intake would have made it. `Err`: the configuration has changed so that it is none any more.
fn command(replayed: Replayed, topics: &Topics, now: Now) -> Result<Command, (String, String)> {
    let Replayed { number, received, sent } = replayed;
    let Some(parsed) = topics.parse_command_topic(&received.topic) else {
        return Err((received.topic, "not a command topic any more".to_owned()));
    };
    let mountpoint = parsed.mountpoint.into();
    let command = match Parsed::parse(&received.payload, received.envelope) {
        Ok(command) => command,
        Err(cause) => return Err((received.topic, cause.to_string())),
    };
    let waits_for_device = received.retained && command.check().is_ok() && !command.is_cancel();
    Ok(Command {
        topic: waits_for_device.then(|| received.topic.into()),
        mountpoint,
        command: Box::new(command),
        received: moment(received.unix, now),
        custody: Custody { number: Some(number), message: None, restored: true, sent },
    })
}

/// The moment of a time of the wall clock in the past. A clock that was set back makes it now.
fn moment(unix: f64, now: Now) -> Instant {
    let age = Duration::try_from_secs_f64(now.unix - unix).unwrap_or_default();
    now.instant.checked_sub(age).unwrap_or(now.instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_time_is_counted_over_the_restart() {
        let now = clock::now();
        let age = |unix: f64| now.instant.duration_since(moment(unix, now)).as_secs_f64().round();
        assert_eq!(age(now.unix - 3.0), 3.0);
        assert_eq!((age(now.unix + 500.0), age(f64::NAN), age(f64::NEG_INFINITY)), (0.0, 0.0, 0.0));
    }
}
