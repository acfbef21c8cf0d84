//! Devices that speak from a new address, and who may take a session over (contract 9.5, C-080, L-025, L-034).
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod bench;
use bench::*;
use coap::{Code, Kind, Message, option};
use lwm2m::session::{Ending, Event, Output, Policy};
use std::sync::Arc;

#[test]
fn registering_from_another_address_moves_only_when_accepted() {
    let mut bench = Bench::usual();
    let (old, new) = (bench.home, address(50_000));
    let bad = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=7"], b"");
    let step = bench.datagram_from(new, &bad.encode());
    assert_eq!(step.story(), "→4.12 Oddity");
    assert_eq!(step.sent_to()[0].0, new);
    // The device at its old address has noticed nothing.
    assert_eq!(bench.session.address(), Some(old));
    assert_eq!(bench.update(&[], "").story(), "→2.04 Updated");
    let good = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=1.0"], b"</3/0>");
    let step = bench.datagram_from(new, &good.encode());
    assert_eq!(step.story(), "→2.01 Moved Registered");
    assert_eq!(step.sent_to()[0].0, new);
    assert_eq!(bench.session.address(), Some(new));
    // A repetition gets the same answer, and commands go to the new address.
    let again = bench.datagram_from(new, &good.encode());
    assert_eq!((again.story(), again.message().encode()), ("→2.01".to_owned(), step.message().encode()));
    let (_, step) = bench.submit("a", read("/3/0"));
    assert_eq!(step.sent_to()[0].0, new);
    assert_eq!(bench.stored.as_ref().unwrap().address, new);
}

/// A device that deregistered is known for a while, by its address and its former location; requests that name the location are answered.
#[test]
fn a_location_that_is_gone_is_not_found_from_anywhere() {
    let mut bench = Bench::usual();
    let (update, new) = (bench.update_message(&[], ""), address(50_000));
    assert_eq!(bench.deregister().story(), "→2.02 Ended");
    let step = bench.datagram_from(new, &update.encode());
    assert_eq!((step.story().as_str(), step.sent_to()[0].0), ("→4.04", new));
    let message = step.message();
    assert_eq!((message.id(), message.token()), (update.id(), update.token()), "it belongs to the request");
    // A read by somebody who guesses, and what asks for no answer.
    let location: Vec<&str> = vec!["rd", "0000000000000000"];
    let guess = bench.request(GET, &location, &[], b"");
    assert_eq!(bench.datagram_from(new, &guess.encode()).story(), "→4.04");
    let notification = Message::new(Kind::NonConfirmable, Code::CONTENT, 77, b"none");
    assert_eq!(bench.datagram_from(new, &notification.encode()).story(), "Oddity");
    assert_eq!(bench.session.address(), Some(bench.home), "nobody moves what has ended");
}

#[test]
fn a_command_on_the_wire_follows_to_the_new_address() {
    let mut bench = Bench::usual();
    bench.send("a", read("/3/0/0"));
    let message = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=1.0"], b"</3/0>");
    let new = address(50_000);
    let step = bench.datagram_from(new, &message.encode());
    assert_eq!(step.story(), "→2.01 Moved Registered →Get Sent");
    bench.home = new;
    let again = step.sent()[1].clone();
    assert_eq!(bench.answer(&again, Code::CONTENT, Some(0), b"x").finished()[0].0, "a");
}

#[test]
fn update_from_a_new_address_moves_the_session_with_its_observations() {
    let mut bench = Bench::usual();
    let observed = bench.observe("o", "/3/0/9");
    let (old, new) = (bench.home, address(50_001));
    // Before the Update nobody knows that address.
    let early = bench.notification(&observed, Kind::Confirmable, Code::CONTENT, Some(2), b"1");
    assert_eq!(bench.datagram_from(new, &early.encode()).story(), "Oddity");
    let update = bench.update_message(&[], "");
    let step = bench.datagram_from(new, &update.encode());
    assert_eq!(step.story(), "Moved →2.04 Updated");
    assert!(matches!(step.events()[0], Event::Moved { from, to } if (*from, *to) == (old, new)));
    bench.home = new;
    let notification = bench.notification(&observed, Kind::Confirmable, Code::CONTENT, Some(3), b"7");
    assert_eq!(bench.deliver(&notification).story(), "Notified");
    assert_eq!(bench.stored.as_ref().unwrap().address, new);
}

#[test]
fn deregister_from_a_new_address_is_heard() {
    let mut bench = Bench::usual();
    let location = bench.location();
    let message = bench.request(DELETE, &["rd", &location[1]], &[], b"");
    assert_eq!(bench.datagram_from(address(50_002), &message.encode()).story(), "Moved →2.02 Ended");
}

#[test]
fn address_changes_can_be_forbidden() {
    let mut bench =
        Bench::registered_with(Policy { address_change: false, ..policy() }, &["ep=ep1", "lwm2m=1.0"], "</3/0>");
    let update = bench.update_message(&[], "");
    let step = bench.datagram_from(address(50_003), &update.encode());
    assert_eq!(step.story(), "→4.04 Oddity");
    assert_eq!(step.sent_to()[0].0, address(50_003));
    assert_eq!(bench.session.address(), Some(bench.home));
}

#[test]
fn a_secure_session_follows_its_association_and_stays_secure() {
    let mut bench = Bench::with(Policy { address_change: false, ..policy() });
    bench.home = secure(1000);
    // From LwM2M 1.1 on the identity may name the endpoint.
    assert_eq!(bench.register(&["lt=60", "lwm2m=1.0"], "</3/0>").story(), "→4.00 NeverRegistered");
    assert_eq!(bench.register(&["lt=60", "lwm2m=1.1"], "</3/0>").story(), "→2.01 Registered");
    let observed = bench.observe("o", "/3/0/9");
    let notification = bench.notification(&observed, Kind::NonConfirmable, Code::CONTENT, Some(3), b"7");
    assert_eq!(bench.datagram_from(secure(1001), &notification.encode()).story(), "Moved Notified");
    assert_eq!(bench.session.address(), Some(secure(1001)));
    // Nobody takes it away in plain text.
    let update = bench.update_message(&[], "");
    assert_eq!(bench.datagram_from(address(1001), &update.encode()).story(), "→4.04 Oddity");
    let register = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=1.1"], b"</3/0>");
    assert_eq!(bench.datagram_from(address(1001), &register.encode()).story(), "→4.00 Oddity");
    assert_eq!(bench.session.address(), Some(secure(1001)));
}

#[test]
fn a_register_of_another_endpoint_is_handed_on_untouched() {
    let mut bench = Bench::usual();
    let stray = bench.request(POST, &["rd"], &["ep=ep2", "lt=60", "lwm2m=1.0"], b"</3/0>").encode();
    for from in [bench.home, address(50_004)] {
        let step = bench.datagram_from(from, &stray);
        assert_eq!(step.story(), "Stray");
        let Output::Event(Event::Stray { from: reported, datagram }) = &step.outputs[0] else { panic!() };
        assert_eq!((*reported, datagram.as_slice()), (from, stray.as_slice()));
    }
    let now = bench.clock();
    bench.session.end(now, Ending::Replaced);
    assert_eq!(bench.drain().story(), "Ended");
}

#[test]
fn the_doorman_is_asked_before_a_session_moves() {
    for (home, stranger) in [(address(1), address(2)), (secure(1), secure(2))] {
        let admission = Arc::new(Doorman { refuses: vec![], bars: vec![stranger] });
        let mut bench = Bench::with(Policy { admission, ..policy() });
        bench.home = home;
        bench.register(&["ep=ep1", "lt=60", "lwm2m=1.1"], "</3/0>");
        let update = bench.update_message(&[], "");
        let step = bench.datagram_from(stranger, &update.encode());
        assert_eq!(step.story(), "→4.03 Oddity");
        let register = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=1.1"], b"</3/0>");
        assert_eq!(bench.datagram_from(stranger, &register.encode()).story(), "→4.03 Oddity");
        assert_eq!(bench.session.address(), Some(home));
    }
}

#[test]
fn a_register_in_blocks_from_a_new_address_disturbs_nothing_until_it_is_whole() {
    let mut bench = Bench::usual();
    bench.send("a", read("/3/0/0"));
    let new = address(50_009);
    let blocks: Vec<_> = b"</3/0>,</6/0>,</3303/0>".chunks(16).collect();
    let mut stories = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        let mut message = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=1.0"], block);
        message.add_uint(option::BLOCK1, (number as u32) << 4 | u32::from(number == 0) << 3);
        stories.push(bench.datagram_from(new, &message.encode()).story());
        assert_eq!(bench.session.address(), Some(if number == 0 { bench.home } else { new }));
    }
    assert_eq!(stories, ["→2.31", "→2.01 Moved Registered →Get Sent"]);
    // One that stops half way is forgotten.
    let mut message = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=1.0"], &[b'<'; 16]);
    message.add_uint(option::BLOCK1, 8);
    assert_eq!(bench.datagram_from(address(50_010), &message.encode()).story(), "→2.31");
    bench.home = new;
    bench.update(&["lt=80000"], "");
    assert_eq!(bench.wait(1000.0).finished().len(), 1);
    assert_eq!(bench.session.address(), Some(new));
}

#[test]
fn another_association_is_heard_only_with_the_location() {
    let mut bench = Bench::with(policy());
    bench.home = secure(1000);
    assert_eq!(bench.register(&["lt=60", "lwm2m=1.1"], "</3/0>").story(), "→2.01 Registered");
    let observed = bench.observe("o", "/3/0/9");
    let other = lwm2m::session::Address { association: std::num::NonZeroU64::new(8), ..secure(1000) };
    // The same socket behind another association is somebody else until it names the location (C-140).
    let notification = bench.notification(&observed, Kind::NonConfirmable, Code::CONTENT, Some(3), b"7");
    assert_eq!(bench.datagram_from(other, &notification.encode()).story(), "Oddity");
    let update = bench.update_message(&[], "");
    assert_eq!(bench.datagram_from(other, &update.encode()).story(), "Moved →2.04 Updated");
    assert_eq!(bench.session.address(), Some(other));
}
