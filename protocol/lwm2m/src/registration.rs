//! The registration interface (TS Core §6.2): Register and Update requests, and what is known of a registered device.
use crate::link::{ObjectList, Version};
use std::time::Duration;

/// What a device said about itself; replaced by Register, merged by Update.
#[derive(Clone, PartialEq, Debug)]
pub struct Registration {
    /// Endpoint name.
    pub endpoint: String,
    /// Location-Path segments: `rd` and an unguessable id.
    pub location: Vec<String>,
    /// All query members as sent, in order, `lt` included (its text as sent). Members without `=` have an empty value.
    pub members: Vec<(String, String)>,
    /// Effective lifetime (after defaults and bounds).
    pub lifetime: Duration,
    /// Enabler version.
    pub version: Version,
    /// The device uses queue mode (contract chapter 10).
    pub queue_mode: bool,
    /// The object list, if ever one was sent.
    pub objects: Option<ObjectList>,
}

impl Registration {
    /// First value of a query member.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}
