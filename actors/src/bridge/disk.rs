//! The outbox on disk: records in the order of their numbers, and what is there beyond what memory holds.
use super::journal::Journal;
use super::record;
use contract::message::Publication;
use std::sync::Arc;
use store::{Batch, Part, Store, WriteError};

/// The number of the first publication in an empty store; in the middle of the range, since the end of a run may need numbers before the
/// oldest.
const FIRST: u64 = 1 << 40;
/// So many records are looked at to guess the size of all.
const SAMPLE: u64 = 1_000;

/// Bounds of what waits on disk beyond memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskLimits {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// A publication under its number; `None` where the record cannot be read.
pub(crate) type Stored = (u64, Option<Publication>);

/// The records.
#[derive(Debug)]
pub(crate) struct Disk {
    store: Store,
    pub(crate) journal: Arc<Journal>,
    pub(crate) limits: DiskLimits,
}

impl Disk {
    pub(crate) fn new(store: Store, journal: Arc<Journal>, limits: DiskLimits) -> Disk {
        Disk { store, journal, limits }
    }

    #[cfg(test)]
    pub(crate) fn store_for_tests(&self) -> &Store {
        &self.store
    }

    /// What an earlier run left.
    pub(crate) fn backlog(&self) -> Result<Backlog, WriteError> {
        let mut backlog = Backlog { next: FIRST, from: FIRST, ..Backlog::default() };
        let Some(last) = self.store.last_key(Part::Outbox)?.as_deref().and_then(record::number) else {
            return Ok(backlog);
        };
        let (mut first, mut seen, mut bytes) = (None, 0, 0);
        self.store.scan_from(Part::Outbox, &[], |key, value| {
            first = first.or_else(|| record::number(key));
            seen += 1;
            bytes += value.len() as u64;
            seen < SAMPLE
        })?;
        let Some(first) = first else { return Ok(backlog) };
        backlog.active = true;
        backlog.from = first;
        backlog.next = last.saturating_add(1);
        // There are few gaps: records leave in their order.
        backlog.messages = if seen < SAMPLE { seen } else { last - first + 1 };
        backlog.bytes = bytes / seen.max(1) * backlog.messages;
        Ok(backlog)
    }

    /// Writes a publication, and strikes off the command whose terminal message it is.
    pub(crate) fn put(&self, number: u64, publication: &Publication, ends: Option<u64>) -> Result<(), WriteError> {
        let mut batch = Batch::new();
        batch.put(Part::Outbox, record::key(number), record::encode_publication(publication));
        if let Some(command) = ends {
            self.journal.end(command, &mut batch);
        }
        self.store.write(batch)
    }

    /// Removes publications that the broker has.
    pub(crate) fn remove(&self, numbers: &[u64]) -> Result<(), WriteError> {
        let mut batch = Batch::new();
        for number in numbers {
            batch.remove(Part::Outbox, record::key(*number));
        }
        self.store.write(batch)
    }

    /// Gives publications new numbers, or a first one.
    pub(crate) fn renumber(&self, entries: &[(Option<u64>, u64, &Publication)]) -> Result<(), WriteError> {
        let mut batch = Batch::new();
        for (old, new, publication) in entries {
            if let Some(old) = old {
                batch.remove(Part::Outbox, record::key(*old));
            }
            batch.put(Part::Outbox, record::key(*new), record::encode_publication(publication));
        }
        self.store.write(batch)
    }

    /// The records with numbers from `from` to before `to`, so many at most, and whether that was all.
    pub(crate) fn load(
        &self,
        from: u64,
        to: u64,
        messages: usize,
        bytes: usize,
    ) -> Result<(Vec<Stored>, bool), WriteError> {
        let mut loaded = Vec::new();
        let mut size = 0;
        let mut all = true;
        self.store.scan_from(Part::Outbox, &record::key(from), |key, value| {
            let Some(number) = record::number(key).filter(|number| *number < to) else { return false };
            if loaded.len() >= messages || size >= bytes {
                all = false;
                return false;
            }
            size += value.len();
            loaded.push((number, record::decode_publication(value)));
            true
        })?;
        Ok((loaded, all))
    }
}

/// What is on disk and not in memory. While there is anything, all that must arrive goes behind it.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// The number of the next publication.
    pub(crate) next: u64,
    /// What has this number or a higher one is on disk only.
    pub(crate) from: u64,
    pub(crate) active: bool,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Numbers whose records are being written at this moment.
    writing: Vec<u64>,
}

impl Backlog {
    /// A number for a publication that goes to disk and stays in memory too.
    pub(crate) fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.writing.push(number);
        number
    }

    /// A number for one that goes to disk only; `None` if there is no room.
    pub(crate) fn spill(&mut self, size: usize, limits: DiskLimits) -> Option<u64> {
        let bytes = self.bytes + size as u64;
        if self.messages >= limits.messages || bytes > limits.bytes {
            return None;
        }
        if !self.active {
            self.active = true;
            self.from = self.next;
        }
        self.messages += 1;
        self.bytes = bytes;
        Some(self.number())
    }

    /// The record of a number is written, or could not be.
    pub(crate) fn written(&mut self, number: u64) {
        self.writing.retain(|other| *other != number);
    }

    /// What was counted by [`Backlog::spill`] or found at the start is not on disk alone any more.
    pub(crate) fn forget(&mut self, size: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size as u64);
    }

    /// Below this number everything is written.
    pub(crate) fn settled(&self) -> u64 {
        self.writing.iter().copied().min().unwrap_or(self.next)
    }

    /// Everything below `to` is in memory now; whether that is all.
    pub(crate) fn loaded(&mut self, to: u64) -> bool {
        self.from = to;
        if self.from < self.next {
            return false;
        }
        (self.active, self.messages, self.bytes) = (false, 0, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DiskLimits = DiskLimits { messages: 3, bytes: 1000 };

    #[test]
    fn a_backlog_begins_with_the_first_spilled_and_ends_when_all_is_loaded() {
        let mut backlog = Backlog { next: 10, ..Backlog::default() };
        assert_eq!(backlog.number(), 10);
        assert!(!backlog.active);
        assert_eq!((backlog.spill(100, LIMITS), backlog.spill(100, LIMITS)), (Some(11), Some(12)));
        assert!(backlog.active);
        assert_eq!((backlog.from, backlog.settled()), (11, 10));
        backlog.written(10);
        backlog.written(12);
        assert_eq!(backlog.settled(), 11, "11 is still being written");
        backlog.written(11);
        assert_eq!(backlog.settled(), 13);
        assert_eq!(backlog.spill(100, LIMITS), Some(13));
        assert!(!backlog.loaded(13), "13 came meanwhile");
        backlog.written(13);
        assert!(backlog.loaded(14));
        assert_eq!((backlog.active, backlog.messages, backlog.bytes), (false, 0, 0));
    }

    #[test]
    fn both_bounds_hold() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.spill(900, LIMITS), Some(0));
        assert_eq!(backlog.spill(101, LIMITS), None);
        assert_eq!((backlog.spill(50, LIMITS), backlog.spill(50, LIMITS)), (Some(1), Some(2)));
        assert_eq!(backlog.spill(0, LIMITS), None);
        backlog.forget(900);
        assert_eq!(backlog.spill(900, LIMITS), Some(3));
    }
}
