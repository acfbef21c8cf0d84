//! The CoAP conformance list as far as a black box shows it. Numbers C-nnn are those of the list (docs/coap-conformance.md).
use integration_tests::datagram::{Datagram, Kind, code, method, option};
use integration_tests::expectation::{assert_message, content, plain};
use integration_tests::{QUIET, Wire, World, hex, unhex};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LINKS: &str = "</3/0>";

fn read(req: u32) -> Value {
    json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}})
}

fn register(device: &Wire, ep: &str) -> Datagram {
    device.register_request(&[&format!("ep={ep}"), "lt=60", "lwm2m=1.0"], LINKS)
}

/// Datagram in hex, expected answer in hex; `None`: silence.
const FORMAT_ERRORS: &[(&str, &str, Option<&str>)] = &[
    ("C-001 version 2", "80010001", None),
    ("C-001 version 0", "00010001", None),
    ("C-001 version 3", "c0010001", None),
    ("C-002 token length 15, CON", "4f021234", Some("70001234")),
    ("C-002 token length 9, CON", "49021235000000000000000000", Some("70001235")),
    ("C-002 token length 15, NON", "5f021234", None),
    ("C-003 one byte", "40", None),
    ("C-003 two bytes", "4001", None),
    ("C-003 three bytes", "400112", None),
    ("C-004 marker without payload", "40020001b27264ff", Some("70000001")),
    ("C-005 delta nibble 15", "40020002f100", Some("70000002")),
    ("C-005 length nibble 15", "400200031f00", Some("70000003")),
    ("C-006 extended delta past the end", "40020004d0", Some("70000004")),
    ("C-006 extended length past the end", "400200050d", Some("70000005")),
    ("C-006 two-byte delta past the end", "40020006e001", Some("70000006")),
    ("C-006 value past the end", "40020007b47264", Some("70000007")),
    ("C-007 option number above 65535", "40020008e0fef2e0fef2", Some("70000008")),
    ("C-008 empty with a token", "41000009aa", Some("70000009")),
    ("C-008 empty with an option", "4000000ab0", Some("7000000a")),
    ("C-008 empty with a payload", "4000000bff00", Some("7000000b")),
    ("C-010 reserved class 1", "4021000c", Some("7000000c")),
    ("C-010 reserved class 6", "40c1000d", Some("7000000d")),
    ("C-010 reserved class 7", "40e1000e", Some("7000000e")),
    ("C-010 reserved class 7, NON", "50e1000f", None),
    ("C-014 response with an unknown token", "44450010deadbeef", Some("70000010")),
    ("C-014 5.03 with an unknown token", "44a30011deadbeef", Some("70000011")),
    ("C-015 ping", "40001234", Some("70001234")),
    ("C-016 ACK never asked for", "60009999", None),
    ("C-016 RST never asked for", "70009999", None),
    ("C-017 malformed ACK", "6f459999", None),
    ("C-017 malformed RST", "71009999aa", None),
    ("C-017 ACK with a response never asked for", "62459998aabb", None),
    ("C-017 NON empty", "50009997", None),
];

#[test]
fn format_errors_get_reset_or_silence() {
    let world = World::start();
    let registered = world.device("ep1");
    for (name, bytes, expected) in FORMAT_ERRORS {
        let stranger = world.wire();
        for device in [&registered, &stranger] {
            device.send_hex(bytes);
            let answer = device.receive_bytes(if expected.is_some() {
                Duration::from_secs(2)
            } else {
                Duration::from_millis(60)
            });
            assert_eq!(answer.map(|bytes| hex(&bytes)).as_deref(), *expected, "{name}");
        }
    }
    world.round_trip(&registered, &read(1), "2.05", &[], "v");
}

#[test]
fn c_009_extended_option_lengths_at_their_limits() {
    let world = World::start();
    for length in [12, 13, 14, 254, 255] {
        let device = world.wire();
        let filler = format!("x={}", "y".repeat(length - 2));
        let request = device.register_request(&[&format!("ep=l{length}"), "lt=60", "lwm2m=1.0", &filler], LINKS);
        assert_eq!(device.exchange(&request).code_text(), "2.01", "a Uri-Query of {length} bytes");
        let message = world.application.message(&format!("l{length}"), "register");
        assert_eq!(message.data("x").as_str().unwrap().len(), length - 2);
    }
    for number in [268 + 12, 269 + 12, 1000, 65000] {
        let device = world.wire();
        let request = register(&device, &format!("n{number}")).with(number & !1, "elective");
        assert_eq!(device.exchange(&request).code_text(), "2.01", "elective option {number}");
    }
}

#[test]
fn c_011_unknown_methods_get_4_05() {
    let world = World::start();
    let device = world.wire();
    for method in 8..=31 {
        let answer = device.exchange(&device.request(method).path(&["rd"]));
        assert_eq!(answer.code_text(), "4.05", "method 0.{method:02}");
    }
}

#[test]
fn c_013_c_019_c_020_duplicates_get_the_same_answer_and_one_execution() {
    let world = World::start();
    let device = world.wire();
    let request = register(&device, "ep1").encode();
    let mut answers = Vec::new();
    for _ in 0..3 {
        device.send_bytes(&request);
        answers.push(device.receive_bytes(integration_tests::PATIENCE).expect("an answer to each copy"));
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    world.application.message("ep1", "register");
    world.application.expect_none(QUIET, "a second register message", |_| true);
}

#[test]
fn c_021_duplicates_at_once_start_no_second_execution() {
    let world = World::start();
    let device = world.wire();
    let request = register(&device, "ep1").encode();
    for _ in 0..5 {
        device.send_bytes(&request);
    }
    let mut locations = std::collections::BTreeSet::new();
    while let Some(bytes) = device.receive_bytes(QUIET) {
        let answer = Datagram::parse(&bytes).unwrap();
        if answer.code != 0 {
            locations.insert(answer.texts(option::LOCATION_PATH));
        }
    }
    assert_eq!(locations.len(), 1, "{locations:?}");
    world.application.message("ep1", "register");
    world.application.expect_none(QUIET, "a second register message", |_| true);
}

#[test]
fn c_023_many_message_ids_of_one_peer_do_not_fill_the_memory() {
    let world = World::with(&[("log.level", "\"warn\"")]);
    let device = world.device("ep1");
    let burst = |from: u32| {
        for at in 0..20_000u32 {
            let mid = u16::try_from((from + at) & 0xffff).unwrap();
            device.send(&Datagram::new(Kind::Non, method::GET, mid, &[1, 2]).path(&["nope"]));
            if at % 100 == 99 {
                device.discard();
            }
        }
    };
    burst(0);
    let before = world.gateway.resident();
    burst(20_000);
    burst(40_000);
    let after = world.gateway.resident();
    assert!(after < before + 8_000_000, "resident memory grew from {before} to {after}");
    device.discard();
    world.assert_works("after");
}

#[test]
fn c_034_closed_socket_of_a_device_does_no_harm() {
    let world = World::with(&[("coap.ack_timeout", "\"100ms\""), ("coap.max_retransmit", "2")]);
    let device = world.device("gone");
    drop(device);
    world.application.command("gone", &read(1));
    assert_eq!(world.application.answer("gone").kind(), "coap_timeout");
    world.assert_works("after");
}

#[test]
fn c_035_answers_of_1400_bytes_are_taken() {
    let world = World::start();
    let device = world.device("ep1");
    let value = "v".repeat(1400);
    let message = world.round_trip(&device, &read(1), "2.05", &[], &value);
    assert_eq!(message.json["data"]["content"][0]["value"], value);
}

#[test]
fn c_037_flood_of_garbage_does_not_delay_the_others() {
    let world = World::with(&[("log.level", "\"warn\"")]);
    let device = world.device("ep1");
    let address = world.gateway.udp();
    let flood = std::thread::spawn(move || {
        let noise = Wire::new(address);
        let begin = Instant::now();
        let mut sent = 0u64;
        while begin.elapsed() < Duration::from_secs(2) {
            for _ in 0..20 {
                noise.send_bytes(&[0x40, 0x01, (sent >> 8) as u8, sent as u8, 0xb4, b'n', b'o', b'p', b'e']);
                noise.send_bytes(&[0xff; 40]);
                sent += 1;
            }
            std::thread::sleep(Duration::from_millis(4));
        }
        sent
    });
    let mut slowest = Duration::ZERO;
    for req in 0..20 {
        let begin = Instant::now();
        world.round_trip(&device, &read(req), "2.05", &[], "v");
        slowest = slowest.max(begin.elapsed());
    }
    let sent = flood.join().unwrap();
    assert!(slowest < Duration::from_secs(1), "a round trip took {slowest:?} under {sent} garbage pairs");
}

#[test]
fn c_045_c_046_tokens_come_back_unchanged() {
    let world = World::start();
    for length in 0..=8 {
        let device = world.wire();
        let mut request = register(&device, &format!("t{length}"));
        request.token = (0..length).map(|at| 0xf0 | at).collect();
        assert_eq!(device.exchange(&request).code_text(), "2.01", "token of {length} bytes");
        let mut bad = device.request(method::GET).path(&["nope"]);
        bad.token = request.token.clone();
        // `exchange` compares the token, and C-047: nothing follows from its reuse
        assert_eq!(device.exchange(&bad).code_text(), "4.04");
        let mut critical = register(&device, "x").with(65001, "critical");
        critical.token = request.token.clone();
        assert_eq!(device.exchange(&critical).code_text(), "4.02");
    }
}

#[test]
fn c_048_to_c_051_options_that_are_not_understood() {
    let world = World::start();
    let long = "p".repeat(256);
    let rows: Vec<(&str, Datagram, &str)> = {
        let device = world.wire();
        vec![
            ("C-048 unknown critical", register(&device, "a").with(65001, "x"), "4.02"),
            ("C-048 OSCORE is not spoken", register(&device, "b").with(9, "x"), "4.02"),
            ("C-049 unknown elective", register(&device, "c").with(65000, "x"), "2.01"),
            (
                "C-050 two Content-Formats: the first counts",
                register(&device, "d").with(option::CONTENT_FORMAT, [50]),
                "2.01",
            ),
            (
                "C-050 two Accepts",
                device.request(method::GET).path(&["rd"]).with(option::ACCEPT, [40]).with(option::ACCEPT, [40]),
                "4.02",
            ),
            (
                "C-051 Content-Format of 3 bytes",
                device
                    .request(method::POST)
                    .path(&["rd"])
                    .with(option::CONTENT_FORMAT, [0, 0, 40])
                    .query(&["ep=e", "lt=60", "lwm2m=1.0"])
                    .body(LINKS),
                "2.01",
            ),
            ("C-051 Accept of 3 bytes", register(&device, "f").with(option::ACCEPT, [0, 0, 40]), "4.02"),
            ("C-051 Uri-Path of 256 bytes", device.request(method::POST).path(&[&long]), "4.02"),
            ("C-058 Uri-Host", register(&device, "g").with(option::URI_HOST, "example"), "2.01"),
            ("C-058 Uri-Port", register(&device, "h").with(option::URI_PORT, [0x16, 0x33]), "2.01"),
            ("C-059 Proxy-Uri", register(&device, "i").with(option::PROXY_URI, "coap://example/rd"), "5.05"),
            ("C-059 Proxy-Scheme", register(&device, "j").with(39, "coap"), "5.05"),
            ("C-053 one segment with a slash", device.request(method::POST).path(&["rd/x"]), "4.04"),
            ("C-054 dots", device.request(method::POST).path(&["..", "rd"]), "4.04"),
            ("C-055 unknown path", device.request(method::GET).path(&["nope"]), "4.04"),
            ("C-055 known path, wrong method", device.request(method::GET).path(&["rd"]), "4.05"),
        ]
    };
    for (name, mut request, expected) in rows {
        let device = world.wire();
        request.mid = device.next_mid();
        assert_eq!(device.exchange(&request).code_text(), expected, "{name}");
    }
}

#[test]
fn c_056_well_known_core_is_answered() {
    let world = World::start();
    let device = world.wire();
    let answer = device.exchange(&device.request(method::GET).path(&[".well-known", "core"]));
    match answer.code_text().as_str() {
        "2.05" => {
            assert!(String::from_utf8_lossy(&answer.payload).contains("</rd>"), "{answer:?}");
            let refused =
                device.exchange(&device.request(method::GET).path(&[".well-known", "core"]).with(option::ACCEPT, [50]));
            assert_eq!(refused.code_text(), "4.06");
        }
        "4.04" => {}
        other => panic!("{other}: {answer:?}"),
    }
}

#[test]
fn c_057_object_list_in_another_format_is_refused() {
    let world = World::start();
    let device = world.wire();
    let request = device
        .request(method::POST)
        .path(&["rd"])
        .with(option::CONTENT_FORMAT, [50])
        .query(&["ep=e", "lt=60", "lwm2m=1.0"])
        .body("{}");
    assert!(["4.15", "4.00"].contains(&device.exchange(&request).code_text().as_str()));
}

#[test]
fn c_052_response_with_an_unknown_critical_option_is_an_error() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &read(1));
    device.answer(&request, "2.05", &[(65001, b"x")], "v");
    let message = world.application.answer("ep1");
    assert!(message.data("content").is_null(), "the value must not be taken: {}", message.json);
    assert!(message.kind() != "read" || !message.data("code").as_str().unwrap().starts_with('2'), "{}", message.json);
    // elective ones are ignored
    let message = world.round_trip(&device, &read(2), "2.05", &[(65000, b"x")], "v");
    assert_message(
        &message,
        &json!({"reqID": 2, "msgType": "read", "data": content("2.05", "/3/0/0", &[("/3/0/0", json!("v"))])}),
    );
}

#[test]
fn c_060_repeated_answers_are_reported_once() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &json!({"reqID": 1, "msgType": "execute", "data": {"path": "/3/0/4"}}));
    for _ in 0..3 {
        device.answer(&request, "2.04", &[], "");
    }
    assert_message(
        &world.application.answer("ep1"),
        &json!({"reqID": 1, "msgType": "execute", "data": plain("2.04", "/3/0/4")}),
    );
    world.application.expect_none(QUIET, "a second answer", |_| true);
    device.expect_quiet();
}

#[test]
fn c_061_c_062_unknown_codes_and_diagnostics_pass_through() {
    let world = World::start();
    let device = world.device("ep1");
    let message = world.round_trip(&device, &read(1), "4.30", &[], "bad \u{fc}");
    assert_eq!((message.data("code"), message.data("codeMsg")), (&json!("4.30"), &json!("unknown")));
    assert!(message.data("diagnostic").as_str().unwrap().contains("bad \u{fc}"));
    // not UTF-8: no harm
    let message = world.round_trip(&device, &read(1), "4.00", &[], [0xff, 0xfe]);
    assert_eq!(message.data("code"), "4.00");
}

#[test]
fn c_020_memory_of_answers_does_not_swallow_other_requests() {
    // C-022: a request that reuses an id with another token and payload is a new one (a device that has rebooted)
    let world = World::start();
    let mut device = world.device("ep1");
    let mut update = device.update_request(&["lt=100"], "");
    update.mid = 77;
    assert_eq!(device.exchange(&update).code_text(), "2.04");
    let mut again = register(&device, "ep1");
    again.mid = 77;
    let answer = device.exchange(&again);
    assert_eq!(answer.code, code("2.01"), "{answer:?}");
    device.keep_location(&answer);
    world.application.message("ep1", "register");
}

#[test]
fn c_032_message_ids_start_at_random() {
    let world = World::start();
    let mut first = std::collections::BTreeSet::new();
    for at in 0..8 {
        let device = world.device(&format!("ep{at}"));
        first.insert(world.command(&device, &read(1)).mid);
    }
    assert!(first.len() >= 7, "first message ids: {first:?}");
}

#[test]
fn c_121_a_stranger_gets_no_more_than_three_times_what_it_sent() {
    let world = World::start();
    for bytes in
        ["40010001", "40010002bb2e77656c6c2d6b6e6f776e04636f7265", "40020003b27264", "50010004b27264", "40050005"]
    {
        let stranger = world.wire();
        let sent = unhex(bytes).len();
        stranger.send_hex(bytes);
        let mut got = 0;
        while let Some(answer) = stranger.receive_bytes(Duration::from_millis(300)) {
            got += answer.len();
        }
        assert!(got <= 3 * sent, "{got} bytes for {sent} ({bytes})");
    }
}

#[test]
fn c_149_a_storm_of_nonsense_from_one_stranger_is_not_answered_for_ever() {
    let world = World::with(&[("log.level", "\"warn\"")]);
    let stranger = world.wire();
    let mut answers = 0;
    for at in 0..1000u16 {
        stranger.send(&Datagram::new(Kind::Con, method::GET, at, &[1]).path(&["nope"]));
        while stranger.receive_bytes(Duration::from_micros(200)).is_some() {
            answers += 1;
        }
    }
    while stranger.receive_bytes(Duration::from_millis(100)).is_some() {
        answers += 1;
    }
    assert!(answers < 1000, "every one of 1000 senseless requests of a stranger was answered");
    world.assert_works("after");
}
