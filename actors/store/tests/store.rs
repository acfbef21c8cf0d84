//! What a store keeps, and what it refuses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use store::{Batch, Durability, OpenError, Options, Part, SCHEMA, Schema, Step, Store, WriteError};

fn open(path: &Path) -> Store {
    Store::open(path, Options { reserve: 0, ..Options::default() }).unwrap()
}

fn all(store: &Store, part: Part, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    store
        .scan(part, prefix, |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            true
        })
        .unwrap();
    found
}

#[test]
fn records_come_back_in_order_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    for durability in [Durability::Group, Durability::Each] {
        let store = Store::open(folder.path(), Options { durability, reserve: 0, ..Options::default() }).unwrap();
        let mut batch = Batch::new();
        batch.put(Part::Outbox, *b"b2", *b"two").put(Part::Outbox, *b"b1", *b"one").put(Part::Commands, *b"b1", *b"c");
        store.write(batch).unwrap();
        let mut batch = Batch::new();
        batch.remove(Part::Outbox, *b"b2").put(Part::Outbox, *b"a", *b"zero");
        store.write(batch).unwrap();
        drop(store);
        let store = open(folder.path());
        assert_eq!(
            all(&store, Part::Outbox, b""),
            [(b"a".to_vec(), b"zero".to_vec()), (b"b1".to_vec(), b"one".to_vec())]
        );
        assert_eq!(all(&store, Part::Outbox, b"b"), [(b"b1".to_vec(), b"one".to_vec())]);
        assert_eq!(store.get(Part::Commands, b"b1").unwrap(), Some(b"c".to_vec()));
    }
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    let second = Store::open(folder.path(), Options::default());
    assert!(matches!(second, Err(OpenError::Locked(_))), "{second:?}");
}

#[test]
fn foreign_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thesis.txt");
    std::fs::write(&file, "precious").unwrap();
    let refused = Store::open(folder.path(), Options::default());
    assert!(matches!(refused, Err(OpenError::Foreign { .. })), "{refused:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");
}

#[test]
fn a_full_disk_refuses_what_grows_and_takes_what_shrinks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut batch = Batch::new();
    batch.put(Part::Outbox, *b"k", *b"v");
    store.write(batch.clone()).unwrap();
    drop(store);
    let store = Store::open(folder.path(), Options { reserve: u64::MAX, ..Options::default() }).unwrap();
    assert!(!store.is_healthy());
    assert_eq!(store.write(batch), Err(WriteError::Full));
    let mut removal = Batch::new();
    removal.remove(Part::Outbox, *b"k");
    store.write(removal).unwrap();
    assert!(all(&store, Part::Outbox, b"").is_empty());
}

/// A copy of the files at any moment is what a power cut leaves: it opens, and holds batches whole and in order.
#[test]
fn copies_taken_between_writes_hold_a_consistent_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut copies = Vec::new();
    for number in 0..300u32 {
        let mut batch = Batch::new();
        batch.put(Part::Commands, number.to_be_bytes(), *b"command");
        batch.put(Part::Outbox, number.to_be_bytes(), vec![number as u8; 1000]);
        store.write(batch).unwrap();
        if number % 37 == 5 {
            let copy = tempfile::tempdir().unwrap();
            copy_tree(folder.path(), copy.path());
            copies.push((number, copy));
        }
    }
    for (number, copy) in copies {
        let store = open(copy.path());
        let commands = all(&store, Part::Commands, b"");
        let outbox = all(&store, Part::Outbox, b"");
        assert_eq!(commands.len(), number as usize + 1, "all that was written before the copy");
        assert_eq!(outbox.len(), commands.len(), "batches are whole");
    }
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Observations get a longer value.
const LENGTHEN: Step = |part, key, value, changes| {
    if part == Part::Observations {
        changes.put(part, key, [value, b"+"].concat());
    }
};

/// Commands move to another key.
const RENAME: Step = |part, key, value, changes| {
    if part == Part::Commands {
        changes.remove(part, key).put(part, [b"new ", key].concat(), value);
    }
};

fn open_as(path: &Path, number: u32, steps: &'static [Step]) -> Result<Store, OpenError> {
    Store::open(path, Options { schema: Schema { number, steps }, reserve: 0, ..Options::default() })
}

#[test]
fn older_records_are_migrated_step_by_step() {
    for at_once in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let mut batch = Batch::new();
        batch.put(Part::Observations, *b"o", *b"1").put(Part::Commands, *b"c", *b"2").put(Part::Outbox, *b"x", *b"3");
        store.write(batch).unwrap();
        drop(store);
        if !at_once {
            drop(open_as(folder.path(), SCHEMA + 1, &[LENGTHEN]).unwrap());
        }
        let store = open_as(folder.path(), SCHEMA + 2, &[LENGTHEN, RENAME]).unwrap();
        assert_eq!(all(&store, Part::Observations, b""), [(b"o".to_vec(), b"1+".to_vec())], "{at_once}");
        assert_eq!(all(&store, Part::Commands, b""), [(b"new c".to_vec(), b"2".to_vec())], "{at_once}");
        assert_eq!(all(&store, Part::Outbox, b""), [(b"x".to_vec(), b"3".to_vec())], "{at_once}");
        drop(store);
        // Nothing is done twice, and there is no way back.
        let store = open_as(folder.path(), SCHEMA + 2, &[LENGTHEN, RENAME]).unwrap();
        assert_eq!(all(&store, Part::Observations, b""), [(b"o".to_vec(), b"1+".to_vec())], "{at_once}");
        drop(store);
        let older = open_as(folder.path(), SCHEMA + 1, &[LENGTHEN]);
        assert!(matches!(older, Err(OpenError::Newer { found, .. }) if found == SCHEMA + 2), "{older:?}");
    }
}

#[test]
fn a_store_without_a_way_to_the_present_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut batch = Batch::new();
    batch.put(Part::Outbox, *b"x", *b"3");
    store.write(batch).unwrap();
    drop(store);
    let newer = open_as(folder.path(), SCHEMA + 2, &[RENAME]);
    assert!(matches!(newer, Err(OpenError::Foreign { .. })), "{newer:?}");
    assert_eq!(all(&open(folder.path()), Part::Outbox, b""), [(b"x".to_vec(), b"3".to_vec())]);
}
