//! Logs and metrics: `grep endpoint=X` tells a device's life; JSON lines parse.
use integration_tests::datagram::Kind;
use integration_tests::{QUIET, World};
use serde_json::{Value, json};

/// One life with every common event.
fn live(world: &World) {
    let mut device = world.device("ep1");
    let _other = world.device("ep2");
    device.update(&["lt=301"], "");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "1");
    device.notify(Kind::Non, &observe, 5, 0, "2");
    world.application.message("ep1", "notify");
    world.round_trip(&device, &json!({"reqID": 77, "msgType": "read", "data": {"path": "/3/0/0"}}), "2.05", &[], "v");
    world.application.command("ep1", &json!({"reqID": 78, "msgType": "nonsense", "data": {}}));
    world.application.answer("ep1");
    device.change_address();
    device.update(&[], "");
    world.application.command("ep1", &json!({"reqID": 79, "msgType": "read", "data": {"path": "/3/0/0"}}));
    let request = device.expect_request();
    device.reset(request.mid);
    world.application.answer("ep1");
    device.deregister();
    std::thread::sleep(QUIET);
}

const LIFE: &[&str] = &[
    "registered",
    "updated",
    "observe_started",
    "notify",
    "command_received",
    "command_sent",
    "command_answered",
    "command_refused",
    "moved",
    "deregistered",
];

#[test]
fn grep_for_an_endpoint_tells_its_life() {
    let world = World::with(&[("log.level", "\"debug\""), ("log.format", "\"text\"")]);
    live(&world);
    let log = world.gateway.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("endpoint=ep1")).collect();
    let life = lines.join("\n");
    for word in LIFE {
        assert!(life.contains(&format!("event={word}")), "event={word} is missing in\n{life}\n--- whole log:\n{log}");
    }
    assert!(!life.contains("endpoint=ep2"), "{life}");
    let place = |word: &str| lines.iter().position(|line| line.contains(&format!("event={word}"))).unwrap();
    assert!(
        place("registered") < place("observe_started") && place("observe_started") < place("deregistered"),
        "{life}"
    );
    let registered = lines[place("registered")];
    assert!(registered.contains("peer=127.0.0.1:") && registered.contains("location="), "{registered}");
}

#[test]
fn info_is_quiet_enough_and_still_tells_the_life() {
    let world = World::with(&[("log.level", "\"info\"")]);
    live(&world);
    let log = world.gateway.log();
    for word in ["registered", "deregistered"] {
        assert!(
            log.lines().any(|line| line.contains("endpoint=ep1") && line.contains(&format!("event={word}"))),
            "{word}:\n{log}"
        );
    }
    assert!(!log.contains("DEBUG"), "{log}");
}

#[test]
fn json_lines_parse_and_hold_the_fields() {
    let world = World::with(&[("log.level", "\"debug\""), ("log.format", "\"json\"")]);
    live(&world);
    let log = world.gateway.log();
    let mut words = Vec::new();
    for line in log.lines().filter(|line| !line.trim().is_empty()) {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for member in ["time", "level", "message"] {
            assert!(value[member].is_string(), "{member} is missing: {line}");
        }
        if value["endpoint"] == "ep1" {
            words.push(value["event"].as_str().unwrap_or("").to_owned());
        }
    }
    for word in LIFE {
        assert!(words.iter().any(|other| other == word), "{word} is missing in {words:?}");
    }
}

#[test]
fn rust_log_wins_over_the_file() {
    let mut world = World::with(&[("log.level", "\"debug\"")]);
    world.gateway.kill();
    let before = world.gateway.log().len();
    world.gateway.environment("RUST_LOG", "error");
    world.gateway.launch();
    world.gateway.await_ready();
    world.device("ep1");
    let log = world.gateway.log();
    assert!(!log[before..].contains("DEBUG") && !log[before..].contains("INFO"), "{}", &log[before..]);
}

#[test]
fn log_file_is_written_where_told() {
    let world = World::with(&[("log.file", "\"own.log\""), ("log.level", "\"info\"")]);
    let _device = world.device("ep1");
    let path = world.gateway.folder().join("own.log");
    assert!(
        integration_tests::eventually(integration_tests::PATIENCE, || {
            std::fs::read_to_string(&path).is_ok_and(|log| log.contains("event=registered"))
        }),
        "{}",
        world.gateway.log()
    );
}

#[test]
fn hostile_names_stay_inside_their_field() {
    let world = World::start();
    let mut device = world.wire();
    device.try_register(
        &["ep=evil name\" event=forged\u{1b}[31m", "lt=60", "lwm2m=1.0", "x=line\nbreak ERROR forged"],
        "</3/0>",
    );
    let mut newline = world.wire();
    newline.try_register(&["ep=two\nlines", "lt=60", "lwm2m=1.0"], "</3/0>");
    std::thread::sleep(QUIET);
    let log = world.gateway.log();
    assert!(!log.contains('\u{1b}'), "an escape sequence reached the log:\n{log}");
    assert!(
        !log.lines().any(|line| line.starts_with("break") || line.starts_with("lines")),
        "a device began a line of its own:\n{log}"
    );
}

#[test]
fn metrics_are_prometheus_text_without_endpoints() {
    let world = World::start();
    live(&world);
    let (status, body) = world.gateway.get("/metrics").expect("metrics");
    assert_eq!(status, 200);
    let mut samples = 0;
    for line in body.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(!name.contains("ep1"), "an endpoint is a label: {line}");
        samples += 1;
    }
    assert!(samples >= 10, "{body}");
    assert!(body.contains("_total"), "{body}");
}

#[test]
fn health_says_alive_and_ready() {
    let world = World::start();
    assert_eq!(world.gateway.get("/health/live").map(|(status, _)| status), Some(200));
    assert_eq!(world.gateway.get("/health/ready").map(|(status, _)| status), Some(200));
    assert_eq!(world.gateway.get("/no/such/page").map(|(status, _)| status), Some(404));
}
