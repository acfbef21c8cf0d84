//! Observations: established, replaced, cancelled, notified, silent (contract chapter 8, RFC 7641).
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod bench;
use bench::*;
use coap::{Code, Kind, Message, option};
use lwm2m::session::operation::{Attribute, Operation};
use lwm2m::session::{Accepted, Content, Event, Outcome};
use lwm2m::{Node, Value};

const CON: Kind = Kind::Confirmable;
const NON: Kind = Kind::NonConfirmable;

fn integer(value: i64) -> Vec<Node> {
    vec![Node::new(path("/3/0/9"), Value::Integer(value))]
}

#[test]
fn the_first_answer_is_the_commands_the_others_are_notifications() {
    let mut bench = Bench::usual();
    let request = bench.send("o", observe("/3/0/9"));
    assert_eq!(request.observe(), Some(0));
    let mut answer = response(&request, Code::CONTENT, Some(0), b"100");
    answer.add_uint(option::OBSERVE, 7);
    let step = bench.deliver(&answer);
    let [(name, Outcome::Answered(answer), sequence)] = &step.finished()[..] else { panic!("{:?}", step.outputs) };
    assert_eq!((name.as_str(), nodes(answer), *sequence), ("o", integer(100), Some(7)));
    let notification = bench.notification(&request, NON, Code::CONTENT, Some(8), b"90");
    let step = bench.deliver(&notification);
    let [(name, 8, answer, None)] = &step.notified()[..] else { panic!("{:?}", step.outputs) };
    assert_eq!((name.as_str(), nodes(answer)), ("o", integer(90)));
    assert_eq!(step.sent().len(), 0);
    assert_eq!(bench.session.observing(), 1);
}

#[test]
fn a_separate_first_answer_is_no_notification() {
    let mut bench = Bench::usual();
    let request = bench.send("o", observe("/3/0/9"));
    bench.deliver(&empty_ack(&request));
    let mut separate = Message::new(CON, Code::CONTENT, 9, request.token());
    separate.add_uint(option::OBSERVE, 3);
    separate.set_payload(*b"100");
    let step = bench.deliver(&separate);
    assert_eq!(step.story(), "→ACK Finished");
    assert_eq!(step.finished()[0].2, Some(3));
}

#[test]
fn an_answer_without_observe_observes_nothing() {
    let mut bench = Bench::usual();
    let request = bench.send("o", observe("/3/0/9"));
    let step = bench.answer(&request, Code::CONTENT, Some(0), b"100");
    assert_eq!((step.finished()[0].2, bench.session.observing()), (None, 0));
    let notification = bench.notification(&request, CON, Code::CONTENT, Some(8), b"90");
    assert_eq!(bench.deliver(&notification).story(), "→RST");
}

#[test]
fn a_confirmable_notification_is_acknowledged_when_it_is_safe() {
    let mut bench = Bench::usual();
    let request = bench.observe("o", "/3/0/9");
    let notification = bench.notification(&request, CON, Code::CONTENT, Some(8), b"90");
    let step = bench.deliver(&notification);
    assert_eq!(step.story(), "Notified");
    // The device repeats itself meanwhile: neither a second event nor an ACK.
    assert_eq!(bench.deliver(&notification).story(), "");
    let delivery = step.notified()[0].3.unwrap();
    let now = bench.clock();
    bench.session.confirm(now, delivery);
    assert_eq!(bench.drain().story(), "→ACK");
    assert_eq!(bench.deliver(&notification).story(), "→ACK");
    bench.session.confirm(now, delivery);
    assert_eq!(bench.drain().story(), "");
}

#[test]
fn a_declined_notification_is_delivered_again() {
    let mut bench = Bench::usual();
    let request = bench.observe("o", "/3/0/9");
    let notification = bench.notification(&request, CON, Code::CONTENT, Some(8), b"90");
    let delivery = bench.deliver(&notification).notified()[0].3.unwrap();
    let now = bench.clock();
    bench.session.decline(now, delivery);
    assert_eq!(bench.drain().story(), "");
    assert_eq!(bench.deliver(&notification).story(), "Notified");
}

#[test]
fn stale_and_repeated_notifications_are_acknowledged_only() {
    let mut bench = Bench::usual();
    let request = bench.observe("o", "/3/0/9");
    let fresh = bench.notification(&request, NON, Code::CONTENT, Some(8), b"90");
    assert_eq!(bench.deliver(&fresh).story(), "Notified");
    let stale = bench.notification(&request, CON, Code::CONTENT, Some(7), b"80");
    assert_eq!(bench.deliver(&stale).story(), "→ACK");
    bench.wait(129.0);
    let old_number = bench.notification(&request, NON, Code::CONTENT, Some(2), b"70");
    assert_eq!(bench.deliver(&old_number).story(), "Notified");
}

#[test]
fn an_error_notification_ends_the_observation() {
    let mut bench = Bench::usual();
    for (kind, story) in [(NON, "Notified ObservationEnded"), (CON, "Notified")] {
        let request = bench.observe("o", "/3/0/9");
        let error = bench.notification(&request, kind, Code::NOT_FOUND, None, b"gone");
        let step = bench.deliver(&error);
        assert_eq!(step.story(), story);
        let (_, _, answer, delivery) = step.notified().remove(0);
        assert_eq!((answer.code, answer.diagnostic.as_deref()), (Code::NOT_FOUND, Some("gone")));
        if let Some(delivery) = delivery {
            let now = bench.clock();
            bench.session.confirm(now, delivery);
            assert_eq!(bench.drain().story(), "→ACK ObservationEnded");
        }
        assert_eq!(bench.session.observing(), 0);
        let later = bench.notification(&request, CON, Code::CONTENT, Some(90), b"1");
        assert_eq!(bench.deliver(&later).story(), "→RST");
    }
}

#[test]
fn a_declined_error_notification_comes_again() {
    let mut bench = Bench::usual();
    let request = bench.observe("o", "/3/0/9");
    let error = bench.notification(&request, CON, Code::NOT_FOUND, None, b"");
    let delivery = bench.deliver(&error).notified()[0].3.unwrap();
    let now = bench.clock();
    bench.session.decline(now, delivery);
    assert_eq!(bench.drain().story(), "");
    assert_eq!(bench.session.observing(), 1);
    assert_eq!(bench.deliver(&error).story(), "Notified");
}

#[test]
fn an_undecodable_notification_is_reported_as_such() {
    let mut bench = Bench::usual();
    let request = bench.observe("o", "/3/0/9");
    let notification = bench.notification(&request, NON, Code::CONTENT, Some(8), b"seven");
    let (_, _, answer, _) = bench.deliver(&notification).notified().remove(0);
    assert_eq!((answer.code, answer.content), (Code::BAD_REQUEST, Content::None));
    assert_eq!(bench.session.observing(), 1);
}

#[test]
fn valid_is_no_value() {
    let mut bench = Bench::usual();
    let request = bench.observe("o", "/3/0/9");
    let notification = bench.notification(&request, CON, Code::VALID, Some(8), b"");
    assert_eq!(bench.deliver(&notification).story(), "→ACK");
    assert_eq!(bench.session.observing(), 1);
}

#[test]
fn notifications_of_unknown_tokens_are_reset() {
    let mut bench = Bench::usual();
    let foreign = Message::new(CON, GET, 1, &[0xde, 0xad, 0xbe, 0xef]);
    let notification = bench.notification(&foreign, CON, Code::CONTENT, Some(1), b"1");
    assert_eq!(bench.deliver(&notification).story(), "→RST");
}

#[test]
fn observing_again_replaces_under_the_same_token() {
    let mut bench = Bench::usual();
    let first = bench.observe("one", "/3/0/9");
    let second = bench.observe("two", "/3/0/9");
    assert_eq!(second.token(), first.token());
    assert_eq!(bench.session.observing(), 1);
    let notification = bench.notification(&second, NON, Code::CONTENT, Some(8), b"90");
    assert_eq!(bench.deliver(&notification).notified()[0].0, "two");
    assert_eq!(bench.stored.as_ref().unwrap().observations.len(), 1);
}

#[test]
fn a_refused_second_observe_ends_the_first() {
    let mut bench = Bench::usual();
    bench.observe("one", "/3/0/9");
    let again = bench.send("two", observe("/3/0/9"));
    let step = bench.answer(&again, Code::NOT_FOUND, None, b"");
    assert_eq!(step.story(), "ObservationEnded Finished");
    assert_eq!(bench.session.observing(), 0);
}

#[test]
fn different_subjects_are_different_observations() {
    let mut bench = Bench::usual();
    let mut requests = Vec::new();
    for (index, text) in ["/3/0/9", "/3/0/10", "/3/0", "/3303/0/5700"].iter().enumerate() {
        requests.push(bench.send(&index.to_string(), observe(text)));
        let mut answer = response(&requests[index], Code::CONTENT, Some(42), b"1");
        answer.add_uint(option::OBSERVE, 1);
        bench.deliver(&answer);
    }
    assert_eq!(bench.session.observing(), 4);
    let notification = bench.notification(&requests[3], NON, Code::CONTENT, Some(8), b"20.5");
    let (name, _, answer, _) = bench.deliver(&notification).notified().remove(0);
    assert_eq!((name.as_str(), nodes(&answer)), ("3", vec![Node::new(path("/3303/0/5700"), Value::Float(20.5))]));
}

#[test]
fn cancelling_names_the_observation_by_its_token() {
    let mut bench = Bench::usual();
    let request = bench.observe("o", "/3/0/9");
    let cancel_request = bench.send("c", cancel("/3/0/9", false));
    assert_eq!((cancel_request.observe(), cancel_request.token()), (Some(1), request.token()));
    assert_eq!(segments(&cancel_request), segments(&request));
    let step = bench.answer(&cancel_request, Code::CONTENT, Some(0), b"5");
    assert_eq!((nodes(&step.answer()), step.finished()[0].2), (integer(5), None));
    assert_eq!(bench.session.observing(), 0);
    let notification = bench.notification(&request, CON, Code::CONTENT, Some(8), b"90");
    assert_eq!(bench.deliver(&notification).story(), "→RST");
    // Nothing to cancel: sent all the same.
    let cancel_request = bench.send("c", cancel("/3/0/9", false));
    assert!(!cancel_request.token().is_empty());
    assert_eq!(bench.answer(&cancel_request, Code::NOT_FOUND, None, b"").answer().code, Code::NOT_FOUND);
}

#[test]
fn a_passive_cancellation_says_nothing_until_the_next_notification() {
    let mut bench = Bench::usual();
    let request = bench.observe("o", "/3/0/9");
    let (accepted, step) = bench.submit("c", cancel("/3/0/9", true));
    assert_eq!(accepted, Ok(Accepted::Sent));
    assert_eq!(step.story(), "Finished");
    assert_eq!((step.answer().code, step.answer().content), (Code::CONTENT, Content::None));
    let notification = bench.notification(&request, CON, Code::CONTENT, Some(8), b"90");
    assert_eq!(bench.deliver(&notification).story(), "→RST");
}

#[test]
fn an_observation_that_missed_its_pmax_is_asked_for_again() {
    for answers in [true, false] {
        let mut bench = Bench::registered(&["ep=ep1", "lt=3000", "lwm2m=1.0"], "</3/0>");
        let attributes = vec![Attribute { name: "pmax", value: Some("60".to_owned()) }];
        let write = bench.send("w", Operation::WriteAttributes { target: target("/3/0/9"), attributes });
        bench.answer(&write, Code::CHANGED, None, b"");
        let request = bench.observe("o", "/3/0/9");
        bench.wait(50.0);
        let notification = bench.notification(&request, NON, Code::CONTENT, Some(8), b"90");
        bench.deliver(&notification);
        assert_eq!(bench.wait(60.0 + 92.0).story(), "");
        let step = bench.wait(2.0);
        let again = step.message();
        assert_eq!((again.observe(), segments(&again)), (Some(0), segments(&request)));
        if answers {
            let mut answer = response(&again, Code::CONTENT, Some(0), b"42");
            answer.add_uint(option::OBSERVE, 1);
            let step = bench.deliver(&answer);
            let [(name, 1, answer, None)] = &step.notified()[..] else { panic!("{:?}", step.outputs) };
            assert_eq!((name.as_str(), nodes(answer)), ("o", integer(42)));
            let notification = bench.notification(&again, NON, Code::CONTENT, Some(2), b"90");
            assert_eq!(bench.deliver(&notification).notified()[0].0, "o");
        } else {
            // Out of reach: the observation stays, and what the device says about it counts.
            let step = bench.wait(100.0);
            assert!(step.events().is_empty(), "nobody asked for it: {:?}", step.outputs);
            assert_eq!(bench.session.observing(), 1);
            // Heard again, it is asked once more; now it says that it does not observe.
            let step = bench.update(&[], "");
            assert_eq!(step.story(), "→2.04 Updated →Get Sent");
            let step = bench.answer(&step.sent()[1], Code::CONTENT, Some(0), b"42");
            let lost =
                step.events().into_iter().any(|event| matches!(event, Event::ObservationEnded { lost: true, .. }));
            assert!(lost, "{:?}", step.outputs);
            assert_eq!(bench.session.observing(), 0);
        }
    }
}

#[test]
fn silence_without_a_promise_means_nothing() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=86400", "lwm2m=1.0"], "</3/0>");
    bench.observe("o", "/3/0/9");
    assert_eq!(bench.wait(10_000.0).story(), "");
    assert_eq!(bench.session.observing(), 1);
}

#[test]
fn deliveries_that_nobody_settles_are_bounded() {
    let mut bench = Bench::usual();
    let request = bench.observe("o", "/3/0/9");
    let mut deliveries = Vec::new();
    for sequence in 2..200 {
        let notification = bench.notification(&request, CON, Code::CONTENT, Some(sequence), b"90");
        deliveries.extend(bench.deliver(&notification).notified().into_iter().filter_map(|(.., delivery)| delivery));
    }
    let now = bench.clock();
    let mut acknowledged = 0;
    for delivery in deliveries {
        bench.session.confirm(now, delivery);
        acknowledged += bench.drain().sent().len();
    }
    assert!(acknowledged <= 64, "{acknowledged}");
}
