//! Any order of commands, datagrams, losses and timers: exactly one outcome per accepted command, no panic, and rest at the end.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod bench;
use bench::*;
use coap::{Code, Kind, Message, option};
use lwm2m::session::operation::Operation;
use lwm2m::session::{Delivery, Ending, Event, Policy, Submission};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Act {
    Submit { operation: u8, immediate: bool, expires: Option<u8> },
    Answer { which: usize, code: u8, observe: bool },
    Acknowledge { which: usize },
    Separate { which: usize },
    Reset { which: usize },
    Notify { which: usize, confirmable: bool, error: bool },
    Register { queue: bool, elsewhere: bool },
    Update { elsewhere: bool },
    Deregister,
    End,
    Send,
    Settle { which: usize, keep: bool },
    Wait { seconds: u16 },
    Garbage { bytes: Vec<u8>, elsewhere: bool },
    Mutated { which: usize, at: usize, byte: u8 },
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let which = any::<usize>();
    prop_oneof![
        4 => (0u8..10, prop::bool::weighted(0.2), prop::option::weighted(0.2, 0u8..60))
            .prop_map(|(operation, immediate, expires)| Act::Submit { operation, immediate, expires }),
        4 => (which, 0u8..8, any::<bool>()).prop_map(|(which, code, observe)| Act::Answer { which, code, observe }),
        1 => which.prop_map(|which| Act::Acknowledge { which }),
        1 => which.prop_map(|which| Act::Separate { which }),
        1 => which.prop_map(|which| Act::Reset { which }),
        2 => (which, any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(which, confirmable, error)| Act::Notify { which, confirmable, error }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(queue, elsewhere)| Act::Register { queue, elsewhere }),
        1 => any::<bool>().prop_map(|elsewhere| Act::Update { elsewhere }),
        1 => Just(Act::Deregister),
        1 => Just(Act::End),
        1 => Just(Act::Send),
        2 => (which, any::<bool>()).prop_map(|(which, keep)| Act::Settle { which, keep }),
        3 => (0u16..120).prop_map(|seconds| Act::Wait { seconds }),
        1 => (prop::collection::vec(any::<u8>(), 0..40), any::<bool>())
            .prop_map(|(bytes, elsewhere)| Act::Garbage { bytes, elsewhere }),
        1 => (which, any::<usize>(), any::<u8>()).prop_map(|(which, at, byte)| Act::Mutated { which, at, byte }),
        1 => Just(Act::Restart),
    ]
}

fn operation(number: u8) -> Operation {
    match number {
        0 | 1 => read("/3/0/9"),
        2 => execute("/3/0/4"),
        3 => observe("/3/0/9"),
        4 => observe("/3303/0"),
        5 => cancel("/3/0/9", false),
        6 => cancel("/3303/0", true),
        7 => Operation::Create { target: target("/6"), nodes: Vec::new(), format: None },
        8 => Operation::Delete { target: target("/6/0") },
        _ => Operation::Discover { target: target("/3") },
    }
}

struct World {
    bench: Bench,
    /// Outcomes that are owed, by ticket.
    owed: BTreeMap<String, usize>,
    requests: Vec<Message>,
    deliveries: Vec<Delivery>,
    port: u16,
    submitted: usize,
    registered: bool,
}

impl World {
    fn new() -> World {
        let policy = Policy { queue_max: 5, ..policy() };
        World {
            bench: Bench::with(policy),
            owed: BTreeMap::new(),
            requests: Vec::new(),
            deliveries: Vec::new(),
            port: 40_000,
            submitted: 0,
            registered: false,
        }
    }

    fn see(&mut self, step: Step) {
        for message in step.sent() {
            if message.method().is_some() {
                self.requests.push(message);
            }
        }
        for event in step.events() {
            match event {
                Event::Finished { ticket, .. } => {
                    let owed = self.owed.get_mut(&name(ticket)).unwrap();
                    assert_eq!(*owed, 1, "a second outcome of {}", name(ticket));
                    *owed = 0;
                }
                Event::Notified { delivery: Some(delivery), .. } | Event::DataSent { delivery, .. } => {
                    self.deliveries.push(*delivery);
                }
                Event::Registered { .. } => self.registered = true,
                Event::Ended { .. } => {
                    assert!(self.registered, "ended twice");
                    self.registered = false;
                    assert!(self.owed.values().all(|owed| *owed == 0), "outcomes come before the end");
                }
                _ => {}
            }
        }
        if let Some(address) = self.bench.session.address() {
            self.port = address.socket.port();
        }
        self.bench.home = address(self.port);
        assert_eq!(self.bench.session.registration().is_some(), self.registered);
        let unfinished = self.owed.values().filter(|owed| **owed > 0).count();
        assert_eq!(unfinished, self.bench.session.waiting() + self.bench.session.outstanding());
        assert!(self.bench.session.waiting() <= 6, "queue_max, and one that went back");
    }

    fn pick(&self, which: usize) -> Option<Message> {
        match self.requests.len() {
            0 => None,
            // The latest are the most interesting.
            length => Some(self.requests[length - 1 - which % length.min(4)].clone()),
        }
    }

    fn deliver(&mut self, message: &Message) {
        let step = self.bench.deliver(message);
        self.see(step);
    }

    fn hear(&mut self, message: &Message, elsewhere: bool) {
        let from = address(self.port + u16::from(elsewhere));
        let step = self.bench.datagram_from(from, &message.encode());
        self.see(step);
    }

    fn perform(&mut self, act: Act) {
        match act {
            Act::Submit { operation: number, immediate, expires } => {
                self.submitted += 1;
                let name = self.submitted.to_string();
                let expires = expires.map(|seconds| self.bench.now + Duration::from_secs(seconds.into()));
                self.owed.insert(name.clone(), 1);
                let submission = Submission { operation: operation(number), ticket: ticket(&name), expires, immediate };
                let (accepted, step) = self.bench.submit_as(submission);
                if accepted.is_err() {
                    assert_eq!(self.owed.remove(&name), Some(1));
                }
                self.see(step);
            }
            Act::Answer { which, code, observe } => {
                let codes = [(2, 5), (2, 5), (2, 4), (2, 1), (4, 4), (4, 15), (5, 3), (2, 31)];
                let (class, detail) = codes[usize::from(code)];
                if let Some(request) = self.pick(which) {
                    let mut answer = response(&request, Code::new(class, detail), Some(0), b"1");
                    if observe {
                        answer.add_uint(option::OBSERVE, self.submitted as u32);
                    }
                    self.deliver(&answer);
                }
            }
            Act::Acknowledge { which } => {
                if let Some(request) = self.pick(which) {
                    self.deliver(&empty_ack(&request));
                }
            }
            Act::Separate { which } => {
                if let Some(request) = self.pick(which) {
                    let id = self.bench.next_id();
                    let mut separate = Message::new(Kind::Confirmable, Code::CONTENT, id, request.token());
                    separate.set_payload(*b"1");
                    self.deliver(&separate);
                }
            }
            Act::Reset { which } => {
                if let Some(request) = self.pick(which) {
                    self.deliver(&reset(&request));
                }
            }
            Act::Notify { which, confirmable, error } => {
                if let Some(request) = self.pick(which) {
                    let kind = if confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
                    let code = if error { Code::NOT_FOUND } else { Code::CONTENT };
                    let sequence = u32::from(self.bench.device_id);
                    let notification = self.bench.notification(&request, kind, code, Some(sequence), b"1");
                    self.deliver(&notification);
                }
            }
            Act::Register { queue, elsewhere } => {
                let binding = if queue { "b=UQ" } else { "b=U" };
                let query = ["ep=ep1", "lt=600", "lwm2m=1.1", binding];
                let message = self.bench.request(POST, &["rd"], &query, b"</3/0>,</3303/0>");
                self.hear(&message, elsewhere);
            }
            Act::Update { elsewhere } => {
                if self.registered {
                    let message = self.bench.update_message(&[], "");
                    self.hear(&message, elsewhere);
                }
            }
            Act::Deregister => {
                if self.registered {
                    let step = self.bench.deregister();
                    self.see(step);
                }
            }
            Act::End => {
                let now = self.bench.clock();
                self.bench.session.end(now, Ending::Removed);
                let step = self.bench.drain();
                self.see(step);
            }
            Act::Send => {
                let mut message = self.bench.request(POST, &["dp"], &[], br#"[{"n":"/3303/0/5700","v":1}]"#);
                message.add_uint(option::CONTENT_FORMAT, 110);
                self.deliver(&message);
            }
            Act::Settle { which, keep } => {
                if !self.deliveries.is_empty() {
                    let delivery = self.deliveries[which % self.deliveries.len()];
                    let now = self.bench.clock();
                    match keep {
                        true => self.bench.session.confirm(now, delivery),
                        false => self.bench.session.decline(now, delivery),
                    }
                    let step = self.bench.drain();
                    self.see(step);
                }
            }
            Act::Wait { seconds } => {
                let step = self.bench.wait(seconds.into());
                self.see(step);
            }
            Act::Garbage { bytes, elsewhere } => {
                let from = address(self.port + u16::from(elsewhere));
                let step = self.bench.datagram_from(from, &bytes);
                self.see(step);
            }
            Act::Mutated { which, at, byte } => {
                if let Some(request) = self.pick(which) {
                    let mut bytes = response(&request, Code::CONTENT, Some(11542), b"\xc1\x09\x05").encode();
                    let at = at % bytes.len();
                    bytes[at] ^= byte;
                    let step = self.bench.datagram(&bytes);
                    self.see(step);
                }
            }
            Act::Restart => {
                let Some(snapshot) = self.bench.snapshot() else { return };
                let stored = self.bench.stored.clone().unwrap();
                assert_eq!(stored.commands.len(), snapshot.commands.len());
                // One whose last notification waits for its delivery may come back, if the device repeats itself.
                assert!(stored.observations.len() >= snapshot.observations.len());
                let now = self.bench.clock();
                let policy = std::sync::Arc::new(Policy { queue_max: 5, ..policy() });
                self.deliveries.clear();
                self.bench.session =
                    lwm2m::session::Session::restore(now, stored, policy, catalog(), [self.submitted as u8; 16]);
                let step = self.bench.drain();
                self.see(step);
            }
        }
    }

    /// Left alone, everything comes to an end.
    fn rest(mut self) {
        let step = self.bench.wait(90_000.0);
        self.see(step);
        assert!(!self.registered);
        assert!(self.owed.values().all(|owed| *owed == 0));
        assert_eq!(self.bench.session.observing(), 0);
        assert!(self.bench.stored.is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn every_accepted_command_ends_exactly_once(queue in any::<bool>(), acts in prop::collection::vec(act(), 1..80)) {
        let mut world = World::new();
        world.perform(Act::Register { queue, elsewhere: false });
        for act in acts {
            world.perform(act);
        }
        world.rest();
    }
}
