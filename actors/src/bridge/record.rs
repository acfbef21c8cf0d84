//! The records of the store that the bridge writes: commands without an outcome, and publications that wait for the broker.
//!
//! A record begins with its version and its kind; texts and byte strings have their length (32 bit, big endian) in front, the payload comes
//! last. Keys are 64-bit numbers in big endian, so that the order of the keys is that of the arrival.
use contract::command::Envelope;
use contract::message::{Class, Publication};

const VERSION: u8 = 1;
const COMMAND: u8 = 1;
const ENDED: u8 = 2;
const PUBLICATION: u8 = 3;

/// Recognises a command that comes once more, see [`super::duplicates`].
pub(crate) type Mark = u128;

/// A command as it came from the broker.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Received {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) envelope: Envelope,
    pub(crate) retained: bool,
    /// Unix seconds.
    pub(crate) unix: f64,
}

/// A record of [`store::Part::Commands`].
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum CommandRecord {
    /// Without an outcome yet.
    Pending(Received, Mark),
    /// It has its outcome; kept for a while to recognise its repetitions.
    Ended(Mark),
}

/// The key of a number.
pub(crate) fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number at the front of a key.
pub(crate) fn number(key: &[u8]) -> Option<u64> {
    key.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The key under which stands that a command was sent: right behind the command's own.
pub(crate) fn sent_key(number: u64) -> [u8; 9] {
    let mut key = [0; 9];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8] = b's';
    key
}

/// The same, borrowed from whoever has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) envelope: &'a Envelope,
    pub(crate) retained: bool,
    /// Unix seconds.
    pub(crate) unix: f64,
}

impl Arrival<'_> {
    /// The record of a command without an outcome.
    pub(crate) fn encode(&self, mark: Mark) -> Vec<u8> {
        let Envelope { response_topic, correlation_data, expiry } = self.envelope;
        let mut out = Writer::new(COMMAND, 64 + self.topic.len() + self.payload.len());
        out.byte(u8::from(self.retained));
        out.bytes(&self.unix.to_be_bytes());
        out.bytes(&mark.to_be_bytes());
        out.section(Some(self.topic.as_bytes()));
        out.section(response_topic.as_deref().map(str::as_bytes));
        out.section(correlation_data.as_deref());
        out.section(expiry.map(u32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice));
        out.bytes(self.payload);
        out.0
    }
}

/// The record of a command that has its outcome.
pub(crate) fn ended(mark: Mark) -> Vec<u8> {
    let mut out = Writer::new(ENDED, 16);
    out.bytes(&mark.to_be_bytes());
    out.0
}

impl CommandRecord {
    /// `None`: not a record of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<CommandRecord> {
        let (kind, mut rest) = Reader::open(bytes)?;
        match kind {
            ENDED => Some(CommandRecord::Ended(Mark::from_be_bytes(rest.array()?))),
            COMMAND => {
                let retained = rest.array::<1>()?[0] & 1 == 1;
                let unix = f64::from_be_bytes(rest.array()?);
                let mark = Mark::from_be_bytes(rest.array()?);
                let topic = rest.text()??;
                let response_topic = rest.text()?;
                let correlation_data = rest.section()?.map(<[u8]>::to_vec);
                let expiry = match rest.section()? {
                    Some(bytes) => Some(u32::from_be_bytes(bytes.try_into().ok()?)),
                    None => None,
                };
                let envelope = Envelope { response_topic, correlation_data, expiry };
                let payload = rest.0.to_vec();
                Some(CommandRecord::Pending(Received { topic, payload, envelope, retained, unix }, mark))
            }
            _ => None,
        }
    }
}

/// The record of a publication; its class is not in it, since only what must arrive is kept.
pub(crate) fn encode_publication(publication: &Publication) -> Vec<u8> {
    let Publication { endpoint, topic, payload, qos, correlation_data, class: _ } = publication;
    let mut out = Writer::new(PUBLICATION, 32 + endpoint.len() + topic.len() + payload.len());
    out.byte(*qos);
    out.section(Some(endpoint.as_bytes()));
    out.section(Some(topic.as_bytes()));
    out.section(correlation_data.as_deref());
    out.bytes(payload);
    out.0
}

/// `None`: not a record of this version.
pub(crate) fn decode_publication(bytes: &[u8]) -> Option<Publication> {
    let (PUBLICATION, mut rest) = Reader::open(bytes)? else { return None };
    let qos = rest.array::<1>()?[0];
    let endpoint = rest.text()??.into();
    let topic = rest.text()??.into();
    let correlation_data = rest.section()?.map(<[u8]>::to_vec);
    let payload = rest.0.to_vec();
    (qos <= 2).then_some(Publication { endpoint, topic, payload, qos, correlation_data, class: Class::Keep })
}

struct Writer(Vec<u8>);

impl Writer {
    fn new(kind: u8, capacity: usize) -> Writer {
        let mut out = Vec::with_capacity(capacity + 2);
        out.extend_from_slice(&[VERSION, kind]);
        Writer(out)
    }
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    /// Length + 1 in front, 0 for what is not there.
    fn section(&mut self, bytes: Option<&[u8]>) {
        let length = bytes.map_or(0, |bytes| u32::try_from(bytes.len() + 1).unwrap_or(0));
        self.bytes(&length.to_be_bytes());
        if length > 0 {
            self.bytes(bytes.unwrap_or_default());
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn open(bytes: &'a [u8]) -> Option<(u8, Reader<'a>)> {
        match bytes {
            [VERSION, kind, rest @ ..] => Some((*kind, Reader(rest))),
            _ => None,
        }
    }
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }
    fn section(&mut self) -> Option<Option<&'a [u8]>> {
        let Some(length) = u32::from_be_bytes(self.array()?).checked_sub(1) else { return Some(None) };
        let (section, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(Some(section))
    }
    fn text(&mut self) -> Option<Option<String>> {
        match self.section()? {
            Some(bytes) => String::from_utf8(bytes.to_vec()).ok().map(Some),
            None => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(received: &Received) -> Arrival<'_> {
        let Received { topic, payload, envelope, retained, unix } = received;
        Arrival { topic, payload, envelope, retained: *retained, unix: *unix }
    }

    fn received() -> Received {
        Received {
            topic: "lwm2m/ep1/dn/dm".into(),
            payload: b"{}".to_vec(),
            envelope: Envelope {
                response_topic: Some("a/b".into()),
                correlation_data: Some(Vec::new()),
                expiry: Some(3),
            },
            retained: true,
            unix: 1.5e9,
        }
    }

    #[test]
    fn commands_come_back_as_they_were() {
        let plain = Received { envelope: Envelope::default(), retained: false, payload: Vec::new(), ..received() };
        for command in [received(), plain] {
            let record = CommandRecord::decode(&arrival(&command).encode(7 << 90)).unwrap();
            assert_eq!(record, CommandRecord::Pending(command, 7 << 90));
        }
        assert_eq!(CommandRecord::decode(&ended(9)), Some(CommandRecord::Ended(9)));
    }

    #[test]
    fn publications_come_back_as_they_were() {
        let publication = Publication {
            endpoint: "ep1".into(),
            topic: "lwm2m/ep1/up/resp".into(),
            payload: vec![0, 255],
            qos: 1,
            correlation_data: None,
            class: Class::Keep,
        };
        for correlation_data in [None, Some(vec![]), Some(vec![1, 0])] {
            let publication = Publication { correlation_data, ..publication.clone() };
            assert_eq!(decode_publication(&encode_publication(&publication)), Some(publication));
        }
    }

    #[test]
    fn what_is_cut_or_foreign_is_refused_without_a_panic() {
        let whole = arrival(&received()).encode(1);
        let head = whole.len() - 2;
        for end in 0..head {
            assert_eq!(CommandRecord::decode(&whole[..end]), None, "{end}");
        }
        for bytes in [&b""[..], b"\x02\x01", b"\x01\x09", b"\x01\x03\x07\xff\xff\xff\xff\xff"] {
            assert_eq!((CommandRecord::decode(bytes), decode_publication(bytes)), (None, None));
        }
    }

    #[test]
    fn keys_are_in_the_order_of_the_numbers_and_marks_beside_their_command() {
        assert!(key(255) < key(256));
        assert!(key(5)[..] < sent_key(5)[..] && sent_key(5)[..] < key(6)[..]);
        assert_eq!((number(&sent_key(5)), number(b"short")), (Some(5), None));
    }
}
