//! A restart of the gateway under a device that does not notice.
use crate::{Bench, bench};
use integration_tests::QUIET;
use serde_json::{Value, json};

fn goes_on(bench: &Bench, value: i64) {
    bench.device.set("/3/0/9", value);
    assert_eq!(bench.notified(), json!({"/3/0/9": value}));
    assert_eq!(bench.read("/3/0/0"), json!({"/3/0/0": "Leshan"}));
    assert!(bench.device.take(QUIET, "registered").is_none(), "the device registered again");
    let application = &bench.world.application;
    application.expect_none(QUIET, "a new registration", |message| message.kind() == "register");
}

#[test]
fn leshan_does_not_notice_a_restart_of_the_gateway() {
    let name = "restart of the gateway: no new registration, notifications go on";
    let Some(mut bench) = bench(name, "leshan-restart", Value::Null) else { return };
    bench.world.application.message("leshan-restart", "register");
    bench.done("2.05", "observe", json!({"path": "/3/0/9"}));
    goes_on(&bench, 1);
    bench.world.gateway.terminate();
    bench.world.gateway.launch();
    bench.world.gateway.await_ready();
    goes_on(&bench, 2);
    // An Update to the location from before is taken.
    bench.device.say("update", Value::Null);
    bench.device.expect("updated");
}

#[test]
fn leshan_does_not_notice_a_crash_of_the_gateway() {
    let name = "kill -9 and start of the gateway: no new registration, notifications go on";
    let Some(mut bench) = bench(name, "leshan-crash", Value::Null) else { return };
    bench.world.application.message("leshan-crash", "register");
    bench.done("2.05", "observe", json!({"path": "/3/0/9"}));
    goes_on(&bench, 1);
    bench.world.gateway.kill();
    // What it says meanwhile is confirmable, and repeated until the gateway is there again.
    bench.device.set("/3/0/9", 2);
    bench.world.gateway.launch();
    bench.world.gateway.await_ready();
    assert_eq!(bench.notified(), json!({"/3/0/9": 2}));
    goes_on(&bench, 3);
}
