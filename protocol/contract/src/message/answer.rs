//! Messages that a command causes: answer, ack, reset, timeout, notify (contract chapters 2, 5, 7, 8, extensions §2 and §6).
use super::code;
use super::content::{self, Fault, Sent, Unknown};
use crate::command::MessageType;
use crate::json;
use crate::ticket::Origin;
use coap::Code;
use lwm2m::session::{Answer, Content, Outcome, Refused};

/// `imei` and `imsi` of the registration as JSON members (`"imei":"35…"`), for messages whose command brought none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Identity {
    pub(super) imei: Option<Box<str>>,
    pub(super) imsi: Option<Box<str>>,
}

/// Writes the messages of one command.
pub(super) struct Reply<'a> {
    pub(super) origin: Origin<'a>,
    pub(super) identity: Option<&'a Identity>,
    pub(super) unknown: Unknown<'a>,
}

impl Reply<'_> {
    /// `{` echo members, `msgType`.
    fn open(&self, out: &mut Vec<u8>, message_type: Option<&str>) {
        out.push(b'{');
        out.extend_from_slice(self.origin.echo.as_bytes());
        if let Some(identity) = self.identity {
            let flags = self.origin.flags;
            let imei = identity.imei.as_ref().filter(|_| !flags.imei);
            let imsi = identity.imsi.as_ref().filter(|_| !flags.imsi);
            for member in [imei, imsi].into_iter().flatten() {
                json::comma(out);
                out.extend_from_slice(member.as_bytes());
            }
        }
        json::comma(out);
        out.extend_from_slice(b"\"msgType\":");
        match message_type {
            Some(name) => json::string(out, name),
            None => self.origin.write_message_type(out),
        }
    }

    /// `reqPath`, or `reqPaths` beside a `reqPath` of `null`.
    fn target(&self, out: &mut Vec<u8>) {
        json::comma(out);
        out.extend_from_slice(if self.origin.flags.composite {
            b"\"reqPath\":null,\"reqPaths\":"
        } else {
            b"\"reqPath\":"
        });
        out.extend_from_slice(self.origin.target.as_bytes());
    }

    fn diagnostic(out: &mut Vec<u8>, diagnostic: Option<&str>) {
        if let Some(text) = diagnostic.filter(|text| !text.is_empty()) {
            out.extend_from_slice(b",\"diagnostic\":");
            json::string(out, text);
        }
    }

    /// Empty ACK: no `data`.
    pub(super) fn ack(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.open(&mut out, Some("ack"));
        out.push(b'}');
        out
    }

    /// A `data` of the target alone, with a reason if one is known.
    fn without_code(&self, message_type: &str, reason: Option<&str>) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.open(&mut out, Some(message_type));
        out.extend_from_slice(b",\"data\":{");
        self.target(&mut out);
        Self::diagnostic(&mut out, reason);
        out.extend_from_slice(b"}}");
        out
    }

    /// An answer of the gateway itself.
    pub(super) fn error(&self, code: Code, diagnostic: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + diagnostic.len());
        self.open(&mut out, None);
        self.close_error(&mut out, code, Some(diagnostic));
        out
    }

    fn close_error(&self, out: &mut Vec<u8>, code: Code, diagnostic: Option<&str>) {
        out.extend_from_slice(b",\"data\":{");
        code::write(out, code);
        self.target(out);
        Self::diagnostic(out, diagnostic);
        out.extend_from_slice(b"}}");
    }

    pub(super) fn refused(&self, refused: &Refused) -> Vec<u8> {
        let code = match refused {
            Refused::NotRegistered => Code::NOT_FOUND,
            Refused::QueueFull(_) => Code::SERVICE_UNAVAILABLE,
            Refused::Impossible(_) => Code::BAD_REQUEST,
        };
        self.error(code, &refused.to_string())
    }

    /// The terminal message.
    pub(super) fn outcome(&self, outcome: &Outcome, observing: Option<u32>) -> Vec<u8> {
        match outcome {
            // an observe answered with a sequence number of 0 shows none, as the first of a device does
            Outcome::Answered(answer) => self.answer(None, answer, observing.filter(|sequence| *sequence != 0)),
            Outcome::Reset => self.without_code("coap_reset", None),
            Outcome::TimedOut(reason) => self.without_code("coap_timeout", *reason),
            Outcome::Refused(refused) => self.refused(refused),
        }
    }

    pub(super) fn notify(&self, answer: &Answer, sequence: u32) -> Vec<u8> {
        self.answer(Some("notify"), answer, Some(sequence))
    }

    fn answer(&self, message_type: Option<&str>, answer: &Answer, sequence: Option<u32>) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.estimate(answer));
        self.open(&mut out, message_type);
        if let Some(sequence) = sequence {
            out.extend_from_slice(b",\"seqNum\":");
            json::integer(&mut out, sequence);
        }
        let opened = out.len();
        if let Err(fault) = self.data(&mut out, answer) {
            out.truncate(opened);
            self.close_error(&mut out, Code::BAD_REQUEST, Some(&fault.to_string()));
        }
        out
    }

    fn data(&self, out: &mut Vec<u8>, answer: &Answer) -> Result<(), Fault> {
        out.extend_from_slice(b",\"data\":{");
        code::write(out, self.code(answer));
        self.target(out);
        let known = self.origin.message_type.ok();
        if answer.code.is_success() {
            if answer.content != Content::None && known.is_some_and(MessageType::has_content) {
                out.extend_from_slice(b",\"content\":");
                let path = self.origin.flags.unusual_path.then(|| self.origin.path()).flatten();
                let sent =
                    Sent { json: if self.origin.flags.composite { content::ROOT } else { self.origin.target }, path };
                content::write(out, &answer.content, known == Some(MessageType::Discover), sent, self.unknown)?;
            }
            if let Some(location) = answer.location {
                out.extend_from_slice(b",\"location\":");
                content::path(out, location);
            }
        }
        Self::diagnostic(out, answer.diagnostic.as_deref());
        out.extend_from_slice(b"}}");
        Ok(())
    }

    /// The code to report: 2.05 to a write is not what a write is answered with (contract 5.2).
    fn code(&self, answer: &Answer) -> Code {
        match (self.origin.message_type, answer.code, &answer.content) {
            (Ok(MessageType::Write), Code::CONTENT, Content::None) => Code::METHOD_NOT_ALLOWED,
            (Ok(MessageType::Write), Code::CONTENT, _) => Code::CHANGED,
            (_, code, _) => code,
        }
    }

    fn estimate(&self, answer: &Answer) -> usize {
        let content = match &answer.content {
            Content::None => 0,
            Content::Nodes(nodes) => nodes.len() * 48,
            Content::Bytes(bytes) => bytes.len() * 4 / 3 + 32,
            Content::Links(links) => links.iter().map(|link| link.len() + 8).sum(),
        };
        128 + self.origin.echo.len() + self.origin.target.len() + content
    }
}
