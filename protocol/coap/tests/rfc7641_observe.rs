//! RFC 7641: this side observes.
mod common;
use coap::peer::{Failure, ObservationState};
use coap::{Code, Kind, Message, Method, Output, Receipt, Request};
use common::*;

/// A fresh notification's receipt.
fn fresh(outputs: &[Output], exchange: coap::ExchangeId) -> Option<Receipt> {
    let (_, receipt, ended) = notification_of(outputs, exchange);
    assert!(!ended);
    receipt
}

/// RFC 7641 figure 3, without its cache: registration, two notifications. C-066, C-067, C-072
#[test]
fn figure_3_an_observation_with_changing_notifications() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(observe("temperature"));
    assert_eq!(
        (request.method(), request.observe(), request.value(option::OBSERVE)),
        (Some(Method::Get), Some(0), Some(&[][..]))
    );
    let mut answer = piggyback(&request, Code::CONTENT, b"18.5 Cel");
    answer.add_uint(option::OBSERVE, 9);
    answer.add_uint(option::MAX_AGE, 15);
    let (response, observing) = response_of(&bench.receive(&answer), exchange);
    assert!(observing);
    assert_eq!((response.observe, response.max_age), (Some(9), Some(15)));
    let script =
        [(Kind::NonConfirmable, 16, "19.2 Cel"), (Kind::Confirmable, 25, "19.7 Cel"), (Kind::NonConfirmable, 26, "x")];
    for (kind, sequence, value) in script {
        let message = bench.notification(kind, &request, sequence, value.as_bytes());
        let outputs = bench.receive(&message);
        assert!(datagrams(&outputs).is_empty(), "the ACK waits");
        let (response, receipt, ended) = notification_of(&outputs, exchange);
        assert_eq!((response.payload.as_slice(), response.observe), (value.as_bytes(), Some(sequence)));
        assert_eq!((receipt.is_some(), ended), (kind == Kind::Confirmable, false));
        if let Some(receipt) = receipt {
            assert_eq!(datagrams(&bench.confirm(receipt)), [empty_ack(message.id())]);
            assert!(bench.confirm(receipt).is_empty(), "once");
        }
    }
    bench.assert_idle();
}

/// C-067, C-068: without a valid Observe option there is no observation.
#[test]
fn no_observation_without_observe_in_the_answer() {
    for (value, code, established) in [
        (None, Code::CONTENT, false),
        (Some(&[0, 0, 0, 1][..]), Code::CONTENT, false),
        (Some(&[][..]), Code::CONTENT, true),
        (Some(&[1]), Code::CONTENT, true),
        (Some(&[1, 2]), Code::CONTENT, true),
        (Some(&[1, 2, 3]), Code::CONTENT, true),
        (Some(&[1]), Code::NOT_FOUND, false),
    ] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.send(observe("3303/0"));
        let mut answer = piggyback(&request, code, b"v");
        if let Some(value) = value {
            answer.add_option(option::OBSERVE, value);
        }
        let (_, observing) = response_of(&bench.receive(&answer), exchange);
        assert_eq!(observing, established, "{value:?} {code}");
        assert_eq!(bench.peer.observation(exchange).is_some(), established);
        let message = bench.notification(Kind::Confirmable, &request, 0x20_0000, b"w");
        let outputs = bench.receive(&message);
        assert_eq!(datagrams(&outputs).is_empty(), established, "else reset");
        bench.assert_idle();
    }
}

/// C-069, C-070: the freshness rule, in arithmetic modulo 2^24 and with the 128 s of §3.4.
#[test]
fn stale_notifications_are_acknowledged_and_not_delivered() {
    // (first, seconds until the second, second, fresh)
    let table = [
        (5, 1.0, 6, true),
        (5, 1.0, 4, false),
        (5, 1.0, 5, false),
        (5, 127.0, 4, false),
        (5, 129.0, 4, true),
        (5, 129.0, 5, true),
        (0xff_ffff, 1.0, 0, true),
        (0, 1.0, 0xff_ffff, false),
        (0, 1.0, (1 << 23) - 1, true),
        (0, 1.0, 1 << 23, false),
        (1 << 23, 1.0, 0, false),
        ((1 << 23) + 1, 1.0, 0, true),
    ];
    for (first, seconds, second, expected) in table {
        for kind in [Kind::Confirmable, Kind::NonConfirmable] {
            let mut bench = Bench::new();
            let (exchange, request) = bench.observe("3303/0", first);
            bench.wait_seconds(seconds);
            let message = bench.notification(kind, &request, second, b"v");
            let outputs = bench.receive(&message);
            let stale = bench.counters().stale_notifications;
            if expected {
                assert_eq!(fresh(&outputs, exchange).is_some(), kind == Kind::Confirmable);
                assert_eq!(stale, 0, "{first} {seconds} {second}");
            } else {
                let answer = if kind == Kind::Confirmable { vec![empty_ack(message.id())] } else { vec![] };
                assert_eq!((datagrams(&outputs), events(&outputs).len(), stale), (answer, 0, 1), "{first} {second}");
            }
        }
    }
}

/// C-071: the copy of a notification that is still held is swallowed; of a confirmed one it is acknowledged again.
#[test]
fn duplicates_of_a_notification_are_delivered_once() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.observe("3303/0", 1);
    let message = bench.notification(Kind::Confirmable, &request, 2, b"v");
    let receipt = fresh(&bench.receive(&message), exchange).expect("confirmable");
    assert!(bench.receive(&message).is_empty());
    assert_eq!(datagrams(&bench.confirm(receipt)), [empty_ack(message.id())]);
    assert_eq!(datagrams(&bench.receive(&message)), [empty_ack(message.id())]);
    assert_eq!((bench.counters().duplicates, bench.counters().stale_notifications), (2, 0));
}

/// A declined notification never came: its copy is delivered again, also when it ended the observation.
#[test]
fn a_declined_notification_is_delivered_again() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.observe("3303/0", 1);
    let message = bench.notification(Kind::Confirmable, &request, 2, b"v");
    for _ in 0..3 {
        let receipt = fresh(&bench.receive(&message), exchange).expect("confirmable");
        assert!(bench.decline(receipt).is_empty());
        assert!(bench.confirm(receipt).is_empty(), "it is gone");
    }
    let last = bench.separate(Kind::Confirmable, &request, Code::NOT_FOUND, b"");
    for _ in 0..2 {
        let (_, receipt, ended) = notification_of(&bench.receive(&last), exchange);
        assert!(ended);
        bench.decline(receipt.expect("confirmable"));
    }
    let (_, receipt, _) = notification_of(&bench.receive(&last), exchange);
    assert_eq!(datagrams(&bench.confirm(receipt.expect("confirmable"))), [empty_ack(last.id())]);
    assert!(bench.peer.observation(exchange).is_none());
}

/// A newer notification was taken in the meantime: the declined one stays behind.
#[test]
fn declining_an_older_notification_does_not_turn_back_the_newer() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.observe("3303/0", 1);
    let older = bench.notification(Kind::Confirmable, &request, 2, b"old");
    let receipt = fresh(&bench.receive(&older), exchange).expect("confirmable");
    let newer = bench.notification(Kind::Confirmable, &request, 3, b"new");
    fresh(&bench.receive(&newer), exchange);
    bench.decline(receipt);
    assert_eq!(datagrams(&bench.receive(&older)), [empty_ack(older.id())]);
    assert_eq!(bench.peer.observation(exchange).map(|state| state.sequence), Some(3));
    assert_eq!(bench.counters().stale_notifications, 1);
}

/// C-148: notifications held back are bounded: one too many is not taken in, and its repetition is, when there is room.
#[test]
fn held_notifications_are_bounded() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.observe("3303/0", 1);
    let mut receipts = Vec::new();
    for sequence in 2..34 {
        let message = bench.notification(Kind::Confirmable, &request, sequence, b"v");
        receipts.extend(fresh(&bench.receive(&message), exchange));
    }
    assert_eq!(receipts.len(), 32);
    let message = bench.notification(Kind::Confirmable, &request, 40, b"v");
    assert!(bench.receive(&message).is_empty());
    bench.confirm(receipts[0]);
    assert!(fresh(&bench.receive(&message), exchange).is_some());
}

/// C-073: an error ends the observation; the next notification is reset.
#[test]
fn an_error_notification_ends_the_observation() {
    for kind in [Kind::Confirmable, Kind::NonConfirmable] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.observe("3303/0", 1);
        let message = bench.separate(kind, &request, Code::NOT_FOUND, b"gone");
        let (response, receipt, ended) = notification_of(&bench.receive(&message), exchange);
        assert_eq!((response.code, response.payload.as_slice(), ended), (Code::NOT_FOUND, b"gone".as_slice(), true));
        if let Some(receipt) = receipt {
            assert_eq!(datagrams(&bench.confirm(receipt)), [empty_ack(message.id())]);
        }
        let next = bench.notification(Kind::Confirmable, &request, 9, b"v");
        assert_eq!(datagrams(&bench.receive(&next)), [rst(next.id())]);
        bench.assert_idle();
    }
}

/// RFC 7641 §3.2: a notification without Observe is the last one.
#[test]
fn a_response_without_observe_ends_the_observation() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.observe("3303/0", 1);
    let message = bench.separate(Kind::NonConfirmable, &request, Code::CONTENT, b"v");
    assert!(notification_of(&bench.receive(&message), exchange).2);
    assert!(bench.peer.observation(exchange).is_none());
}

/// C-074, C-076: cancelling uses the same token and the same options; from then on CON notifications are reset.
#[test]
fn active_cancellation_repeats_the_request_with_observe_1() {
    let mut bench = Bench::new();
    let asked = Request { accept: Some(11542), query: vec!["a=1".into()], ..observe("3303/0") };
    let (exchange, request) = bench.send(asked.clone());
    let mut answer = piggyback(&request, Code::CONTENT, b"v");
    answer.add_uint(option::OBSERVE, 1);
    response_of(&bench.receive(&answer), exchange);
    let (cancelling, cancel) = bench.send(Request { observe: Some(1), ..asked });
    let without_observe = |message: &Message| {
        let options = message.options().filter(|(number, _)| *number != option::OBSERVE);
        options.map(|(number, values)| (number, values.map(<[u8]>::to_vec).collect())).collect::<Vec<(u16, Vec<_>)>>()
    };
    assert_eq!((cancel.token(), cancel.code()), (request.token(), request.code()));
    assert_eq!(without_observe(&cancel), without_observe(&request));
    assert_eq!(cancel.observe(), Some(1));
    assert!(bench.peer.observation(exchange).is_none());
    // One that was on its way is not taken for the answer.
    let crossing = bench.notification(Kind::Confirmable, &request, 2, b"v");
    assert_eq!(datagrams(&bench.receive(&crossing)), [rst(crossing.id())]);
    let (_, observing) = response_of(&bench.receive(&piggyback(&cancel, Code::CONTENT, b"v")), cancelling);
    assert!(!observing);
    let late = bench.notification(Kind::Confirmable, &request, 3, b"v");
    assert_eq!(datagrams(&bench.receive(&late)), [rst(late.id())]);
    bench.assert_idle();
}

/// Cancelling what is not observed goes out with a token of its own.
#[test]
fn cancelling_what_is_not_observed_is_an_ordinary_request() {
    let mut bench = Bench::new();
    let (observed, request) = bench.observe("3303/0", 1);
    let (exchange, cancel) = bench.send(Request { observe: Some(1), ..get("3303/1") });
    assert_ne!(cancel.token(), request.token());
    response_of(&bench.receive(&piggyback(&cancel, Code::CONTENT, b"v")), exchange);
    assert!(bench.peer.observation(observed).is_some());
}

/// C-075: passive: forgotten here, and reset at the next notification with its message id.
#[test]
fn passive_cancellation_resets_the_next_notification() {
    for kind in [Kind::Confirmable, Kind::NonConfirmable] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.observe("3303/0", 1);
        bench.peer.forget(exchange);
        let message = bench.notification(kind, &request, 2, b"v");
        assert_eq!(datagrams(&bench.receive(&message)), [rst(message.id())], "{kind:?}");
        assert_eq!(bench.counters().resets_sent, 1);
        bench.assert_idle();
    }
}

/// C-077: observing the same again uses the same token, and the new exchange takes the observation over.
#[test]
fn observing_again_replaces_the_observation() {
    let mut bench = Bench::new();
    let (first, request) = bench.observe("3303/0", 1);
    let (second, again) = bench.send(observe("3303/0"));
    assert_eq!(again.token(), request.token());
    let mut answer = piggyback(&again, Code::CONTENT, b"v");
    answer.add_uint(option::OBSERVE, 7);
    assert!(response_of(&bench.receive(&answer), second).1);
    assert!(bench.peer.observation(first).is_none());
    let message = bench.notification(Kind::NonConfirmable, &request, 8, b"v");
    fresh(&bench.receive(&message), second);
}

/// C-078: the observation lives on while a renewal is not answered, and ends if the device refuses it.
#[test]
fn a_renewal_that_is_refused_ends_the_observation_and_one_in_silence_does_not() {
    let mut bench = Bench::new();
    let (first, request) = bench.observe("3303/0", 1);
    let (second, _) = bench.send(observe("3303/0"));
    let outputs = bench.wait_seconds(93.0);
    assert!(outputs.iter().any(|output| matches!(output, Output::TimedOut { exchange, .. } if *exchange == second)));
    let message = bench.notification(Kind::NonConfirmable, &request, 2, b"v");
    fresh(&bench.receive(&message), first);
    let (third, renewal) = bench.send(observe("3303/0"));
    assert!(!response_of(&bench.receive(&piggyback(&renewal, Code::NOT_FOUND, b"")), third).1);
    assert!(bench.peer.observation(first).is_none());
    let message = bench.notification(Kind::Confirmable, &request, 3, b"v");
    assert_eq!(datagrams(&bench.receive(&message)), [rst(message.id())]);
}

/// C-079
#[test]
fn the_format_may_change_from_notification_to_notification() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.observe("3303/0", 1);
    for (sequence, format) in [(2, 11542), (3, 110), (4, 112)] {
        let mut message = bench.notification(Kind::NonConfirmable, &request, sequence, b"v");
        message.add_uint(option::CONTENT_FORMAT, format);
        assert_eq!(notification_of(&bench.receive(&message), exchange).0.content_format, Some(format as u16));
    }
}

/// C-081: a new registration forgets all observations.
#[test]
fn forgetting_all_leaves_nothing() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.observe("3303/0", 1);
    let held = bench.notification(Kind::Confirmable, &request, 2, b"v");
    let receipt = fresh(&bench.receive(&held), exchange).expect("confirmable");
    bench.send(get("1"));
    bench.peer.forget_all();
    bench.assert_idle();
    // What was already delivered may still be acknowledged; declining brings nothing back.
    assert!(bench.decline(receipt).is_empty());
    let message = bench.notification(Kind::Confirmable, &request, 3, b"v");
    assert_eq!(datagrams(&bench.receive(&message)), [rst(message.id())]);
}

/// A declined last notification of a forgotten observation does not bring it back.
#[test]
fn declining_does_not_revive_what_was_forgotten() {
    for all in [true, false] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.observe("3303/0", 1);
        let last = bench.separate(Kind::Confirmable, &request, Code::NOT_FOUND, b"");
        let (_, receipt, _) = notification_of(&bench.receive(&last), exchange);
        match all {
            true => bench.peer.forget_all(),
            false => bench.peer.forget(exchange),
        }
        bench.decline(receipt.expect("confirmable"));
        assert!(bench.peer.observation(exchange).is_none());
        assert_eq!(datagrams(&bench.receive(&last)), [rst(last.id())]);
    }
}

/// C-083: 2.03 says "unchanged" about an ETag that was never sent: acknowledged, no event.
#[test]
fn valid_without_etag_is_no_news() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.observe("3303/0", 1);
    let mut message = bench.separate(Kind::Confirmable, &request, Code::VALID, b"");
    message.add_uint(option::OBSERVE, 2);
    assert_eq!(datagrams(&bench.receive(&message)), [empty_ack(message.id())]);
    assert_eq!(bench.peer.observation(exchange).map(|state| state.sequence), Some(2));
}

/// C-084, C-110: observations by FETCH are told apart by their bodies.
#[test]
fn composite_observations_are_told_apart_by_their_paths() {
    let mut bench = Bench::new();
    let composite = |paths: &[u8]| Request { observe: Some(0), ..with_body(Method::Fetch, "", paths) };
    let mut requests = Vec::new();
    for paths in [b"paths one", b"paths two"] {
        let (exchange, request) = bench.send(composite(paths));
        let mut answer = piggyback(&request, Code::CONTENT, b"v");
        answer.add_uint(option::OBSERVE, 1);
        assert!(response_of(&bench.receive(&answer), exchange).1);
        requests.push((exchange, request));
    }
    assert_ne!(requests[0].1.token(), requests[1].1.token());
    let (_, cancel) = bench.send(Request { observe: Some(1), ..composite(b"paths one") });
    assert_eq!((cancel.token(), cancel.payload()), (requests[0].1.token(), b"paths one".as_slice()));
    let message = bench.notification(Kind::NonConfirmable, &requests[1].1, 2, b"v");
    fresh(&bench.receive(&message), requests[1].0);
}

/// A notification with an unknown critical option: a CON is reset, which ends the observation; a NON is ignored. C-052
#[test]
fn a_notification_that_cannot_be_understood_ends_the_observation_if_confirmable() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.observe("3303/0", 1);
    let mut message = bench.notification(Kind::NonConfirmable, &request, 2, b"v");
    message.add_option(65_001, b"x".as_slice());
    assert!(bench.receive(&message).is_empty());
    let mut message = bench.notification(Kind::Confirmable, &request, 3, b"v");
    message.add_option(65_001, b"x".as_slice());
    let outputs = bench.receive(&message);
    assert_eq!(datagrams(&outputs), [rst(message.id())]);
    assert!(matches!(events(&outputs).as_slice(),
        [Output::Failed { exchange: of, failure: Failure::CriticalOption(65_001) }] if *of == exchange));
    assert!(bench.peer.observation(exchange).is_none());
}

/// An observation goes on in another peer after a restart, with its token, its request and its sequence.
#[test]
fn an_observation_survives_a_restart() {
    let mut bench = Bench::new();
    let asked = Request { accept: Some(112), query: vec!["x".into()], ..observe("3303/0/5700") };
    let (exchange, request) = bench.send(asked.clone());
    let mut answer = piggyback(&request, Code::CONTENT, b"v");
    answer.add_uint(option::OBSERVE, 41);
    response_of(&bench.receive(&answer), exchange);
    let state = bench.peer.observation(exchange).expect("it exists");
    assert_eq!(state, ObservationState { token: request.token().to_vec(), request: asked.clone(), sequence: 41 });

    let mut bench = Bench::seeded(coap::Config::default(), [9; 16]);
    let exchange = bench.peer.restore(bench.now, state.clone());
    assert_eq!(bench.peer.observation(exchange), Some(state));
    let message = bench.notification(Kind::Confirmable, &request, 42, b"w");
    assert!(fresh(&bench.receive(&message), exchange).is_some());
    let (_, cancel) = bench.send(Request { observe: Some(1), ..asked });
    assert_eq!(cancel.token(), request.token());
}
