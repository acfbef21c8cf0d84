//! Whole simulated devices, many at a time and over bad networks.
use integration_tests::{World, expectation};
use serde_json::{Value, json};
use simulator::{DataType, Device, LinkQuality, Resource, Rule, Value as DeviceValue};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn builder(endpoint: &str) -> simulator::DeviceBuilder {
    Device::builder(endpoint)
        .version("1.0")
        .lifetime(300)
        .value([3, 0, 0], "Acme")
        .value([3, 0, 9], 95)
        .executable([3, 0, 4])
        .resource([3, 0, 14], Resource::value("+01").writable())
        .living([3303, 0, 5700], DataType::Float, |time| DeviceValue::Float32(20.0 + time.as_secs_f32().sin()))
}

fn answer(world: &World, endpoint: &str, req: u32) -> Value {
    let topic = format!("lwm2m/{endpoint}/up/resp");
    let message = world
        .application
        .take(PATIENCE, |message| message.topic == topic && message.json["reqID"] == req && message.kind() != "ack");
    message.unwrap_or_else(|| panic!("no answer {req} of {endpoint}:\n{}", world.application.dump())).json
}

#[test]
fn every_operation_on_a_whole_device() {
    let world = World::start();
    let runtime = runtime();
    runtime.block_on(async {
        let device = builder("sim1").register(world.gateway.udp()).await.expect("it registers");
        world.application.message("sim1", "register");
        let commands = [
            (json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}), "2.05"),
            (json!({"reqID": 2, "msgType": "read", "data": {"path": "/3/0"}}), "2.05"),
            (json!({"reqID": 3, "msgType": "discover", "data": {"path": "/3"}}), "2.05"),
            (
                json!({"reqID": 4, "msgType": "write", "data": {"path": "/3/0/14", "type": "String", "value": "+02"}}),
                "2.04",
            ),
            (json!({"reqID": 5, "msgType": "read", "data": {"path": "/3/0/14"}}), "2.05"),
            (json!({"reqID": 6, "msgType": "execute", "data": {"path": "/3/0/4", "args": "0='1'"}}), "2.04"),
            (json!({"reqID": 7, "msgType": "write-attr", "data": {"path": "/3/0/9", "pmin": 0, "pmax": 60}}), "2.04"),
            (json!({"reqID": 8, "msgType": "read", "data": {"path": "/3/0/99"}}), "4.04"),
            (json!({"reqID": 9, "msgType": "observe", "data": {"path": "/3/0/9"}}), "2.05"),
        ];
        for (command, code) in commands {
            world.application.command("sim1", &command);
            let json = answer(&world, "sim1", u32::try_from(command["reqID"].as_u64().unwrap()).unwrap());
            assert_eq!(
                (&json["data"]["code"], &json["msgType"]),
                (&json!(code), &command["msgType"]),
                "{command}: {json}"
            );
            match command["reqID"].as_u64() {
                Some(1) => assert_eq!(json["data"]["content"], json!([{"path": "/3/0/0", "value": "Acme"}])),
                Some(5) => assert_eq!(json["data"]["content"], json!([{"path": "/3/0/14", "value": "+02"}])),
                _ => {}
            }
        }
        device.set([3, 0, 9], 42);
        let message = world.application.message("sim1", "notify");
        assert!(
            expectation::same(&message.json["data"]["content"][0], &json!({"path": "/3/0/9", "value": 42})),
            "{}",
            message.json
        );
        world
            .application
            .command("sim1", &json!({"reqID": 10, "msgType": "cancel-observe", "data": {"path": "/3/0/9"}}));
        assert_eq!(answer(&world, "sim1", 10)["data"]["code"], "2.05");
        device.deregister().await.expect("it deregisters");
    });
}

#[test]
fn slow_device_answers_separately() {
    let world = World::start();
    runtime().block_on(async {
        let _device = builder("slow")
            .rule(Rule::path("/3/0/0").separate(Duration::from_millis(300)))
            .register(world.gateway.udp())
            .await
            .expect("it registers");
        world.application.message("slow", "register");
        world.application.command("slow", &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
        world.application.message("slow", "ack");
        assert_eq!(answer(&world, "slow", 1)["data"]["content"][0]["value"], "Acme");
    });
}

#[test]
fn over_a_bad_network_every_command_has_exactly_one_end() {
    let world =
        World::with(&[("coap.ack_timeout", "\"150ms\""), ("coap.max_retransmit", "6"), ("log.level", "\"warn\"")]);
    runtime().block_on(async {
        let mut devices = Vec::new();
        for at in 0..10u64 {
            let name = format!("lossy{at}");
            let device = builder(&name).seed(at).register(world.gateway.udp()).await.expect("it registers");
            world.application.message(&name, "register");
            device.set_link(LinkQuality { loss: 0.2, duplication: 0.1, seed: at, ..LinkQuality::default() });
            devices.push((name, device));
        }
        for req in 0..20u32 {
            for (name, _) in &devices {
                world.application.command(name, &json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}}));
            }
        }
        let mut good = 0;
        for (name, _) in &devices {
            for req in 0..20u32 {
                let json = answer(&world, name, req);
                if json["data"]["code"] == "2.05" {
                    assert_eq!(json["data"]["content"][0]["value"], "Acme");
                    good += 1;
                } else {
                    assert_eq!(json["msgType"], "coap_timeout", "{json}");
                    println!("{name} {json}");
                }
            }
        }
        assert!(good >= 190, "only {good} of 200 commands got through");
        world
            .application
            .expect_none(Duration::from_secs(1), "a second terminal message", |message| message.kind() == "read");
    });
}

#[test]
fn two_hundred_devices_at_once_keep_their_values_apart() {
    let world = World::with(&[("log.level", "\"warn\"")]);
    runtime().block_on(async {
        let mut devices = Vec::new();
        for at in 0..200 {
            let name = format!("many{at}");
            let device = Device::builder(&name)
                .version("1.0")
                .value([3, 0, 0], name.as_str())
                .value([3, 0, 9], at)
                .register(world.gateway.udp())
                .await
                .expect("it registers");
            devices.push((name, device));
        }
        for (name, _) in &devices {
            world.application.message(name, "register");
            world.application.command(name, &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
            world.application.command(name, &json!({"reqID": 2, "msgType": "observe", "data": {"path": "/3/0/9"}}));
        }
        for (name, device) in &devices {
            assert_eq!(answer(&world, name, 1)["data"]["content"][0]["value"], *name);
            assert_eq!(answer(&world, name, 2)["data"]["code"], "2.05");
            device.set([3, 0, 9], 1000);
        }
        for (name, _) in &devices {
            assert_eq!(world.application.message(name, "notify").json["data"]["content"][0]["value"], 1000);
        }
    });
}
