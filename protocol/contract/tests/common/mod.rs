//! What several tests of the contract need.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "that is how a test fails")]
#![allow(dead_code, reason = "each test file uses its own part")]
pub(crate) mod files;
pub(crate) mod schema_check;

use contract::command::{Command, Envelope};
use contract::message::{Problem, Publication, Settings, Voice, without_device};
use contract::topic::Topics;
use lwm2m::format::Types;
use lwm2m::link::{ObjectList, Version};
use lwm2m::registration::Registration;
use lwm2m::session::{Address, Event, Operation, Target};
use lwm2m::{Path, ResourceType};
use std::time::Duration;

/// A few resources of the Device and Server objects.
#[derive(Debug)]
pub(crate) struct Definitions;

impl Types for Definitions {
    fn resource_type(&self, object: u16, resource: u16) -> Option<ResourceType> {
        match (object, resource) {
            (3, 0 | 1 | 2 | 14) => Some(ResourceType::String),
            (3, 4) => Some(ResourceType::None),
            (3, 6 | 9) => Some(ResourceType::Integer),
            (3, 13) => Some(ResourceType::Time),
            (5, 0) => Some(ResourceType::Opaque),
            (3303, 5700) => Some(ResourceType::Float),
            _ => None,
        }
    }
    fn is_multiple(&self, object: u16, resource: u16) -> Option<bool> {
        self.resource_type(object, resource).map(|_| (object, resource) == (3, 6))
    }
}

pub(crate) fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

pub(crate) fn command(json: &str) -> Command {
    Command::parse(json.as_bytes(), Envelope::default()).unwrap()
}

pub(crate) fn operation(json: &str) -> Operation {
    let command = command(json);
    command.check().unwrap_or_else(|bad| panic!("{json}: {bad}"));
    let operation = command.operation(&Definitions).unwrap_or_else(|bad| panic!("{json}: {bad}"));
    assert_eq!(command.into_operation(&Definitions), Ok(operation.clone()));
    operation
}

pub(crate) fn address() -> Address {
    Address { socket: "192.0.2.1:5683".parse().unwrap(), listener: 0, association: None }
}

/// A registration with these query members, `ep` among them.
pub(crate) fn registration(members: &[(&str, &str)], links: Option<&[&str]>) -> Registration {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let endpoint = members.iter().find(|(name, _)| *name == "ep").map_or("ep1", |(_, value)| value);
    Registration {
        endpoint: endpoint.to_owned(),
        location: vec!["rd".into(), "5f3a".into()],
        members: members.iter().map(own).collect(),
        lifetime: Duration::from_secs(86_400),
        version: Version::new(1, 1),
        queue_mode: false,
        objects: links.map(|links| ObjectList {
            alternate_path_text: "/".into(),
            links: links.iter().map(|link| (*link).to_owned()).collect(),
            ..ObjectList::default()
        }),
    }
}

pub(crate) fn voice(registration: &Registration, settings: Settings) -> Voice {
    let topics = Topics::default();
    let device = topics.expand(registration, address()).unwrap();
    Voice::new(&topics, device, registration, settings)
}

pub(crate) fn render(voice: &Voice, event: &Event) -> Vec<Publication> {
    let mut out = Vec::new();
    voice.render_typed(event, 1_763_825_000.123_4, Some(&Definitions), &mut out);
    out
}

pub(crate) fn json(publication: &Publication) -> serde_json::Value {
    serde_json::from_slice(&publication.payload)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&publication.payload)))
}

pub(crate) fn target(text: &str) -> Target {
    Target { path: path(text), query: Vec::new() }
}

/// What the answer 4.00 to a bad command says.
pub(crate) fn diagnostic(json: &str) -> String {
    let command = command(json);
    let bad = match command.check() {
        Err(bad) => bad,
        Ok(()) => command.operation(&Definitions).expect_err(json),
    };
    let answer = without_device(&Topics::default(), "lwm2m/ep1/", &command.ticket(), &Problem::Bad(bad));
    let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!((&answer["data"]["code"], &answer["data"]["codeMsg"]), (&"4.00".into(), &"bad_request".into()));
    let text = answer["data"]["diagnostic"].as_str().unwrap().to_owned();
    assert!(text.starts_with("bad command: "), "{text}");
    text
}
