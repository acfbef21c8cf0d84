//! Observations and notifications (contract chapter 8, RFC 7641).
use integration_tests::datagram::{Kind, option, uint};
use integration_tests::expectation::{assert_message, content, plain};
use integration_tests::{QUIET, World, unhex};
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/3/0/10";

fn observe(req: u32) -> Value {
    json!({"reqID": req, "msgType": "observe", "data": {"path": PATH}})
}

fn notified(req: u32, sequence: u32, value: i64) -> Value {
    json!({"reqID": req, "msgType": "notify", "seqNum": sequence, "data": content("2.05", PATH, &[(PATH, json!(value))])})
}

fn none_of(world: &World, kind: &str) {
    world.application.expect_none(QUIET, kind, |message| message.kind() == kind);
}

#[test]
fn observe_and_notify_as_in_the_example() {
    let world = World::start();
    let device = world.device_with("ep1", &[], "</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/3/0>");
    let request = world.command(&device, &observe(307));
    assert_eq!((request.code, request.tail().as_str()), (1, "60556c776d326d01330130023130"));
    device.send_bytes(
        &[
            &[0x60 | u8::try_from(request.token.len()).unwrap(), 0x45][..],
            &request.mid.to_be_bytes(),
            &request.token,
            &unhex("6060ff32303438"),
        ]
        .concat(),
    );
    let first = world.application.answer("ep1");
    assert_eq!(first.topic, "lwm2m/ep1/up/resp");
    assert_message(
        &first,
        &json!({"reqID": 307, "msgType": "observe", "data": content("2.05", PATH, &[(PATH, json!(2048))])}),
    );

    device.send_bytes(
        &[
            &[0x40 | u8::try_from(request.token.len()).unwrap(), 0x45, 0x77, 0x01][..],
            &request.token,
            &unhex("610360ff34303936"),
        ]
        .concat(),
    );
    assert_eq!(device.receive_bytes(Duration::from_secs(2)).unwrap(), unhex("60007701"));
    let notify = world.application.message("ep1", "notify");
    assert_eq!(notify.topic, "lwm2m/ep1/up/notify");
    assert_message(&notify, &notified(307, 3, 4096));
}

#[test]
fn non_and_con_notifications_may_alternate() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    for sequence in 1..=10 {
        let kind = if sequence % 2 == 0 { Kind::Con } else { Kind::Non };
        let mid = device.notify(kind, &request, sequence, 0, sequence.to_string());
        if kind == Kind::Con {
            device.expect_ack(mid);
        }
        assert_message(&world.application.message("ep1", "notify"), &notified(1, sequence, i64::from(sequence)));
    }
    device.expect_quiet();
}

#[test]
fn notification_may_come_in_another_format() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    device.notify(Kind::Non, &request, 1, 11542, unhex("c20a1000"));
    assert_message(&world.application.message("ep1", "notify"), &notified(1, 1, 4096));
    device.notify(Kind::Non, &request, 2, 11543, r#"{"bn":"/3/0/","e":[{"n":"10","v":4097}]}"#);
    assert_message(&world.application.message("ep1", "notify"), &notified(1, 2, 4097));
}

#[test]
fn undecodable_notification_is_reported_as_bad_request() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    let mid = device.notify(Kind::Con, &request, 1, 11542, unhex("c8"));
    device.expect_ack(mid);
    let message = world.application.message("ep1", "notify");
    assert_message(&message, &json!({"reqID": 1, "msgType": "notify", "seqNum": 1, "data": plain("4.00", PATH)}));
    device.notify(Kind::Non, &request, 2, 0, "5");
    assert_message(&world.application.message("ep1", "notify"), &notified(1, 2, 5));
}

#[test]
fn first_answer_with_a_nonzero_observe_is_still_the_observe_answer() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &observe(1));
    device.answer(&request, "2.05", &[(option::OBSERVE, &[7])], "1");
    let message = world.application.answer("ep1");
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "observe", "data": content("2.05", PATH, &[(PATH, json!(1))])}),
    );
    device.notify(Kind::Non, &request, 8, 0, "2");
    assert_message(&world.application.message("ep1", "notify"), &notified(1, 8, 2));
}

#[test]
fn separate_first_answer_is_the_observe_answer() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &observe(1));
    device.acknowledge(request.mid);
    world.application.expect("ack", |message| message.kind() == "ack");
    let mid = device.notify(Kind::Con, &request, 5, 0, "1");
    device.expect_ack(mid);
    assert_message(
        &world.application.answer("ep1"),
        &json!({"reqID": 1, "msgType": "observe", "data": content("2.05", PATH, &[(PATH, json!(1))])}),
    );
    device.notify(Kind::Non, &request, 6, 0, "2");
    assert_message(&world.application.message("ep1", "notify"), &notified(1, 6, 2));
}

#[test]
fn answer_without_the_observe_option_is_reported_once_and_not_observed() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &observe(1));
    device.answer(&request, "2.05", &[], "1");
    let message = world.application.answer("ep1");
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "observe", "data": content("2.05", PATH, &[(PATH, json!(1))])}),
    );
    assert!(message.json.get("seqNum").is_none(), "no sequence number is invented: {}", message.json);
    let mid = device.notify(Kind::Con, &request, 5, 0, "2");
    device.expect_rst(mid);
    none_of(&world, "notify");
}

#[test]
fn refused_observe_is_reported_and_not_observed() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &observe(1));
    device.answer(&request, "4.04", &[], "");
    assert_message(
        &world.application.answer("ep1"),
        &json!({"reqID": 1, "msgType": "observe", "data": plain("4.04", PATH)}),
    );
    let mid = device.notify(Kind::Con, &request, 5, 0, "2");
    device.expect_rst(mid);
    none_of(&world, "notify");
}

#[test]
fn unknown_token_is_answered_with_reset() {
    let world = World::start();
    let device = world.device("ep1");
    let mut request = world.observe(&device, 1, PATH, 0, "0");
    request.token = vec![0xde, 0xad, 0xbe, 0xef];
    let mid = device.notify(Kind::Con, &request, 1, 0, "1");
    device.expect_rst(mid);
    device.notify(Kind::Non, &request, 1, 0, "1");
    none_of(&world, "notify");
}

#[test]
fn duplicates_by_message_id_are_acknowledged_and_dropped() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    let mid = device.next_mid();
    let notification =
        integration_tests::wire::respond(Kind::Con, mid, &request, "2.05", &[(option::OBSERVE, &[1])], "1");
    for _ in 0..3 {
        device.send(&notification);
        device.expect_ack(mid);
    }
    assert_message(&world.application.message("ep1", "notify"), &notified(1, 1, 1));
    none_of(&world, "notify");
}

#[test]
fn same_observe_value_again_is_acknowledged_and_dropped() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    for mid in [device.notify(Kind::Con, &request, 5, 0, "1"), device.notify(Kind::Con, &request, 5, 0, "1")] {
        device.expect_ack(mid);
    }
    assert_message(&world.application.message("ep1", "notify"), &notified(1, 5, 1));
    none_of(&world, "notify");
}

#[test]
fn stale_notifications_are_acknowledged_and_not_published() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    // sequence, fresh
    let rows = [
        (5, true),
        (4, false),
        (6, true),
        (0x80_0000, true),
        (0xff_ffff, true),
        (0, true),
        (1, true),
        (0xff_fffe, false),
        (0x7f_ffff, true),
    ];
    for (sequence, fresh) in rows {
        let mid = device.notify(Kind::Con, &request, sequence, 0, "9");
        device.expect_ack(mid);
        if fresh {
            assert_message(&world.application.message("ep1", "notify"), &notified(1, sequence, 9));
        } else {
            world
                .application
                .expect_none(Duration::from_millis(150), "stale notification", |message| message.kind() == "notify");
        }
    }
}

#[test]
fn error_notification_is_acknowledged_published_and_ends_the_observation() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    let mid = device.answer_separately(Kind::Con, &request, "4.04", &[], "");
    device.expect_ack(mid);
    let mut message = world.application.message("ep1", "notify");
    assert_eq!(message.topic, "lwm2m/ep1/up/notify");
    message.json.as_object_mut().unwrap().remove("seqNum");
    assert_message(&message, &json!({"reqID": 1, "msgType": "notify", "data": plain("4.04", PATH)}));
    let mid = device.notify(Kind::Con, &request, 9, 0, "1");
    device.expect_rst(mid);
    none_of(&world, "notify");
}

#[test]
fn cancel_observe_carries_the_token_and_ends_the_observation() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    let cancel = world.command(&device, &json!({"reqID": 2, "msgType": "cancel-observe", "data": {"path": PATH}}));
    assert_eq!((cancel.code, cancel.uint(option::OBSERVE), cancel.uri_path().as_str()), (1, Some(1), PATH));
    assert_eq!(cancel.token, request.token, "RFC 7641 3.6");
    device.answer(&cancel, "2.05", &[], "7");
    assert_message(
        &world.application.answer("ep1"),
        &json!({"reqID": 2, "msgType": "cancel-observe", "data": content("2.05", PATH, &[(PATH, json!(7))])}),
    );
    let mid = device.notify(Kind::Con, &request, 9, 0, "1");
    device.expect_rst(mid);
    none_of(&world, "notify");
}

#[test]
fn cancel_observe_without_an_observation_is_sent_anyway() {
    let world = World::start();
    let device = world.device("ep1");
    let cancel = world.command(&device, &json!({"reqID": 2, "msgType": "cancel-observe", "data": {"path": PATH}}));
    assert_eq!(cancel.uint(option::OBSERVE), Some(1));
    assert!(!cancel.token.is_empty());
    device.answer(&cancel, "4.04", &[], "");
    assert_message(
        &world.application.answer("ep1"),
        &json!({"reqID": 2, "msgType": "cancel-observe", "data": plain("4.04", PATH)}),
    );
}

#[test]
fn passive_cancel_sends_nothing_and_resets_the_next_notification() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    world
        .application
        .command("ep1", &json!({"reqID": 2, "msgType": "cancel-observe", "data": {"path": PATH, "passive": true}}));
    assert_message(
        &world.application.answer("ep1"),
        &json!({"reqID": 2, "msgType": "cancel-observe", "data": plain("2.05", PATH)}),
    );
    device.expect_quiet();
    let mid = device.notify(Kind::Con, &request, 9, 0, "1");
    device.expect_rst(mid);
    none_of(&world, "notify");
}

#[test]
fn observing_again_replaces_the_echo_members() {
    let world = World::start();
    let device = world.device("ep1");
    let first = world.observe(&device, 1, PATH, 0, "0");
    let second = world.observe(&device, 2, PATH, 0, "0");
    device.notify(Kind::Non, &second, 5, 0, "1");
    assert_message(&world.application.message("ep1", "notify"), &notified(2, 5, 1));
    if first.token != second.token {
        let mid = device.notify(Kind::Con, &first, 6, 0, "1");
        device.expect_rst(mid);
    }
    none_of(&world, "notify");
}

#[test]
fn observations_of_several_paths_live_side_by_side() {
    let world = World::start();
    let device = world.device("ep1");
    let battery = world.observe(&device, 1, "/3/0/9", 0, "0");
    let memory = world.observe(&device, 2, PATH, 0, "0");
    let whole = world.observe(&device, 3, "/3303/0", 11542, unhex("e4164441a00000"));
    assert_eq!(std::collections::BTreeSet::from([&battery.token, &memory.token, &whole.token]).len(), 3);
    device.notify(Kind::Non, &memory, 1, 0, "10");
    device.notify(Kind::Non, &battery, 1, 0, "20");
    device.notify(Kind::Non, &whole, 1, 11542, unhex("e4164441b00000 e315e1414243"));
    let expected = [
        (1, "/3/0/9", content("2.05", "/3/0/9", &[("/3/0/9", json!(20))])),
        (2, PATH, content("2.05", PATH, &[(PATH, json!(10))])),
    ];
    for (req, _, data) in expected {
        let message =
            world.application.expect("notify", |message| message.kind() == "notify" && message.json["reqID"] == req);
        assert_message(&message, &json!({"reqID": req, "msgType": "notify", "seqNum": 1, "data": data}));
    }
    // 5601 as a float of three bytes: the whole is undecodable
    let message = world.application.expect("notify", |message| message.json["reqID"] == 3);
    assert_eq!(message.data("code"), "4.00");
}

#[test]
fn notification_repeats_all_members_of_the_command() {
    let world = World::start();
    let device = world.device("ep1");
    let command =
        json!({"reqID": {"id": 1}, "cacheID": "c", "imei": "i", "msgType": "observe", "data": {"path": PATH}});
    let request = world.command(&device, &command);
    device.answer(&request, "2.05", &[(option::OBSERVE, &[])], "0");
    world.application.answer("ep1");
    device.notify(Kind::Non, &request, 1, 0, "1");
    let expected = json!({"reqID": {"id": 1}, "cacheID": "c", "imei": "i", "msgType": "notify", "seqNum": 1, "data": content("2.05", PATH, &[(PATH, json!(1))])});
    assert_message(&world.application.message("ep1", "notify"), &expected);
}

#[test]
fn notifications_of_object_5_go_to_the_notify_topic() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, "/5/0/3", 0, "0");
    device.notify(Kind::Non, &request, 1, 0, "1");
    assert_eq!(world.application.message("ep1", "notify").topic, "lwm2m/ep1/up/notify");
}

#[test]
fn observations_end_with_the_registration() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    device.deregister();
    device.notify(Kind::Con, &request, 1, 0, "1");
    // RST, or silence for a device that is not known any more; never an ACK
    if let Some(answer) = device.receive_within(QUIET) {
        assert_eq!(answer.kind, Kind::Rst, "{answer:?}");
    }
    none_of(&world, "notify");
}

#[test]
fn query_of_an_observed_path_is_sent_and_cut_from_the_report() {
    let world = World::start();
    let device = world.device("ep1");
    let request =
        world.command(&device, &json!({"reqID": 1, "msgType": "observe", "data": {"path": "/3/0/10?pmin=1"}}));
    assert_eq!(request.texts(option::URI_QUERY), ["pmin=1"]);
    device.answer(&request, "2.05", &[(option::OBSERVE, &[])], "0");
    assert_eq!(world.application.answer("ep1").data("reqPath"), PATH);
    device.notify(Kind::Non, &request, 1, 0, "1");
    assert_message(&world.application.message("ep1", "notify"), &notified(1, 1, 1));
}

#[test]
fn observe_value_of_24_bits_is_read_in_every_length() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    for value in [1u32, 0xff, 0x100, 0xffff, 0x1_0000, 0x12_3456] {
        device.answer_separately(Kind::Non, &request, "2.05", &[(option::OBSERVE, &uint(value))], "1");
        assert_eq!(world.application.message("ep1", "notify").json["seqNum"], value);
    }
}

#[test]
fn a_burst_of_notifications_arrives_complete_and_in_order() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.observe(&device, 1, PATH, 0, "0");
    for sequence in 1..=500 {
        device.notify(Kind::Non, &request, sequence, 0, sequence.to_string());
        if sequence % 50 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    for sequence in 1..=500 {
        assert_eq!(world.application.message("ep1", "notify").json["seqNum"], sequence);
    }
}
