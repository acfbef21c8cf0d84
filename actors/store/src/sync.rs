//! The thread that groups fsyncs, watches the disk and reopens failed files.
use crate::Inner;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a write may wait for its fsync.
const GROUP: Duration = Duration::from_millis(50);

/// Runs until the store is dropped.
pub(crate) fn start(inner: Weak<Inner>) -> std::io::Result<()> {
    let run = move || {
        let mut last_look = Instant::now();
        loop {
            std::thread::sleep(GROUP);
            let Some(inner) = inner.upgrade() else { return };
            if inner.stopping.load(Ordering::Acquire) {
                return;
            }
            inner.tend(&mut last_look);
        }
    };
    std::thread::Builder::new().name("store-sync".into()).spawn(run).map(drop)
}
