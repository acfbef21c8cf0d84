//! Messages: session events in, publications out (contract chapters 5 to 9, extensions).
mod answer;
pub(crate) mod code;
mod content;
mod lifecycle;
mod registration;
pub mod status;

pub use code::name as code_name;
pub use lifecycle::Word;

use crate::ticket::Origin;
use crate::topic::{DeviceTopics, Kind, Topics};
use answer::{Identity, Reply};
use coap::Code;
use content::{Sent, Unknown};
use lifecycle::Report;
use lwm2m::format::Types;
use lwm2m::registration::Registration;
use lwm2m::session::{Address, Answer, Cancelled, Event, Outcome, Refused, Ticket};
use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Whether a publication may be dropped when there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Must arrive: answers, registrations, confirmable notifications, Sends.
    Keep,
    /// A non-confirmable notification: the oldest per path may go first. The key is equal for the same device and path.
    Droppable {
        /// Hash of endpoint and request path.
        key: u64,
    },
}

/// One MQTT publication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publication {
    /// Endpoint name: user property `ep`.
    pub endpoint: Arc<str>,
    /// Full topic.
    pub topic: Arc<str>,
    /// JSON.
    pub payload: Vec<u8>,
    /// QoS of the translator.
    pub qos: u8,
    /// MQTT 5 Correlation Data.
    pub correlation_data: Option<Vec<u8>>,
    /// Keep or droppable.
    pub class: Class,
}

/// Renders what happens to one device. Made anew at each registration.
#[derive(Clone, Debug)]
pub struct Voice {
    endpoint: Arc<str>,
    topics: DeviceTopics,
    identity: Option<Box<Identity>>,
    /// For lifecycle events only; empty where they are off.
    location: Box<str>,
    settings: Settings,
    /// Tenths of the transfer in flight that were reported.
    tenths: Cell<u8>,
}

impl Voice {
    /// For a device: its topics, and `imei`/`imsi` for the answers. `lifecycle_events`: `extensions` §5. `update_always`:
    /// `update_msg_publish_condition = "always"`. `raw_unknown`: `unknown_objects = "raw"`.
    pub fn new(_topics: &Topics, device: DeviceTopics, registration: &Registration, settings: Settings) -> Voice {
        let location =
            if settings.lifecycle_events { registration::location(&registration.location) } else { String::new() };
        Voice {
            endpoint: registration.endpoint.as_str().into(),
            topics: device,
            identity: identity(registration),
            location: location.into(),
            settings,
            tenths: Cell::new(0),
        }
    }

    /// The publications that an event causes, in order (often none). `unix` is now, for lifecycle events.
    pub fn render(&self, event: &Event, unix: f64, out: &mut Vec<Publication>) {
        self.render_typed(event, unix, None, out);
    }

    /// The same where the device's types are at hand: with `unknown_objects = "raw"` values of self-describing formats without a
    /// definition get their mark `raw` too. Without it `types` has no effect.
    pub fn render_typed(&self, event: &Event, unix: f64, types: Option<&dyn Types>, out: &mut Vec<Publication>) {
        let unknown = Unknown { raw: self.settings.raw_unknown, types };
        match event {
            Event::Registered { registration, .. } => {
                out.push(self.own(Kind::Register, registration::render("register", registration)));
            }
            Event::Updated { registration, with_objects } if *with_objects || self.settings.update_always => {
                out.push(self.own(Kind::Update, registration::render("update", registration)));
            }
            Event::Acknowledged { ticket } => {
                out.push(self.reply(ticket, unknown, Kind::Response, |reply| reply.ack()));
            }
            Event::Finished { ticket, outcome, observing } => {
                out.push(self.reply(ticket, unknown, Kind::Response, |reply| reply.outcome(outcome, *observing)));
            }
            Event::Notified { ticket, sequence, answer, delivery } => {
                let mut message = self.reply(ticket, unknown, Kind::Notify, |reply| reply.notify(answer, *sequence));
                if delivery.is_none() {
                    message.class = Class::Droppable { key: self.key(Origin::of(ticket).target) };
                }
                out.push(message);
            }
            Event::DataSent { nodes, .. } => out.push(self.own(Kind::Send, send(nodes, unknown))),
            _ => {}
        }
        if self.settings.lifecycle_events {
            self.lifecycle(event, unix, out);
        }
    }

    /// The answer to a command that was not taken.
    pub fn refused(&self, ticket: &Ticket, refused: &Refused) -> Publication {
        self.reply(ticket, KNOWN, Kind::Response, |reply| reply.refused(refused))
    }
    /// The answer to a bad command.
    pub fn bad_command(&self, ticket: &Ticket, bad: &crate::command::BadCommand) -> Publication {
        self.reply(ticket, KNOWN, Kind::Response, |reply| reply.error(Code::BAD_REQUEST, &bad.to_string()))
    }
    /// An answer of the gateway itself for another reason.
    pub fn unavailable(&self, ticket: &Ticket, reason: &str) -> Publication {
        self.reply(ticket, KNOWN, Kind::Response, |reply| reply.error(Code::SERVICE_UNAVAILABLE, reason))
    }
    /// The lifecycle event of a command that waits now; `None` where these events are off.
    pub fn queued(&self, ticket: &Ticket, waiting: usize, unix: f64) -> Option<Publication> {
        self.settings.lifecycle_events.then(|| {
            let report = command(self.report(Word::CommandQueued, unix), ticket).number("queued", waiting);
            self.own(Kind::Event, report.finish())
        })
    }

    fn lifecycle(&self, event: &Event, unix: f64, out: &mut Vec<Publication>) {
        let report = |word| self.report(word, unix);
        let report = match event {
            Event::Registered { replaced, .. } => {
                if let Some(old) = replaced {
                    let replaced = Report::new(Word::Replaced, unix, &self.endpoint)
                        .text("location", &registration::location(old))
                        .text("cause", "the endpoint registered again");
                    out.push(self.own(Kind::Event, replaced.finish()));
                }
                report(Word::Registered)
            }
            Event::Updated { .. } => report(Word::Updated),
            Event::Ended { ending, .. } => match lifecycle::ending(*ending) {
                (word, Some(cause)) => report(word).text("cause", cause),
                (word, None) => report(word),
            },
            Event::Moved { from, to } => {
                report(Word::Moved).text("from", &from.socket.to_string()).text("to", &to.socket.to_string())
            }
            Event::Awake => report(Word::Awake),
            Event::Asleep { queued } => report(Word::Asleep).number("queued", *queued),
            Event::ObservationEnded { ticket, lost: true } => command(report(Word::ObserveLost), ticket),
            Event::Finished { ticket, outcome: Outcome::TimedOut(Some(reason)), .. }
                if reason.starts_with("expired") =>
            {
                command(report(Word::CommandExpired), ticket)
            }
            Event::Progress { ticket, done, total: Some(total) } if self.is_another_tenth(*done, *total) => {
                command(report(Word::Progress), ticket).number("done", *done).number("total", *total)
            }
            _ => return,
        };
        out.push(self.own(Kind::Event, report.finish()));
    }

    /// Whether a transfer passed a tenth that was not reported yet. There is one transfer at a time.
    fn is_another_tenth(&self, done: usize, total: usize) -> bool {
        let tenths = (done.min(total) * 10).checked_div(total).and_then(|n| u8::try_from(n).ok()).unwrap_or(10);
        let before = self.tenths.replace(tenths);
        tenths > before || (tenths < before && tenths > 0)
    }

    fn report(&self, word: Word, unix: f64) -> Report {
        Report::new(word, unix, &self.endpoint).text("location", &self.location)
    }

    /// A message of the device itself.
    fn own(&self, kind: Kind, payload: Vec<u8>) -> Publication {
        Publication {
            endpoint: self.endpoint.clone(),
            topic: self.topics.topic(kind),
            payload,
            qos: self.topics.qos(kind),
            correlation_data: None,
            class: Class::Keep,
        }
    }

    /// A message that a command caused.
    fn reply(
        &self,
        ticket: &Ticket,
        unknown: Unknown<'_>,
        kind: Kind,
        write: impl FnOnce(&Reply<'_>) -> Vec<u8>,
    ) -> Publication {
        let origin = Origin::of(ticket);
        let topic = origin.response_topic.map_or_else(|| self.topics.topic(kind), Arc::from);
        let correlation_data = origin.correlation.map(<[u8]>::to_vec);
        let reply = Reply { origin, identity: self.identity.as_deref(), unknown };
        Publication {
            endpoint: self.endpoint.clone(),
            topic,
            payload: write(&reply),
            qos: self.topics.qos(kind),
            correlation_data,
            class: Class::Keep,
        }
    }

    fn key(&self, target: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.endpoint, target).hash(&mut hasher);
        hasher.finish()
    }
}

/// Gateway-made messages hold no values.
const KNOWN: Unknown<'static> = Unknown { raw: false, types: None };

fn identity(registration: &Registration) -> Option<Box<Identity>> {
    let member = |name: &str| {
        let value = registration.member(name).filter(|value| !value.is_empty())?;
        let mut out = Vec::with_capacity(value.len() + 12);
        crate::json::string(&mut out, name);
        out.push(b':');
        crate::json::string(&mut out, value);
        String::from_utf8(out).ok().map(String::into_boxed_str)
    };
    let identity = Identity { imei: member("imei"), imsi: member("imsi") };
    (identity != Identity::default()).then(|| Box::new(identity))
}

fn command(report: Report, ticket: &Ticket) -> Report {
    let origin = Origin::of(ticket);
    let report = report.json(if origin.flags.composite { "paths" } else { "path" }, origin.target);
    match origin.request_id() {
        Some(id) => report.json("reqID", id),
        None => report,
    }
}

fn send(nodes: &[lwm2m::Node], unknown: Unknown<'_>) -> Vec<u8> {
    const OPEN: &[u8] = b"{\"msgType\":\"send\",\"data\":{\"content\":";
    let mut out = Vec::with_capacity(64 + nodes.len() * 64);
    out.extend_from_slice(OPEN);
    // the formats of Send describe themselves; should a value lack a type all the same, it is passed on rather than lost
    let raw = Unknown { raw: true, types: unknown.types.filter(|_| unknown.raw) };
    if content::nodes(&mut out, nodes, Sent { json: content::ROOT, path: None }, raw).is_err() {
        out.truncate(OPEN.len());
        out.extend_from_slice(b"[]");
    }
    out.extend_from_slice(b"}}");
    out
}

/// What a [`Voice`] needs of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the names are the configuration's")]
pub struct Settings {
    pub lifecycle_events: bool,
    pub update_always: bool,
    pub raw_unknown: bool,
}

/// The same two answers where no device is registered under a mountpoint: `4.04 not registered`, `4.00 bad command`.
pub fn without_device(topics: &Topics, mountpoint: &str, ticket: &Ticket, problem: &Problem) -> Publication {
    let origin = Origin::of(ticket);
    let (topic, endpoint) = topics.response_without_device(mountpoint);
    let topic = origin.response_topic.map_or(topic, Arc::from);
    let correlation_data = origin.correlation.map(<[u8]>::to_vec);
    let reply = Reply { origin, identity: None, unknown: KNOWN };
    let payload = match problem {
        Problem::Bad(bad) => reply.error(Code::BAD_REQUEST, &bad.to_string()),
        Problem::NotRegistered => reply.refused(&Refused::NotRegistered),
        Problem::Unavailable(reason) => reply.error(Code::SERVICE_UNAVAILABLE, reason),
        Problem::Ended(outcome) => reply.outcome(outcome, None),
    };
    Publication { endpoint, topic, payload, qos: topics.response.qos, correlation_data, class: Class::Keep }
}

/// The lifecycle event of a DTLS handshake that failed for a known identity; `None` where the identity makes no safe topic.
pub fn dtls_refused(topics: &Topics, identity: &str, from: Address, cause: &str, unix: f64) -> Option<Publication> {
    let device = topics.expand_identity(identity, from).ok()?;
    let report =
        Report::new(Word::DtlsRefused, unix, identity).text("from", &from.socket.to_string()).text("cause", cause);
    Some(Publication {
        endpoint: identity.into(),
        topic: device.topic(Kind::Event),
        payload: report.finish(),
        qos: device.qos(Kind::Event),
        correlation_data: None,
        class: Class::Keep,
    })
}

/// What a `cancel` is answered with (contract chapter 5): `2.02` if anything was taken back, `4.09` if all that bears the `reqID` is with
/// the device already, `4.04` if nothing does.
pub fn cancel_outcome(found: Cancelled) -> Outcome {
    let (code, diagnostic) = match found {
        Cancelled { waiting: 1.., .. } => (Code::DELETED, None),
        Cancelled { on_the_wire: 1.., .. } => (Code::CONFLICT, Some("already sent")),
        Cancelled { .. } => (Code::NOT_FOUND, Some("no command waits with this reqID")),
    };
    let diagnostic = diagnostic.map(str::to_owned);
    Outcome::Answered(Answer { code, content: lwm2m::session::Content::None, diagnostic, location: None })
}

/// Why a command is answered without a device.
#[derive(Clone, PartialEq, Debug)]
pub enum Problem {
    /// 4.00
    Bad(crate::command::BadCommand),
    /// 4.04
    NotRegistered,
    /// 5.03
    Unavailable(String),
    /// This outcome, which was known without the device.
    Ended(Outcome),
}

/// Renders one terminal outcome (used by [`Voice::render`]; public for tests and for HTTP).
pub fn outcome_json(ticket: &Ticket, outcome: &Outcome) -> Vec<u8> {
    Reply { origin: Origin::of(ticket), identity: None, unknown: KNOWN }.outcome(outcome, None)
}

/// The elements of `content` for an answer, or `None` where it must become 4.00 (untyped values under `reject`).
pub fn content_json(answer: &Answer, raw_unknown: bool) -> Option<Vec<u8>> {
    let links = matches!(answer.content, lwm2m::session::Content::Links(_));
    let unknown = Unknown { raw: raw_unknown, types: None };
    let mut out = Vec::new();
    content::write(&mut out, &answer.content, links, Sent { json: content::ROOT, path: None }, unknown).ok()?;
    Some(if out.is_empty() { b"[]".to_vec() } else { out })
}
