//! ack, separate answer, reset, time-out, order of commands (contract chapter 7; RFC 7252 §4 and §5.2).
use integration_tests::datagram::{Datagram, Kind, option};
use integration_tests::expectation::{assert_message, content};
use integration_tests::{QUIET, World};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn read(req: u32) -> Value {
    json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}})
}

fn answered(req: u32, value: &str) -> Value {
    json!({"reqID": req, "msgType": "read", "data": content("2.05", "/3/0/0", &[("/3/0/0", json!(value))])})
}

/// Short times: a request is given up after 100·(1+2+4) = 700 to 1050 ms.
const QUICK: &[(&str, &str)] =
    &[("coap.ack_timeout", "\"100ms\""), ("coap.ack_random_factor", "1.5"), ("coap.max_retransmit", "2")];

#[test]
fn empty_ack_is_reported_and_the_separate_answer_follows() {
    let world = World::start();
    let device = world.device("ep1");
    for (req, kind) in [(1, Kind::Con), (2, Kind::Non)] {
        let request = world.command(&device, &read(req));
        device.acknowledge(request.mid);
        let ack = world.application.expect("ack", |message| message.kind() == "ack");
        assert_eq!(ack.topic, "lwm2m/ep1/up/resp");
        assert_message(&ack, &json!({"reqID": req, "msgType": "ack"}));
        let mid = device.answer_separately(kind, &request, "2.05", &[], "EMQ");
        if kind == Kind::Con {
            device.expect_ack(mid);
        } else {
            device.expect_quiet();
        }
        assert_message(&world.application.answer("ep1"), &answered(req, "EMQ"));
    }
    world.application.expect_none(QUIET, "any further message", |_| true);
}

#[test]
fn piggybacked_answer_makes_no_ack_message() {
    let world = World::start();
    let device = world.device("ep1");
    world.round_trip(&device, &read(1), "2.05", &[], "v");
    world.application.expect_none(QUIET, "ack", |_| true);
}

#[test]
fn ack_repeats_all_members_but_data() {
    let world = World::start();
    let device = world.device("ep1");
    let command =
        json!({"reqID": "a", "cacheID": 5, "msgType": "execute", "data": {"path": "/3/0/4"}, "mheaders": {"x": 1}});
    let request = world.command(&device, &command);
    device.acknowledge(request.mid);
    let ack = world.application.expect("ack", |message| message.kind() == "ack");
    assert_message(&ack, &json!({"reqID": "a", "cacheID": 5, "msgType": "ack", "mheaders": {"x": 1}}));
}

#[test]
fn repeated_ack_is_reported_once() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &read(1));
    for _ in 0..3 {
        device.acknowledge(request.mid);
    }
    world.application.expect("ack", |message| message.kind() == "ack");
    world.application.expect_none(QUIET, "a second ack", |message| message.kind() == "ack");
}

#[test]
fn separate_answers_that_overtake_or_replace_the_ack_are_taken() {
    let world = World::start();
    let device = world.device("ep1");
    // CON without ACK, NON without ACK: the answer is taken and the request not repeated
    for (req, kind) in [(1, Kind::Con), (2, Kind::Non)] {
        let request = world.command(&device, &read(req));
        let mid = device.answer_separately(kind, &request, "2.05", &[], "early");
        if kind == Kind::Con {
            device.expect_ack(mid);
        }
        assert_message(&world.application.answer("ep1"), &answered(req, "early"));
        // the ACK comes late
        device.acknowledge(request.mid);
        device.expect_silence(Duration::from_millis(3300));
    }
    world.application.expect_none(QUIET, "any further message", |_| true);
}

#[test]
fn repeated_separate_answer_is_acknowledged_each_time_and_reported_once() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &read(1));
    device.acknowledge(request.mid);
    let mid = device.next_mid();
    let response = Datagram {
        mid,
        kind: Kind::Con,
        code: 0x45,
        token: request.token.clone(),
        options: vec![],
        payload: b"v".to_vec(),
    };
    for _ in 0..3 {
        device.send(&response);
        device.expect_ack(mid);
    }
    assert_message(&world.application.answer("ep1"), &answered(1, "v"));
    world.application.expect_none(QUIET, "a second answer", |message| message.kind() == "read");
}

#[test]
fn reset_is_reported_at_once() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &read(1));
    let begin = Instant::now();
    device.reset(request.mid);
    let message = world.application.answer("ep1");
    assert!(begin.elapsed() < Duration::from_millis(300), "RST is a failure at once, not after {:?}", begin.elapsed());
    assert_message(&message, &json!({"reqID": 1, "msgType": "coap_reset", "data": {"reqPath": "/3/0/0"}}));
    device.expect_quiet();
    world.round_trip(&device, &read(2), "2.05", &[], "v");
}

#[test]
fn silent_device_gets_retransmissions_and_then_a_timeout_is_reported() {
    let world = World::with(QUICK);
    let device = world.device("ep1");
    let begin = Instant::now();
    let first = world.command(&device, &read(1));
    let mut at = vec![begin.elapsed()];
    for _ in 0..2 {
        assert_eq!(device.expect_request(), first, "retransmissions are byte-identical");
        at.push(begin.elapsed());
    }
    let message = world.application.answer("ep1");
    let end = begin.elapsed();
    assert_message(&message, &json!({"reqID": 1, "msgType": "coap_timeout", "data": {"reqPath": "/3/0/0"}}));
    let first_gap = at[1] - at[0];
    let second_gap = at[2] - at[1];
    assert!(first_gap > Duration::from_millis(90) && first_gap < Duration::from_millis(250), "first gap {first_gap:?}");
    assert!(second_gap.as_millis() > first_gap.as_millis() * 3 / 2, "the gap doubles: {first_gap:?}, {second_gap:?}");
    assert!(end > Duration::from_millis(650) && end < Duration::from_millis(1600), "reported after {end:?}");
    // and the device is not blocked
    world.round_trip(&device, &read(2), "2.05", &[], "v");
    device.expect_quiet();
}

#[test]
fn first_timeouts_are_spread() {
    let world = World::with(&[
        ("coap.ack_timeout", "\"200ms\""),
        ("coap.ack_random_factor", "1.5"),
        ("coap.max_retransmit", "1"),
    ]);
    let devices: Vec<_> = (0..12).map(|at| world.device_with(&format!("ep{at}"), &[], "</3/0>")).collect();
    let mut gaps: Vec<u128> = Vec::new();
    for device in &devices {
        let first = world.command(device, &read(1));
        let begin = Instant::now();
        assert_eq!(device.expect_request(), first);
        gaps.push(begin.elapsed().as_millis());
    }
    assert!(gaps.iter().all(|gap| (190..=360).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().max().unwrap() - gaps.iter().min().unwrap() >= 20, "not random: {gaps:?}");
}

#[test]
fn late_answer_after_the_timeout_is_not_reported() {
    let world = World::with(QUICK);
    let device = world.device("ep1");
    let request = world.command(&device, &read(1));
    assert_eq!(world.application.answer("ep1").kind(), "coap_timeout");
    device.discard();
    device.answer(&request, "2.05", &[], "late");
    device.expect_quiet();
    let mid = device.answer_separately(Kind::Con, &request, "2.05", &[], "late");
    device.expect_rst(mid);
    world.application.expect_none(QUIET, "a second terminal message", |_| true);
}

#[test]
fn lost_request_is_repaired_by_the_retransmission() {
    let world = World::with(QUICK);
    let device = world.device("ep1");
    let first = world.command(&device, &read(1));
    let second = device.expect_request();
    assert_eq!(first, second);
    device.answer(&second, "2.05", &[], "v");
    assert_message(&world.application.answer("ep1"), &answered(1, "v"));
    device.answer(&second, "2.05", &[], "v");
    device.expect_quiet();
    world.application.expect_none(QUIET, "a second answer", |_| true);
}

#[test]
fn commands_go_out_one_at_a_time_in_order() {
    let world = World::start();
    let device = world.device("ep1");
    for req in 1..=20 {
        world.application.command("ep1", &read(req));
    }
    for req in 1..=20 {
        let request = device.expect_request();
        device.expect_silence(Duration::from_millis(15));
        device.answer(&request, "2.05", &[], req.to_string());
        let message = world.application.answer("ep1");
        assert_message(&message, &answered(req, &req.to_string()));
    }
}

#[test]
fn a_blocked_device_does_not_hold_up_another() {
    let world = World::start();
    let blocked = world.device("blocked");
    let free = world.device("free");
    world.application.command("blocked", &read(1));
    let request = blocked.expect_request();
    let begin = Instant::now();
    for req in 2..=10 {
        world.round_trip(&free, &read(req), "2.05", &[], "v");
    }
    assert!(begin.elapsed() < Duration::from_secs(1), "nine round trips took {:?}", begin.elapsed());
    blocked.answer(&request, "2.05", &[], "v");
    world.application.answer("blocked");
}

#[test]
fn ttl_zero_passes_the_queue_and_blocks_nothing() {
    let world = World::start();
    let device = world.device("ep1");
    let first = world.command(&device, &read(1));
    world.application.command("ep1", &read(2));
    device.expect_silence(Duration::from_millis(100));
    let mut urgent = read(3);
    urgent["mheaders"] = json!({"ttl": 0});
    let second = world.command(&device, &urgent);
    assert_ne!(first.token, second.token);
    // answered before the first
    device.answer(&second, "2.05", &[], "urgent");
    let message = world.application.answer("ep1");
    assert_eq!((&message.json["reqID"], &message.json["mheaders"]), (&json!(3), &json!({"ttl": 0})));
    device.expect_silence(Duration::from_millis(100));
    device.answer(&first, "2.05", &[], "v");
    assert_eq!(world.application.answer("ep1").json["reqID"], 1);
    device.answer(&device.expect_request(), "2.05", &[], "v");
    assert_eq!(world.application.answer("ep1").json["reqID"], 2);
    // other values of ttl, and an mheaders that is no object, have no effect
    let blocked = world.command(&device, &read(4));
    for mheaders in [json!({"ttl": 7200}), json!({"ttl": "0"}), json!("ttl"), json!({"other": 0})] {
        let mut command = read(5);
        command["mheaders"] = mheaders;
        world.application.command("ep1", &command);
    }
    device.expect_silence(Duration::from_millis(200));
    device.answer(&blocked, "2.05", &[], "v");
    for _ in 0..4 {
        device.answer(&device.expect_request(), "2.05", &[], "v");
    }
}

#[test]
fn answers_are_matched_by_device_and_token() {
    let world = World::start();
    let one = world.device("one");
    let two = world.device("two");
    let first = world.command(&one, &read(1));
    let second = world.command(&two, &read(2));
    // each answers with the other's ids
    two.answer(&first, "2.05", &[], "stolen");
    one.answer(&second, "2.05", &[], "stolen");
    two.reset(first.mid.wrapping_add(1));
    world.application.expect_none(QUIET, "an answer", |message| message.kind() == "read");
    one.answer(&first, "2.05", &[], "mine");
    two.answer(&second, "2.05", &[], "mine");
    assert_message(&world.application.answer("one"), &answered(1, "mine"));
    assert_message(&world.application.answer("two"), &answered(2, "mine"));
}

#[test]
fn piggybacked_answer_with_a_wrong_token_is_not_taken() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &read(1));
    let mut wrong = request.clone();
    wrong.token = vec![0xde, 0xad, 0xbe, 0xef];
    device.answer(&wrong, "2.05", &[], "wrong");
    world.application.expect_none(QUIET, "an answer", |message| message.kind() == "read");
    device.answer_separately(Kind::Non, &request, "2.05", &[], "right");
    assert_message(&world.application.answer("ep1"), &answered(1, "right"));
}

#[test]
fn every_read_reaches_the_device() {
    let world = World::start();
    let device = world.device("ep1");
    for value in ["one", "two"] {
        let options: &[(u16, &[u8])] = &[(option::MAX_AGE, &[60]), (option::ETAG, &[1])];
        assert_message(&world.round_trip(&device, &read(1), "2.05", options, value), &answered(1, value));
    }
}

#[test]
fn command_after_the_end_of_a_registration_is_refused_and_one_in_flight_ends() {
    let world = World::start();
    let device = world.device("ep1");
    world.application.command("ep1", &read(1));
    device.expect_request();
    world.application.command("ep1", &read(2));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(device.deregister().code_text(), "2.02");
    // exactly one terminal message each
    for req in [1, 2] {
        let message = world
            .application
            .expect("terminal message", |message| message.json["reqID"] == req && message.kind() != "ack");
        let code = message.data("code");
        assert!(message.kind() == "coap_timeout" || code == "4.04", "{}", message.json);
    }
    world.application.command("ep1", &read(3));
    let message = world.application.expect("refusal", |message| message.json["reqID"] == 3);
    assert_eq!(
        (message.kind(), message.data("code"), message.data("codeMsg")),
        ("read", &json!("4.04"), &json!("not_found"))
    );
    world.application.expect_none(QUIET, "a second terminal message", |_| true);
    device.expect_quiet();
}

#[test]
fn command_to_an_endpoint_that_is_not_there_is_answered() {
    let world = World::start();
    let begin = Instant::now();
    world.application.command("nobody", &read(1));
    let message = world.application.answer("nobody");
    assert!(begin.elapsed() < Duration::from_secs(1));
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "read", "data": {"code": "4.04", "codeMsg": "not_found", "reqPath": "/3/0/0"}}),
    );
    assert!(
        message.data("diagnostic").as_str().is_some_and(|text| text.starts_with("not registered")),
        "{}",
        message.json
    );
    // and it is not delivered later
    let device = world.device("nobody");
    device.expect_quiet();
}

#[test]
fn command_published_on_register_is_never_lost() {
    let world = World::start();
    for at in 0..10 {
        let ep = format!("ep{at}");
        let mut device = world.wire();
        device.register(&[&format!("ep={ep}"), "lt=60", "lwm2m=1.0"], "</3/0>");
        world.application.message(&ep, "register");
        world.round_trip(&device, &read(at), "2.05", &[], "v");
    }
}

#[test]
fn a_full_queue_is_refused_in_words() {
    let world = World::with(&[("lwm2m.queue_max", "3")]);
    let device = world.device("ep1");
    let first = world.command(&device, &read(0));
    for req in 1..=3 {
        world.application.command("ep1", &read(req));
    }
    world.application.command("ep1", &read(4));
    let message = world.application.answer("ep1");
    assert_message(
        &message,
        &json!({"reqID": 4, "msgType": "read", "data": {"code": "5.03", "codeMsg": "service_unavailable", "reqPath": "/3/0/0"}}),
    );
    assert!(message.data("diagnostic").as_str().is_some_and(|text| text.starts_with("queue full")), "{}", message.json);
    device.answer(&first, "2.05", &[], "v");
    for _ in 1..=3 {
        device.answer(&device.expect_request(), "2.05", &[], "v");
    }
    for req in 0..=3 {
        assert_message(&world.application.answer("ep1"), &answered(req, "v"));
    }
}
