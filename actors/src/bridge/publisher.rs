//! The near side of the outbox: where devices, registry and intake hand in what is to be published.
//!
//! The outbox is the bridge's mailbox for publications. A plain actor mailbox would not do: it cannot tell what may be dropped, and the
//! sender needs to know at once whether its publication was taken, because the ACK to the device depends on it.
//!
//! What must arrive and has QoS 1 or 2 is on disk before [`Publisher::publish`] returns. What memory has no room for is on disk alone, and
//! comes back when the broker has taken what was before it: the order is that of the calls, whichever way a publication took.
use super::disk::{Backlog, Disk};
use super::outbox::{Entry, Limits, Outbox, Pushed};
use crate::device::{Link, Settled};
use crate::event::{Event, OutboxDrained, OutboxFull, OutboxSpills};
use crate::{OutboxLimits, mailbox, metrics};
use contract::message::Publication;
use lwm2m::session::Delivery;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use store::WriteError;

/// So many are read from disk at once, or half of what memory may hold; and as soon as there are fewer than that in memory.
const PIECE: usize = 1_000;
/// Or so many bytes.
const PIECE_BYTES: usize = 2 << 20;

/// Whom to tell when a publication is safe with the broker.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) link: Arc<Link>,
    pub(crate) delivery: Delivery,
}

impl Receipt {
    /// Tells the device. If its mailbox is full the device repeats its notification, and is told then.
    pub(crate) fn settle(self, kept: bool) {
        let _ = mailbox::offer(&self.link.addr, Settled { delivery: self.delivery, kept });
    }
}

/// What became of a publication that was handed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// As safe as its QoS asks for.
    Safe,
    /// In memory; its receipt tells when the broker has it.
    Waiting,
    /// There is no room.
    Refused,
}

/// What the end of the process leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Remains {
    /// On disk, for the next start.
    pub(crate) stored: usize,
    /// Nowhere.
    pub(crate) lost: usize,
}

/// Shared access to the outbox.
#[derive(Clone, Debug)]
pub(crate) struct Publisher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    disk: Option<Disk>,
    /// So many publications and bytes are read from disk at once.
    piece: (usize, usize),
}

#[derive(Debug)]
struct State {
    outbox: Outbox<Receipt>,
    backlog: Backlog,
    /// What may be dropped and came while there is a backlog.
    beside: Outbox<Receipt>,
    /// The bridge, if it waits for something to publish.
    waker: Option<Waker>,
    /// It rests for a moment and wants to be woken for urgent publications only.
    resting: bool,
    /// Something urgent waits.
    urgent: bool,
}

impl Publisher {
    /// With what an earlier run left on disk, which goes out first.
    pub(crate) fn new(limits: OutboxLimits, disk: Option<Disk>) -> Result<Publisher, WriteError> {
        let backlog = disk.as_ref().map_or(Ok(Backlog::default()), Disk::backlog)?;
        let memory = Limits { messages: limits.messages.max(10), bytes: limits.bytes };
        let beside = Limits { messages: (memory.messages / 10).max(10), bytes: memory.bytes / 10 };
        let state = State {
            outbox: Outbox::new(memory),
            backlog,
            beside: Outbox::new(beside),
            waker: None,
            resting: false,
            urgent: false,
        };
        state.count();
        let piece = (PIECE.min(memory.messages / 2), PIECE_BYTES.min(memory.bytes / 2));
        Ok(Publisher(Arc::new(Inner { state: Mutex::new(state), disk, piece })))
    }

    /// Hands in. `kept_by_device`: the device repeats it if it is refused.
    pub(crate) fn publish(&self, publication: Publication, receipt: Option<Receipt>, kept_by_device: bool) -> Taken {
        self.hand_in(Entry { receipt, ..Entry::new(publication) }, kept_by_device)
    }

    /// Hands in the terminal message of a command and strikes that off the journal: at once if the message is stored, else when the broker
    /// has it.
    pub(crate) fn conclude(&self, publication: Publication, command: Option<u64>) {
        // Refused only by an outbox that is full on disk too, and counted there; the command is then still in the journal.
        let _ = self.hand_in(Entry { command, ..Entry::new(publication) }, false);
    }

    fn hand_in(&self, entry: Entry<Receipt>, kept_by_device: bool) -> Taken {
        let state = self.lock();
        if let Some(disk) = &self.0.disk
            && entry.must_arrive()
        {
            let fits = !state.backlog.active && state.outbox.fits(&entry, kept_by_device);
            if !fits || entry.publication.qos > 0 || entry.command.is_some() {
                return self.write(state, disk, entry, fits, kept_by_device);
            }
        } else if state.backlog.active {
            return self.push_beside(state, entry);
        }
        match state.outbox.fits(&entry, kept_by_device) {
            true => self.enter(state, entry, kept_by_device),
            false => Taken::refused(&entry),
        }
    }

    /// By way of the disk. The lock is not held while it writes; the numbers keep the order.
    fn write(
        &self,
        mut state: MutexGuard<'_, State>,
        disk: &Disk,
        mut entry: Entry<Receipt>,
        fits: bool,
        kept_by_device: bool,
    ) -> Taken {
        let began = !fits && !state.backlog.active;
        let number = match fits {
            true => state.backlog.number(),
            false => match state.backlog.spill(entry.size(), disk.limits) {
                Some(number) => number,
                None => return Taken::refused(&entry),
            },
        };
        drop(state);
        if began {
            OutboxSpills.emit();
        }
        let written = disk.put(number, &entry.publication, entry.command);
        let mut state = self.lock();
        state.backlog.written(number);
        match (written, fits) {
            (Ok(()), true) => {
                (entry.number, entry.receipt, entry.command) = (Some(number), None, None);
                self.enter(state, entry, kept_by_device)
            }
            (Ok(()), false) => {
                state.count();
                self.wake(state, true);
                Taken::Safe
            }
            (Err(_), true) => self.enter(state, entry, kept_by_device),
            (Err(_), false) => {
                state.backlog.forget(entry.size());
                // Out of order rather than lost.
                match !kept_by_device && state.outbox.fits(&entry, false) {
                    true => self.enter(state, entry, false),
                    false => Taken::refused(&entry),
                }
            }
        }
    }

    fn enter(&self, mut state: MutexGuard<'_, State>, entry: Entry<Receipt>, kept_by_device: bool) -> Taken {
        let taken = if entry.receipt.is_some() { Taken::Waiting } else { Taken::Safe };
        // Somebody waits for answers and registrations; notifications are better published a few at a time.
        let urgent = !kept_by_device && entry.must_arrive();
        let dropped = state.outbox.enter(entry, kept_by_device);
        state.count();
        self.wake(state, urgent);
        report_dropped(&dropped);
        taken
    }

    /// Keeps a droppable one at its place in the order while the others go to disk.
    fn push_beside(&self, mut state: MutexGuard<'_, State>, mut entry: Entry<Receipt>) -> Taken {
        entry.before = state.backlog.next;
        let pushed = state.beside.push(entry, false);
        state.count();
        drop(state);
        match pushed {
            Pushed::In(dropped) => {
                report_dropped(&dropped);
                Taken::Safe
            }
            Pushed::Full(entry) => Taken::refused(&entry),
        }
    }

    fn wake(&self, mut state: MutexGuard<'_, State>, urgent: bool) {
        state.urgent |= urgent;
        let waker = if urgent || !state.resting { state.waker.take() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes up to `room` of the oldest. If fewer were there, `waker` is woken by the next one. While the bridge is `resting` only an
    /// urgent one counts: it wakes, and lets what waits before it go too.
    pub(crate) fn take(&self, room: usize, into: &mut VecDeque<Entry<Receipt>>, waker: &Waker, resting: bool) {
        let mut state = self.lock();
        if state.backlog.active && state.outbox.len() < self.0.piece.0 {
            drop(state);
            self.refill();
            state = self.lock();
        }
        let resting = resting && !state.backlog.active;
        state.resting = resting;
        if resting && !state.urgent {
            state.waker = Some(waker.clone());
            return;
        }
        for _ in 0..room {
            match state.outbox.pop() {
                Some(entry) => into.push_back(entry),
                None => {
                    state.urgent = false;
                    state.waker = Some(waker.clone());
                    break;
                }
            }
        }
        state.count();
    }

    /// Reads a piece of the backlog into memory. Only the bridge does so.
    fn refill(&self) {
        let Some(disk) = &self.0.disk else { return };
        let (from, to) = {
            let state = self.lock();
            (state.backlog.from, state.backlog.settled())
        };
        // A store that cannot be read says so by itself; the backlog waits for it.
        let Ok((loaded, all)) = disk.load(from, to, self.0.piece.0, self.0.piece.1) else { return };
        let end = match loaded.last() {
            Some((number, _)) if !all => number + 1,
            _ => to,
        };
        let mut unreadable = Vec::new();
        let mut state = self.lock();
        let state = &mut *state;
        for (number, publication) in loaded {
            state.let_in_beside(number);
            match publication {
                Some(publication) => {
                    let entry = Entry { number: Some(number), ..Entry::new(publication) };
                    state.backlog.forget(entry.size());
                    state.outbox.enter(entry, false);
                }
                None => unreadable.push(number),
            }
        }
        if state.backlog.loaded(end) {
            state.let_in_beside(u64::MAX);
            OutboxDrained.emit();
        }
        state.count();
        if !unreadable.is_empty() {
            log::error!(target: crate::event::TARGET, event = "store_failed", number = unreadable[0]; "stored publications cannot be read");
            let _ = disk.remove(&unreadable);
        }
    }

    /// Gives back what did not reach the broker, oldest first.
    pub(crate) fn put_back(&self, entries: impl DoubleEndedIterator<Item = Entry<Receipt>>) {
        let mut state = self.lock();
        state.outbox.put_back(entries);
        state.count();
    }

    /// The broker has these, or refused them for good: nothing of them is needed any more. Yields those that could not be removed.
    pub(crate) fn done(&self, numbers: Vec<u64>) -> Vec<u64> {
        match &self.0.disk {
            Some(disk) if !numbers.is_empty() && disk.remove(&numbers).is_err() => numbers,
            _ => Vec::new(),
        }
    }

    /// A terminal message that could not be stored is with the broker.
    pub(crate) fn strike(&self, command: u64) {
        if let Some(disk) = &self.0.disk {
            disk.journal.strike(command);
        }
    }

    /// The end: everything that must arrive and is in memory goes to disk, what is `ahead` (given to the library, not acknowledged) first.
    pub(crate) fn keep_all(&self, ahead: impl Iterator<Item = Entry<Receipt>>) -> Remains {
        let mut state = self.lock();
        let mut entries: Vec<_> = ahead.collect();
        entries.extend(std::iter::from_fn(|| state.outbox.pop()));
        let all = entries.len() + state.beside.len();
        entries.retain(Entry::must_arrive);
        metrics::OUTBOX_DROPPED.add((all - entries.len()) as u64);
        let spilled = usize::try_from(state.backlog.messages).unwrap_or(usize::MAX);
        let Some(disk) = &self.0.disk else { return Remains { stored: 0, lost: entries.len() } };
        let unstored = entries.iter().filter(|entry| entry.number.is_none()).count();
        if unstored == 0 {
            return Remains { stored: entries.len() + spilled, lost: 0 };
        }
        // Before everything that is on disk, so that the order stays.
        let oldest = entries.iter().filter_map(|entry| entry.number).min().unwrap_or(u64::MAX);
        let oldest = oldest.min(if state.backlog.active { state.backlog.from } else { state.backlog.next });
        let first = oldest.saturating_sub(entries.len() as u64);
        let numbered: Vec<_> =
            (first..).zip(&entries).map(|(new, entry)| (entry.number, new, &entry.publication)).collect();
        let mut remains = Remains { stored: spilled, lost: 0 };
        for piece in numbered.chunks(PIECE) {
            match disk.renumber(piece) {
                Ok(()) => remains.stored += piece.len(),
                Err(_) => {
                    let stored = piece.iter().filter(|(number, ..)| number.is_some()).count();
                    remains.stored += stored;
                    remains.lost += piece.len() - stored;
                }
            }
        }
        remains
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The outbox's own calls do not panic; a poisoned lock is still consistent.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn refused(entry: &Entry<Receipt>) -> Taken {
        OutboxFull { endpoint: &entry.publication.endpoint, dropped: false }.emit();
        Taken::Refused
    }
}

fn report_dropped(dropped: &[Entry<Receipt>]) {
    for entry in dropped {
        OutboxFull { endpoint: &entry.publication.endpoint, dropped: true }.emit();
    }
}

impl State {
    fn len(&self) -> usize {
        self.outbox.len() + self.beside.len() + usize::try_from(self.backlog.messages).unwrap_or(usize::MAX)
    }

    /// Lets in the droppable ones that come before the publication of this number.
    fn let_in_beside(&mut self, number: u64) {
        while self.beside.first().is_some_and(|entry| entry.before <= number) {
            if let Some(entry) = self.beside.pop() {
                report_dropped(&self.outbox.enter(entry, false));
            }
        }
    }

    fn count(&self) {
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        metrics::OUTBOX_MESSAGES.set(gauge((self.outbox.len() + self.beside.len()) as u64));
        metrics::OUTBOX_BYTES.set(gauge((self.outbox.bytes() + self.beside.bytes()) as u64));
        metrics::OUTBOX_DISK_MESSAGES.set(gauge(self.backlog.messages));
        metrics::OUTBOX_DISK_BYTES.set(gauge(self.backlog.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::DiskLimits;
    use super::super::journal::Journal;
    use super::*;
    use contract::message::Class;
    use std::path::Path;
    use std::time::Duration;
    use store::{Options, Part, Store};

    const LIMITS: OutboxLimits =
        OutboxLimits { messages: 20, bytes: 1 << 20, disk_messages: 5_000, disk_bytes: 1 << 30 };

    fn open(folder: &Path, limits: OutboxLimits) -> Publisher {
        let store = Store::open(folder, Options { reserve: 0, ..Options::default() }).unwrap();
        with(store, limits)
    }

    fn with(store: Store, limits: OutboxLimits) -> Publisher {
        let journal = Arc::new(Journal::open(store.clone(), Duration::from_secs(60)).unwrap());
        let bounds = DiskLimits { messages: limits.disk_messages, bytes: limits.disk_bytes };
        Publisher::new(limits, Some(Disk::new(store, journal, bounds))).unwrap()
    }

    fn publication(text: &str, qos: u8, class: Class) -> Publication {
        Publication {
            endpoint: "ep".into(),
            topic: "t".into(),
            payload: text.as_bytes().to_vec(),
            qos,
            correlation_data: None,
            class,
        }
    }

    fn publish(publisher: &Publisher, number: usize, qos: u8) -> Taken {
        publisher.publish(publication(&number.to_string(), qos, Class::Keep), None, false)
    }

    /// Takes all there is, a few at a time, as the bridge does.
    fn drain(publisher: &Publisher) -> Vec<(Option<u64>, String)> {
        let mut all = Vec::new();
        loop {
            let mut taken = VecDeque::new();
            publisher.take(7, &mut taken, Waker::noop(), false);
            if taken.is_empty() {
                return all;
            }
            let text = |entry: &Entry<Receipt>| String::from_utf8(entry.publication.payload.clone()).unwrap();
            all.extend(taken.iter().map(|entry| (entry.number, text(entry))));
        }
    }

    fn texts(drained: &[(Option<u64>, String)]) -> Vec<&str> {
        drained.iter().map(|(_, text)| text.as_str()).collect()
    }

    fn stored(publisher: &Publisher) -> usize {
        let mut count = 0;
        let store = publisher.0.disk.as_ref().unwrap().store_for_tests();
        store
            .scan(Part::Outbox, b"", |_, _| {
                count += 1;
                true
            })
            .unwrap();
        count
    }

    #[test]
    fn what_memory_has_no_room_for_comes_from_disk_in_the_order_of_the_calls() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = open(folder.path(), LIMITS);
        let all: Vec<String> = (0..3_000).map(|number| number.to_string()).collect();
        for number in 0..3_000 {
            assert_eq!(publish(&publisher, number, u8::from(number % 3 == 0)), Taken::Safe);
        }
        assert_eq!(publisher.len(), 3_000);
        assert!(publisher.lock().outbox.len() <= 20);
        let drained = drain(&publisher);
        assert_eq!(texts(&drained), all);
        assert!(!publisher.lock().backlog.active);
        // Nothing is removed before the broker has it.
        let numbers: Vec<u64> = drained.iter().filter_map(|(number, _)| *number).collect();
        assert_eq!(stored(&publisher), numbers.len());
        assert!(publisher.done(numbers).is_empty());
        assert_eq!((stored(&publisher), publisher.len()), (0, 0));
        // In memory again.
        publish(&publisher, 1, 0);
        assert_eq!(drain(&publisher), [(None, "1".to_owned())]);
    }

    #[test]
    fn new_ones_go_behind_the_backlog_while_it_drains() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = open(folder.path(), LIMITS);
        let mut next = 0;
        let mut seen = Vec::new();
        for round in 0..200 {
            for _ in 0..30 {
                assert_eq!(publish(&publisher, next, 0), Taken::Safe);
                next += 1;
            }
            let mut taken = VecDeque::new();
            publisher.take(if round < 100 { 20 } else { 50 }, &mut taken, Waker::noop(), false);
            seen.extend(taken.into_iter().map(|entry| String::from_utf8(entry.publication.payload).unwrap()));
        }
        seen.extend(drain(&publisher).into_iter().map(|(_, text)| text));
        assert_eq!(seen, (0..next).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn droppable_ones_keep_their_place_beside_the_backlog_and_the_oldest_of_a_path_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = open(folder.path(), OutboxLimits { messages: 40, ..LIMITS });
        for number in 0..45 {
            publish(&publisher, number, 0);
        }
        for round in 0..3 {
            for key in 0..6 {
                let text = format!("n{round}{key}");
                let _ = publisher.publish(publication(&text, 0, Class::Droppable { key }), None, false);
            }
            publish(&publisher, 100 + round, 0);
        }
        let drained = drain(&publisher);
        let mut expected: Vec<String> = (0..45).map(|number| number.to_string()).collect();
        // Ten have room beside the backlog: of 18 the oldest of each path had to go, then the next.
        for text in ["100", "n10", "n11", "n12", "n13", "101", "n20", "n21", "n22", "n23", "n24", "n25", "102"] {
            expected.push(text.to_owned());
        }
        assert_eq!(texts(&drained), expected);
    }

    #[test]
    fn a_crash_loses_nothing_of_qos_1_and_an_end_nothing_at_all() {
        for crash in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let publisher = open(folder.path(), LIMITS);
            for number in 0..50 {
                publish(&publisher, number, u8::from(number % 2 == 0));
            }
            let mut ahead = VecDeque::new();
            publisher.take(5, &mut ahead, Waker::noop(), false);
            if !crash {
                let remains = publisher.keep_all(ahead.into_iter());
                assert_eq!(remains, Remains { stored: 50, lost: 0 });
            }
            drop(publisher);
            let publisher = open(folder.path(), LIMITS);
            // The others of QoS 0 were beyond the bound of memory, and so on disk.
            let survivors = |number: &usize| !crash || number.is_multiple_of(2) || *number >= 20;
            let expected: Vec<String> = (0..50).filter(survivors).map(|number| number.to_string()).collect();
            assert_eq!(publisher.len(), expected.len());
            publish(&publisher, 1000, 0);
            let drained = drain(&publisher);
            assert_eq!(texts(&drained[..expected.len()]), expected, "crash: {crash}");
            assert_eq!(drained.last().unwrap().1, "1000");
        }
    }

    #[test]
    fn beyond_the_bounds_of_the_disk_devices_keep_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = open(folder.path(), OutboxLimits { disk_messages: 10, ..LIMITS });
        let taken: Vec<Taken> = (0..35).map(|number| publish(&publisher, number, 1)).collect();
        assert_eq!(taken.iter().filter(|taken| **taken == Taken::Safe).count(), 30);
        assert_eq!(taken.last(), Some(&Taken::Refused));
        assert_eq!(drain(&publisher).len(), 30);
        assert_eq!(publish(&publisher, 0, 1), Taken::Safe);
    }

    #[test]
    fn with_a_full_disk_memory_goes_on_and_terminal_messages_keep_their_commands() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options { reserve: u64::MAX, ..Options::default() }).unwrap();
        let publisher = with(store, LIMITS);
        publisher.conclude(publication("answer", 1, Class::Keep), Some(7));
        for number in 0..30 {
            let taken = publish(&publisher, number, 1);
            assert_eq!(taken, if number < 19 { Taken::Safe } else { Taken::Refused }, "{number}");
        }
        let mut taken = VecDeque::new();
        publisher.take(100, &mut taken, Waker::noop(), false);
        assert_eq!((taken.len(), taken[0].command, taken[0].number), (20, Some(7), None));
        let remains = publisher.keep_all(taken.into_iter());
        assert_eq!(remains, Remains { stored: 0, lost: 20 });
    }

    fn copy(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                std::fs::create_dir_all(&target).unwrap();
                copy(&entry.path(), &target);
            } else {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }

    /// A copy of the files is what a power cut leaves.
    #[test]
    fn a_power_cut_finds_each_command_either_pending_or_concluded() {
        use super::super::duplicates::Delivery;
        use super::super::journal::Accepted;
        use super::super::record::Arrival;
        use contract::command::Envelope;
        let folder = tempfile::tempdir().unwrap();
        let publisher = open(folder.path(), LIMITS);
        let journal = publisher.0.disk.as_ref().unwrap().journal.clone();
        let (mut copies, mut open_commands, mut accepted) = (Vec::new(), VecDeque::new(), 0);
        for step in 0..400u16 {
            let payload = step.to_string();
            let envelope = Envelope::default();
            let arrival =
                Arrival { topic: "a/dn", payload: payload.as_bytes(), envelope: &envelope, retained: false, unix: 0.0 };
            let delivery = Delivery { qos: 1, again: false, packet: step };
            let Ok(Accepted::New(number)) = journal.accept(&arrival, delivery) else { panic!("{step} is new") };
            accepted += 1;
            open_commands.push_back((number, payload));
            if open_commands.len() > 5 {
                let (number, text) = open_commands.pop_front().unwrap();
                publisher.conclude(publication(&text, 0, Class::Keep), Some(number));
            }
            if step % 41 == 7 {
                let copied = tempfile::tempdir().unwrap();
                copy(folder.path(), copied.path());
                copies.push((accepted, open_commands.len(), copied));
            }
        }
        for (accepted, pending, copied) in copies {
            let publisher = open(copied.path(), LIMITS);
            let mut all: Vec<String> = drain(&publisher).into_iter().map(|(_, text)| text).collect();
            assert_eq!(all.len(), accepted - pending);
            let piece = publisher.0.disk.as_ref().unwrap().journal.read(0, 1_000).unwrap();
            all.extend(piece.commands.into_iter().map(|command| String::from_utf8(command.received.payload).unwrap()));
            assert_eq!(all, (0..accepted).map(|step| step.to_string()).collect::<Vec<_>>());
        }
    }
}
