//! RFC 7252 §5: requests, responses and options; the message diagrams of §2.2 and appendix A.
mod common;
use coap::peer::Failure;
use coap::{Code, Config, Kind, Message, Method, Output, Response, Transmission};
use common::*;
use std::time::Duration;

/// RFC 7252 figure 16: the device asks, the answer rides on the ACK. C-038
#[test]
fn figure_16_confirmable_request_piggybacked_response() {
    let mut bench = Bench::new();
    let (id, request) = incoming(&bench.hex("40017d34 BB 74656d7065726174757265"));
    assert_eq!((request.method, request.path.as_slice()), (Method::Get, &["temperature".to_owned()][..]));
    let outputs = bench.respond(id, Response { payload: b"22.3 C".to_vec(), ..Response::new(Code::CONTENT) });
    assert_eq!(datagrams(&outputs), [bytes("60457d34 FF 32322e332043")]);
    bench.assert_idle();
}

/// RFC 7252 figure 17: the token comes back. C-045, C-046
#[test]
fn figure_17_the_token_is_echoed() {
    for token in [&[][..], &[0x20], &[1, 2, 3, 4, 5, 6, 7, 8]] {
        for code in [Code::CONTENT, Code::BAD_REQUEST, Code::SERVICE_UNAVAILABLE] {
            let mut bench = Bench::new();
            let mut message = bench.message(Kind::Confirmable, Method::Get.code(), token);
            add_path(&mut message, "temperature");
            let (id, _) = incoming(&bench.receive(&message));
            let answer = only(&bench.respond(id, Response::new(code)));
            assert_eq!((answer.token(), answer.code(), answer.id()), (token, code, message.id()));
        }
    }
}

/// RFC 7252 figure 18: the request is lost once.
#[test]
fn figure_18_a_lost_request_is_sent_again() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(get("temperature"));
    let again = only(&bench.wait_seconds(3.0));
    assert_eq!(again.encode(), request.encode());
    let (response, _) = response_of(&bench.receive(&piggyback(&again, Code::CONTENT, b"22.3 C")), exchange);
    assert_eq!(response.payload, b"22.3 C");
    bench.assert_idle();
}

/// RFC 7252 figure 19: the ACK is lost once; the repeated request gets the same bytes and is not carried out again. C-019, C-060
#[test]
fn figure_19_a_lost_ack_is_sent_again() {
    let mut bench = Bench::new();
    let request = bench.device_request(Method::Post, "rd/1/1/0");
    let (id, _) = incoming(&bench.receive(&request));
    let first = bench.respond(id, Response::new(Code::CREATED));
    let again = bench.receive(&request);
    assert_eq!((datagrams(&again), events(&again).len()), (datagrams(&first), 0));
}

/// RFC 7252 figure 20: empty ACK, then the response in a message of its own. C-040
#[test]
fn figure_20_separate_response() {
    for kind in [Kind::Confirmable, Kind::NonConfirmable] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.send(get("temperature"));
        let outputs = bench.raw(&empty_ack(request.id()));
        assert!(matches!(outputs.as_slice(), [Output::Acknowledged(of)] if *of == exchange));
        assert!(!bench.peer.is_busy());
        bench.wait_seconds(20.0);
        let answer = bench.separate(kind, &request, Code::CONTENT, b"22.3 C");
        let outputs = bench.receive(&answer);
        response_of(&outputs, exchange);
        let expected = if kind == Kind::Confirmable { vec![empty_ack(answer.id())] } else { vec![] };
        assert_eq!(datagrams(&outputs), expected);
        bench.assert_idle();
    }
}

/// RFC 7252 figure 21: the ACK is lost, the response comes unexpectedly. C-040, C-041
#[test]
fn figure_21_response_without_ack() {
    for kind in [Kind::Confirmable, Kind::NonConfirmable] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.send(get("temperature"));
        let answer = bench.separate(kind, &request, Code::CONTENT, b"22.3 C");
        response_of(&bench.receive(&answer), exchange);
        // The device repeats itself: acknowledged each time, delivered once.
        for _ in 0..2 {
            let outputs = bench.receive(&answer);
            let expected = if kind == Kind::Confirmable { vec![empty_ack(answer.id())] } else { vec![] };
            assert_eq!((datagrams(&outputs), events(&outputs).len()), (expected, 0));
        }
        assert_eq!(bench.counters().duplicates, 2);
        bench.assert_idle();
    }
}

/// RFC 7252 figures 22 and 23: a NON request gets a NON response with an id of ours.
#[test]
fn figure_22_non_confirmable_request_and_response() {
    let mut bench = Bench::new();
    let mut request = bench.message(Kind::NonConfirmable, Method::Post.code(), &[0x75]);
    add_path(&mut request, "dp");
    let outputs = bench.receive(&request);
    assert!(matches!(outputs.as_slice(), [Output::Request { confirmable: false, .. }]));
    let (id, _) = incoming(&outputs);
    let answer = only(&bench.respond(id, Response::new(Code::CHANGED)));
    assert_eq!((answer.kind(), answer.token(), answer.code()), (Kind::NonConfirmable, &[0x75][..], Code::CHANGED));
    assert!(bench.receive(&request).is_empty(), "a duplicate is not carried out again");
    bench.assert_idle();
}

/// C-038, C-039: after a second an empty ACK, later the response with a new id, retransmitted until it is acknowledged or reset.
#[test]
fn a_late_response_is_sent_separately_and_retransmitted() {
    for ending in ["ack", "reset", "silence"] {
        let mut bench = Bench::new();
        let request = bench.device_request(Method::Post, "rd");
        let (id, _) = incoming(&bench.receive(&request));
        assert!(bench.wait_seconds(0.9).is_empty());
        let outputs = bench.wait_seconds(0.2);
        assert_eq!(datagrams(&outputs), [empty_ack(request.id())]);
        // C-021: a copy of the request gets the empty ACK again.
        assert_eq!(datagrams(&bench.receive(&request)), [empty_ack(request.id())]);
        bench.wait_seconds(4.0);
        let response = only(&bench.respond(id, Response::new(Code::CREATED)));
        assert_eq!((response.kind(), response.token()), (Kind::Confirmable, request.token()));
        let again = only(&bench.wait_seconds(3.0));
        assert_eq!(again.encode(), response.encode());
        match ending {
            "ack" => assert!(bench.raw(&empty_ack(response.id())).is_empty()),
            "reset" => assert!(bench.raw(&rst(response.id())).is_empty()),
            _ => {
                let copies = bench.wait_seconds(100.0);
                assert_eq!((copies.len(), bench.counters().retransmitted), (3, 4), "{copies:?}");
            }
        }
        bench.assert_idle();
    }
}

/// C-014, C-042
#[test]
fn responses_with_unknown_tokens_are_reset_if_confirmable() {
    let mut bench = Bench::new();
    for code in [Code::CONTENT, Code::INTERNAL_SERVER_ERROR] {
        let answer = bench.message(Kind::Confirmable, code, &bytes("DEADBEEF"));
        for _ in 0..2 {
            assert_eq!(datagrams(&bench.receive(&answer)), [rst(answer.id())]);
        }
        let answer = bench.message(Kind::NonConfirmable, code, &bytes("DEADBEEF"));
        assert!(bench.receive(&answer).is_empty());
    }
    let counters = bench.counters();
    assert_eq!((counters.unmatched, counters.resets_sent, counters.duplicates), (4, 4, 2));
    bench.assert_idle();
}

/// C-043: a piggybacked response needs the message id and the token.
#[test]
fn a_piggybacked_response_must_match_id_and_token() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(get("1"));
    let other_token = Message::new(Kind::Acknowledgement, Code::CONTENT, request.id(), b"other");
    let other_id = Message::new(Kind::Acknowledgement, Code::CONTENT, request.id().wrapping_add(1), request.token());
    for wrong in [other_token, other_id] {
        assert!(bench.receive(&wrong).is_empty());
    }
    assert_eq!(bench.counters().unmatched, 2);
    response_of(&bench.receive(&piggyback(&request, Code::CONTENT, b"")), exchange);
}

/// C-047
#[test]
fn a_device_may_use_a_token_again() {
    let mut bench = Bench::new();
    for path in ["rd/a", "rd/b"] {
        let request = bench.device_request(Method::Post, path);
        let (id, _) = incoming(&bench.receive(&request));
        assert_eq!(only(&bench.respond(id, Response::new(Code::CHANGED))).token(), request.token());
    }
}

/// C-011, C-048, C-049, C-050, C-051, C-058, C-059, C-085: what this layer decides without knowing the resources.
#[test]
fn options_are_understood_or_refused_by_their_class() {
    let long = vec![b'x'; 256];
    let blank: &[u8] = b"";
    // (number, options, answer; `None`: delivered)
    type Options<'a> = Vec<(u16, &'a [u8])>;
    let table: [(&str, Options<'_>, Option<Code>); 24] = [
        ("C-048", vec![(65_001, b"x")], Some(Code::BAD_OPTION)),
        ("C-048", vec![(9, blank)], Some(Code::BAD_OPTION)),
        ("C-048", vec![(19, b"\x06")], Some(Code::BAD_OPTION)),
        ("C-049", vec![(65_000, b"x")], None),
        ("C-049", vec![(16, b"\x05")], None),
        ("C-050", vec![(option::CONTENT_FORMAT, b"\x28"), (option::CONTENT_FORMAT, b"\x29")], None),
        ("C-050", vec![(option::ACCEPT, b"\x28"), (option::ACCEPT, b"\x28")], Some(Code::BAD_OPTION)),
        ("C-051", vec![(option::CONTENT_FORMAT, b"\x00\x00\x28")], None),
        ("C-051", vec![(option::ACCEPT, b"\x00\x00\x28")], Some(Code::BAD_OPTION)),
        ("C-051", vec![(option::URI_PATH, &long)], Some(Code::BAD_OPTION)),
        ("C-051", vec![(option::URI_QUERY, &long)], Some(Code::BAD_OPTION)),
        ("C-051", vec![(option::URI_HOST, blank)], Some(Code::BAD_OPTION)),
        ("C-051", vec![(option::BLOCK1, b"\x00\x00\x00\x06")], Some(Code::BAD_OPTION)),
        ("C-058", vec![(option::URI_HOST, b"example")], None),
        ("C-058", vec![(option::URI_HOST, b"example"), (option::URI_PORT, b"\x16\x33")], None),
        ("C-059", vec![(option::PROXY_URI, b"coap://x/")], Some(Code::PROXYING_NOT_SUPPORTED)),
        ("C-059", vec![(option::PROXY_SCHEME, b"coap")], Some(Code::PROXYING_NOT_SUPPORTED)),
        ("C-085", vec![(option::BLOCK1, b"\x07")], Some(Code::BAD_REQUEST)),
        ("C-085", vec![(option::BLOCK2, b"\x07")], Some(Code::BAD_REQUEST)),
        ("§5.10.8.1", vec![(option::IF_MATCH, b"tag")], Some(Code::PRECONDITION_FAILED)),
        ("§5.10.8.1", vec![(option::IF_MATCH, blank)], None),
        ("§5.10.8.2", vec![(option::IF_NONE_MATCH, blank)], Some(Code::PRECONDITION_FAILED)),
        ("UTF-8", vec![(option::URI_PATH, b"\xff")], Some(Code::BAD_REQUEST)),
        ("UTF-8", vec![(option::URI_QUERY, b"ep=\xc3")], Some(Code::BAD_REQUEST)),
    ];
    for (number, options, expected) in table {
        let mut bench = Bench::new();
        let mut message = bench.device_request(Method::Post, "rd");
        for (option, value) in &options {
            message.add_option(*option, *value);
        }
        let outputs = bench.receive(&message);
        match expected {
            None => assert_eq!(incoming(&outputs).1.path, ["rd"], "{number} {options:?}"),
            Some(code) => {
                let answer = only(&outputs);
                assert_eq!(
                    (answer.code(), answer.id(), answer.token()),
                    (code, message.id(), message.token()),
                    "{number} {options:?}"
                );
                assert!(events(&outputs).is_empty(), "{number} {options:?}");
                assert_eq!(datagrams(&bench.receive(&message)), datagrams(&outputs), "the duplicate");
                bench.assert_idle();
            }
        }
    }
    let mut bench = Bench::new();
    let mut message = bench.device_request(Method::Post, "rd");
    message.add_option(65_001, b"x".as_slice());
    assert_eq!(only(&bench.receive(&message)).payload(), b"option 65001 not supported");
}

/// C-050: of a repeated elective option the first value counts.
#[test]
fn the_first_of_repeated_elective_options_wins() {
    let mut bench = Bench::new();
    let mut message = bench.device_request(Method::Post, "rd");
    message.add_uint(option::CONTENT_FORMAT, 40);
    message.add_uint(option::CONTENT_FORMAT, 41);
    assert_eq!(incoming(&bench.receive(&message)).1.content_format, Some(40));
}

/// C-048: a NON that is not understood is rejected in silence.
#[test]
fn an_unknown_critical_option_in_a_non_is_ignored() {
    let mut bench = Bench::new();
    let mut message = bench.message(Kind::NonConfirmable, Method::Post.code(), b"t");
    message.add_option(65_001, b"x".as_slice());
    assert!(bench.receive(&message).is_empty());
    bench.assert_idle();
}

/// C-011
#[test]
fn unknown_methods_get_4_05() {
    for code in 8..32 {
        let mut bench = Bench::new();
        let mut message = bench.message(Kind::Confirmable, Code(code), b"t");
        add_path(&mut message, "rd");
        assert_eq!(only(&bench.receive(&message)).code(), Code::METHOD_NOT_ALLOWED, "0.{code:02}");
        bench.assert_idle();
    }
}

/// C-052: critical options of a response must be understood too; a CON one is reset.
#[test]
fn a_response_with_an_unknown_critical_option_fails_the_exchange() {
    for number in [65_001, option::URI_PATH, option::BLOCK2] {
        for piggybacked in [true, false] {
            let mut bench = Bench::new();
            let (exchange, request) = bench.send(get("1"));
            let mut answer = match piggybacked {
                true => piggyback(&request, Code::CONTENT, b"v"),
                false => bench.separate(Kind::Confirmable, &request, Code::CONTENT, b"v"),
            };
            answer.add_option(number, vec![0; 4]);
            let outputs = bench.receive(&answer);
            let expected = if piggybacked { vec![] } else { vec![rst(answer.id())] };
            assert_eq!(datagrams(&outputs), expected);
            assert!(
                matches!(events(&outputs).as_slice(), [Output::Failed { exchange: of, failure: Failure::CriticalOption(found) }]
                    if *of == exchange && *found == number)
            );
            bench.assert_idle();
        }
    }
}

/// C-053, C-054: segments are bytes of text, neither split nor resolved.
#[test]
fn path_segments_are_taken_as_they_are() {
    let mut bench = Bench::new();
    let mut message = bench.message(Kind::Confirmable, Method::Get.code(), b"t");
    for segment in ["rd/1", "..", ".", "RD", ""] {
        message.add_option(option::URI_PATH, segment.as_bytes());
    }
    assert_eq!(incoming(&bench.receive(&message)).1.path, ["rd/1", "..", ".", "RD", ""]);
}

/// C-061, C-062, C-063, C-113: codes and content are passed on as they came, unknown ones by their class.
#[test]
fn response_codes_and_content_pass_through() {
    let codes = [
        (2, 3),
        (2, 9),
        (4, 0),
        (4, 1),
        (4, 3),
        (4, 9),
        (4, 22),
        (4, 29),
        (4, 30),
        (5, 1),
        (5, 2),
        (5, 4),
        (5, 31),
        (3, 1),
    ];
    for (class, detail) in codes {
        let mut bench = Bench::new();
        let code = Code::new(class, detail);
        let (exchange, request) = bench.send(get("1"));
        let (response, observing) = response_of(&bench.receive(&piggyback(&request, code, b"bad")), exchange);
        assert_eq!((response.code, response.payload.as_slice()), (code, b"bad".as_slice()));
        assert_eq!((response.content_format, observing, code.is_success()), (None, false, class == 2));
        assert_eq!(code.to_string(), format!("{class}.{detail:02}"));
    }
}

/// Options of a response: Location-Path of a Create, Content-Format, Max-Age.
#[test]
fn response_options_are_read() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(with_body(Method::Post, "3303", b"\x08\x00"));
    assert_eq!((request.payload(), request.content_format()), (b"\x08\x00".as_slice(), Some(42)));
    let mut answer = piggyback(&request, Code::CREATED, b"");
    for segment in ["3303", "7"] {
        answer.add_option(option::LOCATION_PATH, segment.as_bytes());
    }
    answer.add_uint(option::MAX_AGE, 90);
    answer.add_uint(option::CONTENT_FORMAT, 11542);
    let (response, _) = response_of(&bench.receive(&answer), exchange);
    assert_eq!(response.location_path, ["3303", "7"]);
    assert_eq!((response.max_age, response.content_format), (Some(90), Some(11542)));
}

/// C-064: there is no cache: two reads are two requests without ETag.
#[test]
fn every_read_is_a_request() {
    let mut bench = Bench::new();
    for _ in 0..2 {
        let (exchange, request) = bench.send(get("3/0/0"));
        assert!(request.value(option::ETAG).is_none());
        let mut answer = piggyback(&request, Code::CONTENT, b"v");
        answer.add_uint(option::MAX_AGE, 3600);
        answer.add_option(option::ETAG, b"e".as_slice());
        response_of(&bench.receive(&answer), exchange);
    }
}

/// C-148: no more than 16 requests of a peer wait for an answer; the rest is told to come back.
#[test]
fn unanswered_requests_are_bounded() {
    let mut bench = Bench::new();
    let mut delivered = 0;
    for _ in 0..100 {
        let message = bench.device_request(Method::Post, "dp");
        let outputs = bench.receive(&message);
        delivered += events(&outputs).len();
        if events(&outputs).is_empty() {
            assert_eq!(only(&outputs).code(), Code::SERVICE_UNAVAILABLE);
        }
    }
    assert_eq!(delivered, 16);
    // Requests that nobody ever answers are dropped in the end.
    bench.wait_seconds(248.0);
    bench.assert_idle();
}

/// A response to a request that is unknown or already answered goes nowhere.
#[test]
fn a_request_is_answered_once() {
    let mut bench = Bench::new();
    let request = bench.device_request(Method::Post, "rd");
    let (id, _) = incoming(&bench.receive(&request));
    assert_eq!(bench.respond(id, Response::new(Code::CREATED)).len(), 1);
    assert!(bench.respond(id, Response::new(Code::CREATED)).is_empty());
    assert!(bench.respond(coap::IncomingId(99_999), Response::new(Code::CREATED)).is_empty());
}

/// The exchange that is given up frees the line; what comes for it is refused.
#[test]
fn a_forgotten_exchange_frees_the_line() {
    let mut bench = Bench::new();
    let (first, request) = bench.send(get("1"));
    bench.request(get("2"));
    bench.peer.forget(first);
    let next = only(&bench.wait(Duration::ZERO));
    assert_eq!(next.uri_path(), [b"2"]);
    assert!(bench.receive(&piggyback(&request, Code::CONTENT, b"")).is_empty());
    bench.peer.forget_all();
    bench.assert_idle();
}

/// A configured ACK_TIMEOUT below two seconds also shortens the wait before the empty ACK.
#[test]
fn the_empty_ack_keeps_to_a_short_ack_timeout() {
    let transmission = Transmission { ack_timeout: Duration::from_millis(200), ..Transmission::default() };
    let mut bench = Bench::with(Config { transmission, ..Config::default() });
    let request = bench.device_request(Method::Post, "rd");
    bench.receive(&request);
    assert_eq!(datagrams(&bench.wait_seconds(0.1)), [empty_ack(request.id())]);
}
