//! Discover and Write-Attributes.
use crate::bench;
use integration_tests::QUIET;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn leshan_is_discovered_with_its_attributes() {
    let Some(bench) = bench("discover, write-attributes", "leshan-discover", Value::Null) else { return };
    let links = bench.done("2.05", "discover", json!({"path": "/3/0"}))["content"].clone();
    assert!(links.as_array().is_some_and(|links| links.contains(&json!("</3/0/9>"))), "{links}");
    bench.done("2.04", "write-attr", json!({"path": "/3/0/9", "pmin": 1, "pmax": 200, "gt": 80, "lt": 20, "st": 1}));
    let links = bench.done("2.05", "discover", json!({"path": "/3/0/9"}))["content"].clone();
    let link = links[0].as_str().unwrap_or_else(|| panic!("{links}"));
    for attribute in ["pmin=1", "pmax=200", "gt=80", "lt=20", "st=1"] {
        assert!(link.contains(attribute), "{attribute} in {link}");
    }
    // an empty string takes an attribute away
    bench.done("2.04", "write-attr", json!({"path": "/3/0/9", "pmax": ""}));
    let links = bench.done("2.05", "discover", json!({"path": "/3/0/9"}))["content"].clone();
    assert!(links[0].as_str().is_some_and(|link| link.contains("pmin=1") && !link.contains("pmax")), "{links}");
    assert_eq!(bench.ask("discover", json!({"path": "/44"}))["code"], "4.04");
}

#[test]
fn leshan_notifies_by_its_attributes() {
    let Some(bench) = bench("notification attributes: gt, pmin", "leshan-attributes", Value::Null) else { return };
    bench.done("2.04", "write-attr", json!({"path": "/3/0/9", "gt": 50}));
    bench.device.set("/3/0/9", 10);
    bench.done("2.05", "observe", json!({"path": "/3/0/9"}));
    bench.device.set("/3/0/9", 40);
    let application = &bench.world.application;
    application.expect_none(QUIET, "a notification below the threshold", |message| message.kind() == "notify");
    bench.device.set("/3/0/9", 60);
    assert_eq!(bench.notified(), json!({"/3/0/9": 60}));
    // pmin: the device holds back and then tells the last value only
    bench.done("2.04", "write-attr", json!({"path": "/3303/0/5700", "pmin": 2}));
    bench.done("2.05", "observe", json!({"path": "/3303/0/5700"}));
    for value in [1.0, 2.0, 3.0] {
        bench.device.set("/3303/0/5700", value);
    }
    assert_eq!(bench.notified(), json!({"/3303/0/5700": 3.0}));
}

/// RFC 7641 §3.4: a notification whose number is that of the last one is not newer. Leshan repeats the number when `pmax` makes it speak.
#[test]
fn leshan_repeats_its_number_at_pmax_and_that_is_acknowledged_but_no_news() {
    let name = "notification attribute pmax: repetitions acknowledged, not published";
    let Some(mut bench) = bench(name, "leshan-pmax", Value::Null) else { return };
    bench.row.note("difference 1");
    bench.done("2.04", "write-attr", json!({"path": "/3303/0/5700", "pmax": 1}));
    bench.done("2.05", "observe", json!({"path": "/3303/0/5700"}));
    let application = &bench.world.application;
    application.expect_none(Duration::from_secs(3), "old news", |message| message.kind() == "notify");
    // The device was not told to stop, and what is new still comes.
    bench.device.set("/3303/0/5700", 22.0);
    assert_eq!(bench.notified(), json!({"/3303/0/5700": 22.0}));
}
