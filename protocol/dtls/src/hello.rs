//! A first look at datagrams from peers without an association: only a ClientHello is worth OpenSSL's time.
use crate::record::{ContentType, HEADER, records};

/// Whether the datagram begins with a plausible ClientHello: handshake record of epoch 0, DTLS 1.0 or 1.2 on the record, a first
/// handshake fragment of type 1 whose lengths agree.
pub fn is_client_hello(datagram: &[u8]) -> bool {
    let Some(record) = records(datagram, 0).next() else { return false };
    let plausible = record.content_type == ContentType::HANDSHAKE
        && record.version[0] == 0xfe
        && matches!(record.version[1], 0xff | 0xfd)
        && record.epoch() == 0;
    let [1, l0, l1, l2, _, _, f0, f1, f2, n0, n1, n2, ..] = *record.fragment else { return false };
    let total = u32::from_be_bytes([0, l0, l1, l2]);
    let offset = u32::from_be_bytes([0, f0, f1, f2]);
    let length = u32::from_be_bytes([0, n0, n1, n2]);
    // 42: version, random, and the three shortest vectors of a ClientHello (RFC 6347 §4.2.1).
    plausible && total >= 42 && offset == 0 && length <= total && length as usize == record.fragment.len() - 12
}

/// Offset of the random in a datagram that [`is_client_hello`]: record header, handshake header, version.
const RANDOM: usize = HEADER + 12 + 2;

/// The random of a ClientHello: a repetition has the same, a client that starts anew has another.
pub fn client_random(datagram: &[u8]) -> Option<&[u8; 32]> {
    is_client_hello(datagram).then(|| datagram.get(RANDOM..RANDOM + 32)?.try_into().ok()).flatten()
}
