//! One established association: opens the peer's records, seals ours, and can be put away and taken up again.
use crate::record::{HEADER, MAX_PLAINTEXT, Record, VERSION};
use crate::replay::ReplayWindow;
use crate::{Aead, ConnectionId, ContentType, KeyBlock, Suite};
use serde::{Deserialize, Serialize};

/// The epoch of all protected records; renegotiation is refused, so there is no other.
const EPOCH: u64 = 1;
/// Sequence numbers have 48 bits.
const LAST_SEQUENCE: u64 = 0xffff_ffff_ffff;

/// Keys and counters of one peer.
#[derive(Debug)]
pub struct Association {
    suite: Suite,
    keys: KeyBlock,
    window: ReplayWindow,
    next: u64,
    reserved: u64,
    inbound: Option<ConnectionId>,
    outbound: Option<Box<[u8]>>,
}

/// What came out of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The real content type, also of a record with connection id.
    pub content_type: ContentType,
    /// The record is newer than all before: only then may the peer's address follow its source (RFC 9146 §6).
    pub newest: bool,
}

/// Why a record is dropped; each is counted by its own name and none is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// Not DTLS 1.2, or not the protected epoch.
    #[error("foreign version or epoch")]
    Foreign,
    /// With a connection id although none was agreed, without although one was, or with another one.
    #[error("wrong connection id")]
    ConnectionId,
    /// Seen before, or too old to tell.
    #[error("replayed")]
    Replayed,
    /// The tag does not fit, or nothing sensible is inside.
    #[error("not authentic")]
    NotAuthentic,
}

/// Why nothing can be sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealError {
    /// The stored bound is reached: store a higher one with [`Association::reserve`], then try again.
    #[error("reserved sequence numbers are used up")]
    Unreserved,
    /// All 2^48 numbers are used: the association must end.
    #[error("sequence numbers are used up")]
    Exhausted,
    /// The plaintext is longer than a record may be, or OpenSSL refused.
    #[error("plaintext cannot be sealed")]
    Impossible,
}

/// What is stored of an association; secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Stored {
    suite: Suite,
    keys: KeyBlock,
    window: ReplayWindow,
    reserved: u64,
    inbound: Option<ConnectionId>,
    outbound: Option<Box<[u8]>>,
}

impl Stored {
    /// The newest number of the peer that was seen; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.window.newest().unwrap_or(0)
    }

    /// Everything up to and including this number of the peer was seen.
    pub fn close_up_to(&mut self, newest: u64) {
        if self.window.newest().is_none_or(|known| newest >= known) {
            self.window = ReplayWindow::closed_up_to(newest);
        }
    }
}

impl Association {
    /// Takes over after the handshake. `next` is the number after our Finished; `window` holds the peer's numbers that the handshake
    /// consumed. `inbound`: the id that we handed out, if the client offered the extension; `outbound`: the id that it wants
    /// to see (may be empty: then our records carry none).
    pub fn new(
        suite: Suite,
        keys: KeyBlock,
        next: u64,
        window: ReplayWindow,
        inbound: Option<ConnectionId>,
        outbound: Option<&[u8]>,
    ) -> Association {
        Association { suite, keys, window, next, reserved: next, inbound, outbound: outbound.map(Into::into) }
    }

    /// Takes up a stored association: continues above every number that may have been used, and counts everything up to the newest
    /// record that was noted as seen. [`Association::reserve`] is due before the first [`Association::seal`].
    pub fn restore(stored: Stored) -> Association {
        let Stored { suite, keys, window, reserved, inbound, outbound } = stored;
        let window = window.newest().map_or(window, ReplayWindow::closed_up_to);
        Association { suite, keys, window, next: reserved, reserved, inbound, outbound }
    }

    /// Raises the bound up to which numbers may be used and returns what must be stored *before* the next [`Association::seal`].
    pub fn reserve(&mut self, numbers: u64) -> Stored {
        self.reserved = self.next.saturating_add(numbers).min(LAST_SEQUENCE + 1);
        self.stored()
    }

    /// What to store now.
    pub fn stored(&self) -> Stored {
        Stored {
            suite: self.suite,
            keys: self.keys.clone(),
            window: self.window,
            reserved: self.reserved,
            inbound: self.inbound,
            outbound: self.outbound.clone(),
        }
    }

    /// Numbers left before [`Association::reserve`] is due.
    pub fn reserved_left(&self) -> u64 {
        self.reserved - self.next
    }

    /// The newest number of the peer; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.window.newest().unwrap_or(0)
    }

    /// Opens one record; the plaintext replaces what is in `plaintext`.
    pub fn open(&mut self, aead: &mut Aead, record: &Record<'_>, plaintext: &mut Vec<u8>) -> Result<Opened, OpenError> {
        if record.version != VERSION || u64::from(record.epoch()) != EPOCH {
            return Err(OpenError::Foreign);
        }
        let with_cid = record.content_type == ContentType::CID;
        match (self.inbound, with_cid) {
            (None, false) => {}
            (Some(id), true) if id.0 == record.cid => {}
            _ => return Err(OpenError::ConnectionId),
        }
        let sequence = record.sequence();
        if !self.window.is_fresh(sequence) {
            return Err(OpenError::Replayed);
        }
        let protected = record.fragment.len();
        if protected < self.suite.overhead() || protected > MAX_PLAINTEXT + 1 + self.suite.overhead() {
            return Err(OpenError::NotAuthentic);
        }
        let (explicit, sealed) = record.fragment.split_at(8);
        let inner = sealed.len() - self.suite.tag_len();
        let mut additional = AdditionalData::default();
        additional.fill(record.content_type, &record.epoch_and_sequence, record.cid, inner);
        let nonce = nonce(&self.keys.client_salt, explicit);
        if !aead.open(self.suite, &self.keys.client_key, &nonce, additional.bytes(), sealed, plaintext) {
            return Err(OpenError::NotAuthentic);
        }
        let content_type =
            if with_cid { inner_type(plaintext).ok_or(OpenError::NotAuthentic)? } else { record.content_type };
        Ok(Opened { content_type, newest: self.window.note(sequence) })
    }

    /// Appends one sealed record to `out`.
    pub fn seal(
        &mut self,
        aead: &mut Aead,
        content_type: ContentType,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        if self.next > LAST_SEQUENCE {
            return Err(SealError::Exhausted);
        }
        if self.next >= self.reserved {
            return Err(SealError::Unreserved);
        }
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(SealError::Impossible);
        }
        let epoch_and_sequence = (EPOCH << 48 | self.next).to_be_bytes();
        self.next += 1;
        let start = out.len();
        let sealed = self.write(aead, content_type, &epoch_and_sequence, plaintext, out);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    fn write(
        &self,
        aead: &mut Aead,
        content_type: ContentType,
        epoch_and_sequence: &[u8; 8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let cid = self.outbound.as_deref().filter(|id| !id.is_empty());
        let mut inner = Vec::new();
        let (outer, body) = match cid {
            None => (content_type, plaintext),
            Some(_) => {
                inner.reserve(plaintext.len() + 1);
                inner.extend_from_slice(plaintext);
                inner.push(content_type.0);
                (ContentType::CID, inner.as_slice())
            }
        };
        let cid = cid.unwrap_or_default();
        let protected = u16::try_from(body.len() + self.suite.overhead()).map_err(|_| SealError::Impossible)?;
        out.reserve(HEADER + cid.len() + usize::from(protected) + 16);
        out.push(outer.0);
        out.extend_from_slice(&VERSION);
        out.extend_from_slice(epoch_and_sequence);
        out.extend_from_slice(cid);
        out.extend_from_slice(&protected.to_be_bytes());
        out.extend_from_slice(epoch_and_sequence);
        let mut additional = AdditionalData::default();
        additional.fill(outer, epoch_and_sequence, cid, body.len());
        let nonce = nonce(&self.keys.server_salt, epoch_and_sequence);
        aead.seal(self.suite, &self.keys.server_key, &nonce, additional.bytes(), body, out)
            .map_err(|_| SealError::Impossible)
    }

    /// The id that we handed out.
    pub fn inbound_cid(&self) -> Option<ConnectionId> {
        self.inbound
    }

    /// The AEAD in use.
    pub fn suite(&self) -> Suite {
        self.suite
    }
}

fn nonce(salt: &[u8; 4], explicit: &[u8]) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(salt);
    nonce[4..].copy_from_slice(explicit);
    nonce
}

/// Cuts zero padding and the inner content type off (RFC 9146 §4).
fn inner_type(plaintext: &mut Vec<u8>) -> Option<ContentType> {
    let at = plaintext.iter().rposition(|byte| *byte != 0)?;
    let content_type = plaintext[at];
    plaintext.truncate(at);
    Some(ContentType(content_type))
}

/// The additional data of a record: RFC 5246 §6.2.3.3 without, RFC 9146 §5.3 with connection id.
struct AdditionalData {
    bytes: [u8; 23 + 255],
    len: usize,
}

impl Default for AdditionalData {
    fn default() -> Self {
        AdditionalData { bytes: [0; 23 + 255], len: 0 }
    }
}

impl AdditionalData {
    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    fn fill(&mut self, outer: ContentType, epoch_and_sequence: &[u8; 8], cid: &[u8], length: usize) {
        // Both callers bound the length by MAX_PLAINTEXT + 1, so it fits 16 bits; a connection id has at most 255 bytes.
        let length = (length as u16).to_be_bytes();
        if outer == ContentType::CID {
            self.push(&[0xff; 8]);
            self.push(&[ContentType::CID.0, cid.len() as u8, ContentType::CID.0]);
            self.push(&VERSION);
            self.push(epoch_and_sequence);
            self.push(cid);
        } else {
            self.push(epoch_and_sequence);
            self.push(&[outer.0]);
            self.push(&VERSION);
        }
        self.push(&length);
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
