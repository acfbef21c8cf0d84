//! Commands for this device: from their submission to their outcome, and what of them is in the journal meanwhile.
use super::{Device, Pending, Submit};
use crate::bridge::journal::Journal;
use crate::clock;
use crate::event::{CommandQueued, CommandReceived, CommandRefused, Event as _};
use crate::metrics;
use actix::prelude::*;
use contract::message::{Problem, cancel_outcome, without_device};
use lwm2m::session::snapshot::StoredCommand;
use lwm2m::session::{Accepted, Event, Now, Outcome, Patch, Submission, Ticket};
use std::sync::Arc;

impl Handler<Submit> for Device {
    type Result = ();

    fn handle(&mut self, submit: Submit, ctx: &mut Self::Context) {
        let now = clock::now();
        let endpoint = self.link.as_ref().map(|link| link.endpoint.clone()).unwrap_or_default();
        let Submit { command, received, custody, .. } = &submit;
        CommandReceived { endpoint: &endpoint, op: command.message_type(), req: command.request_id() }.emit();
        let Some(identity) = &self.voice else { return self.refuse(&submit) };
        let ticket = command.ticket();
        if custody.sent && !command.is_idempotent() {
            // It may have been carried out before the restart.
            return self.conclude(now, ticket, Outcome::TimedOut(Some("interrupted")), custody.number);
        }
        let checked = command.check();
        if checked.is_ok() && command.is_cancel() {
            return self.cancel(ctx, now, &submit);
        }
        let operation = match checked.and_then(|()| command.operation(&self.session.types())) {
            Ok(operation) => operation,
            Err(bad) => {
                CommandRefused { endpoint: &endpoint, cause: &bad }.emit();
                return self.shared.publisher.conclude(identity.voice.bad_command(&ticket, &bad), custody.number);
            }
        };
        let idempotent = operation.is_idempotent();
        let submission = Submission {
            operation,
            ticket: ticket.clone(),
            expires: command.expiry().and_then(|expiry| received.checked_add(expiry)),
            immediate: command.is_immediate(),
        };
        let (received, restored) = (*received, custody.restored);
        let custody = submit.custody;
        // Entered first: the outcome may come within the same turn.
        self.pending.push(Pending { ticket: ticket.clone(), received, custody, id: None, idempotent, sent: false });
        metrics::COMMANDS_PENDING.increment();
        let mut taken = None;
        self.turn(ctx, now, |session, now| {
            taken = Some(match restored {
                true => session.resubmit(now, submission),
                false => session.submit(now, submission),
            });
        });
        match taken {
            Some(Ok(Accepted::Sent)) | None => {}
            Some(Ok(Accepted::Queued { waiting })) => {
                CommandQueued { endpoint: &endpoint, queued: waiting }.emit();
                if !self.session.is_awake(now) {
                    self.keep_waiting_commands(now);
                }
                if let Some(identity) = &self.voice
                    && let Some(publication) = identity.voice.queued(&ticket, waiting, now.unix)
                {
                    let _ = self.shared.publisher.publish(publication, None, false);
                }
            }
            Some(Err(refused)) => {
                CommandRefused { endpoint: &endpoint, cause: &refused }.emit();
                let number = self.settle(&ticket).and_then(|pending| pending.custody.number);
                if let Some(identity) = &self.voice {
                    self.shared.publisher.conclude(identity.voice.refused(&ticket, &refused), number);
                }
            }
        }
    }
}

impl Device {
    /// The answer of a device without a registration.
    fn refuse(&self, submit: &Submit) {
        let Submit { command, mountpoint, custody, .. } = submit;
        let interrupted = custody.sent && !command.is_idempotent();
        let problem = match interrupted {
            true => Problem::Ended(Outcome::TimedOut(Some("interrupted"))),
            false => command.check().map_or_else(Problem::Bad, |()| Problem::NotRegistered),
        };
        CommandRefused { endpoint: mountpoint, cause: &"not registered" }.emit();
        let publication = without_device(&self.shared.topics, mountpoint, &command.ticket(), &problem);
        self.shared.publisher.conclude(publication, custody.number);
    }

    /// `cancel`: first the outcomes of what it takes back, then its own.
    fn cancel(&mut self, ctx: &mut Context<Self>, now: Now, submit: &Submit) {
        let mut found = Default::default();
        self.turn(ctx, now, |session, now| found = session.cancel(now, |ticket| submit.command.cancels(ticket)));
        self.conclude(now, submit.command.ticket(), cancel_outcome(found), submit.custody.number);
    }

    /// Publishes the outcome of a command that the session does not know.
    fn conclude(&self, now: Now, ticket: Ticket, outcome: Outcome, number: Option<u64>) {
        let Some(identity) = &self.voice else { return };
        let mut publications = Vec::new();
        identity.voice.render(&Event::Finished { ticket, outcome, observing: None }, now.unix, &mut publications);
        let mut number = number;
        for publication in publications {
            self.shared.publisher.conclude(publication, number.take());
        }
    }

    /// Strikes a command off the list, if it was on it.
    pub(super) fn settle(&mut self, ticket: &Ticket) -> Option<Pending> {
        // Two commands can have equal tickets; this one is the very ticket that was submitted.
        let position = self.pending.iter().position(|pending| Arc::ptr_eq(&pending.ticket.0, &ticket.0))?;
        let pending = self.pending.remove(position);
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
        metrics::COMMANDS_PENDING.decrement();
        Some(pending)
    }

    /// What a change of the session means for its commands. Called before the datagrams of the same turn go out.
    pub(super) fn note_command(&mut self, patch: &Patch) {
        match patch {
            Patch::Accepted(StoredCommand { id, ticket, .. }) => {
                let found = self.pending.iter_mut().find(|pending| Arc::ptr_eq(&pending.ticket.0, &ticket.0));
                if let Some(pending) = found {
                    pending.id = Some(*id);
                }
            }
            Patch::Sent { command } => self.note_sent(*command, true),
            Patch::Requeued { command } => self.note_sent(*command, false),
            _ => {}
        }
    }

    fn note_sent(&mut self, command: u64, sent: bool) {
        let Some(pending) = self.pending.iter_mut().find(|pending| pending.id == Some(command)) else { return };
        pending.sent = sent;
        // What is idempotent is repeated after a crash, whether it was sent or not.
        if let (true, false, Some(number), Some(journal)) =
            (sent, pending.idempotent, pending.custody.number, &self.shared.commands)
        {
            journal.mark_sent(number);
        }
    }

    /// The device sleeps: what waits for it must survive a restart.
    pub(super) fn keep_waiting_commands(&mut self, now: Now) {
        if let Some(journal) = self.shared.commands.clone() {
            for pending in self.pending.iter_mut().filter(|pending| !pending.sent) {
                pending.custody.keep(&journal, pending.received, now);
            }
        }
    }

    /// The process ends: everything without an outcome must survive it.
    pub(super) fn keep_all_commands(&mut self, now: Now) {
        if let Some(journal) = self.shared.commands.clone() {
            for pending in &mut self.pending {
                pending.keep(&journal, now);
            }
        }
    }

    /// The actor ends with commands that have no outcome. If the process goes on, they end here; else the journal keeps them.
    pub(super) fn abandon_commands(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        metrics::COMMANDS_PENDING.add(-i64::try_from(pending.len()).unwrap_or(0));
        if pending.is_empty() || self.shared.is_stopping() {
            return;
        }
        let now = clock::now();
        for Pending { ticket, custody, .. } in pending {
            self.conclude(now, ticket, Outcome::TimedOut(Some("interrupted")), custody.number);
        }
    }
}

impl Pending {
    fn keep(&mut self, journal: &Journal, now: Now) {
        self.custody.keep(journal, self.received, now);
        if let (true, false, Some(number)) = (self.sent, self.idempotent, self.custody.number) {
            journal.mark_sent(number);
        }
    }
}
