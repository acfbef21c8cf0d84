//! LwM2M CBOR (11544, TS Core 1.2 §7.4.6): maps of maps by id, from the object down. A key may be an array of ids, which skips levels.
use super::cbor::{self, Members, broken, fault, kind};
use super::nodes::{Nodes, grouped};
use super::typed::Number;
use super::{DecodeError, EncodeError, Types, type_of};
use crate::{Node, Path, Value};
use minicbor::Decoder;
use minicbor::data::Type;
use minicbor::encode::{Encoder, Error};
use std::convert::Infallible;

pub(super) fn decode(body: &[u8], base: Path, types: &dyn Types) -> Result<Vec<Node>, DecodeError> {
    let mut decoder = Decoder::new(body);
    let mut reading = Reading { types, nodes: Nodes::within(base), names_alone: base.depth() == 0 };
    reading.map(&mut decoder, Path::ROOT)?;
    cbor::end(&decoder)?;
    reading.nodes.finish()
}

struct Reading<'t> {
    types: &'t dyn Types,
    nodes: Nodes,
    /// Null leaves are names without values: composite requests, whose path is the root.
    names_alone: bool,
}

impl Reading<'_> {
    /// Each key leads at least one level down, so four levels of paths bound the recursion.
    fn map(&mut self, decoder: &mut Decoder<'_>, above: Path) -> Result<(), DecodeError> {
        let start = decoder.position();
        if !matches!(kind(decoder)?, Type::Map | Type::MapIndef) {
            return Err(fault(decoder, "not a map"));
        }
        let mut members = Members::of(decoder.map().map_err(|error| broken(decoder, &error))?);
        let mut is_empty = true;
        while members.more(decoder)? {
            is_empty = false;
            let path = key(decoder, above)?;
            if matches!(kind(decoder)?, Type::Map | Type::MapIndef) {
                self.map(decoder, path)?;
            } else {
                self.leaf(decoder, path)?;
            }
        }
        if is_empty && above.depth() > 0 {
            let node = Node::new(above, Value::Empty);
            self.nodes.push(node).map_err(|reason| DecodeError::at_byte(reason, start))?;
        }
        Ok(())
    }

    fn leaf(&mut self, decoder: &mut Decoder<'_>, path: Path) -> Result<(), DecodeError> {
        let start = decoder.position();
        let value = match cbor::item(decoder)? {
            cbor::Item::Null if self.names_alone => Ok(Value::Absent),
            item => cbor::value(type_of(&path, self.types), item).map_err(|reason| format!("{path}: {reason}")),
        };
        let pushed = value.and_then(|value| self.nodes.push(Node::new(path, value)));
        pushed.map_err(|reason| DecodeError::at_byte(reason, start))
    }
}

/// Reads a key and appends its ids to the path above.
fn key(decoder: &mut Decoder<'_>, above: Path) -> Result<Path, DecodeError> {
    let start = decoder.position();
    if !matches!(kind(decoder)?, Type::Array | Type::ArrayIndef) {
        return id(decoder, above);
    }
    let mut members = Members::of(decoder.array().map_err(|error| broken(decoder, &error))?);
    let mut path = above;
    while members.more(decoder)? {
        path = id(decoder, path)?;
    }
    if path == above { Err(DecodeError::at_byte("key without an id", start)) } else { Ok(path) }
}

fn id(decoder: &mut Decoder<'_>, above: Path) -> Result<Path, DecodeError> {
    let start = decoder.position();
    let wrong = |reason: &str| DecodeError::at_byte(reason, start);
    let cbor::Item::Number(Number::Integer(id)) = cbor::item(decoder)? else {
        return Err(wrong("key is not an id"));
    };
    let id = u16::try_from(id).map_err(|_| wrong("id is not in 0 to 65535"))?;
    above.child(id).ok_or_else(|| wrong("path has more than 4 levels"))
}

/// Writes nested maps with absolute paths, which every reader understands, in order of first appearance. The format has no times.
pub(super) fn encode(base: Path, nodes: &[Node]) -> Result<Vec<u8>, EncodeError> {
    for node in nodes {
        let named = matches!(node.value, Value::Absent | Value::Empty) && node.path.depth() > 0;
        if !node.path.is_within(&base) || node.path.depth() < 3 && !named {
            return Err(EncodeError::Path(node.path));
        }
        if node.time.is_some() || node.value == Value::Absent && base.depth() > 0 {
            return Err(EncodeError::Value(node.path));
        }
        cbor::check(node)?;
    }
    let nodes: Vec<&Node> = nodes.iter().collect();
    let tree = members(&nodes, 0)?;
    Ok(cbor::written(|encoder| write(encoder, &tree)))
}

/// What stands under an id.
enum Tree<'a> {
    Value(&'a Value),
    Map(Vec<(u16, Tree<'a>)>),
}

/// The members of one map; a repeated path replaces the earlier.
fn members<'a>(nodes: &[&'a Node], level: usize) -> Result<Vec<(u16, Tree<'a>)>, EncodeError> {
    let mut members = Vec::new();
    for (id, nodes) in grouped(nodes, level)? {
        let ends_here = nodes.iter().all(|node| node.path.depth() == level + 1);
        let tree = match nodes.last().filter(|_| ends_here) {
            Some(last) => Tree::Value(&last.value),
            None => Tree::Map(self::members(&nodes, level + 1)?),
        };
        members.push((id, tree));
    }
    Ok(members)
}

fn write(encoder: &mut Encoder<Vec<u8>>, members: &[(u16, Tree<'_>)]) -> Result<(), Error<Infallible>> {
    encoder.map(members.len() as u64)?;
    for (id, tree) in members {
        encoder.u16(*id)?;
        match tree {
            Tree::Value(value) => cbor::write(encoder, value)?,
            Tree::Map(members) => write(encoder, members)?,
        }
    }
    Ok(())
}
