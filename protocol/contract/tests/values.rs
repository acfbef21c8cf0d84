//! Contract 3.1: values of commands and their types.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "that is how a test fails")]
mod common;

use common::{command, diagnostic, operation, path, target};
use lwm2m::session::Operation;
use lwm2m::{Node, Value};

#[test]
fn values_follow_their_type() {
    let s = |text: &str| Value::String(text.into());
    let cases = [
        ("String", r#""Hello""#, s("Hello")),
        ("String", r#""gr\u00fcn""#, s("grün")),
        ("Integer", "12345", Value::Integer(12345)),
        ("Integer", r#""12345""#, Value::Integer(12345)),
        ("Integer", r#""-129""#, Value::Integer(-129)),
        ("Integer", "9223372036854775807", Value::Integer(i64::MAX)),
        ("Integer", "-9223372036854775808", Value::Integer(i64::MIN)),
        ("Integer", "1e3", Value::Integer(1000)),
        ("Integer", "2.0", Value::Integer(2)),
        ("Time", "1763825000", Value::Time(1_763_825_000)),
        ("Time", r#""1763825000""#, Value::Time(1_763_825_000)),
        ("Unsigned Integer", "18446744073709551615", Value::Unsigned(u64::MAX)),
        ("Float", r#""12345.0""#, Value::Float(12345.0)),
        ("Float", "20.02", Value::Float(20.02)),
        ("Float", r#""1e3""#, Value::Float(1000.0)),
        ("Float", "1", Value::Float(1.0)),
        ("Float", r#""1""#, Value::Float(1.0)),
        ("Boolean", r#""true""#, Value::Boolean(true)),
        ("Boolean", r#""false""#, Value::Boolean(false)),
        ("Boolean", "true", Value::Boolean(true)),
        ("Boolean", "false", Value::Boolean(false)),
        ("Boolean", "1", Value::Boolean(true)),
        ("Boolean", "0", Value::Boolean(false)),
        ("Opaque", r#""AQID""#, Value::Opaque(vec![1, 2, 3])),
        ("Opaque", r#""3q2+7w==""#, Value::Opaque(vec![0xde, 0xad, 0xbe, 0xef])),
        ("Opaque", r#""3q2+7w""#, Value::Opaque(vec![0xde, 0xad, 0xbe, 0xef])),
        ("Opaque", r#""""#, Value::Opaque(vec![])),
        ("Objlnk", r#""1:2""#, Value::ObjectLink(1, 2)),
        ("Objlnk", r#""65535:65535""#, Value::ObjectLink(65535, 65535)),
        ("Corelnk", r#""</3/0>;ver=1.1""#, Value::CoreLink("</3/0>;ver=1.1".into())),
    ];
    for (name, value, expected) in cases {
        let json = format!(r#"{{"msgType":"write","data":{{"path":"/3/0/13","type":"{name}","value":{value}}}}}"#);
        let node = Node::new(path("/3/0/13"), expected);
        assert_eq!(operation(&json), Operation::Write { target: target("/3/0/13"), node, format: None }, "{json}");
    }
}

#[test]
fn values_that_do_not_fit_their_type_are_bad() {
    let cases = [
        ("String", "5"),
        ("String", "true"),
        ("String", r#""\ud800""#),
        ("Integer", "1.5"),
        ("Integer", r#""1.5""#),
        ("Integer", "9223372036854775808"),
        ("Integer", "1e400"),
        ("Integer", r#""""#),
        ("Integer", r#"" 1""#),
        ("Integer", r#""0x10""#),
        ("Integer", "true"),
        ("Time", r#""now""#),
        ("Unsigned Integer", "-1"),
        ("Unsigned Integer", "18446744073709551616"),
        ("Float", r#""NaN""#),
        ("Float", r#""inf""#),
        ("Float", "1e400"),
        ("Float", "true"),
        ("Boolean", r#""yes""#),
        ("Boolean", "2"),
        ("Opaque", r#""not base64!""#),
        ("Opaque", "5"),
        ("Objlnk", r#""1""#),
        ("Objlnk", r#""1:65536""#),
        ("Objlnk", r#""+1:2""#),
        ("Objlnk", r#""1:2:3""#),
        ("Objlnk", "1"),
        ("Corelnk", "1"),
        ("String", "null"),
        ("String", "[]"),
        ("String", "{}"),
    ];
    for (name, value) in cases {
        let json = format!(r#"{{"msgType":"write","data":{{"path":"/3/0/13","type":"{name}","value":{value}}}}}"#);
        assert!(diagnostic(&json).starts_with("bad command: value: "), "{json}");
    }
}

#[test]
fn hex_values_are_bytes_for_string_and_opaque_only() {
    let write = |name: &str, value: &str| {
        format!(r#"{{"msgType":"write","encoding":"hex","data":{{"path":"/3/0/1","type":"{name}","value":{value}}}}}"#)
    };
    let cases = [
        ("String", r#""48656c6C6F""#, Value::String("Hello".into())),
        ("String", r#""ff""#, Value::Untyped(vec![0xff])),
        ("Opaque", r#""00fF""#, Value::Opaque(vec![0, 0xff])),
        ("Opaque", r#""abc""#, Value::Opaque(vec![0x0a, 0xbc])),
        ("Opaque", r#""""#, Value::Opaque(vec![])),
    ];
    for (name, value, expected) in cases {
        let Operation::Write { node, .. } = operation(&write(name, value)) else { panic!("not a write") };
        assert_eq!(node.value, expected);
    }
    for (name, value) in
        [("Integer", r#""01""#), ("Opaque", r#""0g""#), ("String", "1"), ("String", "true"), ("String", r#""ü""#)]
    {
        assert!(diagnostic(&write(name, value)).starts_with("bad command: value: "), "{name} {value}");
    }
    // any other encoding is plain, and only write knows hex at all
    let plain = write("String", r#""48""#).replace("hex", "HEX");
    let Operation::Write { node, .. } = operation(&plain) else { panic!("not a write") };
    assert_eq!(node.value, Value::String("48".into()));
    let create = r#"{"msgType":"create","encoding":"hex","data":{"basePath":"/6","content":[{"path":"0/1","type":"String","value":"48"}]}}"#;
    let Operation::Create { nodes, .. } = operation(create) else { panic!("not a create") };
    assert_eq!(nodes[0].value, Value::String("48".into()));
}

#[test]
fn a_missing_or_unknown_type_comes_from_the_definition() {
    for member in ["", r#""type":null,"#, r#""type":"integer","#, r#""type":"Blob","#] {
        let json = format!(r#"{{"msgType":"write","data":{{"path":"/3/0/13",{member}"value":"5"}}}}"#);
        let Operation::Write { node, .. } = operation(&json) else { panic!("not a write") };
        assert_eq!(node.value, Value::Time(5));
        let unknown = json.replace("/3/0/13", "/40000/0/1");
        assert_eq!(command(&unknown).check(), Ok(()));
        assert_eq!(
            diagnostic(&unknown),
            "bad command: type: missing or unknown, and no definition tells it for /40000/0/1"
        );
    }
    let executable = r#"{"msgType":"write","data":{"path":"/3/0/4","value":"5"}}"#;
    assert!(diagnostic(executable).contains("executable"));
    let number = r#"{"msgType":"write","data":{"path":"/3/0/13","type":5,"value":"5"}}"#;
    assert_eq!(diagnostic(number), "bad command: type: a number where a string belongs");
}
