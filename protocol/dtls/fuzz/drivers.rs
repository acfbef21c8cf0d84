// What a stranger can reach without a key: the splitting of datagrams, the first look at a ClientHello, connection ids, and records that do not
// open. Shared by the fuzz targets and by tests/properties.rs.
use dtls::record::{self, records};
use dtls::replay::ReplayWindow;
use dtls::{Aead, Association, ConnectionId, ContentType, KeyBlock, Suite, cid, hello};

/// Any datagram: nothing panics, and what is read lies within.
pub fn datagram(data: &[u8]) {
    for cid_len in [0, ConnectionId::LEN] {
        let mut at = 0;
        for record in records(data, cid_len) {
            assert_eq!(record.bytes, &data[at..at + record.bytes.len()]);
            assert!(record.bytes.len() >= record::HEADER + record.fragment.len());
            assert!(record.sequence() < 1 << 48);
            at += record.bytes.len();
        }
    }
    let is_hello = hello::is_client_hello(data);
    assert_eq!(hello::client_random(data).is_some(), is_hello && data.len() >= record::HEADER + 46);
    let _ = record::leading_cid(data, ConnectionId::LEN);
    if let Some(id) = cid::parse_extension(data) {
        assert_eq!(id.len() + 1, data.len());
    }
}

/// Records of a stranger at associations of every kind: none opens, and the real device's next record still does.
pub fn association(data: &[u8]) {
    let Ok(mut aead) = Aead::new() else { return };
    let Ok(keys) = KeyBlock::derive(&[3; 48], &[4; 32], &[5; 32]) else { return };
    for suite in [Suite::Ccm8, Suite::Ccm, Suite::Gcm] {
        for own in [None, Some(ConnectionId(*b"01234567"))] {
            let wanted = own.map(|_| &b""[..]);
            let mut gateway = Association::new(suite, keys.clone(), 1, ReplayWindow::default(), own, wanted);
            let mut plaintext = Vec::new();
            for record in records(data, ConnectionId::LEN) {
                assert!(gateway.open(&mut aead, &record, &mut plaintext).is_err(), "a forgery opened");
            }
            assert_eq!(gateway.newest(), 0);
            let outbound = own.map(|id| id.0);
            let outbound = outbound.as_ref().map(|id| &id[..]);
            let mut device = Association::new(suite, keys.mirrored(), 1, ReplayWindow::default(), None, outbound);
            device.reserve(1);
            let mut wire = Vec::new();
            let text = &data[..data.len().min(200)];
            assert!(device.seal(&mut aead, ContentType::APPLICATION_DATA, text, &mut wire).is_ok());
            let Some(record) = records(&wire, ConnectionId::LEN).next() else { panic!("its own record is cut off") };
            assert!(gateway.open(&mut aead, &record, &mut plaintext).is_ok_and(|opened| opened.newest));
            assert_eq!(plaintext, text);
        }
    }
}

/// A history of sequence numbers, one for each 3 bytes: the window admits each at most once, as a plain set within reach does.
pub fn window(data: &[u8]) {
    let mut window = ReplayWindow::default();
    let mut seen = std::collections::BTreeSet::new();
    for step in data.chunks_exact(3) {
        let sequence = u64::from(u32::from_be_bytes([0, step[0] & 1, step[1] & 3, step[2]]));
        let newest = seen.last().copied();
        let expected =
            !seen.contains(&sequence) && newest.is_none_or(|newest| sequence > newest || newest - sequence < 64);
        assert_eq!(window.is_fresh(sequence), expected, "{sequence} after {newest:?}");
        if expected {
            assert_eq!(window.note(sequence), newest.is_none_or(|newest| sequence > newest));
            seen.insert(sequence);
        }
    }
}
