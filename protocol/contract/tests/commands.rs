//! Contract chapters 2, 3.1, 4 and 12, extensions §1 and §2: JSON in, operation out.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "that is how a test fails")]
mod common;

use common::{Definitions, command, diagnostic, operation, path, target};
use contract::command::{Command, Envelope};
use contract::message::{Problem, without_device};
use contract::topic::Topics;
use lwm2m::session::{Attribute, Mode, Operation, Target};
use lwm2m::{ContentFormat, Node, Value};
use std::time::Duration;

#[test]
fn simple_commands_become_operations() {
    let cases: [(&str, Operation); 9] = [
        (
            r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#,
            Operation::Read { target: target("/3/0/0"), format: None },
        ),
        (r#"{"msgType":"read","data":{"path":"/"}}"#, Operation::Read { target: target("/"), format: None }),
        (r#"{"msgType":"discover","data":{"path":"3/0"}}"#, Operation::Discover { target: target("/3/0") }),
        (r#"{"msgType":"delete","data":{"path":"/3/0/"}}"#, Operation::Delete { target: target("/3/0") }),
        (r#"{"msgType":"observe","data":{"path":"3"}}"#, Operation::Observe { target: target("/3"), format: None }),
        (
            r#"{"msgType":"cancel-observe","data":{"path":"/3/0/6/1"}}"#,
            Operation::CancelObserve { target: target("/3/0/6/1"), passive: false },
        ),
        (
            r#"{"msgType":"cancel-observe","data":{"path":"/3","passive":true}}"#,
            Operation::CancelObserve { target: target("/3"), passive: true },
        ),
        (
            r#"{"msgType":"read","data":{"path":"/3/0","format":"senml-cbor"}}"#,
            Operation::Read { target: target("/3/0"), format: Some(ContentFormat::SenmlCbor) },
        ),
        (
            r#"{"msgType":"read","data":{"path":"/3/0?a=1&b=2&&c"}}"#,
            Operation::Read {
                target: Target { path: path("/3/0"), query: vec!["a=1".into(), "b=2".into(), "c".into()] },
                format: None,
            },
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(operation(json), expected, "{json}");
    }
}

#[test]
fn execute_arguments_are_text_or_absent() {
    let cases = [
        ("", None),
        (r#","args":null"#, None),
        (r#","args":"undefined""#, None),
        (r#","args":"""#, None),
        (r#","args":"0='1'""#, Some("0='1'")),
        (r#","args":"7,0='https://x'""#, Some("7,0='https://x'")),
        (r#","args":5"#, Some("5")),
        (r#","args":1.50"#, Some("1.50")),
    ];
    for (member, arguments) in cases {
        let json = format!(r#"{{"msgType":"execute","data":{{"path":"/3/0/4"{member}}}}}"#);
        let expected = Operation::Execute { target: target("/3/0/4"), arguments: arguments.map(str::to_owned) };
        assert_eq!(operation(&json), expected, "{json}");
    }
}

#[test]
fn a_write_names_one_resource_or_resource_instance() {
    let json = |path: &str| format!(r#"{{"msgType":"write","data":{{"path":"{path}","type":"Integer","value":1}}}}"#);
    for at in ["/3/0/6", "/3/0/6/1"] {
        let node = Node::new(path(at), Value::Integer(1));
        assert_eq!(operation(&json(at)), Operation::Write { target: target(at), node, format: None });
    }
    // basePath "/" is the same as none
    let rooted = r#"{"msgType":"write","data":{"basePath":"/","path":"/3/0/6","type":"Integer","value":1}}"#;
    assert_eq!(operation(rooted), operation(&json("/3/0/6")));
    for at in ["/3", "/3/0", "/"] {
        assert!(diagnostic(&json(at)).starts_with("bad command: path: "));
    }
}

fn batch(base: &str, content: &str) -> String {
    format!(r#"{{"msgType":"write","data":{{"basePath":"{base}","content":{content}}}}}"#)
}

fn integers(nodes: &[Node]) -> Vec<(String, i64)> {
    let integer = |value: &Value| if let Value::Integer(n) = value { *n } else { panic!("{value:?}") };
    nodes.iter().map(|node| (node.path.to_string(), integer(&node.value))).collect()
}

#[test]
fn a_batch_names_resources_relative_to_its_instance_or_from_the_root() {
    let cases = [
        (r#"[{"path":"13","type":"Integer","value":1}]"#, vec![("/3/0/13", 1)]),
        (r#"[{"path":"/13","type":"Integer","value":1}]"#, vec![("/3/0/13", 1)]),
        (r#"[{"path":13,"type":"Integer","value":1}]"#, vec![("/3/0/13", 1)]),
        (r#"[{"path":"6/0","type":"Integer","value":1}]"#, vec![("/3/0/6/0", 1)]),
        (r#"[{"path":"/3/0/13","type":"Integer","value":1}]"#, vec![("/3/0/13", 1)]),
        (r#"[{"path":"/3/0/6/2","type":"Integer","value":1}]"#, vec![("/3/0/6/2", 1)]),
        // instances of one resource stand together, a repeated element replaces the earlier one
        (
            r#"[{"path":"6/0","type":"Integer","value":1},{"path":"13","type":"Integer","value":2},
                {"path":"6/1","type":"Integer","value":3},{"path":"13","type":"Integer","value":4}]"#,
            vec![("/3/0/6/0", 1), ("/3/0/6/1", 3), ("/3/0/13", 4)],
        ),
    ];
    for (content, expected) in cases {
        let Operation::WriteBatch { target: to, nodes, mode, format } = operation(&batch("/3/0/", content)) else {
            panic!("not a batch: {content}")
        };
        assert_eq!((to, mode, format), (target("/3/0"), Mode::Update, None));
        let expected: Vec<_> = expected.into_iter().map(|(path, n)| (path.to_owned(), n)).collect();
        assert_eq!(integers(&nodes), expected);
    }
    for content in [
        r#"[{"path":"/4/0/13","type":"Integer","value":1}]"#,
        r#"[{"path":"/3/0/6/0/1","type":"Integer","value":1}]"#,
        r#"[{"path":"/","type":"Integer","value":1}]"#,
        r#"[{"path":"","type":"Integer","value":1}]"#,
        r#"[{"path":"x","type":"Integer","value":1}]"#,
        r#"[{"type":"Integer","value":1}]"#,
    ] {
        assert!(diagnostic(&batch("/3/0", content)).starts_with("bad command: content[0].path: "), "{content}");
    }
}

#[test]
fn a_batch_on_a_resource_writes_one_value_or_instances() {
    for only in [r#"[{"type":"Integer","value":5}]"#, r#"[{"path":"whatever","type":"Integer","value":5}]"#] {
        let node = Node::new(path("/3/0/22"), Value::Integer(5));
        assert_eq!(
            operation(&batch("/3/0/22", only)),
            Operation::Write { target: target("/3/0/22"), node, format: None }
        );
    }
    let content = r#"[{"path":"0","type":"Integer","value":1},{"path":"1","type":"Integer","value":2},
        {"path":"1","type":"Integer","value":3},{"path":"/3/0/22/7","type":"Integer","value":4}]"#;
    let Operation::WriteBatch { target: to, nodes, .. } = operation(&batch("/3/0/22", content)) else {
        panic!("not a batch")
    };
    assert_eq!(to, target("/3/0/22"));
    let expected = [("/3/0/22/0", 1), ("/3/0/22/1", 3), ("/3/0/22/7", 4)].map(|(path, n)| (path.to_owned(), n));
    assert_eq!(integers(&nodes), expected);
}

#[test]
fn batches_that_mean_nothing_are_bad() {
    let element = r#"[{"path":"1","type":"Integer","value":1}]"#;
    let cases = [
        (batch("/3", element), "basePath"),
        (batch("/3/0/6/1", element), "basePath"),
        (batch("/3/0", "[]"), "content"),
        (batch("/3/0/6", "[]"), "content"),
        (batch("/3/0", "{}"), "content"),
        (batch("/3/0", "[5]"), "content[0]"),
        (
            batch("/3/0", r#"[{"path":"1","type":"Integer","value":1},{"path":"2","type":"Integer"}]"#),
            "content[1].value",
        ),
        (r#"{"msgType":"write","data":{"basePath":"/3/0"}}"#.into(), "content"),
        (r#"{"msgType":"write","data":{"basePath":5,"content":[]}}"#.into(), "basePath"),
        (r#"{"msgType":"write","data":{}}"#.into(), "path"),
    ];
    for (json, member) in cases {
        assert!(diagnostic(&json).starts_with(&format!("bad command: {member}: ")), "{json}: {}", diagnostic(&json));
    }
}

#[test]
fn mode_and_format_select_how_a_batch_is_sent() {
    let json = batch("/3/0", r#"[{"path":"1","type":"Integer","value":1}]"#);
    let with = |members: &str| json.replace(r#""basePath""#, &format!(r#"{members},"basePath""#));
    let Operation::WriteBatch { mode, format, .. } = operation(&with(r#""mode":"replace","format":"senml-json""#))
    else {
        panic!("not a batch")
    };
    assert_eq!((mode, format), (Mode::Replace, Some(ContentFormat::SenmlJson)));
    for (members, member) in [
        (r#""mode":"merge""#, "mode"),
        (r#""mode":1"#, "mode"),
        (r#""format":"xml""#, "format"),
        (r#""format":5"#, "format"),
        (r#""format":"text""#, "format"),
        (r#""format":"link""#, "format"),
    ] {
        assert!(diagnostic(&with(members)).starts_with(&format!("bad command: {member}: ")), "{members}");
    }
    for format in ["text", "opaque", "cbor", "link"] {
        let json = format!(r#"{{"msgType":"read","data":{{"path":"/3/0","format":"{format}"}}}}"#);
        assert!(diagnostic(&json).starts_with("bad command: format: "));
    }
    let single = r#"{"msgType":"read","data":{"path":"/3/0/0?x","format":"text"}}"#;
    assert!(matches!(operation(single), Operation::Read { format: Some(ContentFormat::Text), .. }));
}

#[test]
fn create_names_instances_below_its_object() {
    let create = |base: &str, rest: &str| format!(r#"{{"msgType":"create","data":{{"basePath":"{base}"{rest}}}}}"#);
    for rest in ["", r#","content":[]"#, r#","content":null"#] {
        let expected = Operation::Create { target: target("/6"), nodes: vec![], format: None };
        assert_eq!(operation(&create("/6", rest)), expected);
    }
    let cases = [
        (
            "/6",
            r#"[{"path":"0/0","type":"Integer","value":1},{"path":"1/0","type":"Integer","value":2},{"path":"0/4/1","type":"Integer","value":3},{"path":"/6/2/0/9","type":"Integer","value":4}]"#,
            vec![("/6/0/0", 1), ("/6/0/4/1", 3), ("/6/1/0", 2), ("/6/2/0/9", 4)],
        ),
        (
            "/6/5",
            r#"[{"path":"0","type":"Integer","value":1},{"path":"4/1","type":"Integer","value":2}]"#,
            vec![("/6/5/0", 1), ("/6/5/4/1", 2)],
        ),
    ];
    for (base, content, expected) in cases {
        let Operation::Create { target: to, nodes, .. } = operation(&create(base, &format!(r#","content":{content}"#)))
        else {
            panic!("not a create")
        };
        assert_eq!(to, target(base));
        let expected: Vec<_> = expected.into_iter().map(|(path, n)| (path.to_owned(), n)).collect();
        assert_eq!(integers(&nodes), expected);
    }
    assert!(diagnostic(&create("/6/0/1", "")).starts_with("bad command: basePath: "));
    let shallow = create("/6", r#","content":[{"path":"0","type":"Integer","value":1}]"#);
    assert!(diagnostic(&shallow).starts_with("bad command: content[0].path: "));
    assert!(diagnostic(r#"{"msgType":"create","data":{"content":[]}}"#).starts_with("bad command: basePath: "));
}

#[test]
fn attributes_are_numbers_without_exponent() {
    type Sent<'a> = &'a [(&'static str, Option<&'a str>)];
    let cases: [(&str, Sent<'_>); 9] = [
        (r#""pmin":10,"pmax":60"#, &[("pmin", Some("10")), ("pmax", Some("60"))]),
        (r#""pmin":"10","gt":"-10.5""#, &[("pmin", Some("10")), ("gt", Some("-10.5"))]),
        (r#""st":0.000001"#, &[("st", Some("0.000001"))]),
        (r#""st":1.0e1,"lt":42.50"#, &[("lt", Some("42.5")), ("st", Some("10"))]),
        (r#""pmin":10,"pmax":null,"other":"x""#, &[("pmin", Some("10"))]),
        (r#""pmin":"""#, &[("pmin", None)]),
        (
            r#""epmin":1,"epmax":2,"edge":true,"con":false,"hqmax":5"#,
            &[
                ("epmin", Some("1")),
                ("epmax", Some("2")),
                ("edge", Some("1")),
                ("con", Some("0")),
                ("hqmax", Some("5")),
            ],
        ),
        (r#""pmin":60,"pmax":0"#, &[("pmin", Some("60")), ("pmax", Some("0"))]),
        (r#""lt":1,"st":1,"gt":4"#, &[("gt", Some("4")), ("lt", Some("1")), ("st", Some("1"))]),
    ];
    for (members, expected) in cases {
        let json = format!(r#"{{"msgType":"write-attr","data":{{"path":"/3/0/9",{members}}}}}"#);
        let attribute =
            |(name, value): &(&'static str, Option<&str>)| Attribute { name, value: value.map(str::to_owned) };
        let attributes = expected.iter().map(attribute).collect();
        assert_eq!(operation(&json), Operation::WriteAttributes { target: target("/3/0/9"), attributes }, "{json}");
    }
}

#[test]
fn attributes_that_cannot_be_meant_are_bad() {
    let cases = [
        (r#","pmin":"ten""#, "pmin"),
        (r#","gt":[1]"#, "gt"),
        (r#","st":1e300"#, "st"),
        (r#","pmin":10,"pmax":5"#, "pmax"),
        (r#","epmin":5,"epmax":5"#, "epmax"),
        (r#","lt":1,"st":2,"gt":4"#, "gt"),
        ("", "data"),
        (r#","pmin":null"#, "data"),
    ];
    for (members, member) in cases {
        let json = format!(r#"{{"msgType":"write-attr","data":{{"path":"/3/0/9"{members}}}}}"#);
        assert!(diagnostic(&json).starts_with(&format!("bad command: {member}: ")), "{json}");
    }
    // the suffix of the path is sent too, and may stand alone
    let suffix = r#"{"msgType":"write-attr","data":{"path":"/3/0/9?pmin=1","pmax":5}}"#;
    let Operation::WriteAttributes { target, attributes } = operation(suffix) else { panic!("not write-attr") };
    assert_eq!((target.query, attributes.len()), (vec!["pmin=1".to_owned()], 1));
    assert!(matches!(operation(&suffix.replace(r#","pmax":5"#, "")), Operation::WriteAttributes { .. }));
}

#[test]
fn composites_name_several_paths() {
    let paths = vec![path("/3/0/0"), path("/1")];
    let json = |name: &str, more: &str| format!(r#"{{"msgType":"{name}","data":{{"paths":["/3/0/0","1/"]{more}}}}}"#);
    let format = Some(ContentFormat::Lwm2mCbor);
    let cases = [
        (json("read-composite", ""), Operation::ReadComposite { paths: paths.clone(), format: None }),
        (json("read-composite", r#","format":"lwm2m-cbor""#), Operation::ReadComposite { paths: paths.clone(), format }),
        (json("observe-composite", ""), Operation::ObserveComposite { paths: paths.clone(), format: None }),
        (json("cancel-observe-composite", ""), Operation::CancelObserveComposite { paths: paths.clone(), passive: false }),
        (json("cancel-observe-composite", r#","passive":true"#), Operation::CancelObserveComposite { paths, passive: true }),
        (
            r#"{"msgType":"write-composite","data":{"content":[{"path":"/1/0/1","type":"Integer","value":60},{"path":"/3/0/6/1","value":null}]}}"#.into(),
            Operation::WriteComposite {
                nodes: vec![Node::new(path("/1/0/1"), Value::Integer(60)), Node::new(path("/3/0/6/1"), Value::Absent)],
                format: None,
            },
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(operation(&json), expected, "{json}");
    }
    let bad = [
        (r#"{"msgType":"read-composite","data":{}}"#, "paths"),
        (r#"{"msgType":"read-composite","data":{"paths":[]}}"#, "paths"),
        (r#"{"msgType":"read-composite","data":{"paths":"/3"}}"#, "paths"),
        (r#"{"msgType":"read-composite","data":{"paths":["/3",5]}}"#, "paths[1]"),
        (r#"{"msgType":"read-composite","data":{"paths":["/3/x"]}}"#, "paths[0]"),
        (r#"{"msgType":"read-composite","data":{"paths":["/3"],"format":"tlv"}}"#, "format"),
        (r#"{"msgType":"write-composite","data":{"content":[]}}"#, "content"),
        (
            r#"{"msgType":"write-composite","data":{"content":[{"path":"/1/0","type":"Integer","value":1}]}}"#,
            "content[0].path",
        ),
        (r#"{"msgType":"cancel-observe-composite","data":{"paths":["/3"],"passive":1}}"#, "passive"),
    ];
    for (json, member) in bad {
        assert!(diagnostic(json).starts_with(&format!("bad command: {member}: ")), "{json}");
    }
}

#[test]
fn malformed_commands_name_the_member_at_fault() {
    let long = format!(r#"{{"msgType":"read","data":{{"path":"/3?{}"}}}}"#, "x".repeat(256));
    let cases = [
        ("{}", "msgType: missing"),
        (r#"{"msgType":null,"data":{}}"#, "msgType: null where a string belongs"),
        (r#"{"msgType":5,"data":{}}"#, "msgType: a number where a string belongs"),
        (r#"{"msgType":"Read","data":{"path":"/3"}}"#, "msgType: \"Read\" is unknown"),
        (r#"{"msgType":"notify","data":{"path":"/3"}}"#, "msgType: \"notify\" is unknown"),
        (r#"{"msgType":"read"}"#, "data: missing"),
        (r#"{"msgType":"read","data":null}"#, "data: missing"),
        (r#"{"msgType":"read","data":[]}"#, "data: an array where an object belongs"),
        (r#"{"msgType":"read","data":{}}"#, "path: missing"),
        (r#"{"msgType":"read","data":{"path":5}}"#, "path: a number where a string belongs"),
        (r#"{"msgType":"read","data":{"path":""}}"#, "path: empty"),
        (r#"{"msgType":"observe","data":{"path":"/"}}"#, "path: \"/\" has 0 segments, not 1 to 4"),
        (
            r#"{"msgType":"read","data":{"path":"/1/2/3/4/5"}}"#,
            "path: \"/1/2/3/4/5\" is not a path of 1 to 4 numbers up to 65535",
        ),
        (r#"{"msgType":"read","data":{"path":"/65536"}}"#, "path: \"/65536\" is not a path"),
        (r#"{"msgType":"read","data":{"path":"/3//0"}}"#, "path: "),
        (r#"{"msgType":"read","data":{"path":"/3/-1"}}"#, "path: "),
        (&long, "path: query "),
        (r#"{"msgType":"execute","data":{"path":"/3/0"}}"#, "path: \"/3/0\" has 2 segments, not 3"),
        (r#"{"msgType":"execute","data":{"path":"/3/0/4","args":true}}"#, "args: a boolean where a string belongs"),
        (r#"{"msgType":"execute","data":{"path":"/3/0/4","args":{}}}"#, "args: an object where a string belongs"),
        (r#"{"msgType":"cancel-observe","data":{"path":"/3","passive":"yes"}}"#, "passive: "),
        (r#"{"msgType":"cancel"}"#, "reqID: missing"),
        (r#"{"msgType":"cancel","reqID":null}"#, "reqID: missing"),
    ];
    for (json, expected) in cases {
        let text = diagnostic(json);
        assert!(text.starts_with(&format!("bad command: {expected}")), "{json}: {text}");
    }
    // what the application wrote comes back cut
    let endless = format!(r#"{{"msgType":"read","data":{{"path":"/{}"}}}}"#, "9".repeat(100_000));
    assert!(diagnostic(&endless).len() < 200);
}

#[test]
fn what_is_no_json_object_is_no_command() {
    let deep = "[".repeat(100_000);
    let long = format!("\"{}\"", "ü".repeat(100_000));
    for payload in [
        &b""[..],
        b"read",
        b"[]",
        b"5",
        b"null",
        b"\"x\"",
        b"{\"a\":1",
        b"{} {}",
        b"{\"a\":\xff}",
        b"{\"a\":01}",
        deep.as_bytes(),
        long.as_bytes(),
    ] {
        let error = Command::parse(payload, Envelope::default()).unwrap_err().to_string();
        assert!(error.starts_with("not a command: ") && error.len() < 600, "{error}");
    }
}

#[test]
fn odd_but_legal_json_is_read() {
    // nesting far beyond any stack, duplicate members (the last counts), escaped names, huge numbers
    let nested = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let json = format!(
        r#"{{"deep":{nested},"huge":1e999999999999,"msgType":"x","msg\u0054ype":"read","data":{{}},"data":{{"deep":{nested},"path":"/1","path":"\/3"}}}}"#
    );
    assert_eq!(operation(&json), Operation::Read { target: target("/3"), format: None });
}

#[test]
fn ttl_and_message_expiry_bound_the_wait() {
    let cases = [
        ("{}", None, None, false),
        (r#"{"mheaders":{"ttl":0}}"#, None, None, true),
        (r#"{"mheaders":{"ttl":0.0}}"#, Some(5), Some(5.0), true),
        (r#"{"mheaders":{"ttl":10}}"#, None, Some(10.0), false),
        (r#"{"mheaders":{"ttl":1.5}}"#, Some(5), Some(1.5), false),
        (r#"{"mheaders":{"ttl":10}}"#, Some(5), Some(5.0), false),
        (r#"{"mheaders":{"ttl":"0"}}"#, None, None, false),
        (r#"{"mheaders":{"ttl":-1}}"#, None, None, false),
        (r#"{"mheaders":{"ttl":1e400}}"#, Some(7), Some(7.0), false),
        (r#"{"mheaders":[0]}"#, None, None, false),
        (r#"{"mheaders":"ttl"}"#, Some(0), Some(0.0), false),
    ];
    for (json, expiry, expected, immediate) in cases {
        let envelope = Envelope { expiry, ..Envelope::default() };
        let command = Command::parse(json.as_bytes(), envelope).unwrap();
        assert_eq!(command.expiry(), expected.map(Duration::from_secs_f64), "{json}");
        assert_eq!(command.is_immediate(), immediate, "{json}");
    }
}

#[test]
fn a_response_topic_that_nobody_can_publish_to_is_bad() {
    for topic in ["", "a/+", "#", "a\0", "a\n", "$SYS/x"] {
        let envelope = Envelope { response_topic: Some(topic.into()), correlation_data: Some(vec![1]), expiry: None };
        let command = Command::parse(br#"{"reqID":1,"msgType":"read","data":{"path":"/3"}}"#, envelope).unwrap();
        let bad = command.check().unwrap_err();
        assert!(bad.to_string().starts_with("bad command: Response Topic: "), "{bad}");
        let answer = without_device(&Topics::default(), "lwm2m/ep1/", &command.ticket(), &Problem::Bad(bad));
        assert_eq!((&*answer.topic, answer.correlation_data), ("lwm2m/ep1/up/resp", Some(vec![1])));
    }
}

#[test]
fn the_log_sees_type_and_request() {
    let read = command(r#"{"msgType":"read","reqID":"a\"b","data":{"path":"/3"}}"#);
    assert_eq!((read.message_type(), read.request_id()), ("read", Some(r#""a\"b""#)));
    let unknown = command(r#"{"msgType":"frob"}"#);
    assert_eq!((unknown.message_type(), unknown.request_id()), ("\"frob\"", None));
    let cancel = command(r#"{"msgType":"cancel","reqID":7}"#);
    assert!(cancel.is_cancel());
    assert_eq!((cancel.message_type(), cancel.request_id()), ("cancel", Some("7")));
    assert!(cancel.check().is_ok() && cancel.operation(&Definitions).is_err());
}

#[test]
fn cancel_means_the_commands_with_the_same_request_id() {
    let cancel = command(r#"{"msgType":"cancel","reqID":7}"#);
    for (request, meant) in [("7", true), ("7.0", false), ("\"7\"", false), ("77", false), ("null", false)] {
        let other = command(&format!(r#"{{"reqID":{request},"msgType":"read","data":{{"path":"/3"}}}}"#));
        assert_eq!(cancel.cancels(&other.ticket()), meant, "{request}");
        assert!(!other.cancels(&other.ticket()));
    }
    let anonymous = command(r#"{"msgType":"read","data":{"path":"/3"}}"#);
    assert!(!cancel.cancels(&anonymous.ticket()));
}

#[test]
fn execute_and_create_must_not_be_repeated() {
    for (kind, idempotent) in [("execute", false), ("create", false), ("read", true), ("write", true), ("cancel", true)]
    {
        assert_eq!(command(&format!(r#"{{"msgType":"{kind}"}}"#)).is_idempotent(), idempotent, "{kind}");
    }
}
