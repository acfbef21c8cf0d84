//! Configuration and command line (configuration.md): findings, exit statuses, environment.
use integration_tests::gateway::{OBJECTS, run, run_in, text};
use integration_tests::scratch::Scratch;
use integration_tests::{Broker, Gateway, Settings, World};
use std::process::Output;

/// Findings of `check` on this file; the folder has object definitions beside it.
fn check(toml: &str) -> (Output, String) {
    let scratch = Scratch::new();
    scratch.file("objects/3.xml", std::fs::read(format!("{OBJECTS}/3.xml")).unwrap());
    let file = scratch.file("gateway.toml", toml);
    let output = run(&["check", "--config", &file.display().to_string()]);
    let text = text(&output);
    (output, text)
}

#[test]
fn the_fixed_part_of_the_configuration_is_accepted() {
    let toml = r#"
[mqtt]
server    = "mqtt://127.0.0.1:1883"
client_id = "lwm2m-gateway"
username  = ""
version   = 5
[broker]
bind = "127.0.0.1:1883"
[lwm2m]
xml_dir  = "objects"
mountpoint = "lwm2m/${endpoint_name}/"
lifetime_min = "1s"
lifetime_max = "86400s"
qmode_time_window = "22s"
auto_observe = false
update_msg_publish_condition = "contains_object_list"
unknown_objects = "reject"
lifecycle_events = false
queue_max = 100
[lwm2m.translators]
command  = { topic = "dn/#",      qos = 0 }
response = { topic = "up/resp",   qos = 0 }
notify   = { topic = "up/notify", qos = 0 }
register = { topic = "up/resp",   qos = 0 }
update   = { topic = "up/resp",   qos = 0 }
send     = { topic = "up/send",   qos = 0 }
event    = { topic = "up/event",  qos = 0 }
[lwm2m.blockwise]
enable = true
max_block_size = 1024
max_body_size = "4MB"
exchange_lifetime = "247s"
[coap]
ack_timeout = "2s"
ack_random_factor = 1.5
max_retransmit = 4
[[listeners.udp]]
bind = "0.0.0.0:5683"
[store]
path = "data"
[http]
bind = "127.0.0.1:8080"
[log]
level  = "info"
format = "text"
"#;
    let (output, text) = check(toml);
    assert_eq!(output.status.code(), Some(0), "{text}");
}

#[test]
fn the_smallest_configuration_is_accepted() {
    let (output, text) = check("[[listeners.udp]]\nbind = \"127.0.0.1:5683\"\n");
    assert_eq!(output.status.code(), Some(0), "{text}");
}

#[test]
fn each_wrong_key_is_named_with_its_file_and_reason() {
    // file, words that the findings must hold
    let rows: &[(&str, &[&str])] = &[
        ("[mqtt]\nservr = \"x\"\n", &["servr"]),
        ("[mtqq]\nserver = \"x\"\n", &["mtqq"]),
        ("[mqtt]\nserver = 5\n", &["mqtt.server"]),
        ("[mqtt]\nserver = \"http://127.0.0.1\"\n", &["mqtt.server"]),
        ("[mqtt]\nversion = 3\n", &["mqtt.version"]),
        ("[mqtt]\nversion = \"five\"\n", &["mqtt.version"]),
        ("[lwm2m]\nlifetime_min = 5.5\n", &["lwm2m.lifetime_min"]),
        ("[lwm2m]\nlifetime_min = \"soon\"\n", &["lwm2m.lifetime_min"]),
        ("[lwm2m]\nlifetime_min = \"100s\"\nlifetime_max = \"10s\"\n", &["lifetime_m"]),
        ("[lwm2m]\nqueue_max = -1\n", &["lwm2m.queue_max"]),
        ("[lwm2m]\nunknown_objects = \"maybe\"\n", &["lwm2m.unknown_objects"]),
        ("[lwm2m]\nupdate_msg_publish_condition = \"never\"\n", &["lwm2m.update_msg_publish_condition"]),
        ("[lwm2m]\nauto_observe = 5\n", &["lwm2m.auto_observe"]),
        ("[lwm2m]\nauto_observe = [\"x y\"]\n", &["lwm2m.auto_observe"]),
        ("[lwm2m]\nlifecycle_events = \"perhaps\"\n", &["lwm2m.lifecycle_events"]),
        ("[lwm2m]\nxml_dir = \"no-such-folder\"\n", &["no-such-folder"]),
        ("[lwm2m.translators]\ncommand = { topic = \"dn/#\", qos = 3 }\n", &["lwm2m.translators.command", "qos"]),
        ("[lwm2m.translators]\nresponse = { topic = \"up/#\", qos = 0 }\n", &["lwm2m.translators.response"]),
        ("[lwm2m.translators]\nnotify = { topik = \"up\" }\n", &["lwm2m.translators.notify", "topik"]),
        ("[lwm2m.translators]\nnews = { topic = \"up\" }\n", &["news"]),
        ("[lwm2m.blockwise]\nmax_block_size = 1000\n", &["lwm2m.blockwise.max_block_size"]),
        ("[lwm2m.blockwise]\nmax_block_size = 2048\n", &["lwm2m.blockwise.max_block_size"]),
        ("[lwm2m.blockwise]\nmax_body_size = \"much\"\n", &["lwm2m.blockwise.max_body_size"]),
        ("[coap]\nack_timeout = \"-1s\"\n", &["coap.ack_timeout"]),
        ("[coap]\nack_timeout = \"0s\"\n", &["coap.ack_timeout"]),
        ("[coap]\nack_random_factor = 0.5\n", &["coap.ack_random_factor"]),
        ("[coap]\nmax_retransmit = \"four\"\n", &["coap.max_retransmit"]),
        ("[[listeners.udp]]\nbind = \"nowhere\"\n", &["listeners.udp", "bind"]),
        ("[[listeners.udp]]\nbnid = \"127.0.0.1:5683\"\n", &["listeners.udp", "bnid"]),
        ("[http]\nbind = \"127.0.0.1:99999\"\n", &["http.bind"]),
        ("[log]\nformat = \"yaml\"\n", &["log.format"]),
        ("[log]\nlevel = \"shouting\"\n", &["log.level"]),
        ("[mqtt\nserver = \"x\"\n", &["gateway.toml"]),
        ("no equals sign\n", &["gateway.toml"]),
    ];
    for (toml, words) in rows {
        let (output, text) = check(toml);
        assert_eq!(output.status.code(), Some(78), "{toml}: {text}");
        assert!(text.contains("gateway.toml"), "the finding names the file: {toml}: {text}");
        for word in *words {
            assert!(text.contains(word), "{word:?} is missing: {toml}: {text}");
        }
        assert!(!text.contains("panicked"), "{toml}: {text}");
    }
}

#[test]
fn all_findings_come_at_once_and_run_refuses_as_check_does() {
    let scratch = Scratch::new();
    let toml = "[mqtt]\nversion = 9\nservr = \"x\"\n[coap]\nack_timeout = \"never\"\n[lwm2m]\nqueue_max = \"a\"\nxml_dir = \"missing\"\n";
    let file = scratch.file("gateway.toml", toml).display().to_string();
    for command in ["check", "run"] {
        let output = run(&[command, "--config", &file]);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(78), "{command}: {text}");
        for word in ["mqtt.version", "servr", "coap.ack_timeout", "lwm2m.queue_max", "missing"] {
            assert!(text.contains(word), "{command}: {word} is missing: {text}");
        }
    }
}

#[test]
fn missing_file_is_said() {
    for command in ["check", "run"] {
        let output = run(&[command, "--config", "/no/such/file.toml"]);
        assert_eq!(output.status.code(), Some(78), "{}", text(&output));
        assert!(text(&output).contains("/no/such/file.toml"), "{}", text(&output));
    }
}

#[test]
fn environment_overrides_the_file() {
    let scratch = Scratch::new();
    scratch.file("objects/3.xml", std::fs::read(format!("{OBJECTS}/3.xml")).unwrap());
    let file = scratch.file("gateway.toml", "[coap]\nack_timeout = \"2s\"\n").display().to_string();
    let good = run_in(scratch.path(), &["check", "--config", &file], &[("LWM2M_GATEWAY__COAP__ACK_TIMEOUT", "3s")]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    for (variable, value, word) in [
        ("LWM2M_GATEWAY__COAP__ACK_TIMEOUT", "never", "ack_timeout"),
        ("LWM2M_GATEWAY__MQTT__VERSION", "9", "version"),
        ("LWM2M_GATEWAY__LWM2M__QUEUE_MAX", "many", "queue_max"),
        ("LWM2M_GATEWAY__MQTT__SERVR", "x", "servr"),
    ] {
        let bad = run_in(scratch.path(), &["check", "--config", &file], &[(variable, value)]);
        assert_eq!(bad.status.code(), Some(78), "{variable}={value}: {}", text(&bad));
        assert!(text(&bad).to_lowercase().contains(word), "{variable}={value}: {}", text(&bad));
    }
    // and it takes effect
    let broker = Broker::start();
    let mut gateway = Gateway::prepare("mqtt://127.0.0.1:1", &Settings::default());
    gateway.environment("LWM2M_GATEWAY__MQTT__SERVER", &broker.url());
    gateway.environment("LWM2M_GATEWAY__LWM2M__LIFECYCLE_EVENTS", "true");
    gateway.launch();
    gateway.await_ready();
    let application = integration_tests::Application::connect(broker.port(), 5);
    let world = World { application, gateway, broker: Some(broker) };
    let _device = world.device("ep1");
    world.application.expect("event", |message| message.json["event"] == "registered");
}

#[test]
fn definitions_are_found_beside_the_configuration() {
    let mut settings = Settings::default();
    settings.set("lwm2m.xml_dir", "\"mine\"");
    let broker = Broker::start();
    let mut gateway = Gateway::prepare(&broker.url(), &settings);
    std::fs::create_dir(gateway.folder().join("mine")).unwrap();
    std::fs::copy(format!("{OBJECTS}/3.xml"), gateway.folder().join("mine/3.xml")).unwrap();
    gateway.launch();
    gateway.await_ready();
    let application = integration_tests::Application::connect(broker.port(), 5);
    World { application, gateway, broker: Some(broker) }.assert_works("ep1");
}

#[test]
fn wrong_command_lines_and_the_good_ones_that_end_at_once() {
    for arguments in [&[][..], &["walk"], &["run"], &["objects"], &["check", "--loud"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", text(&output));
        assert!(!text(&output).is_empty());
    }
    for arguments in [&["--help"][..], &["--version"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output).contains("lwm2m-gateway"), "{arguments:?}");
    }
}

#[test]
fn objects_check_reports_each_file_with_a_problem_and_a_summary() {
    let good = run(&["objects", "check", OBJECTS]);
    let files = std::fs::read_dir(OBJECTS).unwrap().count();
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    assert_eq!(text(&good).trim(), format!("{files} ok, 0 warnings, 0 errors"));

    let scratch = Scratch::new();
    scratch.file("3.xml", std::fs::read(format!("{OBJECTS}/3.xml")).unwrap());
    let whole = std::fs::read_to_string(format!("{OBJECTS}/3303.xml")).unwrap();
    scratch.file("cut.xml", &whole[..whole.len() / 2]);
    scratch.file("words.xml", "these are words");
    scratch.file("empty.xml", "");
    scratch.file("other.xml", "<a><b/></a>");
    scratch.file("noid.xml", whole.replace("<ObjectID>3303</ObjectID>", "<ObjectID>many</ObjectID>"));
    scratch.file("notes.txt", "not a definition");
    let bad = run(&["objects", "check", &scratch.path().display().to_string()]);
    let text = text(&bad);
    assert_eq!(bad.status.code(), Some(1), "{text}");
    for name in ["cut.xml", "words.xml", "empty.xml", "other.xml", "noid.xml"] {
        assert_eq!(text.lines().filter(|line| line.contains(name)).count(), 1, "one line for {name}: {text}");
    }
    assert!(
        !text.contains("notes.txt") && !text.lines().any(|line| line.contains("3.xml") && !line.contains("3303")),
        "{text}"
    );
    assert_eq!(text.trim().lines().last(), Some("1 ok, 0 warnings, 5 errors"));
    let missing = run(&["objects", "check", "/no/such/folder"]);
    assert_ne!(missing.status.code(), Some(0));
}

#[test]
fn definitions_of_the_field_are_read() {
    let scratch = Scratch::new();
    let good = std::fs::read_to_string(format!("{OBJECTS}/3303.xml")).unwrap();
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    scratch.file("bom.xml", format!("\u{feff}{good}").replace("3303", "3304"));
    scratch.file("crlf.xml", good.replace('\n', "\r\n").replace("3303", "3305"));
    scratch.file("bare.xml", good.replace(declaration, "").replace("3303", "3306"));
    scratch.file(
        "version.xml",
        good.replace("3303", "3307")
            .replace("</ObjectURN>", "</ObjectURN>\n<LWM2MVersion></LWM2MVersion><ObjectVersion></ObjectVersion>"),
    );
    scratch.file(
        "license.xml",
        good.replace("3303", "3308")
            .replace("<LWM2M>", "<!-- words -->\n<LWM2M xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">"),
    );
    let output = run(&["objects", "check", &scratch.path().display().to_string()]);
    assert_eq!((output.status.code(), text(&output).contains("0 errors")), (Some(0), true), "{}", text(&output));
}

#[test]
fn check_also_looks_at_the_definitions() {
    let scratch = Scratch::new();
    scratch.file("objects/broken.xml", "<LWM2M><Object>");
    scratch.file("objects/3.xml", std::fs::read(format!("{OBJECTS}/3.xml")).unwrap());
    let file = scratch.file("gateway.toml", "[lwm2m]\nxml_dir = \"objects\"\n").display().to_string();
    let output = run(&["check", "--config", &file]);
    assert!(text(&output).contains("broken.xml"), "{}", text(&output));
}

#[test]
fn port_in_use_ends_with_words() {
    let broker = Broker::start();
    let first = Gateway::start(&broker.url(), &Settings::default());
    let mut settings = Settings::default();
    settings.set("listeners.udp.bind", format!("\"{}\"", first.udp()));
    let mut second = Gateway::prepare(&broker.url(), &settings);
    second.launch();
    let status = second.await_end();
    assert!(!status.success(), "{status:?}");
    let log = second.log();
    assert!(log.contains(&first.udp().to_string()) || log.contains(&first.udp().port().to_string()), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}
