//! Mutated datagrams, commands, definitions, configurations: the process stays alive and answers the next good one.
use integration_tests::datagram::{Datagram, Kind, block, code, option};
use integration_tests::mutation::Mutator;
use integration_tests::scratch::Scratch;
use integration_tests::{QUIET, Wire, World, gateway, unhex};
use serde_json::{Value, json};
use std::time::Duration;

fn assert_alive(world: &mut World, ep: &str, seed: u64) {
    assert!(world.gateway.is_alive(), "the gateway has died, seed {seed}:\n{}", world.gateway.log());
    world.application.clear();
    world.assert_works(ep);
}

/// Good datagrams of a device, to be spoilt.
fn good(device: &Wire) -> Vec<Vec<u8>> {
    let links = "</>;rt=\"oma.lwm2m\";ct=\"60 110 112\",</1/0>;ver=1.1,</3/0>,</3303/0>";
    vec![
        device.register_request(&["ep=mutant", "lt=60", "lwm2m=1.0", "b=UQ"], links).encode(),
        device.update_request(&["lt=61"], links).encode(),
        device
            .register_request(&["ep=mutant", "lt=60", "lwm2m=1.0"], &"</3/0>,".repeat(9))
            .with(option::BLOCK1, block(0, true, 64))
            .encode(),
        device
            .request(2)
            .path(&["dp"])
            .with(option::CONTENT_FORMAT, [110])
            .body(br#"[{"bn":"/3303/0/","n":"5700","v":21.5}]"#)
            .encode(),
        device.request(4).path(&["rd", "none"]).encode(),
        device.request(1).path(&[".well-known", "core"]).encode(),
        Datagram::empty(Kind::Con, device.next_mid()).encode(),
    ]
}

#[test]
fn mutated_datagrams_of_strangers() {
    let mut world = World::with(&[("log.level", "\"warn\"")]);
    let mut mutator = Mutator::new(1);
    for round in 0..20 {
        let device = world.wire();
        let good = good(&device);
        for _ in 0..300 {
            let base = mutator.choose(&good).clone();
            device.send_bytes(&mutator.mutate(&base));
        }
        device.discard();
        if round % 5 == 4 {
            assert_alive(&mut world, &format!("after{round}"), 1);
        }
    }
}

#[test]
fn mutated_datagrams_of_a_registered_device() {
    let mut world = World::with(&[("log.level", "\"warn\"")]);
    let mut mutator = Mutator::new(2);
    let mut device = world.device("victim");
    for round in 0..1000u32 {
        let good = good(&device);
        let base = mutator.choose(&good).clone();
        device.send_bytes(&mutator.mutate(&base));
        if round % 100 == 99 {
            device.discard();
            // the session itself is still good, or can be made so by a new registration
            if device.update(&[], "").code != code("2.04") {
                device.register(&["ep=victim", "lt=300", "lwm2m=1.0"], "</3/0>");
            }
            world.application.clear();
            let command = json!({"reqID": round, "msgType": "read", "data": {"path": "/3/0/0"}});
            world.application.command("victim", &command);
            device.answer(&device.expect_request(), "2.05", &[], "v");
            world.application.expect("answer", |message| message.json["reqID"] == round);
        }
    }
    assert_alive(&mut world, "after", 2);
}

/// Contents of every format, to be spoilt.
fn contents() -> Vec<(u16, Vec<u8>)> {
    vec![
        (11542, unhex("08003c c80014 4f70656e204d6f62696c6520416c6c69616e6365 c80116 4c69676874776569676874204d324d20436c69656e74 c80209 333435303030313233")),
        (11542, unhex("8702417f0761013601")),
        (11542, unhex("c40d0000000a88160c440000010002440100010003")),
        (11543, br#"{"bn":"/3/0/","bt":25462634,"e":[{"n":"0","sv":"EMQ"},{"n":"9","v":95,"t":-5},{"n":"22/0","ov":"66:0"}]}"#.to_vec()),
        (110, br#"[{"bn":"/3/0/","bt":1700000000,"n":"0","vs":"EMQ"},{"n":"9","v":95e0},{"n":"1","vb":true},{"n":"2","vd":"AP8"}]"#.to_vec()),
        (112, unhex("82a321662f332f302f00613003634d5121a200613902185f")),
        (0, b"12345".to_vec()),
        (40, b"</3/0>;dim=8;pmin=10,</3/0/0>;x=\"a,b\"".to_vec()),
        (60, unhex("fb4034000000000000")),
        (11544, unhex("a103a100a2006345 4d5109185f")),
    ]
}

#[test]
fn mutated_answers_and_notifications_each_give_one_message() {
    let mut world = World::with(&[("log.level", "\"warn\"")]);
    let device = world.device("victim");
    let mut mutator = Mutator::new(3);
    let contents = contents();
    let observe = world.observe(&device, 0, "/3/0", 11542, "");
    for round in 1..=400u32 {
        let (format, body) = mutator.choose(&contents).clone();
        let body = mutator.mutate(&body);
        let format = integration_tests::datagram::uint(u32::from(format));
        let options: &[(u16, &[u8])] = &[(option::CONTENT_FORMAT, &format)];
        if round % 2 == 0 {
            let kind = *mutator.choose(&["read", "discover"]);
            let message = world.round_trip(
                &device,
                &json!({"reqID": round, "msgType": kind, "data": {"path": "/3/0"}}),
                "2.05",
                options,
                &body,
            );
            let code = message.data("code").as_str().unwrap_or("").to_owned();
            assert!(
                ["2.05", "4.00"].contains(&code.as_str()) && message.json["reqID"] == round,
                "round {round}: {}",
                message.json
            );
        } else {
            let sequence = integration_tests::datagram::uint(round);
            let mid = device.answer_separately(
                Kind::Con,
                &observe,
                "2.05",
                &[options[0], (option::OBSERVE, &sequence)],
                &body,
            );
            device.expect_ack(mid);
            let message = world.application.message("victim", "notify");
            assert!(message.json["seqNum"] == round, "round {round}: {}", message.json);
        }
    }
    assert_alive(&mut world, "after", 3);
}

#[test]
fn mutated_responses_never_kill_the_session() {
    let mut world =
        World::with(&[("log.level", "\"warn\""), ("coap.ack_timeout", "\"50ms\""), ("coap.max_retransmit", "1")]);
    let device = world.device("victim");
    let mut mutator = Mutator::new(4);
    for round in 0..120u32 {
        let request = world.command(&device, &json!({"reqID": round, "msgType": "read", "data": {"path": "/3/0/0"}}));
        let response = integration_tests::wire::respond(
            Kind::Ack,
            request.mid,
            &request,
            "2.05",
            &[(option::CONTENT_FORMAT, &[]), (option::BLOCK2, &block(0, true, 16))],
            "0123456789abcdef",
        );
        device.send_bytes(&mutator.mutate(&response.encode()));
        // answered, refused or timed out: exactly one terminal message
        let message = world
            .application
            .expect("terminal message", |message| message.json["reqID"] == round && message.kind() != "ack");
        assert!(["read", "coap_timeout", "coap_reset"].contains(&message.kind()), "{}", message.json);
        device.discard();
    }
    world.application.expect_none(QUIET, "a second terminal message", |message| message.kind() != "ack");
    assert_alive(&mut world, "after", 4);
}

fn commands() -> Vec<Value> {
    vec![
        json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}),
        json!({"reqID": "x", "msgType": "write", "encoding": "hex", "data": {"path": "/3/0/13", "type": "Integer", "value": "12345"}}),
        json!({"reqID": 2, "msgType": "write", "data": {"basePath": "/3/0/", "content": [{"path": "13", "type": "Integer", "value": 12345}, {"path": "6/0", "type": "Integer", "value": "1"}]}}),
        json!({"reqID": 3, "msgType": "create", "data": {"basePath": "/6", "content": [{"path": "0/0", "type": "Float", "value": 1.5e3}, {"path": "0/4", "type": "Opaque", "value": "AQID"}]}}),
        json!({"reqID": 4, "msgType": "write-attr", "data": {"path": "/3/0/9", "pmin": 10, "pmax": "60", "gt": -4.5}}),
        json!({"reqID": 5, "msgType": "execute", "data": {"path": "/3/0/4", "args": "0='1'"}, "mheaders": {"ttl": 0}}),
        json!({"reqID": 6, "msgType": "observe", "data": {"path": "/3/0?pmin=1", "format": "senml-cbor"}}),
        json!({"reqID": 7, "msgType": "cancel-observe", "data": {"path": "/3/0", "passive": true}}),
        json!({"reqID": 8, "msgType": "write-composite", "data": {"content": [{"path": "/1/0/1", "type": "Integer", "value": 60}]}}),
    ]
}

#[test]
fn mutated_commands() {
    let mut world =
        World::with(&[("log.level", "\"warn\""), ("coap.ack_timeout", "\"50ms\""), ("coap.max_retransmit", "0")]);
    let device = world.device("victim");
    let mut mutator = Mutator::new(5);
    let good: Vec<Vec<u8>> = commands().iter().map(|command| command.to_string().into_bytes()).collect();
    for round in 0..600u32 {
        let base = mutator.choose(&good).clone();
        world.application.publish("lwm2m/victim/dn", mutator.mutate(&base));
        while let Some(request) = device.receive_within(Duration::from_micros(500)) {
            if request.is_request() {
                device.answer(&request, "2.04", &[], "");
            }
        }
        if round % 200 == 199 {
            world.application.clear();
            let command = json!({"reqID": {"round": round}, "msgType": "read", "data": {"path": "/3/0/1"}});
            world.application.command("victim", &command);
            let answered = world.application.take(Duration::from_millis(1), |_| false);
            assert!(answered.is_none());
            let end = std::time::Instant::now() + Duration::from_secs(20);
            loop {
                if let Some(request) = device.receive_within(Duration::from_millis(20))
                    && request.is_request()
                {
                    device.answer(&request, "2.05", &[], "v");
                }
                if world
                    .application
                    .take(Duration::from_millis(1), |message| message.json["reqID"] == json!({"round": round}))
                    .is_some()
                {
                    break;
                }
                assert!(
                    std::time::Instant::now() < end,
                    "the good command after {round} mutated ones was not answered\n{}",
                    world.gateway.log()
                );
            }
        }
    }
    assert_alive(&mut world, "after", 5);
}

#[test]
fn commands_to_any_topic_do_no_harm() {
    let mut world = World::with(&[("log.level", "\"warn\"")]);
    for topic in [
        "lwm2m//dn",
        "lwm2m/$SYS/dn",
        "lwm2m/a b/dn/ /",
        "lwm2m/\u{1F600}/dn",
        "lwm2m/ep/dn/x/y/z/../..",
        "lwm2m/%e/dn",
        "lwm2m/${endpoint_name}/dn",
    ] {
        world.application.publish(topic, r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
        world.application.publish(topic, "rubbish");
    }
    world.application.publish(
        &format!("lwm2m/{}/dn", "e".repeat(10_000)),
        r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#,
    );
    std::thread::sleep(Duration::from_millis(300));
    assert_alive(&mut world, "after", 0);
}

#[test]
fn mutated_object_definitions_cost_only_themselves() {
    let scratch = Scratch::new();
    let good = std::fs::read(format!("{}/3.xml", gateway::OBJECTS)).unwrap();
    let mut mutator = Mutator::new(6);
    for round in 0..60 {
        scratch.file(&format!("objects/{round}.xml"), mutator.mutate(&good));
    }
    scratch.file("objects/good.xml", std::fs::read(format!("{}/3303.xml", gateway::OBJECTS)).unwrap());
    let folder = scratch.path().join("objects").display().to_string();
    let output = gateway::run(&["objects", "check", &folder]);
    assert!([Some(0), Some(1)].contains(&output.status.code()), "{output:?}");
    let text = gateway::text(&output);
    assert!(text.lines().last().unwrap_or("").contains("ok"), "{text}");

    // the gateway starts with them, and the good one is there
    let world = World::with(&[("lwm2m.xml_dir", &format!("{folder:?}"))]);
    let device = world.device("ep1");
    let command = json!({"reqID": 1, "msgType": "read", "data": {"path": "/3303/0/5700"}});
    let message = world.round_trip(&device, &command, "2.05", &[], "20.5");
    assert_eq!(message.json["data"]["content"][0]["value"], 20.5);
}

#[test]
fn mutated_configurations_end_with_findings_or_are_good() {
    let scratch = Scratch::new();
    let mut settings = integration_tests::Settings::default();
    for (key, literal) in [
        ("mqtt.server", "\"mqtt://127.0.0.1:1883\""),
        ("mqtt.version", "5"),
        ("lwm2m.mountpoint", "\"lwm2m/${endpoint_name}/\""),
        ("lwm2m.lifetime_min", "\"1s\""),
        ("lwm2m.auto_observe", "[\"/3/0\"]"),
        ("lwm2m.translators.command", "{ topic = \"dn/#\", qos = 0 }"),
        ("lwm2m.blockwise.max_body_size", "\"4MB\""),
        ("coap.ack_random_factor", "1.5"),
        ("listeners.udp.bind", "\"127.0.0.1:5683\""),
        ("log.level", "\"info\""),
    ] {
        settings.set(key, literal);
    }
    settings.set("lwm2m.xml_dir", format!("{:?}", gateway::OBJECTS));
    let good = settings.to_toml().into_bytes();
    let mut mutator = Mutator::new(7);
    for round in 0..40 {
        let file = scratch.file("gateway.toml", mutator.mutate(&good));
        let output = gateway::run(&["check", "--config", &file.display().to_string()]);
        let text = gateway::text(&output);
        assert!([Some(0), Some(78)].contains(&output.status.code()), "seed 7 round {round}: {output:?}");
        assert!(!text.contains("panicked"), "seed 7 round {round}: {text}");
        assert!(
            output.status.code() == Some(0) || !text.trim().is_empty(),
            "seed 7 round {round}: refused without a word"
        );
    }
}
