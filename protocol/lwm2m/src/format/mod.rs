//! Content formats (TS Core §7.4): one module each, and the choice between them.
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
    pub fn from_number(_number: u16) -> Option<ContentFormat> {
        todo!()
    }
    /// CoAP number.
    pub fn number(self) -> u16 {
        todo!()
    }
}

/// Decodes a body. `base` is the path of the request (root for composites and Send); `now_unix` resolves relative times.
/// Untypable values become [`crate::Value::Untyped`]. Paths in the result are absolute, without the alternate root.
pub fn decode(
    _format: ContentFormat,
    _body: &[u8],
    _base: Path,
    _types: &dyn Types,
    _now_unix: f64,
) -> Result<Vec<Node>, DecodeError> {
    todo!()
}

/// Encodes nodes as the body of a request to `base`.
pub fn encode(_format: ContentFormat, _base: Path, _nodes: &[Node]) -> Result<Vec<u8>, EncodeError> {
    todo!()
}
