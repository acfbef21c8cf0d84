//! RFC 7959, bodies from this side to the device: Block1 of our requests, Block2 of our responses.
mod common;
use coap::peer::Failure;
use coap::{Blockwise, Budget, Code, Config, ExchangeId, Kind, Message, Method, Output, Response};
use common::*;

fn blocks_of(size: u16) -> Config {
    Config { blockwise: Blockwise { max_block_size: size, ..Blockwise::default() }, ..Config::default() }
}
/// The device takes a block.
fn taken(request: &Message, code: Code, number: u32, more: bool, size: usize) -> Message {
    let mut message = piggyback(request, code, b"");
    add_block(&mut message, option::BLOCK1, number, more, size);
    message
}
fn progress(outputs: &[Output]) -> Vec<(usize, Option<usize>)> {
    let of = |output: &Output| match output {
        Output::Progress { done, total, .. } => Some((*done, *total)),
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}
fn failure_of(outputs: &[Output], exchange: ExchangeId) -> Failure {
    match events(outputs).as_slice() {
        [Output::Failed { exchange: of, failure }] if *of == exchange => *failure,
        other => panic!("{other:?}"),
    }
}

/// RFC 7959 figure 7: simple atomic block-wise PUT. C-087 seen from the client, C-106
#[test]
fn figure_7_simple_atomic_put() {
    let payload = body(300);
    let mut bench = Bench::with(blocks_of(128));
    let (exchange, mut request) = bench.send(with_body(Method::Put, "options", &payload));
    assert_eq!(request.uint(option::SIZE1, 4), Some(300));
    for number in 0..3 {
        let more = number < 2;
        assert_eq!(block_of(&request, option::BLOCK1), Some((number, more, 128)));
        assert_eq!((request.payload(), request.content_format()), (part(&payload, number, 128), Some(42)));
        assert_eq!(request.uri_path(), [b"options"]);
        assert_eq!(request.value(option::SIZE1).is_some(), number == 0);
        let code = if more { Code::CONTINUE } else { Code::CHANGED };
        let outputs = bench.receive(&taken(&request, code, number, more, 128));
        if more {
            assert_eq!(progress(&outputs), [((number as usize + 1) * 128, Some(300))]);
            let next = only(&outputs);
            assert_ne!(next.id(), request.id());
            request = next;
        } else {
            assert_eq!(response_of(&outputs, exchange).0.code, Code::CHANGED);
        }
    }
    bench.assert_idle();
}

/// RFC 7959 figure 8: each block answered 2.04 with M=0: taken one by one, and the transfer goes on.
#[test]
fn figure_8_stateless_put() {
    let payload = body(300);
    let mut bench = Bench::with(blocks_of(128));
    let (exchange, first) = bench.send(with_body(Method::Put, "options", &payload));
    let second = only(&bench.receive(&taken(&first, Code::CHANGED, 0, false, 128)));
    let third = only(&bench.receive(&taken(&second, Code::CHANGED, 1, false, 128)));
    assert_eq!(block_of(&third, option::BLOCK1), Some((2, false, 128)));
    response_of(&bench.receive(&taken(&third, Code::CHANGED, 2, false, 128)), exchange);
    bench.assert_idle();
}

/// RFC 7959 figure 9, C-097: the smaller size of the first 2.31 is followed at the right offset.
#[test]
fn figure_9_the_devices_smaller_size_is_followed() {
    for (ours, theirs, next) in [(128, 32, 4), (1024, 64, 16), (1024, 16, 64), (64, 512, 1)] {
        let payload = body(ours * 2 + 10);
        let mut bench = Bench::with(blocks_of(ours as u16));
        let (exchange, request) = bench.send(with_body(Method::Put, "options", &payload));
        assert_eq!(block_of(&request, option::BLOCK1), Some((0, true, ours)));
        let mut request = only(&bench.receive(&taken(&request, Code::CONTINUE, 0, true, theirs)));
        let size = ours.min(theirs);
        assert_eq!(block_of(&request, option::BLOCK1), Some((next, true, size)));
        let mut received = payload[..ours].to_vec();
        let response = loop {
            received.extend_from_slice(request.payload());
            let (number, more, _) = block_of(&request, option::BLOCK1).expect("a block");
            let code = if more { Code::CONTINUE } else { Code::CHANGED };
            let outputs = bench.receive(&taken(&request, code, number, more, size));
            match sent(&outputs).pop() {
                Some(next) => request = next,
                None => break response_of(&outputs, exchange).0,
            }
        };
        assert_eq!((received == payload, response.code), (true, Code::CHANGED));
        bench.assert_idle();
    }
}

/// A request within one block carries no Block1; with block-wise off a large one goes out whole. C-035
#[test]
fn small_bodies_and_disabled_blockwise_need_no_blocks() {
    for (enable, length) in [(true, 1024), (false, 3000)] {
        let config = Config { blockwise: Blockwise { enable, ..Blockwise::default() }, ..Config::default() };
        let mut bench = Bench::with(config);
        let (_, request) = bench.send(with_body(Method::Put, "5/0/0", &body(length)));
        assert_eq!((block_of(&request, option::BLOCK1), request.payload().len()), (None, length));
    }
}

/// C-035: no message above 1152 bytes, however long its options are.
#[test]
fn long_options_make_the_blocks_smaller() {
    let mut bench = Bench::new();
    let mut request = with_body(Method::Put, "5/0/0", &body(5000));
    request.query = vec!["q".repeat(250); 3];
    let (_, message) = bench.send(request);
    assert_eq!(block_of(&message, option::BLOCK1), Some((0, true, 256)));
    assert!(message.encode().len() <= 1152, "{}", message.encode().len());
}

/// C-098, C-120: 4.13 with a smaller size: once from the start with that size and a Request-Tag; then the answer is the answer.
#[test]
fn too_large_with_a_size_hint_restarts_smaller_once() {
    for length in [600, 3000] {
        let payload = body(length);
        let mut bench = Bench::new();
        let (exchange, request) = bench.send(with_body(Method::Put, "5/0/0", &payload));
        let again = only(&bench.receive(&taken(&request, Code::REQUEST_ENTITY_TOO_LARGE, 0, false, 256)));
        assert_eq!(block_of(&again, option::BLOCK1), Some((0, true, 256)));
        assert_eq!(again.value(option::REQUEST_TAG).map(<[u8]>::len), Some(4));
        assert_eq!(again.payload(), part(&payload, 0, 256));
        let second = only(&bench.receive(&taken(&again, Code::CONTINUE, 0, true, 256)));
        assert_eq!(second.value(option::REQUEST_TAG), again.value(option::REQUEST_TAG));
        let outputs = bench.receive(&taken(&second, Code::REQUEST_ENTITY_TOO_LARGE, 1, false, 64));
        assert_eq!(response_of(&outputs, exchange).0.code, Code::REQUEST_ENTITY_TOO_LARGE);
        bench.assert_idle();
    }
}

/// C-098: 4.13 without a hint, or with one that is not smaller, and 4.08 are reported.
#[test]
fn errors_in_mid_transfer_are_the_answer() {
    for (code, hint) in [
        (Code::REQUEST_ENTITY_TOO_LARGE, None),
        (Code::REQUEST_ENTITY_TOO_LARGE, Some(1024)),
        (Code::REQUEST_ENTITY_INCOMPLETE, Some(64)),
        (Code::NOT_FOUND, None),
        (Code::INTERNAL_SERVER_ERROR, None),
    ] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.send(with_body(Method::Put, "5/0/0", &body(3000)));
        let mut answer = piggyback(&request, code, b"why");
        if let Some(size) = hint {
            add_block(&mut answer, option::BLOCK1, 0, false, size);
        }
        let outputs = bench.receive(&answer);
        assert_eq!(response_of(&outputs, exchange).0.code, code);
        assert!(sent(&outputs).is_empty(), "{code} {hint:?}");
        bench.assert_idle();
    }
}

/// C-120: the transfer after one that was broken off carries a Request-Tag, the one after that does not.
#[test]
fn a_transfer_after_an_aborted_one_is_tagged() {
    let mut bench = Bench::new();
    let (_, first) = bench.send(with_body(Method::Put, "5/0/0", &body(3000)));
    assert!(first.value(option::REQUEST_TAG).is_none());
    bench.raw(&rst(first.id()));
    let (_, second) = bench.send(with_body(Method::Put, "5/0/0", &body(3000)));
    assert!(second.value(option::REQUEST_TAG).is_some());
    bench.receive(&piggyback(&second, Code::NOT_FOUND, b""));
    let (_, third) = bench.send(with_body(Method::Put, "5/0/0", &body(3000)));
    assert!(third.value(option::REQUEST_TAG).is_none());
}

/// Answers that make no sense fail the exchange. C-085
#[test]
fn inconsistent_answers_to_blocks_fail_the_exchange() {
    let continued = |request: &Message, value: u32| {
        let mut message = piggyback(request, Code::CONTINUE, b"");
        message.add_uint(option::BLOCK1, value);
        message
    };
    type Answer<'a> = &'a dyn Fn(&Message) -> Message;
    let table: [(&str, Answer<'_>); 4] = [
        ("another block", &|request| continued(request, 5 << 4 | 8 | 6)),
        ("SZX 7", &|request| continued(request, 8 | 7)),
        ("success without Block1", &|request| piggyback(request, Code::CHANGED, b"")),
        ("Block1 of 4 bytes", &|request| {
            let mut message = piggyback(request, Code::CONTINUE, b"");
            message.add_option(option::BLOCK1, vec![0; 4]);
            message
        }),
    ];
    for (case, answer) in table {
        let mut bench = Bench::new();
        let (exchange, request) = bench.send(with_body(Method::Put, "5/0/0", &body(3000)));
        let failure = failure_of(&bench.receive(&answer(&request)), exchange);
        let expected = if case.ends_with("bytes") { Failure::CriticalOption(27) } else { Failure::Incomplete };
        assert_eq!(failure, expected, "{case}");
        bench.assert_idle();
    }
    // 2.31 to the last block
    let mut bench = Bench::with(blocks_of(16));
    let (exchange, first) = bench.send(with_body(Method::Put, "5/0/0", &body(20)));
    let last = only(&bench.receive(&taken(&first, Code::CONTINUE, 0, true, 16)));
    let failure = failure_of(&bench.receive(&taken(&last, Code::CONTINUE, 1, false, 16)), exchange);
    assert_eq!(failure, Failure::Incomplete);
}

/// 2.31 without Block1 is taken as agreement.
#[test]
fn continue_without_block1_goes_on_with_the_same_size() {
    let mut bench = Bench::new();
    let (_, request) = bench.send(with_body(Method::Put, "5/0/0", &body(3000)));
    let next = only(&bench.receive(&piggyback(&request, Code::CONTINUE, b"")));
    assert_eq!(block_of(&next, option::BLOCK1), Some((1, true, 1024)));
}

/// C-099, C-108: a lost block is repeated; separate answers work as well as piggybacked ones; a repeated answer does no harm.
#[test]
fn lost_blocks_and_separate_answers() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(with_body(Method::Put, "5/0/0", &body(2000)));
    let again = only(&bench.wait_seconds(3.0));
    assert_eq!(again.encode(), request.encode());
    bench.raw(&empty_ack(request.id()));
    let mut continued = bench.message(Kind::Confirmable, Code::CONTINUE, request.token());
    add_block(&mut continued, option::BLOCK1, 0, true, 1024);
    let messages = sent(&bench.receive(&continued));
    assert_eq!(messages[0].encode(), empty_ack(continued.id()));
    let last = messages[1].clone();
    assert_eq!(block_of(&last, option::BLOCK1), Some((1, false, 1024)));
    // The same answer with a new id, from a device that carried out the copy as well.
    let mut repeated = bench.message(Kind::NonConfirmable, Code::CONTINUE, request.token());
    add_block(&mut repeated, option::BLOCK1, 0, true, 1024);
    assert!(bench.receive(&repeated).is_empty());
    assert_eq!(bench.counters().unmatched, 1);
    response_of(&bench.receive(&taken(&last, Code::CHANGED, 1, false, 1024)), exchange);
    bench.assert_idle();
}

/// The next block goes before requests that were made later; a request made in between goes first only if an empty ACK frees the line.
#[test]
fn a_transfer_keeps_its_place_in_the_line() {
    let mut bench = Bench::new();
    let (_, first) = bench.send(with_body(Method::Put, "5/0/0", &body(3000)));
    assert!(bench.request(get("1")).1.is_none());
    let second = only(&bench.receive(&taken(&first, Code::CONTINUE, 0, true, 1024)));
    assert_eq!(block_of(&second, option::BLOCK1), Some((1, true, 1024)));
    let read = only(&bench.raw(&empty_ack(second.id())));
    assert_eq!(read.uri_path(), [b"1"]);
}

/// C-109: one token for all blocks by default, a fresh one for each by configuration.
#[test]
fn tokens_of_blocks_are_constant_or_fresh_by_configuration() {
    for fresh in [false, true] {
        let blockwise = Blockwise { fresh_tokens: fresh, ..Blockwise::default() };
        let mut bench = Bench::with(Config { blockwise, ..Config::default() });
        let (_, first) = bench.send(with_body(Method::Put, "5/0/0", &body(3000)));
        let second = only(&bench.receive(&taken(&first, Code::CONTINUE, 0, true, 1024)));
        assert_eq!(second.token() != first.token(), fresh);
    }
}

/// An idle time-out, not a total one: 256 kB at a block per 40 s takes hours and completes.
#[test]
fn a_slow_transfer_completes() {
    let payload = body(256 * 1024);
    let mut bench = Bench::new();
    let (exchange, mut request) = bench.send(with_body(Method::Put, "5/0/0", &payload));
    for number in 0.. {
        bench.raw(&empty_ack(request.id()));
        assert!(bench.wait_seconds(40.0).is_empty());
        let more = number < 255;
        let mut answer =
            bench.message(Kind::NonConfirmable, if more { Code::CONTINUE } else { Code::CHANGED }, request.token());
        add_block(&mut answer, option::BLOCK1, number, more, 1024);
        let outputs = bench.receive(&answer);
        if !more {
            response_of(&outputs, exchange);
            break;
        }
        request = only(&outputs);
    }
    assert!(bench.elapsed().as_secs() > 2 * 3600);
    bench.assert_idle();
}

/// A body above the limit is not even begun.
#[test]
fn bodies_above_the_limit_are_not_sent() {
    let blockwise = Blockwise { max_body_size: 2000, ..Blockwise::default() };
    let mut bench = Bench::with(Config { blockwise, ..Config::default() });
    let exchange = bench.peer.request(bench.now, with_body(Method::Put, "5/0/0", &body(2001)), coap::Urgency::Ordered);
    assert_eq!(failure_of(&bench.drain(), exchange), Failure::BodyTooLarge);
    bench.assert_idle();
}

/// RFC 7959 figure 2 in our role as server: a large response is served block by block.
#[test]
fn figure_2_a_large_response_is_served_in_blocks() {
    let links = body(300);
    let mut bench = Bench::with(blocks_of(128));
    let (mut received, mut etag) = (Vec::new(), None);
    for number in 0..3 {
        let mut request = bench.device_request(Method::Get, "status");
        if number > 0 {
            add_block(&mut request, option::BLOCK2, number, false, 128);
        }
        let mut outputs = bench.receive(&request);
        if number == 0 {
            let (id, _) = incoming(&outputs);
            let response =
                Response { content_format: Some(40), payload: links.clone(), ..Response::new(Code::CONTENT) };
            outputs = bench.respond(id, response);
        }
        let answer = only(&outputs);
        assert!(events(&outputs).is_empty(), "further blocks come from memory");
        assert_eq!(block_of(&answer, option::BLOCK2), Some((number, number < 2, 128)));
        assert_eq!((answer.content_format(), answer.id()), (Some(40), request.id()));
        assert_eq!(answer.uint(option::SIZE2, 4), (number == 0).then_some(300));
        let tag = answer.value(option::ETAG).map(<[u8]>::to_vec);
        assert!(tag.is_some() && (number == 0 || tag == etag));
        etag = tag;
        received.extend_from_slice(answer.payload());
        assert_eq!(
            datagrams(&bench.receive(&request)),
            datagrams(&outputs),
            "C-108: the duplicate gets the same block"
        );
    }
    assert_eq!(received, links);
    bench.assert_idle();
}

/// RFC 7959 figures 3 and 4: the device asks for smaller blocks, early or late.
#[test]
fn figure_3_and_4_the_device_negotiates_smaller_blocks() {
    for early in [true, false] {
        let links = body(300);
        let mut bench = Bench::with(blocks_of(128));
        let mut request = bench.device_request(Method::Get, "status");
        if early {
            add_block(&mut request, option::BLOCK2, 0, false, 64);
        }
        let (id, _) = incoming(&bench.receive(&request));
        let response = Response { payload: links.clone(), ..Response::new(Code::CONTENT) };
        let first = only(&bench.respond(id, response));
        let size = if early { 64 } else { 128 };
        assert_eq!(block_of(&first, option::BLOCK2), Some((0, true, size)));
        let mut received = first.payload().to_vec();
        while received.len() < links.len() {
            let mut request = bench.device_request(Method::Get, "status");
            add_block(&mut request, option::BLOCK2, (received.len() / 64) as u32, false, 64);
            received.extend_from_slice(only(&bench.receive(&request)).payload());
        }
        assert_eq!(received, links);
        bench.assert_idle();
    }
}

/// Random access to a block of a read goes to the resource again; beyond the end is 4.00; other methods are not carried out twice.
#[test]
fn a_single_block_may_be_asked_for() {
    let cases =
        [(Method::Get, 2, Some(Code::CONTENT)), (Method::Get, 9, Some(Code::BAD_REQUEST)), (Method::Post, 2, None)];
    for (method, number, delivered) in cases {
        let mut bench = Bench::with(blocks_of(64));
        let mut request = bench.device_request(method, "status");
        add_block(&mut request, option::BLOCK2, number, false, 64);
        let outputs = bench.receive(&request);
        let Some(code) = delivered else {
            assert_eq!(only(&outputs).code(), Code::REQUEST_ENTITY_INCOMPLETE);
            continue;
        };
        let (id, _) = incoming(&outputs);
        let answer = only(&bench.respond(id, Response { payload: body(150), ..Response::new(Code::CONTENT) }));
        assert_eq!(answer.code(), code);
        if code == Code::CONTENT {
            assert_eq!(
                (block_of(&answer, option::BLOCK2), answer.payload()),
                (Some((2, false, 64)), &body(150)[128..])
            );
        }
        bench.assert_idle();
    }
}

/// A response in blocks also works separately, and what the device does not fetch is forgotten after the idle time.
#[test]
fn an_unfetched_response_is_forgotten() {
    let mut bench = Bench::new();
    let request = bench.device_request(Method::Get, "status");
    let (id, _) = incoming(&bench.receive(&request));
    bench.wait_seconds(2.0);
    let answer = only(&bench.respond(id, Response { payload: body(5000), ..Response::new(Code::CONTENT) }));
    assert_eq!((answer.kind(), block_of(&answer, option::BLOCK2)), (Kind::Confirmable, Some((0, true, 1024))));
    assert!(answer.encode().len() <= 1152);
    bench.raw(&empty_ack(answer.id()));
    assert!(bench.peer.poll_timeout().is_some());
    bench.wait_seconds(248.0);
    bench.assert_idle();
}

/// The budget for bodies is shared: one that is used up fails the next download, and is free again when that is over.
#[test]
fn the_budget_is_given_back() {
    let bodies = Budget::new(100);
    let config = Config { bodies: bodies.clone(), ..blocks_of(64) };
    let mut bench = Bench::with(config);
    let (exchange, request) = bench.send(get("1"));
    let next = only(&bench.receive(&piggyback_block(&request, &body(1000), 0, 64)));
    assert_eq!(bodies.used(), 64);
    let outputs = bench.receive(&piggyback_block(&next, &body(1000), 1, 64));
    assert_eq!((failure_of(&outputs, exchange), bodies.used()), (Failure::Exhausted, 0));
    bench.assert_idle();
}
