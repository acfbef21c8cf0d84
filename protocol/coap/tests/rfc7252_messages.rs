//! RFC 7252 §3 and §4: message format and the message layer.
mod common;
use coap::{Budget, Code, Config, Kind, Message, Method, Output, Response, Transmission, Urgency};
use common::*;
use std::collections::HashSet;
use std::time::Duration;

/// CON POST, id 1, token AABBCCDD, `/rd?ep=a&lt=60&lwm2m=1.1&b=U`, link format: the raw client of the checklist.
const REGISTER: &str =
    "44020001 AABBCCDD B27264 1128 3465703D61 056C743D3630 096C776D326D3D312E31 03623D55 FF 3C2F332F303E";

#[test]
fn format_errors_are_reset_if_confirmable_and_never_acted_on() {
    // (number, datagram, answer)
    let table = [
        ("C-001", "80010001", ""),
        ("C-001", "00010001", ""),
        ("C-001", "C0010001", ""),
        ("C-002", "4F021234", "70001234"),
        ("C-002", "5F021234", ""),
        ("C-002", "49021234 000000000000000000", "70001234"),
        ("C-003", "", ""),
        ("C-003", "40", ""),
        ("C-003", "4001", ""),
        ("C-003", "400100", ""),
        ("C-004", "44020001 AABBCCDD B27264 FF", "70000001"),
        ("C-004", "40020001 FF", "70000001"),
        ("C-005", "40020001 F100", "70000001"),
        ("C-005", "40020001 1F00", "70000001"),
        ("C-006", "40020001 D0", "70000001"),
        ("C-006", "40020001 0D", "70000001"),
        ("C-006", "40020001 E000", "70000001"),
        ("C-006", "40020001 B57264", "70000001"),
        ("C-007", "40020001 E0FEF2 E0FEF2", "70000001"),
        ("C-007", "40020001 E0FFFF E0FFFF E0FFFF", "70000001"),
        ("C-008", "41000001 AA", "70000001"),
        ("C-008", "40000001 B27264", "70000001"),
        ("C-008", "40000001 FF00", "70000001"),
        ("C-010", "40E10001", "70000001"),
        ("C-010", "40210001", "70000001"),
        ("C-010", "40C10001", "70000001"),
        ("C-010", "50E10001", ""),
        ("C-017", "6F020001", ""),
        ("C-017", "60010001", ""),
        ("C-017", "70450001", ""),
    ];
    for (number, datagram, answer) in table {
        let mut bench = Bench::new();
        let outputs = bench.hex(datagram);
        let expected: Vec<_> = Some(bytes(answer)).filter(|answer| !answer.is_empty()).into_iter().collect();
        assert_eq!(datagrams(&outputs), expected, "{number} {datagram}");
        assert!(events(&outputs).is_empty(), "{number} {datagram}");
        assert_eq!(bench.counters().malformed, 1, "{number} {datagram}");
        assert_eq!(bench.counters().resets_sent, expected.len() as u64, "{number} {datagram}");
        bench.assert_idle();
    }
}

/// An option value may well end in FF.
#[test]
fn an_option_value_that_ends_in_ff_is_no_payload_marker() {
    let mut message = Message::new(Kind::Confirmable, Method::Get.code(), 7, b"t");
    message.add_option(option::URI_PATH, b"rd".as_slice());
    message.add_option(65_000, vec![0xff; 300]);
    let decoded = Message::decode(&message.encode()).expect("well-formed");
    assert_eq!((decoded.payload(), decoded.value(65_000)), (&[][..], Some(&[0xff; 300][..])));
}

/// C-009: extension bytes at their limits, in lengths and in deltas.
#[test]
fn option_extensions_work_at_their_limits() {
    for length in [0, 12, 13, 14, 255] {
        let mut bench = Bench::new();
        let mut message = bench.device_request(Method::Post, "rd");
        message.add_option(option::URI_QUERY, vec![b'q'; length]);
        let (_, request) = incoming(&bench.receive(&message));
        assert_eq!(request.query, ["q".repeat(length)], "length {length}");
    }
    for number in [12, 13, 14, 268, 269, 270, 65_534] {
        for length in [12, 13, 268, 269, 1000] {
            let mut message = Message::new(Kind::NonConfirmable, Code::CONTENT, 1, b"");
            message.add_option(number, vec![1; length]);
            let decoded = Message::decode(&message.encode()).expect("well-formed");
            assert_eq!(decoded.value(number).map(<[u8]>::len), Some(length), "option {number} of {length}");
        }
    }
}

/// C-012
#[test]
fn integers_are_big_endian_without_leading_zeros_and_read_with_them() {
    let mut bench = Bench::new();
    let mut message = bench.device_request(Method::Post, "rd");
    message.add_option(option::CONTENT_FORMAT, [0, 40]);
    message.add_option(option::ACCEPT, []);
    let (_, request) = incoming(&bench.receive(&message));
    assert_eq!((request.content_format, request.accept), (Some(40), Some(0)));
    for (value, expected) in [(0, &[][..]), (40, &[40]), (256, &[1, 0]), (0x0123_4567, &[1, 0x23, 0x45, 0x67])] {
        message = Message::new(Kind::Confirmable, Code::CONTENT, 1, b"");
        message.add_uint(option::MAX_AGE, value);
        assert_eq!(message.value(option::MAX_AGE), Some(expected));
        assert_eq!(message.uint(option::MAX_AGE, 4), Some(value));
    }
}

/// C-013, C-019, C-020, C-045, C-108: the raw register of the checklist, acknowledged once per copy with the same bytes.
#[test]
fn a_duplicate_is_answered_from_memory_with_the_same_bytes() {
    let mut bench = Bench::new();
    let (id, request) = incoming(&bench.hex(REGISTER));
    assert_eq!(request.query, ["ep=a", "lt=60", "lwm2m=1.1", "b=U"]);
    assert_eq!((request.content_format, request.payload.as_slice()), (Some(40), b"</3/0>".as_slice()));
    // C-021: the first copy is still being worked on.
    assert!(bench.hex(REGISTER).is_empty());
    let created = Response { location_path: vec!["rd".into(), "x1".into()], ..Response::new(Code::CREATED) };
    let first = bench.respond(id, created);
    assert_eq!(datagrams(&first), [bytes("64410001 AABBCCDD 827264 027831")]);
    bench.wait_seconds(1.0);
    assert_eq!(datagrams(&bench.hex(REGISTER)), datagrams(&first));
    assert_eq!(bench.counters().duplicates, 2);
    bench.assert_idle();
}

/// C-019: 247 s for CON, 145 s for NON; afterwards the same bytes are a new message.
#[test]
fn duplicates_are_known_for_the_lifetime_of_the_exchange() {
    for (first, lifetime) in [(0x40, 247), (0x50, 145)] {
        let mut bench = Bench::new();
        let datagram = [first, 2, 0x12, 0x34, 0xb2, b'r', b'd'];
        let (id, _) = incoming(&bench.raw(&datagram));
        bench.respond(id, Response::new(Code::CHANGED));
        bench.wait(Duration::from_secs(lifetime - 1));
        assert!(events(&bench.raw(&datagram)).is_empty(), "after {} s", lifetime - 1);
        bench.wait(Duration::from_secs(2));
        incoming(&bench.raw(&datagram));
    }
}

/// C-022: a device that restarts uses the same ids again, for other messages.
#[test]
fn a_reused_id_with_other_bytes_is_a_new_message() {
    let mut bench = Bench::new();
    let (id, _) = incoming(&bench.hex(REGISTER));
    bench.respond(id, Response::new(Code::CREATED));
    let (id, _) = incoming(&bench.hex(&REGISTER.replace("AABBCCDD", "11223344")));
    let again = bench.respond(id, Response::new(Code::CREATED));
    assert_eq!(only(&again).token(), [0x11, 0x22, 0x33, 0x44]);
    assert_eq!(bench.counters().duplicates, 0);
}

/// C-023, C-148: a hundred thousand ids leave no more than the bound behind; the newest are remembered, the oldest forgotten.
#[test]
fn memory_of_duplicates_is_bounded() {
    let mut bench = Bench::new();
    for id in 0..100_000u32 {
        let mut message = Message::new(Kind::Confirmable, Code(8), id as u16, &id.to_be_bytes());
        message.add_option(option::URI_PATH, b"x".as_slice());
        assert_eq!(only(&bench.receive(&message)).code(), Code::METHOD_NOT_ALLOWED);
    }
    assert_eq!(bench.counters().duplicates, 0);
    let debug = format!("{:?}", bench.peer);
    assert_eq!(debug.matches("fingerprint").count(), 64, "as many as configured");
    assert!(debug.len() < 64 * 600, "{}", debug.len());
}

/// C-023: large answers are remembered only as far as 16 KiB go, the newest of them.
#[test]
fn bytes_of_remembered_answers_are_bounded() {
    let mut bench = Bench::new();
    let mut requests = Vec::new();
    for _ in 0..40 {
        let request = bench.device_request(Method::Get, "large");
        let (id, _) = incoming(&bench.receive(&request));
        bench.respond(id, Response { payload: vec![1; 1000], ..Response::new(Code::CONTENT) });
        requests.push(request);
    }
    assert_eq!(datagrams(&bench.receive(&requests[39])).len(), 1);
    assert_eq!(datagrams(&bench.receive(&requests[25])).len(), 1);
    assert_eq!(bench.counters().duplicates, 2);
    incoming(&bench.receive(&requests[20]));
}

/// C-023: all peers together remember a quarter of the shared budget; beyond it each keeps its latest eight messages, and what a peer took
/// is given back with it.
#[test]
fn memory_of_duplicates_is_bounded_over_all_peers() {
    let bodies = Budget::new(40_000);
    let mut benches: Vec<Bench> =
        (0..20).map(|_| Bench::with(Config { bodies: bodies.clone(), ..Config::default() })).collect();
    let mut last = Vec::new();
    for _ in 0..64 {
        last.clear();
        for bench in &mut benches {
            let mut message = bench.message(Kind::Confirmable, Code(8), b"token");
            message.add_option(option::URI_PATH, b"x".as_slice());
            assert_eq!(only(&bench.receive(&message)).code(), Code::METHOD_NOT_ALLOWED);
            last.push(message);
        }
    }
    // Ten thousand, and what twenty times eight messages take.
    assert!((8_000..25_000).contains(&bodies.remembered()), "{}", bodies.remembered());
    for (bench, message) in benches.iter_mut().zip(&last) {
        bench.receive(message);
        assert_eq!(bench.counters().duplicates, 1, "the latest is remembered");
    }
    drop(benches);
    assert_eq!(bodies.remembered(), 0);
}

/// C-015
#[test]
fn a_ping_is_reset() {
    let mut bench = Bench::new();
    for _ in 0..2 {
        assert_eq!(datagrams(&bench.hex("40001234")), [bytes("70001234")]);
    }
    assert!(bench.hex("50001234").is_empty());
    assert_eq!(bench.counters().resets_sent, 2);
}

/// C-016, C-018
#[test]
fn acks_and_resets_of_ids_never_sent_are_ignored() {
    let mut bench = Bench::new();
    let (_, request) = bench.send(get("3/0/0"));
    let other = request.id().wrapping_add(100);
    assert!(bench.raw(&empty_ack(other)).is_empty());
    assert!(bench.raw(&rst(other)).is_empty());
    assert_eq!(bench.counters().unmatched, 2);
    assert!(bench.peer.is_busy());
}

/// C-024, C-025, C-026: five identical transmissions; gaps of 2–3 s, doubled each time; failure 62 to 93 s after the first.
#[test]
fn an_unacknowledged_message_is_retransmitted_with_exponential_back_off() {
    let mut first_gaps = Vec::new();
    for seed in 0..50 {
        let mut bench = Bench::seeded(Config::default(), [seed; 16]);
        let (exchange, request) = bench.send(get("3/0/0"));
        let mut times = vec![0.0];
        let ended = loop {
            let due = bench.peer.poll_timeout().expect("a timer runs");
            let outputs = bench.wait(due - bench.now);
            match outputs.as_slice() {
                [Output::Transmit(datagram)] => {
                    assert_eq!(*datagram, request.encode());
                    times.push(bench.elapsed().as_secs_f64());
                }
                [Output::TimedOut { exchange: of, acknowledged: false }] => break *of,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((ended, times.len()), (exchange, 5));
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((2.0..=3.0).contains(&gaps[0]), "{gaps:?}");
        assert!(gaps.windows(2).all(|pair| (pair[1] / pair[0] - 2.0).abs() < 1e-6), "{gaps:?}");
        let end = bench.elapsed().as_secs_f64();
        assert!((62.0..=93.0).contains(&end), "{end}");
        assert_eq!((bench.counters().transmitted, bench.counters().retransmitted), (5, 4));
        bench.assert_idle();
        first_gaps.push(gaps[0]);
    }
    let (low, high) =
        (first_gaps.iter().filter(|gap| **gap < 2.4).count(), first_gaps.iter().filter(|gap| **gap > 2.6).count());
    assert!(low > 8 && high > 8, "spread over the range: {first_gaps:?}");
}

/// C-024: derived constants follow the formulas, and stay usable for any configured value.
#[test]
fn derived_constants_follow_the_formulas() {
    let transmission = Transmission::default();
    let seconds = |duration: Duration| duration.as_secs();
    assert_eq!(seconds(transmission.max_transmit_span()), 45);
    assert_eq!(seconds(transmission.max_transmit_wait()), 93);
    assert_eq!(seconds(transmission.exchange_lifetime()), 247);
    assert_eq!(seconds(transmission.non_lifetime()), 145);
    for (timeout, factor, retransmit) in
        [(Duration::MAX, f64::MAX, u32::MAX), (Duration::ZERO, f64::NAN, 0), (Duration::from_secs(1), -5.0, 1)]
    {
        let transmission = Transmission {
            ack_timeout: timeout,
            ack_random_factor: factor,
            max_retransmit: retransmit,
            response_timeout: timeout,
        };
        let mut bench = Bench::with(Config { transmission, ..Config::default() });
        let (_, request) = bench.send(get("1"));
        bench.wait(Duration::from_secs(10));
        bench.raw(&empty_ack(request.id()));
    }
}

/// C-027: ACK, RST and a response that overtook the ACK all stop the retransmission.
#[test]
fn retransmission_stops_on_ack_reset_and_overtaking_response() {
    for case in ["ack", "reset", "con", "non"] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.send(get("3/0/0"));
        let outputs = match case {
            "ack" => bench.raw(&empty_ack(request.id())),
            "reset" => bench.raw(&rst(request.id())),
            "con" => {
                let answer = bench.separate(Kind::Confirmable, &request, Code::CONTENT, b"v");
                bench.receive(&answer)
            }
            _ => {
                let answer = bench.separate(Kind::NonConfirmable, &request, Code::CONTENT, b"v");
                bench.receive(&answer)
            }
        };
        match (case, events(&outputs).as_slice()) {
            ("ack", [Output::Acknowledged(of)]) | ("reset", [Output::Reset(of)]) => assert_eq!(*of, exchange),
            ("con" | "non", [Output::Response { exchange: of, .. }]) => assert_eq!(*of, exchange),
            (_, other) => panic!("{case}: {other:?}"),
        }
        assert!(datagrams(&bench.wait_seconds(92.0)).is_empty(), "{case}");
        // A late ACK changes nothing.
        let unmatched = bench.counters().unmatched;
        assert!(bench.raw(&empty_ack(request.id())).is_empty() || case == "ack");
        assert!(bench.counters().unmatched > unmatched, "{case}");
    }
}

/// C-028
#[test]
fn a_reset_fails_the_exchange_at_once() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(get("3/0/0"));
    let outputs = bench.raw(&rst(request.id()));
    assert!(matches!(outputs.as_slice(), [Output::Reset(of)] if *of == exchange), "{outputs:?}");
    bench.assert_idle();
}

/// C-029, C-148: one at a time, in order.
#[test]
fn ordered_requests_go_out_one_at_a_time_in_order() {
    let mut bench = Bench::new();
    let (first, request) = bench.send(get("1/0/0"));
    let waiting: Vec<_> = (1..10).map(|number| bench.request(get(&format!("1/0/{number}")))).collect();
    assert!(waiting.iter().all(|(_, sent)| sent.is_none()));
    // Nobody answers: only copies of the first.
    assert!(datagrams(&bench.wait_seconds(60.0)).iter().all(|datagram| *datagram == request.encode()));
    let mut outputs = bench.receive(&piggyback(&request, Code::CONTENT, b"v"));
    let mut expected = first;
    for (number, (exchange, _)) in waiting.into_iter().enumerate() {
        assert!(
            outputs.iter().any(|output| matches!(output, Output::Response { exchange: of, .. } if *of == expected))
        );
        let next = only(&outputs);
        assert_eq!(next.uri_path()[2], (number + 1).to_string().as_bytes());
        outputs = bench.receive(&piggyback(&next, Code::CONTENT, b"v"));
        expected = exchange;
    }
    response_of(&outputs, expected);
    bench.assert_idle();
}

/// C-029: a time-out lets the next one go; `Immediate` waits for nobody.
#[test]
fn a_timeout_frees_the_line_and_immediate_requests_pass_by() {
    let mut bench = Bench::new();
    let (first, _) = bench.send(get("1"));
    let (_, second) = bench.request(get("2"));
    let (_, urgent) = bench.request_with(get("3"), Urgency::Immediate);
    assert!(second.is_none());
    assert_eq!(urgent.expect("sent at once").uri_path(), [b"3"]);
    let outputs = bench.wait_seconds(93.0);
    assert!(outputs.iter().any(|output| matches!(output, Output::TimedOut { exchange, .. } if *exchange == first)));
    assert!(sent(&outputs).iter().any(|message| message.uri_path() == [b"2"]));
}

/// C-031: the documented rule: an empty ACK lets the next request go, and responses find their exchange by token.
#[test]
fn an_empty_ack_frees_the_line() {
    let mut bench = Bench::new();
    let (first, request) = bench.send(get("1"));
    let (second, _) = bench.request(get("2"));
    let outputs = bench.raw(&empty_ack(request.id()));
    assert!(matches!(outputs[0], Output::Acknowledged(of) if of == first));
    let next = only(&outputs);
    assert_eq!(next.uri_path(), [b"2"]);
    response_of(&bench.receive(&piggyback(&next, Code::CONTENT, b"2")), second);
    let late = bench.separate(Kind::Confirmable, &request, Code::CONTENT, b"1");
    let outputs = bench.receive(&late);
    assert_eq!(datagrams(&outputs), [empty_ack(late.id())]);
    response_of(&outputs, first);
    bench.assert_idle();
}

/// C-032: no id comes twice within EXCHANGE_LIFETIME, however fast the peer answers; then requests wait.
#[test]
fn message_ids_are_not_reused_within_the_lifetime() {
    let mut bench = Bench::new();
    let mut used = HashSet::new();
    let (_, mut request) = bench.request(get("1"));
    while let Some(message) = request {
        assert!(used.insert(message.id()), "id {} came twice", message.id());
        bench.receive(&piggyback(&message, Code::CONTENT, b""));
        request = bench.request(get("1")).1;
    }
    assert_eq!(used.len(), 1 << 16);
    assert!(bench.wait_seconds(246.0).is_empty());
    let resumed = bench.wait_seconds(2.0);
    assert_eq!(only(&resumed).uri_path(), [b"1"]);
}

/// C-032: what counts is when the last of the ids to be reused was used.
#[test]
fn ids_are_reused_when_the_last_of_their_quarter_is_old_enough() {
    let mut bench = Bench::new();
    for quarter in 0..4 {
        for _ in 0..1 << 14 {
            let (_, request) = bench.send(get("1"));
            bench.receive(&piggyback(&request, Code::CONTENT, b""));
        }
        bench.wait_seconds(if quarter == 1 { 50.0 } else { 20.0 });
    }
    // The first quarter was used up at 20 s, when the second began; now it is 110 s.
    assert_eq!(bench.elapsed().as_secs(), 110);
    assert!(bench.request(get("1")).1.is_none());
    assert!(bench.wait_seconds(20.0 + 247.0 - 110.0 - 1.0).is_empty());
    assert_eq!(sent(&bench.wait_seconds(1.5)).len(), 1);
}

/// C-032, C-044, C-151: starting points differ from seed to seed; 300 requests use 300 ids and unguessable tokens of 8 bytes.
#[test]
fn ids_and_tokens_are_unique_and_depend_on_the_seed() {
    let mut starts = HashSet::new();
    for seed in 0..20 {
        let mut bench = Bench::seeded(Config::default(), [seed; 16]);
        let (mut ids, mut tokens, mut ones) = (HashSet::new(), HashSet::new(), 0);
        for count in 0..300 {
            let (_, request) = bench.send(get("1"));
            if count == 0 {
                starts.insert(request.id());
            }
            assert_eq!(request.token().len(), 8);
            ids.insert(request.id());
            tokens.insert(request.token().to_vec());
            ones += request.token().iter().map(|byte| byte.count_ones()).sum::<u32>();
            bench.receive(&piggyback(&request, Code::CONTENT, b""));
        }
        assert_eq!((ids.len(), tokens.len()), (300, 300));
        // 19,200 fair bits: five standard deviations are about 350.
        assert!((9250..=9950).contains(&ones), "{ones}");
    }
    assert!(starts.len() >= 19);
}

/// C-033
#[test]
fn no_response_after_the_ack_is_a_timeout_of_its_own() {
    let transmission = Transmission { response_timeout: Duration::from_secs(30), ..Transmission::default() };
    let mut bench = Bench::with(Config { transmission, ..Config::default() });
    let (exchange, request) = bench.send(get("1"));
    bench.raw(&empty_ack(request.id()));
    assert!(bench.wait_seconds(29.9).is_empty());
    let outputs = bench.wait_seconds(0.2);
    let [Output::TimedOut { exchange: of, acknowledged: true }] = outputs.as_slice() else {
        panic!("{outputs:?}");
    };
    assert_eq!(*of, exchange);
    // The response that comes after all is refused, so that the peer does not go on repeating it.
    let late = bench.separate(Kind::Confirmable, &request, Code::CONTENT, b"v");
    assert_eq!(datagrams(&bench.receive(&late)), [rst(late.id())]);
    assert_eq!(bench.counters().unmatched, 1);
    bench.assert_idle();
}

/// C-035: an answer larger than a block in one datagram is read.
#[test]
fn large_datagrams_are_read() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(get("1"));
    let body = vec![7; 1400];
    let (response, _) = response_of(&bench.receive(&piggyback(&request, Code::CONTENT, &body)), exchange);
    assert_eq!(response.payload, body);
}

/// C-148: nothing is asked for while nothing is to be done, and an idle peer is small.
#[test]
fn an_idle_peer_asks_for_no_timer_and_is_small() {
    let mut bench = Bench::new();
    bench.assert_idle();
    let (id, _) = incoming(&bench.hex(REGISTER));
    bench.respond(id, Response::new(Code::CREATED));
    bench.assert_idle();
    assert!(std::mem::size_of::<coap::Peer>() <= 224, "{}", std::mem::size_of::<coap::Peer>());
}
