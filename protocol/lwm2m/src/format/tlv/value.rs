//! The bytes of single values in TLV (TS Core 1.0 appendix C).
use crate::format::typed::widen;
use crate::{ResourceType, Value};
use std::borrow::Cow;

/// Reads a value; without a type its bytes stay as they are.
pub(super) fn decode(resource_type: Option<ResourceType>, bytes: &[u8]) -> Result<Value, String> {
    let length =
        || format!("{} bytes are no {}", bytes.len(), resource_type.map_or("value".into(), |t| format!("{t:?}")));
    let Some(resource_type) = resource_type else { return Ok(Value::Untyped(bytes.to_vec())) };
    match resource_type {
        ResourceType::String => Ok(Value::String(String::from_utf8_lossy(bytes).into_owned())),
        ResourceType::CoreLink => Ok(Value::CoreLink(String::from_utf8_lossy(bytes).into_owned())),
        ResourceType::Opaque => Ok(Value::Opaque(bytes.to_vec())),
        ResourceType::None => Ok(Value::Untyped(bytes.to_vec())),
        ResourceType::Integer => signed(bytes).map(Value::Integer).ok_or_else(length),
        ResourceType::Unsigned => unsigned(bytes).map(Value::Unsigned).ok_or_else(length),
        // 2^63 seconds and more are no date: such eight bytes can only be meant as a time before 1970.
        ResourceType::Time => unsigned(bytes).map(|time| Value::Time(time.cast_signed())).ok_or_else(length),
        ResourceType::Float => {
            let float = if let Ok(single) = <[u8; 4]>::try_from(bytes) {
                widen(f32::from_be_bytes(single))
            } else {
                f64::from_be_bytes(bytes.try_into().map_err(|_| length())?)
            };
            if float.is_finite() { Ok(Value::Float(float)) } else { Err("number is not finite".into()) }
        }
        ResourceType::Boolean => match bytes {
            [0] => Ok(Value::Boolean(false)),
            [1] => Ok(Value::Boolean(true)),
            [other] => Err(format!("{other} is no Boolean")),
            _ => Err(length()),
        },
        ResourceType::ObjectLink => match *bytes {
            [a, b, c, d] => Ok(Value::ObjectLink(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))),
            _ => Err(length()),
        },
    }
}

/// Two's complement of 1 to 8 bytes.
fn signed(bytes: &[u8]) -> Option<i64> {
    let first = *bytes.first().filter(|_| bytes.len() <= 8)?;
    let sign = if first & 0x80 == 0 { 0 } else { 0xFF };
    let mut wide = [sign; 8];
    wide[8 - bytes.len()..].copy_from_slice(bytes);
    Some(i64::from_be_bytes(wide))
}

/// 1, 2, 4 or 8 bytes.
fn unsigned(bytes: &[u8]) -> Option<u64> {
    let mut wide = [0; 8];
    matches!(bytes.len(), 1 | 2 | 4 | 8).then(|| wide[8 - bytes.len()..].copy_from_slice(bytes))?;
    Some(u64::from_be_bytes(wide))
}

/// The bytes of a value; `None` if it has none in this format. Integers take the least of 1, 2, 4 and 8 bytes that keeps the sign.
pub(super) fn encode(value: &Value) -> Option<Cow<'_, [u8]>> {
    Some(match value {
        Value::String(text) | Value::CoreLink(text) => Cow::Borrowed(text.as_bytes()),
        Value::Opaque(bytes) | Value::Untyped(bytes) => Cow::Borrowed(bytes),
        Value::Integer(integer) | Value::Time(integer) => Cow::Owned(shortest_signed(*integer)),
        Value::Unsigned(integer) => Cow::Owned(shortest_unsigned(*integer)),
        Value::Float(float) => Cow::Owned(float.to_be_bytes().to_vec()),
        Value::Boolean(boolean) => Cow::Borrowed(if *boolean { &[1] } else { &[0] }),
        Value::ObjectLink(object, instance) => Cow::Owned([object.to_be_bytes(), instance.to_be_bytes()].concat()),
        Value::Absent | Value::Empty => return None,
    })
}

fn shortest_signed(integer: i64) -> Vec<u8> {
    if let Ok(byte) = i8::try_from(integer) {
        byte.to_be_bytes().to_vec()
    } else if let Ok(short) = i16::try_from(integer) {
        short.to_be_bytes().to_vec()
    } else if let Ok(word) = i32::try_from(integer) {
        word.to_be_bytes().to_vec()
    } else {
        integer.to_be_bytes().to_vec()
    }
}

fn shortest_unsigned(integer: u64) -> Vec<u8> {
    if let Ok(byte) = u8::try_from(integer) {
        vec![byte]
    } else if let Ok(short) = u16::try_from(integer) {
        short.to_be_bytes().to_vec()
    } else if let Ok(word) = u32::try_from(integer) {
        word.to_be_bytes().to_vec()
    } else {
        integer.to_be_bytes().to_vec()
    }
}
