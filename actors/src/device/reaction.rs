//! From a session's outputs to the world: datagrams, publications, notices to the registry, log.
use super::{Device, Identity, Phase};
use crate::bridge::publisher::{Receipt, Taken};
use crate::event::{self, Event as _};
use crate::journal::Turn;
use crate::mailbox;
use crate::metrics;
use crate::registry;
use actix::prelude::*;
use contract::message::Publication;
use lwm2m::registration::Registration;
use lwm2m::session::{Delivery, Ending, Event, Now, Outcome, Output, Patch, Session, Ticket};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How long the answer to a DELETE may be asked for again (EXCHANGE_LIFETIME, RFC 7252 §4.8.2).
const LINGER: Duration = Duration::from_secs(247);

impl Device {
    /// One call on the session, then everything that it wants done.
    pub(super) fn turn(&mut self, ctx: &mut Context<Self>, now: Now, call: impl FnOnce(&mut Session, Now)) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            call(&mut self.session, now);
            self.drain(ctx, now)
        }));
        match outcome {
            Ok(()) => self.panics = 0,
            Err(panic) => self.revive(ctx, now, panic_text(&*panic)),
        }
        if self.resting.is_some() && self.session.outstanding() == 0 {
            self.resting = None;
        }
    }

    pub(super) fn drain(&mut self, ctx: &mut Context<Self>, now: Now) {
        let mut verdicts = Vec::new();
        // Sent last: when the device reads its 2.01, the registry must have been told where it lives.
        let mut datagrams = Vec::new();
        let mut kept: Option<Turn> = None;
        loop {
            match self.session.poll_output() {
                Output::Transmit(to, datagram) => datagrams.push((to, datagram)),
                Output::Event(event) => {
                    // Kept before anybody hears of it.
                    self.keep(kept.take_if(|turn| turn.is_urgent()), now);
                    self.react(ctx, now, &event, &mut verdicts);
                }
                Output::Persist(patch) => {
                    self.note_command(&patch);
                    self.persist(&mut kept, now, patch);
                }
                Output::Timeout(deadline) => {
                    self.keep(kept.take(), now);
                    for (to, datagram) in datagrams.drain(..) {
                        self.shared.transmit(to, self.local, &datagram);
                    }
                    if verdicts.is_empty() {
                        return self.schedule(ctx, deadline);
                    }
                    for (delivery, kept) in verdicts.drain(..) {
                        match kept {
                            true => self.session.confirm(now, delivery),
                            false => self.session.decline(now, delivery),
                        }
                    }
                }
            }
        }
    }

    /// What of a patch must survive a restart.
    fn persist(&self, kept: &mut Option<Turn>, now: Now, patch: Patch) {
        if let (Some(journal), Some(link)) = (&self.shared.journal, &self.link) {
            journal.record(kept.get_or_insert_default(), &link.endpoint, now, self.local, patch);
        }
    }

    fn keep(&self, turn: Option<Turn>, now: Now) {
        if let (Some(journal), Some(turn)) = (&self.shared.journal, turn) {
            journal.keep(turn, now);
        }
    }

    fn react(&mut self, ctx: &mut Context<Self>, now: Now, event: &Event, verdicts: &mut Vec<(Delivery, bool)>) {
        let Some(link) = self.link.clone() else { return };
        let endpoint = &*link.endpoint;
        // Of a terminal message: the number of its command in the journal.
        let mut command = None;
        match event {
            Event::Registered { registration, replaced } => {
                self.registered(ctx, registration, replaced.is_some());
            }
            Event::Updated { registration, with_objects } => {
                event::Updated { endpoint, with_objects: *with_objects }.emit();
                let updated = registry::Updated { link: link.clone(), registration: registration.clone() };
                mailbox::insist(ctx, &self.registry().clone(), updated);
            }
            Event::Ended { ending, .. } => {
                event::Ended { endpoint, ending: *ending }.emit();
                mailbox::insist(ctx, &self.registry().clone(), registry::Ended { link: link.clone() });
                match ending {
                    Ending::Deregistered => self.linger(ctx, LINGER),
                    _ => self.leave(ctx),
                }
            }
            Event::NeverRegistered { code, reason } => {
                event::RegistrationRefused { endpoint, from: self.session.address(), code: *code, reason }.emit();
                self.tell_misfit(now, endpoint, reason);
                self.leave(ctx);
            }
            Event::Stray { from, datagram } => {
                let datagram = super::Datagram { now, from: *from, local: self.local, bytes: datagram.clone() };
                if mailbox::offer(self.registry(), registry::FirstContact { datagram, stray: true }).is_err() {
                    metrics::DROPPED_REGISTRY_BUSY.increment();
                }
            }
            Event::Moved { from, to } => {
                event::Moved { endpoint, from: from.socket, to: to.socket }.emit();
                let moved = registry::Moved { link: link.clone(), from: *from, to: *to };
                mailbox::insist(ctx, &self.registry().clone(), moved);
            }
            Event::Awake => event::Awake { endpoint }.emit(),
            Event::Asleep { queued } => {
                event::Asleep { endpoint, queued: *queued }.emit();
                self.keep_waiting_commands(now);
            }
            Event::Sent { .. } => event::CommandSent { endpoint }.emit(),
            Event::Acknowledged { .. } => {}
            Event::Finished { ticket, outcome, observing } => {
                command = self.finished(endpoint, now, ticket, outcome, *observing);
            }
            Event::Notified { answer, .. } => event::Notified { endpoint, code: answer.code }.emit(),
            Event::ObservationEnded { lost, .. } => event::ObserveEnded { endpoint, lost: *lost }.emit(),
            Event::DataSent { nodes, .. } => event::DataSent { endpoint, values: nodes.len() }.emit(),
            Event::Progress { done, total, .. } => event::Progress { endpoint, done: *done, total: *total }.emit(),
            Event::Oddity { what } => event::Oddity { endpoint, what }.emit(),
        }
        let delivery = match event {
            Event::Notified { delivery, .. } => *delivery,
            Event::DataSent { delivery, .. } => Some(*delivery),
            _ => None,
        };
        let mut publications = Vec::new();
        if let Some(identity) = &self.voice {
            identity.voice.render_typed(event, now.unix, Some(&self.session.types()), &mut publications);
        }
        match delivery {
            Some(delivery) => self.deliver(publications, delivery, verdicts),
            None => {
                for publication in publications {
                    // The terminal message is the first.
                    self.shared.publisher.conclude(publication, command.take());
                }
            }
        }
    }

    /// A Register under a name that the device's identity does not entitle it to is told under the name that it does.
    fn tell_misfit(&self, now: Now, endpoint: &str, reason: &str) {
        static LIMITER: event::Limiter = event::Limiter::new(10);
        let Some(from) = self.session.address() else { return };
        let Some(identity) = self.shared.identities.of(from).filter(|identity| !identity.may_register(endpoint)) else {
            return;
        };
        if let Some(entitled) = identity.endpoint()
            && LIMITER.admit().is_some()
        {
            let cause = format!("registered as {endpoint:?}: {reason}");
            self.shared.herald.refused(entitled, from, &cause, now);
        }
    }

    /// Publishes what the device keeps until it is acknowledged. That is decided at once, if the publication is stored or its QoS is 0; else
    /// when the broker has acknowledged it.
    fn deliver(&self, publications: Vec<Publication>, delivery: Delivery, verdicts: &mut Vec<(Delivery, bool)>) {
        let last = publications.len().saturating_sub(1);
        let mut kept = Some(true);
        for (i, publication) in publications.into_iter().enumerate() {
            let receipt = match &self.link {
                Some(link) if i == last && publication.qos > 0 => Some(Receipt { link: link.clone(), delivery }),
                _ => None,
            };
            kept = match self.shared.publisher.publish(publication, receipt, true) {
                Taken::Safe => kept,
                Taken::Waiting => None,
                Taken::Refused => Some(false),
            };
            if kept == Some(false) {
                break;
            }
        }
        if let Some(kept) = kept {
            if !kept && let Some(link) = &self.link {
                event::Declined { endpoint: &link.endpoint }.emit();
            }
            verdicts.push((delivery, kept));
        }
    }

    fn registered(&mut self, ctx: &mut Context<Self>, registration: &Arc<Registration>, replaced: bool) {
        let (Some(link), Some(from)) = (self.link.clone(), self.session.address()) else { return };
        let location = format!("/{}", registration.location.join("/"));
        event::Registered {
            endpoint: &link.endpoint,
            from,
            location: &location,
            lifetime: registration.lifetime.as_secs(),
            replaced,
        }
        .emit();
        match Identity::new(&self.shared, registration, from) {
            Ok(identity) => self.voice = Some(Box::new(identity)),
            // Admission lets no such registration through; without topics the device is served, but not heard.
            Err(reason) => {
                self.voice = None;
                event::Oddity { endpoint: &link.endpoint, what: &reason }.emit();
            }
        }
        self.phase = Phase::Living;
        // Told before the `register` message can be seen by anybody, so that a command in reaction finds its device.
        let notice = registry::Registered {
            link,
            registration: registration.clone(),
            address: from,
            mountpoint: self.voice.as_ref().map(|identity| identity.mountpoint.clone()),
            first: !replaced,
        };
        mailbox::insist(ctx, &self.registry().clone(), notice);
    }

    /// The number of the command in the journal, if it is there.
    fn finished(
        &mut self,
        endpoint: &str,
        now: Now,
        ticket: &Ticket,
        outcome: &Outcome,
        observing: Option<u32>,
    ) -> Option<u64> {
        let pending = self.settle(ticket);
        let elapsed = pending.as_ref().map(|pending| now.instant.saturating_duration_since(pending.received));
        event::CommandFinished { endpoint, outcome, elapsed }.emit();
        if observing.is_some() {
            event::ObserveStarted { endpoint }.emit();
        }
        pending?.custody.number
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "panic without a text",
    }
}
