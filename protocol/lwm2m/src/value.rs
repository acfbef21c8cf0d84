//! Values and their types (TS Core appendix C).
use crate::Path;

/// Data type of a resource, as object definitions name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum ResourceType {
    String,
    Integer,
    Unsigned,
    Float,
    Boolean,
    Opaque,
    Time,
    ObjectLink,
    CoreLink,
    /// Executable resources have no type.
    None,
}

/// One value.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Value {
    /// UTF-8 text.
    String(String),
    /// Signed 64 bit.
    Integer(i64),
    /// Unsigned 64 bit.
    Unsigned(u64),
    /// IEEE 754 double. A 32-bit float from the wire becomes the double nearest to its shortest decimal (20.02f32 → 20.02).
    Float(f64),
    /// Boolean.
    Boolean(bool),
    /// Bytes.
    Opaque(Vec<u8>),
    /// Unix seconds.
    Time(i64),
    /// Object link `object:instance`; 65535:65535 is the null link.
    ObjectLink(u16, u16),
    /// CoRE link format text.
    CoreLink(String),
    /// Bytes (TLV) or text (text/plain) whose type no definition tells.
    Untyped(Vec<u8>),
    /// A name without a value (composite requests; `null`).
    Absent,
    /// Present but empty: an object, instance or multiple resource without members; the node's path tells which.
    Empty,
}

/// One element of a decoded or to-be-encoded body.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Node {
    /// Where, absolute.
    pub path: Path,
    /// What.
    pub value: Value,
    /// When, absolute Unix seconds, if the value carries its own time.
    pub time: Option<f64>,
}

impl Node {
    /// A value without a time of its own.
    pub fn new(path: Path, value: Value) -> Node {
        Node { path, value, time: None }
    }
}
