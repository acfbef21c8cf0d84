//! Inputs that fuzzing found worth keeping, replayed through the fuzz targets' own functions. C-147
#![allow(clippy::expect_used, reason = "a test may panic")]
#[path = "../fuzz/drivers.rs"]
#[allow(clippy::expect_used, unreachable_pub, reason = "a test may panic")]
mod drivers;

use proptest::prelude::*;

#[allow(clippy::disallowed_methods, reason = "a test reads its files")]
fn replay(target: &str, run: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut replayed = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("a readable folder").path();
        run(&std::fs::read(&path).expect("a readable file"));
        replayed += 1;
    }
    assert!(replayed >= 10, "{replayed} files in {}", folder.display());
}

#[test]
fn the_corpus_of_datagrams_is_survived() {
    replay("datagrams", drivers::datagrams);
}

#[test]
fn the_corpus_of_blocks_is_survived() {
    replay("blocks", drivers::blocks);
}

#[test]
fn the_corpus_of_options_is_survived() {
    replay("options", drivers::options);
}

proptest! {
    /// Bytes that look like options more often than chance would have it: small deltas, short lengths.
    #[test]
    fn any_options_are_survived(options in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..14)), 0..12), cut in 0usize..8) {
        let mut bytes: Vec<u8> = Vec::new();
        for (header, value) in options {
            bytes.push(header & 0xf0 | value.len().min(12) as u8);
            bytes.extend(value);
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        drivers::options(&bytes);
    }
}
