//! RFC 9175: Echo and Request-Tag. (Request-Tags of incoming transfers: `rfc7959_from_device`, of ours: `rfc7959_to_device`.)
mod common;
use coap::{Code, Kind, Method};
use common::*;

/// C-118, C-119: 4.01 with Echo: the same request once more with the value; a second 4.01 is the answer.
#[test]
fn a_request_is_repeated_once_with_the_echo_value() {
    for separate in [false, true] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.send(with_body(Method::Put, "3/0/15", b"Europe/Berlin"));
        let mut demand = match separate {
            true => bench.separate(Kind::Confirmable, &request, Code::UNAUTHORIZED, b""),
            false => piggyback(&request, Code::UNAUTHORIZED, b""),
        };
        demand.add_option(option::ECHO, [0xaa, 0xbb]);
        let outputs = bench.receive(&demand);
        assert!(events(&outputs).is_empty());
        let again = sent(&outputs).pop().expect("repeated");
        assert_eq!(again.value(option::ECHO), Some(&[0xaa, 0xbb][..]));
        assert_eq!((again.payload(), again.uri_path()), (request.payload(), request.uri_path()));
        assert_ne!(again.id(), request.id());
        let mut demand = piggyback(&again, Code::UNAUTHORIZED, b"");
        demand.add_option(option::ECHO, [0xcc]);
        assert_eq!(response_of(&bench.receive(&demand), exchange).0.code, Code::UNAUTHORIZED);
        bench.assert_idle();
    }
}

/// C-118: every block of a transfer, and an observation, can be asked for it.
#[test]
fn transfers_and_observations_repeat_with_echo() {
    let mut bench = Bench::new();
    let (exchange, request) = bench.send(with_body(Method::Put, "5/0/0", &body(2000)));
    let mut demand = piggyback(&request, Code::UNAUTHORIZED, b"");
    demand.add_option(option::ECHO, [1]);
    let again = only(&bench.receive(&demand));
    assert_eq!((again.payload(), block_of(&again, option::BLOCK1)), (request.payload(), Some((0, true, 1024))));
    bench.peer.forget(exchange);

    let mut bench = Bench::new();
    let (exchange, request) = bench.send(observe("3303/0"));
    let mut demand = piggyback(&request, Code::UNAUTHORIZED, b"");
    demand.add_option(option::ECHO, [1]);
    let again = only(&bench.receive(&demand));
    assert_eq!((again.observe(), again.token()), (Some(0), request.token()));
    let mut answer = piggyback(&again, Code::CONTENT, b"v");
    answer.add_uint(option::OBSERVE, 3);
    assert!(response_of(&bench.receive(&answer), exchange).1);
}

/// C-119: Echo has 1–40 bytes; without a usable value 4.01 is simply the answer.
#[test]
fn an_echo_value_out_of_range_is_ignored() {
    for (length, repeated) in [(0, false), (1, true), (40, true), (41, false)] {
        let mut bench = Bench::new();
        let (_, request) = bench.send(get("3"));
        let mut demand = piggyback(&request, Code::UNAUTHORIZED, b"");
        demand.add_option(option::ECHO, vec![7; length]);
        assert_eq!(sent(&bench.receive(&demand)).len() == 1, repeated, "{length}");
    }
}
