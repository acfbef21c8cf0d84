//! The folder of object definitions.
use lwm2m::catalog::{Catalog, Finding};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Definition files above this size are refused: the largest published one is a tenth of it.
const LARGEST_FILE: u64 = 4 << 20;

/// What a folder holds.
#[derive(Debug)]
pub(crate) struct Definitions {
    /// The usable definitions.
    pub(crate) catalog: Catalog,
    /// What is wrong, each with file and line.
    pub(crate) findings: Vec<Finding>,
    /// Number of definition files.
    pub(crate) files: usize,
}

/// Reads every `*.xml` of a folder and of the folders in it, in the order of their names. A file that cannot be used costs only itself.
///
/// # Errors
/// The folder itself cannot be read.
pub(crate) fn load(folder: &Path) -> io::Result<Definitions> {
    let mut paths = Vec::new();
    collect(folder, 0, &mut paths)?;
    paths.sort();
    let mut findings = Vec::new();
    let mut files = Vec::with_capacity(paths.len());
    for path in &paths {
        let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        match read(path) {
            Ok(bytes) => files.push((name, bytes)),
            Err(error) => {
                findings.push(Finding {
                    file: name,
                    line: 1,
                    fatal: true,
                    message: format!("cannot be read: {error}"),
                });
            }
        }
    }
    let (catalog, more) = Catalog::load(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    findings.extend(more);
    Ok(Definitions { catalog, findings, files: paths.len() })
}

/// `custom/` and the like are read, too, but not deeper than any sensible tree.
fn collect(folder: &Path, depth: u8, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            if depth < 3 {
                collect(&path, depth + 1, paths)?;
            }
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml")) {
            paths.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let size = fs::metadata(path)?.len();
    if size > LARGEST_FILE {
        return Err(io::Error::other(format!("{size} bytes are more than a definition can have ({LARGEST_FILE})")));
    }
    fs::read(path)
}

#[cfg(test)]
mod tests;
