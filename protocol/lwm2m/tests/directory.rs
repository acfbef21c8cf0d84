//! What datagrams of unknown addresses mean, and the maps behind it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod bench;
use bench::{DELETE, FETCH, GET, POST, PUT, address, request, secure};
use coap::{Code, Kind, Message, option};
use lwm2m::directory::{Arrival, DeviceKey, Directory, Ignored, Limits};
use lwm2m::session::Address;
use std::time::{Duration, Instant};

struct Place {
    directory: Directory,
    now: Instant,
}

#[allow(clippy::disallowed_methods, reason = "only a starting point: all that follows is virtual time")]
fn place(limits: Limits) -> Place {
    Place { directory: Directory::new(limits), now: Instant::now() }
}

fn location(id: &str) -> Vec<String> {
    vec!["rd".to_owned(), id.to_owned()]
}

fn register(query: &[&str]) -> Vec<u8> {
    request(1, POST, &["rd"], query, b"</3/0>").encode()
}

const ENDPOINT_1: &[&str] = &["ep=ep1", "lt=60", "lwm2m=1.0"];

impl Place {
    fn arrive(&mut self, port: u16, datagram: &[u8]) -> Arrival {
        self.directory.arrive(self.now, address(port), None, datagram)
    }
    fn new_device(&mut self, port: u16, endpoint: &str, id: &str) -> DeviceKey {
        let datagram = register(&[&format!("ep={endpoint}"), "lt=60", "lwm2m=1.0"]);
        let Arrival::New { key, endpoint: named } = self.arrive(port, &datagram) else { panic!() };
        assert_eq!(&*named, endpoint);
        assert_eq!(self.directory.registered(key, &location(id), address(port)), None);
        key
    }
    fn answer(&mut self, datagram: &[u8]) -> String {
        match self.arrive(9, datagram) {
            Arrival::Answer(answer) => {
                assert!(answer.len() <= 3 * datagram.len());
                let message = Message::decode(&answer).unwrap();
                match message.kind() {
                    Kind::Reset => "RST".to_owned(),
                    _ => message.code().to_string(),
                }
            }
            Arrival::Ignore(Ignored::Unanswerable) => "-".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

#[test]
fn a_plausible_register_begins_a_device() {
    let mut place = place(Limits::default());
    let Arrival::New { key, endpoint } = place.arrive(1, &register(ENDPOINT_1)) else { panic!() };
    assert_eq!(&*endpoint, "ep1");
    // Its repetition, the next block of it, or the same from elsewhere is for the same device.
    for port in [1, 2] {
        assert_eq!(place.arrive(port, &register(ENDPOINT_1)), Arrival::Deliver(key));
    }
    assert_eq!((place.directory.len(), place.directory.by_endpoint("ep1")), (1, Some(key)));
    place.directory.remove(key);
    assert!(place.directory.is_empty());
    let Arrival::New { key: again, .. } = place.arrive(1, &register(ENDPOINT_1)) else { panic!() };
    assert_ne!(again, key);
}

#[test]
fn the_first_block_already_names_the_endpoint() {
    let mut place = place(Limits::default());
    let mut block = request(1, POST, &["rd"], ENDPOINT_1, &[b'<'; 16]);
    block.add_uint(option::BLOCK1, 8);
    assert!(matches!(place.arrive(1, &block.encode()), Arrival::New { .. }));
}

#[test]
fn implausible_registers_are_answered_without_a_device() {
    let longest = format!("ep={}", "x".repeat(252));
    let cases: &[(&[&str], &str)] = &[
        (&["ep=ep1", "lt=60"], "4.00"),
        (&["ep=ep1", "lt=60", "lwm2m=2.0"], "4.12"),
        (&["lt=60", "lwm2m=1.1"], "4.00"),
        (&["ep=", "lwm2m=1.1"], "4.00"),
        (&["ep=a", "ep=b", "lwm2m=1.1"], "4.00"),
        (&["ep=a\u{1}", "lwm2m=1.1"], "4.00"),
        (&["ep=a", "lt=x", "lwm2m=1.1"], "4.00"),
        (&["ep=a", "Q=1", "lwm2m=1.1"], "4.00"),
    ];
    let mut place = place(Limits::default());
    for (query, code) in cases {
        assert_eq!(place.answer(&register(query)), *code, "{query:?}");
    }
    let mut not_utf8 = request(1, POST, &["rd"], &["lwm2m=1.0"], b"");
    not_utf8.add_option(option::URI_QUERY, *b"ep=\xff");
    assert_eq!(place.answer(&not_utf8.encode()), "4.00");
    assert!(place.directory.is_empty());
    for good in ["ep=a=b", "ep=urn:imei:354658090100980", "ep=Zürich", &longest] {
        assert!(matches!(place.arrive(1, &register(&[good, "lwm2m=1.1"])), Arrival::New { .. }), "{good}");
    }
    assert_eq!(place.directory.len(), 4);
}

#[test]
fn an_identity_names_the_endpoint_from_1_1_on() {
    let mut place = place(Limits::default());
    for (version, accepted) in [("lwm2m=1.0", false), ("lwm2m=1.1", true)] {
        let arrival = place.directory.arrive(place.now, secure(1), Some("dev1"), &register(&["lt=60", version]));
        assert_eq!(matches!(arrival, Arrival::New { endpoint, .. } if &*endpoint == "dev1"), accepted, "{version}");
    }
}

#[test]
fn strangers_get_the_code_of_what_they_ask_for() {
    let cases: &[(Code, &[&str], &str)] = &[
        (POST, &["rd", "nope"], "4.04"),
        (DELETE, &["rd", "nope"], "4.04"),
        (PUT, &["rd", "nope"], "4.04"),
        (POST, &["rd", "a", "b"], "4.04"),
        (POST, &[], "4.04"),
        (DELETE, &[], "4.00"),
        (GET, &["rd"], "4.05"),
        (PUT, &["rd"], "4.05"),
        (FETCH, &["rd"], "4.05"),
        (GET, &["x"], "4.04"),
        (POST, &["dp"], "4.04"),
        (GET, &["dp"], "4.05"),
        (POST, &["bs"], "4.04"),
        (Code(9), &["rd"], "4.05"),
    ];
    let mut place = place(Limits::default());
    for (method, path, code) in cases {
        // An Uri-Query of some length: what is short is not worth answering at more than three times its size.
        let datagram = request(1, *method, path, &["padding=0123456789"], b"").encode();
        assert_eq!(place.answer(&datagram), *code, "{method} {path:?}");
    }
    assert!(place.directory.is_empty());
}

#[test]
fn other_messages_of_strangers_are_reset_or_ignored() {
    let cases = [
        ("40001234", "RST"),
        ("44451234deadbeef", "RST"),
        ("54451234deadbeef", "-"),
        ("60001234", "-"),
        ("70001234", "-"),
        ("64451234deadbeef", "-"),
        ("4f021234", "RST"),
        ("5f021234", "-"),
        ("80010001", "-"),
        ("40", "-"),
        ("", "-"),
    ];
    let mut place = place(Limits::default());
    for (datagram, expected) in cases {
        assert_eq!(place.answer(&bench::hex(datagram)), expected, "{datagram}");
    }
}

#[test]
fn addresses_and_locations_lead_to_their_device() {
    let mut place = place(Limits::default());
    let one = place.new_device(1, "ep1", "aaaa");
    let two = place.new_device(2, "ep2", "bbbb");
    assert_eq!(place.arrive(1, b"anything"), Arrival::Deliver(one));
    let update = request(5, POST, &["rd", "bbbb"], &[], b"").encode();
    let send_there = request(5, GET, &["rd", "bbbb"], &[], b"").encode();
    assert_eq!(place.arrive(77, &update), Arrival::Deliver(two));
    assert_eq!(place.arrive(77, &send_there), Arrival::Deliver(two));
    // A datagram of one address about another device.
    assert_eq!(place.arrive(1, &register(&["ep=ep2", "lwm2m=1.0"])), Arrival::Deliver(one));
    let stray = register(&["ep=ep2", "lwm2m=1.0"]);
    assert_eq!(place.directory.arrive_anew(place.now, address(1), None, &stray), Arrival::Deliver(two));
    assert_eq!(place.directory.by_location(&location("aaaa")), Some(one));
    assert_eq!(&**place.directory.endpoint(two).unwrap(), "ep2");
}

#[test]
fn a_new_registration_replaces_location_and_address() {
    let mut place = place(Limits::default());
    let one = place.new_device(1, "ep1", "aaaa");
    assert_eq!(place.directory.registered(one, &location("cccc"), address(3)), None);
    assert_eq!(place.directory.by_location(&location("aaaa")), None);
    assert_eq!(place.directory.by_location(&location("cccc")), Some(one));
    assert_eq!((place.directory.by_address(address(1)), place.directory.by_address(address(3))), (None, Some(one)));
}

#[test]
fn who_takes_an_address_displaces_who_had_it() {
    let mut place = place(Limits::default());
    let one = place.new_device(1, "ep1", "aaaa");
    let datagram = register(&["ep=ep2", "lwm2m=1.0"]);
    let Arrival::New { key: two, .. } = place.directory.arrive_anew(place.now, address(1), None, &datagram) else {
        panic!()
    };
    assert_eq!(place.directory.registered(two, &location("bbbb"), address(1)), Some(one));
    assert_eq!(place.directory.by_address(address(1)), Some(two));
    place.directory.remove(one);
    assert_eq!(place.directory.by_address(address(1)), Some(two));
    assert_eq!(place.directory.moved(two, address(4)), None);
    assert_eq!(place.directory.by_address(address(1)), None);
    assert_eq!(place.directory.address(two), Some(address(4)));
}

#[test]
fn devices_come_back_from_the_store() {
    let mut place = place(Limits::default());
    let key = place.directory.restore("ep1", &location("aaaa"), address(1)).unwrap();
    assert_eq!(place.directory.restore("ep1", &location("aaaa"), address(1)), None);
    assert_eq!(place.arrive(1, b"x"), Arrival::Deliver(key));
    assert_eq!(place.directory.keys().collect::<Vec<_>>(), [key]);
}

#[test]
fn registrations_are_limited() {
    let mut place = place(Limits { devices: 2, ..Limits::default() });
    place.new_device(1, "ep1", "aaaa");
    place.new_device(2, "ep2", "bbbb");
    assert_eq!(place.answer(&register(&["ep=ep3", "lwm2m=1.0"])), "5.03");
    // Those who are in stay in.
    assert!(matches!(place.arrive(5, &register(ENDPOINT_1)), Arrival::Deliver(_)));
}

#[test]
fn answers_are_rationed_per_source_and_in_all() {
    let mut place = place(Limits { answers_per_source: 10, answers: 25, ..Limits::default() });
    let nope = request(1, POST, &["rd", "nope"], &[], b"").encode();
    let ask = |place: &mut Place, host: u8, times: usize| {
        let from = Address { socket: ([10, 0, 0, host], 1000).into(), ..address(1) };
        (0..times)
            .filter(|_| matches!(place.directory.arrive(place.now, from, None, &nope), Arrival::Answer(_)))
            .count()
    };
    assert_eq!([ask(&mut place, 1, 100), ask(&mut place, 2, 100), ask(&mut place, 3, 100)], [10, 10, 5]);
    place.now += Duration::from_millis(500);
    assert_eq!(ask(&mut place, 1, 100), 5);
    place.now += Duration::from_secs(10);
    assert_eq!(ask(&mut place, 1, 100), 10);
    // Registers are not rationed: a storm of them is answered.
    for number in 0..500 {
        let datagram = register(&[&format!("ep=storm{number}"), "lwm2m=1.0"]);
        assert!(matches!(place.arrive(1, &datagram), Arrival::New { .. }));
    }
}

#[test]
fn the_memory_of_sources_is_bounded_and_counts_networks() {
    let mut place = place(Limits { answers_per_source: 2, sources: 3, ..Limits::default() });
    let nope = request(1, POST, &["rd", "nope"], &[], b"").encode();
    let mut asked = 0;
    for host in 0..200u8 {
        let from = Address { socket: ([10, 0, 0, host], 1000).into(), ..address(1) };
        asked += usize::from(matches!(place.directory.arrive(place.now, from, None, &nope), Arrival::Answer(_)));
    }
    assert_eq!(asked, 3 + 2, "three of their own, the rest share one allowance");
    place.now += Duration::from_secs(5);
    let mut from_network = 0;
    for host in 1..100u16 {
        let v6 = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host);
        let from = Address { socket: (v6, 1000).into(), ..address(1) };
        from_network += usize::from(matches!(place.directory.arrive(place.now, from, None, &nope), Arrival::Answer(_)));
    }
    assert_eq!(from_network, 2);
}
