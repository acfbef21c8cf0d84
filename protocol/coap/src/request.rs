//! A request as a whole: what it asks for and its complete body.
use crate::{Code, Kind, Message, Method, option};

/// A request, in either direction, whole body included (blocks are already assembled, or still to be cut).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Method; of an incoming request with an unknown method code 4.05 was already answered.
    pub method: Method,
    /// Uri-Path segments.
    pub path: Vec<String>,
    /// Uri-Query members.
    pub query: Vec<String>,
    /// Accept.
    pub accept: Option<u16>,
    /// Content-Format.
    pub content_format: Option<u16>,
    /// Observe: 0 = register, 1 = cancel.
    pub observe: Option<u32>,
    /// Body.
    pub payload: Vec<u8>,
}

impl Request {
    /// Reads a request whose complete body is `payload`. `Err` names the code and the reason to refuse it with.
    pub(crate) fn read(message: &Message, payload: Vec<u8>) -> Result<Request, (Code, &'static str)> {
        let method = message.method().ok_or((Code::METHOD_NOT_ALLOWED, "unknown method"))?;
        let text = |number, reason| {
            let members = message.values(number).map(|value| std::str::from_utf8(value).map(str::to_owned));
            members.collect::<Result<Vec<_>, _>>().map_err(|_| (Code::BAD_REQUEST, reason))
        };
        Ok(Request {
            method,
            path: text(option::URI_PATH, "Uri-Path is not UTF-8")?,
            query: text(option::URI_QUERY, "Uri-Query is not UTF-8")?,
            accept: message.accept(),
            content_format: message.content_format(),
            observe: message.observe(),
            payload,
        })
    }

    /// Adds the options that name the target and the wanted format: the same in every block of a transfer.
    pub(crate) fn write_target(&self, message: &mut Message) {
        for segment in &self.path {
            message.add_option(option::URI_PATH, segment.as_bytes());
        }
        for member in &self.query {
            message.add_option(option::URI_QUERY, member.as_bytes());
        }
        if let Some(accept) = self.accept {
            message.add_uint(option::ACCEPT, accept.into());
        }
    }

    /// Adds the body's format.
    pub(crate) fn write_content_format(&self, message: &mut Message) {
        if let Some(format) = self.content_format {
            message.add_uint(option::CONTENT_FORMAT, format.into());
        }
    }

    /// What tells one observation from another (RFC 7641 §3.6; RFC 8132 §2.4: the body of a FETCH belongs to it): an encoded message
    /// without id, token and Observe.
    pub(crate) fn identity(&self) -> Box<[u8]> {
        let mut message = Message::new(Kind::Confirmable, self.method.code(), 0, &[]);
        self.write_target(&mut message);
        self.write_content_format(&mut message);
        message.set_payload(self.payload.as_slice());
        message.encode().into_boxed_slice()
    }

    /// The request of an [`Request::identity`], `None` if it is none.
    pub(crate) fn of_identity(identity: &[u8]) -> Option<Request> {
        let message = Message::decode(identity).ok()?;
        let payload = message.payload().to_vec();
        Request::read(&message, payload).ok()
    }
}
