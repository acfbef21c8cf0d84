//! JSON Schema (draft 2020-12) of both directions, built from the tables that parser and renderer use.
mod command;
mod message;

use serde_json::{Value, json};

/// One document for commands (`#/$defs/command`), messages (`#/$defs/message`) and the status of the gateway
/// (`#/$defs/status`).
///
/// A command that fits is accepted by [`crate::Command::parse`](crate::command::Command::parse) and
/// [`check`](crate::command::Command::check) up to what a schema cannot say: the range of a number in a string, the order of
/// `pmin` and `pmax`, formats that do not fit a path. The parser takes a little more than the schema asks for.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:lwm2m-gateway:contract",
        "title": "LwM2M gateway: commands and messages on MQTT",
        "anyOf": [{ "$ref": "#/$defs/command" }, { "$ref": "#/$defs/message" }, { "$ref": "#/$defs/status" }],
        "$defs": {
            "path": {
                "description": "1 to 4 numbers separated by '/', slashes at both ends optional; in commands a query may follow '?'",
                "type": "string",
                "pattern": "^/*[0-9]{1,5}(/[0-9]{1,5}){0,3}/*(\\?.*)?$",
            },
            "command": command::schema(),
            "message": message::schema(),
            "status": message::status(),
        },
    })
}

/// `enum` of names.
fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> Value {
    json!({ "type": "string", "enum": names.into_iter().collect::<Vec<_>>() })
}

fn path() -> Value {
    json!({ "$ref": "#/$defs/path" })
}
