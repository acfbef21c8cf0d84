//! One CoAP message (RFC 7252 §3), decoded by coap-lite and then held against the rules that coap-lite leaves open.
use crate::block::Block;
use crate::{Code, Method, option};
use coap_lite::{CoapOption, MessageType, Packet};
use siphasher::sip::SipHasher13;

/// Message type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// CON
    Confirmable,
    /// NON
    NonConfirmable,
    /// ACK
    Acknowledgement,
    /// RST
    Reset,
}

impl Kind {
    fn from_bits(first: u8) -> Kind {
        match first >> 4 & 3 {
            0 => Kind::Confirmable,
            1 => Kind::NonConfirmable,
            2 => Kind::Acknowledgement,
            _ => Kind::Reset,
        }
    }
    fn message_type(self) -> MessageType {
        match self {
            Kind::Confirmable => MessageType::Confirmable,
            Kind::NonConfirmable => MessageType::NonConfirmable,
            Kind::Acknowledgement => MessageType::Acknowledgement,
            Kind::Reset => MessageType::Reset,
        }
    }
}

/// A decoded message, or one to be encoded.
#[derive(Clone, Debug)]
pub struct Message {
    packet: Packet,
    fingerprint: u32,
}

/// Why a datagram is not a CoAP message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MessageError {
    /// To be ignored without an answer: too short, wrong version.
    #[error("not a CoAP datagram")]
    Garbage,
    /// A format error: a CON is answered with this message id in an RST, everything else with silence.
    #[error("CoAP format error")]
    Format {
        /// Type of the message at fault.
        kind: Kind,
        /// Its message id.
        id: u16,
    },
}

/// An empty message of four bytes: the empty ACK or the RST for a message id.
pub(crate) fn empty(kind: Kind, id: u16) -> Vec<u8> {
    let first = if kind == Kind::Reset { 0x70 } else { 0x60 };
    let [high, low] = id.to_be_bytes();
    vec![first, 0, high, low]
}

impl Message {
    /// Decodes a datagram.
    pub fn decode(datagram: &[u8]) -> Result<Message, MessageError> {
        let [first, code, high, low, rest @ ..] = datagram else {
            return Err(MessageError::Garbage);
        };
        if first >> 6 != 1 {
            return Err(MessageError::Garbage);
        }
        let malformed = MessageError::Format { kind: Kind::from_bits(*first), id: u16::from_be_bytes([*high, *low]) };
        let code = Code(*code);
        if code == Code::EMPTY && (first & 0x0f != 0 || !rest.is_empty()) || matches!(code.class(), 1 | 6 | 7) {
            return Err(malformed);
        }
        let packet = Packet::from_bytes(datagram).map_err(|_| malformed)?;
        let message = Message { packet, fingerprint: SipHasher13::new().hash(datagram) as u32 };
        if datagram.ends_with(&[0xff])
            && message.payload().is_empty()
            && message.length_without_payload() != datagram.len()
        {
            return Err(malformed);
        }
        Ok(message)
    }

    /// A message without options and payload.
    ///
    /// # Panics
    /// When the token is longer than 8 bytes.
    pub fn new(kind: Kind, code: Code, id: u16, token: &[u8]) -> Message {
        assert!(token.len() <= 8, "a token has at most 8 bytes");
        let mut packet = Packet::new();
        packet.header.set_version(1);
        packet.header.set_type(kind.message_type());
        packet.header.code = code.0.into();
        packet.header.message_id = id;
        packet.set_token(token.to_vec());
        Message { packet, fingerprint: 0 }
    }

    /// The datagram.
    #[expect(clippy::expect_used, reason = "the invariant is stated")]
    pub fn encode(&self) -> Vec<u8> {
        self.packet.to_bytes_unlimited().expect("coap-lite refuses a packet only for its size, and no limit is set")
    }

    /// Adds an option; equal numbers keep the order of the calls.
    pub fn add_option(&mut self, number: u16, value: impl Into<Vec<u8>>) {
        self.packet.add_option(CoapOption::from(number), value.into());
    }
    /// Adds an option of format uint: big-endian without leading zero bytes (RFC 7252 §3.2).
    pub fn add_uint(&mut self, number: u16, value: u32) {
        let bytes = value.to_be_bytes();
        self.add_option(number, &bytes[value.leading_zeros() as usize / 8..]);
    }
    /// Sets the payload.
    pub fn set_payload(&mut self, payload: impl Into<Vec<u8>>) {
        self.packet.payload = payload.into();
    }

    /// Type of the message.
    pub fn kind(&self) -> Kind {
        match self.packet.header.get_type() {
            MessageType::Confirmable => Kind::Confirmable,
            MessageType::NonConfirmable => Kind::NonConfirmable,
            MessageType::Acknowledgement => Kind::Acknowledgement,
            MessageType::Reset => Kind::Reset,
        }
    }
    /// Message id.
    pub fn id(&self) -> u16 {
        self.packet.header.message_id
    }
    /// Code byte.
    pub fn code(&self) -> Code {
        Code(self.packet.header.code.into())
    }
    /// The method of a request, `None` if it is unknown or this is no request.
    pub fn method(&self) -> Option<Method> {
        Method::from_code(self.code())
    }
    /// Token, 0–8 bytes.
    pub fn token(&self) -> &[u8] {
        self.packet.get_token()
    }
    /// Payload.
    pub fn payload(&self) -> &[u8] {
        &self.packet.payload
    }
    /// Payload, by value; the message has none afterwards.
    pub(crate) fn take_payload(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.packet.payload)
    }
    /// Uri-Path segments as bytes, in order.
    pub fn uri_path(&self) -> Vec<&[u8]> {
        self.values(option::URI_PATH).collect()
    }
    /// Uri-Query members as bytes, in order.
    pub fn uri_query(&self) -> Vec<&[u8]> {
        self.values(option::URI_QUERY).collect()
    }
    /// Observe (RFC 7641 §2), `None` if absent or longer than 3 bytes.
    pub fn observe(&self) -> Option<u32> {
        self.uint(option::OBSERVE, 3)
    }
    /// Content-Format, `None` if absent or longer than 2 bytes.
    pub fn content_format(&self) -> Option<u16> {
        self.uint(option::CONTENT_FORMAT, 2).map(|value| value as u16)
    }
    /// Accept, `None` if absent or longer than 2 bytes.
    pub fn accept(&self) -> Option<u16> {
        self.uint(option::ACCEPT, 2).map(|value| value as u16)
    }
    /// Block1 (RFC 7959 §2.1), `None` if absent or longer than 3 bytes.
    pub fn block1(&self) -> Option<Block> {
        self.uint(option::BLOCK1, 3).map(Block::from_uint)
    }
    /// Block2 (RFC 7959 §2.1), `None` if absent or longer than 3 bytes.
    pub fn block2(&self) -> Option<Block> {
        self.uint(option::BLOCK2, 3).map(Block::from_uint)
    }

    /// The first value of an option of format uint, `None` if absent or longer than `longest` (≤ 4) bytes. Of an elective option that
    /// is repeated the first value counts.
    pub fn uint(&self, number: u16, longest: usize) -> Option<u32> {
        let value = self.value(number)?;
        (value.len() <= longest).then(|| value.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }
    /// The first value of an option.
    pub fn value(&self, number: u16) -> Option<&[u8]> {
        self.packet.get_first_option(CoapOption::from(number)).map(Vec::as_slice)
    }
    /// All values of an option, in order.
    pub fn values(&self, number: u16) -> impl Iterator<Item = &[u8]> {
        self.packet.get_option(CoapOption::from(number)).into_iter().flatten().map(Vec::as_slice)
    }
    /// All options by number, each with its values in order.
    pub fn options(&self) -> impl Iterator<Item = (u16, impl ExactSizeIterator<Item = &[u8]>)> {
        self.packet.options().map(|(number, values)| (*number, values.iter().map(Vec::as_slice)))
    }
    /// A hash of the whole datagram: tells a repetition from a new message that reuses the id.
    pub(crate) fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// Length of header, token and options when encoded; options have but one encoding.
    pub(crate) fn length_without_payload(&self) -> usize {
        let extension = |value: usize| match value {
            0..=12 => 0,
            13..=268 => 1,
            _ => 2,
        };
        let mut length = 4 + self.token().len();
        let mut previous = 0;
        for (number, values) in self.options() {
            for value in values {
                length += 1 + extension(usize::from(number - previous)) + extension(value.len()) + value.len();
                previous = number;
            }
        }
        length
    }
}
