//! What the store holds of the devices, after a restart.
//!
//! Lifetimes have gone on while the gateway was away. After a crash one thing is unknown: which lifetimes were renewed in the last moments, up
//! to [`INTERVAL`] after the last time that renewals were written. Since a device must not be forgotten wrongly, each that was alive then counts as
//! renewed at the end of that time. After an orderly end nothing is unknown.
use super::record::{ASIDE, Clock, Freshness, Home, Kind, MARKS, Marks, Place, Unreadable, decode, encode};
use super::{DeviceJournal, INTERVAL};
use crate::event::{Event, ListenerGone, RecordSetAside};
use lwm2m::Path;
use lwm2m::registration::Registration;
use lwm2m::session::snapshot::StoredObservation;
use lwm2m::session::{Address, Now, Snapshot};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use store::{Batch, Part, Store, WriteError};

/// A device as it was stored.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) snapshot: Snapshot,
    /// Address of ours that it speaks to.
    pub(crate) local: Option<IpAddr>,
}

/// The state of the journal at the end of the last run.
pub(super) fn marks(store: &Store) -> Result<Marks, WriteError> {
    let bytes = store.get(Part::Registrations, MARKS)?;
    // A damaged mark means that nothing is known of the end; a new store has none.
    Ok(bytes.and_then(|bytes| decode(&bytes).ok()).unwrap_or_default())
}

/// The records of one device, as they are read.
#[derive(Debug, Default)]
struct Pieces {
    registration: Option<Registration>,
    home: Option<Home>,
    clock: Option<Clock>,
    pmax: Vec<(Path, u32)>,
    observations: Vec<StoredObservation>,
}

/// Everything that was found, and what has to be tidied up.
#[derive(Debug, Default)]
struct Findings {
    devices: HashMap<Box<str>, Pieces>,
    tidying: Batch,
}

impl DeviceJournal {
    /// Reads back all devices. A record that cannot be read costs only itself; it is put aside in the store.
    pub(crate) fn load(&self, now: Now) -> Result<Vec<Stored>, WriteError> {
        let marks = self.lazy().marks;
        // Most of the time goes into decoding: the two parts are read side by side.
        let (registrations, observations) = std::thread::scope(|scope| {
            let beside = scope.spawn(|| {
                self.find(Part::Observations, |pieces, kind, value| pieces.take_observation(kind, value, marks))
            });
            let registrations = self.find(Part::Registrations, Pieces::take_registration);
            (registrations, beside.join())
        });
        let Findings { mut devices, mut tidying } = registrations?;
        let observations =
            observations.unwrap_or_else(|_| Err(WriteError::Failed("observations cannot be read".into())))?;
        for (endpoint, pieces) in observations.devices {
            devices.entry(endpoint).or_default().observations = pieces.observations;
        }
        tidying.append(observations.tidying);
        let mut restored = Vec::with_capacity(devices.len());
        for (endpoint, pieces) in devices {
            let ids: Vec<u64> = pieces.observations.iter().map(|observation| observation.id).collect();
            match self.assemble(now, &endpoint, pieces, marks) {
                Some((stored, certain)) => {
                    // Nor must the next end of the process forget it.
                    if !certain {
                        let clock = Clock { expires: stored.snapshot.expires, shift: marks.shift };
                        tidying.put(Part::Registrations, Kind::Clock.key(&endpoint), encode(&clock));
                    }
                    restored.push(stored);
                }
                // Left over from a registration that is no more, or whose record was put aside.
                None => {
                    for kind in [Kind::Home, Kind::Clock, Kind::Attributes] {
                        tidying.remove(Part::Registrations, kind.key(&endpoint));
                    }
                    for id in ids {
                        tidying.remove(Part::Observations, Kind::Observation(id).key(&endpoint));
                        tidying.remove(Part::Observations, Kind::Freshness(id).key(&endpoint));
                    }
                }
            }
        }
        let marks = Marks { clean: false, flushed: now.unix, ..marks };
        tidying.put(Part::Registrations, MARKS, encode(&marks));
        self.store.write(tidying)?;
        self.lazy().marks = marks;
        Ok(restored)
    }

    fn find(
        &self,
        part: Part,
        take: impl Fn(&mut Pieces, Kind, &[u8]) -> Result<(), Unreadable>,
    ) -> Result<Findings, WriteError> {
        let mut findings = Findings::default();
        self.store.scan(part, &[], |key, value| {
            findings.note(part, key, value, &take);
            true
        })?;
        Ok(findings)
    }

    /// A device, and whether its lifetime is what was stored.
    fn assemble(&self, now: Now, endpoint: &str, pieces: Pieces, marks: Marks) -> Option<(Stored, bool)> {
        let Pieces { registration, home, clock, pmax, observations } = pieces;
        let registration = Arc::new(registration?);
        let home = home.unwrap_or(Home {
            socket: (Ipv4Addr::UNSPECIFIED, 0).into(),
            association: None,
            place: None,
            local: None,
        });
        let lifetime = registration.lifetime.as_secs_f64();
        let stored = clock.map_or(now.unix + lifetime, |clock| clock.expires + marks.shift - clock.shift);
        let mut expires = stored;
        if !marks.clean && stored >= marks.flushed {
            let last_renewal = marks.flushed + INTERVAL.as_secs_f64();
            expires = stored.max(last_renewal + lifetime);
        }
        let listener = self.listener_of(home.place).unwrap_or_else(|| {
            ListenerGone { endpoint }.emit();
            u16::MAX
        });
        let address = Address { socket: home.socket, listener, association: home.association };
        let snapshot = Snapshot { registration, address, expires, pmax, observations, commands: Vec::new() };
        Some((Stored { snapshot, local: home.local }, expires <= stored && clock.is_some()))
    }

    /// The present number of a listener: the one bound there, else one of the same kind.
    fn listener_of(&self, place: Option<Place>) -> Option<u16> {
        let place = place?;
        let same = self.places.iter().position(|other| *other == place);
        let similar = || self.places.iter().position(|other| other.secure == place.secure);
        same.or_else(similar).and_then(|index| u16::try_from(index).ok())
    }
}

impl Findings {
    fn note(
        &mut self,
        part: Part,
        key: &[u8],
        value: &[u8],
        take: impl FnOnce(&mut Pieces, Kind, &[u8]) -> Result<(), Unreadable>,
    ) {
        if key.first() == Some(&ASIDE) || key == MARKS {
            return;
        }
        let outcome = match Kind::of(key) {
            Some((endpoint, kind)) => {
                if !self.devices.contains_key(endpoint) {
                    self.devices.insert(endpoint.into(), Pieces::default());
                }
                self.devices.get_mut(endpoint).map_or(Ok(()), |pieces| take(pieces, kind, value))
            }
            None => Err(Unreadable::Key),
        };
        if let Err(error) = outcome {
            let endpoint = String::from_utf8_lossy(key.split(|byte| *byte == 0).next().unwrap_or(key));
            RecordSetAside { endpoint: &endpoint, error: &error }.emit();
            self.tidying.remove(part, key);
            self.tidying.put(part, [&[ASIDE], key].concat(), value);
        }
    }
}

impl Pieces {
    fn take_registration(&mut self, kind: Kind, value: &[u8]) -> Result<(), Unreadable> {
        match kind {
            Kind::Whole => self.registration = Some(decode(value)?),
            Kind::Home => self.home = Some(decode(value)?),
            Kind::Clock => self.clock = Some(decode(value)?),
            Kind::Attributes => self.pmax = decode(value)?,
            Kind::Observation(_) | Kind::Freshness(_) => return Err(Unreadable::Key),
        }
        Ok(())
    }

    /// Observations come before what they said last, in the order of their keys.
    fn take_observation(&mut self, kind: Kind, value: &[u8], marks: Marks) -> Result<(), Unreadable> {
        match kind {
            Kind::Observation(_) => self.observations.push(decode(value)?),
            Kind::Freshness(id) => {
                let Freshness { sequence, silent_at, shift } = decode(value)?;
                if let Some(observation) = self.observations.iter_mut().find(|observation| observation.id == id) {
                    observation.sequence = sequence;
                    observation.silent_at = silent_at.map(|moment| moment + marks.shift - shift);
                }
            }
            _ => return Err(Unreadable::Key),
        }
        Ok(())
    }
}
