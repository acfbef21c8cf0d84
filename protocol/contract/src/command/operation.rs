//! From `data` to the operation, one function for each `msgType` (contract chapter 4, extensions §1 and §2).
use super::element::{Element, Naming, Reading, batch, content};
use super::{BadCommand, MessageType, attribute, quoted, target};
use crate::json::{self, Members};
use lwm2m::format::Types;
use lwm2m::session::{Mode, Operation};
use lwm2m::{ContentFormat, Path};
use serde_json::value::RawValue;

/// The names of `format` (extensions §1).
pub(crate) const FORMATS: [(&str, ContentFormat); 9] = [
    ("text", ContentFormat::Text),
    ("link", ContentFormat::Link),
    ("opaque", ContentFormat::Opaque),
    ("cbor", ContentFormat::Cbor),
    ("senml-json", ContentFormat::SenmlJson),
    ("senml-cbor", ContentFormat::SenmlCbor),
    ("tlv", ContentFormat::Tlv),
    ("json", ContentFormat::Json),
    ("lwm2m-cbor", ContentFormat::Lwm2mCbor),
];

/// An operation whose values may still lack a type.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Without its values, `None` for a command that is no operation on the device.
    operation: Option<Operation>,
    elements: Vec<Element>,
}

impl Draft {
    pub(super) fn cancel() -> Draft {
        Draft { operation: None, elements: Vec::new() }
    }
    fn whole(operation: Operation) -> Draft {
        Draft { operation: Some(operation), elements: Vec::new() }
    }
    /// With the types of the device.
    pub(super) fn operation(self, types: &dyn Types) -> Result<Operation, BadCommand> {
        let filled: Result<Vec<_>, _> = self.elements.into_iter().map(|element| element.node(types)).collect();
        let mut filled = filled?;
        let mut operation =
            self.operation.ok_or_else(|| BadCommand::new("msgType", "\"cancel\" is not an operation on a device"))?;
        match &mut operation {
            Operation::Write { node, .. } => filled.into_iter().for_each(|value| *node = value),
            Operation::WriteBatch { nodes, .. }
            | Operation::Create { nodes, .. }
            | Operation::WriteComposite { nodes, .. } => nodes.append(&mut filled),
            _ => {}
        }
        Ok(operation)
    }
}

/// Reads `data`.
pub(super) fn draft(
    message_type: MessageType,
    data: &Members<'_>,
    encoding: Option<&RawValue>,
) -> Result<Draft, BadCommand> {
    let path = |levels| target::read("path", data.get("path"), levels);
    Ok(match message_type {
        // the root is what LwM2M 1.2 lets a server read at once
        MessageType::Read => Draft::whole(Operation::Read { target: path(0..=4)?, format: wanted_format(data)? }),
        MessageType::Discover => Draft::whole(Operation::Discover { target: path(1..=4)? }),
        MessageType::Delete => Draft::whole(Operation::Delete { target: path(1..=4)? }),
        MessageType::Observe => Draft::whole(Operation::Observe { target: path(1..=4)?, format: wanted_format(data)? }),
        MessageType::CancelObserve => {
            Draft::whole(Operation::CancelObserve { target: path(1..=4)?, passive: passive(data)? })
        }
        MessageType::Execute => {
            Draft::whole(Operation::Execute { target: path(3..=3)?, arguments: arguments(data.get("args"))? })
        }
        MessageType::WriteAttr => {
            let target = path(1..=4)?;
            let attributes = attribute::read(data)?;
            // without anything in the query the request would be a Write of nothing
            if attributes.is_empty() && target.query.is_empty() {
                return Err(BadCommand::new("data", "no attribute"));
            }
            Draft::whole(Operation::WriteAttributes { target, attributes })
        }
        MessageType::Write => {
            let hex = encoding.and_then(json::text).is_some_and(|name| name == "hex");
            return write(data, Reading { hex, null: false });
        }
        MessageType::Create => return create(data),
        MessageType::ReadComposite => {
            Draft::whole(Operation::ReadComposite { paths: paths(data)?, format: composite_format(data)? })
        }
        MessageType::ObserveComposite => {
            Draft::whole(Operation::ObserveComposite { paths: paths(data)?, format: composite_format(data)? })
        }
        MessageType::CancelObserveComposite => {
            Draft::whole(Operation::CancelObserveComposite { paths: paths(data)?, passive: passive(data)? })
        }
        MessageType::WriteComposite => {
            let content = content(data.get("content"))?;
            if content.is_empty() {
                return Err(BadCommand::new("content", "empty"));
            }
            let elements = batch(&content, Naming::Absolute, Reading { hex: false, null: true })?;
            let format = composite_format(data)?;
            Draft { operation: Some(Operation::WriteComposite { nodes: Vec::new(), format }), elements }
        }
        MessageType::Cancel => Draft::cancel(),
    })
}

fn write(data: &Members<'_>, reading: Reading) -> Result<Draft, BadCommand> {
    let base = data.get("basePath").filter(|raw| json::text(raw).is_none_or(|text| text != "/"));
    if base.is_none() {
        let target = target::read("path", data.get("path"), 3..=4)?;
        let value = Element::value(data, reading)?;
        return write_one(data, target, Element { path: Path::ROOT, value });
    }
    let target = target::read("basePath", base, 2..=3)?;
    let content = content(data.get("content"))?;
    let naming = match (target.path.depth(), content.as_slice()) {
        (_, []) => return Err(BadCommand::new("content", "empty")),
        (3, [only]) => {
            let value = Element::value(only, reading).map_err(|bad| bad.within("content[0]"))?;
            return write_one(data, target, Element { path: Path::ROOT, value });
        }
        (3, _) => Naming::InstancesOf(target.path),
        _ => Naming::Below(target.path),
    };
    let elements = batch(&content, naming, reading)?;
    let format = format(data)?;
    // several values: formats that hold one cannot carry them
    check_format(format, elements.len() == 1 && target.path.depth() > 2, false)?;
    let mode = mode(data)?;
    Ok(Draft { operation: Some(Operation::WriteBatch { target, nodes: Vec::new(), mode, format }), elements })
}

fn write_one(data: &Members<'_>, target: lwm2m::session::Target, element: Element) -> Result<Draft, BadCommand> {
    let format = format(data)?;
    check_format(format, true, false)?;
    mode(data)?;
    let element = Element { path: target.path, ..element };
    let node = lwm2m::Node::new(target.path, lwm2m::Value::Absent);
    Ok(Draft { operation: Some(Operation::Write { target, node, format }), elements: vec![element] })
}

fn create(data: &Members<'_>) -> Result<Draft, BadCommand> {
    let target = target::read("basePath", data.get("basePath"), 1..=2)?;
    let content = data.get("content").map_or(Ok(Vec::new()), |raw| content(Some(raw)))?;
    let elements = batch(&content, Naming::Below(target.path), Reading::default())?;
    let format = format(data)?;
    check_format(format, false, false)?;
    Ok(Draft { operation: Some(Operation::Create { target, nodes: Vec::new(), format }), elements })
}

/// `paths` of a composite; `/` is the root.
fn paths(data: &Members<'_>) -> Result<Vec<Path>, BadCommand> {
    let raw = data.get("paths").ok_or_else(|| BadCommand::new("paths", "missing"))?;
    let listed = json::elements(raw)
        .ok_or_else(|| BadCommand::new("paths", format!("{} where an array belongs", json::kind(raw))))?;
    if listed.is_empty() {
        return Err(BadCommand::new("paths", "empty"));
    }
    let mut paths = Vec::with_capacity(listed.len());
    for (index, raw) in listed.into_iter().enumerate() {
        let member = format!("paths[{index}]");
        paths.push(target::path_of(&member, &target::text(&member, raw)?)?);
    }
    Ok(paths)
}

/// `args`: text, or a number as text; `undefined` is how some clients write nothing.
fn arguments(raw: Option<&RawValue>) -> Result<Option<String>, BadCommand> {
    let Some(raw) = raw else { return Ok(None) };
    match json::kind(raw) {
        "a number" => Ok(Some(raw.get().to_owned())),
        _ => {
            let text = target::text("args", raw)?;
            Ok((!text.is_empty() && text != "undefined").then(|| text.into_owned()))
        }
    }
}

fn passive(data: &Members<'_>) -> Result<bool, BadCommand> {
    match data.get("passive").map(RawValue::get) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(BadCommand::new("passive", "not true or false")),
    }
}

fn mode(data: &Members<'_>) -> Result<Mode, BadCommand> {
    let Some(raw) = data.get("mode") else { return Ok(Mode::default()) };
    match target::text("mode", raw)?.as_ref() {
        "update" => Ok(Mode::Update),
        "replace" => Ok(Mode::Replace),
        other => Err(BadCommand::new("mode", format!("{} is not \"update\" or \"replace\"", quoted(other)))),
    }
}

fn format(data: &Members<'_>) -> Result<Option<ContentFormat>, BadCommand> {
    let Some(raw) = data.get("format") else { return Ok(None) };
    let name = target::text("format", raw)?;
    let known = FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
    known.map(Some).ok_or_else(|| BadCommand::new("format", format!("{} is unknown", quoted(&name))))
}

/// The Accept of a read or observe: whether the device has it is its own matter, but one value is not an instance.
fn wanted_format(data: &Members<'_>) -> Result<Option<ContentFormat>, BadCommand> {
    let format = format(data)?;
    let depth =
        data.get("path").and_then(json::text).map(|text| Path::parse(text.split('?').next().unwrap_or_default()));
    let single = depth.and_then(Result::ok).is_some_and(|path| path.depth() > 2);
    check_format(format, single, false)?;
    Ok(format)
}

fn composite_format(data: &Members<'_>) -> Result<Option<ContentFormat>, BadCommand> {
    let format = format(data)?;
    check_format(format, false, true)?;
    Ok(format)
}

/// Refuses what no device could do: several values in a format for one, values as links, composites without names.
fn check_format(format: Option<ContentFormat>, single: bool, composite: bool) -> Result<(), BadCommand> {
    use ContentFormat as F;
    let Some(format) = format else { return Ok(()) };
    let possible = match format {
        F::Text | F::Opaque | F::Cbor => single && !composite,
        F::Link => false,
        F::Tlv | F::Json => !composite,
        _ => true,
    };
    let name = FORMATS.iter().find(|(_, known)| *known == format).map_or("it", |(name, _)| name);
    if possible { Ok(()) } else { Err(BadCommand::new("format", format!("{name:?} cannot carry this"))) }
}
