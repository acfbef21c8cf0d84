//! Brings the devices of the store back, before anything from outside is heard: each is made on the thread where it lives.
use crate::clock;
use crate::device::{Device, Link};
use crate::event::{Event, Restored};
use crate::journal::{DeviceJournal, Stored};
use crate::registry::{Adopt, Child, Registry, shard_of};
use crate::shared::Shared;
use actix::prelude::*;
use lwm2m::catalog::Catalog;
use lwm2m::directory::{DeviceKey, Directory, Limits};
use lwm2m::session::Policy;
use std::sync::Arc;
use std::time::Instant;
use store::WriteError;
use tokio::sync::oneshot;

/// What was read from the store, by shard.
#[derive(Debug)]
pub(crate) struct Restoration {
    begun: Instant,
    shards: Vec<Vec<(DeviceKey, Stored)>>,
    observations: usize,
}

/// Reads all devices and enters them in a directory.
pub(crate) fn read(journal: Option<&DeviceJournal>, shards: usize) -> Result<(Directory, Restoration), WriteError> {
    let begun = Instant::now();
    let mut directory = Directory::new(Limits::default());
    let mut restoration = Restoration { begun, shards: (0..shards).map(|_| Vec::new()).collect(), observations: 0 };
    for stored in journal.map_or(Ok(Vec::new()), |journal| journal.load(clock::now()))? {
        let registration = &stored.snapshot.registration;
        let shard = shard_of(&registration.endpoint, shards);
        let entered = directory.restore(&registration.endpoint, &registration.location, stored.snapshot.address);
        if let Some(key) = entered {
            restoration.observations += stored.snapshot.observations.len();
            restoration.shards[shard].push((key, stored));
        }
    }
    Ok((directory, restoration))
}

impl Restoration {
    /// Makes the devices, and tells the registry of them. When this returns, what is sent to the registry finds them.
    pub(crate) async fn carry_out(
        self,
        arbiters: &[ArbiterHandle],
        shared: &Arc<Shared>,
        registry: &Addr<Registry>,
        policy: &Arc<Policy>,
        catalog: &Arc<Catalog>,
    ) {
        let mut devices = 0;
        let mut under_way = Vec::new();
        for (stored, arbiter) in self.shards.into_iter().zip(arbiters) {
            let (shared, policy, catalog) = (shared.clone(), policy.clone(), catalog.clone());
            let (tell, told) = oneshot::channel();
            arbiter.spawn_fn(move || {
                let made = stored.into_iter().map(|(key, stored)| make(&shared, key, stored, &policy, &catalog));
                // Nobody waits any more: the gateway ends.
                let _ = tell.send(made.collect());
            });
            under_way.push(told);
        }
        for made in under_way {
            let made: Vec<Child> = made.await.unwrap_or_default();
            devices += made.len();
            // A registry that is gone is reported as such.
            let _ = registry.send(Adopt(made)).await;
        }
        if devices > 0 {
            Restored { devices, observations: self.observations, elapsed: self.begun.elapsed() }.emit();
        }
    }
}

fn make(shared: &Arc<Shared>, key: DeviceKey, stored: Stored, policy: &Arc<Policy>, catalog: &Arc<Catalog>) -> Child {
    let registration = stored.snapshot.registration.clone();
    let device = Device::restored(shared.clone(), clock::now(), stored, policy.clone(), catalog.clone());
    let mountpoint = device.mountpoint();
    let endpoint = registration.endpoint.as_str().into();
    let link = Arc::new(Link { key, endpoint, addr: device.start() });
    Child { link, registration: Some(registration), mountpoint }
}
