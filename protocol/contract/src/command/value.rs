//! Values of write and create (contract 3.1): JSON and a type in, [`Value`] out.
use super::decimal::Decimal;
use super::quoted;
use crate::json;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use lwm2m::{ResourceType, Value};
use serde_json::value::RawValue;

/// The names of types, upper and lower case as they stand here.
pub(crate) const TYPES: [(&str, ResourceType); 9] = [
    ("String", ResourceType::String),
    ("Integer", ResourceType::Integer),
    ("Unsigned Integer", ResourceType::Unsigned),
    ("Float", ResourceType::Float),
    ("Boolean", ResourceType::Boolean),
    ("Opaque", ResourceType::Opaque),
    ("Time", ResourceType::Time),
    ("Objlnk", ResourceType::ObjectLink),
    ("Corelnk", ResourceType::CoreLink),
];

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The type of that name.
pub(crate) fn type_named(name: &str) -> Option<ResourceType> {
    TYPES.iter().find(|(known, _)| *known == name).map(|(_, resource_type)| *resource_type)
}

/// A value whose type may not be known yet: JSON without arrays and objects.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Scalar {
    Null,
    Boolean(bool),
    /// As written.
    Number(Box<str>),
    Text(Box<str>),
    /// `"encoding":"hex"`, decoded.
    Bytes(Box<[u8]>),
}

impl Scalar {
    /// `Err`: in words.
    pub(crate) fn read(raw: &RawValue, hex: bool) -> Result<Scalar, String> {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'"') => {
                let text = json::text(raw).ok_or("a string that is not Unicode")?;
                if hex { decode_hex(&text).map(Scalar::Bytes) } else { Ok(Scalar::Text(text.into())) }
            }
            Some(b'n') => Ok(Scalar::Null),
            _ if hex => Err(format!("{} where hex digits belong", json::kind(raw))),
            Some(b't') => Ok(Scalar::Boolean(true)),
            Some(b'f') => Ok(Scalar::Boolean(false)),
            Some(b'[' | b'{') => Err(format!("{} where a value belongs", json::kind(raw))),
            _ => Ok(Scalar::Number(text.into())),
        }
    }

    /// As a value of that type. `Err`: in words.
    pub(crate) fn typed(self, resource_type: ResourceType) -> Result<Value, String> {
        use ResourceType as T;
        if let Scalar::Bytes(bytes) = self {
            return match resource_type {
                // bytes that are no UTF-8 go out as they are
                T::String => {
                    Ok(String::from_utf8(bytes.into()).map_or_else(|e| Value::Untyped(e.into_bytes()), Value::String))
                }
                T::Opaque => Ok(Value::Opaque(bytes.into())),
                other => Err(format!("hex encoding is for String and Opaque, not {}", name_of(other))),
            };
        }
        match resource_type {
            T::String => self.text("a string").map(Value::String),
            T::CoreLink => self.text("a string").map(Value::CoreLink),
            T::Integer => self.integer().map(Value::Integer),
            T::Time => self.integer().map(Value::Time),
            T::Unsigned => self.integer().map(Value::Unsigned),
            T::Float => self.float().map(Value::Float),
            T::Boolean => self.boolean().map(Value::Boolean),
            T::Opaque => {
                let text = self.text("a base64 string")?;
                BASE64.decode(text).map(Value::Opaque).map_err(|error| format!("not base64: {error}"))
            }
            T::ObjectLink => {
                let text = self.text("a string \"object:instance\"")?;
                let link = text.split_once(':').and_then(|(object, instance)| Some((id(object)?, id(instance)?)));
                link.map(|(object, instance)| Value::ObjectLink(object, instance))
                    .ok_or_else(|| format!("{} is not \"object:instance\"", quoted(&text)))
            }
            T::None => Err("the resource is executable and has no value".into()),
        }
    }

    fn text(self, wanted: &str) -> Result<String, String> {
        match self {
            Scalar::Text(text) => Ok(text.into()),
            other => Err(format!("{} where {wanted} belongs", other.kind())),
        }
    }
    fn integer<T: TryFrom<i128>>(self) -> Result<T, String> {
        let text = self.number()?;
        let decimal = Decimal::parse(&text).ok_or_else(|| format!("{} is not a decimal number", quoted(&text)))?;
        if decimal.has_fraction() {
            return Err(format!("{} has a fraction", quoted(&text)));
        }
        let number = decimal.to_integer().and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("{} is out of range", quoted(&text)))
    }
    fn float(self) -> Result<f64, String> {
        let text = self.number()?;
        // the grammar first: Rust's own parser takes `inf` and `NaN`
        Decimal::parse(&text).ok_or_else(|| format!("{} is not a decimal number", quoted(&text)))?;
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("{} is out of range", quoted(&text)))
    }
    fn number(self) -> Result<Box<str>, String> {
        match self {
            Scalar::Number(text) | Scalar::Text(text) => Ok(text),
            other => Err(format!("{} where a number belongs", other.kind())),
        }
    }
    fn boolean(self) -> Result<bool, String> {
        match &self {
            Scalar::Boolean(value) => Ok(*value),
            Scalar::Text(text) | Scalar::Number(text) => match text.as_ref() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                other => Err(format!("{} is not true or false", quoted(other))),
            },
            other => Err(format!("{} where true or false belongs", other.kind())),
        }
    }
    fn kind(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Boolean(_) => "a boolean",
            Scalar::Number(_) => "a number",
            Scalar::Text(_) | Scalar::Bytes(_) => "a string",
        }
    }
}

fn name_of(resource_type: ResourceType) -> &'static str {
    TYPES.iter().find(|(_, known)| *known == resource_type).map_or("an executable resource", |(name, _)| name)
}

fn id(text: &str) -> Option<u16> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Digits of either case; a `0` is put before an odd number of them.
fn decode_hex(text: &str) -> Result<Box<[u8]>, String> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Option<Vec<u8>> = text.as_bytes().iter().map(digit).collect();
    let digits = digits.ok_or_else(|| format!("{} is not hexadecimal", quoted(text)))?;
    let (first, pairs) = digits.split_at(digits.len() % 2);
    Ok(first.iter().copied().chain(pairs.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1])).collect())
}
