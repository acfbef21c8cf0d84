//! `{"time":"…","level":"info","target":"…","message":"…","event":"registered",…}`: one object per line.
use super::record::push_json;
use env_logger::fmt::Formatter;
use log::Record;
use log::kv::{Error, Key, Value, VisitSource};
use std::io::{self, Write};

/// Members that every line has; a field of the same name gets an underscore in front.
const FIXED: [&str; 4] = ["time", "level", "target", "message"];

/// Writes one record.
pub(super) fn write(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = out.timestamp_millis();
    writeln!(out, "{{\"time\":\"{time}\",{}", members(record))
}

/// The members after the time, and the closing brace.
fn members(record: &Record<'_>) -> String {
    let mut line = format!("\"level\":\"{}\",\"target\":", record.level().as_str().to_ascii_lowercase());
    push_json(&mut line, record.target());
    line.push_str(",\"message\":");
    push_json(&mut line, &record.args().to_string());
    // The visitor below never fails.
    let _ = record.key_values().visit(&mut Members(&mut line));
    line.push('}');
    line
}

struct Members<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Members<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push(',');
        let name = key.as_str();
        if FIXED.contains(&name) {
            push_json(self.0, &format!("_{name}"))
        } else {
            push_json(self.0, name)
        }
        self.0.push(':');
        if let Some(truth) = value.to_bool() {
            self.0.push_str(if truth { "true" } else { "false" });
        } else if let Some(number) = value.to_i64() {
            self.0.push_str(&number.to_string());
        } else if let Some(number) = value.to_u64() {
            self.0.push_str(&number.to_string());
        } else if let Some(number) =
            value.to_f64().filter(|number| number.is_finite() && value.to_borrowed_str().is_none())
        {
            self.0.push_str(&number.to_string());
        } else if let Some(text) = value.to_borrowed_str() {
            push_json(self.0, text);
        } else {
            push_json(self.0, &value.to_string());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    #[test]
    fn line_is_one_json_object_whatever_the_device_sent() {
        let fields = [
            ("endpoint", Value::from("a\"b\\\n\u{1b}\u{2028}é")),
            ("elapsed_ms", Value::from(12_u64)),
            ("ratio", Value::from(0.5)),
            ("huge", Value::from(f64::INFINITY)),
            ("confirmable", Value::from(true)),
            ("level", Value::from("mine")),
        ];
        let record = Record::builder()
            .args(format_args!("line\nbreak"))
            .level(Level::Info)
            .target("actors::device")
            .key_values(&fields)
            .build();
        let line = format!("{{{}", members(&record));
        assert!(!line.contains(['\n', '\u{2028}']));
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            parsed,
            serde_json::json!({
                "level": "info", "target": "actors::device", "message": "line\nbreak", "endpoint": "a\"b\\\n\u{1b}\u{2028}é",
                "elapsed_ms": 12, "ratio": 0.5, "huge": "inf", "confirmable": true, "_level": "mine",
            })
        );
    }
}
