//! The journal of commands: what was taken from the broker and has no outcome yet (contract chapter 13).
//!
//! A command of QoS 1 or 2 is written here before its MQTT acknowledgement, one of QoS 0 when it has to wait for a sleeping device. It is
//! struck off together with its terminal message: in one batch, where that message is stored too. After a restart the
//! journal is replayed in its order.
use super::duplicates::{Delivery, Duplicates, Identity};
use super::record::{self, Arrival, CommandRecord, Received};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::{Batch, Part, Store, WriteError};

/// What became of a command that was handed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accepted {
    /// Written, under this number.
    New(u64),
    /// It came before.
    Repetition,
}

/// A command that waits for its outcome since before the restart.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) number: u64,
    pub(crate) received: Received,
    /// It had gone to the device, and must not go there twice.
    pub(crate) sent: bool,
}

/// A piece of the journal.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) commands: Vec<Replayed>,
    /// Where the next one begins; `None` at the end.
    pub(crate) next: Option<u64>,
}

/// The journal.
#[derive(Debug)]
pub(crate) struct Journal {
    store: Store,
    next: AtomicU64,
    known: Mutex<Duplicates>,
}

impl Journal {
    /// Goes on behind what the store holds. `window`: for how long an ended command is remembered.
    pub(crate) fn open(store: Store, window: Duration) -> Result<Journal, WriteError> {
        let last = store.last_key(Part::Commands)?.as_deref().and_then(record::number);
        let next = last.map_or(1, |last| last.saturating_add(1));
        Ok(Journal { store, next: AtomicU64::new(next), known: Mutex::new(Duplicates::new(window)) })
    }

    /// Commands may be taken.
    pub(crate) fn is_healthy(&self) -> bool {
        self.store.is_healthy()
    }

    /// Writes a command of QoS 1 or 2, unless it is a repetition.
    pub(crate) fn accept(&self, arrival: &Arrival<'_>, delivery: Delivery) -> Result<Accepted, WriteError> {
        let identity = Identity {
            topic: arrival.topic,
            payload: arrival.payload,
            response_topic: arrival.envelope.response_topic.as_deref(),
            correlation: arrival.envelope.correlation_data.as_deref(),
            delivery,
        };
        let mark = identity.mark();
        let number = {
            let mut known = self.known();
            if known.is_repetition(Instant::now(), &identity, mark) {
                return Ok(Accepted::Repetition);
            }
            let number = self.number();
            known.add(number, mark);
            number
        };
        match self.write(number, arrival.encode(mark)) {
            Ok(()) => Ok(Accepted::New(number)),
            Err(error) => {
                self.known().remove(number);
                Err(error)
            }
        }
    }

    /// Writes a command of QoS 0, which nobody repeats.
    pub(crate) fn keep(&self, arrival: &Arrival<'_>) -> Result<u64, WriteError> {
        let number = self.number();
        self.write(number, arrival.encode(0)).map(|()| number)
    }

    /// A command that must not be carried out twice goes to the device now. If that cannot be written, the command is struck off: after a
    /// crash it is then neither repeated nor answered.
    pub(crate) fn mark_sent(&self, number: u64) {
        let mut batch = Batch::new();
        batch.put(Part::Commands, record::sent_key(number), []);
        if self.store.write(batch).is_err() {
            self.strike(number);
        }
    }

    /// Adds to a batch what the outcome of a command changes here.
    pub(crate) fn end(&self, number: u64, batch: &mut Batch) {
        let (mark, outdated) = self.known().end(Instant::now(), number);
        match mark {
            Some(mark) => batch.put(Part::Commands, record::key(number), record::ended(mark)),
            None => batch.remove(Part::Commands, record::key(number)),
        };
        batch.remove(Part::Commands, record::sent_key(number));
        for number in outdated {
            batch.remove(Part::Commands, record::key(number));
        }
    }

    /// Strikes a command off without remembering it: also possible when the disk is full.
    pub(crate) fn strike(&self, number: u64) {
        let (_, outdated) = self.known().end(Instant::now(), number);
        let mut batch = Batch::new();
        batch.remove(Part::Commands, record::sent_key(number));
        for number in outdated.into_iter().chain([number]) {
            batch.remove(Part::Commands, record::key(number));
        }
        // A store that fails altogether says so by itself; at worst an idempotent command is repeated after the next start.
        let _ = self.store.write(batch);
    }

    /// A connection to the broker is about to be made.
    pub(crate) fn connecting(&self) {
        self.known().connected(Instant::now());
    }

    /// The commands without an outcome from a number on, at most about `limit` at once. To be read once, before any command is taken.
    pub(crate) fn read(&self, from: u64, limit: usize) -> Result<Piece, WriteError> {
        let now = Instant::now();
        let mut piece = Piece { commands: Vec::new(), next: None };
        let mut unreadable = Batch::new();
        let mut known = self.known();
        self.store.scan_from(Part::Commands, &record::key(from), |key, value| {
            let Some(number) = record::number(key) else { return true };
            if key.len() > 8 {
                if let Some(last) = piece.commands.last_mut().filter(|last| last.number == number) {
                    last.sent = true;
                }
                return true;
            }
            if piece.commands.len() >= limit {
                piece.next = Some(number);
                return false;
            }
            match CommandRecord::decode(value) {
                Some(CommandRecord::Pending(received, mark)) => {
                    if mark != 0 {
                        known.add(number, mark);
                    }
                    piece.commands.push(Replayed { number, received, sent: false });
                }
                Some(CommandRecord::Ended(mark)) => known.restore_ended(now, number, mark),
                None => {
                    log::error!(target: crate::event::TARGET, event = "store_failed", number = number; "a stored command cannot be read");
                    unreadable.remove(Part::Commands, key);
                }
            }
            true
        })?;
        drop(known);
        self.store.write(unreadable)?;
        Ok(piece)
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    fn write(&self, number: u64, record: Vec<u8>) -> Result<(), WriteError> {
        let mut batch = Batch::new();
        batch.put(Part::Commands, record::key(number), record);
        self.store.write(batch)
    }

    fn known(&self) -> MutexGuard<'_, Duplicates> {
        // Its calls do not panic; a poisoned lock is still consistent.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::command::Envelope;
    use std::path::Path;
    use store::Options;

    fn open(folder: &Path) -> Journal {
        let store = Store::open(folder, Options { reserve: 0, ..Options::default() }).unwrap();
        Journal::open(store, Duration::from_secs(60)).unwrap()
    }

    const ENVELOPE: Envelope = Envelope { response_topic: None, correlation_data: None, expiry: None };

    fn arrival(payload: &str) -> Arrival<'_> {
        Arrival { topic: "a/dn", payload: payload.as_bytes(), envelope: &ENVELOPE, retained: false, unix: 5.0 }
    }

    fn delivery(packet: u16, again: bool) -> Delivery {
        Delivery { qos: 1, again, packet }
    }

    fn accept(journal: &Journal, payload: &str, packet: u16) -> u64 {
        match journal.accept(&arrival(payload), delivery(packet, false)).unwrap() {
            Accepted::New(number) => number,
            Accepted::Repetition => panic!("{payload} is no repetition"),
        }
    }

    fn all(journal: &Journal) -> Vec<(String, bool)> {
        let mut found = Vec::new();
        let mut from = Some(0);
        while let Some(at) = from {
            let piece = journal.read(at, 2).unwrap();
            assert!(piece.commands.len() <= 2);
            found.extend(
                piece
                    .commands
                    .into_iter()
                    .map(|command| (String::from_utf8(command.received.payload).unwrap(), command.sent)),
            );
            from = piece.next;
        }
        found
    }

    #[test]
    fn what_has_no_outcome_comes_back_in_order_and_with_its_sent_mark() {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path());
        let numbers: Vec<u64> =
            ["a", "b", "c", "d", "e"].iter().zip(1..).map(|(text, at)| accept(&journal, text, at)).collect();
        let kept = journal.keep(&arrival("f")).unwrap();
        journal.mark_sent(numbers[1]);
        journal.mark_sent(numbers[3]);
        let mut batch = Batch::new();
        journal.end(numbers[0], &mut batch);
        journal.end(numbers[3], &mut batch);
        journal.store.write(batch).unwrap();
        journal.strike(numbers[2]);
        drop(journal);
        let journal = open(folder.path());
        let expected = [("b", true), ("e", false), ("f", false)];
        assert_eq!(all(&journal), expected.map(|(text, sent)| (text.to_owned(), sent)));
        assert!(accept(&journal, "g", 1) > kept, "numbers go on");
    }

    #[test]
    fn repetitions_are_recognised_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path());
        let first = accept(&journal, "pending", 1);
        let second = accept(&journal, "ended", 2);
        let mut batch = Batch::new();
        journal.end(second, &mut batch);
        journal.store.write(batch).unwrap();
        drop(journal);
        let journal = open(folder.path());
        assert_eq!(all(&journal).len(), 1);
        for (payload, packet) in [("pending", 1), ("ended", 2)] {
            let accepted = journal.accept(&arrival(payload), delivery(packet, true)).unwrap();
            assert_eq!(accepted, Accepted::Repetition, "{payload}");
        }
        assert!(accept(&journal, "pending", 1) > first, "not said to be a repetition");
    }

    #[test]
    fn records_that_cannot_be_read_cost_only_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path());
        accept(&journal, "a", 1);
        let mut batch = Batch::new();
        batch.put(Part::Commands, record::key(50), *b"from another world");
        journal.store.write(batch).unwrap();
        assert_eq!(all(&journal), [("a".to_owned(), false)]);
        assert_eq!(journal.store.get(Part::Commands, &record::key(50)).unwrap(), None);
    }

    #[test]
    fn a_full_disk_refuses_commands_and_lets_them_end() {
        let folder = tempfile::tempdir().unwrap();
        let number = accept(&open(folder.path()), "a", 1);
        let store = Store::open(folder.path(), Options { reserve: u64::MAX, ..Options::default() }).unwrap();
        let journal = Journal::open(store, Duration::from_secs(60)).unwrap();
        assert!(!journal.is_healthy());
        assert_eq!(all(&journal).len(), 1);
        assert_eq!(journal.accept(&arrival("b"), delivery(2, false)), Err(WriteError::Full));
        let again = journal.accept(&arrival("b"), delivery(2, true));
        assert_eq!(again, Err(WriteError::Full), "what was refused is not remembered");
        journal.strike(number);
        assert!(all(&journal).is_empty());
    }
}
