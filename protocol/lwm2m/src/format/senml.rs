//! SenML (RFC 8428) as LwM2M uses it (TS Core 1.1 §7.4.4): what the JSON and the CBOR form have in common. With it SenML-ETCH (RFC 8790),
//! where a null value removes what it names.
use super::nodes::Nodes;
use super::typed::{self, Number};
use super::{DecodeError, EncodeError, Types, type_of};
use crate::{Node, Path, Value};
use std::borrow::Cow;

/// Times below this are relative to now (RFC 8428 §4.5.3).
const RELATIVE: f64 = 268_435_456.0;

/// Unix seconds of a time as it stands in a pack.
pub(super) fn absolute_time(time: f64, now: f64) -> Result<f64, String> {
    if !time.is_finite() {
        return Err("time is not finite".into());
    }
    Ok(if time < RELATIVE { now + time } else { time })
}

/// One record as it stood on the wire.
#[derive(Default)]
pub(super) struct Record<'a> {
    pub(super) base_name: Option<Cow<'a, str>>,
    pub(super) base_time: Option<f64>,
    pub(super) base_value: Option<Number>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) time: Option<f64>,
    pub(super) value: Option<Raw<'a>>,
}

/// A value before its resource is known.
pub(super) enum Raw<'a> {
    Null,
    Number(Number),
    Text(Cow<'a, str>),
    Boolean(bool),
    Bytes(Cow<'a, [u8]>),
    Link(Cow<'a, str>),
}

impl<'a> Record<'a> {
    /// Sets the value; a record has one.
    pub(super) fn set_value(&mut self, value: Raw<'a>) -> Result<(), &'static str> {
        match self.value.replace(value) {
            None => Ok(()),
            Some(_) => Err("two values in one record"),
        }
    }
}

/// RFC 8428 defines version 10. RFC 9100 reads the number as features: 16 are the secondary units, which do not matter here.
pub(super) fn check_version(version: Number) -> Result<(), String> {
    match version {
        Number::Integer(10 | 26) => Ok(()),
        _ => Err("unknown version of SenML (bver)".into()),
    }
}

/// RFC 8428 §4.4: who does not know a label that ends in an underscore must not go on.
pub(super) fn check_label(label: &str) -> Result<(), String> {
    if label.ends_with('_') { Err(format!("label {label:?} must be understood and is unknown")) } else { Ok(()) }
}

/// Resolves records, in order, to nodes.
pub(super) struct Pack<'t> {
    types: &'t dyn Types,
    now: f64,
    nodes: Nodes,
    base_name: String,
    base_time: Option<f64>,
    base_value: Option<Number>,
    /// Names without values: composite requests, whose path is the root.
    names_alone: bool,
    /// Records so far.
    pub(super) count: usize,
}

impl<'t> Pack<'t> {
    pub(super) fn new(base: Path, types: &'t dyn Types, now: f64) -> Pack<'t> {
        Pack {
            types,
            now,
            nodes: Nodes::within(base),
            base_name: String::new(),
            base_time: None,
            base_value: None,
            names_alone: base.depth() == 0,
            count: 0,
        }
    }

    /// Adds the next record.
    pub(super) fn add(&mut self, record: Record<'_>) -> Result<(), DecodeError> {
        let place = self.count;
        self.count += 1;
        self.resolve(record).map_err(|reason| DecodeError::new(reason, format_args!("record {place}")))
    }

    pub(super) fn finish(self) -> Result<Vec<Node>, DecodeError> {
        self.nodes.finish()
    }

    fn resolve(&mut self, record: Record<'_>) -> Result<(), String> {
        if let Some(name) = record.base_name {
            self.base_name.clear();
            self.base_name.push_str(&name);
        }
        self.base_time = record.base_time.or(self.base_time);
        self.base_value = record.base_value.or(self.base_value);
        // Appended and cut off again: names cost no allocation.
        let base_length = self.base_name.len();
        self.base_name.push_str(record.name.as_deref().unwrap_or_default());
        let path = named(&self.base_name);
        self.base_name.truncate(base_length);
        let path = path?;
        let value = self.value(&path, record.value).map_err(|reason| format!("{path}: {reason}"))?;
        let time = match (self.base_time, record.time) {
            (None, None) => None,
            (base, own) => Some(absolute_time(base.unwrap_or(0.0) + own.unwrap_or(0.0), self.now)?),
        };
        self.nodes.push(Node { path, value, time })
    }

    fn value(&self, path: &Path, raw: Option<Raw<'_>>) -> Result<Value, String> {
        let resource_type = type_of(path, self.types);
        match raw {
            None if self.names_alone => Ok(Value::Absent),
            None => Err("no value".into()),
            Some(Raw::Null) => Ok(Value::Absent),
            Some(Raw::Number(number)) => {
                typed::number(resource_type, self.base_value.map_or(number, |base| base.plus(number)))
            }
            Some(Raw::Text(text)) => typed::text(resource_type, text.into_owned()),
            Some(Raw::Boolean(boolean)) => typed::boolean(resource_type, boolean),
            Some(Raw::Bytes(bytes)) => typed::bytes(resource_type, bytes.into_owned()),
            Some(Raw::Link(link)) => typed::link(resource_type, &link),
        }
    }
}

/// The path of a full name, which begins with a slash (TS Core §7.4.4).
fn named(name: &str) -> Result<Path, String> {
    if name.is_empty() {
        return Err("record without a name".into());
    }
    if !name.starts_with('/') || name.starts_with("//") {
        return Err(format!("name {name:?} does not begin with one slash"));
    }
    Path::parse(name).map_err(|error| format!("name {name:?}: {error}"))
}

/// How the nodes of a pack are named and timed, in as few bytes as every reader understands.
pub(super) struct Layout {
    /// Common ancestor of all nodes; the root if there is nothing to gain.
    base: Path,
    /// All nodes are at `base` itself.
    own: bool,
    /// All nodes are of this time.
    pub(super) base_time: Option<f64>,
}

impl Layout {
    /// Also checks that the nodes can be expressed.
    pub(super) fn of(base: Path, nodes: &[&Node], removes: bool) -> Result<Layout, EncodeError> {
        for node in nodes {
            check(base, node, removes)?;
        }
        let Some(first) = nodes.first() else { return Ok(Layout { base: Path::ROOT, own: false, base_time: None }) };
        let own = nodes.iter().all(|node| node.path == first.path);
        let mut common = first.path;
        // What is named below the common ancestor is named by at least one segment.
        while !own && nodes.iter().any(|node| node.path == common || !node.path.is_within(&common)) {
            common = common.parent().unwrap_or(Path::ROOT);
            if common.depth() == 0 {
                break;
            }
        }
        let base_time = first.time.filter(|_| nodes.iter().all(|node| node.time == first.time));
        if nodes.len() == 1 && !own {
            common = Path::ROOT;
        }
        Ok(Layout { base: common, own: own && common.depth() > 0, base_time })
    }

    /// Base name of the first record.
    pub(super) fn base_name(&self) -> Option<String> {
        match (self.base.depth(), self.own) {
            (0, _) => None,
            (_, true) => Some(self.base.to_string()),
            (_, false) => Some(format!("{}/", self.base)),
        }
    }

    /// Name of a record.
    pub(super) fn name(&self, path: &Path) -> Option<String> {
        if self.own {
            return None;
        }
        let name = path.to_string();
        let base = if self.base.depth() == 0 { 0 } else { self.base.to_string().len() + 1 };
        Some(name[base.min(name.len())..].to_string())
    }

    /// Time of a record, if the base time does not tell it.
    pub(super) fn time(&self, node: &Node) -> Option<f64> {
        node.time.filter(|_| self.base_time.is_none())
    }
}

/// Whether a node can stand in a pack for a request to `base`. Without a value it is a name to read, or with `removes` one to remove.
fn check(base: Path, node: &Node, removes: bool) -> Result<(), EncodeError> {
    let path = node.path;
    let is_absent = node.value == Value::Absent;
    if !path.is_within(&base) || path.depth() < 3 && !is_absent {
        return Err(EncodeError::Path(path));
    }
    let unwritable = match &node.value {
        Value::Float(float) => !float.is_finite(),
        Value::Untyped(bytes) => std::str::from_utf8(bytes).is_err(),
        Value::Absent => base.depth() > 0 && !removes,
        _ => false,
    };
    // An early time would be read as relative to now.
    let misread = node.time.is_some_and(|time| !time.is_finite() || time < RELATIVE);
    if unwritable || misread { Err(EncodeError::Value(path)) } else { Ok(()) }
}

/// The nodes that get a record: an empty container has none.
pub(super) fn recorded(nodes: &[Node]) -> Vec<&Node> {
    nodes.iter().filter(|node| node.value != Value::Empty).collect()
}
