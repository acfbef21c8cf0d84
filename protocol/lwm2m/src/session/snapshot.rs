//! What survives a restart: a session as a whole ([`Snapshot`]), and each change of it ([`Patch`]).
use super::observation::Observation;
use super::operation::{Operation, Subject};
use super::queue::Command;
use super::{Address, Life, Now, Outcome, Policy, Session, Ticket};
use crate::Path;
use crate::catalog::Catalog;
use crate::registration::Registration;
use coap::peer::ObservationState;
use coap::{Method, Peer, Request};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A change of what must survive a restart. [`Snapshot::apply`] says what each means.
#[derive(Clone, Debug)]
pub enum Patch {
    /// The registration as a whole was made or changed.
    Registered(Arc<Registration>),
    /// The lifetime began anew.
    Renewed {
        /// When it ends, Unix seconds.
        expires: f64,
        /// Where the device is.
        address: Address,
    },
    /// The device is at another address.
    Moved(Address),
    /// A command was taken.
    Accepted(StoredCommand),
    /// A command went to the device.
    Sent {
        /// Its id.
        command: u64,
    },
    /// A command that was sent waits again.
    Requeued {
        /// Its id.
        command: u64,
    },
    /// A command has its outcome.
    Finished {
        /// Its id.
        command: u64,
    },
    /// An observation was established, or established again.
    Observing(Box<StoredObservation>),
    /// A notification came.
    Notified {
        /// Id of the observation.
        observation: u64,
        /// Observe value.
        sequence: u32,
        /// When the next one should have come, Unix seconds.
        silent_at: Option<f64>,
    },
    /// `pmax` as written through the gateway: all of it, after each change.
    Attributed(Vec<(Path, u32)>),
    /// An observation is over.
    ObservationEnded {
        /// Its id.
        observation: u64,
    },
    /// The registration is over; everything of this device may be forgotten.
    Ended,
}

/// A command without an outcome.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StoredCommand {
    /// Its id, unique within the session.
    pub id: u64,
    /// What to do.
    pub operation: Arc<Operation>,
    /// Where it came from.
    pub ticket: Ticket,
    /// Not to be sent after this moment, Unix seconds.
    pub expires: Option<f64>,
    /// Past queue and sleep.
    pub immediate: bool,
    /// It went to the device.
    pub sent: bool,
}

impl StoredCommand {
    pub(super) fn of(command: &Command, immediate: bool, sent: bool, now: Now) -> StoredCommand {
        StoredCommand {
            id: command.id,
            operation: command.operation.clone(),
            ticket: command.ticket.clone(),
            expires: command.expires.map(|expires| now.unix_at(expires)),
            immediate,
            sent,
        }
    }

    fn command(self, now: Now) -> Command {
        let StoredCommand { id, operation, ticket, expires, .. } = self;
        let expires = expires.map(|unix| now.instant_at(unix));
        Command { id, operation, ticket, expires, attempts: 0, renews: None }
    }
}

/// A live observation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StoredObservation {
    /// Its id, unique within the session.
    pub id: u64,
    /// What it is about.
    pub subject: Subject,
    /// The observe command.
    pub ticket: Ticket,
    /// CoAP token.
    pub token: Vec<u8>,
    /// The request that established it: method code, …
    pub method: u8,
    /// … Uri-Path, …
    pub path: Vec<String>,
    /// … Uri-Query, …
    pub query: Vec<String>,
    /// … Accept, …
    pub accept: Option<u16>,
    /// … Content-Format, …
    pub content_format: Option<u16>,
    /// … and body.
    pub payload: Vec<u8>,
    /// Observe value of the freshest notification.
    pub sequence: u32,
    /// When to ask again if nothing came, Unix seconds.
    pub silent_at: Option<f64>,
}

impl StoredObservation {
    pub(super) fn of(observation: &Observation, peer: &Peer, now: Now) -> Option<StoredObservation> {
        let ObservationState { token, request, sequence } = peer.observation(observation.exchange)?;
        Some(StoredObservation {
            id: observation.id,
            subject: observation.subject.clone(),
            ticket: observation.ticket.clone(),
            token,
            method: if request.method == Method::Fetch { FETCH } else { GET },
            path: request.path,
            query: request.query,
            accept: request.accept,
            content_format: request.content_format,
            payload: request.payload,
            sequence,
            silent_at: observation.silent_at.map(|moment| now.unix_at(moment)),
        })
    }

    fn state(&self) -> ObservationState {
        ObservationState {
            token: self.token.clone(),
            request: Request {
                method: if self.method == FETCH { Method::Fetch } else { Method::Get },
                path: self.path.clone(),
                query: self.query.clone(),
                accept: self.accept,
                content_format: self.content_format,
                observe: Some(0),
                payload: self.payload.clone(),
            },
            sequence: self.sequence,
        }
    }
}

const GET: u8 = 1;
const FETCH: u8 = 5;

/// A session as it is stored: all that a device would miss if the gateway forgot it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// The registration.
    pub registration: Arc<Registration>,
    /// Where the device is.
    pub address: Address,
    /// When the lifetime ends, Unix seconds.
    pub expires: f64,
    /// `pmax` as written through the gateway.
    pub pmax: Vec<(Path, u32)>,
    /// Live observations.
    pub observations: Vec<StoredObservation>,
    /// Commands without an outcome, in the order in which they are to be sent.
    pub commands: Vec<StoredCommand>,
}

impl Snapshot {
    /// Takes a change in. Without a registration there is nothing to keep; the first [`Patch::Renewed`] completes one.
    pub fn apply(stored: &mut Option<Snapshot>, patch: Patch) {
        match patch {
            Patch::Ended => *stored = None,
            Patch::Registered(registration) => match stored {
                Some(snapshot) => snapshot.registration = registration,
                None => {
                    let socket = (std::net::Ipv4Addr::UNSPECIFIED, 0).into();
                    let address = Address { socket, listener: 0, association: None };
                    *stored = Some(Snapshot {
                        registration,
                        address,
                        expires: 0.0,
                        pmax: Vec::new(),
                        observations: Vec::new(),
                        commands: Vec::new(),
                    });
                }
            },
            other => {
                if let Some(snapshot) = stored {
                    snapshot.change(other);
                }
            }
        }
    }

    fn change(&mut self, patch: Patch) {
        match patch {
            Patch::Registered(registration) => self.registration = registration,
            Patch::Renewed { expires, address } => {
                self.expires = expires;
                self.address = address;
            }
            Patch::Moved(address) => self.address = address,
            Patch::Accepted(command) => self.commands.push(command),
            Patch::Sent { command } => self.mark(command, true),
            Patch::Requeued { command } => self.mark(command, false),
            Patch::Finished { command } => self.commands.retain(|stored| stored.id != command),
            Patch::Observing(observation) => {
                self.observations.retain(|stored| stored.id != observation.id);
                self.observations.push(*observation);
            }
            Patch::Notified { observation, sequence, silent_at } => {
                for stored in self.observations.iter_mut().filter(|stored| stored.id == observation) {
                    (stored.sequence, stored.silent_at) = (sequence, silent_at);
                }
            }
            Patch::Attributed(pmax) => self.pmax = pmax,
            Patch::ObservationEnded { observation } => self.observations.retain(|stored| stored.id != observation),
            Patch::Ended => {}
        }
    }

    fn mark(&mut self, id: u64, sent: bool) {
        if let Some(command) = self.commands.iter_mut().find(|command| command.id == id) {
            command.sent = sent;
        }
    }
}

impl Session {
    /// The session as it is now; `None` without a registration. An observation whose last notification still waits for its delivery is
    /// left out (the patches keep it until then).
    pub fn snapshot(&self, now: Now) -> Option<Snapshot> {
        let life = self.life.as_ref()?;
        let sent = self.flights.iter().map(|flight| (&flight.command, flight.urgent, true));
        let waiting = self.waiting.iter().map(|command| (command, false, false));
        Some(Snapshot {
            registration: life.registration.clone(),
            address: self.address?,
            expires: now.unix_at(life.expires),
            pmax: life.pmax.clone(),
            observations: self
                .observations
                .iter()
                .filter_map(|observation| StoredObservation::of(observation, &self.peer, now))
                .collect(),
            commands: sent
                .chain(waiting)
                .filter(|(command, ..)| command.renews.is_none())
                .map(|(command, immediate, sent)| StoredCommand::of(command, immediate, sent, now))
                .collect(),
        })
    }

    /// Goes on where a snapshot was taken. What was on the wire is sent again if it may be, else it ends as `interrupted`
    /// (extensions §6.3); a device in queue mode counts as asleep until it is heard.
    pub fn restore(
        now: Now,
        snapshot: Snapshot,
        policy: Arc<Policy>,
        catalog: Arc<Catalog>,
        seed: [u8; 16],
    ) -> Session {
        let mut session = Session::new(&snapshot.registration.endpoint, policy, catalog, seed);
        session.address = Some(snapshot.address);
        session.asleep = snapshot.registration.queue_mode;
        session.life = Some(Life {
            registration: snapshot.registration,
            expires: now.instant_at(snapshot.expires),
            refusals: Default::default(),
            pmax: snapshot.pmax,
        });
        for stored in snapshot.observations {
            let exchange = session.peer.restore(now.instant, stored.state());
            session.last_id = session.last_id.max(stored.id);
            let StoredObservation { id, subject, ticket, silent_at, .. } = stored;
            let silent_at = silent_at.map(|unix| now.instant_at(unix));
            session.observations.push(Observation { id, exchange, subject, ticket, silent_at, unanswered: false });
        }
        let mut urgent = Vec::new();
        for stored in snapshot.commands {
            session.last_id = session.last_id.max(stored.id);
            let (sent, immediate) = (stored.sent, stored.immediate);
            let command = stored.command(now);
            if sent && !command.operation.is_idempotent() {
                session.finish(command, Outcome::TimedOut(Some("interrupted")), None);
            } else if immediate {
                urgent.push(command);
            } else {
                session.enqueue(command);
            }
        }
        for command in urgent {
            session.send_or_finish(now, command, true);
        }
        session.expire_registration(now);
        session.settle(now);
        session
    }
}
