//! Requests of the device: registration interface (TS Core §6.2) and Send (§6.4.5).
use super::answer::Reader;
use super::observation::Observation;
use super::policy::AutoObserve;
use super::queue::Command;
use super::{
    Address, Delivery, Ending, Event, Life, Now, Operation, Outcome, Patch, Refused, Session, Target, types_of,
};
use crate::registration::{Refusal, Registration, Resource, resource};
use crate::{ContentFormat, Path};
use coap::peer::{IncomingId, Receipt};
use coap::{Code, Request, Response};
use std::sync::Arc;

/// Most notifications and Sends of one device that may wait for their delivery; then the oldest is declined.
const HELD_MAX: usize = 64;

/// Objects that `auto_observe = true` leaves out (contract 8.1).
const NEVER_AUTO_OBSERVED: [u16; 9] = [0, 1, 2, 4, 5, 6, 7, 9, 15];

/// What waits for [`Session::confirm`] or [`Session::decline`].
#[derive(Debug)]
pub(super) enum Held {
    Notification(Receipt),
    /// It ended the observation, unless it is declined.
    LastNotification(Receipt, Box<Observation>),
    Send(IncomingId),
}

fn refusal_reply(refusal: Refusal) -> Response {
    Response::diagnostic(refusal.code, refusal.reason)
}

impl Session {
    pub(super) fn handle_request(&mut self, now: Now, id: IncomingId, request: &Request) {
        let location = self.life.as_ref().map(|life| life.registration.location.as_slice());
        match resource(request.method, &request.path, location) {
            Resource::Register => self.register(now, id, request),
            Resource::Update => self.update(now, id, request),
            Resource::Deregister => {
                self.respond(now, id, Response::new(Code::DELETED));
                self.end_registration(Ending::Deregistered);
            }
            Resource::Send => self.send_from_device(now, id, request),
            Resource::Core => self.respond(now, id, core(request)),
            Resource::Refused(code) => self.respond(now, id, Response::new(code)),
        }
    }

    /// Answers, and puts the answer before everything that is reported or sent from here on.
    fn respond(&mut self, now: Now, id: IncomingId, response: Response) {
        self.peer.respond(now.instant, id, response);
        self.transmit_first();
    }

    fn register(&mut self, now: Now, id: IncomingId, request: &Request) {
        let Some(from) = self.address else { return };
        match self.judge(from, request) {
            Ok(registration) => {
                self.respond(now, id, created(&registration));
                let again = self.recall_for_registration();
                self.peer.forget_all();
                self.begin(now, registration, again);
            }
            Err(refusal) => {
                self.respond(now, id, refusal_reply(refusal.clone()));
                self.refused(refusal);
            }
        }
    }

    /// A complete Register from a new address: if it is accepted, that address is the device's from now on.
    pub(super) fn register_arriving(&mut self, now: Now, id: IncomingId, request: &Request) {
        let Some(mut arriving) = self.arriving.take() else { return };
        match self.judge(arriving.address, request) {
            Ok(registration) => {
                arriving.peer.respond(now.instant, id, created(&registration));
                let again = self.recall_for_registration();
                self.peer = arriving.peer;
                self.overtaken.clear();
                self.held.clear();
                self.answer_first = None;
                let moved = self.address.replace(arriving.address);
                self.transmit_first();
                if let (Some(from), true) = (moved, self.life.is_some()) {
                    self.emit(Event::Moved { from, to: arriving.address });
                }
                self.received(now);
                self.begin(now, registration, again);
            }
            Err(refusal) => {
                arriving.peer.respond(now.instant, id, refusal_reply(refusal.clone()));
                self.arriving = Some(arriving);
                self.pump_arriving(now);
                self.refused(refusal);
            }
        }
    }

    fn refused(&mut self, refusal: Refusal) {
        if self.life.is_none() {
            self.give_up = None;
            self.emit(Event::NeverRegistered { code: Some(refusal.code), reason: refusal.reason });
        } else {
            self.oddity(format!("Register refused: {refusal}"));
        }
    }

    fn judge(&mut self, from: Address, request: &Request) -> Result<Registration, Refusal> {
        let location = vec!["rd".to_owned(), format!("{:016x}", self.randomness.next_u64())];
        let identity = from.is_secure().then_some(&*self.endpoint);
        let registration = Registration::from_register(request, identity, self.bounds(), location)?;
        if *registration.endpoint != *self.endpoint {
            return Err(Refusal { code: Code::BAD_REQUEST, reason: "ep names another endpoint".to_owned() });
        }
        // Without its security nobody takes over a session that has it.
        if self.life.is_some() && self.address.is_some_and(|home| home.is_secure()) && !from.is_secure() {
            return Err(Refusal {
                code: Code::BAD_REQUEST,
                reason: "the endpoint is registered with security".to_owned(),
            });
        }
        match self.policy.admission.admit(&registration, from) {
            Ok(()) => Ok(registration),
            Err((code, reason)) => Err(Refusal { code, reason }),
        }
    }

    /// The registration begins; `again` are the urgent commands that were on the wire under the one before.
    fn begin(&mut self, now: Now, registration: Registration, again: Vec<Command>) {
        self.drop_observations();
        let registration = Arc::new(registration);
        let expires = now.instant + registration.lifetime;
        let replaced = self.life.replace(Life {
            registration: registration.clone(),
            expires,
            refusals: Default::default(),
            pmax: Vec::new(),
        });
        self.give_up = None;
        self.persist(Patch::Registered(registration.clone()));
        if replaced.as_ref().is_some_and(|life| !life.pmax.is_empty()) {
            self.persist(Patch::Attributed(Vec::new()));
        }
        self.persist_renewed(now);
        let first = replaced.is_none();
        let replaced = replaced.map(|life| life.registration.location.clone());
        self.emit(Event::Registered { registration, replaced });
        for command in again {
            self.send_or_finish(now, command, true);
        }
        if first {
            self.observe_by_itself();
        }
    }

    fn persist_renewed(&mut self, now: Now) {
        if let (Some(life), Some(address)) = (&self.life, self.address) {
            let expires = now.unix_at(life.expires);
            self.persist(Patch::Renewed { expires, address });
        }
    }

    fn observe_by_itself(&mut self) {
        let paths = self.auto_observe_paths();
        for (text, path) in paths {
            if self.waiting.len() >= self.policy.queue_max {
                return self.oddity("auto_observe: the queue is full");
            }
            let target = Target { path, query: Vec::new() };
            let ticket = (self.policy.auto_observe_ticket)(&text);
            let operation = Arc::new(Operation::Observe { target, format: None });
            let id = self.new_id();
            self.enqueue(Command { id, operation, ticket, expires: None, attempts: 0, renews: None });
        }
    }

    fn auto_observe_paths(&self) -> Vec<(String, Path)> {
        let Some(life) = &self.life else { return Vec::new() };
        let Some(objects) = &life.registration.objects else { return Vec::new() };
        let is_defined = |path: &Path| {
            path.object().is_some_and(|object| {
                let version = objects.versions.iter().find(|(id, _)| *id == object).map(|(_, version)| *version);
                self.catalog.definition(object, version, life.registration.version).is_some()
            })
        };
        match &self.policy.auto_observe {
            AutoObserve::Off => Vec::new(),
            AutoObserve::All => objects
                .paths
                .iter()
                .filter(|path| path.object().is_some_and(|object| !NEVER_AUTO_OBSERVED.contains(&object)))
                .filter(|path| is_defined(path))
                .map(|path| (path.to_string(), *path))
                .collect(),
            AutoObserve::Paths(texts) => texts
                .iter()
                .filter(|text| objects.links.contains(text))
                .filter_map(|text| Some((text.clone(), Path::parse(text).ok()?)))
                .filter(|(_, path)| is_defined(path))
                .collect(),
        }
    }

    fn update(&mut self, now: Now, id: IncomingId, request: &Request) {
        let bounds = self.bounds();
        let Some(life) = &mut self.life else { return self.respond(now, id, Response::new(Code::NOT_FOUND)) };
        let merged = match life.registration.merged(request, bounds) {
            Ok(merged) => merged,
            Err(refusal) => return self.respond(now, id, refusal_reply(refusal)),
        };
        // Devices repeat what they said before; then there is nothing new to keep.
        let merged = merged.filter(|merged| *merged != *life.registration);
        let changed = merged.is_some();
        if let Some(merged) = merged {
            life.registration = Arc::new(merged);
        }
        let registration = life.registration.clone();
        life.expires = now.instant + registration.lifetime;
        self.respond(now, id, Response::new(Code::CHANGED));
        if changed {
            self.persist(Patch::Registered(registration.clone()));
        }
        self.persist_renewed(now);
        self.emit(Event::Updated { registration, with_objects: !request.payload.is_empty() });
    }

    pub(super) fn expire_registration(&mut self, now: Now) {
        if self.life.as_ref().is_some_and(|life| life.expires <= now.instant) {
            self.end_registration(Ending::Expired);
        }
    }

    /// Every command gets its outcome, every observation ends, then the registration.
    pub(super) fn end_registration(&mut self, ending: Ending) {
        let Some(life) = self.life.take() else { return };
        for flight in std::mem::take(&mut self.flights) {
            self.peer.forget(flight.exchange);
            self.finish(flight.command, Outcome::TimedOut(Some("registration ended")), None);
        }
        for command in std::mem::take(&mut self.waiting) {
            self.finish(command, Outcome::Refused(Refused::NotRegistered), None);
        }
        self.drop_observations();
        self.peer.forget_all();
        self.asleep = false;
        self.answer_first = None;
        self.persist(Patch::Ended);
        self.emit(Event::Ended { registration: life.registration, ending });
    }

    /// Extensions §3. All or nothing; the 2.04 waits until the data are in somebody's keeping.
    fn send_from_device(&mut self, now: Now, id: IncomingId, request: &Request) {
        match self.sent_nodes(now, request) {
            Ok(nodes) => {
                let delivery = self.hold(now, Held::Send(id));
                self.answer_first = Some(now.instant + self.policy.coap.transmission.ack_timeout);
                self.emit(Event::DataSent { nodes, delivery });
            }
            Err((code, reason)) => {
                self.respond(now, id, Response::diagnostic(code, reason.clone()));
                self.oddity(format!("Send refused: {reason}"));
            }
        }
    }

    fn sent_nodes(&self, now: Now, request: &Request) -> Result<Vec<crate::Node>, (Code, String)> {
        let Some(life) = &self.life else { return Err((Code::NOT_FOUND, "not registered".to_owned())) };
        let format = match request.content_format.and_then(ContentFormat::from_number) {
            Some(format @ (ContentFormat::SenmlJson | ContentFormat::SenmlCbor | ContentFormat::Lwm2mCbor)) => format,
            _ => return Err((Code::UNSUPPORTED_CONTENT_FORMAT, "content format of a Send".to_owned())),
        };
        let nodes = self
            .reader(now)
            .decode(format, &request.payload, Path::ROOT)
            .map_err(|reason| (Code::BAD_REQUEST, format!("undecodable: {reason}")))?;
        let registered = life.registration.objects.as_ref().map_or(&[][..], |objects| &objects.paths);
        let foreign = nodes.iter().find(|node| !registered.iter().any(|path| node.path.is_within(path)));
        match foreign {
            Some(node) => Err((Code::NOT_FOUND, format!("{} is not registered", node.path))),
            None if nodes.is_empty() => Err((Code::BAD_REQUEST, "no values".to_owned())),
            None => Ok(nodes),
        }
    }

    pub(super) fn reader(&self, now: Now) -> Reader<'_> {
        Reader {
            types: types_of(&self.catalog, self.life.as_ref()),
            alternate_path: self.life.as_ref().map_or(&[], Life::alternate_path),
            now_unix: now.unix,
            raw_unknown_objects: self.policy.raw_unknown_objects,
        }
    }

    pub(super) fn hold(&mut self, now: Now, held: Held) -> Delivery {
        if self.held.len() >= HELD_MAX {
            let oldest = self.held[0].0;
            self.settle_delivery(now, oldest, false);
        }
        let delivery = Delivery(self.new_id());
        self.held.push((delivery, held));
        delivery
    }

    pub(super) fn settle_delivery(&mut self, now: Now, delivery: Delivery, kept: bool) {
        let Some(index) = self.held.iter().position(|(held, _)| *held == delivery) else { return };
        match (self.held.remove(index).1, kept) {
            (Held::Notification(receipt), true) => self.peer.confirm(now.instant, receipt),
            (Held::Notification(receipt), false) => self.peer.decline(now.instant, receipt),
            (Held::LastNotification(receipt, observation), true) => {
                self.peer.confirm(now.instant, receipt);
                self.transmit_first();
                self.observation_ended(*observation, false);
            }
            (Held::LastNotification(receipt, observation), false) => {
                self.peer.decline(now.instant, receipt);
                self.observations.push(*observation);
            }
            (Held::Send(id), true) => self.respond(now, id, Response::new(Code::CHANGED)),
            (Held::Send(id), false) => self.respond(now, id, Response::new(Code::SERVICE_UNAVAILABLE)),
        }
        if !self.held.iter().any(|(_, held)| matches!(held, Held::Send(_))) {
            self.answer_first = None;
        }
    }
}

fn created(registration: &Registration) -> Response {
    Response { location_path: registration.location.clone(), ..Response::new(Code::CREATED) }
}

fn core(request: &Request) -> Response {
    if !matches!(request.accept, None | Some(40)) {
        return Response::new(Code::NOT_ACCEPTABLE);
    }
    Response {
        content_format: Some(40),
        payload: coap::stranger::RESOURCES.as_bytes().to_vec(),
        ..Response::new(Code::CONTENT)
    }
}
