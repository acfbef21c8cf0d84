//! What the fuzz targets hold, with inputs of proptest's on the stable compiler.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "a test fails by panicking")]
#[path = "../fuzz/drivers.rs"]
mod drivers;

use proptest::collection::vec;
use proptest::prelude::*;

/// Something that looks like records: type, version, number, perhaps a connection id, a length that may lie, bytes.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![Just(20u8), Just(21), Just(22), Just(23), Just(25), any::<u8>()];
    let header = (kind, prop_oneof![Just(0xfdu8), Just(0xff), any::<u8>()], 0u16..3, any::<u32>());
    (header, any::<bool>(), vec(any::<u8>(), 0..80), -3i32..3).prop_map(
        |((kind, version, epoch, low), id, body, lie)| {
            let mut out = vec![kind, 0xfe, version];
            out.extend_from_slice(&epoch.to_be_bytes());
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&low.to_be_bytes());
            if kind == 25 && id {
                out.extend_from_slice(b"01234567");
            }
            let length = (i32::try_from(body.len()).unwrap() + lie).max(0);
            out.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            out.extend_from_slice(&body);
            out
        },
    )
}

/// A handshake record that may be a ClientHello.
fn hello() -> impl Strategy<Value = Vec<u8>> {
    (1u8..4, vec(any::<u8>(), 0..90), -2i32..3, any::<u8>()).prop_map(|(kind, body, lie, offset)| {
        let length = u32::try_from(i32::try_from(body.len()).unwrap().max(2) + lie).unwrap_or(0).to_be_bytes();
        let mut message = vec![kind, length[1], length[2], length[3], 0, 0, 0, 0, offset % 2];
        message.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes()[1..]);
        message.extend_from_slice(&body);
        let mut out = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
        out.extend_from_slice(&u16::try_from(message.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&message);
        out
    })
}

proptest! {
    #[test]
    fn any_datagram_is_taken_apart_within_its_bounds(
        records in vec(record(), 0..4), hello in hello(), noise in vec(any::<u8>(), 0..60)
    ) {
        drivers::datagram(&records.concat());
        drivers::datagram(&hello);
        drivers::datagram(&noise);
    }

    #[test]
    fn no_record_without_the_key_opens_and_none_disturbs_the_device(records in vec(record(), 0..4)) {
        drivers::association(&records.concat());
    }

    #[test]
    fn the_replay_window_agrees_with_a_set(history in vec(any::<u8>(), 0..600)) {
        drivers::window(&history);
    }
}
