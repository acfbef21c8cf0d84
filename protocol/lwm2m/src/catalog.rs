//! The object catalog: definitions by object id and version (from OMA XML), and one device's view of it.
mod definition;
mod xml;

pub use definition::{ObjectDefinition, Operations, ResourceDefinition};

use crate::format::Types;
use crate::{ResourceType, link::Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All known definitions; immutable, shared, replaced as a whole on reload.
#[derive(Debug, Default)]
pub struct Catalog {
    /// By object id.
    objects: Vec<Versions>,
}

/// The versions of one object, ascending, never empty.
#[derive(Debug)]
struct Versions {
    id: u16,
    definitions: Vec<Arc<ObjectDefinition>>,
}

/// What is wrong with one definition file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// File name as given.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// The file cannot be used; otherwise a warning.
    pub fatal: bool,
    /// What, in words.
    pub message: String,
}

impl std::fmt::Display for Finding {
    /// `3.xml:17: warning: …`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = if self.fatal { "error" } else { "warning" };
        write!(f, "{}:{}: {level}: {}", self.file, self.line, self.message)
    }
}

impl Catalog {
    /// Reads definition files (name, bytes). Bad ones cost only themselves; every finding is reported. Of several definitions of one
    /// object version the last wins, with a warning.
    pub fn load<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> (Catalog, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut known: BTreeMap<(u16, Version), (Arc<ObjectDefinition>, &str)> = BTreeMap::new();
        for (file, bytes) in files {
            for (line, object) in xml::read(file, bytes, &mut findings) {
                let key = (object.id, object.version);
                if let Some((_, earlier)) = known.insert(key, (Arc::new(object), file)) {
                    let message = format!("object {} version {} replaces the one of {earlier}", key.0, key.1);
                    findings.push(Finding { file: file.into(), line, fatal: false, message });
                }
            }
        }
        let mut objects: Vec<Versions> = Vec::new();
        for ((id, _), (definition, _)) in known {
            match objects.last_mut().filter(|last| last.id == id) {
                Some(object) => object.definitions.push(definition),
                None => objects.push(Versions { id, definitions: vec![definition] }),
            }
        }
        (Catalog { objects }, findings)
    }
    /// The definition for an object version, or the one that serves in its place: another minor of the same major; without
    /// `version` the default of the LwM2M version, else the highest.
    pub fn definition(
        &self,
        object: u16,
        version: Option<Version>,
        enabler: Version,
    ) -> Option<&Arc<ObjectDefinition>> {
        let index = self.objects.binary_search_by_key(&object, |versions| versions.id).ok()?;
        let definitions = &self.objects.get(index)?.definitions;
        match version {
            Some(version) => of_major(definitions, version),
            None => default_version(object, enabler)
                .and_then(|version| of_major(definitions, version))
                .or_else(|| definitions.last()),
        }
    }
    /// All definitions, by object id and version.
    pub fn definitions(&self) -> impl Iterator<Item = &Arc<ObjectDefinition>> {
        self.objects.iter().flat_map(|object| &object.definitions)
    }
    /// Number of definitions.
    pub fn len(&self) -> usize {
        self.objects.iter().map(|object| object.definitions.len()).sum()
    }
    /// No definition at all.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// The version itself, else the next higher minor (which knows every resource of the lower ones), else the next lower one.
fn of_major(definitions: &[Arc<ObjectDefinition>], version: Version) -> Option<&Arc<ObjectDefinition>> {
    let from = definitions.partition_point(|definition| definition.version < version);
    let same_major = |definition: &&Arc<ObjectDefinition>| definition.version.major == version.major;
    let above = definitions.get(from).filter(same_major);
    above.or_else(|| definitions.get(from.checked_sub(1)?).filter(same_major))
}

/// The version of an object that a registration means when it names none: the one that the LwM2M version itself defines (TS Core
/// 1.0, 1.1, 1.2, appendix E). Other objects have no such rule.
fn default_version(object: u16, enabler: Version) -> Option<Version> {
    let column = match (enabler.major, enabler.minor) {
        (1, 0) => 0,
        (1, 1) => 1,
        _ => 2,
    };
    let minors: [(u8, u8); 3] = match object {
        0 | 1 => [(1, 0), (1, 1), (1, 2)],
        2 => [(1, 0), (1, 0), (1, 1)],
        3 => [(1, 0), (1, 1), (1, 2)],
        4 => [(1, 0), (1, 2), (1, 3)],
        5 => [(1, 0), (1, 0), (1, 1)],
        6 | 7 => [(1, 0), (1, 0), (1, 0)],
        21 => [(1, 0), (1, 0), (2, 0)],
        _ => return None,
    };
    let (major, minor) = minors[column];
    Some(Version { major, minor })
}

/// One device's view: which version of each object it registered. Borrowed for the time of one call.
#[derive(Clone, Copy, Debug)]
pub struct DeviceTypes<'a> {
    /// The definitions.
    pub catalog: &'a Catalog,
    /// LwM2M version of the registration.
    pub enabler: Version,
    /// Object versions that the registration named (`ver=`), sorted by object id.
    pub versions: &'a [(u16, Version)],
}

impl<'a> DeviceTypes<'a> {
    /// The definition of an object in the version that the device has.
    pub fn definition(&self, object: u16) -> Option<&'a Arc<ObjectDefinition>> {
        let named = self.versions.binary_search_by_key(&object, |(id, _)| *id).ok();
        let version = named.and_then(|index| self.versions.get(index)).map(|(_, version)| *version);
        self.catalog.definition(object, version, self.enabler)
    }
}

impl Types for DeviceTypes<'_> {
    fn resource_type(&self, object: u16, resource: u16) -> Option<ResourceType> {
        Some(self.definition(object)?.resource(resource)?.resource_type)
    }
    fn is_multiple(&self, object: u16, resource: u16) -> Option<bool> {
        Some(self.definition(object)?.resource(resource)?.multiple)
    }
    fn enabler(&self) -> Version {
        self.enabler
    }
}
