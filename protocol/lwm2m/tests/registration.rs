//! The registration interface: Register, Update, Deregister, expiry (contract chapter 9, L-001 to L-041).
mod bench;
use bench::*;
use coap::{Code, Kind, Message, option};
use lwm2m::link::Version;
use lwm2m::session::{Ending, Event, Outcome, Policy, Refused, Session};
use std::sync::Arc;
use std::time::Duration;

const LINKS: &str = "</1/0>,</3/0>";

fn register_code(query: &[&str], links: &str) -> Code {
    let mut bench = Bench::new();
    let step = bench.register(query, links);
    let code = step.message().code();
    let accepted = step.events().iter().any(|event| matches!(event, Event::Registered { .. }));
    assert_eq!(accepted, code == Code::CREATED, "{query:?}");
    assert_eq!(bench.session.registration().is_some(), accepted);
    if !accepted {
        let refused = |event: &&Event| matches!(event, Event::NeverRegistered { code: Some(c), .. } if *c == code);
        assert_eq!(step.events().into_iter().filter(refused).count(), 1, "{query:?}");
    }
    code
}

#[test]
fn register_is_judged_by_the_contracts_table() {
    let long = format!("ep={}", "x".repeat(252));
    let cases: &[(&[&str], Code)] = &[
        (&["ep=ep1", "lt=60", "lwm2m=1"], Code::CREATED),
        (&["ep=ep1", "lt=60", "lwm2m=1.0"], Code::CREATED),
        (&["ep=ep1", "lt=60", "lwm2m=1.1"], Code::CREATED),
        (&["ep=ep1", "lt=60", "lwm2m=1.2"], Code::CREATED),
        (&["ep=ep1", "lt=60", "lwm2m=1.3"], Code::PRECONDITION_FAILED),
        (&["ep=ep1", "lt=60", "lwm2m=9.9"], Code::PRECONDITION_FAILED),
        (&["ep=ep1", "lt=60", "lwm2m=1.0.2"], Code::PRECONDITION_FAILED),
        (&["ep=ep1", "lt=60", "lwm2m="], Code::PRECONDITION_FAILED),
        (&["ep=ep1", "lt=60"], Code::BAD_REQUEST),
        // The version is judged before the rest.
        (&["lt=x", "lwm2m=2"], Code::PRECONDITION_FAILED),
        (&["lt=60", "lwm2m=1.1"], Code::BAD_REQUEST),
        (&["ep=ep1", "ep=ep1", "lt=60", "lwm2m=1.1"], Code::BAD_REQUEST),
        (&["ep=ep1", "lwm2m=1.1"], Code::CREATED),
        (&["ep=ep1", "lt=", "lwm2m=1.1"], Code::BAD_REQUEST),
        (&["ep=ep1", "lt=-1", "lwm2m=1.1"], Code::BAD_REQUEST),
        (&["ep=ep1", "lt=+1", "lwm2m=1.1"], Code::BAD_REQUEST),
        (&["ep=ep1", "lt=1e3", "lwm2m=1.1"], Code::BAD_REQUEST),
        (&["ep=ep1", "lt=1.5", "lwm2m=1.1"], Code::BAD_REQUEST),
        (&["ep=ep1", "lt=4294967296", "lwm2m=1.1"], Code::BAD_REQUEST),
        (&["ep=ep1", "lt=4294967295", "lwm2m=1.1"], Code::CREATED),
        (&["lwm2m=1.1", "b=U", "lt=60", "ep=ep1"], Code::CREATED),
        (&["ep=ep1", "lt=60", "lwm2m=1.1", "Q"], Code::CREATED),
        (&["ep=ep1", "lt=60", "lwm2m=1.1", "Q=1"], Code::BAD_REQUEST),
        (&["ep=ep1", "lt=60", "lwm2m=1.0", "Q"], Code::CREATED),
        (&["ep=ep1", "lt=60", "lwm2m=1.0", "foo", "sms=+4412345", "pid=1", "foo=bar"], Code::CREATED),
    ];
    for (query, code) in cases {
        assert_eq!(register_code(query, LINKS), *code, "{query:?}");
    }
    // Names are judged before a session exists, but a session judges for itself as well.
    for bad in ["ep=", "ep=a\u{7}b", &long[..256.min(long.len())]] {
        let mut bench = Bench::new();
        let step = bench.register(&[bad, "lt=60", "lwm2m=1.1"], LINKS);
        assert!(bench.session.registration().is_none(), "{bad}: {:?}", step.outputs);
    }
}

#[test]
fn object_list_is_judged_with_its_format() {
    let cases: [(&str, Option<u32>, Code); 6] = [
        (LINKS, None, Code::CREATED),
        (LINKS, Some(0), Code::CREATED),
        (LINKS, Some(40), Code::CREATED),
        (LINKS, Some(50), Code::UNSUPPORTED_CONTENT_FORMAT),
        ("</1/0", Some(40), Code::BAD_REQUEST),
        ("", None, Code::CREATED),
    ];
    for (links, format, code) in cases {
        let mut bench = Bench::new();
        let mut message = bench.request(POST, &["rd"], &["ep=ep1", "lwm2m=1.0"], links.as_bytes());
        if let Some(format) = format {
            message.add_uint(option::CONTENT_FORMAT, format);
        }
        assert_eq!(bench.deliver(&message).message().code(), code, "{links} {format:?}");
    }
}

#[test]
fn lifetime_has_a_default_and_bounds_but_is_reported_as_sent() {
    let policy = Policy { lifetime_min: Duration::from_secs(15), ..policy() };
    let cases = [
        (Some("lt=0"), "0", Some(86_400)),
        (Some("lt=14"), "14", None),
        (Some("lt=15"), "15", Some(15)),
        (Some("lt=100000"), "100000", Some(86_400)),
        (None, "86400", Some(86_400)),
    ];
    for (member, reported, seconds) in cases {
        let mut bench = Bench::with(policy.clone());
        let mut query = vec!["ep=ep1", "lwm2m=1.0"];
        query.extend(member);
        let code = bench.register(&query, LINKS).message().code();
        let Some(seconds) = seconds else {
            assert_eq!(code, Code::BAD_REQUEST);
            continue;
        };
        let registration = bench.session.registration().unwrap();
        assert_eq!((registration.member("lt"), registration.lifetime.as_secs()), (Some(reported), seconds));
        assert_eq!(bench.session.remaining_lifetime(bench.clock()), Some(Duration::from_secs(seconds)));
    }
}

#[test]
fn what_the_device_said_is_kept() {
    let query = ["ep=ep1", "lt=345", "lwm2m=1.1", "b=UT", "sms=+49", "x=a=b", "flag", "Q", "pid=7"];
    let bench = Bench::registered(&query, "</lwm2m>;rt=\"oma.lwm2m\";ct=110,</lwm2m/3/0>");
    let registration = bench.session.registration().unwrap();
    let members: Vec<_> = registration.members.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(members, ["ep=ep1", "lt=345", "lwm2m=1.1", "b=UT", "sms=+49", "x=a=b", "Q=", "pid=7"]);
    assert_eq!(registration.version, Version::new(1, 1));
    let objects = registration.objects.as_ref().unwrap();
    assert_eq!((objects.alternate_path_text.as_str(), objects.links.as_slice()), ("/lwm2m", &["/3/0".to_owned()][..]));
}

#[test]
fn queue_mode_is_read_from_binding_apn_and_flag() {
    let cases = [
        ("lwm2m=1.0", "b=U", false),
        ("lwm2m=1.0", "b=UQ", true),
        ("lwm2m=1.0", "b=SQ", true),
        ("lwm2m=1.0", "b=UQS", true),
        ("lwm2m=1.0", "b=US", false),
        ("lwm2m=1.0", "Q", false),
        ("lwm2m=1.1", "Q", true),
        ("lwm2m=1.1", "b=UQ", true),
        ("lwm2m=1.2", "b=UTQ", true),
        ("lwm2m=1.1", "b=UT", false),
        ("lwm2m=1.0", "apn=Ctnb", true),
        ("lwm2m=1.0", "apn=psmA.eDRX0.ctnb", true),
        ("lwm2m=1.0", "apn=psmC.eDRX0.ctnb", true),
        ("lwm2m=1.0", "apn=psmF.eDRXC.ctnb", true),
        ("lwm2m=1.0", "apn=internet", false),
    ];
    for (version, member, queue) in cases {
        let bench = Bench::registered(&["ep=ep1", "lt=60", version, member], LINKS);
        assert_eq!(bench.session.registration().unwrap().queue_mode, queue, "{version} {member}");
    }
}

#[test]
fn location_is_rd_and_an_unguessable_id_that_changes() {
    let mut seen = std::collections::HashSet::new();
    let mut bench = Bench::new();
    for _ in 0..20 {
        let step = bench.register(&["ep=ep1", "lt=60", "lwm2m=1.0"], LINKS);
        let location: Vec<_> = step.sent()[0].values(option::LOCATION_PATH).map(<[u8]>::to_vec).collect();
        assert_eq!((location.len(), location[0].as_slice()), (2, &b"rd"[..]));
        let id = String::from_utf8(location[1].clone()).unwrap();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(seen.insert(id));
    }
    let other = Session::new("ep1", Arc::new(policy()), catalog(), [9; 16]);
    let mut other = Bench { session: other, ..Bench::new() };
    other.register(&["ep=ep1", "lt=60", "lwm2m=1.0"], LINKS);
    assert!(seen.insert(other.location()[1].clone()));
}

#[test]
fn the_answer_leaves_before_the_event_and_the_event_before_observations() {
    let policy = Policy { auto_observe: lwm2m::session::policy::AutoObserve::All, ..policy() };
    let mut bench = Bench::with(policy);
    let step = bench.register(&["ep=ep1", "lt=60", "lwm2m=1.0"], "</3/0>,</3303/0>");
    assert_eq!(step.story(), "→2.01 Registered →Get Sent");
}

#[test]
fn a_repeated_register_is_answered_the_same_and_reported_once() {
    let mut bench = Bench::new();
    let message = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=1.0"], LINKS.as_bytes());
    let first = bench.deliver(&message);
    assert_eq!(first.story(), "→2.01 Registered");
    let again = bench.deliver(&message);
    assert_eq!(again.story(), "→2.01");
    assert_eq!(first.message().encode(), again.message().encode());
}

#[test]
fn a_non_confirmable_register_is_accepted() {
    let mut bench = Bench::new();
    let confirmable = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=1.0"], b"");
    let mut message = Message::new(Kind::NonConfirmable, POST, confirmable.id(), confirmable.token());
    message.add_option(option::URI_PATH, "rd");
    for member in ["ep=ep1", "lwm2m=1.0"] {
        message.add_option(option::URI_QUERY, member);
    }
    assert_eq!(bench.deliver(&message).story(), "→2.01 Registered");
}

#[test]
fn a_register_in_blocks_is_one_register() {
    let mut bench = Bench::new();
    let links = "</1/0>,</3/0>,</4/0>,</5/0>,</3303/0>,</3303/1>";
    let blocks: Vec<_> = links.as_bytes().chunks(16).collect();
    for (number, block) in blocks.iter().enumerate() {
        let mut message = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=1.0"], block);
        let last = number + 1 == blocks.len();
        message.add_uint(option::BLOCK1, (number as u32) << 4 | u32::from(!last) << 3);
        let expected = if last { "→2.01 Registered" } else { "→2.31" };
        assert_eq!(bench.deliver(&message).story(), expected);
    }
    assert_eq!(bench.session.registration().unwrap().objects.as_ref().unwrap().links.len(), 6);
}

#[test]
fn a_register_that_never_completes_is_given_up() {
    let mut bench = Bench::new();
    let mut message = bench.request(POST, &["rd"], &["ep=ep1", "lt=60", "lwm2m=1.0"], &[b' '; 16]);
    message.add_uint(option::BLOCK1, 1 << 3);
    assert_eq!(bench.deliver(&message).story(), "→2.31");
    assert_eq!(bench.wait(246.0).story(), "");
    assert_eq!(bench.wait(2.0).story(), "NeverRegistered");
    assert_eq!(bench.wait(1000.0).story(), "");
}

#[test]
fn the_doorman_has_the_last_word() {
    let admission = Arc::new(Doorman { refuses: vec!["ep1".to_owned()], bars: vec![] });
    let mut bench = Bench::with(Policy { admission, ..policy() });
    let step = bench.register(&["ep=ep1", "lt=60", "lwm2m=1.0"], LINKS);
    assert_eq!(step.story(), "→4.03 NeverRegistered");
    assert_eq!(step.message().payload(), b"not on the list");
}

#[test]
fn update_merges_and_says_whether_it_had_an_object_list() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=345", "lwm2m=1.0", "b=U"], LINKS);
    let step = bench.update(&[], "");
    assert_eq!(step.story(), "→2.04 Updated");
    let Event::Updated { with_objects, .. } = step.events()[0] else { panic!() };
    assert!(!with_objects);
    let step = bench.update(&["lt=789", "x=1", "ep=other", "lwm2m=1.1"], "</6>");
    let [Event::Updated { registration, with_objects }] = step.events()[..] else { panic!("{:?}", step.outputs) };
    assert!(with_objects);
    assert_eq!(registration.endpoint, "ep1");
    assert_eq!(registration.version, Version::new(1, 0));
    assert_eq!(
        (registration.member("lt"), registration.member("x"), registration.member("b")),
        (Some("789"), Some("1"), Some("U"))
    );
    assert_eq!((registration.member("ep"), registration.member("lwm2m")), (Some("ep1"), Some("1.0")));
    assert_eq!(registration.objects.as_ref().unwrap().links, ["/6"]);
    let before = registration.location.clone();
    assert_eq!(bench.location(), before);
    let step = bench.update(&["b=UQ"], "");
    let [Event::Updated { registration, .. }] = step.events()[..] else { panic!() };
    assert!(registration.queue_mode);
    assert_eq!(registration.objects.as_ref().unwrap().links, ["/6"]);
}

#[test]
fn a_bad_update_changes_nothing() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=345", "lwm2m=1.0"], LINKS);
    let before = bench.session.registration().unwrap().clone();
    for (query, links) in [(&["lt=x", "b=UQ"][..], ""), (&["b=UQ"], "</1"), (&["Q=1"], ""), (&["lt=0.5"], "")] {
        assert_eq!(bench.update(query, links).story(), "→4.00", "{query:?} {links}");
        assert_eq!(*bench.session.registration().unwrap(), before);
    }
}

#[test]
fn an_update_with_a_binding_without_q_ends_queue_mode() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=345", "lwm2m=1.1", "b=U", "Q"], LINKS);
    bench.update(&["lt=60"], "");
    assert!(bench.session.registration().unwrap().queue_mode);
    bench.update(&["b=U"], "");
    assert!(!bench.session.registration().unwrap().queue_mode);
    bench.update(&["b=U", "Q"], "");
    assert!(bench.session.registration().unwrap().queue_mode);
}

#[test]
fn requests_for_other_resources_get_their_code() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=345", "lwm2m=1.0"], LINKS);
    let location = bench.location();
    let (rd, id) = (location[0].as_str(), location[1].as_str());
    let cases: &[(Code, &[&str], &str)] = &[
        (POST, &["rd", "nope"], "→4.04"),
        (POST, &[rd, id, "x"], "→4.04"),
        (POST, &["RD", id], "→4.04"),
        (POST, &[], "→4.04"),
        (POST, &["nowhere"], "→4.04"),
        (POST, &["bs"], "→4.04"),
        (DELETE, &["rd", "nope"], "→4.04"),
        (DELETE, &[], "→4.00"),
        (DELETE, &["rd"], "→4.05"),
        (GET, &["rd"], "→4.05"),
        (PUT, &["rd"], "→4.05"),
        (FETCH, &["rd"], "→4.05"),
        (GET, &[rd, id], "→4.05"),
        (PUT, &[rd, id], "→4.05"),
        (GET, &["nope"], "→4.04"),
        (GET, &[], "→4.04"),
        (GET, &["dp"], "→4.05"),
        (GET, &[".well-known", "core"], "→2.05"),
        (Code(8), &["rd"], "→4.05"),
    ];
    for (method, path, expected) in cases {
        let message = bench.request(*method, path, &[], b"");
        assert_eq!(bench.deliver(&message).story(), *expected, "{method} {path:?}");
    }
    assert!(bench.session.registration().is_some());
}

#[test]
fn deregister_ends_the_registration_once() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=345", "lwm2m=1.0"], LINKS);
    let location = bench.location();
    let step = bench.deregister();
    assert_eq!(step.story(), "→2.02 Ended");
    assert!(matches!(step.events()[0], Event::Ended { ending: Ending::Deregistered, .. }));
    assert!(bench.stored.is_none());
    for method in [DELETE, POST] {
        let message = bench.request(method, &["rd", &location[1]], &[], b"");
        assert_eq!(bench.deliver(&message).story(), "→4.04");
    }
    assert_eq!(bench.wait(1000.0).story(), "");
}

#[test]
fn a_registration_expires_by_its_lifetime_after_the_last_update_only() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=10", "lwm2m=1.0"], LINKS);
    assert_eq!(bench.wait(8.0).story(), "");
    assert_eq!(bench.update(&[], "").story(), "→2.04 Updated");
    assert_eq!(bench.wait(8.0).story(), "");
    // Other traffic does not renew it.
    let ping = Message::new(Kind::Confirmable, Code::EMPTY, 77, &[]);
    assert_eq!(bench.deliver(&ping).story(), "→RST");
    let step = bench.wait(3.0);
    assert_eq!(step.story(), "Ended");
    assert!(matches!(step.events()[0], Event::Ended { ending: Ending::Expired, .. }));
    assert!(bench.stored.is_none());
    let (refused, _) = bench.submit("late", read("/3/0"));
    assert_eq!(refused, Err(Refused::NotRegistered));
}

#[test]
fn an_update_after_the_end_finds_nothing_even_before_the_timer() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=10", "lwm2m=1.0"], LINKS);
    let update = bench.update_message(&[], "");
    bench.now += Duration::from_secs(11);
    assert_eq!(bench.deliver(&update).story(), "Ended →4.04");
}

#[test]
fn expiry_ends_commands_and_observations_before_the_registration() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=10", "lwm2m=1.0"], LINKS);
    bench.observe("o", "/3/0/9");
    bench.send("a", read("/3/0"));
    bench.submit("b", read("/3/0")).0.unwrap();
    let step = bench.wait(11.0);
    let events: Vec<_> = step.events().into_iter().map(|event| format!("{event:?}")).collect();
    assert!(events.last().unwrap().starts_with("Ended"), "{events:?}");
    let outcomes = step.finished();
    assert_eq!(outcomes[0], ("a".to_owned(), Outcome::TimedOut(Some("registration ended")), None));
    assert_eq!(outcomes[1], ("b".to_owned(), Outcome::Refused(Refused::NotRegistered), None));
    assert_eq!(outcomes.len(), 2);
    assert_eq!(bench.session.observing(), 0);
}

#[test]
fn registering_again_replaces_data_and_observations_but_keeps_commands() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=345", "lwm2m=1.0", "b=U", "x=1"], LINKS);
    let old = bench.location();
    let observed = bench.observe("o", "/3/0/9");
    let first = bench.send("a", read("/3/0/0"));
    bench.submit("b", read("/3/0/9")).0.unwrap();
    let step = bench.register(&["ep=ep1", "lt=60", "lwm2m=1.0"], "</3/0>");
    assert_eq!(step.story(), "→2.01 ObservationEnded Registered →Get Sent");
    let replaced = step.events().into_iter().find_map(|event| match event {
        Event::Registered { replaced, registration } => Some((replaced.clone(), registration.clone())),
        _ => None,
    });
    let (replaced, registration) = replaced.unwrap();
    assert_eq!(replaced, Some(old.clone()));
    assert_eq!(registration.member("x"), None);
    // The one on the wire goes again, under a new token.
    let again = step.sent()[1].clone();
    assert_eq!(segments(&again), ["3", "0", "0"]);
    assert_ne!(again.token(), first.token());
    // The old location and the old observation are unknown now.
    let message = bench.request(POST, &["rd", &old[1]], &[], b"");
    assert_eq!(bench.deliver(&message).story(), "→4.04");
    let notification = bench.notification(&observed, Kind::Confirmable, Code::CONTENT, Some(5), b"1");
    assert_eq!(bench.deliver(&notification).story(), "→RST");
    let step = bench.answer(&again, Code::CONTENT, Some(0), b"EMQ");
    assert_eq!(step.finished()[0].0, "a");
    let second = step.message();
    let step = bench.answer(&second, Code::CONTENT, Some(0), b"9");
    assert_eq!(step.finished()[0].0, "b");
}

#[test]
fn what_must_not_be_sent_twice_is_interrupted_by_a_new_registration() {
    let mut bench = Bench::usual();
    bench.send("x", execute("/3/0/4"));
    let step = bench.register(&["ep=ep1", "lt=60", "lwm2m=1.0"], "</3/0>");
    assert_eq!(step.finished(), [("x".to_owned(), Outcome::TimedOut(Some("interrupted")), None)]);
    assert_eq!(step.sent().len(), 1);
}

#[test]
fn a_device_that_restarted_with_its_first_message_id_is_heard() {
    let mut bench = Bench::usual();
    bench.device_id = 0x7000;
    let step = bench.register(&["ep=ep1", "lt=77", "lwm2m=1.0"], "</3/0>");
    assert_eq!(step.story(), "→2.01 Registered");
}

#[test]
fn an_ended_session_can_begin_again() {
    let mut bench = Bench::usual();
    bench.deregister();
    let step = bench.register(&["ep=ep1", "lt=77", "lwm2m=1.0"], "</3/0>");
    assert_eq!(step.story(), "→2.01 Registered");
    assert!(matches!(step.events()[0], Event::Registered { replaced: None, .. }));
}

#[test]
fn an_idle_session_is_small() {
    let size = size_of::<Session>();
    println!("Session: {size} bytes, of which Peer: {}", size_of::<coap::Peer>());
    assert!(size <= 768, "{size}");
}

#[test]
fn auto_observe_follows_the_object_list_of_a_first_registration() {
    use lwm2m::session::policy::AutoObserve;
    let links = "</1/0>,</3/0>,</6/0>,</3303/0>,</40000/0>,</x/y>";
    let cases = [
        (AutoObserve::Off, vec![]),
        (AutoObserve::All, vec!["auto /3/0", "auto /3303/0"]),
        (
            AutoObserve::Paths(["/3303/0", "/6/0", "/3", "/40000/0"].map(str::to_owned).into()),
            vec!["auto /3303/0", "auto /6/0"],
        ),
    ];
    for (auto_observe, expected) in cases {
        let mut bench = Bench::with(Policy { auto_observe, ..policy() });
        let mut step = bench.register(&["ep=ep1", "lt=77", "lwm2m=1.0"], links);
        let mut seen = Vec::new();
        while let Some(get) = step.sent().into_iter().find(|message| message.method().is_some()) {
            assert_eq!(get.observe(), Some(0));
            step = bench.answer(&get, Code::NOT_FOUND, None, b"");
            seen.extend(step.finished().into_iter().map(|(name, ..)| name));
        }
        assert_eq!(seen, expected);
        let step = bench.register(&["ep=ep1", "lt=77", "lwm2m=1.0"], links);
        assert_eq!(step.sent().len(), 1, "not on a registration that replaces one");
    }
}
