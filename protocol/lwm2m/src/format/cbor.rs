//! CBOR (60, TS Core 1.1 §7.4.3): one value, and the single items (RFC 8949) that the other CBOR formats are made of.
mod date;

use super::typed::{self, Number, widen};
use super::{DecodeError, EncodeError, Types, single, type_of};
use crate::{Node, Path, ResourceType, Value};
use minicbor::Decoder;
use minicbor::data::{IanaTag, Tag, Type};
use minicbor::encode::{Encoder, Error};
use std::borrow::Cow;
use std::convert::Infallible;

/// A single item, by what it means.
pub(super) enum Item<'b> {
    Number(Number),
    /// Tagged as a time.
    Time(Number),
    Text(Cow<'b, str>),
    Bytes(Cow<'b, [u8]>),
    Boolean(bool),
    Null,
}

/// Nested deeper than this is no content of LwM2M.
const MAX_DEPTH: usize = 16;

/// An error where the decoder stands.
pub(super) fn fault(decoder: &Decoder<'_>, reason: impl Into<String>) -> DecodeError {
    DecodeError::at_byte(reason, decoder.position())
}

/// What minicbor found wrong.
pub(super) fn broken(decoder: &Decoder<'_>, error: &minicbor::decode::Error) -> DecodeError {
    fault(decoder, if error.is_end_of_input() { "body ends too early".into() } else { error.to_string() })
}

/// The kind of the next item; what no decoder may accept is refused.
pub(super) fn kind(decoder: &Decoder<'_>) -> Result<Type, DecodeError> {
    match decoder.datatype().map_err(|error| broken(decoder, &error))? {
        Type::Break => Err(fault(decoder, "break without an item of indefinite length")),
        Type::Simple | Type::Unknown(_) => Err(fault(decoder, "reserved item")),
        kind => Ok(kind),
    }
}

/// Reads an item that is not a container.
pub(super) fn item<'b>(decoder: &mut Decoder<'b>) -> Result<Item<'b>, DecodeError> {
    let start = decoder.position();
    let next = kind(decoder)?;
    let read = match next {
        Type::Bool => decoder.bool().map(Item::Boolean),
        Type::Null => decoder.null().map(|()| Item::Null),
        Type::F16 => decoder.f16().map(|half| Item::Number(Number::Float(widen(half)))),
        Type::F32 => decoder.f32().map(|single| Item::Number(Number::Float(widen(single)))),
        Type::F64 => decoder.f64().map(|float| Item::Number(Number::Float(float))),
        Type::Bytes => decoder.bytes().map(|bytes| Item::Bytes(Cow::Borrowed(bytes))),
        Type::String => decoder.str().map(|text| Item::Text(Cow::Borrowed(text))),
        Type::BytesIndef => decoder.bytes_iter().and_then(|mut chunks| {
            let whole = chunks.try_fold(Vec::new(), |mut whole, chunk| {
                whole.extend_from_slice(chunk?);
                Ok(whole)
            })?;
            Ok(Item::Bytes(Cow::Owned(whole)))
        }),
        Type::StringIndef => decoder.str_iter().and_then(|mut chunks| {
            let whole = chunks.try_fold(String::new(), |whole, chunk| Ok(whole + chunk?))?;
            Ok(Item::Text(Cow::Owned(whole)))
        }),
        Type::Tag => return tagged(decoder),
        Type::Array | Type::ArrayIndef | Type::Map | Type::MapIndef => {
            return Err(fault(decoder, "container where a value should be"));
        }
        Type::Undefined => return Err(fault(decoder, "undefined is no value")),
        _ => decoder.int().map(|integer| Item::Number(Number::Integer(integer.into()))),
    };
    read.map_err(|error| DecodeError { place: format!("byte {start}"), ..broken(decoder, &error) })
}

/// Times (0, 1), big integers (2, 3) and decimal fractions (4).
fn tagged<'b>(decoder: &mut Decoder<'b>) -> Result<Item<'b>, DecodeError> {
    let start = decoder.position();
    let tag = decoder.tag().map_err(|error| broken(decoder, &error))?;
    let wrong = || DecodeError::at_byte(format!("tag {} does not fit what it marks", tag.as_u64()), start);
    if kind(decoder)? == Type::Tag {
        return Err(wrong());
    }
    if tag == Tag::new(4) {
        return decimal_fraction(decoder)?.ok_or_else(wrong);
    }
    match (tag.as_u64(), item(decoder)?) {
        (0, Item::Text(text)) => date::unix_seconds(&text).map(|time| Item::Time(Number::Integer(time.into()))),
        (1, Item::Number(number)) => Some(Item::Time(number)),
        (2, Item::Bytes(bytes)) => big_integer(&bytes).map(|magnitude| Item::Number(Number::Integer(magnitude))),
        (3, Item::Bytes(bytes)) => big_integer(&bytes).map(|magnitude| Item::Number(Number::Integer(-1 - magnitude))),
        _ => None,
    }
    .ok_or_else(wrong)
}

/// At most 64 bits: more is out of every range.
fn big_integer(bytes: &[u8]) -> Option<i128> {
    let significant = bytes.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &bytes[first..]);
    (significant.len() <= 8).then(|| significant.iter().fold(0, |number, byte| number << 8 | i128::from(*byte)))
}

/// `[exponent, mantissa]`, RFC 8949 §3.4.4; read as the decimal number it is, so that 22.15 is 22.15.
fn decimal_fraction(decoder: &mut Decoder<'_>) -> Result<Option<Item<'static>>, DecodeError> {
    if kind(decoder)? != Type::Array || decoder.array().map_err(|error| broken(decoder, &error))? != Some(2) {
        return Ok(None);
    }
    let (Item::Number(Number::Integer(exponent)), Item::Number(Number::Integer(mantissa))) =
        (part(decoder)?, part(decoder)?)
    else {
        return Ok(None);
    };
    Ok(format!("{mantissa}e{exponent}").parse().ok().map(|float| Item::Number(Number::Float(float))))
}

/// Exponent or mantissa: not tagged themselves.
fn part<'b>(decoder: &mut Decoder<'b>) -> Result<Item<'b>, DecodeError> {
    if kind(decoder)? == Type::Tag { Err(fault(decoder, "tag inside a decimal fraction")) } else { item(decoder) }
}

/// Passes over an item that nobody reads.
pub(super) fn skip(decoder: &mut Decoder<'_>, depth: usize) -> Result<(), DecodeError> {
    if depth > MAX_DEPTH {
        return Err(fault(decoder, "nested too deeply"));
    }
    let next = kind(decoder)?;
    let length = match next {
        Type::Array | Type::ArrayIndef => decoder.array(),
        Type::Map | Type::MapIndef => decoder.map().map(|length| length.map(|pairs| pairs.saturating_mul(2))),
        Type::Tag => decoder.tag().map(|_| Some(1)),
        Type::Undefined => return decoder.undefined().map_err(|error| broken(decoder, &error)),
        _ => return item(decoder).map(|_| ()),
    };
    let length = length.map_err(|error| broken(decoder, &error))?;
    let mut members = Members { left: length };
    while members.more(decoder)? {
        skip(decoder, depth + 1)?;
    }
    Ok(())
}

/// Counts down the members of a container.
pub(super) struct Members {
    left: Option<u64>,
}

impl Members {
    /// Of a container whose head has just been read: its length, or `None` if it is indefinite.
    pub(super) fn of(length: Option<u64>) -> Members {
        Members { left: length }
    }

    /// Whether another member follows; takes the break that ends an indefinite container.
    pub(super) fn more(&mut self, decoder: &mut Decoder<'_>) -> Result<bool, DecodeError> {
        match &mut self.left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None => {
                let end = decoder.datatype().map_err(|error| broken(decoder, &error))? == Type::Break;
                if end {
                    decoder.set_position(decoder.position() + 1);
                }
                Ok(!end)
            }
        }
    }
}

/// Nothing may follow the one item of a body.
pub(super) fn end(decoder: &Decoder<'_>) -> Result<(), DecodeError> {
    let left = decoder.input().len() - decoder.position();
    if left == 0 { Ok(()) } else { Err(fault(decoder, format!("{left} bytes after the end"))) }
}

/// The value of a resource, where the item alone tells the kind (CBOR and LwM2M CBOR).
pub(super) fn value(resource_type: Option<ResourceType>, item: Item<'_>) -> Result<Value, String> {
    let whole = matches!(resource_type, Some(ResourceType::Integer | ResourceType::Unsigned));
    match item {
        Item::Number(Number::Float(_)) if whole => Err("float for an integer".into()),
        Item::Number(number) => typed::number(resource_type, number),
        Item::Time(number) => match resource_type {
            None | Some(ResourceType::Time) => typed::number(Some(ResourceType::Time), number),
            Some(other) => Err(format!("time for a resource of type {other:?}")),
        },
        Item::Text(text) if resource_type == Some(ResourceType::ObjectLink) => typed::object_link(&text),
        Item::Text(text) => typed::text(resource_type, text.into_owned()),
        Item::Bytes(bytes) => typed::bytes(resource_type, bytes.into_owned()),
        Item::Boolean(boolean) => typed::boolean(resource_type, boolean),
        Item::Null => Err("null is no value".into()),
    }
}

pub(super) fn decode(body: &[u8], base: Path, types: &dyn Types) -> Result<Vec<Node>, DecodeError> {
    if base.depth() < 3 {
        return Err(DecodeError::new(format!("CBOR holds one value, {base} is not a resource"), "content format"));
    }
    let mut decoder = Decoder::new(body);
    let item = item(&mut decoder)?;
    end(&decoder)?;
    let value = value(type_of(&base, types), item).map_err(|reason| DecodeError::at_byte(reason, 0))?;
    Ok(vec![Node::new(base, value)])
}

/// One value; `tagged`: a Time as "seconds since the epoch" (tag 1, RFC 8949 §3.4.2), without which LwM2M 1.1 has no Time in CBOR.
pub(super) fn encode(base: Path, nodes: &[Node], tagged: bool) -> Result<Vec<u8>, EncodeError> {
    let node = single(base, nodes)?;
    if matches!(node.value, Value::Absent | Value::Empty) {
        return Err(EncodeError::Value(node.path));
    }
    check(node)?;
    Ok(written(|encoder| {
        if tagged && matches!(node.value, Value::Time(_)) {
            encoder.tag(IanaTag::Timestamp)?;
        }
        write(encoder, &node.value)
    }))
}

/// Whether a value can be written: no non-finite floats, and untyped bytes only if they are text.
pub(super) fn check(node: &Node) -> Result<(), EncodeError> {
    let unwritable = match &node.value {
        Value::Float(float) => !float.is_finite(),
        Value::Untyped(bytes) => std::str::from_utf8(bytes).is_err(),
        _ => false,
    };
    if unwritable { Err(EncodeError::Value(node.path)) } else { Ok(()) }
}

/// What `write` writes.
pub(super) fn written(write: impl FnOnce(&mut Encoder<Vec<u8>>) -> Result<(), Error<Infallible>>) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    #[expect(clippy::expect_used, reason = "a vector takes all bytes, and no message is constructed here")]
    write(&mut encoder).expect("writing CBOR into a vector does not fail");
    encoder.into_writer()
}

/// Writes a value: shortest integers, a 32-bit float where it says the same, never a 16-bit one.
pub(super) fn write(encoder: &mut Encoder<Vec<u8>>, value: &Value) -> Result<(), Error<Infallible>> {
    match value {
        Value::String(text) | Value::CoreLink(text) => encoder.str(text)?,
        Value::Untyped(bytes) => encoder.str(&String::from_utf8_lossy(bytes))?,
        Value::Integer(integer) | Value::Time(integer) => encoder.i64(*integer)?,
        Value::Unsigned(integer) => encoder.u64(*integer)?,
        Value::Float(float) => write_float(encoder, *float)?,
        Value::Boolean(boolean) => encoder.bool(*boolean)?,
        Value::Opaque(bytes) => encoder.bytes(bytes)?,
        Value::ObjectLink(object, instance) => encoder.str(&format!("{object}:{instance}"))?,
        Value::Absent => encoder.null()?,
        Value::Empty => encoder.map(0)?,
    };
    Ok(())
}

fn write_float(encoder: &mut Encoder<Vec<u8>>, float: f64) -> Result<&mut Encoder<Vec<u8>>, Error<Infallible>> {
    let single = float as f32;
    // Equal for readers that widen as we do and for those that widen plainly.
    if f64::from(single) == float && widen(single) == float { encoder.f32(single) } else { encoder.f64(float) }
}

/// Writes Unix seconds, without a fraction if they have none.
pub(super) fn write_seconds(encoder: &mut Encoder<Vec<u8>>, time: f64) -> Result<(), Error<Infallible>> {
    if time.fract() == 0.0 && time.abs() < 1e15 {
        encoder.i64(time as i64)?
    } else {
        encoder.f64(time)?
    };
    Ok(())
}
