//! Operations on the wire and their answers (contract chapters 4 to 7, extensions §1 and §2, L-043 to L-074).
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod bench;
use bench::*;
use coap::{Code, Kind, Message, option};
use lwm2m::session::operation::{Attribute, Mode, Operation, Target};
use lwm2m::session::{Content, Event, Policy, Refused};
use lwm2m::{ContentFormat, Node, Value};

/// The options and payload of a request: what the examples of the contract fix (message id and token are free).
fn tail(message: &Message) -> Vec<u8> {
    message.encode()[4 + message.token().len()..].to_vec()
}

fn at_lwm2m(lwm2m: &str) -> Bench {
    Bench::registered(&["ep=ep1", "lt=300", lwm2m], "</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/3/0>,</lwm2m/6/0>")
}

fn node(text: &str, value: Value) -> Node {
    Node::new(path(text), value)
}

fn write(text: &str, value: Value) -> Operation {
    Operation::Write { target: target(text), node: node(text, value), format: None }
}

fn batch(text: &str, nodes: Vec<Node>, mode: Mode) -> Operation {
    Operation::WriteBatch { target: target(text), nodes, mode, format: None }
}

fn create(text: &str, nodes: Vec<Node>) -> Operation {
    Operation::Create { target: target(text), nodes, format: None }
}

fn attributes(text: &str, attributes: &[(&'static str, Option<&str>)]) -> Operation {
    let attributes =
        attributes.iter().map(|(name, value)| Attribute { name, value: value.map(str::to_owned) }).collect();
    Operation::WriteAttributes { target: target(text), attributes }
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn requests_have_the_contracts_bytes() {
    let cases: Vec<(Operation, Code, &str)> = vec![
        (read("/3/0/0"), GET, "b56c776d326d 0133 0130 0130"),
        (Operation::Discover { target: target("/3/0") }, GET, "b56c776d326d 0133 0130 6128"),
        (write("/3/0/13", Value::Integer(12345)), PUT, "b56c776d326d 0133 0130 023133 122d16 ff c20d3039"),
        (
            write("/3/0/13", Value::Float(12345.0)),
            PUT,
            "b56c776d326d 0133 0130 023133 122d16 ff c80d08 40c81c8000000000",
        ),
        (write("/3/0/1", string("Hello")), PUT, "b56c776d326d 0133 0130 0131 122d16 ff c50148656c6c6f"),
        (write("/3/0/22", Value::ObjectLink(1, 2)), PUT, "b56c776d326d 0133 0130 023232 122d16 ff c41600010002"),
        (
            batch(
                "/3/0",
                vec![
                    node("/3/0/13", Value::Integer(12345)),
                    node("/3/0/14", string("87x")),
                    node("/3/0/6/0", Value::Integer(1)),
                ],
                Mode::Update,
            ),
            POST,
            "b56c776d326d 0133 0130 122d16 ff c20d3039 c30e383778 8306410001",
        ),
        (
            batch(
                "/3/0/22",
                vec![node("/3/0/22/0", Value::ObjectLink(1, 2)), node("/3/0/22/1", Value::ObjectLink(1, 4))],
                Mode::Update,
            ),
            PUT,
            "b56c776d326d 0133 0130 023232 122d16 ff 88160c 440000010002 440100010004",
        ),
        (
            batch("/3/0", vec![node("/3/0/14", string("x"))], Mode::Replace),
            PUT,
            "b56c776d326d 0133 0130 122d16 ff c10e78",
        ),
        (
            create(
                "/6",
                vec![
                    node("/6/0/0", Value::Float(1.5)),
                    node("/6/0/4", Value::Opaque(vec![1, 2, 3])),
                    node("/6/1/0", Value::Float(2.5)),
                ],
            ),
            POST,
            "b56c776d326d 0136 122d16 ff 080010 c800083ff8000000000000 c304010203 08010b c800084004000000000000",
        ),
        (create("/6", vec![]), POST, "b56c776d326d 0136 122d16"),
        (
            create("/6/3", vec![node("/6/3/0", Value::Float(1.5))]),
            POST,
            "b56c776d326d 0136 0133 122d16 ff c800083ff8000000000000",
        ),
        (
            attributes("/3/0/9", &[("pmin", Some("10")), ("pmax", Some("60"))]),
            PUT,
            "b56c776d326d 0133 0130 0139 47706d696e3d3130 07706d61783d3630",
        ),
        (attributes("/3/0/9", &[("pmin", None)]), PUT, "b56c776d326d 0133 0130 0139 44706d696e"),
        (
            attributes("/3/0/9", &[("gt", Some("-10.5")), ("st", Some("0.000001"))]),
            PUT,
            "b56c776d326d 0133 0130 0139 48 67743d2d31302e35 0b 73743d302e303030303031",
        ),
        (
            Operation::Execute { target: target("/3/0/4"), arguments: Some("0='1'".to_owned()) },
            POST,
            "b56c776d326d 0133 0130 0134 10 ff 303d273127",
        ),
        (execute("/3/0/4"), POST, "b56c776d326d 0133 0130 0134 10"),
        (Operation::Delete { target: target("/6/0") }, DELETE, "b56c776d326d 0136 0130"),
        (observe("/3/0/10"), GET, "60 556c776d326d 0133 0130 023130"),
        (cancel("/3/0/10", false), GET, "6101 556c776d326d 0133 0130 023130"),
    ];
    for (operation, method, expected) in cases {
        let request = at_lwm2m("lwm2m=1.0").send("x", operation.clone());
        assert_eq!(request.kind(), Kind::Confirmable);
        assert!(!request.token().is_empty());
        assert_eq!(request.code(), method, "{operation:?}");
        assert_eq!(tail(&request), hex(expected), "{operation:?}");
    }
}

#[test]
fn paths_are_split_and_queries_added() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=300", "lwm2m=1.0"], "</a/b>;rt=\"oma.lwm2m\",</a/b/3/0>");
    let target = Target { path: path("/3/0/9"), query: vec!["a=1".to_owned(), "b=2".to_owned()] };
    let request = bench.send("x", Operation::Read { target: target.clone(), format: None });
    assert_eq!(segments(&request), ["a", "b", "3", "0", "9"]);
    assert_eq!(query(&request), ["a=1", "b=2"]);
    bench.answer(&request, Code::NOT_FOUND, None, b"");
    let attributes = vec![Attribute { name: "pmin", value: Some("1".to_owned()) }];
    let request = bench.send("x", Operation::WriteAttributes { target, attributes });
    assert_eq!(query(&request), ["a=1", "b=2", "pmin=1"]);
}

#[test]
fn a_resource_instance_is_written_as_the_version_allows() {
    for (version, segments_expected, body) in [
        ("lwm2m=1.0", vec!["lwm2m", "3", "0", "6"], "8306410107"),
        ("lwm2m=1.1", vec!["lwm2m", "3", "0", "6", "1"], "410107"),
    ] {
        let request = at_lwm2m(version).send("x", write("/3/0/6/1", Value::Integer(7)));
        assert_eq!(request.code(), PUT);
        assert_eq!(segments(&request), segments_expected);
        assert_eq!(request.payload(), hex(body));
    }
}

#[test]
fn formats_are_chosen_by_version_and_announcement() {
    let with_ct = |version: &str, ct: &str| {
        Bench::registered(&["ep=ep1", "lt=300", version], &format!("</>;rt=\"oma.lwm2m\"{ct},</3/0>"))
    };
    let cases = [
        ("lwm2m=1.0", "", None, 11542),
        ("lwm2m=1.0", ";ct=11543", None, 11542),
        ("lwm2m=1.1", "", None, 11542),
        ("lwm2m=1.1", ";ct=\"11542 11543\"", Some(11542), 11542),
        ("lwm2m=1.1", ";ct=\"11542 110 112\"", Some(112), 11542),
        ("lwm2m=1.1", ";ct=\"60 110\"", Some(110), 110),
        ("lwm2m=1.1", ";ct=112", Some(112), 112),
        ("lwm2m=1.2", ";ct=11544", Some(11544), 11544),
        ("lwm2m=1.1", ";ct=60", None, 60),
    ];
    for (version, ct, accept, content) in cases {
        let mut bench = with_ct(version, ct);
        let request = bench.send("r", read("/3/0"));
        assert_eq!(request.accept(), accept, "{version} {ct}");
        bench.answer(&request, Code::NOT_FOUND, None, b"");
        let (accepted, step) = bench.submit("w", write("/3/0/14", string("x")));
        if accepted.is_ok() {
            assert_eq!(step.message().content_format(), Some(content), "{version} {ct}");
            assert_eq!(step.message().accept(), None);
        } else {
            panic!("{version} {ct}: {accepted:?}");
        }
    }
}

#[test]
fn a_format_that_was_asked_for_is_used_or_refused() {
    let mut bench = Bench::usual();
    let asked = |text: &str, format| Operation::Read { target: target(text), format: Some(format) };
    let request = bench.send("a", asked("/3/0/0", ContentFormat::Text));
    assert_eq!(request.accept(), Some(0));
    bench.answer(&request, Code::NOT_ACCEPTABLE, None, b"");
    let request = bench.send("b", asked("/3/0", ContentFormat::Json));
    assert_eq!(request.accept(), Some(11543));
    bench.answer(&request, Code::NOT_FOUND, None, b"");
    let write_as = |format| Operation::Write {
        target: target("/3/0/14"),
        node: node("/3/0/14", string("x")),
        format: Some(format),
    };
    let request = bench.send("c", write_as(ContentFormat::Text));
    assert_eq!((request.content_format(), request.payload()), (Some(0), &b"x"[..]));
    // What was asked for is not replaced, whatever the device says.
    let step = bench.answer(&request, Code::UNSUPPORTED_CONTENT_FORMAT, None, b"");
    assert_eq!(step.answer().code, Code::UNSUPPORTED_CONTENT_FORMAT);
    assert_eq!(step.sent().len(), 0);
    let impossible = [
        asked("/3", ContentFormat::Text),
        asked("/3/0", ContentFormat::Opaque),
        asked("/3/0", ContentFormat::Link),
        write_as(ContentFormat::Link),
        Operation::WriteBatch {
            target: target("/3/0"),
            nodes: vec![node("/3/0/13", Value::Integer(1)), node("/3/0/14", string("x"))],
            mode: Mode::Update,
            format: Some(ContentFormat::Text),
        },
        batch("/3", vec![node("/3/0/14", string("x"))], Mode::Update),
        batch("/3/0/6/1", vec![node("/3/0/6/1", Value::Integer(1))], Mode::Update),
        batch("/3/0", vec![], Mode::Update),
        create("/3/0/1", vec![]),
        attributes("/3/0", &[("pmin", Some("10")), ("pmax", Some("5"))]),
        attributes("/3/0", &[("epmin", Some("5")), ("epmax", Some("5"))]),
        attributes("/3/0", &[("lt", Some("1")), ("st", Some("2")), ("gt", Some("5"))]),
        attributes("/3/0", &[]),
        Operation::ReadComposite { paths: vec![path("/3")], format: Some(ContentFormat::Tlv) },
        Operation::ReadComposite { paths: vec![], format: None },
        Operation::WriteComposite { nodes: vec![], format: None },
    ];
    for operation in impossible {
        let (refused, step) = bench.submit("x", operation.clone());
        assert!(matches!(refused, Err(Refused::Impossible(_))), "{operation:?}: {refused:?}");
        assert_eq!(step.story(), "", "{operation:?}");
    }
    for fine in [&[("pmin", Some("10")), ("pmax", Some("0"))][..], &[("pmin", Some("10")), ("pmax", Some("10"))]] {
        let request = bench.send("x", attributes("/3/0", fine));
        assert!(request.payload().is_empty() && request.content_format().is_none());
        bench.answer(&request, Code::CHANGED, None, b"");
    }
}

#[test]
fn a_refused_format_is_replaced_once_and_remembered() {
    let links = "</>;rt=\"oma.lwm2m\";ct=\"11542 110\",</3/0>";
    let mut bench = Bench::registered(&["ep=ep1", "lt=300", "lwm2m=1.1"], links);
    let request = bench.send("a", write("/3/0/14", string("x")));
    assert_eq!(request.content_format(), Some(11542));
    let step = bench.answer(&request, Code::UNSUPPORTED_CONTENT_FORMAT, None, b"");
    let again = step.message();
    assert_eq!((again.content_format(), step.finished().len()), (Some(110), 0));
    let step = bench.answer(&again, Code::CHANGED, None, b"");
    assert_eq!(step.finished().len(), 1);
    assert_eq!(step.answer().code, Code::CHANGED);
    // Remembered for this registration, forgotten with it.
    let request = bench.send("b", write("/3/0/14", string("x")));
    assert_eq!(request.content_format(), Some(110));
    bench.answer(&request, Code::CHANGED, None, b"");
    bench.register(&["ep=ep1", "lt=300", "lwm2m=1.1"], links);
    let request = bench.send("c", write("/3/0/14", string("x")));
    assert_eq!(request.content_format(), Some(11542));
    // Only once per command.
    let again = bench.answer(&request, Code::UNSUPPORTED_CONTENT_FORMAT, None, b"").message();
    let step = bench.answer(&again, Code::UNSUPPORTED_CONTENT_FORMAT, None, b"no");
    assert_eq!((step.answer().code, step.sent().len()), (Code::UNSUPPORTED_CONTENT_FORMAT, 0));
    assert_eq!(step.answer().diagnostic.as_deref(), Some("no"));
    // A 1.0 device has no other format.
    let mut bench = Bench::usual();
    let request = bench.send("d", write("/3/0/14", string("x")));
    let step = bench.answer(&request, Code::UNSUPPORTED_CONTENT_FORMAT, None, b"");
    assert_eq!((step.answer().code, step.sent().len()), (Code::UNSUPPORTED_CONTENT_FORMAT, 0));
}

#[test]
fn an_accept_that_is_not_acceptable_is_left_out() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=300", "lwm2m=1.1"], "</>;rt=\"oma.lwm2m\";ct=11542,</3/0>");
    let request = bench.send("a", read("/3/0/0"));
    assert_eq!(request.accept(), Some(11542));
    let again = bench.answer(&request, Code::NOT_ACCEPTABLE, None, b"").message();
    assert_eq!(again.accept(), None);
    let step = bench.answer(&again, Code::CONTENT, Some(0), b"EMQ");
    assert_eq!(nodes(&step.answer()), [node("/3/0/0", string("EMQ"))]);
}

#[test]
fn composites_have_their_paths_in_the_body() {
    let links = "</lwm2m>;rt=\"oma.lwm2m\";ct=110,</lwm2m/3/0>";
    let mut bench = Bench::registered(&["ep=ep1", "lt=300", "lwm2m=1.1"], links);
    let paths = vec![path("/3/0/9"), path("/1")];
    let request = bench.send("r", Operation::ReadComposite { paths: paths.clone(), format: None });
    assert_eq!((request.code(), segments(&request)), (FETCH, vec!["lwm2m".to_owned()]));
    assert_eq!((request.content_format(), request.accept(), request.observe()), (Some(110), Some(110), None));
    let body = std::str::from_utf8(request.payload()).unwrap();
    assert!(body.contains("/3/0/9") && body.contains("/1"), "{body}");
    let step = bench.answer(&request, Code::CONTENT, Some(110), br#"[{"n":"/3/0/9","v":87}]"#);
    assert_eq!(nodes(&step.answer()), [node("/3/0/9", Value::Integer(87))]);
    // A device that does not know composites says so itself: no split behind its back.
    let request = bench.send("r", Operation::ReadComposite { paths: paths.clone(), format: None });
    let step = bench.answer(&request, Code::METHOD_NOT_ALLOWED, None, b"");
    assert_eq!((step.answer().code, step.sent().len()), (Code::METHOD_NOT_ALLOWED, 0));
    let nodes = vec![node("/1/0/1", Value::Integer(60))];
    let request = bench.send("w", Operation::WriteComposite { nodes, format: None });
    assert_eq!((request.code(), request.content_format(), request.accept()), (IPATCH, Some(110), None));
    bench.answer(&request, Code::CHANGED, None, b"");
    let observe = bench.send("o", Operation::ObserveComposite { paths: paths.clone(), format: None });
    assert_eq!((observe.code(), observe.observe()), (FETCH, Some(0)));
    let mut answer = response(&observe, Code::CONTENT, Some(110), br#"[{"n":"/3/0/9","v":87}]"#);
    answer.add_uint(option::OBSERVE, 4);
    assert_eq!(bench.deliver(&answer).finished()[0].2, Some(4));
    let cancel = bench.send("c", Operation::CancelObserveComposite { paths, passive: false });
    assert_eq!((cancel.observe(), cancel.token(), cancel.payload()), (Some(1), observe.token(), observe.payload()));
}

#[test]
fn null_in_a_composite_write_needs_lwm2m_1_2() {
    let nodes = vec![node("/3/0/6/1", Value::Absent), node("/3/0/14", string("x"))];
    let operation = Operation::WriteComposite { nodes, format: None };
    for (version, expected) in [("lwm2m=1.1", None), ("lwm2m=1.2", Some(322))] {
        let mut bench = Bench::registered(&["ep=ep1", "lt=300", version], "</3/0>");
        let (accepted, step) = bench.submit("w", operation.clone());
        match expected {
            Some(format) => assert_eq!(step.message().content_format(), Some(format)),
            None => assert!(matches!(accepted, Err(Refused::Impossible(_)))),
        }
    }
}

#[test]
fn answers_keep_their_code() {
    for code in [
        (2, 1),
        (2, 2),
        (2, 3),
        (2, 4),
        (2, 5),
        (2, 7),
        (4, 0),
        (4, 1),
        (4, 2),
        (4, 3),
        (4, 4),
        (4, 5),
        (4, 6),
        (4, 8),
        (4, 9),
        (4, 12),
        (4, 13),
        (4, 15),
        (4, 22),
        (4, 29),
        (4, 30),
        (5, 0),
        (5, 1),
        (5, 2),
        (5, 3),
        (5, 4),
        (5, 5),
        (5, 8),
    ]
    .map(|(class, detail)| Code::new(class, detail))
    {
        let operations = [
            create("/6", vec![]),
            Operation::Delete { target: target("/6/0") },
            execute("/3/0/4"),
            attributes("/3", &[("pmin", None)]),
        ];
        for operation in operations {
            let mut bench = Bench::usual();
            let request = bench.send("x", operation);
            let payload: &[u8] = if code.is_success() { b"" } else { b"why" };
            let answer = bench.answer(&request, code, None, payload).answer();
            assert_eq!((answer.code, &answer.content), (code, &Content::None));
            assert_eq!(answer.diagnostic.as_deref(), (!code.is_success()).then_some("why"));
        }
    }
}

#[test]
fn a_write_answered_with_content_is_a_quirk() {
    for (payload, code) in [(&b""[..], Code::METHOD_NOT_ALLOWED), (b"x", Code::CHANGED)] {
        let mut bench = Bench::usual();
        let request = bench.send("x", write("/3/0/14", string("x")));
        assert_eq!(bench.answer(&request, Code::CONTENT, None, payload).answer().code, code);
        let request = bench.send("x", batch("/3/0", vec![node("/3/0/14", string("x"))], Mode::Update));
        assert_eq!(bench.answer(&request, Code::CONTENT, None, payload).answer().code, code);
    }
}

#[test]
fn a_new_instance_is_reported_with_its_path() {
    for (location, expected) in
        [(&["6", "3"][..], Some("/6/3")), (&["lwm2m", "6", "3"], Some("/6/3")), (&[], None), (&["x", "y"], None)]
    {
        let mut bench = at_lwm2m("lwm2m=1.0");
        let request = bench.send("x", create("/6", vec![]));
        let mut answer = response(&request, Code::CREATED, None, b"");
        for segment in location {
            answer.add_option(option::LOCATION_PATH, segment.as_bytes());
        }
        let answer = bench.deliver(&answer).answer();
        assert_eq!((answer.code, answer.location), (Code::CREATED, expected.map(path)));
    }
}

#[test]
fn discover_yields_links_as_sent() {
    let mut bench = Bench::usual();
    let request = bench.send("x", Operation::Discover { target: target("/3/0") });
    assert_eq!(request.accept(), Some(40));
    let step = bench.answer(&request, Code::CONTENT, Some(40), b"</3/0>;dim=8,</3/0/0>;uri=\"a,b\", </3/0/1>");
    let expected = ["</3/0>;dim=8", "</3/0/0>;uri=\"a,b\"", " </3/0/1>"].map(str::to_owned);
    assert_eq!(step.answer().content, Content::Links(expected.into()));
    let request = bench.send("x", Operation::Discover { target: target("/3/0") });
    let answer = bench.answer(&request, Code::CHANGED, None, b"").answer();
    assert_eq!((answer.code, answer.content), (Code::CHANGED, Content::None));
}

#[test]
fn content_is_decoded_by_its_own_format() {
    let read_as = |text: &str, format: Option<u16>, payload: &[u8]| {
        let mut bench = Bench::usual();
        let request = bench.send("x", read(text));
        bench.answer(&request, Code::CONTENT, format, payload).answer()
    };
    let values = [
        ("/3/0/0", Some(0), &b"EMQ"[..], vec![node("/3/0/0", string("EMQ"))]),
        ("/3/0/0", None, b"EMQ", vec![node("/3/0/0", string("EMQ"))]),
        ("/3/0/0", Some(11542), b"\xc3\x00EMQ", vec![node("/3/0/0", string("EMQ"))]),
        ("/3/0/0", Some(1542), b"\xc3\x00EMQ", vec![node("/3/0/0", string("EMQ"))]),
        ("/3/0", Some(11542), b"", vec![]),
        ("/3/0", None, b"", vec![]),
        ("/3/0", Some(11543), br#"{"bn":"/3/0/","e":[{"n":"9","v":7}]}"#, vec![node("/3/0/9", Value::Integer(7))]),
        ("/3/0", Some(110), br#"[{"bn":"/3/0/","n":"9","v":7}]"#, vec![node("/3/0/9", Value::Integer(7))]),
    ];
    for (text, format, payload, expected) in values {
        let answer = read_as(text, format, payload);
        assert_eq!((answer.code, nodes(&answer)), (Code::CONTENT, expected), "{text} {format:?}");
    }
    for format in [Some(42), Some(1000)] {
        assert_eq!(read_as("/3/0/0", format, b"\x01\x02").content, Content::Bytes(vec![1, 2]));
    }
    let undecodable = [
        ("/3/0", Some(0), &b"EMQ"[..]),
        ("/3/0", None, b"EMQ"),
        ("/3/0", Some(40), b"</3/0>"),
        ("/3/0", Some(41), b"<x/>"),
        ("/3/0", Some(11542), b"\xc3\x00E"),
        ("/3/0/9", Some(0), b"seven"),
        ("/40000/0/1", Some(0), b"x"),
        ("/40000/0", Some(11542), b"\xc1\x01\x05"),
        ("/3/0", Some(11542), b"\xc1\x63\x05"),
    ];
    for (text, format, payload) in undecodable {
        let answer = read_as(text, format, payload);
        assert_eq!((answer.code, &answer.content), (Code::BAD_REQUEST, &Content::None), "{text} {format:?}");
        assert!(answer.diagnostic.unwrap().starts_with("undecodable"), "{text} {format:?}");
    }
}

#[test]
fn unknown_objects_can_be_passed_on_raw() {
    let mut bench = Bench::registered_with(
        Policy { raw_unknown_objects: true, ..policy() },
        &["ep=ep1", "lwm2m=1.0"],
        "</3/0>,</40000/0>",
    );
    let request = bench.send("x", read("/40000/0"));
    let answer = bench.answer(&request, Code::CONTENT, Some(11542), b"\xc1\x01\x05").answer();
    assert_eq!(nodes(&answer), [node("/40000/0/1", Value::Untyped(vec![5]))]);
}

#[test]
fn large_answers_and_bodies_go_in_blocks() {
    let mut bench = Bench::usual();
    let big = "x".repeat(1500);
    let request = bench.send("w", write("/3/0/14", string(&big)));
    assert_eq!(request.payload().len(), 1024);
    let mut more = response(&request, Code::CONTINUE, None, b"");
    more.add_uint(option::BLOCK1, request.block1().unwrap().to_uint());
    let step = bench.deliver(&more);
    assert!(step.events().iter().any(|event| matches!(event, Event::Progress { .. })));
    let second = step.message();
    let mut done = response(&second, Code::CHANGED, None, b"");
    done.add_uint(option::BLOCK1, second.block1().unwrap().to_uint());
    assert_eq!(bench.deliver(&done).answer().code, Code::CHANGED);
}
