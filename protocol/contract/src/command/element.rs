//! Elements of write and create: `{ "path", "type", "value" }`, one or a `content` of them.
use super::value::{Scalar, type_named};
use super::{BadCommand, quoted, target};
use crate::json::{self, Members};
use lwm2m::format::Types;
use lwm2m::{Node, Path, Value};
use serde_json::value::RawValue;
use std::collections::HashMap;

/// A value for a path.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Element {
    pub(super) path: Path,
    pub(super) value: Given,
}

/// A value with its type, or still without.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Given {
    Typed(Value),
    Untyped(Scalar),
}

/// How values are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Reading {
    /// `"encoding":"hex"`
    pub(super) hex: bool,
    /// `null` is a value: it deletes (write-composite).
    pub(super) null: bool,
}

/// How the path of an element is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Naming {
    /// Below an instance or object; from the root where it is deeper than it could be below.
    Below(Path),
    /// Its first number is an instance of this resource.
    InstancesOf(Path),
    /// From the root.
    Absolute,
}

impl Element {
    /// Type and value of a node with a path of its own.
    pub(super) fn value(members: &Members<'_>, reading: Reading) -> Result<Given, BadCommand> {
        let raw = members.get_any("value").ok_or_else(|| BadCommand::new("value", "missing"))?;
        let scalar = Scalar::read(raw, reading.hex).map_err(|why| BadCommand::new("value", why))?;
        if scalar == Scalar::Null {
            return if reading.null {
                Ok(Given::Typed(Value::Absent))
            } else {
                Err(BadCommand::new("value", "missing"))
            };
        }
        let named = match members.get("type") {
            Some(raw) => type_named(&target::text("type", raw)?),
            None => None,
        };
        match named {
            Some(known) => scalar.typed(known).map(Given::Typed).map_err(|why| BadCommand::new("value", why)),
            None => Ok(Given::Untyped(scalar)),
        }
    }

    /// With the type that the definition of the object gives, where the command gave none.
    pub(super) fn node(self, types: &dyn Types) -> Result<Node, BadCommand> {
        let value = match self.value {
            Given::Typed(value) => value,
            Given::Untyped(scalar) => {
                let known = self.path.object().zip(self.path.resource());
                let known = known.and_then(|(object, resource)| types.resource_type(object, resource));
                let reason = || {
                    BadCommand::new("type", format!("missing or unknown, and no definition tells it for {}", self.path))
                };
                scalar
                    .typed(known.ok_or_else(reason)?)
                    .map_err(|why| BadCommand::new("value", format!("{why} ({})", self.path)))?
            }
        };
        Ok(Node::new(self.path, value))
    }
}

/// Reads `content`.
pub(super) fn content(raw: Option<&RawValue>) -> Result<Vec<Members<'_>>, BadCommand> {
    let raw = raw.ok_or_else(|| BadCommand::new("content", "missing"))?;
    let elements = json::elements(raw)
        .ok_or_else(|| BadCommand::new("content", format!("{} where an array belongs", json::kind(raw))))?;
    let mut all = Vec::with_capacity(elements.len());
    for (index, raw) in elements.into_iter().enumerate() {
        let misfit =
            |_| BadCommand::new(&format!("content[{index}]"), format!("{} where an object belongs", json::kind(raw)));
        all.push(Members::parse(raw.get()).map_err(misfit)?);
    }
    Ok(all)
}

/// Reads the elements of a batch, repeated ones once, and those of one resource side by side.
pub(super) fn batch(content: &[Members<'_>], naming: Naming, reading: Reading) -> Result<Vec<Element>, BadCommand> {
    let mut elements: Vec<Element> = Vec::with_capacity(content.len());
    let mut known: HashMap<Path, usize> = HashMap::new();
    for (index, members) in content.iter().enumerate() {
        let element = path(members, naming)
            .and_then(|path| Element::value(members, reading).map(|value| Element { path, value }))
            .map_err(|bad| bad.within(&format!("content[{index}]")))?;
        match known.get(&element.path) {
            Some(earlier) => elements[*earlier] = element,
            None => {
                known.insert(element.path, elements.len());
                elements.push(element);
            }
        }
    }
    gather(&mut elements);
    Ok(elements)
}

/// Puts the instances of a resource, and the resources of an instance, where the first of them stands.
fn gather(elements: &mut Vec<Element>) {
    let mut instances: HashMap<Path, usize> = HashMap::new();
    let mut resources: HashMap<Path, usize> = HashMap::new();
    let mut keyed: Vec<((usize, usize), Element)> = Vec::with_capacity(elements.len());
    for (at, element) in elements.drain(..).enumerate() {
        let upto =
            |depth: usize| Path::from_ids(&element.path.ids()[..depth.min(element.path.depth())]).unwrap_or(Path::ROOT);
        let instance = *instances.entry(upto(2)).or_insert(at);
        let resource = *resources.entry(upto(3)).or_insert(at);
        keyed.push(((instance, resource), element));
    }
    keyed.sort_by_key(|(key, _)| *key);
    elements.extend(keyed.into_iter().map(|(_, element)| element));
}

fn path(members: &Members<'_>, naming: Naming) -> Result<Path, BadCommand> {
    let raw = members.get("path").ok_or_else(|| BadCommand::new("path", "missing"))?;
    let text = match json::kind(raw) {
        // a lone resource number is often written as one
        "a number" => raw.get().into(),
        _ => target::text("path", raw)?,
    };
    let given = target::path_of("path", &text)?;
    let misfit = |reason: &str| BadCommand::new("path", format!("{} {reason}", quoted(&text)));
    match naming {
        Naming::Absolute => match given.depth() {
            3 | 4 => Ok(given),
            _ => Err(misfit("is not a resource or resource instance")),
        },
        Naming::InstancesOf(resource) => {
            let absolute = given.depth() == 4 && given.is_within(&resource);
            let instance = if absolute { given.resource_instance() } else { given.object() };
            instance.and_then(|id| resource.child(id)).ok_or_else(|| misfit("is not a resource instance"))
        }
        Naming::Below(base) => {
            let relative = 3 - base.depth()..=4 - base.depth();
            if relative.contains(&given.depth()) {
                given.ids().iter().try_fold(base, |path, id| path.child(*id)).ok_or_else(|| misfit("is too deep"))
            } else if given.depth() > 2 && given.is_within(&base) {
                Ok(given)
            } else {
                Err(misfit(&format!("is not a resource or resource instance below {base}")))
            }
        }
    }
}
