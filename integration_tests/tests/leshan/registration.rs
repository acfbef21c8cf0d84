//! The registration interface.
use crate::{bench, bench_with};
use integration_tests::QUIET;
use serde_json::{Value, json};

const OBJECTS: [&str; 6] = ["/1/0", "/3/0", "/5/0", "/6/0", "/3303/0", "/33000/0"];
const ALWAYS: &[(&str, &str)] = &[("lwm2m.update_msg_publish_condition", "\"always\"")];

fn lists(message: &Value, instances: &[&str]) -> bool {
    let listed: Vec<&str> =
        message["data"]["objectList"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    instances.iter().all(|instance| listed.contains(instance))
}

#[test]
fn leshan_registers_as_1_1_updates_and_deregisters() {
    let start = json!({"version": "1.1", "lifetime": 300});
    let Some(bench) = bench_with("register, update, deregister (1.1)", "leshan-11", start, ALWAYS) else { return };
    life_of_a_registration(&bench, "1.1");
}

#[test]
fn leshan_registers_as_1_0_updates_and_deregisters() {
    let start = json!({"version": "1.0", "lifetime": 300});
    let Some(bench) = bench_with("register, update, deregister (1.0)", "leshan-10", start, ALWAYS) else { return };
    life_of_a_registration(&bench, "1.0");
}

fn life_of_a_registration(bench: &crate::Bench, version: &str) {
    let endpoint = bench.device.endpoint();
    let register = bench.world.application.message(endpoint, "register").json;
    let data = &register["data"];
    assert_eq!(
        (&data["ep"], &data["lt"], &data["lwm2m"], &data["b"], &data["alternatePath"]),
        (&json!(endpoint), &json!(300), &json!(version), &json!("U"), &json!("/")),
        "{register}"
    );
    assert!(lists(&register, &OBJECTS), "{register}");

    bench.device.say("update", Value::Null);
    bench.device.expect("updated");
    bench.world.application.message(endpoint, "update");
    // A new lifetime makes Leshan update by itself, and so does a new instance, with the object list.
    bench.done("2.04", "write", json!({"path": "/1/0/1", "type": "Integer", "value": 600}));
    bench.device.expect("updated");
    assert_eq!(bench.world.application.message(endpoint, "update").data("lt"), 600);
    bench.done(
        "2.01",
        "create",
        json!({"basePath": "/33000", "content": [{"path": "/7/1", "type": "Integer", "value": 5}]}),
    );
    bench.device.expect("updated");
    let update = bench.world.application.message(endpoint, "update").json;
    assert!(lists(&update, &["/3/0", "/33000/0", "/33000/7"]), "{update}");
    // The gateway triggers an update: Registration Update Trigger.
    bench.done("2.04", "execute", json!({"path": "/1/0/8"}));
    bench.device.expect("updated");

    bench.device.say("stop", json!({"deregister": true}));
    bench.device.expect("deregistered");
    assert_eq!(bench.ask("read", json!({"path": "/3/0/0"}))["code"], "4.04");
}

#[test]
fn leshan_in_queue_mode_gets_its_commands_when_it_updates() {
    sleeper("queue mode (1.1: Q)", "leshan-q11", "1.1", "U");
}

#[test]
fn leshan_in_queue_mode_of_1_0_gets_its_commands_when_it_updates() {
    sleeper("queue mode (1.0: b=UQ)", "leshan-q10", "1.0", "UQ");
}

fn sleeper(name: &str, endpoint: &str, version: &str, binding: &str) {
    let start = json!({"version": version, "queue": true});
    let window = [("lwm2m.qmode_time_window", "\"1s\"")];
    let Some(bench) = bench_with(name, endpoint, start, &window) else { return };
    assert_eq!(bench.world.application.message(endpoint, "register").data("b"), binding);
    bench.world.gateway.await_log(&["event=asleep", endpoint]);
    let application = &bench.world.application;
    for req in 1..=3 {
        application.command(endpoint, &json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}}));
    }
    application.expect_none(QUIET, "an answer of a device that sleeps", |_| true);
    bench.device.say("update", Value::Null);
    bench.device.expect("updated");
    for req in 1..=3 {
        let answer = application.answer(endpoint);
        assert_eq!((&answer.json["reqID"], answer.data("code")), (&json!(req), &json!("2.05")), "{}", answer.json);
    }
}

#[test]
fn leshan_keeps_its_objects_under_an_alternate_path() {
    let start = json!({"alternatePath": "/lwm2m"});
    let Some(bench) = bench("alternate path: every operation", "leshan-alternate", start) else { return };
    let register = bench.world.application.message("leshan-alternate", "register").json;
    assert_eq!(register["data"]["alternatePath"], "/lwm2m", "{register}");
    assert!(lists(&register, &OBJECTS), "{register}");
    assert_eq!(bench.read("/3/0/0"), json!({"/3/0/0": "Leshan"}));
    bench.done("2.04", "write", json!({"path": "/3/0/14", "type": "String", "value": "+02:00"}));
    bench.done("2.04", "execute", json!({"path": "/3/0/4"}));
    bench.device.expect_about("executed", "/3/0/4");
    bench.done("2.04", "write-attr", json!({"path": "/3/0/9", "pmin": 1}));
    bench.done("2.05", "discover", json!({"path": "/3/0"}));
    bench.done(
        "2.01",
        "create",
        json!({"basePath": "/33000", "content": [{"path": "/1/1", "type": "Integer", "value": 5}]}),
    );
    bench.done("2.02", "delete", json!({"path": "/33000/1"}));
    bench.done("2.05", "observe", json!({"path": "/3303/0/5700"}));
    bench.device.set("/3303/0/5700", 21.5);
    assert_eq!(bench.notified(), json!({"/3303/0/5700": 21.5}));
}
