//! Everything that can happen: one struct each; `emit` writes the log line and counts the metric together.
//!
//! Log lines use the key-value form of the `log` crate (`kv` feature): the record's message is a short fixed text, the facts are its
//! key-values (`event`, `endpoint`, `peer`, `cause`, …; design of the log fields). Their target is [`TARGET`]. Values come from strangers
//! and may hold anything, line breaks too: a logging back-end writes them through [`Quoted`] (text) or as JSON strings.

/// Log target of all events.
pub const TARGET: &str = "lwm2m_gateway";

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
