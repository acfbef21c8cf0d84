//! What an object definition says.
use crate::{ResourceType, link::Version};

/// Definitions of one object version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectDefinition {
    /// Object id.
    pub id: u16,
    /// Object version.
    pub version: Version,
    /// Name.
    pub name: String,
    /// Lowest LwM2M version that knows the object.
    pub enabler: Version,
    /// URN, empty if the file gives none.
    pub urn: String,
    /// The object may have several instances.
    pub multiple: bool,
    /// Every device has it.
    pub mandatory: bool,
    /// Resources, sorted by id, each id once.
    pub resources: Vec<ResourceDefinition>,
}

/// Definition of one resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceDefinition {
    /// Resource id.
    pub id: u16,
    /// Name.
    pub name: String,
    /// What a server may do with it.
    pub operations: Operations,
    /// It may have several instances.
    pub multiple: bool,
    /// Every instance of the object has it.
    pub mandatory: bool,
    /// Data type.
    pub resource_type: ResourceType,
    /// Range or enumeration, as written.
    pub range: String,
    /// Unit, as written.
    pub units: String,
}

/// Operations of a resource; none for those that only a bootstrap server touches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Operations {
    /// R
    pub read: bool,
    /// W
    pub write: bool,
    /// E
    pub execute: bool,
}

impl std::fmt::Display for Operations {
    /// `RW`, `E`, or nothing.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letters = [(self.read, "R"), (self.write, "W"), (self.execute, "E")];
        letters.iter().filter(|(on, _)| *on).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

impl ObjectDefinition {
    /// A resource by id.
    pub fn resource(&self, id: u16) -> Option<&ResourceDefinition> {
        // Ids are mostly dense from 0, so a resource usually sits where its id says.
        if let Some(resource) = self.resources.get(usize::from(id)).filter(|resource| resource.id == id) {
            return Some(resource);
        }
        let index = self.resources.binary_search_by_key(&id, |resource| resource.id).ok()?;
        self.resources.get(index)
    }
}
