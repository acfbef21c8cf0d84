//! The order of commands and how each ends (contract chapter 7, extensions §6).
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod bench;
use bench::*;
use coap::{Code, Kind, Message};
use lwm2m::session::{Accepted, Outcome, Policy, Refused, Submission};

#[test]
fn a_slow_device_acknowledges_first() {
    let mut bench = Bench::usual();
    let request = bench.send("x", read("/3/0/0"));
    let step = bench.deliver(&empty_ack(&request));
    assert_eq!(step.story(), "Acknowledged");
    bench.wait(30.0);
    let mut separate = Message::new(Kind::Confirmable, Code::CONTENT, 9, request.token());
    separate.set_payload(*b"EMQ");
    assert_eq!(bench.deliver(&separate).story(), "→ACK Finished");
    assert_eq!(bench.deliver(&separate).story(), "→ACK");
}

#[test]
fn the_next_command_goes_after_answer_ack_reset_or_timeout() {
    let mut bench = Bench::usual();
    let first = bench.send("a", read("/3/0/0"));
    for (place, name) in ["b", "c", "d"].iter().enumerate() {
        assert_eq!(bench.submit(name, read("/3/0/9")).0, Ok(Accepted::Queued { waiting: place + 1 }));
    }
    let step = bench.answer(&first, Code::CONTENT, Some(0), b"x");
    assert_eq!(step.story(), "Finished →Get Sent");
    let second = step.message();
    // Acknowledged: the device is at work on it and may have the next.
    let step = bench.deliver(&empty_ack(&second));
    assert_eq!(step.story(), "Acknowledged →Get Sent");
    let step = bench.deliver(&reset(&step.message()));
    assert_eq!(step.finished(), [("c".to_owned(), Outcome::Reset, None)]);
    assert_eq!(step.story(), "Finished →Get Sent");
    let step = bench.wait(200.0);
    assert_eq!(
        step.finished(),
        [
            ("d".to_owned(), Outcome::TimedOut(None), None),
            ("b".to_owned(), Outcome::TimedOut(Some("no response after ack")), None)
        ]
    );
    assert_eq!(bench.session.outstanding() + bench.session.waiting(), 0);
}

#[test]
fn a_silent_device_is_asked_five_times_then_given_up() {
    let mut bench = Bench::usual();
    let request = bench.send("a", read("/3/0/0"));
    let step = bench.wait(100.0);
    assert_eq!(step.sent().len(), 4);
    assert!(step.sent().iter().all(|copy| copy.encode() == request.encode()));
    assert_eq!(step.finished(), [("a".to_owned(), Outcome::TimedOut(None), None)]);
    // Whatever comes now comes too late.
    assert_eq!(bench.answer(&request, Code::CONTENT, Some(0), b"x").story(), "");
    let mut late = Message::new(Kind::Confirmable, Code::CONTENT, 9, request.token());
    late.set_payload(*b"EMQ");
    assert_eq!(bench.deliver(&late).story(), "→RST");
}

#[test]
fn urgent_commands_wait_for_nothing_and_block_nothing() {
    let mut bench = Bench::usual();
    bench.send("a", read("/3/0/0"));
    let urgent = Submission { operation: read("/3/0/9"), ticket: ticket("u"), expires: None, immediate: true };
    let (accepted, step) = bench.submit_as(urgent.clone());
    assert_eq!(accepted, Ok(Accepted::Sent));
    let request = step.message();
    assert_eq!(bench.answer(&request, Code::CONTENT, Some(0), b"7").finished()[0].0, "u");
    // Not even a flood of them grows without bound.
    let mut refused = 0;
    for _ in 0..200 {
        refused += usize::from(bench.submit_as(urgent.clone()).0.is_err());
    }
    assert_eq!(refused, 101);
}

#[test]
fn the_queue_is_bounded_and_expires() {
    let mut bench = Bench::registered_with(Policy { queue_max: 2, ..policy() }, &["ep=ep1", "lwm2m=1.0"], "</3/0>");
    bench.send("a", read("/3/0/0"));
    let expires = Some(bench.now + std::time::Duration::from_secs(5));
    let bounded = Submission { operation: read("/3/0/9"), ticket: ticket("b"), expires, immediate: false };
    assert_eq!(bench.submit_as(bounded.clone()).0, Ok(Accepted::Queued { waiting: 1 }));
    assert_eq!(bench.submit("c", read("/3")).0, Ok(Accepted::Queued { waiting: 2 }));
    assert_eq!(bench.submit("d", read("/3")).0, Err(Refused::QueueFull(2)));
    let step = bench.wait(6.0);
    assert_eq!(step.finished(), [("b".to_owned(), Outcome::TimedOut(Some("expired")), None)]);
    let (accepted, step) = bench.submit_as(bounded);
    assert_eq!(accepted, Ok(Accepted::Sent));
    assert_eq!(step.finished(), [("b".to_owned(), Outcome::TimedOut(Some("expired")), None)]);
    assert_eq!(bench.session.waiting(), 1);
}

#[test]
fn nothing_is_taken_without_a_registration() {
    let mut bench = Bench::new();
    let (refused, step) = bench.submit("a", read("/3"));
    assert_eq!((refused, step.story().as_str()), (Err(Refused::NotRegistered), ""));
}
