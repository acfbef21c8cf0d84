//! CoRE link format (RFC 6690) with the LwM2M attributes: object lists and Discover answers.
mod discover;
mod parser;

pub use discover::parse_discover;
pub use parser::{Attribute, Link, parse_links};

use crate::Path;
use std::collections::HashSet;

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
    /// Reads `1.1`; `None` for anything but two numbers of digits with a dot between them.
    pub fn parse(text: &str) -> Option<Version> {
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        let (major, minor) = text.split_once('.')?;
        Some(Version { major: number(major)?, minor: number(minor)? })
    }
}

impl std::fmt::Display for Version {
    /// `1.1`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
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
    /// Instances of Security (0) and OSCORE (21) are left out: they must not be registered, nor be read by anybody.
    pub links: Vec<String>,
    /// Those of them that are LwM2M paths of one or two levels, each once.
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
///
/// A link whose segments are all numbers is an LwM2M path and must be a valid one; other links (`/sensor/t`) are reported but are no
/// [`paths`](ObjectList::paths), and neither are links deeper than an instance. `ver` on an instance counts for its object.
///
/// # Errors
/// Broken grammar, a numeric link that is no LwM2M path, `ver` that is not `major.minor`, two different root links, or no object at
/// all (an empty payload included: a caller that takes "no payload" for "unchanged" does not ask).
pub fn parse_object_list(payload: &[u8]) -> Result<ObjectList, LinkError> {
    let links = parse_links(payload)?;
    let mut list = ObjectList { alternate_path_text: "/".into(), ..ObjectList::default() };
    let mut root: Option<&Link<'_>> = None;
    for link in links.iter().filter(|link| names_root(link)) {
        if root.is_some_and(|first| first.target != link.target) {
            return Err(link.error("second, different root link"));
        }
        root.get_or_insert(link);
    }
    if let Some(root) = root {
        list.alternate_path_text = root.target.into();
        list.alternate_path = segments(root.target).map(String::from).collect();
    }
    // `ct` belongs on the link with `rt`, but devices without an alternate path also write `</>;ct=112` alone.
    let bare_root = links.iter().find(|link| segments(link.target).next().is_none());
    let formats = [root, bare_root].into_iter().flatten().find_map(|link| link.attribute("ct"));
    list.content_formats = formats.unwrap_or("").split_ascii_whitespace().filter_map(|ct| ct.parse().ok()).collect();

    let mut seen = HashSet::new();
    let mut versions = Vec::new();
    for link in &links {
        let target = within_alternate(link.target, &list.alternate_path).unwrap_or(link.target);
        if names_root(link) || segments(target).next().is_none() {
            continue;
        }
        if let Some(path) = target_path(target).map_err(|reason| link.error(reason))? {
            if matches!(path.object(), Some(0 | 21)) && path.depth() > 1 {
                continue;
            }
            if let (Some(object), Some(version)) = (path.object(), link.attribute("ver")) {
                let version = Version::parse(version).ok_or_else(|| link.error("ver is not major.minor"))?;
                versions.push((object, path.depth(), version));
            }
            if path.depth() <= 2 && seen.insert(path) {
                list.paths.push(path);
            }
        }
        list.links.push(target.into());
    }
    // The object link's own `ver` comes before one on an instance.
    versions.sort_by_key(|(object, depth, _)| (*object, *depth));
    versions.dedup_by_key(|(object, ..)| *object);
    list.versions = versions.into_iter().map(|(object, _, version)| (object, version)).collect();
    if list.links.is_empty() {
        return Err(LinkError { reason: "no object in the list", offset: payload.len() });
    }
    Ok(list)
}

/// Splits a Discover answer into its links at commas outside quotes and brackets; nothing else is changed.
pub fn split_links(payload: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let (mut start, mut quoted, mut bracketed, mut escaped) = (0, false, false, false);
    for (index, byte) in payload.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            b',' if !quoted && !bracketed => {
                links.push(&payload[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    if !payload.is_empty() {
        links.push(&payload[start..]);
    }
    links
}

/// The link says that it is the LwM2M root; `rt` is a list of words.
fn names_root(link: &Link<'_>) -> bool {
    link.attribute("rt").is_some_and(|rt| rt.split_ascii_whitespace().any(|word| word == "oma.lwm2m"))
}

fn segments(target: &str) -> impl Iterator<Item = &str> {
    target.split('/').filter(|segment| !segment.is_empty())
}

/// The rest of a target below the alternate path, beginning with a slash; `None` if it is not below it or there is none.
fn within_alternate<'a>(target: &'a str, alternate: &[String]) -> Option<&'a str> {
    if alternate.is_empty() {
        return None;
    }
    let mut rest = target.strip_prefix('/').unwrap_or(target);
    for (index, segment) in alternate.iter().enumerate() {
        rest = if index == 0 { rest } else { rest.strip_prefix('/')? };
        rest = rest.strip_prefix(segment.as_str())?;
    }
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The LwM2M path that a link names; `None` for one with a segment that is not a number.
fn target_path(target: &str) -> Result<Option<Path>, &'static str> {
    let is_number = |segment: &str| {
        let digits = segment.strip_prefix('-').unwrap_or(segment);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !segments(target).all(is_number) {
        return Ok(None);
    }
    let path = Path::parse(target).map_err(|_| "link is not a path of up to four ids of 0 to 65535")?;
    if path.instance() == Some(u16::MAX) {
        return Err("object instance id 65535 is reserved");
    }
    Ok(Some(path))
}
