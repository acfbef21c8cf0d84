//! SenML JSON (110) and SenML-ETCH JSON (320).
use super::json::malformed;
use super::json_scalar::Text;
use super::senml::{Layout, Pack, Raw, Record, check_label, check_version, recorded};
use super::typed::Number;
use super::{DecodeError, EncodeError, Types};
use crate::{Node, Path, Value};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, json};
use std::borrow::Cow;
use std::fmt;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// The alphabet of `vd`, with or without padding.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);
/// The alphabet that some devices take instead.
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);

/// `removes`: the ETCH form, in which a value may be null.
pub(super) fn decode(
    body: &[u8],
    base: Path,
    types: &dyn Types,
    now: f64,
    removes: bool,
) -> Result<Vec<Node>, DecodeError> {
    let mut reading = Reading { pack: Pack::new(base, types, now), removes, failure: None };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = deserializer.deserialize_seq(&mut reading).and_then(|()| deserializer.end());
    match (reading.failure, read) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) => Err(malformed(&error)),
        (None, Ok(())) => reading.pack.finish(),
    }
}

struct Reading<'t> {
    pack: Pack<'t>,
    removes: bool,
    /// Why a record was refused, if it was not the JSON itself.
    failure: Option<DecodeError>,
}

impl<'de> Visitor<'de> for &mut Reading<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        while let Some(record) = records.next_element_seed(RecordSeed { removes: self.removes })? {
            if let Err(failure) = self.pack.add(record) {
                self.failure = Some(failure);
                return Err(Error::custom("record refused"));
            }
        }
        Ok(())
    }
}

struct RecordSeed {
    removes: bool,
}

impl<'de> DeserializeSeed<'de> for RecordSeed {
    type Value = Record<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Record<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

/// A number that must be there.
fn number<'de, A: MapAccess<'de>>(members: &mut A) -> Result<Number, A::Error> {
    members.next_value()
}

/// Sets a member that may come once.
fn once<T, E: Error>(member: &mut Option<T>, name: &str, value: T) -> Result<(), E> {
    match member.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom(format_args!("member {name:?} twice"))),
    }
}

impl<'de> Visitor<'de> for RecordSeed {
    type Value = Record<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Record<'de>, A::Error> {
        let mut record = Record::default();
        while let Some(Text(key)) = members.next_key::<Text<'de>>()? {
            match &*key {
                "bn" => once(&mut record.base_name, "bn", members.next_value::<Text<'de>>()?.0)?,
                "n" => once(&mut record.name, "n", members.next_value::<Text<'de>>()?.0)?,
                "bt" => once(&mut record.base_time, "bt", number(&mut members)?.as_f64())?,
                "t" => once(&mut record.time, "t", number(&mut members)?.as_f64())?,
                "bv" => once(&mut record.base_value, "bv", number(&mut members)?)?,
                "bver" => check_version(number(&mut members)?).map_err(A::Error::custom)?,
                "v" | "vs" | "vb" | "vd" | "vlo" => {
                    let value = self.value(&key, &mut members)?;
                    record.set_value(value).map_err(A::Error::custom)?;
                }
                other => {
                    check_label(other).map_err(A::Error::custom)?;
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(record)
    }
}

impl RecordSeed {
    fn value<'de, A: MapAccess<'de>>(&self, label: &str, members: &mut A) -> Result<Raw<'de>, A::Error> {
        Ok(match label {
            "v" if self.removes => members.next_value::<Option<Number>>()?.map_or(Raw::Null, Raw::Number),
            "v" => Raw::Number(members.next_value()?),
            "vs" => Raw::Text(members.next_value::<Text<'de>>()?.0),
            "vb" => Raw::Boolean(members.next_value()?),
            "vlo" => Raw::Link(members.next_value::<Text<'de>>()?.0),
            _ => {
                let Text(text) = members.next_value::<Text<'de>>()?;
                let standard = text.bytes().any(|byte| matches!(byte, b'+' | b'/'));
                let bytes = if standard { STANDARD.decode(&*text) } else { URL_SAFE.decode(&*text) };
                let bytes = bytes.map_err(|error| A::Error::custom(format_args!("vd is not base64: {error}")))?;
                Raw::Bytes(Cow::Owned(bytes))
            }
        })
    }
}

pub(super) fn encode(base: Path, nodes: &[Node], removes: bool) -> Result<Vec<u8>, EncodeError> {
    let nodes = recorded(nodes);
    let layout = Layout::of(base, &nodes, removes)?;
    let mut records = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let mut record = Map::new();
        if index == 0 {
            record.extend(layout.base_name().map(|name| ("bn".to_string(), json!(name))));
            record.extend(layout.base_time.map(|time| ("bt".to_string(), seconds(time))));
        }
        record.extend(layout.name(&node.path).map(|name| ("n".to_string(), json!(name))));
        record.extend(layout.time(node).map(|time| ("t".to_string(), seconds(time))));
        record.extend(member(&node.value, removes).map(|(label, value)| (label.to_string(), value)));
        records.push(record);
    }
    Ok(json!(records).to_string().into_bytes())
}

/// Whole seconds without a fraction.
fn seconds(time: f64) -> serde_json::Value {
    if time.fract() == 0.0 && time.abs() < 1e15 { json!(time as i64) } else { json!(time) }
}

/// Label and value; none for a name alone. What cannot be written was refused before.
fn member(value: &Value, removes: bool) -> Option<(&'static str, serde_json::Value)> {
    Some(match value {
        Value::String(text) | Value::CoreLink(text) => ("vs", json!(text)),
        Value::Untyped(bytes) => ("vs", json!(String::from_utf8_lossy(bytes))),
        Value::Integer(integer) | Value::Time(integer) => ("v", json!(integer)),
        Value::Unsigned(integer) => ("v", json!(integer)),
        Value::Float(float) => ("v", json!(float)),
        Value::Boolean(boolean) => ("vb", json!(boolean)),
        Value::Opaque(bytes) => ("vd", json!(URL_SAFE_NO_PAD.encode(bytes))),
        Value::ObjectLink(object, instance) => ("vlo", json!(format!("{object}:{instance}"))),
        Value::Absent if removes => ("v", serde_json::Value::Null),
        Value::Absent | Value::Empty => return None,
    })
}
