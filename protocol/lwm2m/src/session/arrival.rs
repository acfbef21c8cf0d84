//! Datagrams: which peer they are for, and who may speak from a new address.
//!
//! Without security a device is its address. Only a Register, and an Update or Deregister that names the unguessable location, are heard
//! from another one (C-080). A secure session follows its association.
use super::{Address, Event, Now, Output, Session};
use crate::registration::{self, Refusal, Resource};
use coap::{Code, Message, Method, Response, stranger};
use std::time::Instant;

/// A device that registers from another address than the one that is known: kept apart until its Register is accepted, so that nobody
/// can disturb the old association with anything less.
#[derive(Debug)]
pub(super) struct Arriving {
    pub(super) address: Address,
    pub(super) peer: coap::Peer,
    /// Forgotten then.
    until: Instant,
}

impl Arriving {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        Some(self.peer.poll_timeout().map_or(self.until, |timeout| timeout.min(self.until)))
    }
}

/// What a datagram from a new address means.
enum Meaning {
    /// A Register of this device, or a message of the exchange that it began.
    Arrival,
    /// A Register of another endpoint.
    Stray,
    /// The device itself speaks from a new address.
    Move,
    /// To be refused without believing it.
    Refused(Refusal),
    /// Nothing to us.
    Unknown,
}

impl Session {
    pub(super) fn arrive(&mut self, now: Now, from: Address, datagram: &[u8]) {
        if self.address.is_none() {
            self.give_up = Some(now.instant + self.policy.coap.blockwise.exchange_lifetime);
        }
        if *self.address.get_or_insert(from) == from {
            self.arrive_from_home(now, from, datagram);
        } else {
            self.arrive_from_elsewhere(now, from, datagram);
        }
    }

    fn arrive_from_home(&mut self, now: Now, from: Address, datagram: &[u8]) {
        // Only a POST can be a Register of somebody else; everything else is spared the second look.
        if datagram.get(1) != Some(&POST) {
            self.received(now);
            return self.peer.handle_datagram(now.instant, datagram);
        }
        match Message::decode(datagram) {
            Ok(message) if registers(&message) && self.names_another(&message) => {
                self.emit(Event::Stray { from, datagram: datagram.to_vec() });
            }
            Ok(message) => {
                self.received(now);
                self.peer.handle_message(now.instant, message);
            }
            Err(_) => self.peer.handle_datagram(now.instant, datagram),
        }
    }

    fn arrive_from_elsewhere(&mut self, now: Now, from: Address, datagram: &[u8]) {
        let Ok(message) = Message::decode(datagram) else {
            return self.oddity(format!("malformed datagram from {}", from.socket));
        };
        match self.meaning(from, &message) {
            Meaning::Arrival => self.hear_arriving(now, from, message),
            Meaning::Stray => self.emit(Event::Stray { from, datagram: datagram.to_vec() }),
            Meaning::Move => {
                self.move_to(from);
                self.received(now);
                self.peer.handle_message(now.instant, message);
            }
            Meaning::Refused(refusal) => {
                let answer = stranger::answer(&message, refusal.code);
                self.outputs.extend(answer.map(|datagram| Output::Transmit(from, datagram)));
                self.oddity(format!("request from new address {} refused: {refusal}", from.socket));
            }
            // It named a location that this device had: after a deregistration, say.
            Meaning::Unknown if message.method().is_some() => {
                let answer = stranger::answer(&message, Code::NOT_FOUND);
                self.outputs.extend(answer.map(|datagram| Output::Transmit(from, datagram)));
            }
            Meaning::Unknown => self.oddity(format!("datagram from foreign address {}", from.socket)),
        }
    }

    fn meaning(&self, from: Address, message: &Message) -> Meaning {
        if registers(message) {
            return if self.names_another(message) { Meaning::Stray } else { Meaning::Arrival };
        }
        let (Some(home), Some(life)) = (self.address, &self.life) else { return self.arriving_or_unknown(from) };
        let location = Some(life.registration.location.as_slice());
        let moving = match message.method() {
            Some(method) => matches!(
                registration::resource(method, &message.uri_path(), location),
                Resource::Update | Resource::Deregister
            ),
            None => false,
        };
        // The same association from another socket: its connection id proved it.
        let followed = home.is_secure() && home.association == from.association;
        match moving || followed {
            true => match self.may_move(home, from) {
                Ok(()) => Meaning::Move,
                Err(refusal) => Meaning::Refused(refusal),
            },
            false => self.arriving_or_unknown(from),
        }
    }

    fn arriving_or_unknown(&self, from: Address) -> Meaning {
        match &self.arriving {
            Some(arriving) if arriving.address == from => Meaning::Arrival,
            _ => Meaning::Unknown,
        }
    }

    fn may_move(&self, home: Address, from: Address) -> Result<(), Refusal> {
        let refusal = |code, reason: &str| Err(Refusal { code, reason: reason.to_owned() });
        if home.is_secure() != from.is_secure() {
            return refusal(Code::NOT_FOUND, "the session is bound to its security");
        }
        if !from.is_secure() && !self.policy.address_change {
            return refusal(Code::NOT_FOUND, "address changes are not allowed");
        }
        match &self.life {
            Some(life) => {
                self.policy.admission.admit(&life.registration, from).map_err(|(code, reason)| Refusal { code, reason })
            }
            None => refusal(Code::NOT_FOUND, "not registered"),
        }
    }

    fn move_to(&mut self, to: Address) {
        let Some(from) = self.address.replace(to) else { return };
        self.arriving = None;
        self.persist(super::Patch::Moved(to));
        self.emit(Event::Moved { from, to });
    }

    /// A datagram of the device came: its awake window begins anew.
    pub(super) fn received(&mut self, now: Now) {
        self.last_received = Some(now.instant);
        self.woken |= std::mem::take(&mut self.asleep);
        self.ask_unanswered(now);
    }

    fn hear_arriving(&mut self, now: Now, from: Address, message: Message) {
        if self.arriving.as_ref().is_none_or(|arriving| arriving.address != from) {
            let peer = coap::Peer::new(self.policy.coap.clone(), self.randomness.next_seed());
            self.arriving = Some(Box::new(Arriving { address: from, peer, until: now.instant }));
        }
        if let Some(arriving) = &mut self.arriving {
            arriving.until = now.instant + self.policy.coap.blockwise.exchange_lifetime;
            arriving.peer.handle_message(now.instant, message);
        }
    }

    pub(super) fn arriving_timeout(&mut self, now: Now) {
        if self.arriving.as_ref().is_some_and(|arriving| arriving.until <= now.instant) {
            self.arriving = None;
        }
        if let Some(arriving) = &mut self.arriving {
            arriving.peer.handle_timeout(now.instant);
        }
    }

    pub(super) fn pump_arriving(&mut self, now: Now) {
        while let Some(arriving) = &mut self.arriving {
            let Some(output) = arriving.peer.poll_output() else { return };
            match output {
                coap::Output::Transmit(datagram) => {
                    self.outputs.push_back(Output::Transmit(arriving.address, datagram));
                }
                coap::Output::Request { id, request, .. } => {
                    let resource = registration::resource(request.method, &request.path, None);
                    match resource {
                        Resource::Register => self.register_arriving(now, id, &request),
                        Resource::Refused(code) => arriving.peer.respond(now.instant, id, Response::new(code)),
                        _ => arriving.peer.respond(now.instant, id, Response::new(Code::NOT_FOUND)),
                    }
                }
                _ => {}
            }
        }
    }

    /// The first datagram promised a Register, and none was ever complete.
    pub(super) fn give_up(&mut self, now: Now) {
        if self.life.is_none() && self.give_up.is_some_and(|moment| moment <= now.instant) {
            self.give_up = None;
            self.emit(Event::NeverRegistered { code: None, reason: "the Register was never complete".to_owned() });
        }
    }

    fn names_another(&self, message: &Message) -> bool {
        let mut names = message.uri_query().into_iter().filter_map(|member| member.strip_prefix(b"ep="));
        names.next().is_some_and(|name| name != self.endpoint.as_bytes())
    }
}

const POST: u8 = 2;

fn registers(message: &Message) -> bool {
    message.method() == Some(Method::Post) && message.uri_path() == [b"rd"]
}
