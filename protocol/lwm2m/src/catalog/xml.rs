//! Object definition files: the OMA DDF shape, `LWM2M/Object/Resources/Item`. Children may come in any order.
use super::{Finding, ObjectDefinition, Operations, ResourceDefinition};
use crate::{ResourceType, link::Version};
use std::collections::btree_map::{BTreeMap, Entry};
use xml::common::Position;
use xml::reader::{EventReader, ParserConfig, XmlEvent};

/// Reads one file: its objects, each with the line where it begins. A file with a fatal finding yields none.
pub(super) fn read(file: &str, bytes: &[u8], findings: &mut Vec<Finding>) -> Vec<(u64, ObjectDefinition)> {
    let mut reading =
        Reading { file, findings, elements: Vec::new(), text: String::new(), object: None, done: Vec::new() };
    match reading.document(bytes) {
        Ok(()) => reading.done,
        Err((line, message)) => {
            reading.find(line, true, message);
            Vec::new()
        }
    }
}

/// Ends the reading of a file: line and what is wrong.
type Fatal = (u64, String);

struct Reading<'a> {
    file: &'a str,
    findings: &'a mut Vec<Finding>,
    /// Names of the open elements, from the root.
    elements: Vec<String>,
    /// Character data of the innermost open element.
    text: String,
    object: Option<ObjectDraft>,
    done: Vec<(u64, ObjectDefinition)>,
}

/// An `Object` element as far as it was read.
#[derive(Default)]
struct ObjectDraft {
    line: u64,
    id: String,
    version: String,
    enabler: String,
    name: String,
    urn: String,
    multiple: bool,
    mandatory: bool,
    resources: BTreeMap<u16, ResourceDefinition>,
    item: Option<ItemDraft>,
}

/// An `Item` element as far as it was read.
#[derive(Default)]
struct ItemDraft {
    line: u64,
    id: String,
    name: String,
    operations: String,
    multiple: bool,
    mandatory: bool,
    resource_type: String,
    range: String,
    units: String,
}

impl Reading<'_> {
    fn find(&mut self, line: u64, fatal: bool, message: String) {
        self.findings.push(Finding { file: self.file.into(), line, fatal, message });
    }

    fn document(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let config = ParserConfig::new().trim_whitespace(true).cdata_to_characters(true).coalesce_characters(true);
        let mut reader = EventReader::new_with_config(bytes, config);
        loop {
            let event = reader.next();
            let line = reader.position().row() + 1;
            let event = event.map_err(|error| (line, without_position(&error.to_string())))?;
            match event {
                XmlEvent::StartElement { name, attributes, .. } => {
                    let id = attributes.into_iter().find(|attribute| attribute.name.local_name == "ID");
                    self.start(line, name.local_name, id.map(|attribute| attribute.value).unwrap_or_default())?;
                }
                XmlEvent::Characters(text) => self.text.push_str(&text),
                XmlEvent::EndElement { .. } => self.end()?,
                XmlEvent::EndDocument => break,
                _ => {}
            }
        }
        if self.done.is_empty() {
            return Err((1, "no Object element inside LWM2M".into()));
        }
        Ok(())
    }

    fn start(&mut self, line: u64, name: String, id: String) -> Result<(), Fatal> {
        match self.elements.len() {
            0 if name != "LWM2M" => return Err((line, format!("the root element is {name}, not LWM2M"))),
            1 if name == "Object" => self.object = Some(ObjectDraft { line, ..ObjectDraft::default() }),
            3 if name == "Item" && self.elements[2] == "Resources" => {
                if let Some(object) = &mut self.object {
                    object.item = Some(ItemDraft { line, id, ..ItemDraft::default() });
                }
            }
            _ => {}
        }
        self.elements.push(name);
        self.text.clear();
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fatal> {
        let name = self.elements.pop().unwrap_or_default();
        let text = std::mem::take(&mut self.text);
        let depth = self.elements.len();
        if depth == 1 && name == "Object" {
            return self.finish_object();
        }
        let Some(object) = &mut self.object else { return Ok(()) };
        match (depth, &mut object.item) {
            (2, _) => object.set(&name, text),
            (3, item @ Some(_)) if name == "Item" => {
                if let Some(item) = item.take() {
                    self.finish_item(item);
                }
            }
            (4, Some(item)) => item.set(&name, text),
            _ => {}
        }
        Ok(())
    }

    fn finish_object(&mut self) -> Result<(), Fatal> {
        let Some(object) = self.object.take() else { return Ok(()) };
        let line = object.line;
        let id =
            object.id.parse().map_err(|_| (line, format!("ObjectID {:?} is not a number of 0 to 65535", object.id)))?;
        let version =
            version(&object.version).map_err(|text| (line, format!("ObjectVersion {text:?} is not major.minor")))?;
        let enabler = version_or_warn(self, line, &object.enabler);
        let ObjectDraft { name, urn, multiple, mandatory, resources, .. } = object;
        let resources = resources.into_values().collect();
        self.done.push((line, ObjectDefinition { id, version, name, enabler, urn, multiple, mandatory, resources }));
        Ok(())
    }

    fn finish_item(&mut self, item: ItemDraft) {
        let Ok(id) = item.id.parse::<u16>() else {
            return self.find(
                item.line,
                false,
                format!("Item ID {:?} is not a number of 0 to 65535: left out", item.id),
            );
        };
        let operations = Operations {
            read: item.operations.contains('R'),
            write: item.operations.contains('W'),
            execute: item.operations.contains('E'),
        };
        let resource_type = match resource_type(&item.resource_type) {
            Some(known) => known,
            None => {
                if !(item.resource_type.is_empty() && operations.execute) {
                    let message = format!("resource {id} has the unknown type {:?}", item.resource_type);
                    self.find(item.line, false, message);
                }
                ResourceType::None
            }
        };
        let ItemDraft { line, name, multiple, mandatory, range, units, .. } = item;
        let resource = ResourceDefinition { id, name, operations, multiple, mandatory, resource_type, range, units };
        let Some(object) = &mut self.object else { return };
        match object.resources.entry(id) {
            Entry::Vacant(free) => {
                free.insert(resource);
            }
            Entry::Occupied(_) => self.find(line, false, format!("resource {id} is defined twice: the first stays")),
        }
    }
}

impl ObjectDraft {
    fn set(&mut self, element: &str, text: String) {
        match element {
            "Name" => self.name = text,
            "ObjectID" => self.id = text,
            "ObjectURN" => self.urn = text,
            "LWM2MVersion" => self.enabler = text,
            "ObjectVersion" => self.version = text,
            "MultipleInstances" => self.multiple = text == "Multiple",
            "Mandatory" => self.mandatory = text == "Mandatory",
            _ => {}
        }
    }
}

impl ItemDraft {
    fn set(&mut self, element: &str, text: String) {
        match element {
            "Name" => self.name = text,
            "Operations" => self.operations = text,
            "MultipleInstances" => self.multiple = text == "Multiple",
            "Mandatory" => self.mandatory = text == "Mandatory",
            "Type" => self.resource_type = text,
            "RangeEnumeration" => self.range = text,
            "Units" => self.units = text,
            _ => {}
        }
    }
}

/// The reader begins its messages with `row:column`, which findings give in a member of their own.
fn without_position(message: &str) -> String {
    let rest = message.split_once(' ').filter(|(first, _)| first.bytes().all(|b| b == b':' || b.is_ascii_digit()));
    rest.map_or(message, |(_, rest)| rest).into()
}

/// A missing or empty version is 1.0 (TS Core §7.2.2).
fn version(text: &str) -> Result<Version, &str> {
    if text.is_empty() { Ok(Version::new(1, 0)) } else { Version::parse(text).ok_or(text) }
}

/// The LwM2M version only informs, so a wrong one is no reason to lose the object.
fn version_or_warn(reading: &mut Reading<'_>, line: u64, text: &str) -> Version {
    version(text).unwrap_or_else(|text| {
        reading.find(line, false, format!("LWM2MVersion {text:?} is not major.minor: taken as 1.0"));
        Version::new(1, 0)
    })
}

/// The ten type names of the schema.
fn resource_type(text: &str) -> Option<ResourceType> {
    Some(match text {
        "String" => ResourceType::String,
        "Integer" => ResourceType::Integer,
        "Unsigned Integer" => ResourceType::Unsigned,
        "Float" => ResourceType::Float,
        "Boolean" => ResourceType::Boolean,
        "Opaque" => ResourceType::Opaque,
        "Time" => ResourceType::Time,
        "Objlnk" => ResourceType::ObjectLink,
        "Corelnk" => ResourceType::CoreLink,
        "none" | "None" => ResourceType::None,
        _ => return None,
    })
}
