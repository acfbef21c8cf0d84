//! application/cbor (60): one value; and what the other CBOR formats share.

use super::FormatError;
use super::text::parse;
use crate::value::{DataType, Value};
use ciborium::Value as Cbor;

pub(super) fn integer(number: i64) -> Cbor {
    Cbor::Integer(number.into())
}

pub(super) fn write(cbor: &Cbor) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(cbor, &mut bytes).map_err(|_| FormatError::NotExpressible)?;
    Ok(bytes)
}

pub(super) fn read(mut bytes: &[u8]) -> Result<Cbor, FormatError> {
    let value = ciborium::from_reader(&mut bytes).map_err(|_| FormatError::Malformed("not CBOR"))?;
    if bytes.is_empty() { Ok(value) } else { Err(FormatError::Malformed("bytes after the CBOR item")) }
}

pub(super) fn to_cbor(value: &Value) -> Cbor {
    match value {
        Value::String(text) | Value::Corelnk(text) => Cbor::Text(text.clone()),
        Value::Integer(number) | Value::Time(number) => integer(*number),
        Value::Unsigned(number) => Cbor::Integer((*number).into()),
        Value::Float(number) => Cbor::Float(*number),
        Value::Float32(number) => Cbor::Float(f64::from(*number)),
        Value::Boolean(truth) => Cbor::Bool(*truth),
        Value::Opaque(bytes) => Cbor::Bytes(bytes.clone()),
        Value::Objlnk(object, instance) => Cbor::Text(format!("{object}:{instance}")),
    }
}

pub(super) fn from_cbor(cbor: &Cbor, data_type: Option<DataType>) -> Result<Value, FormatError> {
    match cbor {
        Cbor::Text(text) => Ok(match data_type {
            Some(DataType::Objlnk) => parse(text, DataType::Objlnk)?,
            Some(DataType::Corelnk) => Value::Corelnk(text.clone()),
            _ => Value::String(text.clone()),
        }),
        Cbor::Bytes(bytes) => Ok(Value::Opaque(bytes.clone())),
        Cbor::Bool(truth) => Ok(Value::Boolean(*truth)),
        // Tag 1 is a time as epoch seconds (RFC 8949 §3.4.2).
        Cbor::Tag(1, inner) => number_from_cbor(inner, data_type),
        number => number_from_cbor(number, data_type),
    }
}

pub(super) fn number_from_cbor(cbor: &Cbor, data_type: Option<DataType>) -> Result<Value, FormatError> {
    let wrong = FormatError::Malformed("number does not fit the data type");
    match (cbor, data_type) {
        (Cbor::Integer(number), Some(DataType::Unsigned)) => {
            u64::try_from(*number).map(Value::Unsigned).map_err(|_| wrong)
        }
        (Cbor::Integer(number), Some(DataType::Float)) => Ok(Value::Float(i128::from(*number) as f64)),
        (Cbor::Integer(number), Some(DataType::Time)) => i64::try_from(*number).map(Value::Time).map_err(|_| wrong),
        (Cbor::Integer(number), Some(DataType::Integer) | None) => {
            i64::try_from(*number).map(Value::Integer).map_err(|_| wrong)
        }
        (Cbor::Float(number), Some(DataType::Float) | None) => Ok(Value::Float(*number)),
        _ => Err(wrong),
    }
}

pub(super) fn encode(value: &Value) -> Result<Vec<u8>, FormatError> {
    write(&to_cbor(value))
}

pub(super) fn decode(bytes: &[u8], data_type: DataType) -> Result<Value, FormatError> {
    from_cbor(&read(bytes)?, Some(data_type))
}
