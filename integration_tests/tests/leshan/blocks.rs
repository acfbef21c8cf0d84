//! Block-wise transfer.
use crate::bench;
use integration_tests::hex;
use openssl::sha::sha256;
use serde_json::{Value, json};

/// Bytes that look random and are the same each time.
fn package(length: u32) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn leshan_moves_large_values_both_ways_in_blocks() {
    let Some(bench) = bench("block-wise read and write, 1024 bytes a block", "leshan-blocks", Value::Null) else {
        return;
    };
    both_ways(&bench, 20_000);
}

#[test]
fn leshan_moves_large_values_in_small_blocks() {
    let Some(bench) =
        bench("block-wise read and write, 64 bytes a block", "leshan-small-blocks", json!({"blockSize": 64}))
    else {
        return;
    };
    both_ways(&bench, 3_000);
}

fn both_ways(bench: &crate::Bench, length: usize) {
    let text: String = (0..length / 10).map(|number| format!("{number:09};")).collect();
    bench.done("2.04", "write", json!({"path": "/33000/0/0", "type": "String", "value": text}));
    let written = bench.device.expect_about("written", "/33000/0/0");
    assert_eq!(written["value"], format!("{} characters", text.len()));
    assert!(bench.read("/33000/0/0") == json!({"/33000/0/0": text}), "what was written is not what is read");
    for format in ["tlv", "senml-json", "senml-cbor"] {
        let answer = bench.done("2.05", "read", json!({"path": "/33000/0", "format": format}));
        assert!(crate::elements(&answer)["/33000/0/0"] == json!(text), "{format}");
    }
    // Notifications that are too large for one datagram: the rest is fetched.
    bench.done("2.05", "observe", json!({"path": "/33000/0"}));
    bench.device.set("/33000/0/1", 42);
    let notified = bench.notified();
    assert!(notified["/33000/0/0"] == json!(text) && notified["/33000/0/1"] == 42, "a notification in blocks");
}

#[test]
fn leshan_is_given_new_firmware() {
    let Some(bench) =
        bench("firmware: 200 kB pushed in blocks, state observed, updated", "leshan-firmware", Value::Null)
    else {
        return;
    };
    let package = package(200_000);
    bench.done("2.05", "observe", json!({"path": "/5/0/3"}));
    assert_eq!(bench.ask("execute", json!({"path": "/5/0/2"}))["code"], "4.05", "there is nothing to install yet");
    // TLV and octet-stream: both are in use for packages
    for format in [Value::Null, json!("opaque")] {
        let data = json!({"path": "/5/0/0", "type": "Opaque", "value": openssl::base64::encode_block(&package), "format": format});
        bench.done("2.04", "write", data);
        let written = bench.device.expect_about("written", "/5/0/0");
        assert_eq!(written["value"], format!("{} bytes {}", package.len(), hex(&sha256(&package))));
        assert_eq!(bench.notified(), json!({"/5/0/3": 2}), "downloaded");
        bench.done("2.04", "execute", json!({"path": "/5/0/2"}));
        assert_eq!(bench.notified(), json!({"/5/0/3": 0}), "idle again");
        assert_eq!(bench.read("/5/0/5"), json!({"/5/0/5": 1}), "successfully updated");
    }
}
