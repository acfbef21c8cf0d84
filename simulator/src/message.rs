//! CoAP messages (RFC 7252 §3), written and read independently of the gateway's codec, so that an error there does
//! not hide behind the same error here.

use std::fmt;

/// Message type (RFC 7252 §3, field T).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// CON: repeated until acknowledged.
    Confirmable,
    /// NON: sent once.
    NonConfirmable,
    /// ACK: acknowledges a CON with the same message id, possibly carrying the response.
    Acknowledgement,
    /// RST: the sender could not use the message with this id.
    Reset,
}

/// Request method or response code, `c.dd` (RFC 7252 §12.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u8);

impl Code {
    /// 0.00, no request and no response.
    pub const EMPTY: Code = Code(0);
    /// 0.01.
    pub const GET: Code = Code(1);
    /// 0.02.
    pub const POST: Code = Code(2);
    /// 0.03.
    pub const PUT: Code = Code(3);
    /// 0.04.
    pub const DELETE: Code = Code(4);
    /// 0.05 (RFC 8132).
    pub const FETCH: Code = Code(5);
    /// 0.07 (RFC 8132).
    pub const IPATCH: Code = Code(7);
    /// 2.01 Created.
    pub const CREATED: Code = Code::of(2, 1);
    /// 2.02 Deleted.
    pub const DELETED: Code = Code::of(2, 2);
    /// 2.03 Valid.
    pub const VALID: Code = Code::of(2, 3);
    /// 2.04 Changed.
    pub const CHANGED: Code = Code::of(2, 4);
    /// 2.05 Content.
    pub const CONTENT: Code = Code::of(2, 5);
    /// 2.31 Continue (RFC 7959).
    pub const CONTINUE: Code = Code::of(2, 31);
    /// 4.00 Bad Request.
    pub const BAD_REQUEST: Code = Code::of(4, 0);
    /// 4.01 Unauthorized.
    pub const UNAUTHORIZED: Code = Code::of(4, 1);
    /// 4.02 Bad Option.
    pub const BAD_OPTION: Code = Code::of(4, 2);
    /// 4.03 Forbidden.
    pub const FORBIDDEN: Code = Code::of(4, 3);
    /// 4.04 Not Found.
    pub const NOT_FOUND: Code = Code::of(4, 4);
    /// 4.05 Method Not Allowed.
    pub const METHOD_NOT_ALLOWED: Code = Code::of(4, 5);
    /// 4.06 Not Acceptable.
    pub const NOT_ACCEPTABLE: Code = Code::of(4, 6);
    /// 4.08 Request Entity Incomplete (RFC 7959).
    pub const REQUEST_ENTITY_INCOMPLETE: Code = Code::of(4, 8);
    /// 4.12 Precondition Failed.
    pub const PRECONDITION_FAILED: Code = Code::of(4, 12);
    /// 4.13 Request Entity Too Large.
    pub const REQUEST_ENTITY_TOO_LARGE: Code = Code::of(4, 13);
    /// 4.15 Unsupported Content-Format.
    pub const UNSUPPORTED_CONTENT_FORMAT: Code = Code::of(4, 15);
    /// 5.00 Internal Server Error.
    pub const INTERNAL_SERVER_ERROR: Code = Code::of(5, 0);
    /// 5.01 Not Implemented.
    pub const NOT_IMPLEMENTED: Code = Code::of(5, 1);
    /// 5.03 Service Unavailable.
    pub const SERVICE_UNAVAILABLE: Code = Code::of(5, 3);

    /// The code `class.detail`; `class` uses three bits, `detail` five.
    pub const fn of(class: u8, detail: u8) -> Code {
        Code((class & 7) << 5 | detail & 31)
    }

    /// The digit before the point.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// The digits after the point.
    pub const fn detail(self) -> u8 {
        self.0 & 31
    }

    /// Whether this is a method (class 0, but not empty).
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }

    /// Whether this is a response (class 2, 4 or 5).
    pub const fn is_response(self) -> bool {
        matches!(self.class(), 2 | 4 | 5)
    }

    /// Whether this is a 2.xx response.
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Option numbers (RFC 7252 §5.10, RFC 7641, RFC 7959).
pub mod option {
    /// ETag.
    pub const ETAG: u16 = 4;
    /// Observe (RFC 7641).
    pub const OBSERVE: u16 = 6;
    /// Location-Path.
    pub const LOCATION_PATH: u16 = 8;
    /// Uri-Path.
    pub const URI_PATH: u16 = 11;
    /// Content-Format.
    pub const CONTENT_FORMAT: u16 = 12;
    /// Max-Age.
    pub const MAX_AGE: u16 = 14;
    /// Uri-Query.
    pub const URI_QUERY: u16 = 15;
    /// Accept.
    pub const ACCEPT: u16 = 17;
    /// Block2 (RFC 7959).
    pub const BLOCK2: u16 = 23;
    /// Block1 (RFC 7959).
    pub const BLOCK1: u16 = 27;
    /// Size2 (RFC 7959).
    pub const SIZE2: u16 = 28;
    /// Size1.
    pub const SIZE1: u16 = 60;
}

/// Why bytes are not a CoAP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Shorter than the fixed header.
    #[error("shorter than four bytes")]
    TooShort,
    /// The version field is not 1.
    #[error("version is not 1")]
    Version,
    /// Token length 9–15 or beyond the end.
    #[error("token length is reserved or beyond the end")]
    Token,
    /// An option's delta or length is reserved or beyond the end.
    #[error("option is reserved or beyond the end")]
    Option,
    /// Payload marker without payload.
    #[error("payload marker without payload")]
    EmptyPayload,
    /// Code 0.00 with anything after the header.
    #[error("empty message with content")]
    NotEmpty,
}

/// One CoAP message. Options keep the order in which they were added; [`Message::encode`] sorts them stably by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// CON, NON, ACK or RST.
    pub kind: Kind,
    /// Method or response code.
    pub code: Code,
    /// Message id.
    pub message_id: u16,
    /// Token, 0 to 8 bytes.
    pub token: Vec<u8>,
    /// Option number and value, repeated options repeated.
    pub options: Vec<(u16, Vec<u8>)>,
    /// Payload; empty means no payload marker.
    pub payload: Vec<u8>,
}

impl Message {
    /// A message without token, options and payload.
    pub fn new(kind: Kind, code: Code, message_id: u16) -> Message {
        Message { kind, code, message_id, token: Vec::new(), options: Vec::new(), payload: Vec::new() }
    }

    /// The empty acknowledgement of `message_id`.
    pub fn empty_ack(message_id: u16) -> Message {
        Message::new(Kind::Acknowledgement, Code::EMPTY, message_id)
    }

    /// The reset of `message_id`.
    pub fn reset(message_id: u16) -> Message {
        Message::new(Kind::Reset, Code::EMPTY, message_id)
    }

    /// Sets the token.
    pub fn with_token(mut self, token: &[u8]) -> Message {
        self.token = token.to_vec();
        self
    }

    /// Adds an option.
    pub fn with_option(mut self, number: u16, value: impl Into<Vec<u8>>) -> Message {
        self.options.push((number, value.into()));
        self
    }

    /// Adds an option holding an unsigned integer in its shortest form (RFC 7252 §3.2).
    pub fn with_uint(self, number: u16, value: u32) -> Message {
        self.with_option(number, shortest_uint(value))
    }

    /// Adds one Uri-Path option per segment of `path`; empty segments are skipped.
    pub fn with_path(mut self, path: &str) -> Message {
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            self.options.push((option::URI_PATH, segment.as_bytes().to_vec()));
        }
        self
    }

    /// Adds a Uri-Query option.
    pub fn with_query(self, query: &str) -> Message {
        self.with_option(option::URI_QUERY, query)
    }

    /// Sets the payload.
    pub fn with_payload(mut self, payload: impl Into<Vec<u8>>) -> Message {
        self.payload = payload.into();
        self
    }

    /// The first value of an option.
    pub fn option(&self, number: u16) -> Option<&[u8]> {
        self.options.iter().find(|(n, _)| *n == number).map(|(_, value)| value.as_slice())
    }

    /// The first value of an option as unsigned integer; `None` also when longer than four bytes.
    pub fn uint(&self, number: u16) -> Option<u32> {
        let value = self.option(number)?;
        (value.len() <= 4).then(|| value.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    /// All values of an option as text, invalid UTF-8 replaced.
    pub fn texts(&self, number: u16) -> Vec<String> {
        self.options
            .iter()
            .filter(|(n, _)| *n == number)
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// The Uri-Path options joined, with a leading slash.
    pub fn path(&self) -> String {
        format!("/{}", self.texts(option::URI_PATH).join("/"))
    }

    /// The Location-Path options joined, with a leading slash; `None` if there is none.
    pub fn location(&self) -> Option<String> {
        let segments = self.texts(option::LOCATION_PATH);
        (!segments.is_empty()).then(|| format!("/{}", segments.join("/")))
    }

    /// Removes every value of an option.
    pub fn remove(&mut self, number: u16) {
        self.options.retain(|(n, _)| *n != number);
    }

    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 + self.payload.len());
        self.encode_into(&mut bytes);
        bytes
    }

    /// Appends the datagram to `bytes`.
    pub fn encode_into(&self, bytes: &mut Vec<u8>) {
        let kind = match self.kind {
            Kind::Confirmable => 0,
            Kind::NonConfirmable => 1,
            Kind::Acknowledgement => 2,
            Kind::Reset => 3,
        };
        let token = &self.token[..self.token.len().min(8)];
        bytes.push(0x40 | kind << 4 | token.len() as u8);
        bytes.push(self.code.0);
        bytes.extend_from_slice(&self.message_id.to_be_bytes());
        bytes.extend_from_slice(token);
        let mut options: Vec<&(u16, Vec<u8>)> = self.options.iter().collect();
        options.sort_by_key(|(number, _)| *number);
        let mut previous = 0;
        for (number, value) in options {
            encode_option(bytes, number - previous, value);
            previous = *number;
        }
        if !self.payload.is_empty() {
            bytes.push(0xff);
            bytes.extend_from_slice(&self.payload);
        }
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// What RFC 7252 §3 calls a message format error, each kind named by its variant.
    pub fn decode(bytes: &[u8]) -> Result<Message, MessageError> {
        let [first, code, high, low, rest @ ..] = bytes else { return Err(MessageError::TooShort) };
        if first >> 6 != 1 {
            return Err(MessageError::Version);
        }
        let kind = match first >> 4 & 3 {
            0 => Kind::Confirmable,
            1 => Kind::NonConfirmable,
            2 => Kind::Acknowledgement,
            _ => Kind::Reset,
        };
        let mut message = Message::new(kind, Code(*code), u16::from_be_bytes([*high, *low]));
        let token_length = usize::from(first & 15);
        if message.code == Code::EMPTY && (token_length > 0 || !rest.is_empty()) {
            return Err(MessageError::NotEmpty);
        }
        if token_length > 8 || token_length > rest.len() {
            return Err(MessageError::Token);
        }
        let (token, mut rest) = rest.split_at(token_length);
        message.token = token.to_vec();
        let mut number = 0u16;
        while let Some((head, tail)) = rest.split_first() {
            if *head == 0xff {
                if tail.is_empty() {
                    return Err(MessageError::EmptyPayload);
                }
                message.payload = tail.to_vec();
                break;
            }
            let (delta, tail) = extended(head >> 4, tail)?;
            let (length, tail) = extended(head & 15, tail)?;
            number =
                u16::try_from(delta).ok().and_then(|delta| number.checked_add(delta)).ok_or(MessageError::Option)?;
            if length as usize > tail.len() {
                return Err(MessageError::Option);
            }
            let (value, tail) = tail.split_at(length as usize);
            message.options.push((number, value.to_vec()));
            rest = tail;
        }
        Ok(message)
    }
}

/// An unsigned integer in as few bytes as possible, zero in none.
pub fn shortest_uint(value: u32) -> Vec<u8> {
    value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

fn encode_option(bytes: &mut Vec<u8>, delta: u16, value: &[u8]) {
    let nibble = |number: usize| match number {
        0..13 => number as u8,
        13..269 => 13,
        _ => 14,
    };
    let extend = |bytes: &mut Vec<u8>, number: usize| match number {
        0..13 => {}
        13..269 => bytes.push((number - 13) as u8),
        _ => bytes.extend_from_slice(&((number - 269) as u16).to_be_bytes()),
    };
    let delta = usize::from(delta);
    bytes.push(nibble(delta) << 4 | nibble(value.len()));
    extend(bytes, delta);
    extend(bytes, value.len());
    bytes.extend_from_slice(value);
}

fn extended(nibble: u8, tail: &[u8]) -> Result<(u32, &[u8]), MessageError> {
    match (nibble, tail) {
        (0..=12, _) => Ok((u32::from(nibble), tail)),
        (13, [byte, tail @ ..]) => Ok((u32::from(*byte) + 13, tail)),
        (14, [high, low, tail @ ..]) => Ok((u32::from(u16::from_be_bytes([*high, *low])) + 269, tail)),
        _ => Err(MessageError::Option),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registration_of_the_contract_reads_and_writes_back() {
        let hex = "4202000c0102b2726411283665703d657031066c743d333435076c776d326d3d31ff3c2f312f303e";
        let bytes = crate::hex::decode(hex).unwrap();
        let message = Message::decode(&bytes).unwrap();
        assert_eq!(message.kind, Kind::Confirmable);
        assert_eq!(message.code, Code::POST);
        assert_eq!(message.path(), "/rd");
        assert_eq!(message.texts(option::URI_QUERY), ["ep=ep1", "lt=345", "lwm2m=1"]);
        assert_eq!(message.uint(option::CONTENT_FORMAT), Some(40));
        assert_eq!(message.payload, b"</1/0>");
        assert_eq!(message.encode(), bytes);
    }

    #[test]
    fn long_options_use_the_extended_forms() {
        for length in [0usize, 12, 13, 268, 269, 700] {
            let message = Message::new(Kind::NonConfirmable, Code::PUT, 7)
                .with_option(2049, vec![7; length])
                .with_uint(option::SIZE1, 70_000);
            let decoded = Message::decode(&message.encode()).unwrap();
            assert_eq!(decoded.option(2049).unwrap().len(), length);
            assert_eq!(decoded.uint(option::SIZE1), Some(70_000));
        }
    }

    #[test]
    fn agrees_with_a_foreign_codec() {
        let message = Message::new(Kind::Confirmable, Code::FETCH, 0xbeef)
            .with_token(&[1, 2, 3])
            .with_path("/3303/0/5700")
            .with_uint(option::OBSERVE, 0)
            .with_uint(option::ACCEPT, 11542)
            .with_payload("x");
        let foreign = coap_lite::Packet::from_bytes(&message.encode()).unwrap();
        assert_eq!(foreign.header.message_id, 0xbeef);
        assert_eq!(foreign.get_token(), [1, 2, 3]);
        assert_eq!(foreign.payload, b"x");
        assert_eq!(Message::decode(&foreign.to_bytes().unwrap()).unwrap().path(), "/3303/0/5700");
    }

    #[test]
    fn malformed_datagrams_are_named() {
        for (hex, error) in [
            ("400100", MessageError::TooShort),
            ("80010001", MessageError::Version),
            ("49010001000102030405060708", MessageError::Token),
            ("4201000101", MessageError::Token),
            ("40010001ff", MessageError::EmptyPayload),
            ("40010001f0", MessageError::Option),
            ("40010001b3", MessageError::Option),
            ("4000000100", MessageError::NotEmpty),
        ] {
            assert_eq!(Message::decode(&crate::hex::decode(hex).unwrap()), Err(error), "{hex}");
        }
    }
}
