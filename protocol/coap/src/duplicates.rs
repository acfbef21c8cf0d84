//! De-duplication of what the peer sends (RFC 7252 §4.5).
//!
//! A message counts as a repetition if its id was seen within its lifetime **and** its bytes are the same. The same id with other
//! bytes is a new message: a device that restarts begins with the same ids again and must be able to register.
use crate::Budget;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes of remembered answers per peer; beyond it the oldest entries go.
const ANSWER_BYTES_MAX: u32 = 16 * 1024;
/// Messages that a peer remembers when all of them together remember too much: enough for the repetitions of one that is alone in the line.
pub(crate) const FEW: usize = 8;

/// What a repetition of a message is answered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// Nothing yet: the first copy is still being worked on.
    Pending,
    /// Nothing: a non-confirmable message.
    Silence,
    /// An empty ACK.
    Acknowledgement,
    /// A reset.
    Reset,
    /// The same bytes as the first time.
    Datagram,
}

#[derive(Debug)]
struct Entry {
    expires: Instant,
    datagram: Option<Box<[u8]>>,
    fingerprint: u32,
    id: u16,
    answer: Answer,
}

/// A message id together with the fingerprint of the bytes that it stood for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) id: u16,
    pub(crate) fingerprint: u32,
}

/// The messages seen lately, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    entries: VecDeque<Entry>,
    answer_bytes: u32,
    /// What the budget shared with other peers knows of.
    accounted: u32,
}

impl Duplicates {
    /// The answer of a repetition; `None`: the message is new.
    pub(crate) fn find(&self, now: Instant, seen: Seen) -> Option<(Answer, Option<&[u8]>)> {
        let entry = self.entries.iter().rev().find(|entry| entry.seen() == seen && now < entry.expires)?;
        Some((entry.answer, entry.datagram.as_deref()))
    }

    /// Remembers a new message, at first with the answer given; forgets what is too old or too much.
    pub(crate) fn insert(&mut self, now: Instant, seen: Seen, lifetime: Duration, answer: Answer, max: usize) {
        while self.entries.front().is_some_and(|entry| entry.expires <= now) {
            self.remove_at(0);
        }
        if let Some(stale) = self.entries.iter().position(|entry| entry.id == seen.id) {
            self.remove_at(stale);
        }
        while self.entries.len() >= max {
            self.evict();
        }
        let len = self.entries.len();
        if len * 4 < self.entries.capacity() {
            self.entries.shrink_to(len * 2 + 1);
        } else if len == self.entries.capacity() {
            // Most devices send one message in a lifetime; by itself the queue would begin with four places.
            self.entries.reserve_exact(len / 2 + 1);
        }
        let entry =
            Entry { expires: now + lifetime, datagram: None, fingerprint: seen.fingerprint, id: seen.id, answer };
        self.entries.push_back(entry);
    }

    /// From now on a repetition is answered like this.
    pub(crate) fn set(&mut self, seen: Seen, answer: Answer, datagram: Option<&[u8]>) {
        let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.seen() == seen) else {
            return;
        };
        self.answer_bytes -= entry.bytes();
        entry.answer = answer;
        entry.datagram = datagram.map(Into::into);
        self.answer_bytes += entry.bytes();
        while self.answer_bytes > ANSWER_BYTES_MAX {
            self.evict();
        }
    }

    /// Tells the budget how much is remembered now.
    pub(crate) fn account(&mut self, budget: &Budget) {
        let bytes = self.entries.len() as u32 * size_of::<Entry>() as u32 + self.answer_bytes;
        budget.remember(std::mem::replace(&mut self.accounted, bytes), bytes);
    }

    /// Nothing is remembered any more.
    pub(crate) fn close(&mut self, budget: &Budget) {
        budget.remember(std::mem::take(&mut self.accounted), 0);
    }

    /// As if the message had never come.
    pub(crate) fn forget(&mut self, seen: Seen) {
        if let Some(at) = self.entries.iter().rposition(|entry| entry.seen() == seen) {
            self.remove_at(at);
        }
    }

    /// Drops the oldest entry whose message is done with, or the oldest of all.
    fn evict(&mut self) {
        let done = self.entries.iter().position(|entry| entry.answer != Answer::Pending);
        self.remove_at(done.unwrap_or(0));
    }

    fn remove_at(&mut self, at: usize) {
        if let Some(entry) = self.entries.remove(at) {
            self.answer_bytes -= entry.bytes();
        }
    }
}

impl Entry {
    fn seen(&self) -> Seen {
        Seen { id: self.id, fingerprint: self.fingerprint }
    }
    fn bytes(&self) -> u32 {
        self.datagram.as_ref().map_or(0, |datagram| datagram.len() as u32)
    }
}
