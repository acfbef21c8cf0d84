//! The gateway against devices made with Eclipse Leshan's client library and its Californium transport.
//!
//! One Java process for all tests; skipped, in words, where Java, Maven or Leshan cannot be had. Each test is a row of `docs/interop.md`.
mod attributes;
mod blocks;
mod composites;
mod formats;
mod operations;
mod registration;
mod restart;
mod security;
mod send;

use integration_tests::leshan::{self, Device};
use integration_tests::{World, interop};
use serde_json::{Map, Value, json};
use std::cell::Cell;

/// A Leshan device and the rest of the world. Fields end in this order.
struct Bench {
    device: Device,
    world: World,
    row: interop::Scenario,
    next: Cell<u64>,
}

/// A registered device; `None` without Leshan. `name` is the scenario in words, `start` what [`leshan::Leshan::device`] takes.
fn bench(name: &str, endpoint: &str, start: Value) -> Option<Bench> {
    bench_with(name, endpoint, start, &[])
}

/// As [`bench`], with these keys in the gateway's configuration.
fn bench_with(name: &str, endpoint: &str, start: Value, keys: &[(&str, &str)]) -> Option<Bench> {
    let leshan = leshan::shared()?;
    let row = interop::scenario(leshan::name(), name);
    let world = World::with(keys);
    let mut start = if start.is_null() { json!({}) } else { start };
    start["uri"] = json!(format!("coap://{}", world.gateway.udp()));
    let device = leshan.device(endpoint, start);
    device.registered();
    Some(Bench { device, world, row, next: Cell::new(1) })
}

impl Bench {
    /// Gives a command; `data` of its terminal message, which must be of the same `msgType`.
    fn ask(&self, kind: &str, data: Value) -> Value {
        let req = self.next.replace(self.next.get() + 1);
        let command = json!({"reqID": req, "msgType": kind, "data": data});
        let message = self.world.application.ask(self.device.endpoint(), &command);
        assert_eq!(message.kind(), kind, "{command} was answered {}", message.json);
        message.json["data"].clone()
    }

    /// As [`Bench::ask`], for commands that must succeed with this code.
    #[track_caller]
    fn done(&self, code: &str, kind: &str, data: Value) -> Value {
        let answer = self.ask(kind, data.clone());
        assert_eq!(answer["code"], code, "{kind} {data} was answered {answer}");
        answer
    }

    /// Reads; the elements as an object from path to value.
    #[track_caller]
    fn read(&self, path: &str) -> Value {
        elements(&self.done("2.05", "read", json!({"path": path})))
    }

    /// The next `notify`; its elements as an object from path to value.
    fn notified(&self) -> Value {
        let endpoint = self.device.endpoint();
        let topic = format!("lwm2m/{endpoint}/up/notify");
        let message = self.world.application.take(leshan::PATIENCE, |message| message.topic == topic);
        let message = message.unwrap_or_else(|| panic!("no notification:\n{}", self.world.application.dump()));
        assert_eq!(message.kind(), "notify", "{}", message.json);
        elements(&message.json["data"])
    }
}

/// `content` as an object from path to value.
fn elements(data: &Value) -> Value {
    let content = data["content"].as_array().unwrap_or_else(|| panic!("no content in {data}"));
    let element = |element: &Value| (element["path"].as_str().expect("a path").to_owned(), element["value"].clone());
    Value::Object(content.iter().map(element).collect::<Map<_, _>>())
}
