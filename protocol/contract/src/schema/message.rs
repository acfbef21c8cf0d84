//! Schema of messages.
use super::one_of;
use crate::command::MessageType;
use crate::message::{Word, code::NAMES};
use serde_json::{Value, json};

pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["msgType"],
        "anyOf": [answer(), notify(), ack(), without_answer(), registration(), send(), event(), foreign()],
    })
}

pub(super) fn status() -> Value {
    json!({
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": one_of(["online", "offline"]),
            "version": { "type": "string" },
            "time": { "type": "number" },
        },
    })
}

fn message(message_type: &Value, required: &[&str], more: &Value) -> Value {
    let mut schema = json!({ "required": required, "properties": { "msgType": message_type } });
    if let (Some(properties), Some(more)) = (schema["properties"].as_object_mut(), more.as_object()) {
        properties.extend(more.clone());
    }
    schema
}

fn answer() -> Value {
    let names = one_of(MessageType::ALL.into_iter().map(MessageType::name));
    message(&names, &["msgType", "data"], &json!({ "seqNum": sequence(), "data": coded() }))
}

fn notify() -> Value {
    let more = json!({ "seqNum": sequence(), "data": coded() });
    message(&json!({ "const": "notify" }), &["msgType", "seqNum", "data"], &more)
}

fn ack() -> Value {
    let mut schema = message(&json!({ "const": "ack" }), &["msgType"], &json!({}));
    schema["not"] = json!({ "required": ["data"] });
    schema
}

fn without_answer() -> Value {
    let data = json!({
        "type": "object",
        "required": ["reqPath"],
        "properties": { "reqPath": request_path(), "reqPaths": strings(), "diagnostic": { "type": "string" } },
        "additionalProperties": false,
    });
    message(&one_of(["coap_reset", "coap_timeout"]), &["msgType", "data"], &json!({ "data": data }))
}

fn registration() -> Value {
    let data = json!({
        "description": "the query of the device as strings, but secrets; lt is a number",
        "type": "object",
        "required": ["ep", "lt"],
        "properties": {
            "ep": { "type": "string" },
            "lt": { "type": "integer", "minimum": 0 },
            "alternatePath": { "type": "string" },
            "objectList": strings(),
        },
        "additionalProperties": { "type": "string" },
    });
    message(&one_of(["register", "update"]), &["msgType", "data"], &json!({ "data": data }))
}

fn send() -> Value {
    let data = json!({ "type": "object", "required": ["content"], "properties": { "content": elements() } });
    message(&json!({ "const": "send" }), &["msgType", "data"], &json!({ "data": data }))
}

fn event() -> Value {
    let more = json!({
        "event": one_of(Word::ALL.into_iter().map(Word::name)),
        "time": { "description": "Unix seconds", "type": "number" },
        "data": { "type": "object", "required": ["ep"], "properties": { "ep": { "type": "string" } } },
    });
    message(&json!({ "const": "event" }), &["msgType", "event", "time", "data"], &more)
}

/// The 4.00 to a command whose `msgType` is missing (then `null`), no string, or unknown: it comes back as it was.
fn foreign() -> Value {
    let ours: Vec<&str> = MessageType::ALL.into_iter().map(MessageType::name).collect();
    let mut data = coded();
    data["properties"]["code"] = json!({ "const": "4.00" });
    message(&json!({ "not": { "enum": ours } }), &["msgType", "data"], &json!({ "data": data }))
}

/// `data` with a code.
fn coded() -> Value {
    let mut names: Vec<&str> = NAMES.iter().map(|(_, name)| *name).collect();
    names.push("unknown");
    json!({
        "type": "object",
        "required": ["code", "codeMsg", "reqPath"],
        "properties": {
            "code": { "type": "string", "pattern": "^[0-7]\\.[0-3][0-9]$" },
            "codeMsg": one_of(names),
            "reqPath": request_path(),
            "reqPaths": strings(),
            "content": { "anyOf": [elements(), strings()] },
            "location": { "type": "string" },
            "diagnostic": { "type": "string" },
        },
        "additionalProperties": false,
    })
}

fn request_path() -> Value {
    json!({ "description": "as in the command, up to '?'", "type": ["string", "null"] })
}

fn sequence() -> Value {
    json!({ "description": "Observe option", "type": "integer", "minimum": 0, "maximum": 16_777_215 })
}

fn strings() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn elements() -> Value {
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["path", "value"],
            "properties": {
                "path": { "type": "string" },
                "value": { "type": ["string", "number", "boolean", "null"] },
                "time": { "description": "Unix seconds", "type": ["number", "null"] },
                "raw": { "description": "no definition tells the type", "const": true },
            },
            "additionalProperties": false,
        },
    })
}
