//! SenML JSON and SenML CBOR (RFC 8428 with the LwM2M label `vlo`).

use super::cbor::{integer, number_from_cbor, read, write};
use super::text::parse;
use super::{FormatError, Node, Types};
use crate::path::Path;
use crate::value::{DataType, Value};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value as Cbor;
use serde_json::{Map, Value as Json, json};

/// Base name and the names below it: resources of one instance share their base.
fn names(base: &Path, nodes: &[Node]) -> (String, Vec<String>) {
    let absolute = || nodes.iter().map(|node| node.path.to_string());
    if base.depth() == 0 || nodes.len() < 2 {
        return (String::new(), absolute().collect());
    }
    let base_name = format!("{base}/");
    let names = absolute().map(|name| name.strip_prefix(&base_name).unwrap_or_default().to_owned()).collect();
    (base_name, names)
}

pub(super) fn json_number(value: &Value) -> Json {
    match value {
        Value::Integer(number) | Value::Time(number) => json!(number),
        Value::Unsigned(number) => json!(number),
        // Through text, so that a single keeps its own shortest digits.
        Value::Float32(number) => number.to_string().parse::<f64>().map_or(Json::Null, |number| json!(number)),
        Value::Float(number) => json!(number),
        _ => Json::Null,
    }
}

pub(super) fn number_value(number: &Json, data_type: Option<DataType>) -> Result<Value, FormatError> {
    let wrong = FormatError::Malformed("number does not fit the data type");
    match data_type {
        Some(DataType::Integer) => number.as_i64().map(Value::Integer).ok_or(wrong),
        Some(DataType::Time) => number.as_i64().map(Value::Time).ok_or(wrong),
        Some(DataType::Unsigned) => number.as_u64().map(Value::Unsigned).ok_or(wrong),
        Some(DataType::Float) => number.as_f64().map(Value::Float).ok_or(wrong),
        Some(_) => Err(wrong),
        None => number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Float)).ok_or(wrong),
    }
}

pub(super) fn encode_json(base: &Path, nodes: &[Node]) -> Result<Vec<u8>, FormatError> {
    let (base_name, names) = names(base, nodes);
    let mut records = Vec::with_capacity(nodes.len());
    for (node, name) in nodes.iter().zip(names) {
        let mut record = Map::new();
        if records.is_empty() && !base_name.is_empty() {
            record.insert("bn".into(), json!(base_name));
        }
        record.insert("n".into(), json!(name));
        if let Some(time) = node.time {
            record.insert("t".into(), json!(time));
        }
        let field = match node.value.as_ref() {
            None => None,
            Some(Value::String(text) | Value::Corelnk(text)) => Some(("vs", json!(text))),
            Some(Value::Boolean(truth)) => Some(("vb", json!(truth))),
            Some(Value::Opaque(bytes)) => Some(("vd", json!(URL_SAFE_NO_PAD.encode(bytes)))),
            Some(Value::Objlnk(object, instance)) => Some(("vlo", json!(format!("{object}:{instance}")))),
            Some(number) => Some(("v", json_number(number))),
        };
        record.extend(field.map(|(key, value)| (key.to_owned(), value)));
        records.push(Json::Object(record));
    }
    Ok(Json::Array(records).to_string().into_bytes())
}

pub(super) fn encode_cbor(base: &Path, nodes: &[Node]) -> Result<Vec<u8>, FormatError> {
    let (base_name, names) = names(base, nodes);
    let mut records = Vec::with_capacity(nodes.len());
    for (node, name) in nodes.iter().zip(names) {
        let mut record = Vec::new();
        if records.is_empty() && !base_name.is_empty() {
            record.push((integer(-2), Cbor::Text(base_name.clone())));
        }
        record.push((integer(0), Cbor::Text(name)));
        if let Some(time) = node.time {
            record.push((integer(6), Cbor::Float(time)));
        }
        if let Some(value) = &node.value {
            record.push(match value {
                Value::String(text) | Value::Corelnk(text) => (integer(3), Cbor::Text(text.clone())),
                Value::Boolean(truth) => (integer(4), Cbor::Bool(*truth)),
                Value::Opaque(bytes) => (integer(8), Cbor::Bytes(bytes.clone())),
                Value::Objlnk(object, instance) => {
                    (Cbor::Text("vlo".into()), Cbor::Text(format!("{object}:{instance}")))
                }
                Value::Integer(number) | Value::Time(number) => (integer(2), Cbor::Integer((*number).into())),
                Value::Unsigned(number) => (integer(2), Cbor::Integer((*number).into())),
                Value::Float(number) => (integer(2), Cbor::Float(*number)),
                Value::Float32(number) => (integer(2), Cbor::Float(f64::from(*number))),
            });
        }
        records.push(Cbor::Map(record));
    }
    write(&Cbor::Array(records))
}

/// What the base fields of earlier records add to later ones.
#[derive(Default)]
struct Bases {
    name: String,
    time: Option<f64>,
}

impl Bases {
    fn path(&self, name: &str) -> Result<Path, FormatError> {
        // Base names with and without trailing slash are both in the field.
        let glue = if self.name.is_empty() || self.name.ends_with('/') || name.is_empty() || name.starts_with('/') {
            ""
        } else {
            "/"
        };
        format!("{}{glue}{name}", self.name).parse().map_err(|_| FormatError::Malformed("name is not a path"))
    }

    fn time(&self, offset: Option<f64>) -> Option<f64> {
        match (self.time, offset) {
            (None, None) => None,
            (base, offset) => Some(base.unwrap_or(0.0) + offset.unwrap_or(0.0)),
        }
    }
}

pub(super) fn decode_json(bytes: &[u8], types: Types<'_>) -> Result<Vec<Node>, FormatError> {
    let json: Json = serde_json::from_slice(bytes).map_err(|_| FormatError::Malformed("not JSON"))?;
    let records = json.as_array().ok_or(FormatError::Malformed("not an array"))?;
    let mut bases = Bases::default();
    let mut nodes = Vec::with_capacity(records.len());
    for record in records {
        let text = |key| record.get(key).and_then(Json::as_str);
        if let Some(name) = text("bn") {
            bases.name = name.to_owned();
        }
        if let Some(time) = record.get("bt").and_then(Json::as_f64) {
            bases.time = Some(time);
        }
        let path = bases.path(text("n").unwrap_or_default())?;
        let data_type = types(&path.prefix(3));
        let value = if let Some(number) = record.get("v") {
            Some(number_value(number, data_type)?)
        } else if let Some(string) = text("vs") {
            Some(match data_type {
                Some(DataType::Corelnk) => Value::Corelnk(string.to_owned()),
                _ => Value::String(string.to_owned()),
            })
        } else if let Some(truth) = record.get("vb").and_then(Json::as_bool) {
            Some(Value::Boolean(truth))
        } else if let Some(data) = text("vd") {
            let bytes = URL_SAFE_NO_PAD.decode(data).map_err(|_| FormatError::Malformed("vd is not base64url"))?;
            Some(Value::Opaque(bytes))
        } else if let Some(link) = text("vlo") {
            Some(parse(link, DataType::Objlnk)?)
        } else {
            None
        };
        nodes.push(Node { path, value, time: bases.time(record.get("t").and_then(Json::as_f64)) });
    }
    Ok(nodes)
}

pub(super) fn decode_cbor(bytes: &[u8], types: Types<'_>) -> Result<Vec<Node>, FormatError> {
    let Cbor::Array(records) = read(bytes)? else { return Err(FormatError::Malformed("not an array")) };
    let mut bases = Bases::default();
    let mut nodes = Vec::with_capacity(records.len());
    for record in &records {
        let Cbor::Map(fields) = record else { return Err(FormatError::Malformed("record is not a map")) };
        let field = |label: i64| fields.iter().find(|(key, _)| *key == integer(label)).map(|(_, value)| value);
        let link = fields.iter().find(|(key, _)| key.as_text() == Some("vlo")).and_then(|(_, value)| value.as_text());
        let seconds = |label| field(label).and_then(|value| value.as_float().or(value.as_integer().map(as_f64)));
        if let Some(name) = field(-2).and_then(Cbor::as_text) {
            bases.name = name.to_owned();
        }
        if let Some(time) = seconds(-3) {
            bases.time = Some(time);
        }
        let path = bases.path(field(0).and_then(Cbor::as_text).unwrap_or_default())?;
        let data_type = types(&path.prefix(3));
        let value = if let Some(number) = field(2) {
            Some(number_from_cbor(number, data_type)?)
        } else if let Some(text) = field(3).and_then(Cbor::as_text) {
            Some(match data_type {
                Some(DataType::Corelnk) => Value::Corelnk(text.to_owned()),
                _ => Value::String(text.to_owned()),
            })
        } else if let Some(truth) = field(4).and_then(Cbor::as_bool) {
            Some(Value::Boolean(truth))
        } else if let Some(bytes) = field(8).and_then(Cbor::as_bytes) {
            Some(Value::Opaque(bytes.clone()))
        } else if let Some(link) = link {
            Some(parse(link, DataType::Objlnk)?)
        } else {
            None
        };
        nodes.push(Node { path, value, time: bases.time(seconds(6)) });
    }
    Ok(nodes)
}

fn as_f64(integer: ciborium::value::Integer) -> f64 {
    i128::from(integer) as f64
}
