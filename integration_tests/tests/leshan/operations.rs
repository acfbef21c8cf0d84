//! Device management and service enablement, in the formats that the gateway chooses.
use crate::bench;
use integration_tests::QUIET;
use serde_json::{Value, json};

/// What `/33000/0` of a fresh device holds. The unsigned number is none of those that Leshan shortens in TLV (see docs/interop.md).
pub(crate) fn every_type() -> Value {
    json!({
        "/33000/0/0": "grüß dich", "/33000/0/1": -9_007_199_254_740_993_i64, "/33000/0/2": 3.25, "/33000/0/3": true,
        "/33000/0/4": "AAH+/w==", "/33000/0/5": 1_700_000_000, "/33000/0/6": "3:0", "/33000/0/7": 9_223_372_036_854_775_813_u64,
        "/33000/0/10/0": "a", "/33000/0/10/3": "b", "/33000/0/11/0": 1, "/33000/0/11/1": -2,
    })
}

#[test]
fn leshan_is_read_at_every_level() {
    let Some(bench) = bench("read: object, instance, resource, resource instance", "leshan-read", Value::Null) else {
        return;
    };
    let device = json!({
        "/3/0/0": "Leshan", "/3/0/1": "interop", "/3/0/2": "0001", "/3/0/6/0": 1, "/3/0/6/1": 5, "/3/0/7/0": 3800,
        "/3/0/7/1": 5000, "/3/0/9": 100, "/3/0/11/0": 0, "/3/0/13": 1_700_000_000, "/3/0/14": "+01:00",
        "/3/0/15": "Europe/Berlin", "/3/0/16": "U",
    });
    assert_eq!(bench.read("/3"), device);
    assert_eq!(bench.read("/3/0"), device);
    let server = bench.read("/1/0");
    assert_eq!((&server["/1/0/0"], &server["/1/0/1"], &server["/1/0/7"]), (&json!(123), &json!(300), &json!("U")));
    let location = bench.read("/6/0");
    assert_eq!((&location["/6/0/0"], &location["/6/0/1"]), (&json!(48.137), &json!(11.575)));
    let firmware = bench.read("/5/0");
    assert_eq!((&firmware["/5/0/3"], &firmware["/5/0/5"]), (&json!(0), &json!(0)));
    assert_eq!(bench.read("/33000/0"), every_type());
    assert_eq!(bench.read("/33000/0/11"), json!({"/33000/0/11/0": 1, "/33000/0/11/1": -2}));
    assert_eq!(bench.read("/33000/0/11/1"), json!({"/33000/0/11/1": -2}));
    assert_eq!(bench.ask("read", json!({"path": "/3/0/77"}))["code"], "4.04");
    assert_eq!(bench.ask("read", json!({"path": "/3/0/4"}))["code"], "4.05");
}

#[test]
fn leshan_is_written_value_by_value() {
    let Some(bench) = bench("write: each type, resource instance", "leshan-write", Value::Null) else { return };
    for (resource, kind, value, written) in [
        (0, "String", json!("żółw"), json!("żółw")),
        (1, "Integer", json!(-300), json!(-300)),
        (1, "Integer", json!("9223372036854775807"), json!(i64::MAX)),
        (2, "Float", json!(0.1), json!(0.1)),
        (3, "Boolean", json!(false), json!(false)),
        (4, "Opaque", json!("3q2+7w=="), json!("deadbeef")),
        (5, "Time", json!(1_800_000_000), json!(1_800_000_000)),
        (6, "Objlnk", json!("66:1"), json!("66:1")),
        (7, "Unsigned Integer", json!("18446744073709551614"), json!("18446744073709551614")),
    ] {
        let path = format!("/33000/0/{resource}");
        bench.done("2.04", "write", json!({"path": path, "type": kind, "value": value}));
        assert_eq!(bench.device.expect_about("written", &path)["value"], written, "{path}");
    }
    bench.done("2.04", "write", json!({"path": "/33000/0/11/0", "type": "Integer", "value": 77}));
    assert_eq!(bench.read("/33000/0/11"), json!({"/33000/0/11/0": 77, "/33000/0/11/1": -2}));
    bench.done("2.04", "write", json!({"path": "/1/0/1", "type": "Integer", "value": 301}));
    assert_eq!(bench.read("/1/0/1"), json!({"/1/0/1": 301}));
    assert_eq!(bench.ask("write", json!({"path": "/3/0/0", "type": "String", "value": "no"}))["code"], "4.05");
}

#[test]
fn leshan_is_written_in_batches() {
    let Some(bench) = bench("write: partial update and replace of an instance", "leshan-batch", Value::Null) else {
        return;
    };
    let content = json!([
        {"path": "0", "type": "String", "value": "together"}, {"path": "/1", "type": "Integer", "value": 5},
        {"path": "/33000/0/11/4", "type": "Integer", "value": 4},
    ]);
    bench.done("2.04", "write", json!({"basePath": "/33000/0", "content": content}));
    let after = bench.read("/33000/0");
    assert_eq!(
        (&after["/33000/0/0"], &after["/33000/0/1"], &after["/33000/0/2"]),
        (&json!("together"), &json!(5), &json!(3.25))
    );
    assert_eq!((&after["/33000/0/11/1"], &after["/33000/0/11/4"]), (&json!(-2), &json!(4)));
    let content = json!([{"path": "1", "type": "Integer", "value": 6}]);
    bench.done("2.04", "write", json!({"basePath": "/33000/0", "mode": "replace", "content": content}));
    let after = bench.read("/33000/0");
    assert_eq!((&after["/33000/0/1"], after.get("/33000/0/0")), (&json!(6), None), "{after}");
}

#[test]
fn leshan_executes() {
    let Some(bench) = bench("execute, with and without arguments", "leshan-execute", Value::Null) else { return };
    bench.done("2.04", "execute", json!({"path": "/3/0/4"}));
    assert_eq!(bench.device.expect_about("executed", "/3/0/4")["args"], json!({}));
    bench.done("2.04", "execute", json!({"path": "/33000/0/9", "args": "0='1',2,7='on/off'"}));
    let arguments = bench.device.expect_about("executed", "/33000/0/9")["args"].clone();
    assert_eq!(arguments, json!({"0": "1", "2": null, "7": "on/off"}));
    assert_eq!(bench.ask("execute", json!({"path": "/3/0/0"}))["code"], "4.05");
}

#[test]
fn leshan_creates_and_deletes_instances() {
    let Some(bench) = bench("create, delete", "leshan-create", Value::Null) else { return };
    let content =
        json!([{"path": "/5/0", "type": "String", "value": "new"}, {"path": "/5/11/2", "type": "Integer", "value": 9}]);
    bench.done("2.01", "create", json!({"basePath": "/33000", "content": content}));
    let after = bench.read("/33000/5");
    assert_eq!((&after["/33000/5/0"], &after["/33000/5/11/2"]), (&json!("new"), &json!(9)), "{after}");
    // without an id the device chooses one
    let answer = bench.done("2.01", "create", json!({"basePath": "/33000"}));
    let location = answer["location"].as_str().unwrap_or_else(|| panic!("no location in {answer}")).to_owned();
    assert!(location.starts_with("/33000/"), "{answer}");
    bench.done("2.02", "delete", json!({"path": location}));
    assert_eq!(bench.ask("read", json!({"path": location}))["code"], "4.04");
    bench.done("2.02", "delete", json!({"path": "/33000/5"}));
    assert_eq!(bench.ask("delete", json!({"path": "/3/0"}))["code"], "4.05");
}

#[test]
fn leshan_is_observed_at_every_level() {
    let Some(bench) = bench("observe, notify, cancel: resource, instance, object", "leshan-observe", Value::Null)
    else {
        return;
    };
    for path in ["/3303/0/5700", "/3303/0", "/3303"] {
        let first = bench.done("2.05", "observe", json!({"path": path}));
        assert!(first["content"].as_array().is_some_and(|content| !content.is_empty()), "{first}");
        for value in [21.5, 22.25] {
            bench.device.set("/3303/0/5700", value);
            assert_eq!(bench.notified()["/3303/0/5700"], value, "{path}");
        }
        bench.done("2.05", "cancel-observe", json!({"path": path}));
        bench.device.set("/3303/0/5700", 0.0);
        bench.world.application.expect_none(QUIET, "a notification", |message| message.kind() == "notify");
    }
    // A passive cancel: the device learns of it by the RST to its next notification.
    bench.done("2.05", "observe", json!({"path": "/3303/0/5700"}));
    bench.done("2.05", "cancel-observe", json!({"path": "/3303/0/5700", "passive": true}));
    bench.device.set("/3303/0/5700", 1.0);
    bench.world.application.expect_none(QUIET, "a notification", |message| message.kind() == "notify");
    assert_eq!(bench.read("/3303/0/5700"), json!({"/3303/0/5700": 1.0}));
}
