//! The configuration file of one gateway, key by key.
use std::collections::BTreeMap;
use std::fmt::Write;

/// Everything with QoS 1.
pub const QOS_1: &[(&str, &str)] = &[
    ("lwm2m.translators.command", "{ topic = \"dn/#\", qos = 1 }"),
    ("lwm2m.translators.response", "{ topic = \"up/resp\", qos = 1 }"),
    ("lwm2m.translators.notify", "{ topic = \"up/notify\", qos = 1 }"),
    ("lwm2m.translators.register", "{ topic = \"up/resp\", qos = 1 }"),
    ("lwm2m.translators.update", "{ topic = \"up/resp\", qos = 1 }"),
    ("lwm2m.translators.send", "{ topic = \"up/send\", qos = 1 }"),
];

/// Dotted key → TOML literal.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    keys: BTreeMap<String, String>,
    tail: String,
}

impl Settings {
    /// Sets one key to a TOML literal: `set("coap.ack_timeout", "\"1s\"")`.
    pub fn set(&mut self, key: &str, literal: impl Into<String>) -> &mut Settings {
        self.keys.insert(key.to_owned(), literal.into());
        self
    }

    /// Sets one key only if nobody did so before.
    pub fn preset(&mut self, key: &str, literal: impl Into<String>) -> &mut Settings {
        self.keys.entry(key.to_owned()).or_insert_with(|| literal.into());
        self
    }

    /// Sets several keys.
    pub fn all(&mut self, keys: &[(&str, &str)]) -> &mut Settings {
        for (key, literal) in keys {
            self.set(key, *literal);
        }
        self
    }

    /// Adds lines at the end as they are.
    pub fn append(&mut self, lines: &str) -> &mut Settings {
        self.tail.push_str(lines);
        self.tail.push('\n');
        self
    }

    /// The file.
    pub fn to_toml(&self) -> String {
        let mut sections: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for (key, literal) in &self.keys {
            let (section, name) = key.rsplit_once('.').expect("keys name their section");
            sections.entry(section).or_default().push((name, literal));
        }
        let mut text = String::new();
        for (section, keys) in sections {
            let (open, close) = if section.starts_with("listeners.") { ("[[", "]]") } else { ("[", "]") };
            let _ = writeln!(text, "{open}{section}{close}");
            for (name, literal) in keys {
                let _ = writeln!(text, "{name} = {literal}");
            }
        }
        text.push_str(&self.tail);
        text
    }
}
