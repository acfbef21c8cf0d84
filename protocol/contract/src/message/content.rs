//! `content`: decoded values as JSON (contract 3.2 and chapter 6, extensions §4 and §8).
use crate::json;
use lwm2m::format::Types;
use lwm2m::session::Content;
use lwm2m::{Node, Path, Value};

/// How values without a known type are treated (`lwm2m.unknown_objects`), and who knows types.
#[derive(Clone, Copy)]
pub(super) struct Unknown<'a> {
    /// Passed on as base64 and marked.
    pub(super) raw: bool,
    /// To mark values of self-describing formats too.
    pub(super) types: Option<&'a dyn Types>,
}

/// The one path of a request that was not written as we write paths: a value of exactly that path bears it as it was sent.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) json: &'a str,
    pub(super) path: Option<Path>,
}

/// Stands for the path where a request has several.
pub(super) const ROOT: &str = "\"/\"";

/// Why there is no content to show: the answer becomes 4.00.
pub(super) enum Fault {
    /// No definition tells the type at this path.
    Untyped(Path),
    /// Not what the operation asked for.
    Misplaced(&'static str),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Untyped(path) => write!(f, "undecodable: no definition for {path}"),
            Fault::Misplaced(what) => write!(f, "undecodable: {what}"),
        }
    }
}

/// Writes the array for any body but none.
pub(super) fn write(
    out: &mut Vec<u8>,
    content: &Content,
    discover: bool,
    sent: Sent<'_>,
    unknown: Unknown<'_>,
) -> Result<(), Fault> {
    match content {
        Content::None => Ok(()),
        Content::Links(_) if !discover => Err(Fault::Misplaced("links where values belong")),
        Content::Nodes(_) | Content::Bytes(_) if discover => Err(Fault::Misplaced("values where links belong")),
        Content::Nodes(list) => nodes(out, list, sent, unknown),
        Content::Bytes(bytes) => {
            out.extend_from_slice(b"[{\"path\":");
            out.extend_from_slice(sent.json.as_bytes());
            out.extend_from_slice(b",\"value\":");
            json::base64(out, bytes);
            out.extend_from_slice(b"}]");
            Ok(())
        }
        Content::Links(links) => {
            out.push(b'[');
            for link in links {
                json::comma(out);
                json::string(out, link);
            }
            out.push(b']');
            Ok(())
        }
    }
}

/// Writes the array for decoded nodes.
pub(super) fn nodes(out: &mut Vec<u8>, nodes: &[Node], sent: Sent<'_>, unknown: Unknown<'_>) -> Result<(), Fault> {
    out.push(b'[');
    if is_history(nodes) {
        // several times for one path: oldest first, what has no time is of now
        let mut order: Vec<&Node> = nodes.iter().collect();
        let time = |node: &Node| node.time.unwrap_or(f64::INFINITY);
        order.sort_by(|a, b| time(a).total_cmp(&time(b)));
        order.into_iter().try_for_each(|node| element(out, node, sent, unknown))?;
    } else {
        nodes.iter().try_for_each(|node| element(out, node, sent, unknown))?;
    }
    out.push(b']');
    Ok(())
}

/// Some path comes several times, and not with one and the same time.
fn is_history(nodes: &[Node]) -> bool {
    if nodes.windows(2).all(|pair| pair[0].time == pair[1].time) {
        return false;
    }
    let mut paths: Vec<Path> = nodes.iter().map(|node| node.path).collect();
    paths.sort_unstable();
    paths.windows(2).any(|pair| pair[0] == pair[1])
}

fn element(out: &mut Vec<u8>, node: &Node, sent: Sent<'_>, unknown: Unknown<'_>) -> Result<(), Fault> {
    let mut marked = false;
    match &node.value {
        // an object, instance or multiple resource without members has no element of its own
        Value::Empty => return Ok(()),
        Value::Untyped(_) if !unknown.raw => return Err(Fault::Untyped(node.path)),
        Value::Untyped(_) => marked = true,
        _ if unknown.raw => {
            if let (Some(types), Some(object), Some(resource)) =
                (unknown.types, node.path.object(), node.path.resource())
            {
                marked = types.resource_type(object, resource).is_none();
            }
        }
        _ => {}
    }
    json::comma(out);
    out.extend_from_slice(b"{\"path\":");
    if sent.path == Some(node.path) {
        out.extend_from_slice(sent.json.as_bytes());
    } else {
        path(out, node.path);
    }
    out.extend_from_slice(b",\"value\":");
    value(out, &node.value);
    if let Some(time) = node.time {
        out.extend_from_slice(b",\"time\":");
        json::seconds(out, time);
    }
    out.extend_from_slice(if marked { b",\"raw\":true}" } else { b"}" });
    Ok(())
}

/// Writes a path as a string.
pub(super) fn path(out: &mut Vec<u8>, path: Path) {
    out.push(b'"');
    if path.depth() == 0 {
        out.push(b'/');
    }
    for id in path.ids() {
        out.push(b'/');
        json::integer(out, *id);
    }
    out.push(b'"');
}

fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) | Value::CoreLink(text) => json::string(out, text),
        Value::Integer(number) | Value::Time(number) => json::integer(out, *number),
        Value::Unsigned(number) => json::integer(out, *number),
        Value::Float(number) => json::float(out, *number),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Opaque(bytes) | Value::Untyped(bytes) => json::base64(out, bytes),
        Value::ObjectLink(object, instance) => {
            out.push(b'"');
            json::integer(out, *object);
            out.push(b':');
            json::integer(out, *instance);
            out.push(b'"');
        }
        Value::Absent | Value::Empty => out.extend_from_slice(b"null"),
    }
}
