//! RFC 7959, bodies from the device to this side: Block2 of its responses and notifications, Block1 of its requests.
mod common;
use coap::peer::Failure;
use coap::{Blockwise, Budget, Code, Config, ExchangeId, IncomingId, Kind, Message, Method, Output, Request, Response};
use common::*;

fn limited(max_body_size: usize) -> Config {
    Config { blockwise: Blockwise { max_body_size, ..Blockwise::default() }, ..Config::default() }
}
fn failure_of(outputs: &[Output], exchange: ExchangeId) -> Failure {
    match events(outputs).as_slice() {
        [Output::Failed { exchange: of, failure }] if *of == exchange => *failure,
        other => panic!("{other:?}"),
    }
}
/// One block of a request body.
fn upload(bench: &mut Bench, path: &str, payload: &[u8], number: u32, more: bool, size: usize) -> Message {
    let mut message = bench.device_request(Method::Post, path);
    message.add_uint(option::CONTENT_FORMAT, 40);
    add_block(&mut message, option::BLOCK1, number, more, size);
    message.set_payload(payload);
    message
}
fn code_of(outputs: &[Output]) -> Code {
    only(outputs).code()
}

/// RFC 7959 figure 2: simple block-wise GET. C-099, C-105
#[test]
fn figure_2_simple_blockwise_get() {
    let status = body(300);
    for format in [None, Some(40)] {
        let mut bench = Bench::new();
        let asked = Request { accept: format, query: vec!["x=1".into()], ..get("status") };
        let (exchange, mut request) = bench.send(asked);
        assert_eq!(request.value(option::BLOCK2), None);
        let (path, token) = (numbers(&request), request.token().to_vec());
        for number in 0..3 {
            let mut answer = piggyback_block(&request, &status, number, 128);
            answer.add_option(option::ETAG, b"e1".as_slice());
            answer.add_uint(option::CONTENT_FORMAT, 40);
            answer.add_uint(option::SIZE2, 300);
            let outputs = bench.receive(&answer);
            if number == 2 {
                let (response, _) = response_of(&outputs, exchange);
                assert_eq!((response.payload == status, response.content_format), (true, Some(40)));
                continue;
            }
            assert!(outputs.iter().any(|output| matches!(output,
                Output::Progress { done, total: Some(300), .. } if *done == (number as usize + 1) * 128)));
            request = only(&outputs);
            assert_eq!(block_of(&request, option::BLOCK2), Some((number + 1, false, 128)));
            assert_eq!((request.token(), request.accept()), (token.as_slice(), format));
            assert!(path.iter().all(|number| numbers(&request).contains(number)));
        }
        bench.assert_idle();
    }
}

/// RFC 7959 figure 3, C-107: with a configured size below 1024 it is asked for at once.
#[test]
fn figure_3_early_negotiation_by_configuration() {
    let blockwise = Blockwise { max_block_size: 64, ..Blockwise::default() };
    let mut bench = Bench::with(Config { blockwise, ..Config::default() });
    let (_, request) = bench.send(get("status"));
    assert_eq!(block_of(&request, option::BLOCK2), Some((0, false, 64)));
}

/// RFC 7959 figure 4: late negotiation: the device began with 128, we go on with our 64 at the right offset.
#[test]
fn figure_4_late_negotiation() {
    let blockwise = Blockwise { max_block_size: 64, ..Blockwise::default() };
    let mut bench = Bench::with(Config { blockwise, ..Config::default() });
    let (exchange, request) = bench.send(get("status"));
    let mut request = only(&bench.receive(&piggyback_block(&request, &body(200), 0, 128)));
    assert_eq!(block_of(&request, option::BLOCK2), Some((2, false, 64)));
    request = only(&bench.receive(&piggyback_block(&request, &body(200), 2, 64)));
    let (response, _) = response_of(&bench.receive(&piggyback_block(&request, &body(200), 3, 64)), exchange);
    assert_eq!(response.payload, body(200));
}

/// RFC 7959 figures 5 and 6: a lost request and a lost answer in mid-transfer are repeated. C-099
#[test]
fn figure_5_and_6_losses_in_mid_transfer() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(get("status"));
    let second = only(&bench.receive(&piggyback_block(&request, &body(100), 0, 64)));
    assert_eq!(only(&bench.wait_seconds(3.0)).encode(), second.encode());
    // A late copy of the first answer changes nothing.
    assert!(bench.receive(&piggyback_block(&request, &body(100), 0, 64)).is_empty());
    response_of(&bench.receive(&piggyback_block(&second, &body(100), 1, 64)), exchange);
    bench.assert_idle();
}

/// RFC 7959 figure 13: Block1 and Block2 in one exchange. C-105
#[test]
fn figure_13_block1_and_block2_in_one_exchange() {
    let (question, answer) = (body(300), body(150));
    for method in [Method::Post, Method::Fetch] {
        let blockwise = Blockwise { max_block_size: 128, ..Blockwise::default() };
        let mut bench = Bench::with(Config { blockwise, ..Config::default() });
        let (exchange, mut request) = bench.send(with_body(method, "soap", &question));
        for number in 0..2 {
            let mut taken = piggyback(&request, Code::CONTINUE, b"");
            add_block(&mut taken, option::BLOCK1, number, true, 128);
            assert_eq!(request.value(option::BLOCK2), None);
            request = only(&bench.receive(&taken));
        }
        // The size of the answer is negotiated with the last block of a FETCH.
        assert_eq!(request.value(option::BLOCK2).is_some(), method == Method::Fetch);
        let mut first = piggyback_block(&request, &answer, 0, 64);
        add_block(&mut first, option::BLOCK1, 2, false, 128);
        request = only(&bench.receive(&first));
        for number in 1..3 {
            assert_eq!(block_of(&request, option::BLOCK2), Some((number, false, 64)));
            assert_eq!((request.payload(), request.value(option::BLOCK1)), (&[][..], None));
            let outputs = bench.receive(&piggyback_block(&request, &answer, number, 64));
            match number {
                1 => request = only(&outputs),
                _ => assert_eq!(response_of(&outputs, exchange).0.payload, answer),
            }
        }
        bench.assert_idle();
    }
}

/// RFC 8132 §2: further blocks of a FETCH that fits into one message repeat its body.
#[test]
fn further_blocks_of_a_fetch_repeat_its_body() {
    let mut bench = Bench::new();
    let (_, request) = bench.send(with_body(Method::Fetch, "", b"paths"));
    let next = only(&bench.receive(&piggyback_block(&request, &body(100), 0, 64)));
    assert_eq!((next.payload(), next.content_format()), (b"paths".as_slice(), Some(42)));
}

/// C-085, C-086, C-099, C-100, C-102: blocks that do not fit together fail the exchange.
#[test]
fn inconsistent_blocks_fail_the_exchange() {
    let first = |request: &Message, value: u32, length: usize| {
        let mut message = piggyback(request, Code::CONTENT, &body(length));
        message.add_uint(option::BLOCK2, value);
        message
    };
    // C-085 SZX 7 · C-102 short block · too long · does not begin at 0
    for (value, length) in [(8 | 7, 128), (8 | 6, 10), (8, 17), (1 << 4 | 8, 16)] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.send(get("status"));
        let failure = failure_of(&bench.receive(&first(&request, value, length)), exchange);
        assert_eq!(failure, Failure::Incomplete, "{value} {length}");
        bench.assert_idle();
    }
    // Second block: C-099 wrong number, no Block2 at all, another format, empty with M
    for case in ["ahead", "behind", "no block", "format", "empty"] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.send(get("status"));
        let request = only(&bench.receive(&piggyback_block(&request, &body(300), 0, 64)));
        let answer = match case {
            "ahead" => piggyback_block(&request, &body(300), 2, 64),
            "behind" => piggyback_block(&request, &body(300), 0, 64),
            "no block" => piggyback(&request, Code::CONTENT, b"v"),
            "format" => {
                let mut answer = piggyback_block(&request, &body(300), 1, 64);
                answer.add_uint(option::CONTENT_FORMAT, 60);
                answer
            }
            _ => {
                let mut answer = piggyback(&request, Code::CONTENT, b"");
                add_block(&mut answer, option::BLOCK2, 1, true, 64);
                answer
            }
        };
        assert_eq!(failure_of(&bench.receive(&answer), exchange), Failure::Incomplete, "{case}");
        bench.assert_idle();
    }
    // C-086: a Block2 of no bytes is number 0, no more, 16 bytes.
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(get("status"));
    assert_eq!(response_of(&bench.receive(&first(&request, 0, 10)), exchange).0.payload.len(), 10);
}

/// C-100: another ETag: once from the start, then it fails; parts of two bodies are never mixed.
#[test]
fn a_changing_etag_restarts_a_read_once() {
    let (old, new) = (vec![1; 100], vec![2; 100]);
    let tagged = |request: &Message, body: &[u8], number, tag: &[u8]| {
        let mut message = piggyback_block(request, body, number, 64);
        message.add_option(option::ETAG, tag);
        message
    };
    for completes in [true, false] {
        let bodies = Budget::default();
        let mut bench = Bench::with(Config { bodies: bodies.clone(), ..Config::default() });
        let (exchange, request) = bench.send(get("status"));
        let request = only(&bench.receive(&tagged(&request, &old, 0, b"A")));
        let request = only(&bench.receive(&tagged(&request, &new, 1, b"B")));
        assert_eq!(block_of(&request, option::BLOCK2), Some((0, false, 64)));
        let request = only(&bench.receive(&tagged(&request, &new, 0, b"B")));
        assert_eq!(bodies.used(), 64, "the old part is given back");
        let outputs = bench.receive(&tagged(&request, &new, 1, if completes { b"B" } else { b"C" }));
        match completes {
            true => assert_eq!(response_of(&outputs, exchange).0.payload, new),
            false => assert_eq!(failure_of(&outputs, exchange), Failure::Incomplete),
        }
        bench.assert_idle();
    }
    // What is not a read is not asked again.
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(with_body(Method::Post, "1/0/0", b"arguments"));
    let request = only(&bench.receive(&tagged(&request, &old, 0, b"A")));
    assert_eq!(failure_of(&bench.receive(&tagged(&request, &new, 1, b"B")), exchange), Failure::Incomplete);
}

/// An error in mid-transfer is the answer.
#[test]
fn an_error_in_mid_transfer_is_the_answer() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(get("status"));
    let request = only(&bench.receive(&piggyback_block(&request, &body(100), 0, 64)));
    let outputs = bench.receive(&piggyback(&request, Code::REQUEST_ENTITY_INCOMPLETE, b"changed"));
    assert_eq!(response_of(&outputs, exchange).0.code, Code::REQUEST_ENTITY_INCOMPLETE);
    bench.assert_idle();
}

/// C-101: a device that always says "more" is stopped at the limit, one that announces too much at once.
#[test]
fn endless_and_oversized_answers_are_stopped() {
    let bodies = Budget::default();
    let mut bench = Bench::with(Config { bodies: bodies.clone(), ..limited(1000) });
    let (exchange, mut request) = bench.send(get("status"));
    let mut outputs = Vec::new();
    for number in 0..100 {
        let mut answer = piggyback(&request, Code::CONTENT, &[7; 16]);
        add_block(&mut answer, option::BLOCK2, number, true, 16);
        outputs = bench.receive(&answer);
        match sent(&outputs).pop() {
            Some(next) => request = next,
            None => break,
        }
    }
    assert_eq!((failure_of(&outputs, exchange), bodies.used()), (Failure::BodyTooLarge, 0));
    for whole in [true, false] {
        let (exchange, request) = bench.send(get("status"));
        let mut answer = piggyback(&request, Code::CONTENT, &body(if whole { 1001 } else { 64 }));
        if !whole {
            add_block(&mut answer, option::BLOCK2, 0, true, 64);
            answer.add_uint(option::SIZE2, 1001);
        }
        assert_eq!(failure_of(&bench.receive(&answer), exchange), Failure::BodyTooLarge);
    }
    bench.assert_idle();
}

/// With block-wise off a Block option of the device is one that is not understood.
#[test]
fn blocks_are_refused_when_blockwise_is_off() {
    let blockwise = Blockwise { enable: false, ..Blockwise::default() };
    let mut bench = Bench::with(Config { blockwise, ..Config::default() });
    let (exchange, request) = bench.send(get("status"));
    let outputs = bench.receive(&piggyback_block(&request, &body(100), 0, 64));
    assert_eq!(failure_of(&outputs, exchange), Failure::CriticalOption(option::BLOCK2));
    let message = upload(&mut bench, "rd", &body(16), 0, true, 16);
    assert_eq!(code_of(&bench.receive(&message)), Code::BAD_OPTION);
}

/// RFC 7959 figure 11, C-103: a notification in blocks: acknowledged at once, the rest fetched by GET without Observe and under another
/// token, then delivered whole.
#[test]
fn figure_11_a_notification_in_blocks() {
    let state = body(150);
    let mut bench = Bench::new();
    let (exchange, observation) = bench.observe("status", 1);
    let mut message = bench.notification(Kind::Confirmable, &observation, 2, part(&state, 0, 64));
    add_block(&mut message, option::BLOCK2, 0, true, 64);
    let outputs = sent(&bench.receive(&message));
    assert_eq!((outputs.len(), outputs[0].encode()), (2, empty_ack(message.id())));
    let mut request = outputs[1].clone();
    for number in 1..3 {
        assert_eq!(block_of(&request, option::BLOCK2), Some((number, false, 64)));
        assert_eq!((request.observe(), request.uri_path()), (None, vec![b"status".as_slice()]));
        assert_ne!(request.token(), observation.token());
        let outputs = bench.receive(&piggyback_block(&request, &state, number, 64));
        match number {
            1 => request = only(&outputs),
            _ => {
                let (response, receipt, ended) = notification_of(&outputs, exchange);
                assert_eq!((response.payload == state, response.observe), (true, Some(2)));
                assert_eq!((receipt, ended), (None, false));
            }
        }
    }
    bench.assert_idle();
}

/// RFC 7959 §3.4: the first answer of an observation in blocks: the rest under another token, the observation under its own.
#[test]
fn an_observation_whose_first_answer_comes_in_blocks() {
    let state = body(100);
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(observe("status"));
    let mut answer = piggyback_block(&request, &state, 0, 64);
    answer.add_uint(option::OBSERVE, 5);
    let next = only(&bench.receive(&answer));
    assert!(next.token() != request.token() && next.observe().is_none());
    let (response, observing) = response_of(&bench.receive(&piggyback_block(&next, &state, 1, 64)), exchange);
    assert_eq!((response.payload == state, response.observe, observing), (true, Some(5), true));
    let message = bench.notification(Kind::NonConfirmable, &request, 6, b"v");
    notification_of(&bench.receive(&message), exchange);
}

/// A fetch of the first body that fails takes the observation with it.
#[test]
fn an_observation_whose_first_answer_stays_incomplete_is_over() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(observe("status"));
    let mut answer = piggyback_block(&request, &body(100), 0, 64);
    answer.add_uint(option::OBSERVE, 5);
    let next = only(&bench.receive(&answer));
    let outputs = bench.raw(&rst(next.id()));
    assert!(matches!(outputs.as_slice(), [Output::Reset(of)] if *of == exchange));
    let message = bench.notification(Kind::Confirmable, &request, 6, b"v");
    assert_eq!(datagrams(&bench.receive(&message)), [rst(message.id())]);
    bench.assert_idle();
}

/// C-104: a newer notification in mid-fetch: the old body is dropped, whether the new one is whole or again in blocks.
#[test]
fn a_newer_notification_replaces_the_body_that_is_being_fetched() {
    for whole in [true, false] {
        let (old, new) = (vec![1; 100], vec![2; 100]);
        let mut bench = Bench::new();
        let (exchange, observation) = bench.observe("status", 1);
        let mut message = bench.notification(Kind::NonConfirmable, &observation, 2, part(&old, 0, 64));
        add_block(&mut message, option::BLOCK2, 0, true, 64);
        let stale = only(&bench.receive(&message));
        let mut message = bench.notification(Kind::Confirmable, &observation, 3, part(&new, 0, 64));
        if whole {
            let outputs = bench.receive(&message);
            let (response, receipt, _) = notification_of(&outputs, exchange);
            assert_eq!((response.payload.as_slice(), receipt.is_some()), (part(&new, 0, 64), true));
            assert!(bench.receive(&piggyback_block(&stale, &old, 1, 64)).is_empty());
        } else {
            add_block(&mut message, option::BLOCK2, 0, true, 64);
            let outputs = sent(&bench.receive(&message));
            assert_eq!(outputs[0].encode(), empty_ack(message.id()));
            assert_ne!(outputs[1].token(), stale.token());
            assert!(bench.receive(&piggyback_block(&stale, &old, 1, 64)).is_empty());
            let outputs = bench.receive(&piggyback_block(&outputs[1], &new, 1, 64));
            assert_eq!(notification_of(&outputs, exchange).0.payload, new);
        }
        assert_eq!(bench.counters().unmatched, 1);
        bench.assert_idle();
    }
}

/// The rest of a notification that cannot be fetched is counted; the observation lives on.
#[test]
fn a_notification_whose_rest_does_not_come_is_counted() {
    for case in ["silence", "reset", "error"] {
        let mut bench = Bench::new();
        let (exchange, observation) = bench.observe("status", 1);
        let mut message = bench.notification(Kind::NonConfirmable, &observation, 2, &body(64));
        add_block(&mut message, option::BLOCK2, 0, true, 64);
        let request = only(&bench.receive(&message));
        let outputs = match case {
            "silence" => bench.wait_seconds(93.0),
            "reset" => bench.raw(&rst(request.id())),
            _ => bench.receive(&piggyback(&request, Code::NOT_FOUND, b"")),
        };
        assert!(events(&outputs).is_empty(), "{case}");
        assert_eq!(bench.counters().incomplete_notifications, 1, "{case}");
        let message = bench.notification(Kind::NonConfirmable, &observation, 3, b"v");
        notification_of(&bench.receive(&message), exchange);
        bench.assert_idle();
    }
}

/// C-087, C-088, C-089: a register of 60 bytes in blocks of 16: 2.31 for each, the real code on the last, Block1 in every answer.
#[test]
fn a_request_in_blocks_is_delivered_whole() {
    let links = body(60);
    let mut bench = Bench::new();
    // C-089: begin, then begin again.
    for number in [0, 1, 0, 1, 2] {
        let message = upload(&mut bench, "rd", part(&links, number, 16), number, true, 16);
        let outputs = bench.receive(&message);
        assert_eq!((code_of(&outputs), events(&outputs).len()), (Code::CONTINUE, 0));
        assert_eq!(block_of(&only(&outputs), option::BLOCK1), Some((number, true, 16)));
        // C-108
        assert_eq!(datagrams(&bench.receive(&message)), datagrams(&outputs));
    }
    let message = upload(&mut bench, "rd", part(&links, 3, 16), 3, false, 16);
    let (id, request) = incoming(&bench.receive(&message));
    assert_eq!((request.payload == links, request.content_format), (true, Some(40)));
    let answer = only(&bench.respond(id, Response::new(Code::CREATED)));
    assert_eq!((answer.code(), block_of(&answer, option::BLOCK1)), (Code::CREATED, Some((3, false, 16))));
    bench.assert_idle();
}

/// C-088, C-090, C-091, C-092, C-094: what is refused, and that nothing of it is ever delivered.
#[test]
fn incomplete_wrong_and_oversized_requests_are_refused() {
    // (number, blocks as number/more/length/format, Size1, the last code)
    type Blocks = &'static [(u32, bool, usize, u32)];
    let table: [(&str, Blocks, Option<u32>, Code); 11] = [
        ("C-088", &[(0, true, 16, 40), (2, true, 16, 40)], None, Code::REQUEST_ENTITY_INCOMPLETE),
        ("C-088", &[(1, true, 16, 40)], None, Code::REQUEST_ENTITY_INCOMPLETE),
        ("C-088", &[(3, false, 16, 40)], None, Code::REQUEST_ENTITY_INCOMPLETE),
        (
            "C-088",
            &[(0, true, 16, 40), (1, true, 16, 40), (2, true, 16, 40), (1, true, 16, 40)],
            None,
            Code::REQUEST_ENTITY_INCOMPLETE,
        ),
        ("C-088", &[(0, true, 16, 40), (2, true, 16, 40), (1, false, 16, 40)], None, Code::REQUEST_ENTITY_INCOMPLETE),
        ("C-090", &[(0, true, 15, 40)], None, Code::BAD_REQUEST),
        ("C-090", &[(0, true, 16, 40), (1, true, 17, 40)], None, Code::BAD_REQUEST),
        ("C-091", &[(0, true, 16, 40)], Some(100_000_000), Code::REQUEST_ENTITY_TOO_LARGE),
        (
            "C-091",
            &[(0, true, 16, 40), (1, true, 16, 40), (2, true, 16, 40), (3, false, 16, 40)],
            None,
            Code::REQUEST_ENTITY_TOO_LARGE,
        ),
        ("C-094", &[(0, true, 16, 110), (1, false, 16, 112)], None, Code::REQUEST_ENTITY_INCOMPLETE),
        ("C-092", &[], None, Code::REQUEST_ENTITY_TOO_LARGE),
    ];
    for (number, blocks, announced, expected) in table {
        let bodies = Budget::default();
        let mut bench = Bench::with(Config { bodies: bodies.clone(), ..limited(60) });
        let mut outputs = Vec::new();
        for (number, more, length, format) in blocks {
            let mut message = bench.device_request(Method::Post, "rd");
            message.add_uint(option::CONTENT_FORMAT, *format);
            add_block(&mut message, option::BLOCK1, *number, *more, 16);
            if let Some(size) = announced {
                message.add_uint(option::SIZE1, size);
            }
            message.set_payload(body(*length));
            outputs = bench.receive(&message);
            assert!(events(&outputs).is_empty());
        }
        if blocks.is_empty() {
            let mut message = bench.device_request(Method::Post, "rd");
            message.set_payload(body(61));
            outputs = bench.receive(&message);
        }
        let answer = only(&outputs);
        assert_eq!(answer.code(), expected, "{number} {blocks:?}");
        let limit = (expected == Code::REQUEST_ENTITY_TOO_LARGE).then_some(60);
        assert_eq!(answer.uint(option::SIZE1, 4), limit, "{number}");
        assert_eq!(bodies.used(), 0, "{number}");
        bench.assert_idle();
    }
}

/// C-093, C-119: transfers are told apart by method, path, query and Request-Tag, not by token.
#[test]
fn interleaved_transfers_are_told_apart() {
    let variants: [(&str, &str, &[u8]); 4] =
        [("rd", "", b""), ("dp", "", b""), ("rd", "ep=a", b""), ("rd", "", b"\x02")];
    let mut bench = Bench::new();
    let mut ids: Vec<IncomingId> = Vec::new();
    for number in 0..3 {
        for (index, (path, query, tag)) in variants.iter().enumerate() {
            let mut message = bench.message(Kind::Confirmable, Method::Post.code(), &[number as u8, index as u8]);
            add_path(&mut message, path);
            if !query.is_empty() {
                message.add_option(option::URI_QUERY, query.as_bytes());
            }
            if !tag.is_empty() {
                message.add_option(option::REQUEST_TAG, *tag);
            }
            add_block(&mut message, option::BLOCK1, number, number < 2, 16);
            message.set_payload([index as u8; 16]);
            let outputs = bench.receive(&message);
            match number {
                2 => {
                    let (id, request) = incoming(&outputs);
                    assert_eq!(request.payload, [index as u8; 48]);
                    ids.push(id);
                }
                _ => assert_eq!(code_of(&outputs), Code::CONTINUE),
            }
        }
    }
    for id in ids {
        bench.respond(id, Response::new(Code::CHANGED));
    }
    bench.assert_idle();
}

/// C-095: an idle transfer is forgotten in time; four per peer and the shared budget bound their memory.
#[test]
fn unfinished_bodies_are_bounded_and_expire() {
    let bodies = Budget::new(40_000);
    let config = Config { bodies: bodies.clone(), ..Config::default() };
    let mut benches: Vec<Bench> = (0..20).map(|_| Bench::with(config.clone())).collect();
    for bench in &mut benches {
        for path in 0..10 {
            let message = upload(bench, &format!("rd/{path}"), &body(1024), 0, true, 1024);
            assert_eq!(code_of(&bench.receive(&message)), Code::CONTINUE);
            assert!(bodies.used() <= 40_000);
        }
    }
    let codes = |bench: &mut Bench| {
        [6, 7, 8, 9].map(|path| {
            let message = upload(bench, &format!("rd/{path}"), &body(1024), 1, true, 1024);
            code_of(&bench.receive(&message))
        })
    };
    assert_eq!(codes(&mut benches[0]), [Code::SERVICE_UNAVAILABLE; 4], "it rested longest");
    assert_eq!(codes(&mut benches[19]), [Code::CONTINUE; 4]);
    for bench in &mut benches {
        let idle = bench.wait_seconds(246.0);
        assert!(idle.is_empty());
    }
    assert!(bodies.used() > 30_000);
    for bench in &mut benches {
        bench.wait_seconds(2.0);
        bench.assert_idle();
    }
    assert_eq!(bodies.used(), 0);
    // A block of a transfer that had to go is 4.08.
    let bench = &mut benches[0];
    for path in 0..5 {
        let message = upload(bench, &format!("rd/{path}"), &body(16), 0, true, 16);
        bench.receive(&message);
    }
    let message = upload(bench, "rd/0", &body(16), 1, true, 16);
    assert_eq!(code_of(&bench.receive(&message)), Code::REQUEST_ENTITY_INCOMPLETE);
}

/// C-096: a smaller size in mid-transfer.
#[test]
fn the_device_may_use_smaller_blocks_in_mid_transfer() {
    let links = body(1100);
    let mut bench = Bench::new();
    let message = upload(&mut bench, "rd", part(&links, 0, 1024), 0, true, 1024);
    assert_eq!(code_of(&bench.receive(&message)), Code::CONTINUE);
    let message = upload(&mut bench, "rd", part(&links, 16, 64), 16, true, 64);
    assert_eq!(code_of(&bench.receive(&message)), Code::CONTINUE);
    let message = upload(&mut bench, "rd", part(&links, 17, 64), 17, false, 64);
    assert_eq!(incoming(&bench.receive(&message)).1.payload, links);
}

/// RFC 7959 §2.3: our smaller size is offered in the 2.31, and the device follows it.
#[test]
fn a_smaller_size_is_offered_to_the_device() {
    let links = body(300);
    let blockwise = Blockwise { max_block_size: 64, ..Blockwise::default() };
    let mut bench = Bench::with(Config { blockwise, ..Config::default() });
    let message = upload(&mut bench, "rd", part(&links, 0, 256), 0, true, 256);
    assert_eq!(block_of(&only(&bench.receive(&message)), option::BLOCK1), Some((0, true, 64)));
    let message = upload(&mut bench, "rd", &links[256..], 4, false, 64);
    assert_eq!(incoming(&bench.receive(&message)).1.payload, links);
}

/// The last block again under a new message id: the device did not get our 2.31.
#[test]
fn a_block_that_is_sent_anew_is_not_appended_twice() {
    let links = body(40);
    let mut bench = Bench::new();
    for number in [0, 0, 1, 1] {
        let message = upload(&mut bench, "rd", part(&links, number, 16), number, true, 16);
        assert_eq!(code_of(&bench.receive(&message)), Code::CONTINUE);
    }
    let message = upload(&mut bench, "rd", part(&links, 2, 16), 2, false, 16);
    assert_eq!(incoming(&bench.receive(&message)).1.payload, links);

    // The same number with other bytes is not the same block.
    let mut codes = Vec::new();
    for (number, content) in [(0, 0), (1, 1), (1, 2)] {
        let message = upload(&mut bench, "rd", &[content; 16], number, true, 16);
        codes.push(code_of(&bench.receive(&message)));
    }
    assert_eq!(codes, [Code::CONTINUE, Code::CONTINUE, Code::REQUEST_ENTITY_INCOMPLETE]);
}

/// An idle time-out, not a total one: a body that comes at a block per 200 s is completed.
#[test]
fn a_slow_upload_completes() {
    let links = body(1600);
    let mut bench = Bench::new();
    for number in 0..99 {
        let message = upload(&mut bench, "rd", part(&links, number, 16), number, true, 16);
        assert_eq!(code_of(&bench.receive(&message)), Code::CONTINUE);
        assert!(bench.wait_seconds(200.0).is_empty());
    }
    let message = upload(&mut bench, "rd", part(&links, 99, 16), 99, false, 16);
    assert_eq!(incoming(&bench.receive(&message)).1.payload, links);
}

/// C-095, C-148: all peers share one budget. The body that rested longest makes room for a new one and its next block gets 5.03, whether it
/// is on its way from or to be fetched from a device; bodies that go on are finished.
#[test]
fn the_body_that_rested_longest_makes_room_for_others() {
    let bodies = Budget::new(100);
    let mut benches: Vec<Bench> =
        (0..3).map(|_| Bench::with(Config { bodies: bodies.clone(), ..Config::default() })).collect();
    let links = body(68);
    let send = |bench: &mut Bench, number: u32| {
        let message = upload(bench, "rd", part(&links, number, 16), number, number < 4, 16);
        bench.receive(&message)
    };
    for number in 0..3 {
        assert_eq!(code_of(&send(&mut benches[0], number)), Code::CONTINUE);
        assert_eq!(code_of(&send(&mut benches[1], number)), Code::CONTINUE);
    }
    assert_eq!(bodies.used(), 96);
    // The fourth block of the second peer costs the first one its body.
    assert_eq!(code_of(&send(&mut benches[1], 3)), Code::CONTINUE);
    assert_eq!(bodies.used(), 64);
    assert_eq!(code_of(&send(&mut benches[0], 3)), Code::SERVICE_UNAVAILABLE);
    assert_eq!(code_of(&send(&mut benches[0], 4)), Code::REQUEST_ENTITY_INCOMPLETE);
    // A download makes room just the same, and then loses its own to the upload that begins anew.
    let (exchange, request) = benches[2].send(get("1"));
    let next = only(&benches[2].receive(&piggyback_block(&request, &body(200), 0, 32)));
    assert_eq!(bodies.used(), 96);
    for number in 0..4 {
        assert_eq!(code_of(&send(&mut benches[0], number)), Code::CONTINUE);
    }
    assert_eq!(bodies.used(), 96, "the second peer's body is gone, the download is not");
    assert_eq!(code_of(&send(&mut benches[1], 4)), Code::SERVICE_UNAVAILABLE);
    let (_, request) = incoming(&send(&mut benches[0], 4));
    assert!(request.payload == links);
    let next = only(&benches[2].receive(&piggyback_block(&next, &body(200), 1, 32)));
    assert_eq!(bodies.used(), 64);
    bodies.set_limit(63);
    let outputs = benches[2].receive(&piggyback_block(&next, &body(200), 2, 32));
    assert_eq!((failure_of(&outputs, exchange), bodies.used()), (Failure::Exhausted, 0));
}

/// A body larger than the whole budget costs only itself.
#[test]
fn a_body_beyond_the_whole_budget_costs_nobody_else() {
    let bodies = Budget::new(40);
    let mut benches: Vec<Bench> =
        (0..2).map(|_| Bench::with(Config { bodies: bodies.clone(), ..Config::default() })).collect();
    let links = body(80);
    let send = |bench: &mut Bench, number: u32| {
        let message = upload(bench, "rd", part(&links, number, 16), number, true, 16);
        code_of(&bench.receive(&message))
    };
    assert_eq!(send(&mut benches[0], 0), Code::CONTINUE);
    assert_eq!(send(&mut benches[1], 0), Code::CONTINUE);
    assert_eq!(send(&mut benches[0], 1), Code::CONTINUE);
    assert_eq!(bodies.used(), 32);
    assert_eq!(send(&mut benches[0], 2), Code::SERVICE_UNAVAILABLE);
    assert_eq!(bodies.used(), 0);
    assert_eq!(send(&mut benches[1], 0), Code::CONTINUE);
}
