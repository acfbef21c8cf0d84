//! Datagrams of addresses without a peer are answered without state.
mod common;
use coap::stranger::{answer, reject, respond};
use coap::{Code, Kind, Message, Method};
use common::*;

fn message(kind: Kind, method: Method, path: &str) -> Message {
    let mut message = Message::new(kind, method.code(), 0x1234, b"tok");
    add_path(&mut message, path);
    message
}
#[allow(clippy::expect_used, reason = "a test may panic")]
fn decoded(answer: Option<Vec<u8>>) -> Message {
    Message::decode(&answer.expect("an answer")).expect("well-formed")
}

/// C-055, C-056, C-112, C-121: unknown paths, wrong methods, the link list; never more than three times what came.
#[test]
fn requests_get_the_code_that_fits() {
    let table = [
        (Method::Get, "nope", Code::NOT_FOUND),
        (Method::Get, "", Code::NOT_FOUND),
        (Method::Post, "rd/x", Code::NOT_FOUND),
        (Method::Delete, "rd/x", Code::NOT_FOUND),
        (Method::Get, "RD", Code::NOT_FOUND),
        (Method::Get, "..", Code::NOT_FOUND),
        (Method::Get, "rd", Code::METHOD_NOT_ALLOWED),
        (Method::Put, "dp", Code::METHOD_NOT_ALLOWED),
        (Method::Fetch, "rd", Code::METHOD_NOT_ALLOWED),
        (Method::IPatch, "dp", Code::METHOD_NOT_ALLOWED),
        (Method::Post, "dp", Code::BAD_REQUEST),
        (Method::Post, ".well-known/core", Code::METHOD_NOT_ALLOWED),
        (Method::Get, ".well-known/core", Code::CONTENT),
    ];
    for (method, path, code) in table {
        for (kind, answered) in
            [(Kind::Confirmable, Kind::Acknowledgement), (Kind::NonConfirmable, Kind::NonConfirmable)]
        {
            let message = message(kind, method, path);
            let answer = decoded(respond(&message));
            assert_eq!((answer.code(), answer.kind(), answer.token()), (code, answered, b"tok".as_slice()), "{path}");
            assert_eq!(answer.id(), message.id());
            assert!(answer.encode().len() <= 3 * message.encode().len(), "{path}");
        }
    }
}

/// C-056, C-057: RFC 6690 filters and Accept.
#[test]
fn the_link_list_can_be_filtered() {
    let table: [(Option<u32>, &str, Code, &str); 9] = [
        (None, "", Code::CONTENT, r#"</rd>;rt="core.rd",</dp>"#),
        (Some(40), "", Code::CONTENT, r#"</rd>;rt="core.rd",</dp>"#),
        (Some(50), "", Code::NOT_ACCEPTABLE, ""),
        (None, "rt=core.rd", Code::CONTENT, r#"</rd>;rt="core.rd""#),
        (None, "rt=core*", Code::CONTENT, r#"</rd>;rt="core.rd""#),
        (None, "rt=x", Code::CONTENT, ""),
        (None, "href=/dp", Code::CONTENT, "</dp>"),
        (None, "href=/*", Code::CONTENT, r#"</rd>;rt="core.rd",</dp>"#),
        (None, "nonsense", Code::CONTENT, ""),
    ];
    for (accept, query, code, links) in table {
        let mut message = message(Kind::Confirmable, Method::Get, ".well-known/core");
        if let Some(format) = accept {
            message.add_uint(option::ACCEPT, format);
        }
        if !query.is_empty() {
            message.add_option(option::URI_QUERY, query.as_bytes());
        }
        let answer = decoded(respond(&message));
        assert_eq!((answer.code(), answer.payload()), (code, links.as_bytes()), "{query}");
        assert_eq!(answer.content_format(), (code == Code::CONTENT).then_some(40));
    }
}

/// C-010, C-011, C-048, C-059: generic refusals.
#[test]
fn options_and_methods_are_refused_as_by_a_peer() {
    let with = |kind, number: u16| {
        let mut message = message(kind, Method::Post, "rd");
        message.add_option(number, b"x".as_slice());
        message
    };
    assert_eq!(decoded(respond(&with(Kind::Confirmable, 65_001))).code(), Code::BAD_OPTION);
    assert!(respond(&with(Kind::NonConfirmable, 65_001)).is_none());
    assert_eq!(decoded(respond(&with(Kind::Confirmable, option::PROXY_URI))).code(), Code::PROXYING_NOT_SUPPORTED);
    let unknown = Message::new(Kind::Confirmable, Code(8), 1, b"");
    assert_eq!(decoded(respond(&unknown)).code(), Code::METHOD_NOT_ALLOWED);
}

/// C-014, C-015, C-016, C-017, C-042: what is no request.
#[test]
fn pings_and_responses_are_reset_acks_and_resets_ignored() {
    let table = [
        ("40001234", "70001234"),
        ("41451234 AA", "70001234"),
        ("51451234 AA", ""),
        ("50001234", ""),
        ("60001234", ""),
        ("61451234 AA", ""),
        ("70001234", ""),
    ];
    for (datagram, expected) in table {
        let message = Message::decode(&bytes(datagram)).expect("well-formed");
        assert_eq!(respond(&message).unwrap_or_default(), bytes(expected), "{datagram}");
        assert!(answer(&message, Code::NOT_FOUND).is_none());
    }
    for (datagram, expected) in [("41001234 AA", "70001234"), ("51001234 AA", ""), ("00", ""), ("80001234", "")] {
        let error = Message::decode(&bytes(datagram)).expect_err("malformed");
        assert_eq!(reject(error).unwrap_or_default(), bytes(expected), "{datagram}");
    }
}

/// C-114 for strangers, and a bare code for any request.
#[test]
fn answers_respect_no_response() {
    let mut message = message(Kind::Confirmable, Method::Post, "dp");
    assert_eq!(decoded(answer(&message, Code::NOT_FOUND)).code(), Code::NOT_FOUND);
    message.add_uint(option::NO_RESPONSE, 8);
    assert_eq!(answer(&message, Code::NOT_FOUND), Some(empty_ack(0x1234)));
    assert_eq!(decoded(answer(&message, Code::SERVICE_UNAVAILABLE)).code(), Code::SERVICE_UNAVAILABLE);
}
