//! CoAP datagrams (RFC 7252 §3) as the tests write and read them: small, strict, and not the gateway's own codec.
use std::fmt;

/// Message type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Confirmable.
    Con,
    /// Non-confirmable.
    Non,
    /// Acknowledgement.
    Ack,
    /// Reset.
    Rst,
}

/// Methods as codes.
pub mod method {
    #![expect(missing_docs, reason = "the names say it")]
    pub const GET: u8 = 0x01;
    pub const POST: u8 = 0x02;
    pub const PUT: u8 = 0x03;
    pub const DELETE: u8 = 0x04;
    pub const FETCH: u8 = 0x05;
    pub const PATCH: u8 = 0x06;
    pub const IPATCH: u8 = 0x07;
}

/// Option numbers.
pub mod option {
    #![expect(missing_docs, reason = "the names say it")]
    pub const IF_MATCH: u16 = 1;
    pub const URI_HOST: u16 = 3;
    pub const ETAG: u16 = 4;
    pub const OBSERVE: u16 = 6;
    pub const URI_PORT: u16 = 7;
    pub const LOCATION_PATH: u16 = 8;
    pub const URI_PATH: u16 = 11;
    pub const CONTENT_FORMAT: u16 = 12;
    pub const MAX_AGE: u16 = 14;
    pub const URI_QUERY: u16 = 15;
    pub const ACCEPT: u16 = 17;
    pub const BLOCK2: u16 = 23;
    pub const BLOCK1: u16 = 27;
    pub const SIZE2: u16 = 28;
    pub const PROXY_URI: u16 = 35;
    pub const SIZE1: u16 = 60;
}

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Message type.
    pub kind: Kind,
    /// Code byte.
    pub code: u8,
    /// Message id.
    pub mid: u16,
    /// Token.
    pub token: Vec<u8>,
    /// Options in ascending order of their numbers.
    pub options: Vec<(u16, Vec<u8>)>,
    /// Payload.
    pub payload: Vec<u8>,
}

/// Hex digits of bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of hex digits; blanks are allowed.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "odd number of hex digits in {text:?}");
    digits
        .chunks(2)
        .map(|pair| {
            u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap_or_else(|_| panic!("not hex: {text:?}"))
        })
        .collect()
}

/// The code byte of `"2.05"`.
pub fn code(text: &str) -> u8 {
    let (class, detail) = text.split_once('.').expect("a code is class.detail");
    let class: u8 = class.parse().expect("a class is a digit");
    let detail: u8 = detail.parse().expect("a detail is a number");
    assert!(class < 8 && detail < 32, "no such code: {text}");
    class << 5 | detail
}

/// Shortest bytes of an option of the uint format (RFC 7252 §3.2).
pub fn uint(value: u32) -> Vec<u8> {
    value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

impl Datagram {
    /// A message without options.
    pub fn new(kind: Kind, code: u8, mid: u16, token: &[u8]) -> Datagram {
        Datagram { kind, code, mid, token: token.to_vec(), options: Vec::new(), payload: Vec::new() }
    }

    /// An empty message: ACK, RST, or ping.
    pub fn empty(kind: Kind, mid: u16) -> Datagram {
        Datagram::new(kind, 0, mid, &[])
    }

    /// With one more option; kept in order.
    pub fn with(mut self, number: u16, value: impl AsRef<[u8]>) -> Datagram {
        let at = self.options.partition_point(|(other, _)| *other <= number);
        self.options.insert(at, (number, value.as_ref().to_vec()));
        self
    }

    /// With Uri-Path options, one per segment.
    pub fn path(mut self, segments: &[impl AsRef<[u8]>]) -> Datagram {
        for segment in segments {
            self = self.with(option::URI_PATH, segment);
        }
        self
    }

    /// With Uri-Query options.
    pub fn query(mut self, members: &[impl AsRef<[u8]>]) -> Datagram {
        for member in members {
            self = self.with(option::URI_QUERY, member);
        }
        self
    }

    /// With a payload.
    pub fn body(mut self, payload: impl AsRef<[u8]>) -> Datagram {
        self.payload = payload.as_ref().to_vec();
        self
    }

    /// As it travels.
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self.kind {
            Kind::Con => 0u8,
            Kind::Non => 1,
            Kind::Ack => 2,
            Kind::Rst => 3,
        };
        let token_length = u8::try_from(self.token.len()).expect("a token is short");
        let mut bytes = vec![0x40 | kind << 4 | token_length, self.code];
        bytes.extend(self.mid.to_be_bytes());
        bytes.extend(&self.token);
        let mut previous = 0;
        for (number, value) in &self.options {
            let (delta, delta_extension) = nibble(usize::from(number - previous));
            let (length, length_extension) = nibble(value.len());
            bytes.push(delta << 4 | length);
            bytes.extend(delta_extension);
            bytes.extend(length_extension);
            bytes.extend(value);
            previous = *number;
        }
        if !self.payload.is_empty() {
            bytes.push(0xff);
            bytes.extend(&self.payload);
        }
        bytes
    }

    /// Reads one; an error in words otherwise.
    pub fn parse(bytes: &[u8]) -> Result<Datagram, String> {
        let [first, code, high, low, rest @ ..] = bytes else { return Err("shorter than 4 bytes".to_owned()) };
        if first >> 6 != 1 {
            return Err(format!("version {}", first >> 6));
        }
        let kind = [Kind::Con, Kind::Non, Kind::Ack, Kind::Rst][usize::from(first >> 4 & 3)];
        let token_length = usize::from(first & 15);
        if token_length > 8 || rest.len() < token_length {
            return Err(format!("token length {token_length}"));
        }
        let (token, mut rest) = rest.split_at(token_length);
        let mut datagram = Datagram::new(kind, *code, u16::from_be_bytes([*high, *low]), token);
        let mut number = 0usize;
        while let Some((head, tail)) = rest.split_first() {
            rest = tail;
            if *head == 0xff {
                if rest.is_empty() {
                    return Err("payload marker without payload".to_owned());
                }
                datagram.payload = rest.to_vec();
                break;
            }
            number += extended(head >> 4, &mut rest)?;
            let length = extended(head & 15, &mut rest)?;
            if rest.len() < length {
                return Err("option beyond the end".to_owned());
            }
            let (value, tail) = rest.split_at(length);
            rest = tail;
            let number = u16::try_from(number).map_err(|_| "option number above 65535".to_owned())?;
            datagram.options.push((number, value.to_vec()));
        }
        if datagram.code == 0 && bytes.len() > 4 {
            return Err("empty message with more than a header".to_owned());
        }
        Ok(datagram)
    }

    /// Code as `"2.05"`.
    pub fn code_text(&self) -> String {
        format!("{}.{:02}", self.code >> 5, self.code & 31)
    }

    /// First value of an option.
    pub fn option(&self, number: u16) -> Option<&[u8]> {
        self.options.iter().find(|(other, _)| *other == number).map(|(_, value)| value.as_slice())
    }

    /// All values of an option as text.
    pub fn texts(&self, number: u16) -> Vec<String> {
        self.options
            .iter()
            .filter(|(other, _)| *other == number)
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// Value of an option of the uint format.
    pub fn uint(&self, number: u16) -> Option<u32> {
        self.option(number).map(|value| value.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    /// Uri-Path with slashes.
    pub fn uri_path(&self) -> String {
        self.texts(option::URI_PATH).iter().map(|segment| format!("/{segment}")).collect()
    }

    /// Everything behind the token, as hex: options and payload.
    pub fn tail(&self) -> String {
        hex(&self.encode()[4 + self.token.len()..])
    }

    /// Block option as (number, more, size).
    pub fn block(&self, number: u16) -> Option<(u32, bool, usize)> {
        self.uint(number).map(|value| (value >> 4, value & 8 != 0, 1 << (4 + (value & 7))))
    }

    /// A request of the other side (not empty, not a response).
    pub fn is_request(&self) -> bool {
        self.code != 0 && self.code >> 5 == 0
    }
}

/// Value of a block option.
pub fn block(number: u32, more: bool, size: usize) -> Vec<u8> {
    let exponent = size.trailing_zeros() - 4;
    uint(number << 4 | u32::from(more) << 3 | exponent)
}

fn nibble(value: usize) -> (u8, Vec<u8>) {
    match value {
        0..13 => (u8::try_from(value).expect("below 13"), Vec::new()),
        13..269 => (13, vec![u8::try_from(value - 13).expect("below 256")]),
        _ => (14, u16::try_from(value - 269).expect("an option is not that long").to_be_bytes().to_vec()),
    }
}

fn extended(nibble: u8, rest: &mut &[u8]) -> Result<usize, String> {
    let (value, used) = match (nibble, *rest) {
        (0..13, _) => (usize::from(nibble), 0),
        (13, [byte, ..]) => (usize::from(*byte) + 13, 1),
        (14, [high, low, ..]) => (usize::from(u16::from_be_bytes([*high, *low])) + 269, 2),
        _ => return Err("bad option delta or length".to_owned()),
    };
    *rest = &rest[used..];
    Ok(value)
}

impl fmt::Debug for Datagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} mid {:04x} token {}", self.kind, self.code_text(), self.mid, hex(&self.token))?;
        for (number, value) in &self.options {
            write!(f, " {number}:{}", hex(value))?;
        }
        if !self.payload.is_empty() {
            write!(f, " payload {}", hex(&self.payload))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_read_as_it_was_written() {
        let long = "x".repeat(300);
        let datagram = Datagram::new(Kind::Con, method::POST, 7, &[1, 2])
            .path(&["rd"])
            .query(&["ep=1234567890", &long])
            .with(65000, "elective")
            .body("</3/0>");
        assert_eq!(Datagram::parse(&datagram.encode()).unwrap(), datagram);
    }

    #[test]
    fn broken_datagrams_are_refused() {
        for bytes in [
            "",
            "40",
            "400100",
            "80010001",
            "4f020001",
            "40020001ff",
            "40020001f100",
            "40020001d0",
            "400200010d",
            "41000001aa",
        ] {
            assert!(Datagram::parse(&unhex(bytes)).is_err(), "{bytes}");
        }
    }

    #[test]
    fn block_values_follow_rfc_7959() {
        assert_eq!(block(0, false, 16), Vec::<u8>::new());
        assert_eq!(block(1, true, 1024), vec![0x1e]);
        let datagram = Datagram::new(Kind::Con, 1, 1, &[]).with(option::BLOCK2, block(300, true, 64));
        assert_eq!(datagram.block(option::BLOCK2), Some((300, true, 64)));
    }
}
