//! Waiting commands and the awake window of queue mode (contract chapter 10, L-075 to L-083).
use super::flight::Flight;
use super::snapshot::StoredCommand;
use super::{Accepted, Cancelled, Event, Now, Operation, Outcome, Patch, Refused, Session, Submission, Ticket, answer};
use std::sync::Arc;
use std::time::Instant;

/// How many awake windows a command may pass without an answer. One that the device never answers must not hold up the others for ever.
const ATTEMPTS_MAX: u8 = 3;

/// Commands on the wire, acknowledged and urgent ones included, at which the next has to wait.
const FLIGHTS_MAX: usize = 16;

/// A command that was accepted and has no outcome yet.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) id: u64,
    pub(super) operation: Arc<Operation>,
    pub(super) ticket: Ticket,
    pub(super) expires: Option<Instant>,
    /// Awake windows that it was sent in without an answer.
    pub(super) attempts: u8,
    /// Not a command of the application: observes again what fell silent, the observation of this id.
    pub(super) renews: Option<u64>,
}

impl Command {
    fn is_expired(&self, now: Now) -> bool {
        self.expires.is_some_and(|expires| expires <= now.instant)
    }
}

impl Session {
    /// `accepted_before`: it was counted against the bound once and must not be refused for it.
    pub(super) fn take(
        &mut self,
        now: Now,
        submission: Submission,
        accepted_before: bool,
    ) -> Result<Accepted, Refused> {
        if self.life.is_none() {
            return Err(Refused::NotRegistered);
        }
        let Submission { operation, ticket, expires, immediate } = submission;
        if let Some((subject, true)) = operation.cancels() {
            self.forget_observation(&subject);
            let outcome = Outcome::Answered(answer::cancelled());
            self.emit(Event::Finished { ticket, outcome, observing: None });
            return Ok(Accepted::Sent);
        }
        let built = self.build(&operation).map_err(Refused::Impossible)?;
        let id = self.new_id();
        let operation = Arc::new(operation);
        let command = Command { id, operation, ticket, expires, attempts: 0, renews: None };
        if command.is_expired(now) {
            self.finish_unstored(command, Outcome::TimedOut(Some("expired")));
            return Ok(Accepted::Sent);
        }
        // Urgent commands wait for nothing, but they are not without number either.
        if immediate && !accepted_before && self.flights.len() >= self.policy.queue_max.max(FLIGHTS_MAX) {
            return Err(Refused::QueueFull(self.flights.len()));
        }
        if immediate || (self.waiting.is_empty() && self.may_send(now)) {
            self.persist_command(now, &command, immediate);
            self.send(now, command, built, immediate);
            return Ok(Accepted::Sent);
        }
        if !accepted_before && self.waiting.len() >= self.policy.queue_max {
            return Err(Refused::QueueFull(self.waiting.len()));
        }
        self.persist_command(now, &command, false);
        self.enqueue(command);
        Ok(Accepted::Queued { waiting: self.waiting.len() })
    }

    fn persist_command(&mut self, now: Now, command: &Command, immediate: bool) {
        self.persist(Patch::Accepted(StoredCommand::of(command, immediate, false, now)));
    }

    fn finish_unstored(&mut self, command: Command, outcome: Outcome) {
        self.emit(Event::Finished { ticket: command.ticket, outcome, observing: None });
    }

    pub(super) fn enqueue(&mut self, command: Command) {
        self.waiting.push_back(command);
    }

    /// Nothing of ours is outstanding, the device listens, and has no answer of ours to wait for. An empty ACK ends the outstanding of a
    /// request (RFC 7252 §4.7, contract chapter 7), but a device in queue mode gets the next one only after its answer (contract
    /// chapter 10).
    fn may_send(&self, now: Now) -> bool {
        let patient = self.in_queue_mode();
        !self.resting
            && self.is_awake(now)
            && self.flights.len() < FLIGHTS_MAX
            && !self.flights.iter().any(|flight| !flight.urgent && (patient || !flight.acknowledged))
            && self.answer_first.is_none_or(|until| until <= now.instant)
    }

    /// Sends the next waiting command if it may go; whether anything happened.
    pub(super) fn advance(&mut self, now: Now) -> bool {
        if self.answer_first.is_some_and(|until| until <= now.instant) {
            self.answer_first = None;
        }
        if self.waiting.is_empty() || !self.may_send(now) {
            return false;
        }
        let Some(command) = self.waiting.pop_front() else { return false };
        if command.is_expired(now) {
            self.finish(command, Outcome::TimedOut(Some("expired")), None);
        } else {
            self.send_or_finish(now, command, false);
        }
        true
    }

    /// Sends a command that was accepted before; what can no longer be expressed for the device as it is now gets its outcome.
    pub(super) fn send_or_finish(&mut self, now: Now, command: Command, urgent: bool) {
        match self.build(&command.operation) {
            Ok(built) => self.send(now, command, built, urgent),
            Err(reason) => self.finish(command, Outcome::Refused(Refused::Impossible(reason)), None),
        }
    }

    pub(super) fn expire_commands(&mut self, now: Now) {
        if !self.waiting.iter().any(|command| command.is_expired(now)) {
            return;
        }
        for command in std::mem::take(&mut self.waiting) {
            match command.is_expired(now) {
                true => self.finish(command, Outcome::TimedOut(Some("expired")), None),
                false => self.waiting.push_back(command),
            }
        }
    }

    pub(super) fn take_back(&mut self, meant: impl Fn(&Ticket) -> bool) -> Cancelled {
        let is_meant = |command: &Command| command.renews.is_none() && meant(&command.ticket);
        let on_the_wire = self.flights.iter().filter(|flight| is_meant(&flight.command)).count();
        let mut waiting = 0;
        for command in std::mem::take(&mut self.waiting) {
            if is_meant(&command) {
                waiting += 1;
                self.finish(command, Outcome::TimedOut(Some("cancelled")), None);
            } else {
                self.waiting.push_back(command);
            }
        }
        Cancelled { waiting, on_the_wire }
    }

    fn in_queue_mode(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.registration.queue_mode)
    }

    fn window_end(&self) -> Option<Instant> {
        self.last_received.map(|last| last + self.policy.awake_window)
    }

    pub(super) fn window_is_open(&self, now: Now) -> bool {
        !self.asleep && self.window_end().is_some_and(|end| now.instant < end)
    }

    /// When to report that the window closed.
    pub(super) fn window_closes(&self) -> Option<Instant> {
        if self.in_queue_mode() && !self.asleep { self.window_end() } else { None }
    }

    pub(super) fn close_window(&mut self, now: Now) {
        if self.window_closes().is_some_and(|end| end <= now.instant) {
            self.fall_asleep();
        }
    }

    /// The device does not listen any more. A command without any sign of life goes back to wait, if it can be sent twice; one whose
    /// receipt the device acknowledged is still being worked on.
    fn fall_asleep(&mut self) {
        self.asleep = true;
        let (silent, others) = std::mem::take(&mut self.flights)
            .into_iter()
            .partition(|flight: &Flight| !flight.urgent && !flight.acknowledged);
        self.flights = others;
        for flight in silent {
            self.peer.forget(flight.exchange);
            let mut command = flight.command;
            command.attempts += 1;
            if command.operation.is_idempotent() && command.attempts < ATTEMPTS_MAX {
                self.put_back(command);
            } else {
                self.finish(command, Outcome::TimedOut(Some("no answer while awake")), None);
            }
        }
        self.emit(Event::Asleep { queued: self.waiting.len() });
    }

    fn put_back(&mut self, command: Command) {
        self.persist_of(&command, Patch::Requeued { command: command.id });
        self.waiting.push_front(command);
    }

    /// A command got no answer at all: in queue mode the device sleeps, whatever the window says.
    pub(super) fn presume_asleep(&mut self) {
        if self.in_queue_mode() && !self.asleep {
            self.fall_asleep();
        }
    }

    /// The device registers anew: what is on the wire will not be answered. What can be sent twice is sent again, the ordered command
    /// before those that wait, the urgent ones (returned) at once; the others end as interrupted (extensions §1, §6.3).
    pub(super) fn recall_for_registration(&mut self) -> Vec<Command> {
        let mut again = Vec::new();
        for flight in std::mem::take(&mut self.flights) {
            let Flight { command, urgent, .. } = flight;
            match (command.operation.is_idempotent(), urgent) {
                _ if command.renews.is_some() => {}
                (true, true) => again.push(command),
                (true, false) => self.put_back(command),
                (false, _) => self.finish(command, Outcome::TimedOut(Some("interrupted")), None),
            }
        }
        self.waiting.retain(|command| command.renews.is_none());
        again
    }

    /// Persists a patch about a command, unless it is one of our own.
    pub(super) fn persist_of(&mut self, command: &Command, patch: Patch) {
        if command.renews.is_none() {
            self.persist(patch);
        }
    }
}
