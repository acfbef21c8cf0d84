//! Commands: JSON in, [`lwm2m::session::Operation`] out (contract chapters 2 to 4 and 12, extensions).
mod attribute;
mod decimal;
mod element;
mod message_type;
mod operation;
mod target;
mod value;

pub(crate) use attribute::NAMES as ATTRIBUTES;
pub use message_type::MessageType;
pub(crate) use operation::FORMATS;

pub(crate) use value::TYPES;

use crate::json::{self, Members};
use crate::ticket::{Flags, Origin, REQUEST_ID};
use crate::topic::check_publish;
use lwm2m::Path;
use lwm2m::format::Types;
use lwm2m::session::{Operation, Ticket};
use operation::Draft;
use std::time::Duration;

/// What MQTT says beside the payload.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    /// MQTT 5 Response Topic.
    pub response_topic: Option<String>,
    /// MQTT 5 Correlation Data.
    pub correlation_data: Option<Vec<u8>>,
    /// MQTT 5 Message Expiry Interval, seconds.
    pub expiry: Option<u32>,
}

/// A payload that is not a JSON object: there is nothing to answer to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a command: {0}")]
pub struct NotACommand(pub String);

/// Why a command is bad; its text is the `diagnostic` (`bad command: <member>: <reason>`), the answer is 4.00.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("bad command: {0}")]
pub struct BadCommand(pub String);

impl BadCommand {
    pub(crate) fn new(member: &str, reason: impl std::fmt::Display) -> BadCommand {
        BadCommand(format!("{member}: {reason}"))
    }
    /// Names the place within which the member at fault lies.
    pub(crate) fn within(self, place: &str) -> BadCommand {
        BadCommand(format!("{place}.{}", self.0))
    }
}

/// A text of the command inside a diagnostic: quoted, and cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{:?}…", &text[..at]),
        None => format!("{text:?}"),
    }
}

/// What the JSON parser says may quote the whole payload.
fn shortened(mut text: String) -> String {
    const SHOWN: usize = 120;
    if let Some((at, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// A JSON object received as a command.
#[derive(Clone, Debug)]
pub struct Command {
    /// `msgType`: as JSON if it is none of ours.
    message_type: Result<MessageType, Box<str>>,
    ticket: Ticket,
    draft: Result<Draft, BadCommand>,
    ttl: Option<Duration>,
    expiry: Option<Duration>,
}

impl Command {
    /// Reads the JSON. Everything that can be judged without knowing the device is judged here, the verdict kept for [`Command::check`].
    pub fn parse(payload: &[u8], envelope: Envelope) -> Result<Command, NotACommand> {
        let text = std::str::from_utf8(payload).map_err(|error| NotACommand(error.to_string()))?;
        let members = Members::parse(text).map_err(|error| NotACommand(shortened(error.to_string())))?;
        let message_type = read_message_type(&members);
        let data = members.get("data").map(|raw| {
            let misfit = |_| BadCommand::new("data", format!("{} where an object belongs", json::kind(raw)));
            Members::parse(raw.get()).map_err(misfit)
        });
        let target = match &data {
            Some(Ok(data)) => Target::of(message_type.as_ref().ok().copied(), data),
            _ => Target::nowhere(),
        };
        let draft = match (&message_type, data) {
            (Err((_, bad)), _) => Err(bad.clone()),
            (Ok(MessageType::Cancel), _) => match members.get("reqID") {
                Some(_) => Ok(Draft::cancel()),
                None => Err(BadCommand::new("reqID", "missing")),
            },
            (Ok(_), None) => Err(BadCommand::new("data", "missing")),
            (Ok(_), Some(Err(bad))) => Err(bad),
            (Ok(known), Some(Ok(data))) => operation::draft(*known, &data, members.get("encoding")),
        };
        let response_topic = envelope.response_topic.as_deref();
        let misfit = |topic| check_publish(topic).map_err(|why| format!("{} {why}", quoted(topic)));
        let (response_topic, draft) = match response_topic.map(misfit) {
            Some(Err(why)) => (None, Err(BadCommand::new("Response Topic", why))),
            _ => (response_topic, draft),
        };
        let message_type = message_type.map_err(|(json, _)| json);
        let (echo, request_id, flags) = read_echo(&members);
        let ticket = Origin {
            message_type,
            echo: &echo,
            request_id,
            target: &target.json,
            response_topic,
            correlation: envelope.correlation_data.as_deref(),
            flags: Flags { composite: target.composite, unusual_path: target.unusual, ..flags },
        }
        .pack();
        Ok(Command {
            message_type: message_type.map_err(Into::into),
            ticket,
            draft,
            ttl: read_ttl(&members),
            expiry: envelope.expiry.map(|seconds| Duration::from_secs(seconds.into())),
        })
    }
    /// The verdict about everything that needs no device.
    pub fn check(&self) -> Result<(), BadCommand> {
        match &self.draft {
            Ok(_) => Ok(()),
            Err(bad) => Err(bad.clone()),
        }
    }
    /// The operation; `types` gives types for elements that name none.
    pub fn operation(&self, types: &dyn Types) -> Result<Operation, BadCommand> {
        self.draft.clone()?.operation(types)
    }
    /// The same for a command that is not needed any more: its values, which may be megabytes, are not copied.
    pub fn into_operation(self, types: &dyn Types) -> Result<Operation, BadCommand> {
        self.draft?.operation(types)
    }
    /// What must come back with every message that this command causes: echo members, msgType, reqPath(s), response topic,
    /// correlation data; packed so that it can be stored.
    pub fn ticket(&self) -> Ticket {
        self.ticket.clone()
    }
    /// `mheaders.ttl = 0`.
    pub fn is_immediate(&self) -> bool {
        self.ttl.is_some_and(|ttl| ttl.is_zero())
    }
    /// How long it may wait: the shorter of Message Expiry Interval and a positive `mheaders.ttl` (seconds).
    pub fn expiry(&self) -> Option<Duration> {
        let ttl = self.ttl.filter(|ttl| !ttl.is_zero());
        [self.expiry, ttl].into_iter().flatten().min()
    }
    /// `msgType`, for the log.
    pub fn message_type(&self) -> &str {
        match &self.message_type {
            Ok(known) => known.name(),
            Err(foreign) => foreign,
        }
    }
    /// `reqID` as JSON text, for the log.
    pub fn request_id(&self) -> Option<&str> {
        crate::ticket::request_id(&self.ticket)
    }
    /// This is `cancel`: the waiting commands with the same `reqID` are meant, the device is not concerned.
    pub fn is_cancel(&self) -> bool {
        self.message_type == Ok(MessageType::Cancel)
    }
    /// This is a `cancel` of the command with that ticket: both have a `reqID`, written in the same way.
    pub fn cancels(&self, ticket: &Ticket) -> bool {
        self.is_cancel() && self.request_id().is_some_and(|id| crate::ticket::request_id(ticket) == Some(id))
    }
    /// Sending it twice does no more than sending it once.
    pub fn is_idempotent(&self) -> bool {
        !matches!(self.message_type, Ok(MessageType::Execute | MessageType::Create))
    }
}

/// The virtual command of auto-observe (contract 8.1): echo member `is_auto_observe`.
pub fn auto_observe_ticket(path: &str) -> Ticket {
    let target = Target::path(path);
    Origin {
        message_type: Ok(MessageType::Observe),
        echo: "\"is_auto_observe\":true",
        request_id: 0,
        target: &target.json,
        response_topic: None,
        correlation: None,
        flags: Flags { unusual_path: target.unusual, ..Flags::default() },
    }
    .pack()
}

/// `msgType`, or its JSON and what is wrong with it.
fn read_message_type<'a>(members: &Members<'a>) -> Result<MessageType, (&'a str, BadCommand)> {
    let raw = members.get_any("msgType").ok_or_else(|| ("null", BadCommand::new("msgType", "missing")))?;
    let wrong = |reason: String| (raw.get(), BadCommand::new("msgType", reason));
    let name = json::text(raw).ok_or_else(|| wrong(format!("{} where a string belongs", json::kind(raw))))?;
    MessageType::from_name(&name).ok_or_else(|| wrong(format!("{} is unknown", quoted(&name))))
}

/// The echo members as JSON, the length of the `reqID` in it, and which members there are.
fn read_echo(members: &Members<'_>) -> (String, usize, Flags) {
    let mut echo = String::new();
    let mut request_id = 0;
    let mut flags = Flags::default();
    if let Some(raw) = members.get_any("reqID") {
        echo.push_str(REQUEST_ID);
        echo.push_str(raw.get());
        request_id = raw.get().len();
    }
    for member in members.last_ones() {
        match member.name.as_ref() {
            "data" | "msgType" | "reqID" => continue,
            // they are set by us where they have a meaning, and must not come twice
            "seqNum" => continue,
            "imei" => flags.imei = true,
            "imsi" => flags.imsi = true,
            _ => {}
        }
        if !echo.is_empty() {
            echo.push(',');
        }
        echo.push_str(member.key);
        echo.push(':');
        echo.push_str(member.value.get());
    }
    (echo, request_id, flags)
}

/// `mheaders.ttl`; whatever is no number of seconds has no effect.
fn read_ttl(members: &Members<'_>) -> Option<Duration> {
    let headers = Members::parse(members.get("mheaders")?.get()).ok()?;
    let seconds: f64 = headers.get("ttl")?.get().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// What the answer says about the target.
struct Target {
    json: String,
    composite: bool,
    unusual: bool,
}

impl Target {
    fn nowhere() -> Target {
        Target { json: "null".into(), composite: false, unusual: false }
    }

    /// `path`, else `basePath`, else `reqPath`, else `null`; or the paths of a composite.
    fn of(message_type: Option<MessageType>, data: &Members<'_>) -> Target {
        if message_type.is_some_and(MessageType::is_composite) {
            return Target { json: composite_paths(data), composite: true, unusual: false };
        }
        let named = ["path", "basePath", "reqPath"].into_iter().find_map(|name| data.get(name));
        match named.and_then(json::text) {
            Some(path) => Target::path(&path),
            None => Target::nowhere(),
        }
    }
    fn path(path: &str) -> Target {
        let shown = path.split('?').next().unwrap_or_default();
        let mut json = Vec::with_capacity(shown.len() + 2);
        json::string(&mut json, shown);
        let unusual = Path::parse(shown).is_ok_and(|parsed| parsed.to_string() != shown);
        Target { json: String::from_utf8(json).unwrap_or_default(), composite: false, unusual }
    }
}

/// `reqPaths`: the command's `paths`, or the paths of its `content`, as sent.
fn composite_paths(data: &Members<'_>) -> String {
    let listed = data.get("paths").or_else(|| data.get("content")).and_then(json::elements).unwrap_or_default();
    let mut paths = String::from("[");
    for element in listed {
        let nested = Members::parse(element.get()).ok();
        let path = nested.as_ref().map_or(Some(element), |members| members.get("path"));
        if let Some(path) = path.filter(|path| json::text(path).is_some()) {
            paths.push_str(if paths.len() > 1 { "," } else { "" });
            paths.push_str(path.get());
        }
    }
    paths.push(']');
    paths
}
