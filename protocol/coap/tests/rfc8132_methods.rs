//! RFC 8132: FETCH, PATCH and iPATCH.
mod common;
use coap::{Code, Method, Request, stranger};
use common::*;

/// C-110, C-111: the codes on the wire, with Content-Format and Accept.
#[test]
fn methods_have_their_codes() {
    let methods = [
        (Method::Get, 1),
        (Method::Post, 2),
        (Method::Put, 3),
        (Method::Delete, 4),
        (Method::Fetch, 5),
        (Method::Patch, 6),
        (Method::IPatch, 7),
    ];
    for (method, code) in methods {
        let mut bench = Bench::new();
        let asked = Request { accept: Some(112), content_format: Some(112), ..with_body(method, "", b"x") };
        let (_, request) = bench.send(asked);
        assert_eq!((request.code(), request.method()), (Code(code), Some(method)));
        assert_eq!((request.accept(), request.content_format()), (Some(112), Some(112)));
    }
}

/// C-112: the peer passes them on, since it does not know the resources; without registration they are refused here.
#[test]
fn fetch_and_patch_of_the_device() {
    for method in [Method::Fetch, Method::Patch, Method::IPatch] {
        let mut bench = Bench::new();
        let message = bench.device_request(method, "rd");
        let answer = stranger::respond(&message).expect("answered");
        assert_eq!(coap::Message::decode(&answer).expect("well-formed").code(), Code::METHOD_NOT_ALLOWED);
        assert_eq!(incoming(&bench.receive(&message)).1.method, method);
    }
}

/// C-113
#[test]
fn conflict_and_unprocessable_entity_pass_through() {
    for code in [Code::CONFLICT, Code::UNPROCESSABLE_ENTITY] {
        let mut bench = Bench::new();
        let (exchange, request) = bench.send(with_body(Method::IPatch, "", b"x"));
        assert_eq!(response_of(&bench.receive(&piggyback(&request, code, b"")), exchange).0.code, code);
    }
}
