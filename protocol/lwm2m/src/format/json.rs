//! The JSON of LwM2M 1.0 (11543), TS Core 1.0 §6.4.4.
//!
//! The contract (6.2) takes the types from the JSON and the first value present of several; a definition only refines: a `v` becomes a
//! Time, an `sv` the bytes that its base64 stands for. An element without any value is kept without one.
use super::json_scalar::Text;
use super::nodes::Nodes;
use super::typed::{self, Number};
use super::{DecodeError, EncodeError, Types, type_of};
use crate::format::senml::absolute_time;
use crate::{Node, Path, ResourceType, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, json};

/// The outer object. The elements wait until the base name is known, which may stand behind them.
#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow)]
    bn: Option<Text<'a>>,
    bt: Option<Number>,
    #[serde(borrow)]
    e: &'a RawValue,
}

#[derive(Deserialize)]
struct Element<'a> {
    #[serde(borrow)]
    n: Option<Text<'a>>,
    t: Option<Number>,
    v: Option<Number>,
    bv: Option<bool>,
    #[serde(borrow)]
    ov: Option<Text<'a>>,
    #[serde(borrow)]
    sv: Option<Text<'a>>,
}

pub(super) fn decode(body: &[u8], base: Path, types: &dyn Types, now: f64) -> Result<Vec<Node>, DecodeError> {
    let outer: Outer<'_> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    let mut reading = Reading {
        base,
        types,
        now,
        base_name: outer.bn.as_ref().map_or("", |bn| &bn.0),
        base_time: outer.bt.map(Number::as_f64),
        nodes: Nodes::within(base),
        count: 0,
        failure: None,
    };
    let read = serde_json::Deserializer::from_str(outer.e.get()).deserialize_seq(&mut reading);
    match (reading.failure.take(), read) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) => {
            Err(DecodeError { reason: malformed(&error).reason, place: format!("element {} of e", reading.count) })
        }
        (None, Ok(())) => reading.nodes.finish(),
    }
}

/// What serde_json says, with its place apart.
pub(super) fn malformed(error: &serde_json::Error) -> DecodeError {
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    DecodeError::new(reason, format_args!("line {} column {}", error.line(), error.column()))
}

struct Reading<'a> {
    base: Path,
    types: &'a dyn Types,
    now: f64,
    base_name: &'a str,
    base_time: Option<f64>,
    nodes: Nodes,
    /// Elements read so far.
    count: usize,
    /// Why an element was refused, if it was not the JSON itself.
    failure: Option<DecodeError>,
}

impl<'de> Visitor<'de> for &mut Reading<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<Element<'de>>()? {
            if let Err(reason) = self.element(&element) {
                self.failure = Some(DecodeError::new(reason, format_args!("element {} of e", self.count)));
                return Err(serde::de::Error::custom("element refused"));
            }
            self.count += 1;
        }
        Ok(())
    }
}

impl Reading<'_> {
    fn element(&mut self, element: &Element<'_>) -> Result<(), String> {
        let path = self.path(element.n.as_ref().map_or("", |n| &n.0))?;
        let resource_type = type_of(&path, self.types);
        let value = if let Some(number) = element.v {
            refined_number(resource_type, number)?
        } else if let Some(boolean) = element.bv {
            Value::Boolean(boolean)
        } else if let Some(link) = &element.ov {
            typed::object_link(&link.0)?
        } else if let Some(text) = &element.sv {
            refined_text(resource_type, &text.0)?
        } else if let Some(time) = element.t {
            // A lone `t` is the value.
            return self.nodes.push(Node::new(path, refined_number(resource_type, time)?));
        } else {
            Value::Absent
        };
        let given = element.t.map(Number::as_f64);
        let time = (given.is_some() || self.base_time.is_some())
            .then(|| absolute_time(self.base_time.unwrap_or(0.0) + given.unwrap_or(0.0), self.now));
        self.nodes.push(Node { path, value, time: time.transpose()? })
    }

    /// Base name and name with one slash between them. Old clients leave the base name out and name what is below the request.
    fn path(&self, name: &str) -> Result<Path, String> {
        let bare = name.trim_start_matches('/');
        let joined = |base: &str| {
            let base = base.trim_end_matches('/');
            Path::parse(&format!("{base}/{bare}")).map_err(|error| format!("name {name:?}: {error}"))
        };
        if !self.base_name.is_empty() {
            return joined(self.base_name);
        }
        match Path::parse(bare) {
            Ok(path) if path.is_within(&self.base) && path.depth() >= 3 => Ok(path),
            _ => joined(&self.base.to_string()),
        }
    }
}

/// The number as its type wants it, else as the JSON has it.
fn refined_number(resource_type: Option<ResourceType>, number: Number) -> Result<Value, String> {
    typed::number(resource_type, number).or_else(|_| typed::number(None, number))
}

/// The text as its type wants it, else as the JSON has it. Only what should be base64 and is not makes no sense to anybody.
fn refined_text(resource_type: Option<ResourceType>, text: &str) -> Result<Value, String> {
    match resource_type {
        Some(ResourceType::Opaque) => {
            STANDARD.decode(text).map(Value::Opaque).map_err(|error| format!("sv is not base64: {error}"))
        }
        Some(ResourceType::CoreLink) => Ok(Value::CoreLink(text.into())),
        _ => Ok(Value::String(text.into())),
    }
}

pub(super) fn encode(base: Path, nodes: &[Node]) -> Result<Vec<u8>, EncodeError> {
    let own = nodes.iter().all(|node| node.path == base) && !nodes.is_empty();
    let mut elements = Vec::with_capacity(nodes.len());
    for node in nodes {
        if !node.path.is_within(&base) {
            return Err(EncodeError::Path(node.path));
        }
        if node.value == Value::Empty {
            continue;
        }
        if node.path.depth() < 3 {
            return Err(EncodeError::Path(node.path));
        }
        let (key, value) = match &node.value {
            Value::String(text) | Value::CoreLink(text) => ("sv", json!(text)),
            Value::Integer(integer) | Value::Time(integer) => ("v", json!(integer)),
            Value::Unsigned(integer) => ("v", json!(integer)),
            Value::Float(float) if float.is_finite() => ("v", json!(float)),
            Value::Boolean(boolean) => ("bv", json!(boolean)),
            Value::Opaque(bytes) => ("sv", json!(STANDARD.encode(bytes))),
            Value::ObjectLink(object, instance) => ("ov", json!(format!("{object}:{instance}"))),
            Value::Untyped(bytes) => {
                ("sv", json!(std::str::from_utf8(bytes).map_err(|_| EncodeError::Value(node.path))?))
            }
            Value::Float(_) | Value::Absent | Value::Empty => return Err(EncodeError::Value(node.path)),
        };
        let mut element = Map::new();
        if !own {
            let below: Vec<String> = node.path.ids()[base.depth()..].iter().map(u16::to_string).collect();
            element.insert("n".into(), json!(below.join("/")));
        }
        element.extend(node.time.map(|time| ("t".to_string(), json!(time))));
        element.insert(key.into(), value);
        elements.push(element);
    }
    let name = if own || base.depth() == 0 { base.to_string() } else { format!("{base}/") };
    Ok(json!({ "bn": name, "e": elements }).to_string().into_bytes())
}
