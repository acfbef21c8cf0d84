//! Thirty days of a thousand devices in virtual time: whatever they do, they take no more memory than after the first day.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod allocations;
mod bench;
use bench::*;
use coap::{Code, Kind, Message};
use lwm2m::catalog::Catalog;
use lwm2m::session::{Policy, Session, Snapshot};
use std::sync::Arc;

const DEVICES: usize = 1_000;
const DAYS: usize = 30;
/// A device says something every four hours.
const STEPS: usize = 6;
const STEP: f64 = 86_400.0 / STEPS as f64;

/// One simulated device and its session; a third of them sleeps.
struct Device {
    number: usize,
    bench: Bench,
    observed: Option<Message>,
    sequence: u32,
    commands: u64,
    outcomes: u64,
}

/// What all of them share.
struct World {
    policy: Arc<Policy>,
    catalog: Arc<Catalog>,
}

impl Device {
    fn new(number: usize, world: &World) -> Device {
        let mut bench = Bench::new();
        bench.session = Session::new("ep1", world.policy.clone(), world.catalog.clone(), seed(number));
        let mut device = Device { number, bench, observed: None, sequence: 1, commands: 0, outcomes: 0 };
        device.register();
        device
    }

    fn sleeps(&self) -> bool {
        self.number.is_multiple_of(3)
    }

    fn register(&mut self) {
        let binding = if self.sleeps() { "b=UQ" } else { "b=U" };
        self.bench.register(&["ep=ep1", "lt=86400", "lwm2m=1.0", binding], "</3/0>,</3303/0>");
        self.observed = Some(self.bench.observe("o", "/3/0/9"));
    }

    fn live_a_day(&mut self, day: usize, world: &World) {
        for step in 0..STEPS {
            self.notify(step.is_multiple_of(2));
            if step == 1 {
                // To a sleeper it waits, and goes out after the next sign of life.
                self.commands += 1;
                self.command();
            }
            if step % 3 == 2 {
                let step = self.bench.update(if day.is_multiple_of(7) { &["lt=80000"] } else { &[] }, "");
                self.answer_all(step);
            }
            let step = self.bench.wait(STEP);
            self.answer_all(step);
        }
        if (self.number + day).is_multiple_of(5) {
            self.restart(world);
        }
        if (self.number + day).is_multiple_of(11) {
            self.register();
        }
    }

    fn notify(&mut self, confirmable: bool) {
        self.sequence += 1;
        let kind = if confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
        let observed = self.observed.clone().unwrap();
        let notification = self.bench.notification(&observed, kind, Code::CONTENT, Some(self.sequence), b"42");
        let step = self.bench.deliver(&notification);
        let [(_, _, _, delivery)] = step.notified()[..] else { panic!("no notification: {:?}", step.outputs) };
        self.answer_all(step);
        if let Some(delivery) = delivery {
            let now = self.bench.clock();
            self.bench.session.confirm(now, delivery);
            assert_eq!(self.bench.drain().story(), "→ACK");
        }
    }

    fn command(&mut self) {
        let (accepted, step) = self.bench.submit("c", read("/3/0/0"));
        accepted.unwrap();
        self.answer_all(step);
    }

    /// The device answers every request of the gateway.
    fn answer_all(&mut self, step: Step) {
        self.outcomes += step.finished().len() as u64;
        for request in step.sent().iter().filter(|message| message.method().is_some()) {
            let step = self.bench.answer(request, Code::CONTENT, Some(0), b"v");
            self.answer_all(step);
        }
    }

    fn restart(&mut self, world: &World) {
        let stored = serde_json::to_string(&self.bench.stored).unwrap();
        let snapshot: Snapshot = serde_json::from_str::<Option<Snapshot>>(&stored).unwrap().unwrap();
        let now = self.bench.clock();
        let (policy, catalog) = (world.policy.clone(), world.catalog.clone());
        self.bench.session = Session::restore(now, snapshot, policy, catalog, seed(self.number));
        let step = self.bench.drain();
        assert_eq!(step.story(), "");
        // What was stored and the session share the registration, as before.
        self.bench.stored.as_mut().unwrap().registration = self.bench.session.registration().unwrap().clone();
    }
}

fn seed(number: usize) -> [u8; 16] {
    (number as u128 + 1).to_be_bytes()
}

#[test]
fn thirty_days_of_a_thousand_devices_end_with_the_memory_of_the_first() {
    let world = World { policy: Arc::new(policy()), catalog: catalog() };
    let begin = allocations::held();
    let mut devices: Vec<Device> = (0..DEVICES).map(|number| Device::new(number, &world)).collect();
    let mut first = 0;
    for day in 1..=DAYS {
        for device in &mut devices {
            device.live_a_day(day, &world);
        }
        let held = allocations::held() - begin;
        if day == 1 {
            first = held;
        }
        // Not even a byte for each device: what varies is how full some tables are.
        assert!((held - first).abs() < first / 50, "day 1 ended with {first} bytes, day {day} with {held}");
    }
    for device in &devices {
        assert_eq!((device.commands, device.outcomes), (DAYS as u64, DAYS as u64));
        assert_eq!((device.bench.session.waiting(), device.bench.session.outstanding()), (0, 0));
        assert_eq!(device.bench.session.observing(), 1);
        assert_eq!(device.bench.stored.as_ref().unwrap().observations.len(), 1);
        assert!(device.bench.stored.as_ref().unwrap().commands.is_empty());
    }
}
