//! Tickets: what must come back with every message that a command causes, packed into a few bytes that can be stored.
//!
//! Layout: version, message type, flags, then sections, each with its length in front: `msgType` as JSON (only where it is not
//! one of the contract's), echo members as JSON text, length of the `reqID` within it, target as JSON text, response topic,
//! correlation data (both only if there are any).
use crate::command::MessageType;
use lwm2m::Path;
use lwm2m::session::Ticket;

const VERSION: u8 = 1;
/// Message type byte of what is none of the contract's.
const FOREIGN: u8 = 0xff;

/// What a ticket says beside its texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags {
    /// The target is `reqPaths`, not `reqPath`.
    pub(crate) composite: bool,
    /// The target names a path, but not in the way we print it (`3/0/0/`).
    pub(crate) unusual_path: bool,
    /// The command brought an `imei` of its own.
    pub(crate) imei: bool,
    /// The command brought an `imsi` of its own.
    pub(crate) imsi: bool,
}

impl Flags {
    const RESPONSE_TOPIC: u8 = 0x40;
    const CORRELATION: u8 = 0x80;

    fn byte(self) -> u8 {
        u8::from(self.composite)
            | u8::from(self.unusual_path) << 1
            | u8::from(self.imei) << 2
            | u8::from(self.imsi) << 3
    }
    fn from_byte(byte: u8) -> Flags {
        let bit = |n: u8| byte >> n & 1 == 1;
        Flags { composite: bit(0), unusual_path: bit(1), imei: bit(2), imsi: bit(3) }
    }
}

/// The content of a ticket, borrowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Origin<'a> {
    /// Type of the command; `Err`: its `msgType` as JSON, one that the contract does not know.
    pub(crate) message_type: Result<MessageType, &'a str>,
    /// Echo members `"reqID":7,"x":[]`: without braces, `reqID` first if there is one.
    pub(crate) echo: &'a str,
    /// Length of the value of `reqID`, 0 without one.
    pub(crate) request_id: usize,
    /// JSON of `reqPath` (a string or `null`) or of `reqPaths`.
    pub(crate) target: &'a str,
    /// MQTT 5 Response Topic.
    pub(crate) response_topic: Option<&'a str>,
    /// MQTT 5 Correlation Data.
    pub(crate) correlation: Option<&'a [u8]>,
    pub(crate) flags: Flags,
}

/// What stands in front of the value of `reqID` in the echo.
pub(crate) const REQUEST_ID: &str = "\"reqID\":";

/// Stands in for a ticket that is none of ours: nothing to echo.
const UNKNOWN: Origin<'static> = Origin {
    message_type: Err("null"),
    echo: "",
    request_id: 0,
    target: "null",
    response_topic: None,
    correlation: None,
    flags: Flags { composite: false, unusual_path: false, imei: false, imsi: false },
};

impl<'a> Origin<'a> {
    pub(crate) fn pack(&self) -> Ticket {
        let texts = self.echo.len() + self.target.len() + self.response_topic.map_or(0, str::len);
        let mut out = Vec::with_capacity(texts + self.correlation.map_or(0, <[u8]>::len) + 16);
        let response_topic = if self.response_topic.is_some() { Flags::RESPONSE_TOPIC } else { 0 };
        let correlation = if self.correlation.is_some() { Flags::CORRELATION } else { 0 };
        let message_type = self.message_type.map_or(FOREIGN, |known| known as u8);
        out.extend_from_slice(&[VERSION, message_type, self.flags.byte() | response_topic | correlation]);
        if let Err(foreign) = self.message_type {
            section(&mut out, foreign.as_bytes());
        }
        section(&mut out, self.echo.as_bytes());
        length(&mut out, self.request_id);
        section(&mut out, self.target.as_bytes());
        if let Some(topic) = self.response_topic {
            section(&mut out, topic.as_bytes());
        }
        if let Some(data) = self.correlation {
            section(&mut out, data);
        }
        Ticket(out.into())
    }

    /// Never fails: a ticket that was not made here gives answers without echo.
    pub(crate) fn of(ticket: &'a Ticket) -> Origin<'a> {
        Origin::unpack(&ticket.0).unwrap_or(UNKNOWN)
    }

    fn unpack(bytes: &'a [u8]) -> Option<Origin<'a>> {
        let [VERSION, message_type, flags, rest @ ..] = bytes else { return None };
        let mut rest = rest;
        let message_type = match *message_type {
            FOREIGN => Err(take_text(&mut rest)?),
            known => Ok(MessageType::from_byte(known)?),
        };
        let echo = take_text(&mut rest)?;
        let request_id = take_length(&mut rest)?;
        let target = take_text(&mut rest)?;
        let response_topic = if flags & Flags::RESPONSE_TOPIC != 0 { Some(take_text(&mut rest)?) } else { None };
        let correlation = if flags & Flags::CORRELATION != 0 { Some(take(&mut rest)?) } else { None };
        let flags = Flags::from_byte(*flags);
        Some(Origin { message_type, echo, request_id, target, response_topic, correlation, flags })
    }

    /// `msgType` as JSON.
    pub(crate) fn write_message_type(&self, out: &mut Vec<u8>) {
        match self.message_type {
            Ok(known) => {
                out.push(b'"');
                out.extend_from_slice(known.name().as_bytes());
                out.push(b'"');
            }
            Err(foreign) => out.extend_from_slice(foreign.as_bytes()),
        }
    }
    /// Value of `reqID` as JSON text.
    pub(crate) fn request_id(&self) -> Option<&'a str> {
        let from = REQUEST_ID.len();
        (self.request_id > 0).then(|| self.echo.get(from..from + self.request_id)).flatten()
    }
    /// The path of the command, if it has one path and that is one.
    pub(crate) fn path(&self) -> Option<Path> {
        if self.flags.composite {
            return None;
        }
        Path::parse(self.target.strip_prefix('"')?.strip_suffix('"')?).ok()
    }
}

/// `reqID` of the command as JSON text, for logs.
pub fn request_id(ticket: &Ticket) -> Option<&str> {
    Origin::of(ticket).request_id()
}

/// `msgType` of the command, for logs; `None` if it had none that the contract knows.
pub fn message_type(ticket: &Ticket) -> Option<&'static str> {
    Origin::of(ticket).message_type.ok().map(MessageType::name)
}

/// Path of the command, for logs; `None` if it is a composite or has none.
pub fn path(ticket: &Ticket) -> Option<Path> {
    Origin::of(ticket).path()
}

fn length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "masked to seven bits")]
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80 here")]
    out.push(length as u8);
}

fn section(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let mut length = 0usize;
    for shift in (0..35).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(rest)?;
    let (section, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(section)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(take(rest)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_read_takes_few_bytes() {
        let ticket = Origin {
            message_type: Ok(MessageType::Read),
            echo: r#""reqID":7"#,
            request_id: 1,
            target: r#""/3/0/0""#,
            ..UNKNOWN
        }
        .pack();
        assert_eq!(ticket.0.len(), 3 + 10 + 1 + 9);
        assert_eq!(request_id(&ticket), Some("7"));
        assert_eq!(message_type(&ticket), Some("read"));
        assert_eq!(path(&ticket), Path::from_ids(&[3, 0, 0]));
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(
            echo in ".{0,200}", target in ".{0,20}", foreign in proptest::option::of(".{0,9}"), id in 0usize..300,
            topic in proptest::option::of(".{0,20}"), data in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
            bits in 0u8..16,
        ) {
            let origin = Origin {
                message_type: foreign.as_deref().map_or(Ok(MessageType::Observe), Err),
                echo: &echo, request_id: id, target: &target,
                response_topic: topic.as_deref(), correlation: data.as_deref(), flags: Flags::from_byte(bits),
            };
            let ticket = origin.pack();
            prop_assert_eq!(Origin::of(&ticket), origin);
        }

        #[test]
        fn foreign_bytes_give_an_empty_origin_or_a_harmless_one(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let ticket = Ticket(bytes.into());
            let _ = (request_id(&ticket), message_type(&ticket), path(&ticket));
        }
    }
}
