//! The journal of device state: turns what sessions want kept into batches of the store, and back after a restart ([`restore`]).
//!
//! What tells a device something new (registration, observation, address) is written before the datagram leaves. Renewals of lifetimes and
//! numbers of notifications are collected and written together every [`INTERVAL`]: they come with every Update and notification. A notification
//! number that is lost does no harm, since older than the device's is all that it has to be. For a lost renewal see [`restore`].
pub(crate) mod record;
mod restore;
#[cfg(test)]
mod tests;

pub(crate) use record::Place;
pub(crate) use restore::Stored;

use crate::clock;
use crate::event::{ClockSet, Event, StoreFailed};
use crate::metrics;
use lwm2m::session::snapshot::Patch;
use lwm2m::session::{Address, Now, Snapshot};
use record::{Clock, Freshness, Home, Kind, MARKS, Marks, encode};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};
use store::{Batch, Part, Store, WriteError};

/// How often what can wait is written.
const INTERVAL: Duration = Duration::from_millis(500);

/// Records in one batch of those; other writers wait while it is written.
const CHUNK: usize = 1000;

/// Most records that wait while the store takes none; those of half a million devices.
const PENDING_MAX: usize = 1_000_000;

/// A system clock that differs by more than this from what it should show was set by somebody.
const JUMP: f64 = 1.0;

/// See the module.
#[derive(Debug)]
pub(crate) struct DeviceJournal {
    store: Store,
    /// The listeners, in the order of their numbers.
    places: Vec<Place>,
    lazy: Mutex<Lazy>,
    /// Held shared by whoever writes at once, alone by whoever writes what waited: no old value may overwrite a new one.
    order: RwLock<()>,
}

type Key = (Part, Vec<u8>);

/// A record to be written, or removed.
type Change = (Key, Option<Vec<u8>>);

#[derive(Debug)]
struct Lazy {
    waiting: HashMap<Key, Option<Vec<u8>>>,
    /// When what waited was written last.
    flushed: Instant,
    marks: Marks,
    closed: bool,
    /// A moment in both clocks, to see when somebody sets the system clock.
    known: Now,
}

/// What one turn of a device wants kept.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    at_once: Vec<Change>,
    may_wait: Vec<Change>,
    renewed: bool,
}

impl Turn {
    /// Something in it must not wait.
    pub(crate) fn is_urgent(&self) -> bool {
        !self.at_once.is_empty()
    }

    fn put(&mut self, part: Part, key: Vec<u8>, value: Vec<u8>) {
        self.at_once.push(((part, key), Some(value)));
    }

    fn remove(&mut self, part: Part, key: Vec<u8>) {
        self.at_once.push(((part, key), None));
    }
}

impl DeviceJournal {
    /// A journal in an open store; `places` are the listeners by number.
    pub(crate) fn new(store: Store, places: Vec<Place>, now: Now) -> Result<Arc<DeviceJournal>, WriteError> {
        let marks = restore::marks(&store)?;
        let lazy = Lazy { waiting: HashMap::new(), flushed: now.instant, marks, closed: false, known: now };
        Ok(Arc::new(DeviceJournal { store, places, lazy: Mutex::new(lazy), order: RwLock::new(()) }))
    }

    /// Starts the thread that writes what waits; it ends with the journal.
    pub(crate) fn start(self: &Arc<DeviceJournal>) -> std::io::Result<()> {
        let journal: Weak<DeviceJournal> = Arc::downgrade(self);
        let run = move || {
            loop {
                std::thread::sleep(INTERVAL);
                let Some(journal) = journal.upgrade() else { return };
                journal.flush(clock::now());
            }
        };
        std::thread::Builder::new().name("journal".into()).spawn(run).map(drop)
    }

    /// Adds one patch of a device to its turn. Commands are journalled where they come in, not here.
    pub(crate) fn record(&self, turn: &mut Turn, endpoint: &str, now: Now, local: Option<IpAddr>, patch: Patch) {
        let key = |kind: Kind| kind.key(endpoint);
        match patch {
            Patch::Registered(registration) => {
                turn.put(Part::Registrations, key(Kind::Whole), encode(&*registration));
            }
            Patch::Renewed { expires, address } => {
                let clock = encode(&Clock { expires, shift: self.shift(now) });
                turn.may_wait.push(((Part::Registrations, key(Kind::Clock)), Some(clock)));
                turn.renewed = true;
                // With a registration comes the address.
                if !turn.at_once.is_empty() {
                    turn.put(Part::Registrations, key(Kind::Home), encode(&self.home(address, local)));
                }
            }
            Patch::Moved(address) => {
                let home = encode(&self.home(address, local));
                match address.is_secure() {
                    // Its association finds it wherever it is.
                    true => turn.may_wait.push(((Part::Registrations, key(Kind::Home)), Some(home))),
                    false => turn.put(Part::Registrations, key(Kind::Home), home),
                }
            }
            Patch::Attributed(pmax) if pmax.is_empty() => turn.remove(Part::Registrations, key(Kind::Attributes)),
            Patch::Attributed(pmax) => turn.put(Part::Registrations, key(Kind::Attributes), encode(&pmax)),
            Patch::Observing(observation) => {
                turn.remove(Part::Observations, key(Kind::Freshness(observation.id)));
                turn.put(Part::Observations, key(Kind::Observation(observation.id)), encode(&*observation));
            }
            Patch::Notified { observation, sequence, silent_at } => {
                let freshness = encode(&Freshness { sequence, silent_at, shift: self.shift(now) });
                turn.may_wait.push(((Part::Observations, key(Kind::Freshness(observation))), Some(freshness)));
            }
            Patch::ObservationEnded { observation } => {
                turn.remove(Part::Observations, key(Kind::Observation(observation)));
                turn.remove(Part::Observations, key(Kind::Freshness(observation)));
            }
            Patch::Ended => {
                for kind in [Kind::Whole, Kind::Home, Kind::Clock, Kind::Attributes] {
                    turn.remove(Part::Registrations, key(kind));
                }
            }
            Patch::Accepted(_) | Patch::Sent { .. } | Patch::Requeued { .. } | Patch::Finished { .. } => {}
        }
    }

    /// Keeps what a turn wants kept: when this returns, what must not wait has reached the operating system. If the store does not take it, it
    /// waits until it does; `/health/ready` tells.
    pub(crate) fn keep(&self, turn: Turn, now: Now) {
        let Turn { mut at_once, may_wait, renewed } = turn;
        let mut lazy = self.lazy();
        if at_once.is_empty() && !lazy.closed {
            for (key, value) in may_wait {
                lazy.wait(key, value);
            }
            // The first renewal after a pause is written at once: so a crash can lose none that is older than the interval.
            let due = renewed && now.instant.saturating_duration_since(lazy.flushed) >= INTERVAL;
            drop(lazy);
            if due {
                self.flush(now);
            }
            return;
        }
        drop(lazy);
        at_once.extend(may_wait);
        self.write(at_once);
    }

    /// Writes anew what is kept of a device, in place of everything that was.
    pub(crate) fn replace(&self, now: Now, local: Option<IpAddr>, snapshot: &Snapshot) {
        let endpoint = &snapshot.registration.endpoint;
        self.forget(endpoint);
        let mut turn = Turn::default();
        let Snapshot { registration, address, expires, pmax, observations, .. } = snapshot.clone();
        let patches = [Patch::Registered(registration), Patch::Renewed { expires, address }, Patch::Attributed(pmax)];
        let observing = observations.into_iter().map(|observation| Patch::Observing(Box::new(observation)));
        for patch in patches.into_iter().chain(observing) {
            self.record(&mut turn, endpoint, now, local, patch);
        }
        self.keep(turn, now);
    }

    /// Forgets a device that can no longer say so itself.
    pub(crate) fn forget(&self, endpoint: &str) {
        let mut changes: Vec<Change> = [Kind::Whole, Kind::Home, Kind::Clock, Kind::Attributes]
            .map(|kind| ((Part::Registrations, kind.key(endpoint)), None))
            .into();
        let prefix = [endpoint.as_bytes(), &[0]].concat();
        let scanned = self.store.scan(Part::Observations, &prefix, |key, _| {
            changes.push(((Part::Observations, key.to_vec()), None));
            true
        });
        if let Err(error) = scanned {
            StoreFailed { error: &error, records: changes.len() }.emit();
        }
        // Freshness that waits belongs to observations that are being removed.
        self.lazy().waiting.retain(|(part, key), _| *part != Part::Observations || !key.starts_with(&prefix));
        self.write(changes);
    }

    /// Writes what waits.
    pub(crate) fn flush(&self, now: Now) {
        self.lazy().watch_clock(now);
        while self.flush_some(now, false) {}
        metrics::STORE_WAITING.set(i64::try_from(self.lazy().waiting.len()).unwrap_or(i64::MAX));
        let (commits, syncs) = self.store.counts();
        metrics::STORE_COMMITS.raise_to(commits);
        metrics::STORE_SYNCS.raise_to(syncs);
    }

    /// Writes what waits, and that nothing is left; what comes from now on is written at once.
    pub(crate) fn close(&self, now: Now) {
        self.lazy().closed = true;
        self.flush(now);
        if self.lazy().waiting.is_empty() {
            self.flush_some(now, true);
        }
    }

    /// Writes one batch; whether there may be more.
    fn flush_some(&self, now: Now, clean: bool) -> bool {
        let _alone = self.order.write().unwrap_or_else(PoisonError::into_inner);
        let (chunk, marks) = {
            let mut lazy = self.lazy();
            let chunk: Vec<Change> = lazy.waiting.extract_if(|_, _| true).take(CHUNK).collect();
            if lazy.waiting.is_empty() && lazy.waiting.capacity() > CHUNK {
                lazy.waiting = HashMap::new();
            }
            (chunk, Marks { flushed: now.unix, clean, ..lazy.marks })
        };
        if chunk.is_empty() && !clean {
            return false;
        }
        let mut batch = batch_of(&chunk);
        batch.put(Part::Registrations, MARKS, encode(&marks));
        let written = self.store.write(batch);
        let mut lazy = self.lazy();
        match written {
            Ok(()) => {
                (lazy.marks, lazy.flushed) = (marks, now.instant);
                !lazy.waiting.is_empty()
            }
            Err(error) => {
                StoreFailed { error: &error, records: chunk.len() }.emit();
                for (key, value) in chunk {
                    lazy.waiting.entry(key).or_insert(value);
                }
                false
            }
        }
    }

    fn write(&self, changes: Vec<Change>) {
        let _shared = self.order.read().unwrap_or_else(PoisonError::into_inner);
        {
            let mut lazy = self.lazy();
            if !lazy.waiting.is_empty() {
                for (key, _) in &changes {
                    lazy.waiting.remove(key);
                }
            }
        }
        if let Err(error) = self.store.write(batch_of(&changes)) {
            StoreFailed { error: &error, records: changes.len() }.emit();
            let mut lazy = self.lazy();
            for (key, value) in changes {
                lazy.wait(key, value);
            }
        }
    }

    fn lazy(&self) -> MutexGuard<'_, Lazy> {
        self.lazy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the system clock was set forward by: times are stored with it, so that one clock can be told from the other.
    fn shift(&self, now: Now) -> f64 {
        let mut lazy = self.lazy();
        lazy.watch_clock(now);
        lazy.marks.shift
    }

    fn home(&self, address: Address, local: Option<IpAddr>) -> Home {
        let place = self.places.get(usize::from(address.listener)).copied();
        Home { socket: address.socket, association: address.association, place, local }
    }
}

impl Lazy {
    /// Sees when somebody has set the system clock.
    fn watch_clock(&mut self, now: Now) {
        let Some(passed) = now.instant.checked_duration_since(self.known.instant) else { return };
        let jump = now.unix - self.known.unix - passed.as_secs_f64();
        if jump.abs() > JUMP {
            self.marks.shift += jump;
            // Written with the next batch; that there is one is certain with this.
            self.waiting.insert((Part::Registrations, MARKS.to_vec()), Some(encode(&self.marks)));
            ClockSet { seconds: jump }.emit();
        }
        self.known = now;
    }

    fn wait(&mut self, key: Key, value: Option<Vec<u8>>) {
        if self.waiting.len() < PENDING_MAX || self.waiting.contains_key(&key) {
            self.waiting.insert(key, value);
        } else {
            metrics::STORE_LOST.increment();
        }
    }
}

fn batch_of(changes: &[Change]) -> Batch {
    let mut batch = Batch::new();
    for ((part, key), value) in changes {
        match value {
            Some(value) => batch.put(*part, key.as_slice(), value.as_slice()),
            None => batch.remove(*part, key.as_slice()),
        };
    }
    batch
}
