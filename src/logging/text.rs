//! `2026-01-31T12:00:00.000Z INFO  registered event=registered endpoint=ep1`: time, level, words, fields.
use super::record::push_escaped;
use actors::event::Quoted;
use env_logger::fmt::Formatter;
use log::Record;
use log::kv::{Error, Key, Value, VisitSource};
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// Writes one record.
pub(super) fn write(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = out.timestamp_millis();
    writeln!(out, "{time} {}", line(record))
}

/// The line without its time.
fn line(record: &Record<'_>) -> String {
    let mut line = format!("{:<5} ", record.level());
    push_escaped(&mut line, &record.args().to_string());
    // The visitor below never fails.
    let _ = record.key_values().visit(&mut Fields(&mut line));
    if record.level() >= log::Level::Debug || !is_ours(record.target()) {
        line.push_str(" target=");
        Fields(&mut line).push(record.target());
    }
    line
}

/// A record of this project, whose event word says where it comes from.
fn is_ours(target: &str) -> bool {
    let root = target.split("::").next().unwrap_or(target);
    matches!(root, "lwm2m_gateway" | "actors" | "contract" | "lwm2m" | "coap" | "simulator")
}

struct Fields<'a>(&'a mut String);

impl Fields<'_> {
    fn push(&mut self, text: &str) {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "{}", Quoted(text));
    }
}

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push(' ');
        self.0.push_str(key.as_str());
        self.0.push('=');
        match value.to_borrowed_str() {
            Some(text) => self.push(text),
            None => self.push(&value.to_string()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    #[test]
    fn fields_follow_the_words() {
        let fields =
            [("event", Value::from("registered")), ("endpoint", Value::from("ep 1")), ("queued", Value::from(3))];
        let record = Record::builder()
            .args(format_args!("device registered"))
            .level(Level::Info)
            .target("actors::device")
            .key_values(&fields)
            .build();
        assert_eq!(line(&record), r#"INFO  device registered event=registered endpoint="ep 1" queued=3"#);
    }

    #[test]
    fn hostile_text_cannot_begin_a_line_of_its_own() {
        let fields = [("endpoint", Value::from("a\nERROR forged\u{1b}[2J"))];
        let record = Record::builder()
            .args(format_args!("bad\r\nname"))
            .level(Level::Warn)
            .target("actors::registry")
            .key_values(&fields)
            .build();
        assert_eq!(line(&record), r#"WARN  bad\r\nname endpoint="a\nERROR forged\u{1b}[2J""#);
    }
}
