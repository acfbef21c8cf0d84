//! Content formats (TS Core §7.4): one module each, and the choice between them.
//!
//! Decoding follows the gateway's contract (chapter 6) where it is more liberal than the specification: devices in the field are
//! understood rather than corrected. Each module says where.
mod cbor;
pub mod choice;
mod json;
mod json_scalar;
mod lwm2m_cbor;
mod nodes;
mod opaque;
mod senml;
mod senml_cbor;
mod senml_json;
mod text;
mod tlv;
mod typed;

use crate::link::Version;
use crate::{Node, Path, ResourceType};

/// The content formats of LwM2M by their CoAP numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the names are the registered ones")]
pub enum ContentFormat {
    Text,
    Link,
    Opaque,
    Cbor,
    SenmlJson,
    SenmlCbor,
    SenmlEtchJson,
    SenmlEtchCbor,
    Tlv,
    Json,
    Lwm2mCbor,
}

/// Tells the type of resources: the view of one device on the object catalog.
pub trait Types {
    /// Type of a resource, `None` if no definition is known.
    fn resource_type(&self, object: u16, resource: u16) -> Option<ResourceType>;
    /// Whether the resource may have several instances, `None` if no definition is known.
    fn is_multiple(&self, object: u16, resource: u16) -> Option<bool>;
    /// LwM2M version that the device registered with: what Opaque means in text/plain depends on it.
    fn enabler(&self) -> Version {
        Version::new(1, 0)
    }
}

/// Why a body cannot be decoded. Each names the place: a byte offset or a member.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason} at {place}")]
pub struct DecodeError {
    /// What is wrong, in words.
    pub reason: String,
    /// Byte offset, record number or member name.
    pub place: String,
}

/// Longest reason in characters: reasons quote the body, and they go to logs and into answers.
const LONGEST_REASON: usize = 120;

impl DecodeError {
    fn new(reason: impl Into<String>, place: impl std::fmt::Display) -> DecodeError {
        let mut reason = reason.into();
        if let Some((end, _)) = reason.char_indices().nth(LONGEST_REASON) {
            reason.truncate(end);
            reason.push('…');
        }
        DecodeError { reason, place: place.to_string() }
    }
    fn at_byte(reason: impl Into<String>, offset: usize) -> DecodeError {
        DecodeError::new(reason, format_args!("byte {offset}"))
    }
}

/// Why nodes cannot be encoded in a format.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// The format holds exactly one value and there are none or several, or the path is not a resource.
    #[error("format holds exactly one resource value")]
    NotSingle,
    /// The value cannot be expressed (non-finite float in JSON, say).
    #[error("{0}: value has no form in this format")]
    Value(Path),
    /// A path is not within the base of the request, or too shallow to carry a value.
    #[error("{0}: path does not fit the request")]
    Path(Path),
}

impl ContentFormat {
    /// By CoAP number; the pre-standard 1541–1543 are understood.
    pub fn from_number(number: u16) -> Option<ContentFormat> {
        Some(match number {
            0 | 1541 => ContentFormat::Text,
            40 => ContentFormat::Link,
            42 => ContentFormat::Opaque,
            60 => ContentFormat::Cbor,
            110 => ContentFormat::SenmlJson,
            112 => ContentFormat::SenmlCbor,
            320 => ContentFormat::SenmlEtchJson,
            322 => ContentFormat::SenmlEtchCbor,
            11542 | 1542 => ContentFormat::Tlv,
            11543 | 1543 => ContentFormat::Json,
            11544 => ContentFormat::Lwm2mCbor,
            _ => return None,
        })
    }
    /// CoAP number.
    pub fn number(self) -> u16 {
        match self {
            ContentFormat::Text => 0,
            ContentFormat::Link => 40,
            ContentFormat::Opaque => 42,
            ContentFormat::Cbor => 60,
            ContentFormat::SenmlJson => 110,
            ContentFormat::SenmlCbor => 112,
            ContentFormat::SenmlEtchJson => 320,
            ContentFormat::SenmlEtchCbor => 322,
            ContentFormat::Tlv => 11542,
            ContentFormat::Json => 11543,
            ContentFormat::Lwm2mCbor => 11544,
        }
    }
}

/// Decodes a body. `base` is the path of the request (root for composites and Send); `now_unix` resolves relative times.
/// Untypable values become [`crate::Value::Untyped`]. Paths in the result are absolute, without the alternate root.
/// The order is that of the body.
///
/// # Errors
/// A malformed body, a value that its resource cannot have, a path outside `base`, one path twice for one time, more than 65,536
/// values; link-format, which holds no values.
pub fn decode(
    format: ContentFormat,
    body: &[u8],
    base: Path,
    types: &dyn Types,
    now_unix: f64,
) -> Result<Vec<Node>, DecodeError> {
    match format {
        ContentFormat::Text => text::decode(body, base, types),
        ContentFormat::Opaque => opaque::decode(body, base),
        ContentFormat::Tlv => tlv::decode(body, base, types),
        ContentFormat::Json => json::decode(body, base, types, now_unix),
        ContentFormat::Cbor => cbor::decode(body, base, types),
        ContentFormat::SenmlJson => senml_json::decode(body, base, types, now_unix, false),
        ContentFormat::SenmlEtchJson => senml_json::decode(body, base, types, now_unix, true),
        ContentFormat::SenmlCbor => senml_cbor::decode(body, base, types, now_unix, false),
        ContentFormat::SenmlEtchCbor => senml_cbor::decode(body, base, types, now_unix, true),
        ContentFormat::Lwm2mCbor => lwm2m_cbor::decode(body, base, types),
        ContentFormat::Link => Err(DecodeError::new("link-format holds no values", "content format")),
    }
}

/// Encodes nodes as the body of a request to `base`, as the newest enabler has it.
///
/// # Errors
/// See [`EncodeError`]; link-format holds no values, so nothing can be encoded in it.
pub fn encode(format: ContentFormat, base: Path, nodes: &[Node]) -> Result<Vec<u8>, EncodeError> {
    encode_for(Version::new(1, 2), format, base, nodes)
}

/// As [`encode`], for a device of this enabler: up to 1.1 a Time in CBOR is tagged as one, from 1.2 on it may be a bare number.
///
/// # Errors
/// As [`encode`].
pub fn encode_for(enabler: Version, format: ContentFormat, base: Path, nodes: &[Node]) -> Result<Vec<u8>, EncodeError> {
    match format {
        ContentFormat::Text => text::encode(base, nodes),
        ContentFormat::Opaque => opaque::encode(base, nodes),
        ContentFormat::Tlv => tlv::encode(base, nodes),
        ContentFormat::Json => json::encode(base, nodes),
        ContentFormat::Cbor => cbor::encode(base, nodes, enabler < Version::new(1, 2)),
        ContentFormat::SenmlJson => senml_json::encode(base, nodes, false),
        ContentFormat::SenmlEtchJson => senml_json::encode(base, nodes, true),
        ContentFormat::SenmlCbor => senml_cbor::encode(base, nodes, false),
        ContentFormat::SenmlEtchCbor => senml_cbor::encode(base, nodes, true),
        ContentFormat::Lwm2mCbor => lwm2m_cbor::encode(base, nodes),
        ContentFormat::Link => Err(EncodeError::NotSingle),
    }
}

/// The value of a format that holds one: exactly one node, and it is what the request names.
fn single(base: Path, nodes: &[Node]) -> Result<&Node, EncodeError> {
    match nodes {
        [node] if node.path == base && base.depth() >= 3 => Ok(node),
        _ => Err(EncodeError::NotSingle),
    }
}

/// Type of the resource that a path of three or four segments names.
fn type_of(path: &Path, types: &dyn Types) -> Option<ResourceType> {
    let known = types.resource_type(path.object()?, path.resource()?);
    known.filter(|resource_type| *resource_type != ResourceType::None)
}
