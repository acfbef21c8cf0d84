//! Sleeping devices (contract chapter 10, L-075 to L-083).
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod bench;
use bench::*;
use coap::{Code, Kind, Message};
use lwm2m::session::{Accepted, Cancelled, Event, Outcome, Policy, Refused, Submission};
use std::time::Duration;

fn sleeper() -> Bench {
    Bench::registered(&["ep=ep1", "lt=3600", "lwm2m=1.0", "b=UQ"], "</3/0>,</3303/0>")
}

fn queued(step: &Step) -> Option<usize> {
    step.events().into_iter().find_map(|event| match event {
        Event::Asleep { queued } => Some(*queued),
        _ => None,
    })
}

#[test]
fn a_device_without_queue_mode_never_sleeps() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=3600", "lwm2m=1.0", "b=U"], "</3/0>");
    assert_eq!(bench.wait(200.0).story(), "");
    bench.send("a", read("/3/0/0"));
}

#[test]
fn the_window_opens_with_the_last_datagram() {
    let mut bench = sleeper();
    assert_eq!(bench.wait(20.0).story(), "");
    assert!(bench.session.is_awake(bench.clock()));
    let ping = Message::new(Kind::Confirmable, Code::EMPTY, 77, &[]);
    bench.deliver(&ping);
    assert_eq!(bench.wait(21.0).story(), "");
    let request = bench.send("a", read("/3/0/0"));
    bench.answer(&request, Code::CONTENT, Some(0), b"x");
    assert_eq!(bench.wait(21.0).story(), "");
    let step = bench.wait(2.0);
    assert_eq!((step.story().as_str(), queued(&step)), ("Asleep", Some(0)));
    assert!(!bench.session.is_awake(bench.clock()));
    assert_eq!(bench.wait(1000.0).story(), "");
}

#[test]
fn while_asleep_commands_wait_and_nothing_is_sent() {
    let mut bench = sleeper();
    bench.wait(30.0);
    for (place, name) in ["a", "b", "c"].iter().enumerate() {
        let (accepted, step) = bench.submit(name, read("/3/0/0"));
        assert_eq!((accepted, step.story().as_str()), (Ok(Accepted::Queued { waiting: place + 1 }), ""));
    }
    assert_eq!(bench.wait(1000.0).story(), "");
    // The answer to the device first, then one command after the other.
    let step = bench.update(&[], "");
    assert_eq!(step.story(), "→2.04 Updated Awake →Get Sent");
    let mut request = step.sent()[1].clone();
    for (name, next) in [("a", true), ("b", true), ("c", false)] {
        bench.wait(20.0);
        let step = bench.answer(&request, Code::CONTENT, Some(0), b"x");
        assert_eq!(step.finished()[0].0, name);
        assert_eq!(step.sent().len(), usize::from(next));
        if next {
            request = step.message();
        }
    }
}

#[test]
fn an_acknowledged_command_holds_the_next_one_back() {
    let mut bench = sleeper();
    let first = bench.send("a", read("/3/0/0"));
    bench.submit("b", read("/3/0/0")).0.unwrap();
    assert_eq!(bench.deliver(&empty_ack(&first)).story(), "Acknowledged");
    // It may take longer than the window: the device said that it is at work.
    let step = bench.wait(60.0);
    assert_eq!((step.story().as_str(), queued(&step)), ("Asleep", Some(1)));
    let mut separate = Message::new(Kind::Confirmable, Code::CONTENT, 9, first.token());
    separate.set_payload(*b"x");
    assert_eq!(bench.deliver(&separate).story(), "→ACK Finished Awake →Get Sent");
}

#[test]
fn every_datagram_wakes() {
    let mut bench = sleeper();
    let observed = bench.observe("o", "/3/0/9");
    for number in 0..4 {
        bench.wait(30.0);
        bench.submit("a", read("/3/0/0")).0.unwrap();
        let step = match number {
            0 => {
                let notification = bench.notification(&observed, Kind::NonConfirmable, Code::CONTENT, Some(5), b"1");
                bench.deliver(&notification)
            }
            1 => bench.datagram(&[0x40, 0, 0x12, 0x34]),
            2 => bench.update(&[], ""),
            _ => bench.register(&["ep=ep1", "lt=3600", "lwm2m=1.0", "b=UQ"], "</3/0>"),
        };
        assert!(step.story().ends_with("Awake →Get Sent"), "{number}: {}", step.story());
        let request = step.sent().last().unwrap().clone();
        bench.answer(&request, Code::CONTENT, Some(0), b"x");
    }
}

#[test]
fn what_is_not_answered_in_the_window_waits_for_the_next() {
    let mut bench = sleeper();
    let first = bench.send("a", read("/3/0/0"));
    bench.submit("b", read("/3/0/9")).0.unwrap();
    let step = bench.wait(30.0);
    assert!(step.finished().is_empty());
    assert_eq!(queued(&step), Some(2));
    assert_eq!(bench.wait(500.0).sent().len(), 0);
    let step = bench.update(&[], "");
    let again = step.sent()[1].clone();
    assert_eq!(segments(&again), segments(&first));
    let step = bench.answer(&again, Code::CONTENT, Some(0), b"x");
    assert_eq!(step.finished()[0].0, "a");
    assert_eq!(segments(&step.message()), ["3", "0", "9"]);
}

#[test]
fn what_must_not_be_sent_twice_times_out_with_the_window() {
    let mut bench = sleeper();
    bench.send("x", execute("/3/0/4"));
    let step = bench.wait(30.0);
    assert_eq!(step.finished(), [("x".to_owned(), Outcome::TimedOut(Some("no answer while awake")), None)]);
}

#[test]
fn a_command_that_is_never_answered_does_not_block_for_ever() {
    let mut bench = sleeper();
    bench.send("a", read("/3/0/0"));
    bench.submit("b", read("/3/0/9")).0.unwrap();
    let mut finished = bench.wait(30.0).finished();
    for _ in 0..2 {
        assert!(finished.is_empty());
        bench.update(&[], "");
        finished = bench.wait(30.0).finished();
    }
    assert_eq!(finished, [("a".to_owned(), Outcome::TimedOut(Some("no answer while awake")), None)]);
    let step = bench.update(&[], "");
    assert_eq!(segments(&step.sent()[1]), ["3", "0", "9"]);
}

#[test]
fn given_up_by_retransmission_means_asleep() {
    let mut coap = coap::Config::default();
    coap.transmission.ack_timeout = Duration::from_millis(100);
    let policy = Policy { coap: coap.into(), ..policy() };
    let mut bench = Bench::registered_with(policy, &["ep=ep1", "lt=3600", "lwm2m=1.0", "b=UQ"], "</3/0>");
    bench.send("a", read("/3/0/0"));
    bench.submit("b", read("/3/0/9")).0.unwrap();
    let step = bench.wait(10.0);
    assert_eq!(step.finished(), [("a".to_owned(), Outcome::TimedOut(None), None)]);
    assert_eq!(queued(&step), Some(1));
    assert_eq!(bench.update(&[], "").sent().len(), 2);
}

#[test]
fn a_waiting_command_expires_unsent() {
    let mut bench = sleeper();
    bench.wait(30.0);
    let expires = Some(bench.now + Duration::from_secs(60));
    let submission = Submission { operation: read("/3"), ticket: ticket("a"), expires, immediate: false };
    bench.submit_as(submission).0.unwrap();
    assert_eq!(bench.wait(59.0).story(), "");
    assert_eq!(bench.wait(2.0).finished(), [("a".to_owned(), Outcome::TimedOut(Some("expired")), None)]);
    assert_eq!(bench.update(&[], "").story(), "→2.04 Updated Awake");
}

#[test]
fn urgent_commands_go_out_to_a_sleeper() {
    let mut bench = sleeper();
    bench.wait(30.0);
    let submission = Submission { operation: read("/3"), ticket: ticket("a"), expires: None, immediate: true };
    let (accepted, step) = bench.submit_as(submission);
    assert_eq!((accepted, step.sent().len()), (Ok(Accepted::Sent), 1));
}

#[test]
fn sleeping_does_not_prolong_life() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=30", "lwm2m=1.1", "Q"], "</3/0>");
    assert_eq!(bench.wait(31.0).story(), "Asleep Ended");
}

#[test]
fn waiting_commands_survive_a_new_registration() {
    let mut bench = sleeper();
    bench.wait(30.0);
    bench.submit("a", read("/3/0/0")).0.unwrap();
    let register = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=1.0", "b=UQ"], b"</3/0>");
    let new = address(50_000);
    let step = bench.datagram_from(new, &register.encode());
    assert_eq!(step.story(), "→2.01 Moved Registered Awake →Get Sent");
    bench.home = new;
    let request = step.sent()[1].clone();
    assert_eq!(bench.answer(&request, Code::CONTENT, Some(0), b"x").finished()[0].0, "a");
}

#[test]
fn leaving_queue_mode_releases_the_commands() {
    let mut bench = sleeper();
    bench.wait(30.0);
    bench.submit("a", read("/3/0/0")).0.unwrap();
    assert_eq!(bench.update(&["b=U"], "").story(), "→2.04 Updated Awake →Get Sent");
    assert!(bench.session.is_awake(bench.clock()));
}

#[test]
fn what_waits_can_be_taken_back_and_what_is_sent_cannot() {
    let mut bench = sleeper();
    let request = bench.send("a", read("/3/0/0"));
    for name in ["b", "c", "b"] {
        bench.submit(name, read("/3/0/1")).0.unwrap();
    }
    let now = bench.clock();
    let found = bench.session.cancel(now, |other| *other == ticket("b"));
    assert_eq!(found, Cancelled { waiting: 2, on_the_wire: 0 });
    let cancelled = ("b".to_owned(), Outcome::TimedOut(Some("cancelled")), None);
    assert_eq!(bench.drain().finished(), [cancelled.clone(), cancelled]);
    assert_eq!(bench.stored.as_ref().unwrap().commands.len(), 2);
    let found = bench.session.cancel(now, |other| *other == ticket("a"));
    assert_eq!(found, Cancelled { waiting: 0, on_the_wire: 1 });
    let found = bench.session.cancel(now, |other| *other == ticket("d"));
    assert_eq!(found, Cancelled::default());
    assert_eq!(bench.drain().story(), "");
    // The others are not disturbed.
    let step = bench.answer(&request, Code::CONTENT, Some(0), b"x");
    assert_eq!((step.finished()[0].0.as_str(), step.sent().len()), ("a", 1));
}

#[test]
fn what_was_accepted_before_a_restart_is_never_too_much() {
    let mut bench = Bench::registered_with(
        Policy { queue_max: 2, ..policy() },
        &["ep=ep1", "lt=3600", "lwm2m=1.0", "b=UQ"],
        "</3/0>",
    );
    bench.wait(30.0);
    let submission =
        |name: &str| Submission { operation: read("/3"), ticket: ticket(name), expires: None, immediate: false };
    for place in 1..=3 {
        let now = bench.clock();
        assert_eq!(bench.session.resubmit(now, submission("a")), Ok(Accepted::Queued { waiting: place }));
    }
    let now = bench.clock();
    assert_eq!(bench.session.submit(now, submission("b")), Err(Refused::QueueFull(3)));
}
