//! Reads `vectors.json`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken vector file fails the test")]
#![allow(dead_code, reason = "each test program uses its part")]

use lwm2m::format::{ContentFormat, Types};
use lwm2m::link::Version;
use lwm2m::{Node, Path, ResourceType, Value};
use serde_json::Value as Json;

/// The moment at which every vector is received, Unix seconds.
pub(crate) const NOW: f64 = 1_763_825_000.5;

/// One entry, its payload as bytes.
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) format: ContentFormat,
    pub(crate) path: Path,
    pub(crate) operation: String,
    pub(crate) body: Vec<u8>,
    pub(crate) schema: Vec<(u16, u16, ResourceType, bool)>,
    /// `None` if it must be refused.
    pub(crate) nodes: Option<Vec<Node>>,
    pub(crate) exact: bool,
    /// `encode` is `no`.
    pub(crate) decode_only: bool,
    pub(crate) note: String,
    /// The entry itself, for what only link-format has.
    pub(crate) raw: Json,
}

impl Types for Vector {
    fn resource_type(&self, object: u16, resource: u16) -> Option<ResourceType> {
        self.schema.iter().find(|s| (s.0, s.1) == (object, resource)).map(|s| s.2)
    }
    fn is_multiple(&self, object: u16, resource: u16) -> Option<bool> {
        self.schema.iter().find(|s| (s.0, s.1) == (object, resource)).map(|s| s.3)
    }
    fn enabler(&self) -> Version {
        Version::new(1, 1)
    }
}

/// What the gateway's contract demands where it differs from a vector.
pub(crate) enum Contract {
    /// These nodes, as path and value.
    Accepts(&'static [&'static str]),
    Refuses,
}

/// The vectors that the contract overrides.
pub(crate) fn contract_wins(id: &str) -> Option<Contract> {
    use Contract::{Accepts, Refuses};
    Some(match id {
        // 3.2: Time in TLV is unsigned.
        "tlv-065" => Accepts(&["/3/0/13 Time(255)"]),
        // 6.1: a request for an object answered without instance is undecidable.
        "tlv-082" => Refuses,
        // 6.1: an empty body is an empty content.
        "tlv-105" => Accepts(&[]),
        // 6.1: several resources are taken as they are.
        "tlv-106" => Accepts(&["/3/0/0 String(\"A\")", "/3/0/1 String(\"B\")"]),
        // 6.1: a lone resource is the one of the request.
        "tlv-107" => Accepts(&["/3/0/0 String(\"Acme\")"]),
        // 3.2: an Integer has any length.
        "tlv-119" | "tlv-120" => Accepts(&["/3/0/9 Integer(1)"]),
        // 3.2: what is not UTF-8 in a String is replaced.
        "tlv-135" => Accepts(&["/3/0/0 String(\"\u{FFFD}\u{FFFD}\")"]),
        "tlv-136" => Accepts(&["/3/0/0 String(\"\u{FFFD}\u{FFFD}\")"]),
        "tlv-137" => Accepts(&["/3/0/0 String(\"\u{FFFD}\u{FFFD}\u{FFFD}\")"]),
        "text-067" => Accepts(&["/3/0/0 String(\"\u{FFFD}A\")"]),
        // 3.2: a decimal fraction is taken as a float, true and false as Booleans.
        "text-031" => Accepts(&["/3/0/9 Float(1.5)"]),
        "text-049" => Accepts(&["/1/0/6 Boolean(true)"]),
        // 6: text at a resource is its value.
        "text-069" => Accepts(&["/3/0/6 Integer(1)"]),
        // 6: octet-stream needs no definition and may answer any path.
        "opaque-007" => Accepts(&["/5/0 Opaque([0])"]),
        "opaque-008" => Accepts(&["/3/0/9 Opaque([100])"]),
        // 6.2: of several values the first in the order of the contract, none is null, types come from the JSON.
        "json-021" => Accepts(&["/3/0/0 Integer(1)"]),
        "json-022" => Accepts(&["/3/0/0 Absent"]),
        "json-023" => Accepts(&["/3/0/9 String(\"100\")"]),
        _ => return None,
    })
}

impl Vector {
    /// Encoding and decoding again cannot give the vector's own nodes.
    pub(crate) fn not_reversible(&self) -> bool {
        // Nothing without a definition says what its bytes are; see `contract_wins` for the others.
        contract_wins(&self.id).is_some() || self.format == ContentFormat::Link
    }
}

/// All entries of the file.
pub(crate) fn vectors() -> Vec<Vector> {
    let all: Vec<Json> = serde_json::from_str(include_str!("../vectors.json")).expect("the vectors are JSON");
    assert_eq!(all.len(), 573);
    all.into_iter().map(vector).collect()
}

fn vector(raw: Json) -> Vector {
    let text = |key: &str| raw[key].as_str().unwrap_or_default().to_string();
    let format = match raw["format"].as_str().unwrap() {
        "tlv" => ContentFormat::Tlv,
        "json" => ContentFormat::Json,
        "senml-json" => ContentFormat::SenmlJson,
        "senml-cbor" => ContentFormat::SenmlCbor,
        "lwm2m-cbor" => ContentFormat::Lwm2mCbor,
        "cbor" => ContentFormat::Cbor,
        "text" => ContentFormat::Text,
        "opaque" => ContentFormat::Opaque,
        "link" => ContentFormat::Link,
        other => panic!("format {other}"),
    };
    let body = match (&raw["hex"], &raw["hex_parts"]) {
        (Json::String(hex), _) => unhex(hex),
        (_, Json::Array(parts)) => parts
            .iter()
            .flat_map(|part| unhex(part[0].as_str().unwrap()).repeat(part[1].as_u64().unwrap() as usize))
            .collect(),
        _ => text("text").into_bytes(),
    };
    let schema = raw["schema"].as_object().into_iter().flatten().map(|(path, type_name)| {
        let path = Path::parse(path).unwrap();
        let type_name = type_name.as_str().unwrap();
        let (object, resource) = (path.object().unwrap(), path.resource().unwrap());
        (object, resource, resource_type(type_name.trim_end_matches("[]")), type_name.ends_with("[]"))
    });
    let nodes = (raw["error"] != true && format != ContentFormat::Link)
        .then(|| raw["nodes"].as_array().unwrap().iter().map(node).collect());
    Vector {
        id: text("id"),
        format,
        path: Path::parse(raw["path"].as_str().unwrap()).unwrap(),
        operation: text("op"),
        body,
        schema: schema.collect(),
        nodes,
        exact: raw["encode"] == "exact" && format != ContentFormat::Link,
        decode_only: raw["encode"] == "no",
        note: text("note"),
        raw,
    }
}

fn resource_type(name: &str) -> ResourceType {
    match name {
        "String" => ResourceType::String,
        "Integer" => ResourceType::Integer,
        "Unsigned" => ResourceType::Unsigned,
        "Float" => ResourceType::Float,
        "Boolean" => ResourceType::Boolean,
        "Opaque" => ResourceType::Opaque,
        "Time" => ResourceType::Time,
        "Objlnk" => ResourceType::ObjectLink,
        "Corelnk" => ResourceType::CoreLink,
        other => panic!("type {other}"),
    }
}

fn node(raw: &Json) -> Node {
    let value = &raw["value"];
    let text = || match value {
        Json::Object(repeat) => {
            let repeat = repeat["repeat"].as_array().unwrap();
            repeat[0].as_str().unwrap().repeat(repeat[1].as_u64().unwrap() as usize)
        }
        other => other.as_str().unwrap().to_string(),
    };
    let value = match raw["type"].as_str().unwrap() {
        "String" => Value::String(text()),
        "Corelnk" => Value::CoreLink(text()),
        "Integer" => Value::Integer(value.as_i64().unwrap()),
        "Unsigned" => Value::Unsigned(value.as_u64().unwrap()),
        "Time" => Value::Time(value.as_i64().unwrap()),
        "Float" => Value::Float(value.as_f64().unwrap()),
        "Boolean" => Value::Boolean(value.as_bool().unwrap()),
        "Opaque" => Value::Opaque(unhex(&text())),
        "Objlnk" => {
            let text = text();
            let (object, instance) = text.split_once(':').unwrap();
            Value::ObjectLink(object.parse().unwrap(), instance.parse().unwrap())
        }
        "None" => Value::Absent,
        "Object" | "Instance" | "MultiResource" => Value::Empty,
        other => panic!("type {other}"),
    };
    let absolute = raw["ts"].as_f64();
    let time = absolute.or_else(|| raw["ts_rel"].as_f64().map(|relative| NOW + relative));
    Node { path: Path::parse(raw["path"].as_str().unwrap()).unwrap(), value, time }
}

/// Bytes of hex digits.
pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
