//! The values of one body as they are collected, what must hold for all of them, and how they are arranged by level to be written.
use super::{DecodeError, EncodeError};
use crate::{Node, Path, Value};
use std::collections::HashMap;

/// No body of a real device comes near; it bounds the memory that a hostile one can take.
pub(super) const MAX_NODES: usize = 65_536;

/// Collects decoded nodes.
pub(super) struct Nodes {
    base: Path,
    nodes: Vec<Node>,
}

impl Nodes {
    /// Nothing yet; paths must lie within `base`.
    pub(super) fn within(base: Path) -> Nodes {
        Nodes { base, nodes: Vec::new() }
    }

    /// Adds one; the error is a reason without place.
    pub(super) fn push(&mut self, node: Node) -> Result<(), String> {
        let path = &node.path;
        if !path.is_within(&self.base) {
            return Err(format!("{path} is outside the requested {}", self.base));
        }
        if path.instance() == Some(u16::MAX) {
            return Err(format!("{path}: object instance id 65535 is reserved"));
        }
        if path.depth() < 3 && !matches!(node.value, Value::Absent | Value::Empty) {
            return Err(format!("{path} is not a resource and cannot have a value"));
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(format!("more than {MAX_NODES} values"));
        }
        self.nodes.push(node);
        Ok(())
    }

    /// All of them, if none came twice.
    pub(super) fn finish(self) -> Result<Vec<Node>, DecodeError> {
        let nodes = self.nodes;
        // Nearly every body is in order.
        if nodes.windows(2).all(|pair| pair[0].path < pair[1].path) {
            return Ok(nodes);
        }
        let key = |index: &u32| {
            let node = &nodes[*index as usize];
            (node.path, node.time.map(f64::to_bits))
        };
        let mut order: Vec<u32> = (0u32..).take(nodes.len()).collect();
        order.sort_unstable_by_key(key);
        match order.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
            None => Ok(nodes),
            Some(pair) => Err(DecodeError::new("the same path twice", nodes[pair[0] as usize].path)),
        }
    }
}

/// Nodes by their id at one level, in order of first appearance. A node that ends above the level names an empty container, which is
/// written by having no members.
pub(super) fn grouped<'a>(nodes: &[&'a Node], level: usize) -> Result<Vec<(u16, Vec<&'a Node>)>, EncodeError> {
    let mut groups: Vec<(u16, Vec<&Node>)> = Vec::new();
    let mut places: HashMap<u16, usize> = HashMap::new();
    for node in nodes {
        let Some(id) = node.path.ids().get(level).copied() else {
            if node.value == Value::Empty {
                continue;
            }
            return Err(EncodeError::Path(node.path));
        };
        if let Some((_, group)) = groups.last_mut().filter(|(last, _)| *last == id) {
            group.push(node);
            continue;
        }
        let place = *places.entry(id).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, group)) => group.push(node),
            None => groups.push((id, vec![node])),
        }
    }
    Ok(groups)
}
