//! Golden files: every kind of command with its operation, every kind of message.
//! `UPDATE_GOLDEN=1 cargo test -p contract --test golden` writes them anew; look at the difference before keeping it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "that is how a test fails")]
#![allow(clippy::disallowed_methods, reason = "the files lie beside this test")]
mod common;

use coap::Code;
use common::files::{Golden, folder, stored};
use common::{Definitions, address, command, path, registration, render, voice};
use contract::command::{BadCommand, Command, Envelope, auto_observe_ticket};
use contract::message::{Problem, Publication, Settings, Voice, cancel_outcome, dtls_refused, status, without_device};
use contract::topic::Topics;
use lwm2m::session::{Address, Answer, Cancelled, Content, Delivery, Ending, Event, Outcome, Refused, Ticket};
use lwm2m::{Node, Value};
use serde_json::json;
use std::sync::Arc;

/// Holds what was made against the files: the same names, the same content.
fn compare(prefix: &str, made: &Golden) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        for (name, value) in made {
            let text = serde_json::to_string_pretty(value).unwrap() + "\n";
            std::fs::write(folder().join(format!("{name}.json")), text).unwrap();
        }
    }
    let stored = stored(prefix);
    for (name, value) in made {
        let expected = stored.get(name).unwrap_or_else(|| panic!("{name}.json is missing"));
        assert_eq!(value, expected, "{name}.json");
    }
    assert_eq!(stored.len(), made.len(), "a file without a case");
}

const COMMANDS: [(&str, &str); 30] = [
    ("read", r#"{"reqID":7,"msgType":"read","data":{"path":"/3/0/0"}}"#),
    ("read-format", r#"{"reqID":7,"msgType":"read","data":{"path":"/3/0","format":"senml-cbor"}}"#),
    ("read-query", r#"{"reqID":7,"msgType":"read","data":{"path":"/3/0?a=1&b=2"}}"#),
    ("read-all", r#"{"reqID":7,"msgType":"read","data":{"path":"/"}}"#),
    ("discover", r#"{"reqID":"a","msgType":"discover","data":{"path":"/3/0"}}"#),
    ("write", r#"{"reqID":2,"msgType":"write","data":{"path":"/3/0/13","type":"Integer","value":"12345"}}"#),
    (
        "write-hex",
        r#"{"reqID":2,"msgType":"write","encoding":"hex","data":{"path":"/5/0/0","type":"Opaque","value":"00ff10"}}"#,
    ),
    ("write-untyped", r#"{"reqID":2,"msgType":"write","data":{"path":"/3/0/13","value":12345}}"#),
    (
        "write-instance",
        r#"{"reqID":2,"msgType":"write","data":{"path":"/3/0/6/1","type":"Integer","value":5,"format":"senml-json"}}"#,
    ),
    (
        "write-batch",
        r#"{"msgType":"write","data":{"basePath":"/3/0/","content":[{"path":"13","type":"Integer","value":"12345"},{"path":"14","type":"String","value":"87x"},{"path":"6/0","type":"Integer","value":"1"}]}}"#,
    ),
    (
        "write-batch-replace",
        r#"{"msgType":"write","data":{"basePath":"/3/0","mode":"replace","format":"tlv","content":[{"path":"/3/0/14","type":"String","value":"+02"}]}}"#,
    ),
    (
        "write-batch-resource",
        r#"{"msgType":"write","data":{"basePath":"/3/0/22","content":[{"path":"0","type":"Objlnk","value":"1:2"},{"path":"1","type":"Objlnk","value":"1:3"},{"path":"1","type":"Objlnk","value":"1:4"}]}}"#,
    ),
    (
        "write-batch-single",
        r#"{"msgType":"write","data":{"basePath":"/3/0/13","content":[{"type":"Time","value":5}]}}"#,
    ),
    (
        "write-attr",
        r#"{"reqID":3,"msgType":"write-attr","data":{"path":"/3/0/9","pmin":10,"pmax":60,"gt":"-10.50","lt":null}}"#,
    ),
    ("write-attr-remove", r#"{"reqID":3,"msgType":"write-attr","data":{"path":"/3/0/9","pmin":""}}"#),
    ("execute", r#"{"reqID":4,"msgType":"execute","data":{"path":"/3/0/4"}}"#),
    ("execute-args", r#"{"reqID":4,"msgType":"execute","data":{"path":"/3/0/4","args":"0='1'"}}"#),
    (
        "create",
        r#"{"msgType":"create","data":{"basePath":"/6","content":[{"path":"0/0","type":"Float","value":"1.5"},{"path":"0/4","type":"Opaque","value":"AQID"},{"path":"1/0","type":"Float","value":"2.5"}]}}"#,
    ),
    ("create-empty", r#"{"msgType":"create","data":{"basePath":"/6"}}"#),
    (
        "create-instance",
        r#"{"msgType":"create","data":{"basePath":"/6/2","content":[{"path":"0","type":"Float","value":1}]}}"#,
    ),
    ("delete", r#"{"reqID":5,"msgType":"delete","data":{"path":"/6/0"}}"#),
    ("observe", r#"{"reqID":307,"msgType":"observe","data":{"path":"/3/0/10"}}"#),
    ("cancel-observe", r#"{"reqID":308,"msgType":"cancel-observe","data":{"path":"/3/0/10"}}"#),
    ("cancel-observe-passive", r#"{"reqID":308,"msgType":"cancel-observe","data":{"path":"/3/0/10","passive":true}}"#),
    ("read-composite", r#"{"msgType":"read-composite","data":{"paths":["/3/0/0","/1"]}}"#),
    (
        "write-composite",
        r#"{"msgType":"write-composite","data":{"content":[{"path":"/1/0/1","type":"Integer","value":60},{"path":"/3/0/6/1","value":null}]}}"#,
    ),
    (
        "observe-composite",
        r#"{"msgType":"observe-composite","data":{"paths":["/3/0/9","/3303/0/5700"],"format":"lwm2m-cbor"}}"#,
    ),
    (
        "cancel-observe-composite",
        r#"{"msgType":"cancel-observe-composite","data":{"paths":["/3/0/9","/3303/0/5700"]}}"#,
    ),
    ("cancel", r#"{"reqID":7,"msgType":"cancel"}"#),
    ("mheaders", r#"{"reqID":null,"msgType":"read","mheaders":{"ttl":0},"imei":"35","data":{"path":"3/0/0/"}}"#),
];

#[test]
fn commands_become_the_operations_on_file() {
    let mut made = Golden::new();
    for (name, text) in COMMANDS {
        let read = command(text);
        read.check().unwrap();
        let operation = read.operation(&Definitions);
        assert_eq!(operation.is_err(), read.is_cancel(), "{name}: cancel alone is no operation on the device");
        let operation = operation.ok();
        let command: serde_json::Value = serde_json::from_str(text).unwrap();
        let operation = json!({ "command": command, "operation": operation.map(|operation| format!("{operation:?}")) });
        made.insert(format!("command-{name}"), operation);
    }
    compare("command-", &made);
}

fn answered(code: Code, content: Content) -> Answer {
    Answer { code, content, diagnostic: None, location: None }
}

fn finished(ticket: &Ticket, answer: Answer) -> Event {
    Event::Finished { ticket: ticket.clone(), outcome: Outcome::Answered(answer), observing: None }
}

fn value(at: &str, value: Value) -> Node {
    Node::new(path(at), value)
}

fn timed(at: &str, number: f64, time: f64) -> Node {
    Node { time: Some(time), ..value(at, Value::Float(number)) }
}

struct Messages {
    made: Golden,
    voice: Voice,
}

impl Messages {
    fn add(&mut self, name: &str, publication: &Publication) {
        let message: serde_json::Value = serde_json::from_slice(&publication.payload).unwrap();
        let known =
            self.made.insert(format!("message-{name}"), json!({ "topic": &*publication.topic, "message": message }));
        assert_eq!(known, None, "{name} twice");
    }
    fn event(&mut self, name: &str, event: &Event) {
        let out = render(&self.voice, event);
        assert_eq!(out.len(), 1, "{name}");
        self.add(name, &out[0]);
    }
    fn answer(&mut self, name: &str, command: &str, answer: Answer) {
        self.event(name, &finished(&common::command(command).ticket(), answer));
    }
}

fn text(name: &str) -> &'static str {
    COMMANDS.iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn events_become_the_messages_on_file() {
    let members = [
        ("ep", "ep1"),
        ("lt", "345"),
        ("lwm2m", "1.1"),
        ("b", "UQ"),
        ("imei", "356938035643809"),
        ("password", "geheim"),
    ];
    let device = Arc::new(registration(&members, Some(&["/1/0", "/3/0"])));
    let mut all = Messages { made: Golden::new(), voice: voice(&device, Settings::default()) };
    registrations(&mut all, &device);
    answers(&mut all);
    exceptions(&mut all);
    notifications(&mut all);
    all.voice = voice(&device, Settings { lifecycle_events: true, ..Settings::default() });
    lifecycle(&mut all, &device);
    let mut status = Golden::new();
    status.insert("status-online".into(), serde_json::from_slice(&status::online("0.1.0", 1_763_825_000.25)).unwrap());
    status.insert("status-offline".into(), serde_json::from_slice(status::OFFLINE).unwrap());
    compare("status-", &status);
    compare("message-", &all.made);
}

fn registrations(all: &mut Messages, device: &Arc<lwm2m::registration::Registration>) {
    all.event("register", &Event::Registered { registration: device.clone(), replaced: None });
    let plain = Arc::new(registration(&[("ep", "ep1"), ("lwm2m", "1.0")], None));
    all.event("register-without-objects", &Event::Registered { registration: plain, replaced: None });
    all.event("update", &Event::Updated { registration: device.clone(), with_objects: true });
}

fn answers(all: &mut Messages) {
    let nodes = |nodes: Vec<Node>| Content::Nodes(nodes);
    let emq = || nodes(vec![value("/3/0/0", Value::String("EMQ".into()))]);
    all.answer("read", text("read"), answered(Code::CONTENT, emq()));
    all.answer("read-as-sent", text("mheaders"), answered(Code::CONTENT, emq()));
    let types = vec![
        value("/3/0/0", Value::String("grün \u{fffd} \"".into())),
        value("/3/0/1", Value::Integer(i64::MIN)),
        value("/3/0/2", Value::Unsigned(u64::MAX)),
        value("/3/0/3", Value::Float(20.02)),
        value("/3/0/4", Value::Float(10.0)),
        value("/3/0/5", Value::Float(f64::NAN)),
        value("/3/0/6/0", Value::Boolean(true)),
        value("/3/0/6/1", Value::Boolean(false)),
        value("/3/0/7", Value::Opaque(b"abc".to_vec())),
        value("/3/0/8", Value::Time(1_763_825_000)),
        value("/3/0/9", Value::ObjectLink(65535, 65535)),
        value("/3/0/10", Value::CoreLink("</3/0>".into())),
        value("/3/0/11", Value::Empty),
        value("/3/0/12", Value::Absent),
    ];
    all.answer("read-all-types", text("read-query"), answered(Code::CONTENT, nodes(types)));
    all.answer("read-empty", text("read-query"), answered(Code::CONTENT, nodes(vec![])));
    all.answer("read-bytes", text("read"), answered(Code::CONTENT, Content::Bytes(vec![0xde, 0xad, 0xbe, 0xef])));
    all.answer(
        "read-untyped",
        text("read"),
        answered(Code::CONTENT, nodes(vec![value("/40000/0/1", Value::Untyped(vec![1]))])),
    );
    let links = vec!["</3/0>;dim=8".to_owned(), "</3/0/0>".to_owned()];
    all.answer("discover", text("discover"), answered(Code::CONTENT, Content::Links(links)));
    for (name, code) in [
        ("write", Code::CHANGED),
        ("write-attr", Code::CHANGED),
        ("execute", Code::CHANGED),
        ("delete", Code::DELETED),
        ("cancel-observe", Code::CONTENT),
        ("write-composite", Code::CHANGED),
    ] {
        all.answer(name, text(name), answered(code, Content::None));
    }
    all.answer("write-answered-content", text("write"), answered(Code::CONTENT, Content::None));
    let created = Answer { location: Some(path("/6/3")), ..answered(Code::CREATED, Content::None) };
    all.answer("create", text("create"), created);
    let missing = Answer { diagnostic: Some("no such resource".into()), ..answered(Code::NOT_FOUND, Content::None) };
    all.answer("read-error", text("read"), missing);
    all.answer("read-unknown-code", text("read"), answered(Code::new(4, 30), Content::None));
    let large =
        Answer { diagnostic: Some("body too large".into()), ..answered(Code::REQUEST_ENTITY_TOO_LARGE, Content::None) };
    all.answer("read-too-large", text("read"), large);
    let several = || nodes(vec![value("/3/0/0", Value::String("EMQ".into())), value("/1/0/1", Value::Integer(60))]);
    all.answer("read-composite", text("read-composite"), answered(Code::CONTENT, several()));
    all.answer("observe-composite", text("observe-composite"), answered(Code::CONTENT, several()));
    all.answer("cancel-observe-composite", text("cancel-observe-composite"), answered(Code::CONTENT, Content::None));
    let history = vec![
        timed("/3303/0/5700", 20.5, 1_763_825_000.0),
        timed("/3303/0/5700", 20.0, 1_763_824_990.5),
        timed("/3303/0/5700", 19.5, 1_763_824_980.0),
    ];
    all.event("send", &Event::DataSent { nodes: history, delivery: Delivery(1) });
}

fn exceptions(all: &mut Messages) {
    let read = command(text("read")).ticket();
    all.event("ack", &Event::Acknowledged { ticket: read.clone() });
    let finished = |ticket: &Ticket, outcome| Event::Finished { ticket: ticket.clone(), outcome, observing: None };
    all.event("coap_reset", &finished(&read, Outcome::Reset));
    all.event("coap_timeout", &finished(&read, Outcome::TimedOut(None)));
    all.event("coap_timeout-expired", &finished(&read, Outcome::TimedOut(Some("expired"))));
    all.event("coap_timeout-cancelled", &finished(&read, Outcome::TimedOut(Some("cancelled"))));
    let cancel = command(text("cancel")).ticket();
    for (name, waiting, on_the_wire) in [("cancel", 1, 1), ("cancel-sent", 0, 1), ("cancel-nothing", 0, 0)] {
        all.event(name, &finished(&cancel, cancel_outcome(Cancelled { waiting, on_the_wire })));
    }
    let composite = command(text("read-composite")).ticket();
    all.event("coap_timeout-composite", &finished(&composite, Outcome::TimedOut(None)));
    let queue_full = all.voice.refused(&read, &Refused::QueueFull(100));
    all.add("queue-full", &queue_full);
    let ended = Outcome::Refused(Refused::NotRegistered);
    all.event("not-registered", &finished(&read, ended));
    let impossible = Refused::Impossible("format: text cannot carry /3/0".into());
    let impossible = all.voice.refused(&read, &impossible);
    all.add("impossible", &impossible);
    let topics = Topics::default();
    all.add("no-device", &without_device(&topics, "lwm2m/ep9/", &read, &Problem::NotRegistered));
    let interrupted = Problem::Ended(Outcome::TimedOut(Some("interrupted")));
    all.add("no-device-interrupted", &without_device(&topics, "lwm2m/ep9/", &read, &interrupted));
    all.add("unavailable", &without_device(&topics, "lwm2m/ep9/", &read, &Problem::Unavailable("store failed".into())));
    for (name, json) in [
        ("bad-unknown-type", r#"{"reqID":1,"msgType":"frob","data":{"path":"/3"}}"#),
        ("bad-notify", r#"{"reqID":1,"msgType":"notify","data":{"path":"/3"}}"#),
        ("bad-no-type", r#"{"reqID":1,"data":{"path":"/3?x"}}"#),
        ("bad-number-type", r#"{"reqID":1,"msgType":[1],"data":{"path":"/3"}}"#),
        ("bad-no-data", r#"{"reqID":1,"msgType":"read"}"#),
        (
            "bad-value",
            r#"{"reqID":10086,"msgType":"write","encoding":"hex","data":{"path":"/3/0/1","type":"String","value":"xyz"}}"#,
        ),
        ("bad-composite", r#"{"reqID":1,"msgType":"read-composite","data":{"paths":["/3",5]}}"#),
        ("bad-cancel", r#"{"msgType":"cancel"}"#),
    ] {
        let read = command(json);
        let bad: BadCommand = read.check().unwrap_err();
        let answer = all.voice.bad_command(&read.ticket(), &bad);
        all.add(name, &answer);
    }
}

fn notifications(all: &mut Messages) {
    let observe = command(text("observe")).ticket();
    let integer = |n| answered(Code::CONTENT, Content::Nodes(vec![value("/3/0/10", Value::Integer(n))]));
    let first = |ticket: &Ticket, observing| Event::Finished {
        ticket: ticket.clone(),
        outcome: Outcome::Answered(integer(2048)),
        observing,
    };
    all.event("observe", &first(&observe, Some(0)));
    all.event("observe-sequence", &first(&observe, Some(12)));
    let notified = |ticket: &Ticket, sequence, answer| Event::Notified {
        ticket: ticket.clone(),
        sequence,
        answer,
        delivery: None,
    };
    all.event("notify", &notified(&observe, 3, integer(4096)));
    all.event("notify-error", &notified(&observe, 4, answered(Code::NOT_FOUND, Content::None)));
    let auto = auto_observe_ticket("/3/0");
    all.event("observe-auto", &first(&auto, Some(0)));
    all.event("notify-auto", &notified(&auto, 5, integer(1)));
    let composite = command(text("observe-composite")).ticket();
    all.event("notify-composite", &notified(&composite, 6, integer(1)));
    let history = Content::Nodes(vec![timed("/3303/0/5700", 21.0, 20.0), timed("/3303/0/5700", 20.5, 10.5)]);
    all.event("notify-history", &notified(&observe, 7, answered(Code::CONTENT, history)));
    // raw
    let members = [("ep", "ep1"), ("imei", "1"), ("imsi", "2")];
    let device = registration(&members, None);
    let strict =
        std::mem::replace(&mut all.voice, voice(&device, Settings { raw_unknown: true, ..Settings::default() }));
    let nodes = vec![
        value("/40000/0/1", Value::Untyped(vec![1, 2, 3])),
        value("/40000/0/2", Value::Float(1.5)),
        value("/3/0/9", Value::Integer(95)),
    ];
    all.event("notify-raw", &notified(&observe, 8, answered(Code::CONTENT, Content::Nodes(nodes))));
    all.voice = strict;
    // response topic and correlation data
    let envelope = Envelope { response_topic: Some("app/7".into()), correlation_data: Some(vec![7]), expiry: None };
    let observe = Command::parse(text("observe").as_bytes(), envelope).unwrap().ticket();
    all.event("notify-response-topic", &notified(&observe, 9, integer(1)));
}

fn lifecycle(all: &mut Messages, device: &Arc<lwm2m::registration::Registration>) {
    let observe = command(text("observe")).ticket();
    let elsewhere = Address { socket: "198.51.100.7:40000".parse().unwrap(), ..address() };
    let ended = |ending| Event::Ended { registration: device.clone(), ending };
    for (name, event) in [
        ("deregistered", ended(Ending::Deregistered)),
        ("expired", ended(Ending::Expired)),
        ("replaced", ended(Ending::Replaced)),
        ("removed", ended(Ending::Removed)),
        ("moved", Event::Moved { from: address(), to: elsewhere }),
        ("awake", Event::Awake),
        ("asleep", Event::Asleep { queued: 2 }),
        ("observe_lost", Event::ObservationEnded { ticket: observe.clone(), lost: true }),
        ("updated", Event::Updated { registration: device.clone(), with_objects: false }),
        ("progress", Event::Progress { ticket: observe.clone(), done: 300, total: Some(2000) }),
    ] {
        all.event(&format!("event-{name}"), &event);
    }
    let again = Event::Registered { registration: device.clone(), replaced: Some(vec!["rd".into(), "old".into()]) };
    let out = render(&all.voice, &again);
    assert_eq!(out.len(), 3);
    all.add("event-registered-again", &out[1]);
    all.add("event-registered", &out[2]);
    let outcome = Outcome::TimedOut(Some("expired"));
    let out = render(&all.voice, &Event::Finished { ticket: observe.clone(), outcome, observing: None });
    assert_eq!(out.len(), 2);
    all.add("event-command_expired", &out[1]);
    let queued = all.voice.queued(&observe, 3, 1_763_825_000.5).unwrap();
    all.add("event-command_queued", &queued);
    let refused = dtls_refused(&Topics::default(), "ep1", address(), "unknown PSK identity", 1_763_825_000.5).unwrap();
    all.add("event-dtls_refused", &refused);
}
