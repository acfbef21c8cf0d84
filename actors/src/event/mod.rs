//! Everything that can happen: one struct each; `emit` writes the log line and counts the metric together.
//!
//! Log lines use the key-value form of the `log` crate (`kv` feature): the record's message is a short fixed text, the facts are its
//! key-values (`event`, `endpoint`, `peer`, `cause`, …; design of the log fields). Their target is [`TARGET`]. Values come from strangers
//! and may hold anything, line breaks too: a logging back-end writes them through [`Quoted`] (text) or as JSON strings.

//! Lines that a stranger can provoke at will pass a [`Limiter`]; the metric always counts.
mod broker;
mod command;
mod dtls;
mod limiter;
mod network;
mod observation;
mod registration;
mod store;

pub use broker::*;
pub use command::*;
pub use dtls::*;
pub use limiter::Limiter;
pub use network::*;
pub use observation::*;
pub use registration::*;
pub(crate) use store::*;

/// Log target of all events.
pub const TARGET: &str = "lwm2m_gateway";

/// Something that happened.
pub trait Event {
    /// Writes its log line and counts it.
    fn emit(self);
}

/// A value as it may stand in a text log line: bare if it is a plain word, else in quotes with everything outside printable text escaped.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plain = |c: char| c.is_alphanumeric() || "-_./:@+[]%,;$#*~".contains(c);
        if !self.0.is_empty() && self.0.chars().all(plain) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                // Also the characters that change the direction or end the line in some viewers.
                c if c.is_control()
                    || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    write!(f, "\\u{{{:x}}}", u32::from(c))?;
                }
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::Quoted;

    #[test]
    fn hostile_values_stay_within_one_quoted_field() {
        for (value, text) in [
            ("urn:dev:ep-1", "urn:dev:ep-1"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("x\nlevel=ERROR event=forged", "\"x\\nlevel=ERROR event=forged\""),
            ("a=b", "\"a=b\""),
            ("\"quoted\\", "\"\\\"quoted\\\\\""),
            ("\u{1b}[31m\u{202e}", "\"\\u{1b}[31m\\u{202e}\""),
        ] {
            assert_eq!(Quoted(value).to_string(), text);
        }
    }
}
