//! Noticing that files changed.
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// Editors write a file in several steps; this long nothing must happen before it is read again.
const QUIET_TIME: Duration = Duration::from_millis(300);

/// Tells when something changed; ends when dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    _watcher: RecommendedWatcher,
    changes: mpsc::Receiver<()>,
}

impl Watch {
    /// Watches a folder and the folders in it.
    ///
    /// # Errors
    /// The system refuses, for example because too many folders are watched already.
    pub(crate) fn folder(folder: &Path) -> notify::Result<Watch> {
        Watch::start([(folder, RecursiveMode::Recursive)], |_| true)
    }

    /// Watches single files, also across their replacement by another one of the same name.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn files<'a>(files: impl Iterator<Item = &'a Path>) -> notify::Result<Watch> {
        let (mut names, mut folders) = (BTreeSet::<OsString>::new(), BTreeSet::new());
        // The link that a container's volume of secrets is exchanged by.
        names.insert("..data".into());
        for file in files {
            names.extend(file.file_name().map(Into::into));
            folders.insert(match file.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            });
        }
        let folders = folders.into_iter().map(|folder| (folder, RecursiveMode::NonRecursive));
        Watch::start(folders, move |event| {
            event.paths.iter().filter_map(|path| path.file_name()).any(|name| names.contains(name))
        })
    }

    fn start<'a>(
        folders: impl IntoIterator<Item = (&'a Path, RecursiveMode)>,
        concerns: impl Fn(&notify::Event) -> bool + Send + 'static,
    ) -> notify::Result<Watch> {
        // One place is enough: a change that finds it taken is told by the one that waits already.
        let (tell, changes) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let concerned = match event {
                // Reading the files for a reload must not cause the next reload.
                Ok(event) => !matches!(event.kind, EventKind::Access(_)) && concerns(&event),
                // Events were lost: better look.
                Err(_) => true,
            };
            if concerned {
                let _told_already = tell.try_send(());
            }
        })?;
        for (folder, mode) in folders {
            watcher.watch(folder, mode)?;
        }
        Ok(Watch { _watcher: watcher, changes })
    }

    /// Waits until something changed and was then left alone for a moment. Cancel-safe: a change is not lost.
    pub(crate) async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            // The watcher is gone, nothing will ever be told again.
            std::future::pending::<()>().await;
        }
        while let Ok(Some(())) = tokio::time::timeout(QUIET_TIME, self.changes.recv()).await {}
    }
}
