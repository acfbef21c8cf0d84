//! Whatever bytes come as a command: no panic, an answer that is JSON, and an echo without a byte changed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "that is how a test fails")]
mod common;

use coap::Code;
use common::Definitions;
use contract::command::{Command, Envelope};
use contract::message::{Problem, outcome_json, without_device};
use contract::topic::Topics;
use lwm2m::session::{Answer, Content, Outcome};
use proptest::prelude::*;
use proptest::sample::Index;

/// An answer as far as it concerns the test. The rest must be JSON, but may hold numbers that no parser takes as a number.
#[derive(serde::Deserialize)]
struct AnswerJson<'a> {
    #[serde(borrow)]
    data: Option<&'a serde_json::value::RawValue>,
}

/// Everything that is done with a payload. Answers must be JSON objects.
fn exercise(payload: &[u8]) {
    let Ok(command) = Command::parse(payload, Envelope::default()) else { return };
    let ticket = command.ticket();
    let _ = (command.is_immediate(), command.expiry(), command.message_type(), command.request_id());
    let verdict = command.check().err().or_else(|| command.into_operation(&Definitions).err());
    if let Some(bad) = verdict {
        assert!(bad.to_string().starts_with("bad command: "));
        assert!(bad.to_string().len() < 600, "{bad}");
        let answer = without_device(&Topics::default(), "lwm2m/ep/", &ticket, &Problem::Bad(bad));
        let answer: AnswerJson<'_> = serde_json::from_slice(&answer.payload).expect("JSON");
        assert!(answer.data.unwrap().get().starts_with(r#"{"code":"4.00","codeMsg":"bad_request","reqPath":"#));
    }
    let answer = Answer { code: Code::CONTENT, content: Content::Bytes(vec![1]), diagnostic: None, location: None };
    let message = outcome_json(&ticket, &Outcome::Answered(answer));
    assert!(serde_json::from_slice::<AnswerJson<'_>>(&message).expect("JSON").data.is_some());
}

/// Text of any JSON value, written in various ways.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,6})?",
        "\"([a-zA-Z0-9 /?:=+-]|\\\\u00[0-7][0-9a-f]|\\\\[nrt\"\\\\/]|ü|🦀){0,12}\"",
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(|list| format!("[ {}]", list.join(" , "))),
            proptest::collection::vec(("[a-z]{0,5}", inner), 0..5).prop_map(|list| {
                let members: Vec<_> = list.into_iter().map(|(name, value)| format!("\"{name}\" :{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

const SEEDS: [&str; 8] = [
    r#"{"reqID":7,"msgType":"read","mheaders":{"ttl":5},"data":{"path":"/3/0/0?a=1&b=2","format":"text"}}"#,
    r#"{"reqID":2,"msgType":"write","encoding":"hex","data":{"path":"/3/0/1","type":"String","value":"48656c"}}"#,
    r#"{"msgType":"write","data":{"basePath":"/3/0/","mode":"replace","content":[{"path":"13","type":"Integer","value":"12345"},{"path":"6/0","value":1}]}}"#,
    r#"{"msgType":"create","data":{"basePath":"/6","content":[{"path":"0/0","type":"Float","value":"1.5"},{"path":"0/4","type":"Opaque","value":"AQID"}]}}"#,
    r#"{"msgType":"write-attr","data":{"path":"/3/0/9","pmin":10,"pmax":6e1,"gt":"-10.50","lt":null,"st":""}}"#,
    r#"{"msgType":"execute","data":{"path":"/3/0/4","args":"0='1'"}}"#,
    r#"{"msgType":"read-composite","data":{"paths":["/3/0/0","/1"],"format":"senml-json"}}"#,
    r#"{"msgType":"write-composite","data":{"content":[{"path":"/1/0/1","type":"Objlnk","value":"1:2"},{"path":"/3/0/6/1","value":null}]}}"#,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_do_no_harm(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        exercise(&payload);
    }

    #[test]
    fn mutated_commands_do_no_harm(
        seed in 0..SEEDS.len(), edits in proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3u8), 0..6),
    ) {
        let mut payload = SEEDS[seed].as_bytes().to_vec();
        for (index, byte, kind) in edits {
            if payload.is_empty() { break; }
            let at = index.index(payload.len());
            match kind {
                0 => payload[at] = byte,
                1 => payload.insert(at, byte),
                _ => { payload.remove(at); }
            }
        }
        exercise(&payload);
    }

    #[test]
    fn any_values_in_the_members_do_no_harm(
        seed in 0..SEEDS.len(), name in "msgType|data|mheaders|encoding|path|basePath|content|type|value|args|mode|format|paths|pmin|ttl",
        value in any_json(),
    ) {
        let json = SEEDS[seed];
        let key = format!("\"{name}\":");
        if let Some(at) = json.find(&key) {
            let from = at + key.len();
            let mut rest = serde_json::Deserializer::from_str(&json[from..]).into_iter::<serde::de::IgnoredAny>();
            rest.next().unwrap().unwrap();
            let to = from + rest.byte_offset();
            exercise(format!("{}{value}{}", &json[..from], &json[to..]).as_bytes());
        }
    }

    #[test]
    fn echo_members_survive_byte_for_byte(
        members in proptest::collection::btree_map("x[a-zA-Z_ /]{0,8}", any_json(), 0..6), id in proptest::option::of(any_json()),
        data_first in any::<bool>(),
    ) {
        let mut echo: Vec<String> = id.iter().map(|id| format!("\"reqID\":{id}")).collect();
        echo.extend(members.iter().map(|(name, value)| format!("\"{name}\":{value}")));
        let own = r#""msgType":"read","data":{"path":"/3"}"#;
        let echo = echo.join(",");
        let comma = if echo.is_empty() { "" } else { "," };
        let json = if data_first { format!("{{{own}{comma}{echo}}}") } else { format!("{{{echo}{comma}{own}}}") };
        let command = Command::parse(json.as_bytes(), Envelope::default()).unwrap();
        prop_assert_eq!(command.check(), Ok(()));
        prop_assert_eq!(command.request_id(), id.as_deref());
        let answer = String::from_utf8(outcome_json(&command.ticket(), &Outcome::Reset)).unwrap();
        prop_assert_eq!(answer, format!(r#"{{{echo}{comma}"msgType":"coap_reset","data":{{"reqPath":"/3"}}}}"#));
    }
}
