//! A folder of one test, removed afterwards.
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A fresh folder below the build folder.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

impl Scratch {
    /// Makes the folder.
    pub fn new() -> Scratch {
        let test = std::env::current_exe().expect("the test knows its own executable");
        let profile = test.ancestors().nth(2).expect("tests live in target/<profile>/deps");
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = profile.join("scratch").join(format!("{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the build folder is writable");
        Scratch { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it and returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder below the scratch folder can be made");
        }
        std::fs::write(&path, content).expect("a scratch file can be written");
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::env::var_os("KEEP_SCRATCH").is_none() {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
