//! Object / instance / resource / resource instance.

use std::fmt;
use std::str::FromStr;

/// A path of 0 to 4 ids. The root (no ids) stands for a composite request or a Send.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Path(Vec<u16>);

/// Text that is not a path of at most four numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path of at most four numbers")]
pub struct PathError(pub String);

impl Path {
    /// The empty path.
    pub fn root() -> Path {
        Path::default()
    }

    /// The ids.
    pub fn ids(&self) -> &[u16] {
        &self.0
    }

    /// Number of ids, 0 to 4.
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// This path with one more id.
    pub fn child(&self, id: u16) -> Path {
        let mut ids = self.0.clone();
        ids.push(id);
        Path(ids)
    }

    /// Whether `other` is this path or lies below it.
    pub fn contains(&self, other: &Path) -> bool {
        other.0.starts_with(&self.0)
    }

    /// The first `depth` ids.
    pub fn prefix(&self, depth: usize) -> Path {
        Path(self.0[..depth.min(self.0.len())].to_vec())
    }

    pub(crate) fn id(&self, level: usize) -> Option<u16> {
        self.0.get(level).copied()
    }
}

impl From<&[u16]> for Path {
    fn from(ids: &[u16]) -> Path {
        Path(ids.to_vec())
    }
}

impl<const N: usize> From<[u16; N]> for Path {
    fn from(ids: [u16; N]) -> Path {
        Path(ids.to_vec())
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Path, PathError> {
        let trimmed = text.trim_matches('/');
        if trimmed.is_empty() {
            return Ok(Path::root());
        }
        let ids: Result<Vec<u16>, _> = trimmed.split('/').map(str::parse).collect();
        ids.ok().filter(|ids| ids.len() <= 4).map(Path).ok_or_else(|| PathError(text.to_owned()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        self.0.iter().try_for_each(|id| write!(f, "/{id}"))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
