//! After a panic within a turn: the session is taken up again from what it would have stored, without the message that did it.
use super::Device;
use crate::event::{DeviceRevived, Event as _};
use crate::mailbox;
use crate::registry;
use actix::prelude::*;
use lwm2m::session::{Ending, Event, Now, Outcome, Session, Ticket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// So many panicking turns in a row, and the registration is given up: its very state must be at fault.
const PANICS: u8 = 3;

impl Device {
    /// Rebuilds the session. Commands that did not survive end as `interrupted`.
    pub(super) fn revive(&mut self, ctx: &mut Context<Self>, now: Now, what: &str) {
        self.panics += 1;
        let registration = self.session.registration().cloned();
        let endpoint = self.link.as_ref().map(|link| link.endpoint.clone()).unwrap_or_default();
        let (policy, catalog) = (self.policy.clone(), self.catalog.clone());
        let restored = catch_unwind(AssertUnwindSafe(|| {
            let snapshot = self.session.snapshot(now).filter(|_| self.panics < PANICS)?;
            // Patches of the broken turn may not have reached the store.
            if let Some(journal) = &self.shared.journal {
                journal.replace(now, self.local, &snapshot);
            }
            let surviving: Vec<Ticket> = snapshot.commands.iter().map(|command| command.ticket.clone()).collect();
            Some((Session::restore(now, snapshot, policy.clone(), catalog.clone(), rand::random()), surviving))
        }));
        let (session, surviving) = match restored {
            Ok(Some((session, surviving))) => (Some(session), surviving),
            _ => (None, Vec::new()),
        };
        let lost: Vec<Ticket> = self
            .pending
            .iter()
            .map(|pending| pending.ticket.clone())
            .filter(|ticket| !surviving.iter().any(|other| Arc::ptr_eq(&other.0, &ticket.0)))
            .collect();
        DeviceRevived { endpoint: &endpoint, error: what, interrupted: lost.len() }.emit();
        for ticket in lost {
            let number = self.settle(&ticket).and_then(|pending| pending.custody.number);
            let event = Event::Finished { ticket, outcome: Outcome::TimedOut(Some("interrupted")), observing: None };
            self.announce(now, &event, number);
        }
        match session {
            Some(session) => {
                self.session = session;
                let drained = catch_unwind(AssertUnwindSafe(|| self.drain(ctx, now)));
                if drained.is_err() {
                    self.give_up(ctx, now, registration);
                }
            }
            None => self.give_up(ctx, now, registration),
        }
    }

    fn give_up(
        &mut self,
        ctx: &mut Context<Self>,
        now: Now,
        registration: Option<Arc<lwm2m::registration::Registration>>,
    ) {
        let Some(link) = self.link.clone() else { return ctx.stop() };
        if let Some(registration) = registration {
            crate::event::Ended { endpoint: &link.endpoint, ending: Ending::Removed }.emit();
            self.forget(&link.endpoint);
            self.announce(now, &Event::Ended { registration, ending: Ending::Removed }, None);
            mailbox::insist(ctx, &self.registry().clone(), registry::Ended { link: link.clone() });
        }
        let address = self.session.address();
        self.session = Session::new(&link.endpoint, self.policy.clone(), self.catalog.clone(), rand::random());
        if self.phase != super::Phase::Leaving {
            self.phase = super::Phase::Leaving;
            mailbox::insist(ctx, &self.registry().clone(), registry::Stopping { link, address });
        }
    }

    /// `command`: the number in the journal of a command whose outcome this is.
    fn announce(&self, now: Now, event: &Event, mut command: Option<u64>) {
        let Some(identity) = &self.voice else { return };
        let mut publications = Vec::new();
        let rendered = catch_unwind(AssertUnwindSafe(|| identity.voice.render(event, now.unix, &mut publications)));
        if rendered.is_ok() {
            for publication in publications {
                self.shared.publisher.conclude(publication, command.take());
            }
        }
    }
}
