//! text/plain (OMA TS Core 7.4.1): one value.

use super::FormatError;
use crate::value::{DataType, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) fn encode(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Corelnk(text) => text.clone(),
        Value::Integer(number) | Value::Time(number) => number.to_string(),
        Value::Unsigned(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Float32(number) => number.to_string(),
        Value::Boolean(truth) => u8::from(*truth).to_string(),
        Value::Opaque(bytes) => STANDARD.encode(bytes),
        Value::Objlnk(object, instance) => format!("{object}:{instance}"),
    }
}

pub(super) fn decode(bytes: &[u8], data_type: DataType) -> Result<Value, FormatError> {
    let text = std::str::from_utf8(bytes).map_err(|_| FormatError::Malformed("text is not UTF-8"))?;
    parse(text, data_type)
}

/// A value written as text.
pub(super) fn parse(text: &str, data_type: DataType) -> Result<Value, FormatError> {
    let wrong = |_| FormatError::Malformed("text does not fit the data type");
    Ok(match data_type {
        DataType::String => Value::String(text.to_owned()),
        DataType::Corelnk => Value::Corelnk(text.to_owned()),
        DataType::Integer => Value::Integer(text.parse().map_err(|_| wrong(()))?),
        DataType::Time => Value::Time(text.parse().map_err(|_| wrong(()))?),
        DataType::Unsigned => Value::Unsigned(text.parse().map_err(|_| wrong(()))?),
        DataType::Float => Value::Float(text.parse().map_err(|_| wrong(()))?),
        DataType::Boolean => match text {
            "0" | "false" => Value::Boolean(false),
            "1" | "true" => Value::Boolean(true),
            _ => return Err(wrong(())),
        },
        DataType::Opaque => Value::Opaque(STANDARD.decode(text).map_err(|_| wrong(()))?),
        DataType::Objlnk => {
            let (object, instance) = text.split_once(':').ok_or_else(|| wrong(()))?;
            Value::Objlnk(object.parse().map_err(|_| wrong(()))?, instance.parse().map_err(|_| wrong(()))?)
        }
    })
}
