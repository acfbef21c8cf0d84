//! application/octet-stream (42): the bytes of one value.
//!
//! As the contract (6) wants it, no definition is needed and none is asked: whatever path was read, its bytes are one value.
use super::{DecodeError, EncodeError, single};
use crate::{Node, Path, Value};

pub(super) fn decode(body: &[u8], base: Path) -> Result<Vec<Node>, DecodeError> {
    if base.depth() == 0 {
        return Err(DecodeError::new("octet-stream holds one value and the request names none", "content format"));
    }
    Ok(vec![Node::new(base, Value::Opaque(body.to_vec()))])
}

pub(super) fn encode(base: Path, nodes: &[Node]) -> Result<Vec<u8>, EncodeError> {
    let node = single(base, nodes)?;
    match &node.value {
        Value::Opaque(bytes) | Value::Untyped(bytes) => Ok(bytes.clone()),
        _ => Err(EncodeError::Value(node.path)),
    }
}
