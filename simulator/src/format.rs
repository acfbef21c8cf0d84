//! The content formats that a simulated device speaks. Small writers and readers of its own, so that an error in the
//! gateway's codecs shows.

mod cbor;
mod lwm2m_cbor;
mod old_json;
mod senml;
mod text;
mod tlv;

use crate::path::Path;
use crate::value::{DataType, Value};

/// A value at a place; without value it only names the place (composite requests).
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Absolute path.
    pub path: Path,
    /// The value; `None` in composite requests.
    pub value: Option<Value>,
    /// Unix seconds, for historic values (SenML `t`).
    pub time: Option<f64>,
}

impl Node {
    /// A node with a value.
    pub fn new(path: impl Into<Path>, value: impl Into<Value>) -> Node {
        Node { path: path.into(), value: Some(value.into()), time: None }
    }

    /// The same node with a time, Unix seconds.
    pub fn at(mut self, time: f64) -> Node {
        self.time = Some(time);
        self
    }
}

/// Content-Format numbers of LwM2M.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// text/plain, 0.
    Text,
    /// application/octet-stream, 42.
    Opaque,
    /// application/cbor, 60.
    Cbor,
    /// application/senml+json, 110.
    SenmlJson,
    /// application/senml+cbor, 112.
    SenmlCbor,
    /// application/vnd.oma.lwm2m+tlv, 11542.
    Tlv,
    /// application/vnd.oma.lwm2m+json, 11543.
    Json,
    /// application/vnd.oma.lwm2m+cbor, 11544.
    Lwm2mCbor,
}

/// Why content could not be written or read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FormatError {
    /// The format cannot express this content (text of an object, say): a device answers 4.06.
    #[error("the format cannot express this content")]
    NotExpressible,
    /// The bytes are not of this format: a device answers 4.00.
    #[error("malformed: {0}")]
    Malformed(&'static str),
}

/// Looks up the data type of a resource, for formats that do not carry it.
pub type Types<'a> = &'a dyn Fn(&Path) -> Option<DataType>;

impl Format {
    /// Every format.
    pub const ALL: [Format; 8] = [
        Format::Text,
        Format::Opaque,
        Format::Cbor,
        Format::SenmlJson,
        Format::SenmlCbor,
        Format::Tlv,
        Format::Json,
        Format::Lwm2mCbor,
    ];

    /// The number for Content-Format and Accept.
    pub const fn number(self) -> u16 {
        match self {
            Format::Text => 0,
            Format::Opaque => 42,
            Format::Cbor => 60,
            Format::SenmlJson => 110,
            Format::SenmlCbor => 112,
            Format::Tlv => 11542,
            Format::Json => 11543,
            Format::Lwm2mCbor => 11544,
        }
    }

    /// The format with this number.
    pub fn from_number(number: u32) -> Option<Format> {
        Format::ALL.into_iter().find(|format| u32::from(format.number()) == number)
    }

    /// Whether the format holds exactly one value without its path.
    pub const fn is_single_value(self) -> bool {
        matches!(self, Format::Text | Format::Opaque | Format::Cbor)
    }

    /// Writes `nodes`, all at or below `base`, as the content of `base`.
    ///
    /// # Errors
    /// [`FormatError::NotExpressible`], for example several values in text/plain.
    pub fn encode(self, base: &Path, nodes: &[Node]) -> Result<Vec<u8>, FormatError> {
        let single = || match nodes {
            [Node { value: Some(value), .. }] if base.depth() >= 3 => Ok(value),
            _ => Err(FormatError::NotExpressible),
        };
        match self {
            Format::Text => Ok(text::encode(single()?).into_bytes()),
            Format::Opaque => match single()? {
                Value::Opaque(bytes) => Ok(bytes.clone()),
                _ => Err(FormatError::NotExpressible),
            },
            Format::Cbor => cbor::encode(single()?),
            Format::SenmlJson => senml::encode_json(base, nodes),
            Format::SenmlCbor => senml::encode_cbor(base, nodes),
            Format::Tlv => tlv::encode(base, nodes),
            Format::Json => old_json::encode(base, nodes),
            Format::Lwm2mCbor => lwm2m_cbor::encode(nodes),
        }
    }

    /// Reads content sent to `base`.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] with what was wrong.
    pub fn decode(self, base: &Path, bytes: &[u8], types: Types<'_>) -> Result<Vec<Node>, FormatError> {
        let single = |value: Value| vec![Node { path: base.clone(), value: Some(value), time: None }];
        let data_type = || types(base).unwrap_or(DataType::Opaque);
        match self {
            Format::Text => text::decode(bytes, data_type()).map(single),
            Format::Opaque => Ok(single(Value::Opaque(bytes.to_vec()))),
            Format::Cbor => cbor::decode(bytes, data_type()).map(single),
            Format::SenmlJson => senml::decode_json(bytes, types),
            Format::SenmlCbor => senml::decode_cbor(bytes, types),
            Format::Tlv => tlv::decode(base, bytes, types),
            Format::Json => old_json::decode(base, bytes, types),
            Format::Lwm2mCbor => lwm2m_cbor::decode(bytes, types),
        }
    }
}

#[cfg(test)]
mod tests;
