//! CoRE link format (RFC 6690) with the LwM2M attributes: object lists and Discover answers.
use crate::Path;

/// `major.minor` of an enabler or object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub struct Version {
    /// Major.
    pub major: u8,
    /// Minor.
    pub minor: u8,
}

impl Version {
    /// `major.minor`
    pub const fn new(major: u8, minor: u8) -> Version {
        Version { major, minor }
    }
}

/// The object list of a Register or Update.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct ObjectList {
    /// Segments of the alternate path (`rt="oma.lwm2m"`); empty for `/`.
    pub alternate_path: Vec<String>,
    /// The link that named the alternate path, exactly (`/lwm2m`), or `/`.
    pub alternate_path_text: String,
    /// `ct=` of the root link.
    pub content_formats: Vec<u16>,
    /// The links as the contract reports them (9.3): trimmed, without brackets and attributes, without the alternate path, in order.
    pub links: Vec<String>,
    /// Those of them that are LwM2M paths.
    pub paths: Vec<Path>,
    /// `ver=` by object id, sorted.
    pub versions: Vec<(u16, Version)>,
}

/// Why a payload is not an object list.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct LinkError {
    /// What, in words.
    pub reason: &'static str,
    /// Where.
    pub offset: usize,
}

/// Reads the payload of a Register or Update.
pub fn parse_object_list(_payload: &[u8]) -> Result<ObjectList, LinkError> {
    todo!()
}

/// Splits a Discover answer into its links at commas outside quotes and brackets; nothing else is changed.
pub fn split_links(_payload: &str) -> Vec<&str> {
    todo!()
}
