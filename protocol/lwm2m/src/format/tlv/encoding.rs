//! Writing TLV. The path of the request decides the outermost level (contract 4.2 to 4.4): below an object stand object instances, below
//! an instance or resource its resources, and a resource instance stands for itself.
use super::{Kind, value};
use crate::format::EncodeError;
use crate::format::nodes::grouped;
use crate::{Node, Path, Value};

pub(in crate::format) fn encode(base: Path, nodes: &[Node]) -> Result<Vec<u8>, EncodeError> {
    if let Some(stray) = nodes.iter().find(|node| base.depth() == 0 || !node.path.is_within(&base)) {
        return Err(EncodeError::Path(stray.path));
    }
    let mut body = Vec::with_capacity(nodes.len() * 8);
    let nodes: Vec<&Node> = nodes.iter().collect();
    match base.depth() {
        0 => {}
        1 => {
            for (id, nodes) in grouped(&nodes, 1)? {
                let mut instance = Vec::new();
                resources(&mut instance, &nodes)?;
                write(&mut body, Kind::ObjectInstance, id, &instance);
            }
        }
        2 | 3 => resources(&mut body, &nodes)?,
        _ => resource_instances(&mut body, &nodes)?,
    }
    Ok(body)
}

/// The resources of one object instance, in order of first appearance.
fn resources(body: &mut Vec<u8>, nodes: &[&Node]) -> Result<(), EncodeError> {
    for (id, nodes) in grouped(nodes, 2)? {
        let holds_value = |node: &Node| node.path.depth() == 3 && node.value != Value::Empty;
        let Some(last) = nodes.last().filter(|last| holds_value(last)) else {
            let mut members = Vec::new();
            resource_instances(&mut members, &nodes)?;
            write(body, Kind::MultipleResource, id, &members);
            continue;
        };
        // A repeated resource replaces the earlier one, but it cannot be single and multiple at once.
        if let Some(other) = nodes.iter().find(|node| !holds_value(node)) {
            return Err(EncodeError::Path(other.path));
        }
        write(body, Kind::Resource, id, &value::encode(&last.value).ok_or(EncodeError::Value(last.path))?);
    }
    Ok(())
}

/// The members of one multiple resource; a repeated one replaces the earlier.
fn resource_instances(body: &mut Vec<u8>, nodes: &[&Node]) -> Result<(), EncodeError> {
    for (id, nodes) in grouped(nodes, 3)? {
        if let Some(last) = nodes.last() {
            let bytes = value::encode(&last.value).ok_or(EncodeError::Value(last.path))?;
            write(body, Kind::ResourceInstance, id, &bytes);
        }
    }
    Ok(())
}

/// One TLV with the smallest id and length fields.
fn write(body: &mut Vec<u8>, kind: Kind, id: u16, value: &[u8]) {
    let kind = match kind {
        Kind::ObjectInstance => 0,
        Kind::ResourceInstance => 1,
        Kind::MultipleResource => 2,
        Kind::Resource => 3u8,
    };
    let wide_id = u8::from(id > 0xFF);
    // Longer values than 24 bits can say do not pass the limit on bodies that every caller has.
    let [_, high, middle, low] = u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes();
    let (length_field, length): (u8, &[u8]) = match value.len() {
        0..=7 => (low, &[]),
        8..=0xFF => (1 << 3, &[low]),
        0x100..=0xFFFF => (2 << 3, &[middle, low]),
        _ => (3 << 3, &[high, middle, low]),
    };
    body.push(kind << 6 | wide_id << 5 | length_field);
    body.extend_from_slice(&id.to_be_bytes()[usize::from(1 - wide_id)..]);
    body.extend_from_slice(length);
    body.extend_from_slice(value);
}
