//! Known answers for the building blocks: the PRF, the additional data and nonces of records.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dtls::record::records;
use dtls::replay::ReplayWindow;
use dtls::{Aead, Association, ConnectionId, ContentType, KeyBlock, Suite, cid, prf};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| b.is_ascii_hexdigit()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The test vector for P_SHA256 that the TLS working group circulated with RFC 5246.
#[test]
fn prf_gives_the_published_output() {
    let mut out = [0u8; 100];
    prf::prf_sha256(
        &hex("9bbe436ba940f017b17652849a71db35"),
        b"test label",
        &[&hex("a0ba9f936cda311827a6f796ffd5198c")],
        &mut out,
    )
    .unwrap();
    let expected =
        hex("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa0
        22f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66");
    assert_eq!(out.to_vec(), expected);
}

/// The record is opened again with a cipher that is set up by hand from the RFCs' formulas, not by the code under test.
#[test]
fn sealed_records_follow_the_formulas_of_nonce_and_additional_data() {
    use openssl::symm::{Cipher, decrypt_aead};
    let keys = KeyBlock::derive(&[7; 48], &[1; 32], &[2; 32]).unwrap();
    let mut block = [0u8; 40];
    prf::prf_sha256(&[7; 48], b"key expansion", &[&[2; 32], &[1; 32]], &mut block).unwrap();
    for client_cid in [None, Some(&b""[..]), Some(&b"\xaa\xbb\xcc"[..])] {
        let inbound = client_cid.map(|_| ConnectionId::new(1, [9; 6]));
        let mut association =
            Association::new(Suite::Gcm, keys.clone(), 5, ReplayWindow::closed_up_to(0), inbound, client_cid);
        association.reserve(10);
        let mut aead = Aead::new().unwrap();
        let mut wire = Vec::new();
        association.seal(&mut aead, ContentType::APPLICATION_DATA, b"hello", &mut wire).unwrap();

        let number = hex("0001 000000000005");
        let mut nonce = block[36..40].to_vec();
        nonce.extend_from_slice(&number);
        let id = client_cid.unwrap_or_default();
        let (header, additional, expected) = if id.is_empty() {
            let additional = [&number[..], &hex("17fefd0005")].concat();
            ([&hex("17fefd")[..], &number, &hex("001d")].concat(), additional, b"hello".to_vec())
        } else {
            let additional =
                [&hex("ffffffffffffffff 19 03 19 fefd")[..], &number, &hex("aabbcc"), &hex("0006")].concat();
            let header = [&hex("19fefd")[..], &number, &hex("aabbcc"), &hex("001e")].concat();
            (header, additional, b"hello\x17".to_vec())
        };
        assert_eq!(wire[..header.len()], header[..], "cid {id:02x?}");
        let fragment = &wire[header.len()..];
        assert_eq!(fragment[..8], number[..]);
        let (ciphertext, tag) = fragment[8..].split_at(fragment.len() - 24);
        let plaintext =
            decrypt_aead(Cipher::aes_128_gcm(), &block[16..32], Some(&nonce), &additional, ciphertext, tag).unwrap();
        assert_eq!(plaintext, expected);
    }
}

#[test]
fn connection_id_extension_is_read_strictly() {
    assert_eq!(cid::parse_extension(&[0]), Some(&[][..]));
    assert_eq!(cid::parse_extension(&[2, 1, 2]), Some(&[1, 2][..]));
    for bad in [&[][..], &[1], &[1, 2, 3], &[0, 1]] {
        assert_eq!(cid::parse_extension(bad), None);
    }
    let id = ConnectionId::new(0x0102, [3, 4, 5, 6, 7, 8]);
    assert_eq!(id.node(), 0x0102);
    assert_eq!(cid::extension(&id), [8, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_cut_off_record_ends_the_datagram() {
    let whole = hex("17fefd 0001000000000001 0003 aabbcc 16fefd 0000000000000002 0001 dd");
    assert_eq!(records(&whole, 0).map(|r| r.fragment.len()).collect::<Vec<_>>(), [3, 1]);
    for cut in 0..whole.len() {
        let count = records(&whole[..cut], 0).count();
        assert_eq!(count, usize::from(cut >= 16), "cut at {cut}");
    }
}
