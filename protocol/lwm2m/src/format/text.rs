//! text/plain (0): one value as text.
//!
//! Beyond the specification the contract (3.2, 6) takes `true`/`false` for a Boolean, a decimal fraction for any number type, replaces
//! what is not UTF-8 in a String, and does not ask whether the resource might have several instances.
use super::{DecodeError, EncodeError, Types, single, type_of, typed};
use crate::link::Version;
use crate::{Node, Path, ResourceType, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) fn decode(body: &[u8], base: Path, types: &dyn Types) -> Result<Vec<Node>, DecodeError> {
    if base.depth() < 3 {
        return Err(DecodeError::new(
            format!("text/plain holds one value, {base} is not a resource"),
            "content format",
        ));
    }
    let value = match type_of(&base, types) {
        None => Value::Untyped(body.to_vec()),
        Some(ResourceType::Opaque) if types.enabler() < Version::new(1, 1) => Value::Opaque(body.to_vec()),
        Some(ResourceType::String) => Value::String(String::from_utf8_lossy(body).into_owned()),
        Some(ResourceType::CoreLink) => Value::CoreLink(String::from_utf8_lossy(body).into_owned()),
        Some(known) => {
            let text = std::str::from_utf8(body)
                .map_err(|error| DecodeError::at_byte("text is not UTF-8", error.valid_up_to()))?;
            read(known, text).map_err(|reason| DecodeError::new(reason, base))?
        }
    };
    Ok(vec![Node::new(base, value)])
}

const TWO_63: f64 = 9_223_372_036_854_775_808.0;

fn read(resource_type: ResourceType, text: &str) -> Result<Value, String> {
    let integer = || integer(text);
    match resource_type {
        ResourceType::Integer => match integer()? {
            Some(integer) => i64::try_from(integer).map(Value::Integer).map_err(|_| out_of_range(text)),
            None => fraction(text, -TWO_63..TWO_63),
        },
        ResourceType::Unsigned => match integer()? {
            Some(integer) => u64::try_from(integer).map(Value::Unsigned).map_err(|_| out_of_range(text)),
            None => fraction(text, 0.0..2.0 * TWO_63),
        },
        ResourceType::Time => match integer()? {
            Some(integer) => i64::try_from(integer).map(Value::Time).map_err(|_| out_of_range(text)),
            None => fraction(text, -TWO_63..TWO_63),
        },
        ResourceType::Float => float(text),
        ResourceType::Boolean => match text {
            "1" | "true" => Ok(Value::Boolean(true)),
            "0" | "false" => Ok(Value::Boolean(false)),
            _ => Err(format!("{} is not 0, 1, true or false", shown(text))),
        },
        ResourceType::ObjectLink => typed::object_link(text),
        ResourceType::Opaque => {
            STANDARD.decode(text).map(Value::Opaque).map_err(|error| format!("not base64: {error}"))
        }
        ResourceType::String | ResourceType::CoreLink | ResourceType::None => Ok(Value::String(text.into())),
    }
}

/// `None` if the text is not an integer at all; an error if it is one beyond 64 bits.
fn integer(text: &str) -> Result<Option<i128>, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| out_of_range(text))
}

/// Only decimal notation: what else Rust reads (`inf`, `nan`) is no number of the contract.
fn float(text: &str) -> Result<Value, String> {
    let decimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    match text.parse::<f64>() {
        Ok(float) if decimal && float.is_finite() => Ok(Value::Float(float)),
        _ => Err(format!("{} is not a decimal number in range", shown(text))),
    }
}

/// A decimal fraction where an integer should be (contract 3.2), within what the integer could be.
fn fraction(text: &str, range: std::ops::Range<f64>) -> Result<Value, String> {
    match float(text)? {
        Value::Float(float) if !range.contains(&float) => Err(out_of_range(text)),
        // Integers know no negative zero: written it would read as another value.
        Value::Float(float) => Ok(Value::Float(float + 0.0)),
        value => Ok(value),
    }
}

fn out_of_range(text: &str) -> String {
    format!("{} is out of range", shown(text))
}

/// The beginning of a text, safe to stand in a message.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(32).collect::<String>())
}

pub(super) fn encode(base: Path, nodes: &[Node]) -> Result<Vec<u8>, EncodeError> {
    let node = single(base, nodes)?;
    let text = match &node.value {
        Value::String(text) | Value::CoreLink(text) => text.clone(),
        Value::Integer(integer) | Value::Time(integer) => integer.to_string(),
        Value::Unsigned(integer) => integer.to_string(),
        // `Display` never writes an exponent.
        Value::Float(float) if float.is_finite() => float.to_string(),
        Value::Boolean(boolean) => u8::from(*boolean).to_string(),
        Value::Opaque(bytes) => STANDARD.encode(bytes),
        Value::ObjectLink(object, instance) => format!("{object}:{instance}"),
        Value::Untyped(bytes) => return Ok(bytes.clone()),
        Value::Float(_) | Value::Absent | Value::Empty => return Err(EncodeError::Value(node.path)),
    };
    Ok(text.into_bytes())
}
