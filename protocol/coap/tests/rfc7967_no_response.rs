//! RFC 7967: responses that the device does not want.
mod common;
use coap::{Code, Kind, Method, Response};
use common::*;

fn send(bench: &mut Bench, kind: Kind, interest: &[u8]) -> coap::Message {
    let mut message = bench.message(kind, Method::Post.code(), b"t");
    add_path(&mut message, "dp");
    message.add_option(option::NO_RESPONSE, interest);
    message
}

/// C-114: classes in the bitmap are withheld; a CON still gets its ACK, at once or late.
#[test]
fn unwanted_classes_are_withheld_and_confirmable_requests_still_acknowledged() {
    // (bitmap, code, withheld)
    let table = [
        (&[26][..], Code::CHANGED, true),
        (&[26], Code::BAD_REQUEST, true),
        (&[26], Code::SERVICE_UNAVAILABLE, true),
        (&[2], Code::CHANGED, true),
        (&[2], Code::BAD_REQUEST, false),
        (&[8], Code::CHANGED, false),
        (&[8], Code::NOT_FOUND, true),
        (&[16], Code::INTERNAL_SERVER_ERROR, true),
        (&[0], Code::CHANGED, false),
        (&[], Code::CHANGED, false),
        // C-115: a value out of range is an option that is not understood, and elective.
        (&[0, 26], Code::CHANGED, false),
    ];
    for (interest, code, withheld) in table {
        for (kind, late) in [(Kind::Confirmable, false), (Kind::Confirmable, true), (Kind::NonConfirmable, false)] {
            let mut bench = Bench::new();
            let message = send(&mut bench, kind, interest);
            let (id, _) = incoming(&bench.receive(&message));
            let early = if late { datagrams(&bench.wait_seconds(1.5)) } else { vec![] };
            assert_eq!(early, if late { vec![empty_ack(message.id())] } else { vec![] });
            let outputs = bench.respond(id, Response::new(code));
            match (withheld, kind, late) {
                (true, Kind::Confirmable, false) => {
                    assert_eq!(datagrams(&outputs), [empty_ack(message.id())]);
                    assert_eq!(datagrams(&bench.receive(&message)), [empty_ack(message.id())], "the duplicate");
                }
                (true, ..) => assert!(outputs.is_empty()),
                (false, ..) => assert_eq!(only(&outputs).code(), code),
            }
        }
    }
}

/// 2.31 is no response in this sense: without it a transfer could not go on.
#[test]
fn continue_is_never_withheld() {
    let mut bench = Bench::new();
    let mut message = send(&mut bench, Kind::Confirmable, &[26]);
    add_block(&mut message, option::BLOCK1, 0, true, 16);
    message.set_payload(body(16));
    assert_eq!(only(&bench.receive(&message)).code(), Code::CONTINUE);
}

/// C-116
#[test]
fn our_requests_never_carry_it() {
    let mut bench = Bench::new();
    for request in
        [get("3"), observe("3"), with_body(Method::Put, "3/0/15", b"x"), with_body(Method::Put, "5/0/0", &body(2000))]
    {
        let (exchange, message) = bench.send(request);
        assert!(message.value(option::NO_RESPONSE).is_none());
        bench.peer.forget(exchange);
        bench.wait_seconds(0.0);
    }
}
