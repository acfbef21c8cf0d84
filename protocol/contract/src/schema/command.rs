//! Schema of commands.
use super::{one_of, path};
use crate::command::{ATTRIBUTES, FORMATS, MessageType, TYPES};
use serde_json::{Map, Value, json};

pub(super) fn schema() -> Value {
    let each: Vec<Value> = MessageType::ALL.into_iter().map(command).collect();
    json!({
        "description": "Members beside those named here are echoed in every message that the command causes",
        "type": "object",
        "required": ["msgType"],
        "properties": {
            "msgType": one_of(MessageType::ALL.into_iter().map(MessageType::name)),
            "reqID": { "description": "any JSON; comes back unchanged" },
            "mheaders": {
                "type": "object",
                "properties": { "ttl": { "description": "seconds it may wait; 0: at once", "type": "number" } },
            },
        },
        "oneOf": each,
    })
}

fn command(message_type: MessageType) -> Value {
    let mut properties = Map::new();
    properties.insert("msgType".into(), json!({ "const": message_type.name() }));
    let mut required = vec!["msgType"];
    match data(message_type) {
        Some(data) => {
            properties.insert("data".into(), data);
            required.push("data");
        }
        // cancel names the commands that it means, and nothing on the device
        None => {
            required.push("reqID");
            return json!({ "required": required, "properties": properties, "not": { "required": ["data"] } });
        }
    }
    if message_type == MessageType::Write {
        let encoding =
            json!({ "description": "hex: values are strings of hex digits; anything else is plain", "type": "string" });
        properties.insert("encoding".into(), encoding);
    }
    json!({ "required": required, "properties": properties })
}

fn data(message_type: MessageType) -> Option<Value> {
    let format = || one_of(FORMATS.iter().map(|(name, _)| *name));
    let paths = || json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
    let mode = || one_of(["update", "replace"]);
    let passive = || json!({ "type": "boolean" });
    Some(match message_type {
        // `/` alone reads all that a device offers
        MessageType::Read => {
            object(&["path"], json!({ "path": { "anyOf": [path(), { "const": "/" }] }, "format": format() }))
        }
        MessageType::Observe => object(&["path"], json!({ "path": path(), "format": format() })),
        MessageType::Discover | MessageType::Delete => object(&["path"], json!({ "path": path() })),
        MessageType::CancelObserve => object(&["path"], json!({ "path": path(), "passive": passive() })),
        MessageType::Execute => {
            object(&["path"], json!({ "path": path(), "args": { "type": ["string", "number", "null"] } }))
        }
        MessageType::WriteAttr => {
            let mut properties = Map::new();
            properties.insert("path".into(), path());
            for name in ATTRIBUTES {
                properties.insert(name.into(), json!({ "type": ["number", "string", "boolean", "null"] }));
            }
            object(&["path"], Value::Object(properties))
        }
        MessageType::Write => {
            let mut single = value();
            single["path"] = path();
            single["basePath"] = json!({ "const": "/" });
            single["format"] = format();
            let batch = json!({
                "basePath": path(), "content": elements(1, false), "mode": mode(), "format": format(),
            });
            json!({ "anyOf": [object(&["path", "value"], single), object(&["basePath", "content"], batch)] })
        }
        MessageType::Create => {
            object(&["basePath"], json!({ "basePath": path(), "content": elements(0, false), "format": format() }))
        }
        MessageType::ReadComposite | MessageType::ObserveComposite => {
            object(&["paths"], json!({ "paths": paths(), "format": format() }))
        }
        MessageType::CancelObserveComposite => object(&["paths"], json!({ "paths": paths(), "passive": passive() })),
        MessageType::WriteComposite => {
            object(&["content"], json!({ "content": elements(1, true), "format": format() }))
        }
        MessageType::Cancel => return None,
    })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

/// `type` and `value`. An unknown `type` counts as missing, so that any string is allowed.
fn value() -> Value {
    let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    json!({
        "type": { "description": "without it the object definition tells", "type": ["string", "null"], "examples": names },
        "value": { "type": ["string", "number", "boolean"] },
    })
}

fn elements(least: usize, null: bool) -> Value {
    let mut properties = value();
    // of a batch on a resource the path of a single element is not looked at
    properties["path"] = json!({ "type": ["string", "integer"] });
    if null {
        properties["value"] = json!({ "type": ["string", "number", "boolean", "null"] });
    }
    json!({ "type": "array", "minItems": least, "items": object(&["value"], properties) })
}
