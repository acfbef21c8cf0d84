//! LwM2M CBOR (OMA TS Core 1.2 §7.4.7): nested maps keyed by ids from the object down.

use super::cbor::{from_cbor, integer, read, to_cbor, write};
use super::{FormatError, Node, Types};
use crate::path::Path;
use ciborium::Value as Cbor;

pub(super) fn encode(nodes: &[Node]) -> Result<Vec<u8>, FormatError> {
    let mut root = Vec::new();
    for node in nodes {
        let Some((last, above)) = node.path.ids().split_last() else { return Err(FormatError::NotExpressible) };
        let mut level = &mut root;
        for id in above {
            level = descend(level, *id)?;
        }
        level.push((integer(i64::from(*last)), node.value.as_ref().map_or(Cbor::Null, to_cbor)));
    }
    write(&Cbor::Map(root))
}

fn descend(level: &mut Vec<(Cbor, Cbor)>, id: u16) -> Result<&mut Vec<(Cbor, Cbor)>, FormatError> {
    let key = integer(i64::from(id));
    let index = match level.iter().position(|(existing, _)| *existing == key) {
        Some(index) => index,
        None => {
            level.push((key, Cbor::Map(Vec::new())));
            level.len() - 1
        }
    };
    level[index].1.as_map_mut().ok_or(FormatError::NotExpressible)
}

pub(super) fn decode(bytes: &[u8], types: Types<'_>) -> Result<Vec<Node>, FormatError> {
    let mut nodes = Vec::new();
    collect(&mut nodes, &Path::root(), &read(bytes)?, types)?;
    Ok(nodes)
}

fn collect(nodes: &mut Vec<Node>, base: &Path, cbor: &Cbor, types: Types<'_>) -> Result<(), FormatError> {
    let wrong = FormatError::Malformed("key is not an id or an array of ids");
    match cbor {
        Cbor::Map(entries) => {
            for (key, value) in entries {
                let ids = match key {
                    Cbor::Array(ids) => ids.as_slice(),
                    id => std::slice::from_ref(id),
                };
                let mut path = base.clone();
                for id in ids {
                    let id = id.as_integer().and_then(|id| u16::try_from(id).ok()).ok_or(wrong.clone())?;
                    path = path.child(id);
                }
                if path.depth() > 4 {
                    return Err(wrong);
                }
                collect(nodes, &path, value, types)?;
            }
        }
        Cbor::Null => nodes.push(Node { path: base.clone(), value: None, time: None }),
        leaf => {
            let value = from_cbor(leaf, types(&base.prefix(3)))?;
            nodes.push(Node { path: base.clone(), value: Some(value), time: None });
        }
    }
    Ok(())
}
