//! The schema: golden files and the examples of the document fit it, bad commands do not.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "that is how a test fails")]
mod common;

use common::files::stored;
use common::{command, schema_check};

#[test]
fn golden_files_fit_the_schema() {
    let document = contract::schema();
    let check = |definition: &str, value: &serde_json::Value| schema_check::check(&document, definition, value);
    for (name, golden) in stored("command-") {
        check("command", &golden["command"]).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(check("message", &golden["command"]).is_err(), "{name} fits as a message too");
    }
    for (name, golden) in stored("message-") {
        check("message", &golden["message"]).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(check("command", &golden["message"]).is_err(), "{name} fits as a command too");
    }
    for (name, golden) in stored("status-") {
        check("status", &golden).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let document = contract::schema();
    for bad in [
        r#"{"data":{"path":"/3"}}"#,
        r#"{"msgType":"frob","data":{"path":"/3"}}"#,
        r#"{"msgType":"read"}"#,
        r#"{"msgType":"read","data":[]}"#,
        r#"{"msgType":"read","data":{}}"#,
        r#"{"msgType":"read","data":{"path":5}}"#,
        r#"{"msgType":"read","data":{"path":"/1/2/3/4/5"}}"#,
        r#"{"msgType":"read","data":{"path":"/3","format":"xml"}}"#,
        r#"{"msgType":"write","data":{"path":"/3/0/1"}}"#,
        r#"{"msgType":"write","data":{"path":"/3/0/1","value":[]}}"#,
        r#"{"msgType":"write","data":{"basePath":"/3/0","content":[]}}"#,
        r#"{"msgType":"write","data":{"basePath":"/3/0","content":[5]}}"#,
        r#"{"msgType":"execute","data":{"path":"/3/0/4","args":true}}"#,
        r#"{"msgType":"read-composite","data":{"paths":[]}}"#,
        r#"{"msgType":"write-composite","data":{}}"#,
        r#"{"msgType":"cancel-observe","data":{"path":"/3","passive":1}}"#,
    ] {
        let read = command(bad);
        assert!(read.check().is_err(), "{bad}");
        let value = serde_json::from_str(bad).unwrap();
        assert!(schema_check::check(&document, "command", &value).is_err(), "{bad}");
    }
}

const DOCUMENT: &str = include_str!("../../../docs/contract.md");

#[test]
fn the_examples_of_the_document_fit_the_schema() {
    let document = contract::schema();
    let blocks: Vec<&str> = DOCUMENT.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 9, "{}", blocks.len());
    for block in blocks {
        let example: serde_json::Value = serde_json::from_str(block).unwrap_or_else(|why| panic!("{why}: {block}"));
        let fits = |definition| schema_check::check(&document, definition, &example);
        assert!(fits("command").or_else(|_| fits("message")).is_ok(), "{block}: {:?}", fits("message"));
    }
}

#[test]
fn the_document_names_every_word_of_the_schema() {
    fn words<'a>(schema: &'a serde_json::Value, found: &mut Vec<&'a str>) {
        for (key, value) in schema.as_object().into_iter().flatten() {
            match key.as_str() {
                "enum" | "examples" => {
                    found.extend(value.as_array().unwrap().iter().filter_map(serde_json::Value::as_str))
                }
                "const" => found.extend(value.as_str()),
                "properties" => found.extend(value.as_object().unwrap().keys().map(String::as_str)),
                _ => {}
            }
            words(value, found);
        }
        schema.as_array().into_iter().flatten().for_each(|value| words(value, found));
    }
    let schema = contract::schema();
    let mut found = Vec::new();
    words(&schema, &mut found);
    assert!(found.len() > 100);
    for word in found {
        assert!(DOCUMENT.contains(word), "{word}");
    }
}
