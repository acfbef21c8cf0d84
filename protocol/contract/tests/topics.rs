//! Contract chapter 1: mountpoint, translators, placeholders, the way back from a command topic.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "that is how a test fails")]
use coap::Code;
use contract::topic::{Kind, Topics, Translator, status_topic};
use lwm2m::link::Version;
use lwm2m::registration::Registration;
use lwm2m::session::Address;
use lwm2m::session::policy::Admission;
use std::time::Duration;

fn topics(mountpoint: &str, command: &str) -> Topics {
    let command = Translator { topic: command.into(), qos: 0 };
    Topics { mountpoint: mountpoint.into(), command, ..Topics::default() }
}

fn device(endpoint: &str, members: &[(&str, &str)]) -> Registration {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Registration {
        endpoint: endpoint.into(),
        location: vec!["rd".into(), "5f3a".into()],
        members: members.iter().map(own).collect(),
        lifetime: Duration::from_secs(60),
        version: Version::new(1, 1),
        queue_mode: false,
        objects: None,
    }
}

fn from(socket: &str) -> Address {
    Address { socket: socket.parse().unwrap(), listener: 0, association: None }
}

#[test]
fn defaults_give_the_topics_of_the_contract() {
    let expanded = Topics::default().expand(&device("ep1", &[]), from("192.0.2.1:5683")).unwrap();
    assert_eq!(&*expanded.mountpoint, "lwm2m/ep1/");
    let full = [
        (Kind::Response, "lwm2m/ep1/up/resp"),
        (Kind::Notify, "lwm2m/ep1/up/notify"),
        (Kind::Register, "lwm2m/ep1/up/resp"),
        (Kind::Update, "lwm2m/ep1/up/resp"),
        (Kind::Send, "lwm2m/ep1/up/send"),
        (Kind::Event, "lwm2m/ep1/up/event"),
    ];
    for (kind, topic) in full {
        assert_eq!(&*expanded.topic(kind), topic);
        assert_eq!(expanded.qos(kind), 0);
    }
}

#[test]
fn placeholders_of_both_kinds_expand_in_mountpoint_and_translators() {
    let members = [("device_id", "dev7"), ("imei", "3567")];
    let cases = [
        ("lwm2m/${endpoint_name}/", "lwm2m/ep%e/"),
        ("lwm2m/%e/%a/%e/", "lwm2m/ep%e/192.0.2.1/ep%e/"),
        ("${clientid}/${username}/${peerhost}/", "dev7/3567/192.0.2.1/"),
        ("${zone}/${client_attrs.x}/%b/${endpoint_name", "${zone}/${client_attrs.x}/%b/${endpoint_name"),
    ];
    for (template, expected) in cases {
        let mut topics = topics(template, "dn/#");
        topics.notify = Translator { topic: "n/%e/${peerhost}".into(), qos: 1 };
        // a placeholder within a value is not expanded again
        let expanded = topics.expand(&device("ep%e", &members), from("[::ffff:192.0.2.1]:5683")).unwrap();
        assert_eq!(&*expanded.mountpoint, expected);
        assert_eq!(&*expanded.topic(Kind::Notify), format!("{expected}n/ep%e/192.0.2.1"));
        assert_eq!(expanded.qos(Kind::Notify), 1);
    }
}

#[test]
fn client_id_and_user_name_fall_back_to_the_endpoint_name() {
    let topics = topics("${clientid}/${username}/", "dn");
    for members in [&[][..], &[("device_id", ""), ("imei", "")]] {
        let expanded = topics.expand(&device("ep1", members), from("[2001:db8::1]:1")).unwrap();
        assert_eq!(&*expanded.mountpoint, "ep1/ep1/");
    }
}

#[test]
fn unsafe_endpoints_are_refused_with_4_00() {
    for endpoint in ["", "+", "#", "a+b", "a#", "a/b", "/", "a\0b", "a\nb", "a\u{85}", "a\u{ffff}", "\u{fdd0}"] {
        let (code, why) = Topics::default().admit(&device(endpoint, &[]), from("192.0.2.1:1")).unwrap_err();
        assert_eq!(code, Code::BAD_REQUEST);
        assert!(why.contains("endpoint name"), "{why}");
    }
    for endpoint in ["ep1", "$SYS", "urn:imei:1", "grün", "%e", "${endpoint_name}", "a b", "é́"] {
        assert_eq!(Topics::default().admit(&device(endpoint, &[]), from("192.0.2.1:1")), Ok(()), "{endpoint}");
    }
    let bare = topics("${endpoint_name}/", "dn");
    assert!(bare.expand(&device("$SYS", &[]), from("192.0.2.1:1")).unwrap_err().contains("starts with '$'"));
    // what no topic uses may hold anything, but the endpoint name is a user property too
    let fixed = topics("all/", "dn");
    assert!(fixed.expand(&device("a/b+", &[]), from("192.0.2.1:1")).is_ok());
    assert!(fixed.expand(&device("a\nb", &[]), from("192.0.2.1:1")).is_err());
    let by_imei = topics("${username}/", "dn");
    assert!(by_imei.expand(&device("ep", &[("imei", "a/#")]), from("192.0.2.1:1")).unwrap_err().contains("user name"));
}

#[test]
fn topics_longer_than_mqtt_allows_are_refused() {
    let long = "x".repeat(65_530);
    assert!(Topics::default().expand(&device(&long, &[]), from("192.0.2.1:1")).is_err());
}

#[test]
fn one_filter_receives_the_commands_of_all_devices() {
    let cases = [
        ("lwm2m/${endpoint_name}/", "dn/#", "lwm2m/+/dn/#"),
        ("lwm2m/${endpoint_name}/", "dn", "lwm2m/+/dn"),
        ("lwm2m/%e/", "dn/+/x", "lwm2m/+/dn/+/x"),
        ("lwm2m/dev-${endpoint_name}.x/", "dn/#", "lwm2m/+/dn/#"),
        ("%a/%e/", "dn/%e/#", "+/+/dn/+/#"),
        ("lwm2m/${endpoint_name}", "dn", "lwm2m/+"),
        ("lwm2m/${endpoint_name}", "/dn/#", "lwm2m/+/dn/#"),
        ("lwm2m/${endpoint_name}/", "#", "lwm2m/+/#"),
        ("", "dn", "dn"),
        ("", "#", "#"),
        ("lwm2m/", "dn/#", "lwm2m/dn/#"),
        ("${zone}/${endpoint_name}/", "dn", "${zone}/+/dn"),
    ];
    for (mountpoint, command, filter) in cases {
        assert_eq!(topics(mountpoint, command).command_filters().remove(0), filter, "{mountpoint} {command}");
    }
}

#[test]
fn a_command_topic_leads_back_to_the_mountpoint() {
    let cases = [
        ("lwm2m/${endpoint_name}/", "dn/#", "lwm2m/ep1/dn", Some("lwm2m/ep1/")),
        ("lwm2m/${endpoint_name}/", "dn/#", "lwm2m/ep1/dn/", Some("lwm2m/ep1/")),
        ("lwm2m/${endpoint_name}/", "dn/#", "lwm2m/ep1/dn/dm", Some("lwm2m/ep1/")),
        ("lwm2m/${endpoint_name}/", "dn/#", "lwm2m/ep1/dn/a/b/c", Some("lwm2m/ep1/")),
        ("lwm2m/${endpoint_name}/", "dn/#", "lwm2m/ep1/dn2", None),
        ("lwm2m/${endpoint_name}/", "dn/#", "lwm2m/ep1/up/resp", None),
        ("lwm2m/${endpoint_name}/", "dn/#", "lwm2m//dn", None),
        ("lwm2m/${endpoint_name}/", "dn/#", "lwm2m/a/b/dn", None),
        ("lwm2m/${endpoint_name}/", "dn/#", "other/ep1/dn", None),
        ("lwm2m/${endpoint_name}/", "dn/#", "lwm2m/ep1", None),
        ("lwm2m/${endpoint_name}/", "dn", "lwm2m/ep1/dn", Some("lwm2m/ep1/")),
        ("lwm2m/${endpoint_name}/", "dn", "lwm2m/ep1/dn/dm", None),
        ("lwm2m/${endpoint_name}/", "dn", "lwm2m/ep1/dn/", None),
        ("lwm2m/${endpoint_name}/", "dn/+/x", "lwm2m/ep1/dn/any/x", Some("lwm2m/ep1/")),
        ("lwm2m/${endpoint_name}/", "dn/+/x", "lwm2m/ep1/dn/x", None),
        ("lwm2m/dev-%e.x/", "dn/#", "lwm2m/dev-7.x/dn", Some("lwm2m/dev-7.x/")),
        ("lwm2m/dev-%e.x/", "dn/#", "lwm2m/dev-.x/dn", None),
        ("lwm2m/dev-%e.x/", "dn/#", "lwm2m/dev7.x/dn", None),
        ("%e-%a/", "dn", "a-b-c/dn", Some("a-b-c/")),
        ("%e%a/", "dn", "ab/dn", Some("ab/")),
        ("%e%a/", "dn", "a/dn", None),
        ("lwm2m/${endpoint_name}", "dn", "lwm2m/ep1dn", Some("lwm2m/ep1")),
        ("lwm2m/${endpoint_name}", "dn", "lwm2m/dn", None),
        ("lwm2m/${endpoint_name}", "/dn/#", "lwm2m/ep1/dn/x", Some("lwm2m/ep1")),
        ("lwm2m/${endpoint_name}/", "#", "lwm2m/ep1/anything", Some("lwm2m/ep1/")),
        ("lwm2m/${endpoint_name}/", "#", "lwm2m/ep1", None),
        ("", "dn", "dn", Some("")),
        ("", "#", "x/y", Some("")),
        ("%a/%e/", "dn/%e/#", "1.2.3.4/ep/dn/ep/x", Some("1.2.3.4/ep/")),
    ];
    for (mountpoint, command, topic, expected) in cases {
        let topics = topics(mountpoint, command);
        let found = topics.parse_command_topic(topic).map(|found| found.mountpoint);
        assert_eq!(found, expected, "{mountpoint} {command} {topic}");
    }
}

#[test]
fn a_device_is_found_under_its_own_topics() {
    for mountpoint in ["lwm2m/${endpoint_name}/", "%e/", "x-%e-y/%a/z-", "${clientid}-${username}/"] {
        for endpoint in ["ep1", "a-b", "grün", "x-y-", "1"] {
            let topics = topics(mountpoint, "dn/#");
            let expanded = topics.expand(&device(endpoint, &[]), from("192.0.2.1:1")).unwrap();
            for tail in ["dn", "dn/a"] {
                let topic = format!("{}{tail}", expanded.mountpoint);
                assert_eq!(topics.parse_command_topic(&topic).unwrap().mountpoint, &*expanded.mountpoint, "{topic}");
            }
        }
    }
}

#[test]
fn a_configuration_that_cannot_work_is_named() {
    assert_eq!(Topics::default().validate(), Ok(()));
    let cases = [
        ("lwm2m/+/", "dn", "mountpoint"),
        ("lwm2m/%e/", "dn#", "'#' must be a level"),
        ("lwm2m/%e/", "d+/x", "a wildcard must be a level"),
        ("lwm2m/%e", "%a", "must end with '/'"),
        ("lwm2m/%e/", "#", "would be received as a command"),
        ("lwm2m/%e/", "+/resp", "would be received as a command"),
        ("lwm2m/\n/", "dn", "contains '\\n'"),
    ];
    for (mountpoint, command, expected) in cases {
        let why = topics(mountpoint, command).validate().unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
    let mut loud = Topics::default();
    loud.send.qos = 3;
    assert!(loud.validate().unwrap_err().contains("send qos"));
    let mut wild = Topics::default();
    wild.event.topic = "up/#".into();
    assert!(wild.validate().unwrap_err().contains("event topic"));
}

#[test]
fn a_listener_with_its_own_mountpoint_has_its_own_topics() {
    let topics = Topics { own_mountpoints: vec![(2, "second/%e/".into())], ..Topics::default() };
    assert_eq!(topics.validate(), Ok(()));
    assert_eq!(topics.command_filters(), ["lwm2m/+/dn/#", "second/+/dn/#"]);
    for (listener, mountpoint) in [(0, "lwm2m/ep1/"), (1, "lwm2m/ep1/"), (2, "second/ep1/")] {
        let address = Address { listener, ..from("192.0.2.1:1") };
        let expanded = topics.expand(&device("ep1", &[]), address).unwrap();
        assert_eq!(&*expanded.mountpoint, mountpoint, "listener {listener}");
        let topic = format!("{mountpoint}dn/x");
        assert_eq!(topics.parse_command_topic(&topic).unwrap().mountpoint, mountpoint);
    }
    let same = Topics { own_mountpoints: vec![(1, "lwm2m/${clientid}/".into())], ..Topics::default() };
    assert_eq!((same.validate(), same.command_filters().len()), (Ok(()), 1));
}

#[test]
fn mountpoints_whose_commands_could_be_mistaken_are_refused() {
    for own in ["${clientid}/${endpoint_name}/", "lwm2m/%e/dn/", "%e/"] {
        let topics =
            Topics { mountpoint: "lwm2m/%e/".into(), own_mountpoints: vec![(1, own.into())], ..Topics::default() };
        assert!(topics.validate().unwrap_err().contains("another mountpoint"), "{own}");
    }
    let bad = Topics { own_mountpoints: vec![(0, "x/+/".into())], ..Topics::default() };
    assert!(bad.validate().unwrap_err().contains("wildcard"));
}

#[test]
fn the_status_topic_holds_the_client_id() {
    assert_eq!(status_topic("lwm2m-gateway/${client_id}/status", "gw7"), Ok("lwm2m-gateway/gw7/status".into()));
    for (template, id) in [("", ""), ("a/+", ""), ("${client_id}", "#"), ("$SYS/x", "")] {
        assert!(status_topic(template, id).unwrap_err().starts_with("status topic"));
    }
}
