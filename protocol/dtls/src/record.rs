//! Records on the wire (RFC 6347 §4.1, RFC 9146 §4).

/// Content type of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentType(pub u8);

impl ContentType {
    /// 20
    pub const CHANGE_CIPHER_SPEC: ContentType = ContentType(20);
    /// 21
    pub const ALERT: ContentType = ContentType(21);
    /// 22
    pub const HANDSHAKE: ContentType = ContentType(22);
    /// 23
    pub const APPLICATION_DATA: ContentType = ContentType(23);
    /// 25: the real type is inside the protected part.
    pub const CID: ContentType = ContentType(25);
}

/// Header bytes without a connection id.
pub const HEADER: usize = 13;
/// DTLS 1.2 on the wire.
pub const VERSION: [u8; 2] = [0xfe, 0xfd];
/// Largest plaintext of one record (RFC 5246 §6.2.1).
pub const MAX_PLAINTEXT: usize = 1 << 14;

/// One record, borrowed from its datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Outer content type.
    pub content_type: ContentType,
    /// Version bytes.
    pub version: [u8; 2],
    /// Epoch and sequence number as they stand in the header, the explicit part of the additional data.
    pub epoch_and_sequence: [u8; 8],
    /// Connection id; empty unless the content type is 25.
    pub cid: &'a [u8],
    /// Fragment, protected or not.
    pub fragment: &'a [u8],
    /// The whole record, header included.
    pub bytes: &'a [u8],
}

impl Record<'_> {
    /// Epoch, 16 bits.
    pub fn epoch(&self) -> u16 {
        u16::from_be_bytes([self.epoch_and_sequence[0], self.epoch_and_sequence[1]])
    }

    /// Sequence number, 48 bits.
    pub fn sequence(&self) -> u64 {
        u64::from_be_bytes(self.epoch_and_sequence) & 0xffff_ffff_ffff
    }
}

/// The records of one datagram, in order; stops silently at the first that is cut off.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    cid_len: usize,
}

/// Splits a datagram. `cid_len` is the length of the connection ids that *we* hand out: it is not on the wire.
pub fn records(datagram: &[u8], cid_len: usize) -> Records<'_> {
    Records { rest: datagram, cid_len }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let rest = self.rest;
        let content_type = ContentType(*rest.first()?);
        let cid_len = if content_type == ContentType::CID { self.cid_len } else { 0 };
        let header = HEADER + cid_len;
        let cid = rest.get(11..11 + cid_len)?;
        let length = usize::from(u16::from_be_bytes(rest.get(header - 2..header)?.try_into().ok()?));
        let fragment = rest.get(header..header + length)?;
        self.rest = &rest[header + length..];
        Some(Record {
            content_type,
            version: [rest[1], rest[2]],
            epoch_and_sequence: rest[3..11].try_into().ok()?,
            cid,
            fragment,
            bytes: &rest[..header + length],
        })
    }
}

/// The connection id of the first record of a datagram, when it is a record with one.
pub fn leading_cid(datagram: &[u8], cid_len: usize) -> Option<&[u8]> {
    (*datagram.first()? == ContentType::CID.0).then(|| datagram.get(11..11 + cid_len)).flatten()
}

/// Appends one record of epoch 0; false when its fragment is too long.
pub fn write_plain(content_type: ContentType, sequence: u64, fragment: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(length) = u16::try_from(fragment.len()).ok().filter(|length| usize::from(*length) <= MAX_PLAINTEXT) else {
        return false;
    };
    out.push(content_type.0);
    out.extend_from_slice(&VERSION);
    out.extend_from_slice(&(sequence & 0xffff_ffff_ffff).to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(fragment);
    true
}
