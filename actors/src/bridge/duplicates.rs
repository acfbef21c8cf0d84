//! Which commands have come before (contract chapter 13).
//!
//! MQTT delivers QoS 1 at least once: a message whose acknowledgement was lost comes again, after a reconnect or a restart, with the same
//! packet identifier and the DUP flag. Two messages of the same bytes are not the same for that alone: an application may well ask
//! the same thing again and again under one `reqID`. So a command is a repetition
//!
//! - if it has Correlation Data, and another of the same bytes with the same Correlation Data was seen within the window,
//! - or if the broker says so (DUP; with QoS 2 the library hides the flag, there the first moments of a connection count), and one of the
//!   same bytes with the same packet identifier was seen within the window.
use super::record::Mark;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::collections::{HashMap, VecDeque};
use std::hash::Hasher;
use std::time::{Duration, Instant};

/// So many commands that have their outcome are remembered at most.
const ENDED_MAX: usize = 10_000;

/// What a message says about itself beside its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) qos: u8,
    /// DUP flag.
    pub(crate) again: bool,
    pub(crate) packet: u16,
}

/// What makes two commands the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) response_topic: Option<&'a str>,
    pub(crate) correlation: Option<&'a [u8]>,
    pub(crate) delivery: Delivery,
}

impl Identity<'_> {
    fn is_named(&self) -> bool {
        self.correlation.is_some_and(|data| !data.is_empty())
    }

    /// Equal for the same command. It is stored, so it must not depend on the process.
    pub(crate) fn mark(&self) -> Mark {
        let mut hasher = SipHasher13::new_with_keys(0x6c77_6d32, 0x6d71_7474);
        let mut section = |bytes: &[u8]| {
            hasher.write_u64(bytes.len() as u64);
            hasher.write(bytes);
        };
        section(self.topic.as_bytes());
        section(self.payload);
        section(self.response_topic.unwrap_or_default().as_bytes());
        match self.correlation {
            Some(data) if self.is_named() => section(data),
            _ => {
                section(b"");
                section(&self.delivery.packet.to_be_bytes());
            }
        }
        hasher.finish128().as_u128()
    }
}

/// The memory of commands.
#[derive(Debug)]
pub(crate) struct Duplicates {
    window: Duration,
    /// Newest command of each mark.
    seen: HashMap<Mark, u64>,
    pending: HashMap<u64, Mark>,
    /// Those with an outcome, in the order in which they got it.
    ended: VecDeque<(Instant, u64, Mark)>,
    /// Until then a message of QoS 2 may be a repetition.
    fresh: Option<Instant>,
}

impl Duplicates {
    pub(crate) fn new(window: Duration) -> Duplicates {
        Duplicates { window, seen: HashMap::new(), pending: HashMap::new(), ended: VecDeque::new(), fresh: None }
    }

    /// Whether this command came before.
    pub(crate) fn is_repetition(&self, now: Instant, identity: &Identity<'_>, mark: Mark) -> bool {
        let Delivery { qos, again, .. } = identity.delivery;
        let fresh = self.fresh.is_some_and(|until| now < until);
        (identity.is_named() || again || (qos == 2 && fresh)) && self.seen.contains_key(&mark)
    }

    /// A command without an outcome.
    pub(crate) fn add(&mut self, number: u64, mark: Mark) {
        self.seen.insert(mark, number);
        self.pending.insert(number, mark);
    }

    /// It was not taken after all.
    pub(crate) fn remove(&mut self, number: u64) {
        if let Some(mark) = self.pending.remove(&number) {
            self.unsee(number, mark);
        }
    }

    /// It has its outcome. Its mark, if it is to be remembered, and the commands that need not be remembered any longer.
    pub(crate) fn end(&mut self, now: Instant, number: u64) -> (Option<Mark>, Vec<u64>) {
        let mark = self.pending.remove(&number);
        if let Some(mark) = mark {
            self.ended.push_back((now, number, mark));
        }
        let mut outdated = Vec::new();
        while let Some((at, number, mark)) = self.ended.front().copied()
            && (self.ended.len() > ENDED_MAX || now.saturating_duration_since(at) > self.window)
        {
            self.ended.pop_front();
            self.unsee(number, mark);
            outdated.push(number);
        }
        (mark, outdated)
    }

    /// One that ended before the restart.
    pub(crate) fn restore_ended(&mut self, now: Instant, number: u64, mark: Mark) {
        self.seen.insert(mark, number);
        self.ended.push_back((now, number, mark));
    }

    /// The broker is back: repetitions come now, however long it was away.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.fresh = now.checked_add(self.window);
        for (at, ..) in &mut self.ended {
            *at = now;
        }
    }

    fn unsee(&mut self, number: u64, mark: Mark) {
        if self.seen.get(&mark) == Some(&number) {
            self.seen.remove(&mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn identity(payload: &'static str, qos: u8, again: bool, packet: u16) -> Identity<'static> {
        Identity {
            topic: "lwm2m/ep1/dn",
            payload: payload.as_bytes(),
            response_topic: None,
            correlation: None,
            delivery: Delivery { qos, again, packet },
        }
    }

    fn named(payload: &'static str, correlation: &'static [u8]) -> Identity<'static> {
        Identity { correlation: Some(correlation), ..identity(payload, 1, false, 1) }
    }

    #[test]
    fn the_same_bytes_again_and_again_are_commands_of_their_own() {
        let now = Instant::now();
        let mut duplicates = Duplicates::new(WINDOW);
        for packet in [1, 2, 3, 1] {
            let poll = identity("poll", 1, false, packet);
            assert!(!duplicates.is_repetition(now, &poll, poll.mark()));
            duplicates.add(packet.into(), poll.mark());
        }
        // Sent twice by the application, and the broker lost our acknowledgement of neither: the second is not the first.
        let second = identity("poll", 1, true, 9);
        assert!(!duplicates.is_repetition(now, &second, second.mark()));
    }

    #[test]
    fn what_the_broker_repeats_is_recognised_while_pending_and_for_the_window_after_its_end() {
        let start = Instant::now();
        let mut duplicates = Duplicates::new(WINDOW);
        let (first, again) = (identity("x", 1, false, 7), identity("x", 1, true, 7));
        duplicates.add(5, first.mark());
        assert!(duplicates.is_repetition(start, &again, again.mark()));
        assert_eq!(duplicates.end(start, 5), (Some(first.mark()), vec![]));
        assert!(duplicates.is_repetition(start + WINDOW, &again, again.mark()));
        duplicates.add(6, identity("y", 1, false, 8).mark());
        assert_eq!(duplicates.end(start + WINDOW * 2, 6).1, [5]);
        assert!(!duplicates.is_repetition(start + WINDOW * 2, &again, again.mark()));
        for other in [identity("z", 1, true, 7), identity("x", 1, true, 8)] {
            assert!(!duplicates.is_repetition(start, &other, other.mark()), "{other:?}");
        }
    }

    #[test]
    fn correlation_data_names_a_command() {
        let now = Instant::now();
        let mut duplicates = Duplicates::new(WINDOW);
        duplicates.add(1, named("x", b"\x01").mark());
        let same = Identity { delivery: Delivery { packet: 99, ..Delivery::default() }, ..named("x", b"\x01") };
        assert!(duplicates.is_repetition(now, &same, same.mark()));
        for other in [named("x", b"\x02"), named("y", b"\x01"), named("x", b""), identity("x", 1, false, 1)] {
            assert!(!duplicates.is_repetition(now, &other, other.mark()), "{other:?}");
        }
    }

    #[test]
    fn qos_2_is_looked_at_after_each_connection() {
        let start = Instant::now();
        let mut duplicates = Duplicates::new(WINDOW);
        let message = identity("x", 2, false, 7);
        duplicates.add(1, message.mark());
        assert!(!duplicates.is_repetition(start, &message, message.mark()));
        duplicates.end(start, 1);
        let much_later = start + WINDOW * 50;
        duplicates.connected(much_later);
        assert!(duplicates.is_repetition(much_later, &message, message.mark()));
        assert!(duplicates.end(much_later, 2).1.is_empty(), "the time without a broker does not count");
        assert!(!duplicates.is_repetition(much_later + WINDOW, &message, message.mark()));
    }

    #[test]
    fn the_memory_is_bounded_and_empties() {
        let now = Instant::now();
        let mut duplicates = Duplicates::new(WINDOW);
        let mut outdated = 0;
        for number in 0..30_000 {
            duplicates.add(number, u128::from(number));
            outdated += duplicates.end(now, number).1.len();
        }
        assert_eq!((duplicates.seen.len(), outdated), (ENDED_MAX, 20_000));
        assert_eq!(duplicates.end(now + WINDOW * 2, 0).1.len(), ENDED_MAX);
        duplicates.add(1, 1);
        duplicates.remove(1);
        assert!(duplicates.seen.is_empty() && duplicates.pending.is_empty() && duplicates.ended.is_empty());
    }
}
