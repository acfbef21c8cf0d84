//! What the contract costs per message: rendering notifications, reading commands, and the whole way of content from a device's bytes to JSON.
#![expect(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "that is how a benchmark fails; it reads the project's own files"
)]
use coap::Code;
use contract::command::{Command, Envelope};
use contract::message::{Settings, Voice};
use contract::topic::Topics;
use criterion::{Criterion, criterion_group, criterion_main};
use lwm2m::catalog::{Catalog, DeviceTypes};
use lwm2m::format::{self, ContentFormat, Types};
use lwm2m::link::Version;
use lwm2m::registration::Registration;
use lwm2m::session::{Address, Answer, Content, Event, Ticket};
use lwm2m::{Node, Path, ResourceType, Value};
use std::hint::black_box;
use std::time::Duration;

#[derive(Debug)]
struct NoTypes;

impl Types for NoTypes {
    fn resource_type(&self, _: u16, _: u16) -> Option<ResourceType> {
        None
    }
    fn is_multiple(&self, _: u16, _: u16) -> Option<bool> {
        None
    }
}

fn voice() -> Voice {
    let topics = Topics::default();
    let registration = Registration {
        endpoint: "urn:imei:356938035643809".into(),
        location: vec!["rd".into(), "5f3a".into()],
        members: vec![("ep".into(), "urn:imei:356938035643809".into()), ("imei".into(), "356938035643809".into())],
        lifetime: Duration::from_secs(60),
        version: Version::new(1, 1),
        queue_mode: false,
        objects: None,
    };
    let from = Address { socket: "192.0.2.1:5683".parse().unwrap(), listener: 0, association: None };
    let device = topics.expand(&registration, from).unwrap();
    Voice::new(&topics, device, &registration, Settings::default())
}

fn notification(ticket: &Ticket, nodes: Vec<Node>) -> Event {
    let answer = Answer { code: Code::CONTENT, content: Content::Nodes(nodes), diagnostic: None, location: None };
    Event::Notified { ticket: ticket.clone(), sequence: 4711, answer, delivery: None }
}

fn render(c: &mut Criterion) {
    let voice = voice();
    let at = |ids: &[u16]| Path::from_ids(ids).unwrap();
    let ticket = |path: &str| {
        let json = format!(r#"{{"reqID":307,"msgType":"observe","data":{{"path":"{path}"}}}}"#);
        Command::parse(json.as_bytes(), Envelope::default()).unwrap().ticket()
    };
    let one = notification(&ticket("/3303/0/5700"), vec![Node::new(at(&[3303, 0, 5700]), Value::Float(20.02))]);
    let values = [
        Value::String("Open Mobile Alliance".into()),
        Value::String("Lightweight M2M Client".into()),
        Value::String("345000123".into()),
        Value::Integer(95),
        Value::Integer(-67),
        Value::Float(20.02),
        Value::Float(-104.985_421),
        Value::Boolean(true),
        Value::Time(1_763_825_000),
        Value::ObjectLink(66, 0),
    ];
    let nodes = (0..).zip(values).map(|(id, value)| Node::new(at(&[3, 0, id]), value)).collect();
    let ten = notification(&ticket("/3/0"), nodes);
    let mut out = Vec::new();
    for (name, event) in [("notify one float", &one), ("notify ten resources", &ten)] {
        c.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                voice.render(black_box(event), 1_763_825_000.0, &mut out);
                black_box(&out);
            });
        });
    }
}

/// From the bytes of ten resources, typed by the definitions that the project ships, to the JSON of the notification.
fn translate(c: &mut Criterion) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../objects");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let xml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "xml"));
    let files: Vec<(String, Vec<u8>)> =
        xml.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect();
    let catalog = Catalog::load(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))).0;
    let versions = [(3, Version::new(1, 1))];
    let types = DeviceTypes { catalog: &catalog, enabler: Version::new(1, 1), versions: &versions };
    let instance = Path::parse("/3/0").unwrap();
    let values = [
        ("/3/0/0", Value::String("Open Mobile Alliance".into())),
        ("/3/0/1", Value::String("Lightweight M2M Client".into())),
        ("/3/0/2", Value::String("345000123".into())),
        ("/3/0/3", Value::String("1.0".into())),
        ("/3/0/6/0", Value::Integer(1)),
        ("/3/0/6/1", Value::Integer(5)),
        ("/3/0/9", Value::Integer(100)),
        ("/3/0/10", Value::Integer(15)),
        ("/3/0/13", Value::Time(1_367_491_215)),
        ("/3/0/14", Value::String("+02:00".into())),
    ];
    let nodes: Vec<Node> = values.map(|(path, value)| Node::new(Path::parse(path).unwrap(), value)).into();
    let command = br#"{"reqID":307,"msgType":"observe","data":{"path":"/3/0"}}"#;
    let ticket = Command::parse(command, Envelope::default()).unwrap().ticket();
    let (voice, now) = (voice(), 1_763_825_000.0);
    let mut out = Vec::new();
    for (name, format) in [
        ("TLV", ContentFormat::Tlv),
        ("SenML CBOR", ContentFormat::SenmlCbor),
        ("SenML JSON", ContentFormat::SenmlJson),
        ("LwM2M CBOR", ContentFormat::Lwm2mCbor),
    ] {
        let body = format::encode(format, instance, &nodes).unwrap();
        c.bench_function(&format!("translate ten resources, {name}"), |b| {
            b.iter(|| {
                out.clear();
                let nodes = format::decode(format, black_box(&body), instance, &types, now).unwrap();
                voice.render(&notification(&ticket, nodes), now, &mut out);
                black_box(&out);
            });
        });
    }
}

fn read(c: &mut Criterion) {
    let topics = Topics::default();
    c.bench_function("take a command topic apart", |b| {
        b.iter(|| topics.parse_command_topic(black_box("lwm2m/urn:imei:356938035643809/dn/dm")).is_some());
    });
    let commands = [
        ("read command", r#"{"reqID":7,"msgType":"read","data":{"path":"/3/0/0"}}"#),
        (
            "write command",
            r#"{"reqID":2,"msgType":"write","data":{"basePath":"/3/0","content":[{"path":"13","type":"Integer","value":"12345"},{"path":"14","type":"String","value":"87x"}]}}"#,
        ),
    ];
    for (name, json) in commands {
        c.bench_function(name, |b| {
            b.iter(|| {
                let command = Command::parse(black_box(json.as_bytes()), Envelope::default()).unwrap();
                let ticket = command.ticket();
                black_box((ticket, command.into_operation(&NoTypes).unwrap()));
            });
        });
    }
}

criterion_group!(contract, render, translate, read);
criterion_main!(contract);
