//! OMA TLV (OMA TS Core 7.4.3).

use super::{FormatError, Node, Types};
use crate::path::Path;
use crate::value::{DataType, Value};

const INSTANCE: u8 = 0b00;
const RESOURCE_INSTANCE: u8 = 0b01;
const MULTIPLE: u8 = 0b10;
const RESOURCE: u8 = 0b11;

pub(super) fn encode(base: &Path, nodes: &[Node]) -> Result<Vec<u8>, FormatError> {
    if base.depth() == 0 {
        return Err(FormatError::NotExpressible);
    }
    let mut out = Vec::new();
    match base.depth() {
        1 => {
            for (instance, nodes) in groups(nodes, 1) {
                let mut body = Vec::new();
                resources(&mut body, nodes)?;
                entry(&mut out, INSTANCE, instance, &body);
            }
        }
        2 | 3 => resources(&mut out, nodes)?,
        _ => {
            for node in nodes {
                let id = node.path.id(3).ok_or(FormatError::NotExpressible)?;
                entry(&mut out, RESOURCE_INSTANCE, id, &value_bytes(node)?);
            }
        }
    }
    Ok(out)
}

fn resources(out: &mut Vec<u8>, nodes: &[Node]) -> Result<(), FormatError> {
    for (resource, group) in groups(nodes, 2) {
        if let [node] = group
            && node.path.depth() == 3
        {
            entry(out, RESOURCE, resource, &value_bytes(node)?);
            continue;
        }
        let mut body = Vec::new();
        for node in group {
            let id = node.path.id(3).ok_or(FormatError::NotExpressible)?;
            entry(&mut body, RESOURCE_INSTANCE, id, &value_bytes(node)?);
        }
        entry(out, MULTIPLE, resource, &body);
    }
    Ok(())
}

/// Runs of neighbours that share the id at `level`.
fn groups(nodes: &[Node], level: usize) -> impl Iterator<Item = (u16, &[Node])> {
    nodes
        .chunk_by(move |a, b| a.path.id(level) == b.path.id(level))
        .filter_map(move |group| Some((group.first()?.path.id(level)?, group)))
}

fn entry(out: &mut Vec<u8>, kind: u8, id: u16, body: &[u8]) {
    let wide = u8::from(id > 255);
    let (length_bits, length_width) = match body.len() {
        length @ 0..8 => (length as u8, 0),
        8..256 => (0b01 << 3, 1),
        256..65_536 => (0b10 << 3, 2),
        _ => (0b11 << 3, 3),
    };
    out.push(kind << 6 | wide << 5 | length_bits);
    out.extend_from_slice(&id.to_be_bytes()[usize::from(1 - wide)..]);
    out.extend_from_slice(&(body.len() as u32).to_be_bytes()[4 - length_width..]);
    out.extend_from_slice(body);
}

fn value_bytes(node: &Node) -> Result<Vec<u8>, FormatError> {
    Ok(match node.value.as_ref().ok_or(FormatError::NotExpressible)? {
        Value::String(text) | Value::Corelnk(text) => text.clone().into_bytes(),
        Value::Integer(number) | Value::Time(number) => signed(*number),
        Value::Unsigned(number) => match *number {
            n @ 0..=0xff => vec![n as u8],
            n @ 0x100..=0xffff => (n as u16).to_be_bytes().to_vec(),
            n @ 0x1_0000..=0xffff_ffff => (n as u32).to_be_bytes().to_vec(),
            n => n.to_be_bytes().to_vec(),
        },
        Value::Float(number) => number.to_be_bytes().to_vec(),
        Value::Float32(number) => number.to_be_bytes().to_vec(),
        Value::Boolean(truth) => vec![u8::from(*truth)],
        Value::Opaque(bytes) => bytes.clone(),
        Value::Objlnk(object, instance) => [object.to_be_bytes(), instance.to_be_bytes()].concat(),
    })
}

fn signed(number: i64) -> Vec<u8> {
    if let Ok(number) = i8::try_from(number) {
        number.to_be_bytes().to_vec()
    } else if let Ok(number) = i16::try_from(number) {
        number.to_be_bytes().to_vec()
    } else if let Ok(number) = i32::try_from(number) {
        number.to_be_bytes().to_vec()
    } else {
        number.to_be_bytes().to_vec()
    }
}

pub(super) fn decode(base: &Path, bytes: &[u8], types: Types<'_>) -> Result<Vec<Node>, FormatError> {
    let mut nodes = Vec::new();
    let instance_base = base.prefix(2);
    for (kind, id, body) in Entries(bytes).collect::<Result<Vec<_>, _>>()? {
        match kind {
            INSTANCE if base.depth() >= 1 => {
                let path = base.prefix(1).child(id);
                for (kind, id, body) in Entries(body).collect::<Result<Vec<_>, _>>()? {
                    resource(&mut nodes, kind, path.child(id), body, types)?;
                }
            }
            RESOURCE_INSTANCE if base.depth() >= 3 => {
                let path = base.prefix(3).child(id);
                nodes.push(leaf(path, body, types)?);
            }
            RESOURCE | MULTIPLE if base.depth() >= 2 => {
                resource(&mut nodes, kind, instance_base.child(id), body, types)?;
            }
            // A Create without instance id: the instance is chosen by the device, which knows it as `base`'s child 65535.
            RESOURCE | MULTIPLE if base.depth() == 1 => {
                resource(&mut nodes, kind, base.child(u16::MAX).child(id), body, types)?;
            }
            _ => return Err(FormatError::Malformed("TLV kind does not fit the path")),
        }
    }
    Ok(nodes)
}

fn resource(nodes: &mut Vec<Node>, kind: u8, path: Path, body: &[u8], types: Types<'_>) -> Result<(), FormatError> {
    match kind {
        RESOURCE => nodes.push(leaf(path, body, types)?),
        MULTIPLE => {
            for entry in Entries(body) {
                let (RESOURCE_INSTANCE, id, body) = entry? else {
                    return Err(FormatError::Malformed("multiple resource holds something else than instances"));
                };
                nodes.push(leaf(path.child(id), body, types)?);
            }
        }
        _ => return Err(FormatError::Malformed("object instance holds something else than resources")),
    }
    Ok(())
}

fn leaf(path: Path, body: &[u8], types: Types<'_>) -> Result<Node, FormatError> {
    let value = value(body, types(&path.prefix(3)).unwrap_or(DataType::Opaque))?;
    Ok(Node { path, value: Some(value), time: None })
}

fn value(body: &[u8], data_type: DataType) -> Result<Value, FormatError> {
    let wrong = || FormatError::Malformed("TLV length does not fit the data type");
    let text = || String::from_utf8(body.to_vec()).map_err(|_| FormatError::Malformed("string is not UTF-8"));
    let integer = || match *body {
        [a] => Ok(i64::from(i8::from_be_bytes([a]))),
        [a, b] => Ok(i64::from(i16::from_be_bytes([a, b]))),
        [a, b, c, d] => Ok(i64::from(i32::from_be_bytes([a, b, c, d]))),
        [a, b, c, d, e, f, g, h] => Ok(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => Err(wrong()),
    };
    Ok(match data_type {
        DataType::String => Value::String(text()?),
        DataType::Corelnk => Value::Corelnk(text()?),
        DataType::Integer => Value::Integer(integer()?),
        DataType::Time => Value::Time(integer()?),
        DataType::Unsigned => match body.len() {
            1 | 2 | 4 | 8 => Value::Unsigned(body.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
            _ => return Err(wrong()),
        },
        DataType::Float => match *body {
            [a, b, c, d] => Value::Float32(f32::from_be_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => Value::Float(f64::from_be_bytes([a, b, c, d, e, f, g, h])),
            _ => return Err(wrong()),
        },
        DataType::Boolean => match *body {
            [byte @ (0 | 1)] => Value::Boolean(byte == 1),
            _ => return Err(wrong()),
        },
        DataType::Opaque => Value::Opaque(body.to_vec()),
        DataType::Objlnk => match *body {
            [a, b, c, d] => Value::Objlnk(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
            _ => return Err(wrong()),
        },
    })
}

/// The entries of one TLV level: kind, id, body.
struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(u8, u16, &'a [u8]), FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, mut rest) = self.0.split_first()?;
        let mut take = |count: usize| -> Option<usize> {
            let (taken, tail) = rest.split_at_checked(count)?;
            rest = tail;
            Some(taken.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
        };
        let id = take(1 + usize::from(head >> 5 & 1));
        let length = match head >> 3 & 3 {
            0 => Some(usize::from(head & 7)),
            width => take(usize::from(width)),
        };
        let entry = id.zip(length).and_then(|(id, length)| {
            let (body, tail) = rest.split_at_checked(length)?;
            rest = tail;
            Some((head >> 6, id as u16, body))
        });
        // After an error the iteration ends: what follows cannot be aligned.
        self.0 = if entry.is_some() { rest } else { &[] };
        Some(entry.ok_or(FormatError::Malformed("TLV ends too early")))
    }
}
