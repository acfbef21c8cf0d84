//! Composite operations (LwM2M 1.1).
use crate::{bench, elements};
use integration_tests::QUIET;
use serde_json::{Value, json};

const FORMATS: [&str; 2] = ["senml-json", "senml-cbor"];

#[test]
fn leshan_is_read_and_written_in_composites() {
    let Some(bench) = bench("read-composite, write-composite (SenML JSON, CBOR)", "leshan-composite", Value::Null)
    else {
        return;
    };
    let mut value = -2;
    for format in FORMATS {
        let paths = json!(["/3/0/0", "/3303/0", "/33000/0/11/1", "/44/0"]);
        let answer = bench.done("2.05", "read-composite", json!({"paths": paths, "format": format}));
        let expected = json!({"/3/0/0": "Leshan", "/3303/0/5700": 20.5, "/3303/0/5701": "Cel", "/33000/0/11/1": value});
        assert_eq!(elements(&answer), expected, "{format}");
        value += 1;
        let content = json!([
            {"path": "/33000/0/1", "type": "Integer", "value": value}, {"path": "/33000/0/0", "type": "String", "value": format},
            {"path": "/33000/0/11/1", "type": "Integer", "value": value}, {"path": "/3/0/14", "type": "String", "value": "+03:00"},
        ]);
        bench.done("2.04", "write-composite", json!({"content": content, "format": format}));
        let after = bench.read("/33000/0");
        assert_eq!(
            (&after["/33000/0/1"], &after["/33000/0/0"], &after["/33000/0/11/1"], &after["/33000/0/11/0"]),
            (&json!(value), &json!(format), &json!(value), &json!(1)),
            "{format}"
        );
    }
}

#[test]
fn leshan_is_observed_in_composites() {
    let Some(bench) = bench("observe-composite, cancel (SenML JSON, CBOR)", "leshan-observe-composite", Value::Null)
    else {
        return;
    };
    for (format, value) in FORMATS.into_iter().zip([55, 66]) {
        let paths = json!(["/3/0/9", "/3303/0/5700"]);
        let first = bench.done("2.05", "observe-composite", json!({"paths": paths, "format": format}));
        assert_eq!(elements(&first)["/3303/0/5700"], 20.5, "{first}");
        bench.device.set("/3/0/9", value);
        assert_eq!(bench.notified(), json!({"/3/0/9": value, "/3303/0/5700": 20.5}), "{format}");
        bench.done("2.05", "cancel-observe-composite", json!({"paths": paths}));
        bench.device.set("/3/0/9", 1);
        bench.world.application.expect_none(QUIET, "a notification", |message| message.kind() == "notify");
    }
}
