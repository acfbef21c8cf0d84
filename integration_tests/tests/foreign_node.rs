//! The gateway against lwm2m-node-lib, a LwM2M 1.0 client in JavaScript.
use integration_tests::foreign::{self, Program};
use integration_tests::{World, interop};
use serde_json::{Value, json};

/// A registered device, and its row of the table.
fn device(world: &World, scenario: &str) -> Option<(Program, interop::Scenario)> {
    let Some(version) = foreign::npm_version("lwm2m-node-lib") else {
        interop::skip("lwm2m-node-lib", "not installed (`make interop` does that)");
        return None;
    };
    let row = interop::scenario(format!("lwm2m-node-lib {version}"), scenario);
    let mut device = Program::node("node_lib_device.js", &[&world.gateway.udp().port().to_string(), "node"]);
    device.expect_word("registered");
    Some((device, row))
}

fn done(world: &World, code: &str, kind: &str, data: Value) -> Value {
    let answer = world.application.ask("node", &json!({"reqID": 1, "msgType": kind, "data": data}));
    assert_eq!((answer.kind(), answer.data("code")), (kind, &json!(code)), "{data}: {}", answer.json);
    answer.json["data"]["content"].clone()
}

#[test]
fn node_lib_registers_updates_and_deregisters() {
    let world = World::start();
    let Some((mut device, _row)) = device(&world, "register, update, deregister (1.0)") else { return };
    let register = world.application.message("node", "register");
    assert_eq!(
        (register.data("lt"), register.data("lwm2m"), register.data("objectList")),
        (&json!(300), &json!("1.0"), &json!(["/3/0", "/3303/0"]))
    );
    device.say("update");
    device.expect_word("updated");
    world.application.message("node", "update");
    device.say("deregister");
    device.expect_word("deregistered");
    let answer = world.application.ask("node", &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
    assert_eq!(answer.data("code"), "4.04");
}

#[test]
fn node_lib_is_read_written_and_executed() {
    let world = World::start();
    let Some((mut device, mut row)) = device(&world, "read, write as text, execute") else { return };
    row.note("difference 3");
    assert_eq!(done(&world, "2.05", "read", json!({"path": "/3/0/0"})), json!([{"path": "/3/0/0", "value": "node"}]));
    assert_eq!(
        done(&world, "2.05", "read", json!({"path": "/3303/0/5700"})),
        json!([{"path": "/3303/0/5700", "value": 20.5}])
    );
    done(&world, "2.04", "write", json!({"path": "/3/0/9", "type": "Integer", "value": 42, "format": "text"}));
    assert_eq!(device.expect_word("written"), "written /3/0/9 42");
    assert_eq!(done(&world, "2.05", "read", json!({"path": "/3/0/9"})), json!([{"path": "/3/0/9", "value": 42}]));
    done(&world, "2.04", "execute", json!({"path": "/3/0/4", "args": "5"}));
    assert_eq!(device.expect_word("executed"), "executed /3/0/4 5");
    done(&world, "4.04", "read", json!({"path": "/4/0/0"}));
}

#[test]
fn node_lib_is_observed() {
    let world = World::start();
    let Some((mut device, _row)) = device(&world, "observe, notify") else { return };
    let first = done(&world, "2.05", "observe", json!({"path": "/3303/0/5700"}));
    assert_eq!(first, json!([{"path": "/3303/0/5700", "value": 20.5}]));
    for value in ["21.5", "22.25"] {
        device.say(&format!("set /3303/0 5700 {value}"));
        device.expect_word("set");
        let expected: f64 = value.parse().unwrap();
        world.application.expect("the new value", |message| {
            message.kind() == "notify" && message.json["data"]["content"][0]["value"] == expected
        });
    }
}
