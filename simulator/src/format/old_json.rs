//! LwM2M JSON of enabler 1.0 (OMA TS Core 1.0 §6.4.4).

use super::senml::{json_number, number_value};
use super::text::parse;
use super::{FormatError, Node, Types};
use crate::path::Path;
use crate::value::{DataType, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

pub(super) fn encode(base: &Path, nodes: &[Node]) -> Result<Vec<u8>, FormatError> {
    let single = matches!(nodes, [node] if node.path == *base);
    let base_name = if single || base.depth() == 0 { base.to_string() } else { format!("{base}/") };
    let mut elements = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut element = Map::new();
        if !single {
            let name = node.path.to_string();
            element.insert("n".into(), json!(name.strip_prefix(&base_name).unwrap_or(&name)));
        }
        if let Some(time) = node.time {
            element.insert("t".into(), json!(time));
        }
        let (key, value) = match node.value.as_ref().ok_or(FormatError::NotExpressible)? {
            Value::String(text) | Value::Corelnk(text) => ("sv", json!(text)),
            Value::Boolean(truth) => ("bv", json!(truth)),
            Value::Opaque(bytes) => ("sv", json!(STANDARD.encode(bytes))),
            Value::Objlnk(object, instance) => ("ov", json!(format!("{object}:{instance}"))),
            number => ("v", json_number(number)),
        };
        element.insert(key.into(), value);
        elements.push(Json::Object(element));
    }
    Ok(json!({ "bn": base_name, "e": elements }).to_string().into_bytes())
}

pub(super) fn decode(base: &Path, bytes: &[u8], types: Types<'_>) -> Result<Vec<Node>, FormatError> {
    let json: Json = serde_json::from_slice(bytes).map_err(|_| FormatError::Malformed("not JSON"))?;
    let base_name = match json.get("bn") {
        Some(Json::String(name)) => name.clone(),
        _ => format!("{base}/"),
    };
    let base_time = json.get("bt").and_then(Json::as_f64);
    let elements = json.get("e").and_then(Json::as_array).ok_or(FormatError::Malformed("no array `e`"))?;
    elements
        .iter()
        .map(|element| {
            let name = element.get("n").and_then(Json::as_str).unwrap_or_default();
            let path: Path =
                format!("{base_name}{name}").parse().map_err(|_| FormatError::Malformed("name is not a path"))?;
            let data_type = types(&path.prefix(3));
            let text = |key| element.get(key).and_then(Json::as_str);
            let value = if let Some(number) = element.get("v") {
                number_value(number, data_type)?
            } else if let Some(truth) = element.get("bv").and_then(Json::as_bool) {
                Value::Boolean(truth)
            } else if let Some(link) = text("ov") {
                parse(link, DataType::Objlnk)?
            } else if let Some(string) = text("sv") {
                match data_type {
                    Some(DataType::Opaque) => parse(string, DataType::Opaque)?,
                    Some(DataType::Corelnk) => Value::Corelnk(string.to_owned()),
                    _ => Value::String(string.to_owned()),
                }
            } else {
                return Err(FormatError::Malformed("element without value"));
            };
            let time = match (base_time, element.get("t").and_then(Json::as_f64)) {
                (None, None) => None,
                (base, offset) => Some(base.unwrap_or(0.0) + offset.unwrap_or(0.0)),
            };
            Ok(Node { path, value: Some(value), time })
        })
        .collect()
}
