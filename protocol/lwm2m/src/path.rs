//! Paths of the object model (TS Core §6.2): object, instance, resource, resource instance.

/// A path of 0 to 4 numeric segments. Stored (serde) as its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path {
    // Unused segments are 0, and `ids` stands first: so the derived order is that of the segments, parents before children.
    ids: [u16; 4],
    depth: u8,
}

/// Why a text is not a path.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PathError {
    /// A segment is not a number of 0–65535.
    #[error("path segment {0:?} is not a number of 0 to 65535")]
    Segment(String),
    /// More than four segments.
    #[error("path has more than 4 segments")]
    TooDeep,
}

impl Path {
    /// `/`
    pub const ROOT: Path = Path { depth: 0, ids: [0; 4] };

    /// From its segments; `None` with more than four.
    pub fn from_ids(ids: &[u16]) -> Option<Path> {
        let mut path = Path::ROOT;
        for id in ids {
            path = path.child(*id)?;
        }
        Some(path)
    }
    /// One level deeper; `None` at a resource instance.
    pub fn child(self, id: u16) -> Option<Path> {
        let mut path = self;
        *path.ids.get_mut(usize::from(self.depth))? = id;
        path.depth += 1;
        Some(path)
    }
    /// One level up; `None` at the root.
    pub fn parent(self) -> Option<Path> {
        let depth = self.depth.checked_sub(1)?;
        let mut path = Path { depth, ids: self.ids };
        path.ids[usize::from(depth)] = 0;
        Some(path)
    }
    /// The segments.
    pub fn ids(&self) -> &[u16] {
        &self.ids[..usize::from(self.depth)]
    }
    /// Number of segments, 0 (root) to 4 (resource instance).
    pub fn depth(&self) -> usize {
        usize::from(self.depth)
    }
    /// First segment.
    pub fn object(&self) -> Option<u16> {
        self.ids().first().copied()
    }
    /// Second segment.
    pub fn instance(&self) -> Option<u16> {
        self.ids().get(1).copied()
    }
    /// Third segment.
    pub fn resource(&self) -> Option<u16> {
        self.ids().get(2).copied()
    }
    /// Fourth segment.
    pub fn resource_instance(&self) -> Option<u16> {
        self.ids().get(3).copied()
    }
    /// This path is `other` or lies below it.
    pub fn is_within(&self, other: &Path) -> bool {
        self.ids().starts_with(other.ids())
    }
    /// Reads `/3/0/0`, `3/0`, `/3/0/`, `/`: leading and trailing slashes are optional.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        let mut path = Path::ROOT;
        let trimmed = text.trim_matches('/');
        if trimmed.is_empty() {
            return Ok(path);
        }
        for segment in trimmed.split('/') {
            let plain = !segment.is_empty() && segment.len() <= 5 && segment.bytes().all(|b| b.is_ascii_digit());
            let id = plain.then(|| segment.parse().ok()).flatten();
            path = path.child(id.ok_or_else(|| PathError::Segment(segment.into()))?).ok_or(PathError::TooDeep)?;
        }
        Ok(path)
    }
}

impl TryFrom<String> for Path {
    type Error = PathError;
    fn try_from(text: String) -> Result<Path, PathError> {
        Path::parse(&text)
    }
}

impl From<Path> for String {
    fn from(path: Path) -> String {
        path.to_string()
    }
}

impl std::fmt::Display for Path {
    /// `/3/0/0`; the root is `/`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.depth == 0 {
            return f.write_str("/");
        }
        self.ids().iter().try_for_each(|id| write!(f, "/{id}"))
    }
}

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Path({self})")
    }
}
