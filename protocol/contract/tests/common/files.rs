//! The golden files.
#![allow(clippy::disallowed_methods, reason = "the files lie beside the tests")]
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Name → JSON.
pub(crate) type Golden = BTreeMap<String, serde_json::Value>;

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Those whose name begins so.
pub(crate) fn stored(prefix: &str) -> Golden {
    let mut stored = Golden::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name.starts_with(prefix) {
            stored.insert(name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap());
        }
    }
    stored
}
