//! Starting, reloading and stopping the whole actor system.
use crate::bridge::disk::{Disk, DiskLimits};
use crate::bridge::intake::Intake;
use crate::bridge::journal::Journal;
use crate::bridge::publisher::{Publisher, Remains};
use crate::bridge::replay::replay;
use crate::bridge::{self, Bridge};
use crate::herald::Herald;
use crate::journal::{DeviceJournal, Place};
use crate::listener::{self, DtlsTransport, Listener, Renew, Secure, Settle, Transport};
use crate::registry::{AbandonAll, Registry, ReloadAll, RestAll};
use crate::shared::Shared;
use crate::vault::Vault;
use crate::vault::key::Key;
use crate::{Health, OutboxLimits, Settings, clock, restoration};
use actix::prelude::*;
use handshake::{Endpoint, Materials};
use lwm2m::catalog::Catalog;
use lwm2m::session::Policy;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use store::{Store, WriteError};
use tokio::sync::{mpsc, oneshot};

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot be bound.
    #[error("listeners.udp: cannot bind {bind}: {source}")]
    Bind {
        /// Where.
        bind: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A DTLS listener cannot use its credentials or certificates.
    #[error("listeners.dtls: {bind}: {source}")]
    Dtls {
        /// Which.
        bind: SocketAddr,
        /// Why.
        source: handshake::SetupError,
    },
    /// The store cannot be read.
    #[error("store: {0}")]
    Store(WriteError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The key that associations are encrypted with cannot be had.
    #[error("store.key_file: {path}: {source}", path = path.display())]
    Key {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The MQTT client cannot be made: a bad address, an unreadable certificate. (A broker that is merely away is no error.)
    #[error("mqtt: {0}")]
    Mqtt(String),
}

/// Held by every actor that the gateway cannot do without: reports when it is dropped, by a panic say.
#[derive(Debug)]
pub(crate) struct Vital {
    name: &'static str,
    report: mpsc::Sender<&'static str>,
}

impl Drop for Vital {
    fn drop(&mut self) {
        // Full: another one has reported already.
        let _ = self.report.try_send(self.name);
    }
}

/// Starts all actors; call it within an actix system (`actix_rt::System`). Returns as soon as the listeners are bound; a broker that is
/// away is tried again with back-off, see [`Health::is_ready`].
pub async fn start(settings: Settings) -> Result<Gateway, StartError> {
    let health = Arc::new(Health::new(settings.store.clone()));
    let (report, failed) = mpsc::channel(1);
    let vital = |name| Vital { name, report: report.clone() };
    let topics = Arc::new(settings.topics);
    let (commands, publisher) = open_outbox(settings.store.as_ref(), settings.outbox, settings.mqtt.duplicate_window)
        .map_err(StartError::Store)?;
    let herald = Herald::new(publisher.clone(), topics.clone(), settings.voice.lifecycle_events);
    let mut sockets = Vec::new();
    for udp in &settings.udp {
        let failed = |source| StartError::Bind { bind: udp.bind, source };
        let bound = listener::bind(udp).map_err(failed)?;
        let address = bound.address;
        let (transport, batches) = bound.split().map_err(failed)?;
        sockets.push((address, Arc::new(transport) as Arc<dyn Transport>, batches, None));
    }
    let mut secure_transports = Vec::new();
    let key = match (&settings.store, &settings.dtls_key) {
        (Some(_), Some(path)) if !settings.dtls.is_empty() => {
            let failed = |source| StartError::Key { path: path.clone(), source };
            Some(Key::open(path).map_err(failed)?)
        }
        _ => None,
    };
    for dtls in settings.dtls {
        let bind = dtls.socket.bind;
        let failed = |source| StartError::Bind { bind, source };
        let bound = listener::bind(&dtls.socket).map_err(failed)?;
        let address = bound.address;
        let (udp, batches) = bound.split().map_err(failed)?;
        let endpoint = Endpoint::new(dtls.materials, dtls.limits, Instant::now())
            .map_err(|source| StartError::Dtls { bind, source })?;
        let index = u16::try_from(sockets.len()).unwrap_or(u16::MAX);
        let vault = settings.store.clone().zip(key.clone()).map(|(store, key)| Vault::new(store, key, address));
        let secure = Secure::new(index, endpoint, Arc::new(udp), settings.identities.clone(), herald.clone(), vault)
            .map_err(StartError::Store)?;
        let transport = Arc::new(DtlsTransport::default());
        secure_transports.push(transport.clone());
        sockets.push((address, transport as Arc<dyn Transport>, batches, Some(Box::new(secure))));
    }
    let local_addresses: Vec<SocketAddr> = sockets.iter().map(|(address, ..)| *address).collect();
    let places = sockets.iter().map(|(bind, .., secure)| Place { bind: *bind, secure: secure.is_some() }).collect();
    let mut arbiters = Vec::new();
    let mut arbiter = || {
        let arbiter = Arbiter::new();
        let handle = arbiter.handle();
        arbiters.push(arbiter);
        handle
    };

    let count = match settings.shards {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let shards: Vec<ArbiterHandle> = (0..count).map(|_| arbiter()).collect();
    // Registry and UDP listeners share the devices' threads: most of what a datagram costs is waking another thread. The bridge waits for
    // locks of its library, and handshakes take milliseconds: they have threads of their own.
    let home = shards[0].clone();
    let homes = shards.clone();
    let transports = sockets.iter().map(|(_, transport, ..)| transport.clone()).collect();
    let (identities, store) = (settings.identities, settings.store);
    let journal = match &store {
        Some(store) => Some(DeviceJournal::new(store.clone(), places, clock::now()).map_err(StartError::Store)?),
        None => None,
    };
    let (directory, restoration) = restoration::read(journal.as_deref(), count).map_err(StartError::Store)?;
    let (tell, told) = oneshot::channel();
    let registry = {
        let (topics, publisher, voice) = (topics.clone(), publisher.clone(), settings.voice);
        let (policy, catalog, vital) = (settings.policy.clone(), settings.catalog.clone(), vital("registry"));
        let (shards, commands) = (shards.clone(), commands.clone());
        Registry::start_in_arbiter(&home, move |ctx| {
            let shared = Arc::new(Shared {
                registry: ctx.address(),
                publisher,
                topics,
                voice,
                transports,
                listeners: OnceLock::new(),
                identities,
                store,
                herald,
                journal,
                commands,
                stopping: AtomicBool::new(false),
            });
            let _ = tell.send(shared.clone());
            Registry::new(shared, shards, directory, policy, catalog, vital)
        })
    };
    let Ok(shared) = told.await else { return Err(StartError::Mqtt("the registry did not start".to_owned())) };

    // Before commands and datagrams come in.
    restoration.carry_out(&shards, &shared, &registry, &settings.policy, &settings.catalog).await;
    if let Some(journal) = &shared.journal {
        journal.start().map_err(StartError::Thread)?;
    }

    let intake = Arc::new(Intake::new(topics.clone(), registry.clone(), publisher.clone(), commands.clone()));
    let bridge = Bridge::new(settings.mqtt, topics.clone(), intake.clone(), publisher, health.clone(), vital("bridge"))
        .map_err(|error| StartError::Mqtt(error.to_string()))?;
    let mut listeners = Vec::new();
    for (index, (bind, _, batches, secure)) in sockets.into_iter().enumerate() {
        let (tell, told) = oneshot::channel();
        let (registry, vital) = (registry.clone(), vital("listener"));
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        let place = if secure.is_some() { arbiter() } else { homes[usize::from(index) % homes.len()].clone() };
        listeners.push(Listener::start_in_arbiter(&place, move |ctx| {
            let _ = tell.send(batches().map(|batches| {
                ctx.add_stream(batches);
            }));
            Listener::new(index, registry, secure, vital)
        }));
        let read = told.await.unwrap_or_else(|_| Err(io::Error::other("the listener did not start")));
        read.map_err(|source| StartError::Bind { bind, source })?;
    }
    for (transport, listener) in secure_transports.iter().zip(&listeners[settings.udp.len()..]) {
        transport.connect(listener.clone());
    }
    let secure_listeners = listeners[settings.udp.len()..].to_vec();
    let _ = shared.listeners.set(listeners);
    health.listeners_bound();
    // Commands of before the restart go before those that the broker has kept.
    if let Some(commands) = &commands {
        replay(commands, &topics, &registry).await.map_err(StartError::Store)?;
    }
    let bridge = Bridge::start_in_arbiter(&arbiter(), move |_| bridge);
    let threads = arbiters.iter().map(Arbiter::handle).collect();
    let handle = Handle { health, registry, secure_listeners, threads };
    Ok(Gateway { handle, shared, intake, bridge, local_addresses, arbiters, failed })
}

/// Takes up what an earlier run left in the store.
fn open_outbox(
    store: Option<&Store>,
    limits: OutboxLimits,
    window: Duration,
) -> Result<(Option<Arc<Journal>>, Publisher), WriteError> {
    let Some(store) = store else { return Ok((None, Publisher::new(limits, None)?)) };
    let journal = Arc::new(Journal::open(store.clone(), window)?);
    let bounds = DiskLimits { messages: limits.disk_messages, bytes: limits.disk_bytes };
    let disk = Disk::new(store.clone(), journal.clone(), bounds);
    Ok((Some(journal), Publisher::new(limits, Some(disk))?))
}

/// The running gateway.
pub struct Gateway {
    handle: Handle,
    shared: Arc<Shared>,
    intake: Arc<Intake>,
    bridge: Addr<Bridge>,
    local_addresses: Vec<SocketAddr>,
    arbiters: Vec<Arbiter>,
    failed: mpsc::Receiver<&'static str>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("local_addresses", &self.local_addresses).finish_non_exhaustive()
    }
}

impl Gateway {
    /// A handle for HTTP and signals; cheap to clone, may go to other threads.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Bound addresses of the listeners, in the order of the settings, UDP first.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.local_addresses
    }

    /// Resolves when an essential actor (listener, registry, bridge) is gone, with its name: the process must end with an error.
    pub async fn failed(&mut self) -> &'static str {
        match self.failed.recv().await {
            Some(name) => name,
            None => std::future::pending().await,
        }
    }

    /// Stops: no more commands are taken (they are answered 5.03), what is with a device may be answered for a moment, the outbox is flushed,
    /// the status `offline` is published, sockets close. Registrations and observations stay in the store. Takes at most about `timeout`
    /// and some seconds of goodbye.
    pub async fn drain(self, timeout: Duration) -> Drained {
        self.handle.health.drain();
        self.intake.drain();
        let patience = (timeout / 2).min(Duration::from_secs(5));
        let (waiting, mut over) = mpsc::channel(1);
        let _ = self.handle.registry.send(RestAll(waiting)).await;
        let _ = tokio::time::timeout(patience, over.recv()).await;
        let (waiting, mut over) = mpsc::channel(1);
        let _ = self.handle.registry.send(AbandonAll(waiting)).await;
        let _ = tokio::time::timeout(patience, over.recv()).await;
        let remains = self.bridge.send(bridge::Drain { timeout: timeout.saturating_sub(patience) }).await;
        for listener in &self.handle.secure_listeners {
            // A listener that is gone is reported by `Gateway::failed`.
            let _ = listener.send(Settle).timeout(Duration::from_secs(5)).await;
        }
        self.shared.stopping.store(true, Relaxed);
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        if let Some(journal) = &self.shared.journal {
            journal.close(clock::now());
        }
        if let Some(store) = &self.shared.store
            && let Err(error) = store.sync()
        {
            log::error!("the store could not be synced: {error}");
        }
        let Remains { stored, lost } = remains.unwrap_or_else(|_| {
            let waiting = self.shared.publisher.len();
            Remains { stored: 0, lost: waiting }
        });
        Drained { stored, unpublished: lost }
    }
}

/// What a [`Gateway::drain`] left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Publications that are published after the next start.
    pub stored: usize,
    /// Publications that must arrive and are lost.
    pub unpublished: usize,
}

/// Talks to the running gateway.
#[derive(Clone)]
pub struct Handle {
    pub(crate) health: Arc<Health>,
    pub(crate) registry: Addr<Registry>,
    secure_listeners: Vec<Addr<Listener>>,
    /// Where the actors live.
    threads: Arc<[ArbiterHandle]>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("health", &self.health).finish_non_exhaustive()
    }
}

impl Handle {
    /// What is up.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Whether every thread of the actors answers within this time: none is stuck. (An essential actor that is gone is reported by
    /// [`Gateway::failed`].)
    pub async fn is_responsive(&self, patience: Duration) -> bool {
        let mut answers = Vec::new();
        for thread in self.threads.iter() {
            let (tell, told) = oneshot::channel();
            thread.spawn_fn(move || {
                // Nobody waits any more: it took too long.
                let _ = tell.send(());
            });
            answers.push(told);
        }
        let all = async {
            for answer in answers {
                if answer.await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(patience, all).await.unwrap_or(false)
    }

    /// New credentials and certificates for a DTLS listener, counted from 0 in the order of the settings. Associations stay, but for those whose
    /// credentials were withdrawn.
    pub async fn renew(&self, listener: usize, materials: Materials) -> Result<(), handshake::SetupError> {
        match self.secure_listeners.get(listener) {
            // A listener that is gone is reported by `Gateway::failed`.
            Some(listener) => listener.send(Renew(materials)).await.unwrap_or(Ok(())),
            None => Ok(()),
        }
    }

    /// New settings and definitions for all devices (SIGHUP, changed files). Returns once the registry has told every device.
    pub async fn reload(&self, policy: Arc<Policy>, catalog: Arc<Catalog>) {
        // A registry that is gone is reported by `Gateway::failed`.
        let _ = self.registry.send(ReloadAll { policy, catalog }).await;
    }
}
