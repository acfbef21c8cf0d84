//! Send (extensions §3, L-065 to L-067).
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod bench;
use bench::*;
use coap::{Code, option};
use lwm2m::session::{Delivery, Event};
use lwm2m::{Node, Value};

const SENML_JSON: u32 = 110;

fn send(bench: &mut Bench, format: Option<u32>, payload: &[u8]) -> Step {
    let mut message = bench.request(POST, &["dp"], &[], payload);
    if let Some(format) = format {
        message.add_uint(option::CONTENT_FORMAT, format);
    }
    bench.deliver(&message)
}

fn sent(step: &Step) -> (Vec<Node>, Delivery) {
    let sent = step.events().into_iter().find_map(|event| match event {
        Event::DataSent { nodes, delivery } => Some((nodes.clone(), *delivery)),
        _ => None,
    });
    sent.unwrap()
}

#[test]
fn a_send_is_answered_when_it_is_in_safe_hands() {
    for (kept, story) in [(true, "→2.04"), (false, "→5.03")] {
        let mut bench = Bench::usual();
        let step = send(&mut bench, Some(SENML_JSON), br#"[{"n":"/3303/0/5700","v":21.5,"t":1763825000.5}]"#);
        assert_eq!(step.story(), "DataSent");
        let (nodes, delivery) = sent(&step);
        let expected = Node { path: path("/3303/0/5700"), value: Value::Float(21.5), time: Some(1763825000.5) };
        assert_eq!(nodes, [expected]);
        let now = bench.clock();
        match kept {
            true => bench.session.confirm(now, delivery),
            false => bench.session.decline(now, delivery),
        }
        assert_eq!(bench.drain().story(), story);
    }
}

#[test]
fn a_late_decision_is_a_separate_response() {
    let mut bench = Bench::usual();
    let step = send(&mut bench, Some(SENML_JSON), br#"[{"n":"/3303/0/5700","v":21.5}]"#);
    let (_, delivery) = sent(&step);
    assert_eq!(bench.wait(3.0).story(), "→ACK");
    let now = bench.clock();
    bench.session.confirm(now, delivery);
    assert_eq!(bench.drain().story(), "→2.04");
}

#[test]
fn relative_times_count_from_now() {
    let mut bench = Bench::usual();
    bench.wait(10.0);
    let step = send(&mut bench, Some(SENML_JSON), br#"[{"n":"/3303/0/5700","v":21.5,"t":-5}]"#);
    assert_eq!(sent(&step).0[0].time, Some(EPOCH + 5.0));
}

#[test]
fn what_cannot_be_kept_is_refused_as_a_whole() {
    let cases: [(Option<u32>, &[u8], &str); 8] = [
        (Some(SENML_JSON), b"[{", "→4.00 Oddity"),
        (Some(SENML_JSON), b"[]", "→4.00 Oddity"),
        (Some(SENML_JSON), br#"[{"n":"/3303/7/5700","v":1}]"#, "→4.04 Oddity"),
        (Some(SENML_JSON), br#"[{"n":"/3303/0/5700","v":1},{"n":"/9/0/0","v":1}]"#, "→4.04 Oddity"),
        (Some(11542), b"\xc1\x01\x05", "→4.15 Oddity"),
        (Some(0), b"1", "→4.15 Oddity"),
        (None, br#"[{"n":"/3303/0/5700","v":1}]"#, "→4.15 Oddity"),
        (Some(40), b"</3>", "→4.15 Oddity"),
    ];
    for (format, payload, story) in cases {
        let mut bench = Bench::usual();
        assert_eq!(send(&mut bench, format, payload).story(), story, "{:?}", String::from_utf8_lossy(payload));
    }
}

#[test]
fn without_a_registration_there_is_nowhere_to_send_to() {
    let mut bench = Bench::usual();
    bench.deregister();
    let step = send(&mut bench, Some(SENML_JSON), br#"[{"n":"/3303/0/5700","v":21.5}]"#);
    assert_eq!(step.story(), "→4.04 Oddity");
}

#[test]
fn a_sleeper_that_sends_gets_its_answer_before_the_commands() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=3600", "lwm2m=1.1", "Q"], "</3/0>,</3303/0>");
    bench.wait(30.0);
    bench.submit("a", read("/3/0/0")).0.unwrap();
    let step = send(&mut bench, Some(SENML_JSON), br#"[{"n":"/3303/0/5700","v":21.5}]"#);
    assert_eq!(step.story(), "DataSent Awake");
    let (_, delivery) = sent(&step);
    let now = bench.clock();
    bench.session.confirm(now, delivery);
    assert_eq!(bench.drain().story(), "→2.04 →Get Sent");
}

#[test]
fn an_answer_that_nobody_decides_does_not_hold_commands_for_ever() {
    let mut bench = Bench::usual();
    send(&mut bench, Some(SENML_JSON), br#"[{"n":"/3303/0/5700","v":21.5}]"#);
    bench.submit("a", read("/3/0/0")).0.unwrap();
    assert_eq!(bench.wait(1.9).sent().len(), 1, "the empty ACK");
    assert_eq!(bench.wait(0.2).story(), "→Get Sent");
}

#[test]
fn a_repeated_send_is_reported_once() {
    let mut bench = Bench::usual();
    let mut message = bench.request(POST, &["dp"], &[], br#"[{"n":"/3303/0/5700","v":21.5}]"#);
    message.add_uint(option::CONTENT_FORMAT, SENML_JSON);
    let (_, delivery) = sent(&bench.deliver(&message));
    assert_eq!(bench.deliver(&message).story(), "");
    let now = bench.clock();
    bench.session.confirm(now, delivery);
    let first = bench.drain().message();
    assert_eq!((first.code(), bench.deliver(&message).message().encode()), (Code::CHANGED, first.encode()));
}
