//! Contract chapters 3.2, 5 to 9, extensions §1 to §8: events in, publications out.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "that is how a test fails")]
mod common;

use coap::Code;
use common::{command, json, path, registration, render, voice};
use contract::command::{Command, Envelope};
use contract::message::{Class, Settings, Voice, code_name, content_json, outcome_json};
use contract::topic::{Topics, Translator};
use lwm2m::session::{Answer, Content, Delivery, Ending, Event, Outcome, Ticket};
use lwm2m::{Node, Value};
use serde_json::json;
use std::sync::Arc;

const READ: &str = r#"{"reqID":7,"msgType":"read","data":{"path":"/3/0/0"}}"#;
const OBSERVE: &str = r#"{"reqID":8,"msgType":"observe","data":{"path":"/3/0/9"}}"#;

fn plain() -> Voice {
    voice(&registration(&[("ep", "ep1")], None), Settings::default())
}

fn answer(code: Code, content: Content) -> Answer {
    Answer { code, content, diagnostic: None, location: None }
}

fn finished(command_text: &str, answer: Answer) -> Event {
    Event::Finished { ticket: command(command_text).ticket(), outcome: Outcome::Answered(answer), observing: None }
}

fn one(voice: &Voice, event: &Event) -> serde_json::Value {
    let out = render(voice, event);
    assert_eq!(out.len(), 1, "{event:?}");
    json(&out[0])
}

fn nodes(list: &[(&str, Value)]) -> Content {
    Content::Nodes(list.iter().map(|(at, value)| Node::new(path(at), value.clone())).collect())
}

fn notified(ticket: &Ticket, answer: Answer, delivery: Option<Delivery>) -> Event {
    Event::Notified { ticket: ticket.clone(), sequence: 3, answer, delivery }
}

#[test]
fn codes_have_the_names_of_the_table() {
    let table = [
        (2, 1, "created"),
        (2, 2, "deleted"),
        (2, 3, "valid"),
        (2, 4, "changed"),
        (2, 5, "content"),
        (2, 31, "continue"),
        (4, 0, "bad_request"),
        (4, 1, "unauthorized"),
        (4, 2, "bad_option"),
        (4, 3, "forbidden"),
        (4, 4, "not_found"),
        (4, 5, "method_not_allowed"),
        (4, 6, "not_acceptable"),
        (4, 8, "request_entity_incomplete"),
        (4, 9, "conflict"),
        (4, 12, "precondition_failed"),
        (4, 13, "request_entity_too_large"),
        (4, 15, "unsupported_content_format"),
        (4, 22, "unprocessable_entity"),
        (4, 29, "too_many_requests"),
        (5, 0, "internal_server_error"),
        (5, 1, "not_implemented"),
        (5, 2, "bad_gateway"),
        (5, 3, "service_unavailable"),
        (5, 4, "gateway_timeout"),
        (5, 5, "proxying_not_supported"),
        (5, 8, "hop_limit_reached"),
        (2, 7, "unknown"),
        (4, 7, "unknown"),
        (7, 31, "unknown"),
    ];
    let voice = plain();
    for (class, detail, name) in table {
        let code = Code::new(class, detail);
        assert_eq!(code_name(code), name);
        let data = one(&voice, &finished(READ, answer(code, Content::None)))["data"].clone();
        assert_eq!(data, json!({ "code": format!("{class}.{detail:02}"), "codeMsg": name, "reqPath": "/3/0/0" }));
    }
}

#[test]
fn every_member_but_data_comes_back_as_it_was_written() {
    let text = r#"{"msgType":"read","requestID":1.0e+2,"cacheID":12345678901234567890123,"reqID":{"a":[1,2.50]},"encoding":"plain","mheaders":{"ttl":30},"\u0069msi":"own","x\"y":"\u00fc\/","n":null,"data":{"path":"/3"}}"#;
    let device = registration(&[("ep", "ep1"), ("imei", "35\"6"), ("imsi", "26")], None);
    let voice = voice(&device, Settings::default());
    let ticket = command(text).ticket();
    let echo = r#""reqID":{"a":[1,2.50]},"requestID":1.0e+2,"cacheID":12345678901234567890123,"encoding":"plain","mheaders":{"ttl":30},"\u0069msi":"own","x\"y":"\u00fc\/","n":null,"imei":"35\"6","msgType":"#;
    let events = [
        Event::Acknowledged { ticket: ticket.clone() },
        Event::Finished { ticket: ticket.clone(), outcome: Outcome::Reset, observing: None },
        Event::Finished { ticket: ticket.clone(), outcome: Outcome::TimedOut(None), observing: None },
        finished(text, answer(Code::CONTENT, Content::None)),
        finished(text, answer(Code::NOT_FOUND, Content::None)),
        notified(&ticket, answer(Code::CONTENT, Content::None), None),
    ];
    for event in events {
        let payload = render(&voice, &event).remove(0).payload;
        let text = String::from_utf8(payload).unwrap();
        assert!(text.starts_with(&format!("{{{echo}")), "{text}");
    }
}

#[test]
fn members_that_come_twice_are_echoed_once() {
    let text = r#"{"a":1,"reqID":1,"a":2,"reqID":2,"msgType":"write","msgType":"read","seqNum":9,"data":{"path":"/1"},"data":{"path":"/3/0/9"}}"#;
    let event = notified(&command(text).ticket(), answer(Code::CONTENT, Content::None), None);
    let payload = render(&plain(), &event).remove(0).payload;
    let expected = r#"{"reqID":2,"a":2,"msgType":"notify","seqNum":3,"data":{"code":"2.05","codeMsg":"content","reqPath":"/3/0/9"}}"#;
    assert_eq!(String::from_utf8(payload).unwrap(), expected);
}

#[test]
fn request_paths_come_back_as_sent_up_to_the_query() {
    let cases = [
        (r#"{"path":"3/0/"}"#, json!("3/0/")),
        (r#"{"path":"\/3\/0"}"#, json!("/3/0")),
        (r#"{"path":"/3/0?a=1?b"}"#, json!("/3/0")),
        (r#"{"basePath":"/3/0/","content":[]}"#, json!("/3/0/")),
        (r#"{"path":"/1","basePath":"/2","reqPath":"/3"}"#, json!("/1")),
        (r#"{"path":null,"basePath":"/2"}"#, json!("/2")),
        (r#"{"reqPath":"what ever\""}"#, json!("what ever\"")),
        (r#"{"path":5}"#, json!(null)),
        ("{}", json!(null)),
        ("[]", json!(null)),
    ];
    for (data, expected) in cases {
        let text = format!(r#"{{"msgType":"read","data":{data}}}"#);
        let event = finished(&text, answer(Code::NOT_FOUND, Content::None));
        assert_eq!(one(&plain(), &event)["data"]["reqPath"], expected, "{data}");
    }
}

#[test]
fn values_are_written_as_their_type_demands() {
    let cases = [
        (Value::String("a\u{fffd}\"\\\u{1}".into()), r#""a�\"\\\u0001""#),
        (Value::Integer(-1), "-1"),
        (Value::Integer(i64::MAX), "9223372036854775807"),
        (Value::Unsigned(u64::MAX), "18446744073709551615"),
        (Value::Time(4_102_444_800), "4102444800"),
        (Value::Float(20.02), "20.02"),
        (Value::Float(10.0), "10.0"),
        (Value::Float(0.1), "0.1"),
        (Value::Float(f64::INFINITY), "null"),
        (Value::Boolean(true), "true"),
        (Value::Opaque(b"abc".to_vec()), r#""YWJj""#),
        (Value::Opaque(vec![0xfb, 0xff]), r#""+/8=""#),
        (Value::ObjectLink(66, 0), r#""66:0""#),
        (Value::ObjectLink(65535, 65535), r#""65535:65535""#),
        (Value::CoreLink("</1>".into()), r#""</1>""#),
        (Value::Absent, "null"),
    ];
    for (value, expected) in cases {
        let content = content_json(&answer(Code::CONTENT, nodes(&[("/3/0/0", value)])), false).unwrap();
        assert_eq!(String::from_utf8(content).unwrap(), format!(r#"[{{"path":"/3/0/0","value":{expected}}}]"#));
    }
}

#[test]
fn content_stands_in_successes_that_ask_for_it_only() {
    let content = || nodes(&[("/3/0/0", Value::Integer(1))]);
    let with = ["read", "observe", "cancel-observe", "read-composite", "observe-composite", "cancel-observe-composite"];
    for name in
        with.into_iter().chain(["write", "write-attr", "execute", "create", "delete", "discover", "write-composite"])
    {
        let text = format!(r#"{{"msgType":"{name}","data":{{"path":"/3/0/0","paths":["/3/0/0"]}}}}"#);
        let message = one(&plain(), &finished(&text, answer(Code::CONTENT, content())));
        assert_eq!(message["data"].get("content").is_some(), with.contains(&name), "{name}");
        assert_eq!(message["msgType"], name);
        let message = one(&plain(), &finished(&text, answer(Code::NOT_FOUND, content())));
        assert!(message["data"].get("content").is_none(), "{name}");
    }
}

#[test]
fn a_write_answered_2_05_follows_the_old_habit() {
    let write = r#"{"msgType":"write","data":{"path":"/3/0/13","type":"Integer","value":1}}"#;
    let cases = [
        (write, Code::CONTENT, Content::None, "4.05"),
        (write, Code::CONTENT, Content::Bytes(vec![1]), "2.04"),
        (write, Code::CHANGED, Content::None, "2.04"),
        (r#"{"msgType":"execute","data":{"path":"/3/0/4"}}"#, Code::CONTENT, Content::None, "2.05"),
        (r#"{"msgType":"discover","data":{"path":"/3"}}"#, Code::CHANGED, Content::None, "2.04"),
    ];
    for (text, code, content, expected) in cases {
        assert_eq!(one(&plain(), &finished(text, answer(code, content)))["data"]["code"], expected);
    }
}

#[test]
fn content_of_the_wrong_kind_is_undecodable() {
    let cases = [
        (READ, Content::Links(vec!["</3>".into()])),
        (r#"{"msgType":"discover","data":{"path":"/3"}}"#, nodes(&[("/3/0/0", Value::Integer(1))])),
        (READ, nodes(&[("/3/0/1", Value::Integer(1)), ("/40000/0/1", Value::Untyped(vec![1]))])),
    ];
    for (text, content) in cases {
        let data = one(&plain(), &finished(text, answer(Code::CONTENT, content)))["data"].clone();
        assert_eq!((&data["code"], &data["codeMsg"]), (&json!("4.00"), &json!("bad_request")));
        assert!(data["diagnostic"].as_str().unwrap().starts_with("undecodable: "), "{data}");
        assert!(data.get("content").is_none());
    }
}

#[test]
fn unknown_types_are_refused_or_passed_on_marked() {
    let content = || {
        nodes(&[
            ("/40000/0/1", Value::Untyped(vec![1, 2, 3])),
            ("/40000/0/2", Value::Boolean(true)),
            ("/3/0/9", Value::Integer(5)),
        ])
    };
    assert_eq!(content_json(&answer(Code::CONTENT, content()), false), None);
    let device = registration(&[("ep", "ep1")], None);
    let raw = voice(&device, Settings { raw_unknown: true, ..Settings::default() });
    let list = one(&raw, &finished(READ, answer(Code::CONTENT, content())))["data"]["content"].clone();
    assert_eq!(list[0], json!({ "path": "/40000/0/1", "value": "AQID", "raw": true }));
    assert_eq!(list[1], json!({ "path": "/40000/0/2", "value": true, "raw": true }));
    assert_eq!(list[2], json!({ "path": "/3/0/9", "value": 5 }));
    // self-describing values need no definition under "reject", and are not marked
    let described = nodes(&[("/40000/0/2", Value::Boolean(true))]);
    let list = one(&plain(), &finished(READ, answer(Code::CONTENT, described)))["data"]["content"].clone();
    assert_eq!(list, json!([{ "path": "/40000/0/2", "value": true }]));
}

#[test]
fn a_value_of_the_path_asked_for_bears_it_as_sent() {
    let text = r#"{"msgType":"read","data":{"path":"3/0/0/?x"}}"#;
    let single = nodes(&[("/3/0/0", Value::Integer(1))]);
    assert_eq!(one(&plain(), &finished(text, answer(Code::CONTENT, single)))["data"]["content"][0]["path"], "3/0/0/");
    let below = nodes(&[("/3/0/0/1", Value::Integer(1))]);
    assert_eq!(one(&plain(), &finished(text, answer(Code::CONTENT, below)))["data"]["content"][0]["path"], "/3/0/0/1");
    let bytes = Content::Bytes(vec![1]);
    assert_eq!(one(&plain(), &finished(text, answer(Code::CONTENT, bytes)))["data"]["content"][0]["path"], "3/0/0/");
}

#[test]
fn several_times_of_one_path_come_oldest_first() {
    let node = |at: &str, n: i64, time: Option<f64>| Node { path: path(at), value: Value::Integer(n), time };
    let order = |list: Vec<Node>| -> Vec<i64> {
        let content = content_json(&answer(Code::CONTENT, Content::Nodes(list)), false).unwrap();
        let content: serde_json::Value = serde_json::from_slice(&content).unwrap();
        content.as_array().unwrap().iter().map(|element| element["value"].as_i64().unwrap()).collect()
    };
    let history = vec![
        node("/1/0/1", 3, None),
        node("/1/0/1", 2, Some(20.0)),
        node("/1/0/2", 1, Some(10.0)),
        node("/1/0/1", 0, Some(5.0)),
    ];
    assert_eq!(order(history), [0, 1, 2, 3]);
    // each path once: as the device sent them
    let snapshot = vec![node("/1/0/1", 0, None), node("/1/0/2", 1, Some(20.0)), node("/1/0/3", 2, Some(10.0))];
    assert_eq!(order(snapshot), [0, 1, 2]);
    let broken = vec![node("/1/0/1", 0, Some(f64::NAN)), node("/1/0/1", 1, Some(1.0))];
    assert_eq!(order(broken).len(), 2);
}

#[test]
fn only_non_confirmable_notifications_may_be_dropped() {
    let voice = plain();
    let first = command(OBSERVE).ticket();
    let same = command(&OBSERVE.replace('8', "9")).ticket();
    let other = command(&OBSERVE.replace("/3/0/9", "/3/0/10")).ticket();
    let class = |ticket: &Ticket, delivery| {
        render(&voice, &notified(ticket, answer(Code::CONTENT, Content::None), delivery))[0].class
    };
    let Class::Droppable { key } = class(&first, None) else { panic!("must be droppable") };
    assert_eq!(class(&same, None), Class::Droppable { key });
    assert_ne!(class(&other, None), Class::Droppable { key });
    assert_eq!(class(&first, Some(Delivery(1))), Class::Keep);
    let elsewhere = common::voice(&registration(&[("ep", "ep2")], None), Settings::default());
    let there = render(&elsewhere, &notified(&first, answer(Code::CONTENT, Content::None), None)).remove(0);
    assert_ne!(there.class, Class::Droppable { key });
    let send = Event::DataSent { nodes: vec![], delivery: Delivery(2) };
    assert_eq!(render(&voice, &send)[0].class, Class::Keep);
    assert_eq!(render(&voice, &finished(READ, answer(Code::CONTENT, Content::None)))[0].class, Class::Keep);
}

#[test]
fn each_message_uses_its_translator_unless_the_command_named_a_topic() {
    let at = |topic: &str, qos| Translator { topic: topic.into(), qos };
    let topics = Topics {
        response: at("resp", 1),
        notify: at("notify", 2),
        register: at("register", 1),
        update: at("update", 2),
        send: at("send", 1),
        event: at("event/%e", 2),
        ..Topics::default()
    };
    let device = Arc::new(registration(&[("ep", "ep1")], None));
    let expanded = topics.expand(&device, common::address()).unwrap();
    let voice = Voice::new(
        &topics,
        expanded,
        &device,
        Settings { lifecycle_events: true, update_always: true, raw_unknown: false },
    );
    let ticket = command(OBSERVE).ticket();
    let envelope = Envelope { response_topic: Some("app/1".into()), correlation_data: Some(vec![1, 2]), expiry: None };
    let own = Command::parse(OBSERVE.as_bytes(), envelope).unwrap().ticket();
    let done = |ticket: &Ticket| Event::Finished { ticket: ticket.clone(), outcome: Outcome::Reset, observing: None };
    let empty = || answer(Code::CONTENT, Content::None);
    let cases = [
        (Event::Registered { registration: device.clone(), replaced: None }, "lwm2m/ep1/register", 1),
        (Event::Updated { registration: device.clone(), with_objects: false }, "lwm2m/ep1/update", 2),
        (Event::Acknowledged { ticket: ticket.clone() }, "lwm2m/ep1/resp", 1),
        (done(&ticket), "lwm2m/ep1/resp", 1),
        (notified(&ticket, empty(), None), "lwm2m/ep1/notify", 2),
        (Event::DataSent { nodes: vec![], delivery: Delivery(1) }, "lwm2m/ep1/send", 1),
        (Event::Awake, "lwm2m/ep1/event/ep1", 2),
        (Event::Acknowledged { ticket: own.clone() }, "app/1", 1),
        (done(&own), "app/1", 1),
        (notified(&own, empty(), None), "app/1", 2),
    ];
    for (event, topic, qos) in cases {
        let message = render(&voice, &event).remove(0);
        assert_eq!((&*message.topic, message.qos, &*message.endpoint), (topic, qos, "ep1"), "{event:?}");
        assert_eq!(message.correlation_data, topic.starts_with("app").then(|| vec![1, 2]), "{event:?}");
    }
}

#[test]
fn secrets_of_a_registration_are_not_published() {
    let secrets = "password passwd passcode secret token access_token refresh_token id_token mfa_token security_token jwt jwk \
        client_jwks api_key api_secret access_key_id access_key_secret secret_access_key aws_secret_access_key secret_key \
        account_key client_secret private_key sp_private_key private_key_password bind_password sentinel_password new_pwd old_pwd";
    let mut members = vec![("ep", "ep1"), ("lt", "60"), ("PassWord", "x"), ("apn", "Ctnb"), ("Q", "")];
    members.extend(secrets.split_whitespace().map(|name| (name, "x")));
    assert_eq!(members.len(), 5 + 29);
    let device = Arc::new(registration(&members, None));
    let message = one(&plain(), &Event::Registered { registration: device, replaced: None });
    assert_eq!(message["data"], json!({ "ep": "ep1", "lt": 60, "apn": "Ctnb", "Q": "" }));
}

#[test]
fn odd_query_members_cannot_break_the_register_message() {
    let members = [
        ("ep", "e\"p"),
        ("lt", "0"),
        ("lt", "5"),
        ("x\n", "\u{1}"),
        ("a", "1"),
        ("a", "2"),
        ("objectList", "x"),
        ("alternatePath", "y"),
        ("", ""),
    ];
    let device = Arc::new(registration(&members, Some(&["/1", "weird \"link"])));
    let message = one(&plain(), &Event::Registered { registration: device, replaced: None });
    let expected = json!({
        "ep": "e\"p", "lt": 0, "x\n": "\u{1}", "a": "1", "": "", "alternatePath": "/", "objectList": ["/1", "weird \"link"],
    });
    assert_eq!(message["data"], expected);
    // without a usable lt the effective lifetime stands there
    for lt in ["", "abc", "-1", "99999999999999999999999"] {
        let device = Arc::new(registration(&[("ep", "ep1"), ("lt", lt)], None));
        assert_eq!(one(&plain(), &Event::Registered { registration: device, replaced: None })["data"]["lt"], 86_400);
    }
}

#[test]
fn an_update_is_published_as_configured() {
    let device = Arc::new(registration(&[("ep", "ep1")], None));
    for (always, with_objects, published) in [(false, false, 0), (false, true, 1), (true, false, 1), (true, true, 1)] {
        let voice = voice(&device, Settings { update_always: always, ..Settings::default() });
        let event = Event::Updated { registration: device.clone(), with_objects };
        assert_eq!(render(&voice, &event).len(), published);
    }
}

#[test]
fn without_lifecycle_events_nothing_unknown_is_published() {
    let device = Arc::new(registration(&[("ep", "ep1")], None));
    let ticket = command(READ).ticket();
    let voice = plain();
    let silent = [
        Event::Ended { registration: device.clone(), ending: Ending::Expired },
        Event::Moved { from: common::address(), to: common::address() },
        Event::Awake,
        Event::Asleep { queued: 0 },
        Event::Sent { ticket: ticket.clone() },
        Event::ObservationEnded { ticket: ticket.clone(), lost: true },
        Event::Progress { ticket: ticket.clone(), done: 1, total: Some(1) },
        Event::Oddity { what: "x".into() },
        Event::NeverRegistered { code: None, reason: "x".into() },
        Event::Stray { from: common::address(), datagram: vec![] },
    ];
    for event in silent {
        assert_eq!(render(&voice, &event), [], "{event:?}");
    }
    assert_eq!(voice.queued(&ticket, 1, 0.0), None);
}

#[test]
fn progress_is_told_every_tenth() {
    let device = registration(&[("ep", "ep1")], None);
    let voice = voice(&device, Settings { lifecycle_events: true, ..Settings::default() });
    let ticket = command(READ).ticket();
    let told = |total: Option<usize>| -> Vec<usize> {
        let event = |done| Event::Progress { ticket: ticket.clone(), done, total };
        (1..=100).map(|n| n * 10).filter(|done| !render(&voice, &event(*done)).is_empty()).collect()
    };
    assert_eq!(told(Some(1000)), [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
    // the next transfer starts again
    assert_eq!(told(Some(1000)).len(), 10);
    assert_eq!(told(None).len(), 0);
}

#[test]
fn a_ticket_of_others_gives_an_answer_without_echo() {
    for bytes in [&b""[..], b"x", &[1, 200, 0], &[1, 0, 0, 255, 255, 255, 255, 255], &[9, 0, 0, 0, 0, 0]] {
        let ticket = Ticket(bytes.into());
        let message: serde_json::Value = serde_json::from_slice(&outcome_json(&ticket, &Outcome::Reset)).unwrap();
        assert_eq!(message, json!({ "msgType": "coap_reset", "data": { "reqPath": null } }));
    }
}
