//! Every content format that Leshan offers.
use crate::bench;
use crate::operations::every_type;
use serde_json::{Value, json};

/// Formats of whole instances.
const MANY: [&str; 4] = ["tlv", "json", "senml-json", "senml-cbor"];

#[test]
fn leshan_is_read_in_every_format() {
    let Some(bench) =
        bench("read in text, opaque, CBOR, TLV, JSON, SenML JSON, SenML CBOR", "leshan-formats", Value::Null)
    else {
        return;
    };
    let expected = every_type();
    for format in MANY {
        for version in ["/33000/0", "/33000"] {
            let answer = bench.done("2.05", "read", json!({"path": version, "format": format}));
            assert_eq!(crate::elements(&answer), expected, "{format} {version}");
        }
        let answer = bench.done("2.05", "read", json!({"path": "/33000/0/11", "format": format}));
        assert_eq!(crate::elements(&answer), json!({"/33000/0/11/0": 1, "/33000/0/11/1": -2}), "{format}");
    }
    for format in MANY.into_iter().chain(["text", "cbor"]) {
        for resource in 0..=7 {
            if resource == 4 && format == "text" {
                continue; // below
            }
            let path = format!("/33000/0/{resource}");
            let answer = bench.done("2.05", "read", json!({"path": path, "format": format}));
            assert_eq!(crate::elements(&answer), json!({&path: expected[&path]}), "{format} {path}");
        }
    }
    for format in ["opaque", "text"] {
        let answer = bench.done("2.05", "read", json!({"path": "/33000/0/4", "format": format}));
        assert_eq!(crate::elements(&answer), json!({"/33000/0/4": "AAH+/w=="}), "{format}");
    }
    let answer = bench.ask("read", json!({"path": "/33000/0", "format": "lwm2m-cbor"}));
    assert_eq!(answer["code"], "4.06", "a format of 1.2, which Leshan does not offer: {answer}");
}

#[test]
fn leshan_is_written_in_every_format() {
    let Some(bench) =
        bench("write in text, opaque, CBOR, TLV, JSON, SenML JSON, SenML CBOR", "leshan-write-formats", Value::Null)
    else {
        return;
    };
    let values = [
        (0, "String", json!("ß"), json!("ß")),
        (1, "Integer", json!(-70_000), json!(-70_000)),
        (2, "Float", json!(-0.75), json!(-0.75)),
        (3, "Boolean", json!(false), json!(false)),
        (4, "Opaque", json!("3q2+7w=="), json!("deadbeef")),
        (5, "Time", json!(1_800_000_000), json!(1_800_000_000)),
        (6, "Objlnk", json!("66:1"), json!("66:1")),
        (7, "Unsigned Integer", json!("18446744073709551614"), json!("18446744073709551614")),
    ];
    for format in MANY.into_iter().chain(["text", "cbor"]) {
        for (resource, kind, value, written) in &values {
            let path = format!("/33000/0/{resource}");
            bench.done("2.04", "write", json!({"path": path, "type": kind, "value": value, "format": format}));
            assert_eq!(&bench.device.expect_about("written", &path)["value"], written, "{format} {path}");
        }
    }
    bench.done("2.04", "write", json!({"path": "/33000/0/4", "type": "Opaque", "value": "AAEC", "format": "opaque"}));
    assert_eq!(bench.device.expect_about("written", "/33000/0/4")["value"], "000102");
    for format in MANY {
        let content =
            json!([{"path": "1", "type": "Integer", "value": 11}, {"path": "11/5", "type": "Integer", "value": 12}]);
        bench.done("2.04", "write", json!({"basePath": "/33000/0", "content": content, "format": format}));
        assert_eq!(bench.device.expect_about("written", "/33000/0/1")["value"], 11, "{format}");
        assert_eq!(bench.device.expect_about("written", "/33000/0/11")["value"]["5"], 12, "{format}");
        let content = json!([{"path": "/6/1", "type": "Integer", "value": 13}]);
        bench.done("2.01", "create", json!({"basePath": "/33000", "content": content, "format": format}));
        assert_eq!(bench.read("/33000/6/1"), json!({"/33000/6/1": 13}), "{format}");
        bench.done("2.02", "delete", json!({"path": "/33000/6"}));
    }
}
