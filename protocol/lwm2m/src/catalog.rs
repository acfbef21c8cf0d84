//! The object catalog: definitions by object id and version (from OMA XML), and one device's view of it.
use crate::format::Types;
use crate::{ResourceType, link::Version};
use std::sync::Arc;

/// All known definitions; immutable, shared, replaced as a whole on reload.
#[derive(Debug, Default)]
pub struct Catalog {}

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

/// Definitions of one object version.
#[derive(Debug)]
pub struct ObjectDefinition {
    /// Object id.
    pub id: u16,
    /// Object version.
    pub version: Version,
    /// Name.
    pub name: String,
}

impl Catalog {
    /// Reads definition files (name, bytes). Bad ones cost only themselves; every finding is reported.
    pub fn load<'a>(_files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> (Catalog, Vec<Finding>) {
        todo!()
    }
    /// The definition for an object version, or the one that serves in its place: another minor of the same major; without
    /// `version` the default of the LwM2M version, else the highest.
    pub fn definition(
        &self,
        _object: u16,
        _version: Option<Version>,
        _enabler: Version,
    ) -> Option<&Arc<ObjectDefinition>> {
        todo!()
    }
    /// Number of definitions.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// No definition at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One device's view: which version of each object it registered. Borrowed for the time of one call.
#[derive(Debug)]
pub struct DeviceTypes<'a> {
    /// The definitions.
    pub catalog: &'a Catalog,
    /// LwM2M version of the registration.
    pub enabler: Version,
    /// Object versions that the registration named (`ver=`), sorted by object id.
    pub versions: &'a [(u16, Version)],
}

impl Types for DeviceTypes<'_> {
    fn resource_type(&self, _object: u16, _resource: u16) -> Option<ResourceType> {
        todo!()
    }
    fn is_multiple(&self, _object: u16, _resource: u16) -> Option<bool> {
        todo!()
    }
}
