//! OMA TLV (11542), TS Core 1.0 §6.4.3.
//!
//! Where the contract (3.2, 6.1) differs from a strict reading: an Integer may have any length up to 8 bytes, Time is unsigned, what is
//! not UTF-8 in a String is replaced, an empty body is an empty answer, a lone resource in the answer to a resource is that resource
//! whatever id it carries, and several resources there are taken as they are.
mod encoding;
mod value;

pub(super) use encoding::encode;

use super::nodes::Nodes;
use super::{DecodeError, Types, type_of};
use crate::{Node, Path, Value};

/// Kind of a TLV: bits 7–6 of its first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    ObjectInstance,
    ResourceInstance,
    MultipleResource,
    Resource,
}

/// One TLV.
struct Tlv<'a> {
    kind: Kind,
    id: u16,
    value: &'a [u8],
    /// Where its first byte stands in the body.
    offset: usize,
    /// Where its value begins in the body.
    value_offset: usize,
}

/// The TLVs that stand one after the other in a piece of the body.
struct Tlvs<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Tlvs<'a> {
    /// The next one, `None` at the end.
    fn next(&mut self) -> Result<Option<Tlv<'a>>, DecodeError> {
        let offset = self.offset;
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let first = self.take(1, offset)?[0];
        let kind = match first >> 6 {
            0 => Kind::ObjectInstance,
            1 => Kind::ResourceInstance,
            2 => Kind::MultipleResource,
            _ => Kind::Resource,
        };
        let id = self.number(if first & 0x20 == 0 { 1 } else { 2 }, offset)?;
        let length = match (first >> 3) & 3 {
            0 => usize::from(first & 7),
            bytes => self.number(usize::from(bytes), offset)?,
        };
        let value_offset = self.offset;
        let value = self.take(length, offset)?;
        // At most two bytes were read.
        let id = u16::try_from(id).unwrap_or(u16::MAX);
        Ok(Some(Tlv { kind, id, value, offset, value_offset }))
    }

    fn take(&mut self, length: usize, tlv: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.bytes.split_at_checked(length) else {
            let reason = format!("TLV ends {} bytes short", length - self.bytes.len());
            return Err(DecodeError::at_byte(reason, tlv));
        };
        self.bytes = rest;
        self.offset += length;
        Ok(taken)
    }

    fn number(&mut self, length: usize, tlv: usize) -> Result<usize, DecodeError> {
        Ok(self.take(length, tlv)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }
}

impl<'a> Tlv<'a> {
    fn children(&self) -> Tlvs<'a> {
        Tlvs { bytes: self.value, offset: self.value_offset }
    }
    fn error(&self, reason: impl Into<String>) -> DecodeError {
        DecodeError::at_byte(reason, self.offset)
    }
    /// The path one level below `parent`.
    fn path(&self, parent: Path) -> Result<Path, DecodeError> {
        parent.child(self.id).ok_or_else(|| self.error("TLV below a resource instance"))
    }
}

pub(super) fn decode(body: &[u8], base: Path, types: &dyn Types) -> Result<Vec<Node>, DecodeError> {
    let (Some(object), Some(object_path)) = (base.object(), base.object().and_then(|id| Path::ROOT.child(id))) else {
        return Err(DecodeError::new("TLV holds one object and the request names none", "content format"));
    };
    // The contract lets some answers name neighbours of what was asked for, so only the object binds.
    let mut reading = Reading { types, nodes: Nodes::within(object_path) };
    let mut tlvs = Tlvs { bytes: body, offset: 0 };
    let Some(first) = tlvs.next()? else { return Ok(Vec::new()) };
    let instance = base.instance().and_then(|id| Path::from_ids(&[object, id]));
    match first.kind {
        Kind::ObjectInstance => reading.instances(first, tlvs, base, object_path)?,
        Kind::Resource | Kind::MultipleResource => {
            let parent =
                instance.ok_or_else(|| first.error("resource without an instance in the answer to an object"))?;
            let alone = tlvs.bytes.is_empty() && first.kind == Kind::Resource;
            if let (true, Some(resource)) = (alone, base.resource()) {
                let path = parent.child(resource).unwrap_or(base);
                reading.value(&first, path)?;
            } else {
                reading.resources(Some(first), tlvs, parent)?;
            }
        }
        Kind::ResourceInstance => {
            let parent = base.resource().and_then(|resource| instance?.child(resource));
            let parent = parent.ok_or_else(|| first.error("resource instance without a resource"))?;
            reading.resource_instances(Some(first), tlvs, parent)?;
        }
    }
    reading.nodes.finish()
}

struct Reading<'t> {
    types: &'t dyn Types,
    nodes: Nodes,
}

impl Reading<'_> {
    fn instances(&mut self, first: Tlv<'_>, mut rest: Tlvs<'_>, base: Path, object: Path) -> Result<(), DecodeError> {
        // Ids of the instances so far; the values in one that comes twice may well differ.
        let mut seen = std::collections::HashSet::new();
        let mut next = Some(first);
        while let Some(tlv) = next {
            if tlv.kind != Kind::ObjectInstance {
                return Err(tlv.error(format!("{:?} beside an object instance", tlv.kind)));
            }
            let path = tlv.path(object)?;
            if base.instance().is_some_and(|asked| asked != tlv.id) {
                return Err(tlv.error(format!("{path} in the answer to {base}")));
            }
            if !seen.insert(tlv.id) {
                return Err(tlv.error(format!("{path} twice")));
            }
            if tlv.value.is_empty() {
                self.push(&tlv, Node::new(path, Value::Empty))?;
            }
            self.resources(None, tlv.children(), path)?;
            next = rest.next()?;
        }
        Ok(())
    }

    fn resources(&mut self, first: Option<Tlv<'_>>, mut rest: Tlvs<'_>, instance: Path) -> Result<(), DecodeError> {
        let mut next = match first {
            Some(first) => Some(first),
            None => rest.next()?,
        };
        while let Some(tlv) = next {
            let path = tlv.path(instance)?;
            match tlv.kind {
                Kind::Resource => self.value(&tlv, path)?,
                Kind::MultipleResource if tlv.value.is_empty() => self.push(&tlv, Node::new(path, Value::Empty))?,
                Kind::MultipleResource => self.resource_instances(None, tlv.children(), path)?,
                other => return Err(tlv.error(format!("{other:?} inside an object instance"))),
            }
            next = rest.next()?;
        }
        Ok(())
    }

    fn resource_instances(
        &mut self,
        first: Option<Tlv<'_>>,
        mut rest: Tlvs<'_>,
        resource: Path,
    ) -> Result<(), DecodeError> {
        let mut next = match first {
            Some(first) => Some(first),
            None => rest.next()?,
        };
        while let Some(tlv) = next {
            if tlv.kind != Kind::ResourceInstance {
                return Err(tlv.error(format!("{:?} inside a multiple resource", tlv.kind)));
            }
            self.value(&tlv, tlv.path(resource)?)?;
            next = rest.next()?;
        }
        Ok(())
    }

    fn value(&mut self, tlv: &Tlv<'_>, path: Path) -> Result<(), DecodeError> {
        let value = value::decode(type_of(&path, self.types), tlv.value);
        let value = value.map_err(|reason| tlv.error(format!("{path}: {reason}")))?;
        self.push(tlv, Node::new(path, value))
    }

    fn push(&mut self, tlv: &Tlv<'_>, node: Node) -> Result<(), DecodeError> {
        self.nodes.push(node).map_err(|reason| tlv.error(reason))
    }
}
