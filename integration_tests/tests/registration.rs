//! Registration interface: what a Register may look like and what becomes of it (contract 9.1 to 9.3).
use integration_tests::datagram::{Kind, code, method, option};
use integration_tests::expectation::assert_message;
use integration_tests::{QUIET, World};
use serde_json::{Value, json};

const DEVICE: &str = "</3/0>";

/// Query members, expected code.
const CHECKS: &[(&[&str], &str)] = &[
    // lwm2m: 1, 1.0, 1.1, 1.2; else 4.12; missing 4.00
    (&["ep=v1", "lt=60", "lwm2m=1"], "2.01"),
    (&["ep=v10", "lt=60", "lwm2m=1.0"], "2.01"),
    (&["ep=v11", "lt=60", "lwm2m=1.1"], "2.01"),
    (&["ep=v12", "lt=60", "lwm2m=1.2"], "2.01"),
    (&["ep=bad", "lt=60", "lwm2m=2.0"], "4.12"),
    (&["ep=bad", "lt=60", "lwm2m=9.9"], "4.12"),
    (&["ep=bad", "lt=60"], "4.00"),
    // ep
    (&["lt=60", "lwm2m=1.0"], "4.00"),
    (&["ep=", "lt=60", "lwm2m=1.0"], "4.00"),
    // lt: not a number 4.00, below the minimum 4.00
    (&["ep=bad", "lt=abc", "lwm2m=1.0"], "4.00"),
    (&["ep=bad", "lt=", "lwm2m=1.0"], "4.00"),
    (&["ep=bad", "lt=-1", "lwm2m=1.0"], "4.00"),
    (&["ep=bad", "lt=1e3", "lwm2m=1.0"], "4.00"),
    (&["ep=bad", "lt=99", "lwm2m=1.0"], "2.01"),
    // any order
    (&["lwm2m=1.0", "b=U", "lt=60", "ep=order"], "2.01"),
    // a value may hold '='
    (&["ep=a=b", "lt=60", "lwm2m=1.0"], "2.01"),
    // a member without '=' is ignored
    (&["ep=nude", "lt=60", "lwm2m=1.0", "nude"], "2.01"),
    // names that would leave their place in the topic tree
    (&["ep=+", "lt=60", "lwm2m=1.0"], "4.00"),
    (&["ep=#", "lt=60", "lwm2m=1.0"], "4.00"),
    (&["ep=a/b", "lt=60", "lwm2m=1.0"], "4.00"),
    (&["ep=a+b", "lt=60", "lwm2m=1.0"], "4.00"),
    (&["ep=a#", "lt=60", "lwm2m=1.0"], "4.00"),
    (&["ep=nul\0", "lt=60", "lwm2m=1.0"], "4.00"),
    // URN names are plain strings
    (&["ep=urn:imei:354658090100980", "lt=60", "lwm2m=1.0"], "2.01"),
];

#[test]
fn each_check_of_a_register_gets_its_code() {
    let world = World::start();
    for (query, expected) in CHECKS {
        let mut device = world.wire();
        let answer = device.try_register(query, DEVICE);
        assert_eq!(answer.code_text(), *expected, "Register with {query:?} was answered {answer:?}");
        if *expected == "2.01" {
            let ep = query.iter().find_map(|member| member.strip_prefix("ep=")).unwrap();
            world.application.message(ep, "register");
        }
    }
    world.application.expect_none(QUIET, "a message of a refused registration", |_| true);
}

#[test]
fn lifetime_below_the_minimum_is_refused_and_above_the_maximum_is_cut() {
    let world = World::with(&[
        ("lwm2m.lifetime_min", "\"20s\""),
        ("lwm2m.lifetime_max", "\"21s\""),
        ("lwm2m.lifecycle_events", "true"),
    ]);
    let mut device = world.wire();
    assert_eq!(device.try_register(&["ep=short", "lt=19", "lwm2m=1.0"], DEVICE).code_text(), "4.00");
    assert_eq!(device.try_register(&["ep=fits", "lt=20", "lwm2m=1.0"], DEVICE).code_text(), "2.01");
    let mut long = world.wire();
    assert_eq!(long.try_register(&["ep=long", "lt=86400", "lwm2m=1.0"], DEVICE).code_text(), "2.01");
}

#[test]
fn lifetime_above_the_maximum_expires_at_the_maximum() {
    let world = World::with(&[("lwm2m.lifetime_max", "\"2s\""), ("lwm2m.lifecycle_events", "true")]);
    for (ep, lt, reported) in [("long", "lt=500", None), ("zero", "lt=0", Some(0))] {
        let mut device = world.wire();
        device.register(&[&format!("ep={ep}"), lt, "lwm2m=1.0"], DEVICE);
        let message = world.application.message(ep, "register");
        if let Some(reported) = reported {
            assert_eq!(message.data("lt"), reported, "lt=0 is reported as it came");
        }
        world
            .application
            .expect("expired", |message| message.json["event"] == "expired" && message.json["data"]["ep"] == ep);
    }
}

#[test]
fn lifetime_zero_means_the_maximum() {
    let world = World::with(&[("lwm2m.lifecycle_events", "true")]);
    let device = world.device_with("zero", &["lt=0"], DEVICE);
    world
        .application
        .expect_none(std::time::Duration::from_millis(1500), "expired", |message| message.json["event"] == "expired");
    let command = json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}});
    world.round_trip(&device, &command, "2.05", &[], "alive");
}

#[test]
fn missing_lifetime_is_the_default_of_oma() {
    let world = World::start();
    let mut device = world.wire();
    device.register(&["ep=nolt", "lwm2m=1.0"], DEVICE);
    let message = world.application.message("nolt", "register");
    assert_eq!(message.data("lt"), 86400);
}

/// Additional query members, links, expected `data` without ep, lt, lwm2m.
fn messages() -> Vec<(Vec<&'static str>, &'static str, Value)> {
    vec![
        (vec![], "</1>, </2>,</3/0>", json!({"alternatePath": "/", "objectList": ["/1", "/2", "/3/0"]})),
        (
            vec![],
            "</lwm2m>;rt=\"oma.lwm2m\";ct=11543,</lwm2m/1/0>,</3/0>",
            json!({"alternatePath": "/lwm2m", "objectList": ["/1/0", "/3/0"]}),
        ),
        (vec![], "</>;rt=\"oma.lwm2m\",</lwm2m/1/0>", json!({"alternatePath": "/", "objectList": ["/lwm2m/1/0"]})),
        (vec![], "</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/3/0>", json!({"alternatePath": "/lwm2m", "objectList": ["/3/0"]})),
        // attributes are not reported; one without '=' is ignored
        (vec![], "</1>;ver=1.1,</3/0>;strange,</5>", json!({"alternatePath": "/", "objectList": ["/1", "/3/0", "/5"]})),
        // without payload: no lists
        (vec![], "", json!({})),
        // all members are kept, as strings
        (
            vec!["b=U", "sms=+4912345", "apn=internet", "im=7", "ct=11543", "foo=1"],
            "</3/0>",
            json!({"b":"U","sms":"+4912345","apn":"internet","im":"7","ct":"11543","foo":"1","alternatePath":"/","objectList":["/3/0"]}),
        ),
        // imei and imsi are members like any other
        (
            vec!["imei=123456789012345", "imsi=262011234567890"],
            "</3/0>",
            json!({"imei":"123456789012345","imsi":"262011234567890","alternatePath":"/","objectList":["/3/0"]}),
        ),
    ]
}

#[test]
fn register_message_says_what_the_device_said() {
    let world = World::start();
    for (at, (query, links, data)) in messages().into_iter().enumerate() {
        let ep = format!("ep{at}");
        let mut members = vec![format!("ep={ep}"), "lt=345".to_owned(), "lwm2m=1.0".to_owned()];
        members.extend(query.iter().map(|&member| member.to_owned()));
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let mut device = world.wire();
        device.register(&members, links);
        let message = world.application.message(&ep, "register");
        let mut expected = json!({"msgType": "register", "data": {"ep": ep, "lt": 345, "lwm2m": "1.0"}});
        expected["data"].as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
        assert_message(&message, &expected);
    }
}

#[test]
fn secrets_are_not_published() {
    const SECRETS: &[&str] = &[
        "password",
        "passwd",
        "passcode",
        "secret",
        "token",
        "access_token",
        "refresh_token",
        "id_token",
        "mfa_token",
        "security_token",
        "jwt",
        "jwk",
        "client_jwks",
        "api_key",
        "api_secret",
        "access_key_id",
        "access_key_secret",
        "secret_access_key",
        "aws_secret_access_key",
        "secret_key",
        "account_key",
        "client_secret",
        "private_key",
        "sp_private_key",
        "private_key_password",
        "bind_password",
        "sentinel_password",
        "new_pwd",
        "old_pwd",
    ];
    let world = World::with(&[("lwm2m.update_msg_publish_condition", "\"always\"")]);
    let mut device = world.wire();
    let members: Vec<String> = ["ep=sec".to_owned(), "lt=60".to_owned(), "lwm2m=1.0".to_owned(), "kept=1".to_owned()]
        .into_iter()
        .chain(SECRETS.iter().map(|name| format!("{name}=hidden-value")))
        .collect();
    let answer = device.exchange(&device.register_request(&members, DEVICE));
    assert_eq!(answer.code_text(), "2.01");
    device.keep_location(&answer);
    let expected = json!({"ep":"sec","lt":60,"lwm2m":"1.0","kept":"1","alternatePath":"/","objectList":["/3/0"]});
    assert_message(&world.application.message("sec", "register"), &json!({"msgType": "register", "data": expected}));
    assert_eq!(device.update(&["password=hidden-value"], "").code_text(), "2.04");
    assert_message(&world.application.message("sec", "update"), &json!({"msgType": "update", "data": expected}));
    assert!(!world.gateway.log().contains("hidden-value"), "a secret is in the log:\n{}", world.gateway.log());
}

#[test]
fn content_format_of_the_object_list_is_not_checked_for_40_0_and_none() {
    let world = World::start();
    for (ep, format) in [("cf40", Some(vec![40])), ("cf0", Some(vec![])), ("none", None), ("zeros", Some(vec![0, 40]))]
    {
        let device = world.wire();
        let ep_member = format!("ep={ep}");
        let mut request =
            device.request(method::POST).path(&["rd"]).query(&[&ep_member, "lt=60", "lwm2m=1.0"]).body(DEVICE);
        if let Some(format) = format {
            request = request.with(option::CONTENT_FORMAT, format);
        }
        assert_eq!(device.exchange(&request).code_text(), "2.01", "{request:?}");
        assert_eq!(world.application.message(ep, "register").data("objectList"), &json!(["/3/0"]));
    }
}

#[test]
fn location_is_not_guessable_and_never_the_same_twice() {
    let world = World::start();
    let mut seen = std::collections::BTreeSet::new();
    for at in 0..20 {
        let device = world.device(&format!("ep{at}"));
        let location = device.location().to_vec();
        let text: Vec<String> = location.iter().map(|segment| String::from_utf8_lossy(segment).into_owned()).collect();
        assert!(!text.iter().any(|segment| segment.contains("ep")), "the location names the endpoint: {text:?}");
        assert!(location[1..].iter().map(Vec::len).sum::<usize>() >= 8, "too short to be unguessable: {text:?}");
        assert!(seen.insert(location), "the same location twice: {text:?}");
    }
}

#[test]
fn non_confirmable_register_does_not_harm() {
    let world = World::start();
    let device = world.wire();
    let mut request = device.register_request(&["ep=non", "lt=60", "lwm2m=1.0"], DEVICE);
    request.kind = Kind::Non;
    device.send(&request);
    if let Some(answer) = device.receive_within(QUIET) {
        assert_eq!((answer.kind, &answer.token), (Kind::Non, &request.token), "{answer:?}");
        assert_eq!(answer.code, code("2.01"), "{answer:?}");
    }
    world.assert_works("after");
}

#[test]
fn requests_elsewhere_get_the_contracts_codes() {
    let world = World::start();
    let device = world.device("ep1");
    // (method, path, expected)
    let rows: &[(u8, &[&str], &[&str])] = &[
        (method::DELETE, &[], &["4.00"]),
        (method::POST, &[], &["4.04"]),
        (method::POST, &["elsewhere"], &["4.04"]),
        (method::POST, &["rd", "no-such-location"], &["4.04"]),
        (method::DELETE, &["rd", "no-such-location"], &["4.04"]),
        (method::GET, &["rd"], &["4.05"]),
        (method::PUT, &["rd"], &["4.05"]),
        (method::FETCH, &["rd"], &["4.05"]),
        (method::PATCH, &["rd"], &["4.05"]),
        (method::IPATCH, &["rd"], &["4.05"]),
        (method::GET, &["nope"], &["4.04", "4.05"]),
        (method::PUT, &["nope"], &["4.04", "4.05"]),
        (method::POST, &["RD"], &["4.04"]),
        (method::POST, &["rd/1"], &["4.04"]),
        (method::POST, &[".."], &["4.04"]),
    ];
    for from_registered in [true, false] {
        let stranger = world.wire();
        let wire = if from_registered { &device } else { &stranger };
        for (method, path, expected) in rows {
            let request = wire.request(*method).path(path);
            let answer = wire.exchange(&request);
            assert!(
                expected.contains(&answer.code_text().as_str()),
                "{request:?} of a {} device was answered {answer:?}",
                if from_registered { "registered" } else { "foreign" }
            );
        }
    }
    let command = json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}});
    assert_eq!(
        world.round_trip(&device, &command, "2.05", &[], "x").kind(),
        "read",
        "the device's session has survived all this"
    );
}
