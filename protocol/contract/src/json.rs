//! JSON in and out without a tree: members of an object as raw text, and values written straight into bytes.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The members of a JSON object in order, their values as the text that was sent.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(Vec<Member<'a>>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    /// The name as sent, in quotes.
    pub(crate) key: &'a str,
    /// The name, escapes resolved; empty where they resolve to no text (a lone surrogate).
    pub(crate) name: Cow<'a, str>,
    /// The value as sent.
    pub(crate) value: &'a RawValue,
}

impl<'a> Members<'a> {
    /// `Err`: not an object, or no JSON at all.
    pub(crate) fn parse(text: &'a str) -> Result<Members<'a>, serde_json::Error> {
        serde_json::from_str(text)
    }
    /// The last member of that name, as usual with JSON; `null` counts as missing.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.get_any(name).filter(|value| value.get() != "null")
    }
    /// The last member of that name, `null` included.
    pub(crate) fn get_any(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|member| member.name == name).map(|member| member.value)
    }
    /// All members; of those with equal names only the last.
    pub(crate) fn last_ones(&self) -> impl Iterator<Item = &Member<'a>> {
        let last: std::collections::HashMap<&str, usize> =
            self.0.iter().enumerate().map(|(index, member)| (member.name.as_ref(), index)).collect();
        let is_last = move |index: usize, name: &str| name.is_empty() || last.get(name) == Some(&index);
        self.0.iter().enumerate().filter(move |(index, member)| is_last(*index, &member.name)).map(|(_, member)| member)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                    let name = text(key).unwrap_or_default();
                    members.push(Member { key: key.get(), name, value });
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The text of a JSON string; `None` if it is none or holds a lone surrogate.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inside = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        serde_json::from_str(raw.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inside))
    }
}

/// The elements of a JSON array as sent; `None` if it is none.
pub(crate) fn elements(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// What a value is, in words for a diagnostic.
pub(crate) fn kind(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Writes a string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        if escape.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.extend_from_slice(escape);
        }
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// Writes an integer.
pub(crate) fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes a number with the shortest digits that give it back, an integral one as `10.0`; `null` where JSON has no form.
pub(crate) fn float(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Writes Unix seconds: microseconds where there are any, whole seconds without a fraction.
pub(crate) fn seconds(out: &mut Vec<u8>, unix: f64) {
    let rounded = (unix * 1e6).round() / 1e6;
    if rounded.fract() == 0.0 && rounded.abs() < 9e15 {
        #[expect(clippy::cast_possible_truncation, reason = "integral and far below 2^63")]
        integer(out, rounded as i64);
    } else {
        float(out, rounded);
    }
}

/// Writes bytes as a string of standard base64 with padding.
pub(crate) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}

/// Writes `,` unless this is the first member of an object or element of an array.
pub(crate) fn comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'{' | b'[') | None) {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_come_back_as_they_were() {
        for text in ["", "plain", "\"quoted\\\"", "\n\r\t\u{0}\u{1f}\u{7f}", "grün \u{fffd} 🦀", "/3/0"] {
            let json = written(|out| string(out, text));
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text, "{json}");
        }
    }

    #[test]
    fn floats_are_shortest_and_always_json() {
        let cases = [
            (20.02, "20.02"),
            (10.0, "10.0"),
            (-0.5, "-0.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::NAN, "null"),
            (f64::NEG_INFINITY, "null"),
        ];
        for (number, expected) in cases {
            let json = written(|out| float(out, number));
            assert_eq!(json.replace("e+", "e"), expected);
            assert!(serde_json::from_str::<Option<f64>>(&json).is_ok());
        }
    }

    #[test]
    fn times_have_microseconds_at_most() {
        let cases = [
            (1_763_825_000.5, "1763825000.5"),
            (1_763_825_000.0, "1763825000"),
            (1_763_825_000.123_000_1, "1763825000.123"),
        ];
        for (unix, expected) in cases {
            assert_eq!(written(|out| seconds(out, unix)), expected);
        }
    }

    #[test]
    fn of_equal_names_the_last_counts() {
        let members = Members::parse(r#"{"a":1,"b":2,"\u0061":3,"b":null}"#).unwrap();
        assert_eq!(members.get("a").unwrap().get(), "3");
        assert!(members.get("b").is_none());
        let last: Vec<_> = members.last_ones().map(|m| (m.key, m.value.get())).collect();
        assert_eq!(last, [(r#""\u0061""#, "3"), (r#""b""#, "null")]);
    }
}
