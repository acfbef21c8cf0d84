//! The configuration as an operator meets it.
use super::setting::Secret;
use super::*;
use ::lwm2m::session::policy::AutoObserve;
use std::fs;
use std::time::Duration;

/// A folder of its own for one test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("lwm2m-gateway-config-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("objects")).unwrap();
        Folder(path)
    }
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn load(name: &str, text: &str, variables: &[(&str, &str)]) -> (Option<Configuration>, Vec<Finding>) {
    let folder = Folder::new(name);
    let file = folder.file("gateway.toml", text);
    Configuration::load(&file, &environment(variables))
}

/// Findings as `key: reason`.
fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{}: {}", finding.key, finding.reason)).collect()
}

/// The file with optional keys (`#key = …`, `#[[section]]`) switched on.
fn uncommented(text: &str) -> String {
    let is_key = |line: &str| {
        line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '['))
    };
    text.lines().map(|line| if is_key(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn shipped_file_is_right_and_says_the_defaults() {
    let text = include_str!("../../conf/gateway.toml");
    let (shipped, findings) = load("shipped", text, &[]);
    assert_eq!(told(&findings), Vec::<String>::new());
    let (empty, findings) = load("shipped", "", &[]);
    assert_eq!(told(&findings), Vec::<String>::new());
    // The keys asked for differ: an empty file has no listener to ask about.
    let settings = |configuration: Option<Configuration>| {
        format!("{:?}", Configuration { asked: Vec::new(), ..configuration.unwrap() })
    };
    assert_eq!(settings(shipped), settings(empty));
}

#[test]
fn shipped_file_names_every_key() {
    let folder = Folder::new("every-key");
    for name in ["mqtt.password", "ca.crt", "gateway.crt", "gateway.key", "devices-revoked.pem"] {
        folder.file(name, "x");
    }
    folder.file("server.key", include_str!("../../tests/materials/server.key"));
    for name in ["server.crt", "devices-ca.crt"] {
        folder.file(name, include_str!("../../tests/materials/server.crt"));
    }
    folder.file("credentials.toml", "[[device]]\nidentity = \"a\"\npsk = \"00112233445566778899aabbccddeeff\"\n");
    let text = uncommented(include_str!("../../conf/gateway.toml")).replace("password = \"secret\"", "");
    let file = folder
        .file("gateway.toml", &text.replace("username = \"\"", "username = \"u\"").replace("mqtt://", "mqtts://"));
    let table = source::read(&file, None).unwrap();
    let (configuration, findings) = Configuration::load(&file, &environment(&[]));
    assert_eq!(told(&findings), Vec::<String>::new());
    let configuration = configuration.unwrap();
    assert_eq!(configuration.listeners.dtls.len(), 1);
    // Every key that the code asks for stands in the file: taking the file as all there is, none may be missing.
    let missing: Vec<&String> = configuration.asked.iter().filter(|key| !stands_in(&table, key)).collect();
    assert_eq!(missing, ["mqtt.password"], "keys without a sentence in conf/gateway.toml");
    assert!(include_str!("../../conf/gateway.toml").contains("#password = "));
}

/// `listeners.udp[0].bind` stands in the table.
fn stands_in(table: &config::Map<String, config::Value>, key: &str) -> bool {
    let mut value = config::Value::new(None, table.clone());
    for part in key.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let Some(mut next) = value.into_table().ok().and_then(|mut table| table.remove(name)) else { return false };
        if let Some(index) = index {
            next = next.into_array().unwrap().swap_remove(index);
        }
        value = next;
    }
    true
}

#[test]
fn demo_file_is_right() {
    let text = include_str!("../../conf/demo.toml").replace("../objects", "objects");
    let (configuration, findings) = load("demo", &text, &[]);
    assert_eq!(told(&findings), Vec::<String>::new());
    assert_eq!(configuration.unwrap().mqtt.server, Server::Embedded);
}

#[test]
fn every_finding_is_told_at_once_with_file_key_and_reason() {
    let text = r#"
        colour = "red"
        [mqtt]
        server = "http://broker"
        client_id = ""
        version = 6
        port = 1883
        keep_alive = 30
        [lwm2m]
        xml_dir = "nowhere"
        lifetime_min = "2h"
        lifetime_max = "1h"
        queue_max = "many"
        mountpoint = "lwm2m/+/"
        auto_observe = ["/3/0", "/a", 7]
        unknown_objects = "guess"
        [lwm2m.translators]
        command = { topic = "dn/#/x", qos = 3 }
        notify = { topic = "up/#" }
        response = "up/resp"
        [lwm2m.blockwise]
        max_block_size = 1000
        max_total_size = "1MB"
        [coap]
        ack_timeout = "0s"
        ack_random_factor = 0.5
        [[listeners.udp]]
        bind = "5683"
        [http]
        bind = 8080
        [log]
        level = "loud"
        format = "xml"
    "#;
    let (configuration, findings) = load("all-findings", text, &[]);
    assert!(configuration.is_none());
    let keys: Vec<&str> =
        findings.iter().filter(|finding| finding.is_error()).map(|finding| finding.key.as_str()).collect();
    for key in [
        "colour",
        "mqtt.server",
        "mqtt.client_id",
        "mqtt.version",
        "mqtt.port",
        "mqtt.keep_alive",
        "lwm2m.xml_dir",
        "lwm2m.lifetime_min",
        "lwm2m.queue_max",
        "lwm2m.mountpoint",
        "lwm2m.auto_observe",
        "lwm2m.unknown_objects",
        "lwm2m.translators.command.topic",
        "lwm2m.translators.command.qos",
        "lwm2m.translators.notify.topic",
        "lwm2m.translators.response",
        "lwm2m.blockwise.max_block_size",
        "lwm2m.blockwise.max_total_size",
        "coap.ack_timeout",
        "coap.ack_random_factor",
        "listeners.udp[0].bind",
        "http.bind",
        "log.level",
        "log.format",
    ] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    assert_eq!(keys.len(), 25, "one each, two for auto_observe: {:#?}", told(&findings));
    assert!(findings.iter().all(|finding| finding.place.ends_with("gateway.toml") && !finding.reason.is_empty()));
}

#[test]
fn topics_that_cannot_work_together_are_told() {
    let cases = [
        ("[lwm2m.translators]\ncommand = { topic = \"#\" }", "would be received as a command"),
        ("[lwm2m.translators]\ncommand = { topic = \"up/#\" }", "would be received as a command"),
        ("[lwm2m]\nmountpoint = \"m/%e\"\ntranslators = { command = { topic = \"%a\" } }", "must end with '/'"),
    ];
    for (text, reason) in cases {
        let (configuration, findings) = load("topics-together", text, &[]);
        assert!(configuration.is_none());
        let errors: Vec<_> = findings.iter().filter(|finding| finding.is_error()).collect();
        assert_eq!(errors.len(), 1, "{:#?}", told(&findings));
        assert_eq!(errors[0].key, "lwm2m.translators");
        assert!(errors[0].reason.contains(reason), "{}", errors[0].reason);
    }
}

#[test]
fn mountpoints_of_listeners_join_the_topics() {
    let text = "[[listeners.udp]]\nbind = \"127.0.0.1:1\"\n[[listeners.udp]]\nbind = \"127.0.0.1:2\"\nmountpoint = \"b/%e/\"\n";
    let (configuration, findings) = load("listener-mountpoint", text, &[]);
    assert_eq!(told(&findings), Vec::<String>::new());
    assert_eq!(configuration.unwrap().lwm2m.topics.own_mountpoints, [(1, "b/%e/".to_owned())]);

    let cases = [
        ("%a/%e/", "listeners.mountpoint", "also be received"),
        ("x/+/", "listeners.udp[0].mountpoint", "must not contain"),
        ("fixed/", "listeners.mountpoint", "names no device"),
    ];
    for (mountpoint, key, reason) in cases {
        let text = format!("[[listeners.udp]]\nmountpoint = \"{mountpoint}\"\n");
        let (configuration, findings) = load("listener-mountpoint", &text, &[]);
        assert!(configuration.is_none());
        let error = findings.iter().find(|finding| finding.is_error() && finding.key == key);
        assert!(error.is_some_and(|error| error.reason.contains(reason)), "{:?}", told(&findings));
    }
}

#[test]
fn unknown_key_is_told_with_its_neighbours() {
    let (_, findings) = load("unknown", "[http]\nport = 80\n", &[]);
    assert_eq!(told(&findings), ["http.port: unknown key; known in [http]: bind"]);
}

#[test]
fn environment_overrides_the_file_in_every_type() {
    let text = "[mqtt]\nclient_id = \"file\"\n[[listeners.udp]]\nbind = \"127.0.0.1:1\"\n[[listeners.udp]]\nbind = \"127.0.0.1:2\"\n";
    let (configuration, findings) = load(
        "environment",
        text,
        &[
            ("LWM2M_GATEWAY__MQTT__CLIENT_ID", "0042"),
            ("LWM2M_GATEWAY__MQTT__VERSION", "4"),
            ("LWM2M_GATEWAY__LWM2M__LIFECYCLE_EVENTS", "true"),
            ("LWM2M_GATEWAY__LWM2M__AUTO_OBSERVE", "/3/0/9,/5"),
            ("LWM2M_GATEWAY__LWM2M__TRANSLATORS__NOTIFY__QOS", "1"),
            ("LWM2M_GATEWAY__LWM2M__BLOCKWISE__MAX_BODY_SIZE", "1MB"),
            ("LWM2M_GATEWAY__COAP__ACK_RANDOM_FACTOR", "2"),
            ("LWM2M_GATEWAY__LISTENERS__UDP__1__BIND", "127.0.0.1:3"),
            ("OTHER__MQTT__CLIENT_ID", "not ours"),
        ],
    );
    assert_eq!(told(&findings), Vec::<String>::new());
    let c = configuration.unwrap();
    assert_eq!(c.mqtt.client_id, "0042");
    assert_eq!(c.mqtt.version, MqttVersion::V4);
    assert_eq!(c.mqtt.status_topic, "lwm2m-gateway/0042/status");
    assert!(c.lwm2m.lifecycle_events);
    assert_eq!(c.lwm2m.auto_observe, AutoObserve::Paths(vec!["/3/0/9".into(), "/5".into()]));
    assert_eq!((c.lwm2m.topics.notify.topic.as_str(), c.lwm2m.topics.notify.qos), ("up/notify", 1));
    assert_eq!(c.lwm2m.blockwise.max_body_size, 1 << 20);
    assert!((c.coap.ack_random_factor - 2.0).abs() < f64::EPSILON);
    let binds: Vec<_> = c.listeners.udp.iter().map(|l| l.bind.port()).collect();
    assert_eq!(binds, [1, 3]);
}

#[test]
fn finding_about_the_environment_names_the_variable() {
    let (_, findings) =
        load("variable", "", &[("LWM2M_GATEWAY__MQTT__VERSION", "five"), ("LWM2M_GATEWAY__MQTT__VERSON", "5")]);
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        lines[0],
        "error: environment variable LWM2M_GATEWAY__MQTT__VERSION: mqtt.version: must be an integer, not \"five\""
    );
    assert!(
        lines[1].starts_with("error: environment variable LWM2M_GATEWAY__MQTT__VERSON: mqtt.verson: unknown key"),
        "{}",
        lines[1]
    );
}

#[test]
fn secrets_are_never_told() {
    let wrong = [
        "[mqtt]\nusername = \"u\"\npassword = \"hunter2",
        "[mqtt]\npassword = \"hunter2\"\n",
        "[mqtt]\nusername = \"u\"\npassword = [\"hunter2\"]\n",
        "[mqtt]\nserver = \"mqtt://u:hunter2@host\"\n",
        "[mqtt]\nusername = \"u\"\npassword = \"hunter2\"\npassword = \"hunter2\"\n",
        "[mqtt]\nusername = 5\npassword = \"hunter2\" x\n",
    ];
    for text in wrong {
        let (configuration, findings) = load("secret", text, &[]);
        assert!(configuration.is_none(), "{text}");
        assert!(!format!("{findings:?}").contains("hunter2"), "{findings:?}");
    }
    let (configuration, _) = load("secret", "[mqtt]\nusername = \"u\"\npassword = \"hunter2\"\n", &[]);
    let configuration = configuration.unwrap();
    assert!(!format!("{configuration:?}").contains("hunter2"));
    assert_eq!(configuration.mqtt.password, Some(Secret("hunter2".into())));
}

#[test]
fn password_file_gives_its_first_line() {
    let folder = Folder::new("password-file");
    folder.file("pw", "hunter2\r\nsecond line\n");
    let file = folder.file("gateway.toml", "[mqtt]\nusername = \"u\"\npassword_file = \"pw\"\n");
    let (configuration, findings) = Configuration::load(&file, &environment(&[]));
    assert_eq!(told(&findings), Vec::<String>::new());
    assert_eq!(configuration.unwrap().mqtt.password, Some(Secret("hunter2".into())));
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let (configuration, findings) = load("broken", "[mqtt]\nserver = \n", &[]);
    assert!(configuration.is_none());
    assert_eq!(findings.len(), 1);
    assert!(findings[0].reason.contains("line 2"), "{}", findings[0]);
}

#[test]
fn missing_file_is_told() {
    let (configuration, findings) = Configuration::load(Path::new("/nonexistent/gateway.toml"), &environment(&[]));
    assert!(configuration.is_none());
    assert!(findings[0].to_string().contains("/nonexistent/gateway.toml: cannot be read"), "{}", findings[0]);
}

#[test]
fn one_address_cannot_serve_twice() {
    let text =
        "[mqtt]\nserver = \"embedded\"\n[broker]\nbind = \"127.0.0.1:8080\"\n[[listeners.udp]]\n[[listeners.udp]]\n";
    let (_, findings) = load("twice", text, &[]);
    assert_eq!(
        told(&findings),
        [
            "broker.bind: 127.0.0.1:8080 is taken by http.bind already",
            "listeners.udp[1].bind: 0.0.0.0:5683 is taken by listeners.udp[0].bind already"
        ]
    );
}

#[test]
fn relative_paths_are_beside_the_file_first() {
    let folder = Folder::new("paths");
    let file = folder.file("gateway.toml", "[lwm2m]\nxml_dir = \"objects\"\n[store]\npath = \"new-data\"\n");
    let (configuration, _) = Configuration::load(&file, &environment(&[]));
    let configuration = configuration.unwrap();
    assert_eq!(configuration.lwm2m.xml_dir, folder.0.join("objects"));
    // What is not there yet will be made beside the file.
    assert_eq!(configuration.store.path, folder.0.join("new-data"));
    assert!(!folder.0.join("new-data").exists());
    // Cargo runs tests in the folder of the package, where src is.
    let file = folder.file("gateway.toml", "[lwm2m]\nxml_dir = \"src\"\n");
    let (configuration, _) = Configuration::load(&file, &environment(&[]));
    assert_eq!(configuration.unwrap().lwm2m.xml_dir, Path::new("src"));
}

#[test]
fn without_any_listener_there_is_the_usual_one() {
    let (configuration, _) = load("listener", "", &[]);
    assert_eq!(configuration.unwrap().listeners.udp[0].bind, "0.0.0.0:5683".parse().unwrap());
}

#[test]
fn credentials_are_checked_without_telling_keys() {
    let folder = Folder::new("credentials");
    let file = folder.file("gateway.toml", "[[listeners.dtls]]\ncredentials_file = \"credentials.toml\"\n");
    folder.file(
        "credentials.toml",
        "[[device]]\nidentity = \"a\"\npsk = \"00112233445566778899aabbccddeeff\"\n[[device]]\nendpoint = \"m\"\npublic_key = \"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\"\n",
    );
    let (configuration, findings) = Configuration::load(&file, &environment(&[]));
    assert_eq!(told(&findings), Vec::<String>::new());
    assert_eq!(configuration.unwrap().listeners.dtls[0].materials.credentials.len(), 2);

    folder.file(
        "credentials.toml",
        "[[device]]\nidentity = \"a\"\npsk = \"c0ffee0\"\n[[device]]\nidentity = \"a\"\npsk = \"00\"\nkey = 1\n[[device]]\nidentity = \"b\"\n",
    );
    let (configuration, findings) = Configuration::load(&file, &environment(&[]));
    assert!(configuration.is_none());
    assert!(findings.iter().all(|finding| finding.place.ends_with("credentials.toml")));
    assert!(findings[0].reason.starts_with("line 7: unknown field `key`"), "{findings:?}");
    assert!(!format!("{findings:?}").contains("c0ffee"));
}

#[test]
fn reload_keeps_what_needs_a_restart() {
    let (old, _) = load("reload", "", &[]);
    let (new, _) = load(
        "reload",
        "[mqtt]\nclient_id = \"x\"\n[lwm2m]\nqueue_max = 5\nmountpoint = \"m/%e/\"\n[lwm2m.blockwise]\nmax_total_size = \"5MB\"\n[log]\nlevel = \"debug\"\n",
        &[],
    );
    let old = old.unwrap();
    let (merged, waiting) = difference::carry_over(&old, new.unwrap());
    // One budget for the bodies under way and those to come.
    assert_eq!((old.lwm2m.bodies.limit(), merged.lwm2m.bodies.limit()), (5 << 20, 5 << 20));
    assert_eq!(waiting, ["mqtt", "lwm2m.mountpoint or lwm2m.translators"]);
    assert_eq!(
        (merged.mqtt.client_id.as_str(), merged.lwm2m.queue_max, merged.log.level.as_str()),
        ("lwm2m-gateway", 5, "debug")
    );
    assert_eq!(merged.coap.ack_timeout, Duration::from_secs(2));
}
