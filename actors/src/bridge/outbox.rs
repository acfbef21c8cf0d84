//! What waits for the broker: one queue in order, bounded by count and bytes.
//!
//! The class of a publication decides when there is no room: a droppable one (a non-confirmable notification) takes the place of the
//! oldest one of its own key, else of the oldest droppable at all; one that must arrive pushes out droppable ones, and is refused only
//! when nothing droppable is left. Notifications that the device keeps until they are acknowledged are refused a little earlier, so that
//! answers and registrations still find room.
use contract::message::{Class, Publication};
use std::collections::{HashMap, VecDeque};

/// A publication on its way, with what must be told when it is safe.
#[derive(Debug)]
pub(crate) struct Entry<R> {
    pub(crate) publication: Publication,
    /// Whom to tell when the broker has it.
    pub(crate) receipt: Option<R>,
    /// Its number on disk, if it is there.
    pub(crate) number: Option<u64>,
    /// The command whose terminal message this is, if it is still in the journal.
    pub(crate) command: Option<u64>,
    /// For what may be dropped and waits beside a backlog on disk: it comes before the publication of this number.
    pub(crate) before: u64,
    /// How often it came back from a lost connection, …
    pub(crate) attempts: u8,
    /// … and how often from one that it had for itself.
    pub(crate) alone: u8,
}

impl<R> Entry<R> {
    pub(crate) fn new(publication: Publication) -> Entry<R> {
        Entry { publication, receipt: None, number: None, command: None, before: 0, attempts: 0, alone: 0 }
    }

    pub(crate) fn must_arrive(&self) -> bool {
        self.publication.class == Class::Keep
    }

    /// Bytes that count against the limits.
    pub(crate) fn size(&self) -> usize {
        ENTRY_BYTES + self.publication.payload.len() + self.publication.correlation_data.as_ref().map_or(0, Vec::len)
    }
}

/// What a push did.
#[derive(Debug)]
pub(crate) enum Pushed<R> {
    /// In, and these had to go.
    In(Vec<Entry<R>>),
    /// No room.
    Full(Entry<R>),
}

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// Overhead of one entry that counts against the byte limit beside its payload: topic, properties, bookkeeping.
const ENTRY_BYTES: usize = 128;

/// The queue.
#[derive(Debug)]
pub(crate) struct Outbox<R> {
    limits: Limits,
    /// `None`: dropped from the middle.
    slots: VecDeque<Option<Entry<R>>>,
    /// Sequence number of the first slot.
    first: u64,
    messages: usize,
    bytes: usize,
    droppable_messages: usize,
    droppable_bytes: usize,
    /// No droppable entry is before this sequence number.
    droppable_from: u64,
    /// Droppable entries by key; kept only while the queue is long.
    index: Option<HashMap<u64, VecDeque<u64>>>,
}

impl<R> Outbox<R> {
    pub(crate) fn new(limits: Limits) -> Outbox<R> {
        Outbox {
            limits,
            slots: VecDeque::new(),
            // In the middle of the range: what comes back goes before it.
            first: 1 << 62,
            messages: 0,
            bytes: 0,
            droppable_messages: 0,
            droppable_bytes: 0,
            droppable_from: 0,
            index: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// There is room for an entry, if droppable ones make way for it. `kept_by_device`: the device repeats it if it is refused.
    pub(crate) fn fits(&self, entry: &Entry<R>, kept_by_device: bool) -> bool {
        let (messages, bytes) = self.limits_for(kept_by_device);
        self.messages - self.droppable_messages < messages && self.bytes - self.droppable_bytes + entry.size() <= bytes
    }

    /// Appends if there is room.
    pub(crate) fn push(&mut self, entry: Entry<R>, kept_by_device: bool) -> Pushed<R> {
        match self.fits(&entry, kept_by_device) {
            true => Pushed::In(self.enter(entry, kept_by_device)),
            false => Pushed::Full(entry),
        }
    }

    /// Appends in any case; what had to go for it.
    pub(crate) fn enter(&mut self, entry: Entry<R>, kept_by_device: bool) -> Vec<Entry<R>> {
        let size = entry.size();
        let (messages, bytes) = self.limits_for(kept_by_device);
        let key = match entry.publication.class {
            Class::Droppable { key } => Some(key),
            Class::Keep => None,
        };
        let mut dropped = Vec::new();
        while self.messages + 1 > messages || self.bytes + size > bytes {
            match self.drop_one(key) {
                Some(victim) => dropped.push(victim),
                None => break,
            }
        }
        self.append(entry);
        dropped
    }

    fn limits_for(&self, kept_by_device: bool) -> (usize, usize) {
        match kept_by_device {
            true => (self.limits.messages / 10 * 9, self.limits.bytes / 10 * 9),
            false => (self.limits.messages, self.limits.bytes),
        }
    }

    /// The oldest, where it is.
    pub(crate) fn first(&self) -> Option<&Entry<R>> {
        self.slots.iter().flatten().next()
    }

    /// The oldest.
    pub(crate) fn pop(&mut self) -> Option<Entry<R>> {
        loop {
            let slot = self.slots.pop_front()?;
            let sequence = self.first;
            self.first += 1;
            if let Some(entry) = slot {
                self.forget(sequence, &entry);
                return Some(entry);
            }
        }
    }

    /// Returns entries that did not reach the broker, oldest first, to the front. Bounds do not matter: they had been in.
    pub(crate) fn put_back(&mut self, entries: impl DoubleEndedIterator<Item = Entry<R>>) {
        for entry in entries.rev() {
            self.first -= 1;
            self.count(&entry);
            if let Class::Droppable { key } = entry.publication.class {
                self.droppable_from = self.first;
                if let Some(index) = &mut self.index {
                    index.entry(key).or_default().push_front(self.first);
                }
            }
            self.slots.push_front(Some(entry));
        }
    }

    fn count(&mut self, entry: &Entry<R>) {
        self.messages += 1;
        self.bytes += entry.size();
        if matches!(entry.publication.class, Class::Droppable { .. }) {
            self.droppable_messages += 1;
            self.droppable_bytes += entry.size();
        }
    }

    fn append(&mut self, entry: Entry<R>) {
        let sequence = self.first + self.slots.len() as u64;
        self.count(&entry);
        if let (Class::Droppable { key }, Some(index)) = (entry.publication.class, &mut self.index) {
            index.entry(key).or_default().push_back(sequence);
        }
        self.slots.push_back(Some(entry));
    }

    /// Takes out the oldest droppable entry of the key, else the oldest droppable one.
    fn drop_one(&mut self, key: Option<u64>) -> Option<Entry<R>> {
        if self.index.is_none() {
            self.build_index();
        }
        let same_key = key.and_then(|key| self.index.as_ref()?.get(&key)?.front().copied());
        let sequence = match same_key {
            Some(sequence) => sequence,
            None => self.oldest_droppable()?,
        };
        let slot = usize::try_from(sequence - self.first).ok().and_then(|offset| self.slots.get_mut(offset))?;
        let entry = slot.take()?;
        self.forget(sequence, &entry);
        Some(entry)
    }

    fn oldest_droppable(&mut self) -> Option<u64> {
        self.droppable_from = self.droppable_from.max(self.first);
        loop {
            let offset = usize::try_from(self.droppable_from - self.first).ok()?;
            match self.slots.get(offset)? {
                Some(Entry { publication: Publication { class: Class::Droppable { .. }, .. }, .. }) => {
                    return Some(self.droppable_from);
                }
                _ => self.droppable_from += 1,
            }
        }
    }

    fn build_index(&mut self) {
        let mut index: HashMap<u64, VecDeque<u64>> = HashMap::new();
        for (sequence, slot) in (self.first..).zip(&self.slots) {
            if let Some(Entry { publication: Publication { class: Class::Droppable { key }, .. }, .. }) = slot {
                index.entry(*key).or_default().push_back(sequence);
            }
        }
        self.index = Some(index);
    }

    /// Bookkeeping for an entry that has left its slot.
    fn forget(&mut self, sequence: u64, entry: &Entry<R>) {
        self.messages -= 1;
        self.bytes -= entry.size();
        if matches!(entry.publication.class, Class::Droppable { .. }) {
            self.droppable_messages -= 1;
            self.droppable_bytes -= entry.size();
        }
        if let (Class::Droppable { key }, Some(index)) = (entry.publication.class, &mut self.index)
            && let Some(sequences) = index.get_mut(&key)
        {
            // The oldest of its key, whichever way it left.
            if sequences.front() == Some(&sequence) {
                sequences.pop_front();
            }
            if sequences.is_empty() {
                index.remove(&key);
            }
        }
        if self.messages == 0 {
            self.first += self.slots.len() as u64;
            self.slots.clear();
            self.index = None;
            if self.slots.capacity() > 4096 {
                self.slots = VecDeque::new();
            }
        } else if self.index.is_some() && self.messages < self.limits.messages / 4 && self.bytes < self.limits.bytes / 4
        {
            self.index = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, key: Option<u64>) -> Entry<()> {
        Entry::new(Publication {
            endpoint: "ep".into(),
            topic: "t".into(),
            payload: name.as_bytes().to_vec(),
            qos: 0,
            correlation_data: None,
            class: key.map_or(Class::Keep, |key| Class::Droppable { key }),
        })
    }

    fn outbox(messages: usize) -> Outbox<()> {
        Outbox::new(Limits { messages, bytes: 1 << 20 })
    }

    fn name(entry: &Entry<()>) -> String {
        String::from_utf8(entry.publication.payload.clone()).unwrap()
    }

    fn drain(outbox: &mut Outbox<()>) -> Vec<String> {
        std::iter::from_fn(|| outbox.pop()).map(|entry| name(&entry)).collect()
    }

    fn push(outbox: &mut Outbox<()>, text: &str, key: Option<u64>) -> Result<Vec<String>, String> {
        match outbox.push(entry(text, key), false) {
            Pushed::In(dropped) => Ok(dropped.iter().map(name).collect()),
            Pushed::Full(entry) => Err(name(&entry)),
        }
    }

    #[test]
    fn a_droppable_entry_replaces_the_oldest_of_its_own_key_first() {
        let mut outbox = outbox(4);
        for (text, key) in [("a1", Some(1)), ("b1", Some(2)), ("b2", Some(2)), ("keep", None)] {
            assert_eq!(push(&mut outbox, text, key), Ok(vec![]));
        }
        assert_eq!(push(&mut outbox, "b3", Some(2)), Ok(vec!["b1".into()]));
        assert_eq!(push(&mut outbox, "c1", Some(3)), Ok(vec!["a1".into()]));
        assert_eq!(drain(&mut outbox), ["b2", "keep", "b3", "c1"]);
        assert_eq!((outbox.len(), outbox.bytes()), (0, 0));
    }

    #[test]
    fn an_entry_to_keep_is_refused_only_when_nothing_droppable_is_left() {
        let mut outbox = outbox(2);
        assert_eq!(push(&mut outbox, "n", Some(1)), Ok(vec![]));
        assert_eq!(push(&mut outbox, "k1", None), Ok(vec![]));
        assert_eq!(push(&mut outbox, "k2", None), Ok(vec!["n".into()]));
        assert_eq!(push(&mut outbox, "k3", None), Err("k3".into()));
        assert_eq!(push(&mut outbox, "n2", Some(1)), Err("n2".into()));
        assert_eq!(drain(&mut outbox), ["k1", "k2"]);
    }

    #[test]
    fn what_the_device_keeps_is_refused_before_the_last_tenth() {
        let mut outbox = outbox(10);
        for _ in 0..9 {
            assert!(matches!(outbox.push(entry("k", None), true), Pushed::In(_)));
        }
        assert!(matches!(outbox.push(entry("k", None), true), Pushed::Full(_)));
        assert!(matches!(outbox.push(entry("answer", None), false), Pushed::In(_)));
    }

    #[test]
    fn the_byte_limit_drops_as_many_as_needed_and_none_if_that_is_not_enough() {
        let mut outbox = Outbox::new(Limits { messages: 100, bytes: 1000 });
        for text in ["1", "2", "3"] {
            push(&mut outbox, text, Some(1)).unwrap();
        }
        assert_eq!(push(&mut outbox, &"x".repeat(700), None), Ok(vec!["1".into(), "2".into()]));
        assert_eq!(push(&mut outbox, &"y".repeat(900), None).unwrap_err().len(), 900);
        assert_eq!(drain(&mut outbox).len(), 2);
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn returned_entries_come_first_and_in_their_old_order() {
        let mut outbox = outbox(10);
        for text in ["1", "2", "3"] {
            push(&mut outbox, text, Some(7)).unwrap();
        }
        let taken = [outbox.pop().unwrap(), outbox.pop().unwrap()];
        outbox.put_back(taken.into_iter());
        push(&mut outbox, "4", None).unwrap();
        assert_eq!(drain(&mut outbox), ["1", "2", "3", "4"]);
    }

    #[test]
    fn bookkeeping_survives_any_mixture_of_calls() {
        let mut outbox = outbox(50);
        let mut random: u64 = 7;
        for step in 0..20_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match (random >> 33) % 7 {
                0 => drop(outbox.pop()),
                1 => {
                    let taken: Vec<_> = (0..3).filter_map(|_| outbox.pop()).collect();
                    outbox.put_back(taken.into_iter());
                }
                2 => drop(outbox.push(entry(&step.to_string(), None), step % 2 == 0)),
                _ => drop(outbox.push(entry(&step.to_string(), Some((random >> 40) % 5)), false)),
            }
            assert!(outbox.len() <= 50);
            assert_eq!(outbox.len(), outbox.slots.iter().flatten().count());
            assert_eq!(outbox.bytes(), outbox.slots.iter().flatten().map(Entry::size).sum::<usize>());
        }
    }
}
