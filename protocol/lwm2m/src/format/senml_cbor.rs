//! SenML CBOR (112) and SenML-ETCH CBOR (322).
use super::cbor::{self, Item, Members, broken, fault, item, kind, skip};
use super::senml::{Layout, Pack, Raw, Record, check_label, check_version, recorded};
use super::typed::Number;
use super::{DecodeError, EncodeError, Types};
use crate::{Node, Path, Value};
use minicbor::Decoder;
use minicbor::data::Type;
use minicbor::encode::{Encoder, Error};
use std::borrow::Cow;
use std::convert::Infallible;

/// The labels of RFC 8428 §6 that are read.
mod label {
    pub(super) const BASE_VERSION: i128 = -1;
    pub(super) const BASE_NAME: i8 = -2;
    pub(super) const BASE_TIME: i8 = -3;
    pub(super) const BASE_VALUE: i128 = -5;
    pub(super) const NAME: i8 = 0;
    pub(super) const VALUE: i8 = 2;
    pub(super) const STRING: i8 = 3;
    pub(super) const BOOLEAN: i8 = 4;
    pub(super) const TIME: i8 = 6;
    pub(super) const DATA: i8 = 8;
    /// Object links have a text label of their own (TS Core 1.1 table 7.4.5-1).
    pub(super) const OBJECT_LINK: &str = "vlo";
}

/// `removes`: the ETCH form, in which a value may be null.
pub(super) fn decode(
    body: &[u8],
    base: Path,
    types: &dyn Types,
    now: f64,
    removes: bool,
) -> Result<Vec<Node>, DecodeError> {
    let mut decoder = Decoder::new(body);
    if !matches!(kind(&decoder)?, Type::Array | Type::ArrayIndef) {
        return Err(fault(&decoder, "a pack is an array"));
    }
    let mut members = Members::of(decoder.array().map_err(|error| broken(&decoder, &error))?);
    let mut pack = Pack::new(base, types, now);
    while members.more(&mut decoder)? {
        let record = record(&mut decoder, removes)?;
        pack.add(record)?;
    }
    cbor::end(&decoder)?;
    pack.finish()
}

fn record<'b>(decoder: &mut Decoder<'b>, removes: bool) -> Result<Record<'b>, DecodeError> {
    if !matches!(kind(decoder)?, Type::Map | Type::MapIndef) {
        return Err(fault(decoder, "a record is a map"));
    }
    let mut members = Members::of(decoder.map().map_err(|error| broken(decoder, &error))?);
    let mut record = Record::default();
    while members.more(decoder)? {
        let start = decoder.position();
        let at_label = |reason: String| DecodeError::at_byte(reason, start);
        match item(decoder)? {
            Item::Number(Number::Integer(label)) => {
                numbered(decoder, &mut record, label, removes).map_err(|fault| fault.unwrap_or_else(at_label))?;
            }
            Item::Text(label) if label == label::OBJECT_LINK => {
                let value = Raw::Link(text(decoder, "vlo")?);
                record.set_value(value).map_err(|reason| at_label(reason.into()))?;
            }
            Item::Text(label) => {
                check_label(&label).map_err(at_label)?;
                skip(decoder, 0)?;
            }
            _ => return Err(at_label("label is neither an integer nor text".into())),
        }
    }
    Ok(record)
}

/// An error of the value itself, with its own place, or one of its label.
enum Fault {
    There(DecodeError),
    AtLabel(String),
}

impl Fault {
    fn unwrap_or_else(self, at_label: impl FnOnce(String) -> DecodeError) -> DecodeError {
        match self {
            Fault::There(error) => error,
            Fault::AtLabel(reason) => at_label(reason),
        }
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Fault {
        Fault::There(error)
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Fault {
        Fault::AtLabel(reason)
    }
}

fn once<T>(member: &mut Option<T>, value: T) -> Result<(), Fault> {
    match member.replace(value) {
        None => Ok(()),
        Some(_) => Err(Fault::AtLabel("label twice in one record".into())),
    }
}

fn numbered<'b>(decoder: &mut Decoder<'b>, record: &mut Record<'b>, label: i128, removes: bool) -> Result<(), Fault> {
    let is = |known: i8| label == i128::from(known);
    if is(label::BASE_NAME) {
        once(&mut record.base_name, text(decoder, "bn")?)
    } else if is(label::NAME) {
        once(&mut record.name, text(decoder, "n")?)
    } else if is(label::BASE_TIME) {
        once(&mut record.base_time, number(decoder, "bt")?.as_f64())
    } else if is(label::TIME) {
        once(&mut record.time, number(decoder, "t")?.as_f64())
    } else if label == label::BASE_VALUE {
        once(&mut record.base_value, number(decoder, "bv")?)
    } else if label == label::BASE_VERSION {
        Ok(check_version(number(decoder, "bver")?)?)
    } else if let Some(value) = value(decoder, label, removes)? {
        Ok(record.set_value(value).map_err(String::from)?)
    } else {
        Ok(skip(decoder, 0)?)
    }
}

/// The value, if the label is that of one.
fn value<'b>(decoder: &mut Decoder<'b>, label: i128, removes: bool) -> Result<Option<Raw<'b>>, DecodeError> {
    let is = |known: i8| label == i128::from(known);
    let start = decoder.position();
    Ok(Some(if is(label::VALUE) {
        if removes && kind(decoder)? == Type::Null {
            decoder.set_position(start + 1);
            Raw::Null
        } else {
            Raw::Number(number(decoder, "v")?)
        }
    } else if is(label::STRING) {
        Raw::Text(text(decoder, "vs")?)
    } else if is(label::BOOLEAN) {
        match item(decoder)? {
            Item::Boolean(boolean) => Raw::Boolean(boolean),
            _ => return Err(DecodeError::at_byte("vb is not a truth value", start)),
        }
    } else if is(label::DATA) {
        match item(decoder)? {
            Item::Bytes(bytes) => Raw::Bytes(bytes),
            _ => return Err(DecodeError::at_byte("vd is not a byte string", start)),
        }
    } else {
        return Ok(None);
    }))
}

fn text<'b>(decoder: &mut Decoder<'b>, name: &str) -> Result<Cow<'b, str>, DecodeError> {
    let start = decoder.position();
    match item(decoder)? {
        Item::Text(text) => Ok(text),
        _ => Err(DecodeError::at_byte(format!("{name} is not text"), start)),
    }
}

fn number(decoder: &mut Decoder<'_>, name: &str) -> Result<Number, DecodeError> {
    let start = decoder.position();
    match item(decoder)? {
        Item::Number(number) | Item::Time(number) => Ok(number),
        _ => Err(DecodeError::at_byte(format!("{name} is not a number"), start)),
    }
}

pub(super) fn encode(base: Path, nodes: &[Node], removes: bool) -> Result<Vec<u8>, EncodeError> {
    let nodes = recorded(nodes);
    let layout = Layout::of(base, &nodes, removes)?;
    Ok(cbor::written(|encoder| {
        encoder.array(nodes.len() as u64)?;
        nodes.iter().enumerate().try_for_each(|(index, node)| write(encoder, &layout, index == 0, node, removes))
    }))
}

fn write(
    encoder: &mut Encoder<Vec<u8>>,
    layout: &Layout,
    first: bool,
    node: &Node,
    removes: bool,
) -> Result<(), Error<Infallible>> {
    let base_name = layout.base_name().filter(|_| first);
    let base_time = layout.base_time.filter(|_| first);
    let (name, time) = (layout.name(&node.path), layout.time(node));
    let has_value = removes || node.value != Value::Absent;
    let members = [base_name.is_some(), base_time.is_some(), name.is_some(), time.is_some(), has_value];
    encoder.map(members.iter().map(|member| u64::from(*member)).sum())?;
    if let Some(name) = base_name {
        encoder.i8(label::BASE_NAME)?.str(&name)?;
    }
    if let Some(time) = base_time {
        cbor::write_seconds(encoder.i8(label::BASE_TIME)?, time)?;
    }
    if let Some(name) = name {
        encoder.i8(label::NAME)?.str(&name)?;
    }
    if let Some(time) = time {
        cbor::write_seconds(encoder.i8(label::TIME)?, time)?;
    }
    if !has_value {
        return Ok(());
    }
    match &node.value {
        Value::String(_) | Value::CoreLink(_) | Value::Untyped(_) => encoder.i8(label::STRING)?,
        Value::Boolean(_) => encoder.i8(label::BOOLEAN)?,
        Value::Opaque(_) => encoder.i8(label::DATA)?,
        Value::ObjectLink(..) => encoder.str(label::OBJECT_LINK)?,
        _ => encoder.i8(label::VALUE)?,
    };
    cbor::write(encoder, &node.value)
}
