//! LwM2M (OMA enablers 1.0 to 1.2) for one device, pure: the object model, the content formats, the registration interface and the
//! [`session::Session`] that ties them to CoAP. It never reads a clock, a socket or a file.
#![forbid(unsafe_code)]

pub mod catalog;
pub mod directory;
pub mod format;
pub mod link;
pub mod path;
pub mod registration;
pub mod session;
pub mod value;

pub use format::ContentFormat;
pub use path::Path;
pub use value::{Node, ResourceType, Value};
