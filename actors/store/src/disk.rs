//! Room on the disk.
use std::path::Path;

/// Bytes that this process may still write to the file system that holds `path`; `None` where the system does not tell.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
