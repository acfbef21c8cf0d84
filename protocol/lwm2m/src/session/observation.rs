//! Observations and their notifications (RFC 7641, contract chapter 8), and what happens when they fall silent.
use super::answer::Shape;
use super::event::Answer;
use super::interface::Held;
use super::operation::{Attribute, Subject};
use super::queue::Command;
use super::snapshot::StoredObservation;
use super::{Event, Now, Operation, Patch, Session, Ticket};
use crate::Path;
use coap::peer::{ExchangeId, Receipt};
use coap::{Code, Response};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after the promised time a notification may come: the longest that a confirmable one can take (MAX_TRANSMIT_WAIT).
const PATIENCE: Duration = Duration::from_secs(93);

/// Most `pmax` attributes that are remembered for one device.
const PMAX_MAX: usize = 64;

/// A live observation.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) id: u64,
    pub(super) exchange: ExchangeId,
    pub(super) subject: Subject,
    pub(super) ticket: Ticket,
    /// When to ask again if nothing comes. Only after a promise: `pmax`, or Max-Age said by the device.
    pub(super) silent_at: Option<Instant>,
    /// It was asked for again without an answer: once more when the device is heard.
    pub(super) unanswered: bool,
}

impl Session {
    /// The answer to an Observe: what was observed under its subject before is replaced, also by an answer that does not observe.
    pub(super) fn observed(
        &mut self,
        now: Now,
        exchange: ExchangeId,
        subject: Subject,
        command: &Command,
        response: &Response,
        observing: bool,
    ) {
        if response.code.is_success() {
            self.forget_observation(&subject);
        } else if let Some(index) = self.observations.iter().position(|observation| observation.subject == subject)
            && self.peer.observation(self.observations[index].exchange).is_none()
        {
            // The new request took over the token of the old observation, and the device refused it.
            let observation = self.observations.remove(index);
            self.observation_ended(observation, false);
        }
        if observing {
            let silent_at = self.silent_at(now, &subject, response);
            let id = self.new_id();
            let ticket = command.ticket.clone();
            self.observations.push(Observation { id, exchange, subject, ticket, silent_at, unanswered: false });
            self.persist_observation(now, id);
        }
    }

    fn persist_observation(&mut self, now: Now, id: u64) {
        let Some(observation) = self.observations.iter().find(|observation| observation.id == id) else { return };
        if let Some(stored) = StoredObservation::of(observation, &self.peer, now) {
            self.persist(Patch::Observing(Box::new(stored)));
        }
    }

    pub(super) fn handle_notification(
        &mut self,
        now: Now,
        exchange: ExchangeId,
        response: &Response,
        receipt: Option<Receipt>,
        ended: bool,
    ) {
        let Some(index) = self.observations.iter().position(|observation| observation.exchange == exchange) else {
            // Nobody waits for it: not acknowledged, and the next one is answered RST.
            if let Some(receipt) = receipt {
                self.peer.decline(now.instant, receipt);
            }
            return self.peer.forget(exchange);
        };
        let ticket = self.observations[index].ticket.clone();
        // "Unchanged" answers a question that was never asked: no ETag is ever sent (C-083).
        if response.code == Code::VALID {
            if let Some(receipt) = receipt {
                self.peer.confirm(now.instant, receipt);
                self.transmit_first();
            }
            return self.oddity("notification 2.03 without a known ETag");
        }
        let answer = self.reader(now).read(Shape::of_subject(&self.observations[index].subject), response);
        let sequence = response.observe.unwrap_or_default();
        let held = if ended {
            let observation = self.observations.remove(index);
            match receipt {
                Some(receipt) => Some(Held::LastNotification(receipt, Box::new(observation))),
                None => {
                    self.emit(Event::Notified { ticket, sequence, answer, delivery: None });
                    return self.observation_ended(observation, false);
                }
            }
        } else {
            let silent_at = self.silent_at(now, &self.observations[index].subject, response);
            let observation = &mut self.observations[index];
            (observation.silent_at, observation.unanswered) = (silent_at, false);
            let (id, silent_at) = (observation.id, silent_at.map(|moment| now.unix_at(moment)));
            self.persist(Patch::Notified { observation: id, sequence, silent_at });
            receipt.map(Held::Notification)
        };
        let delivery = held.map(|held| self.hold(now, held));
        self.emit(Event::Notified { ticket, sequence, answer, delivery });
    }

    pub(super) fn observation_ended(&mut self, observation: Observation, lost: bool) {
        self.persist(Patch::ObservationEnded { observation: observation.id });
        self.emit(Event::ObservationEnded { ticket: observation.ticket, lost });
    }

    /// Forgets the observation of a subject on our side: its next notification is answered RST.
    pub(super) fn forget_observation(&mut self, subject: &Subject) {
        let Some(index) = self.observations.iter().position(|observation| observation.subject == *subject) else {
            return;
        };
        let observation = self.observations.remove(index);
        self.peer.forget(observation.exchange);
        self.persist(Patch::ObservationEnded { observation: observation.id });
    }

    /// The registration that they belong to is over.
    pub(super) fn drop_observations(&mut self) {
        for observation in std::mem::take(&mut self.observations) {
            self.observation_ended(observation, false);
        }
        for (delivery, held) in std::mem::take(&mut self.held) {
            let held = match held {
                Held::LastNotification(receipt, observation) => {
                    self.observation_ended(*observation, false);
                    Held::Notification(receipt)
                }
                other => other,
            };
            self.held.push((delivery, held));
        }
    }

    /// An exchange that is no command failed: if it was an observation, it is over.
    pub(super) fn observation_failed(&mut self, exchange: ExchangeId) {
        let failed = self.observations.iter().position(|observation| observation.exchange == exchange);
        match failed {
            Some(index) if self.peer.observation(exchange).is_none() => self.lose_observation(index),
            Some(_) => self.oddity("a notification could not be completed"),
            None => {}
        }
    }

    fn lose_observation(&mut self, index: usize) {
        let observation = self.observations.remove(index);
        self.peer.forget(observation.exchange);
        self.observation_ended(observation, true);
    }

    /// Remembers `pmax` of a successful Write-Attributes, for the observations there are and those to come (L-072).
    pub(super) fn learn_pmax(&mut self, path: Path, attributes: &[Attribute]) {
        let Some(pmax) = attributes.iter().find(|attribute| attribute.name == "pmax") else { return };
        let Some(life) = &mut self.life else { return };
        life.pmax.retain(|(known, _)| *known != path);
        let seconds = pmax.value.as_ref().and_then(|value| value.parse::<f64>().ok()).filter(|value| *value >= 1.0);
        if let Some(seconds) = seconds
            && life.pmax.len() < PMAX_MAX
        {
            life.pmax.push((path, seconds as u32));
        }
        let pmax = life.pmax.clone();
        self.persist(Patch::Attributed(pmax));
    }

    /// The moment after which silence means that the observation is lost (C-078): Max-Age counts only where the device said it, since
    /// LwM2M clients do not notify by its default.
    fn silent_at(&self, now: Now, subject: &Subject, response: &Response) -> Option<Instant> {
        let attributed = self.life.as_ref().and_then(|life| {
            let within = life.pmax.iter().filter(|(path, _)| subject.base().is_within(path));
            within.max_by_key(|(path, _)| path.depth()).map(|(_, seconds)| *seconds)
        });
        let queried = match subject {
            Subject::Target(target) => {
                target.query.iter().find_map(|member| member.strip_prefix("pmax=")?.parse().ok())
            }
            Subject::Paths(_) => None,
        };
        let promised = queried.or(attributed).max(response.max_age)?;
        now.instant.checked_add(Duration::from_secs(promised.into()) + PATIENCE)
    }

    /// Observes again what should have notified by now.
    pub(super) fn revive_observations(&mut self, now: Now) {
        let silent: Vec<_> = self
            .observations
            .iter_mut()
            .filter(|observation| observation.silent_at.is_some_and(|moment| moment <= now.instant))
            .map(|observation| {
                observation.silent_at = None;
                (observation.id, observation.ticket.clone(), observation.subject.clone())
            })
            .collect();
        for (id, ticket, subject) in silent {
            let operation = Arc::new(match subject {
                Subject::Target(target) => Operation::Observe { target, format: None },
                Subject::Paths(paths) => Operation::ObserveComposite { paths, format: None },
            });
            let command_id = self.new_id();
            self.enqueue(Command { id: command_id, operation, ticket, expires: None, attempts: 0, renews: Some(id) });
        }
    }

    /// The answer to an observation that was asked for again: a fresh value, or the end.
    pub(super) fn renewed(
        &mut self,
        now: Now,
        command: Command,
        exchange: ExchangeId,
        response: &Response,
        answer: Answer,
        observing: bool,
    ) {
        let index = self.observations.iter().position(|observation| Some(observation.id) == command.renews);
        let (Some(index), true) = (index, observing) else {
            self.peer.forget(exchange);
            return command.renews.map_or((), |id| self.renewal_failed(id));
        };
        let before = std::mem::replace(&mut self.observations[index].exchange, exchange);
        if before != exchange {
            self.peer.forget(before);
        }
        let silent_at = self.silent_at(now, &self.observations[index].subject, response);
        (self.observations[index].silent_at, self.observations[index].unanswered) = (silent_at, false);
        let id = self.observations[index].id;
        self.persist_observation(now, id);
        let sequence = response.observe.unwrap_or_default();
        self.emit(Event::Notified { ticket: command.ticket, sequence, answer, delivery: None });
    }

    /// The device did not answer: it may be asleep or cut off, and goes on observing when it is back. So the observation stays, and is asked
    /// for once more when the device is heard.
    pub(super) fn renewal_unanswered(&mut self, id: u64) {
        for observation in self.observations.iter_mut().filter(|observation| observation.id == id) {
            observation.unanswered = true;
        }
    }

    /// The device is heard again.
    pub(super) fn ask_unanswered(&mut self, now: Now) {
        for observation in self.observations.iter_mut().filter(|observation| observation.unanswered) {
            (observation.unanswered, observation.silent_at) = (false, Some(now.instant));
        }
    }

    pub(super) fn renewal_failed(&mut self, id: u64) {
        if let Some(index) = self.observations.iter().position(|observation| observation.id == id) {
            self.lose_observation(index);
        }
    }
}
