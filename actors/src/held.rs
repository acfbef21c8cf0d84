//! Retained commands for devices that are not registered: the broker delivers them once, at the first subscription, and the device may
//! come much later.
use crate::custody::Custody;
use crate::metrics;
use contract::command::Command;
use std::collections::VecDeque;
use std::time::Instant;

/// So many wait at most; then the oldest is answered `4.04`.
const MAX: usize = 10_000;

/// One that waits.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) topic: Box<str>,
    pub(crate) mountpoint: Box<str>,
    pub(crate) command: Box<Command>,
    pub(crate) received: Instant,
    pub(crate) custody: Custody,
}

/// All that wait, oldest first.
#[derive(Debug, Default)]
pub(crate) struct HeldCommands(VecDeque<Held>);

impl HeldCommands {
    /// Keeps a command; it replaces an older one of the same topic, as it does at the broker. Yields what has to go for it.
    pub(crate) fn hold(&mut self, held: Held) -> Option<Held> {
        let replaced = self.0.iter().position(|other| other.topic == held.topic).and_then(|at| self.0.remove(at));
        let evicted = replaced.or_else(|| if self.0.len() >= MAX { self.0.pop_front() } else { None });
        self.0.push_back(held);
        self.count();
        evicted
    }

    /// The commands of a device that registers, in the order in which they came.
    pub(crate) fn take(&mut self, mountpoint: &str) -> Vec<Held> {
        self.take_back(|held| *held.mountpoint == *mountpoint)
    }

    /// All of them.
    pub(crate) fn take_all(&mut self) -> Vec<Held> {
        let all = self.0.drain(..).collect();
        self.count();
        all
    }

    /// Takes out the commands that are meant.
    pub(crate) fn take_back(&mut self, meant: impl Fn(&Held) -> bool) -> Vec<Held> {
        if !self.0.iter().any(&meant) {
            return Vec::new();
        }
        let (taken, rest) = self.0.drain(..).partition(meant);
        self.0 = rest;
        self.count();
        Vec::from_iter::<VecDeque<Held>>(taken)
    }

    fn count(&self) {
        metrics::RETAINED_HELD.set(i64::try_from(self.0.len()).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::command::Envelope;

    fn held(device: &str, topic: &str, request: u32) -> Held {
        let json = format!(r#"{{"reqID":{request},"msgType":"read","data":{{"path":"/3/0"}}}}"#);
        Held {
            topic: topic.into(),
            mountpoint: device.into(),
            command: Box::new(Command::parse(json.as_bytes(), Envelope::default()).unwrap()),
            received: Instant::now(),
            custody: Custody::default(),
        }
    }

    fn requests(held: &[Held]) -> Vec<&str> {
        held.iter().filter_map(|held| held.command.request_id()).collect()
    }

    #[test]
    fn a_device_gets_its_own_commands_in_order_and_once() {
        let mut commands = HeldCommands::default();
        for (device, topic, request) in [("a/", "a/dn/1", 1), ("b/", "b/dn", 2), ("a/", "a/dn/2", 3)] {
            assert!(commands.hold(held(device, topic, request)).is_none());
        }
        assert_eq!(requests(&commands.take("a/")), ["1", "3"]);
        assert!(commands.take("a/").is_empty());
        assert_eq!(requests(&commands.take_all()), ["2"]);
    }

    #[test]
    fn a_newer_command_of_a_topic_replaces_the_older_and_an_empty_one_withdraws_it() {
        let mut commands = HeldCommands::default();
        commands.hold(held("a/", "a/dn", 1));
        assert_eq!(requests(&commands.hold(held("a/", "a/dn", 2)).into_iter().collect::<Vec<_>>()), ["1"]);
        assert_eq!(commands.take_back(|held| &*held.topic == "a/dn").len(), 1);
        assert!(commands.take("a/").is_empty());
    }

    #[test]
    fn beyond_the_bound_the_oldest_has_to_go() {
        let mut commands = HeldCommands::default();
        for i in 0..MAX {
            assert!(commands.hold(held("a/", &format!("a/dn/{i}"), 7)).is_none());
        }
        assert_eq!(&*commands.hold(held("a/", "a/dn/new", 8)).unwrap().topic, "a/dn/0");
    }
}
