//! The device actor: each message is one call on its [`Session`], then its outputs are drained ([`reaction`]).
//!
//! A panic within a turn costs the message of that turn ([`revival`]); one outside of it ends the actor, which its listener notices.
mod commands;
mod reaction;
mod revival;

use crate::clock;
use crate::custody::Custody;
use crate::journal::Stored;
use crate::listener::DeviceDied;
use crate::mailbox;
use crate::metrics;
use crate::registry::{Registry, Stopping};
use crate::shared::Shared;
use actix::prelude::*;
use contract::command::Command;
use contract::message::Voice;
use handshake::Facts;
use lwm2m::catalog::Catalog;
use lwm2m::directory::DeviceKey;
use lwm2m::registration::Registration;
use lwm2m::session::{Address, Delivery, Ending, Now, Policy, Session, Ticket};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a device is reached; one allocation shared by everybody who knows the device.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) key: DeviceKey,
    pub(crate) endpoint: Arc<str>,
    pub(crate) addr: Addr<Device>,
}

/// The first message of every device: who it is.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Begin(pub(crate) Arc<Link>);

/// A datagram from the address where the device lives, or one that names the device.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub(crate) struct Datagram {
    pub(crate) now: Now,
    pub(crate) from: Address,
    /// Address of ours that it was sent to.
    pub(crate) local: Option<IpAddr>,
    pub(crate) bytes: Vec<u8>,
}

/// A command for this device.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Submit {
    pub(crate) command: Box<Command>,
    /// The mountpoint that it was addressed to.
    pub(crate) mountpoint: Arc<str>,
    pub(crate) received: Instant,
    pub(crate) custody: Custody,
}

/// What became of a notification or Send: safe with the broker, or not.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Settled {
    pub(crate) delivery: Delivery,
    pub(crate) kept: bool,
}

/// The registration ends from our side.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct End(pub(crate) Ending);

/// The gateway stops: nothing more is begun. The registration lives on in the store.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Rest(pub(crate) Patience);

/// What is still under way is given up.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Abandon(pub(crate) Patience);

/// Held by whoever is being waited for; who waits hears when the last one is dropped.
pub(crate) type Patience = tokio::sync::mpsc::Sender<Infallible>;

/// New settings.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Reload {
    pub(crate) policy: Arc<Policy>,
    pub(crate) catalog: Arc<Catalog>,
}

/// The registry has forgotten this device: nothing more comes from there.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Leave;

/// What the API shows of one device.
#[derive(Message)]
#[rtype(result = "Option<State>")]
pub(crate) struct Inspect;

/// Answer to [`Inspect`].
#[derive(Debug, serde::Serialize)]
pub(crate) struct State {
    pub(crate) endpoint: Arc<str>,
    pub(crate) address: Option<std::net::SocketAddr>,
    pub(crate) location: String,
    pub(crate) lwm2m: String,
    pub(crate) lifetime: u64,
    pub(crate) expires_in: u64,
    pub(crate) queue_mode: bool,
    pub(crate) awake: bool,
    pub(crate) mountpoint: Option<Arc<str>>,
    pub(crate) objects: Vec<String>,
    pub(crate) waiting: usize,
    pub(crate) outstanding: usize,
    pub(crate) observing: usize,
    /// `null` without DTLS.
    pub(crate) dtls: Option<Security>,
}

/// The association of a device, as the API shows it.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Security {
    identity: String,
    suite: &'static str,
    connection_id: bool,
    resumed: bool,
    /// Unix seconds of the handshake, and seconds since.
    since: u64,
    age: u64,
    handshakes: u32,
}

impl Security {
    fn of(facts: &Facts, now: Now) -> Security {
        Security {
            identity: facts.identity.to_string(),
            suite: facts.suite,
            connection_id: facts.with_cid,
            resumed: facts.resumed,
            since: facts.since,
            age: (now.unix.max(0.0) as u64).saturating_sub(facts.since),
            handshakes: facts.handshakes,
        }
    }
}

/// A command that has not come to its end.
#[derive(Debug)]
struct Pending {
    ticket: Ticket,
    received: Instant,
    custody: Custody,
    /// The session's name for it.
    id: Option<u64>,
    idempotent: bool,
    /// It is with the device.
    sent: bool,
}

/// The actor.
pub(crate) struct Device {
    shared: Arc<Shared>,
    link: Option<Arc<Link>>,
    session: Session,
    policy: Arc<Policy>,
    catalog: Arc<Catalog>,
    /// Since the first registration.
    voice: Option<Box<Identity>>,
    pending: Vec<Pending>,
    timer: Option<(SpawnHandle, Instant)>,
    /// Address of ours that the device speaks to.
    local: Option<IpAddr>,
    /// Turns in a row that ended in a panic.
    panics: u8,
    /// It comes from the store, and its session has not been heard yet.
    restored: bool,
    /// The gateway stops, and waits for what is on the wire.
    resting: Option<Patience>,
    phase: Phase,
}

/// How a registered device appears on MQTT.
struct Identity {
    voice: Voice,
    mountpoint: Arc<str>,
}

impl Identity {
    fn new(shared: &Shared, registration: &Registration, address: Address) -> Result<Identity, String> {
        let topics = shared.topics.expand(registration, address)?;
        let mountpoint = topics.mountpoint.clone();
        let voice = Voice::new(&shared.topics, topics, registration, shared.voice);
        Ok(Identity { voice, mountpoint })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Registered, or about to be.
    Living,
    /// Without a registration; kept so that repeated datagrams get their old answers.
    Lingering,
    /// The registry has been told to forget this device.
    Leaving,
}

impl Device {
    pub(crate) fn new(shared: Arc<Shared>, endpoint: &str, policy: Arc<Policy>, catalog: Arc<Catalog>) -> Device {
        let session = Session::new(endpoint, policy.clone(), catalog.clone(), rand::random());
        Device::with(shared, session, policy, catalog)
    }

    fn with(shared: Arc<Shared>, session: Session, policy: Arc<Policy>, catalog: Arc<Catalog>) -> Device {
        Device {
            shared,
            link: None,
            session,
            policy,
            catalog,
            voice: None,
            pending: Vec::new(),
            timer: None,
            local: None,
            panics: 0,
            restored: false,
            resting: None,
            phase: Phase::Living,
        }
    }

    /// A device that comes back from the store; it goes on with [`Begin`].
    pub(crate) fn restored(
        shared: Arc<Shared>,
        now: Now,
        stored: Stored,
        policy: Arc<Policy>,
        catalog: Arc<Catalog>,
    ) -> Device {
        let Stored { snapshot, local } = stored;
        let (registration, address) = (snapshot.registration.clone(), snapshot.address);
        let session = Session::restore(now, snapshot, policy.clone(), catalog.clone(), rand::random());
        let voice = Identity::new(&shared, &registration, address).map(Box::new);
        let mut device = Device::with(shared, session, policy, catalog);
        // Topics that this configuration refuses were refused with a reason when the device registered.
        (device.voice, device.local, device.restored) = (voice.ok(), local, true);
        device
    }

    /// The mountpoint under which it is heard.
    pub(crate) fn mountpoint(&self) -> Option<Arc<str>> {
        self.voice.as_ref().map(|identity| identity.mountpoint.clone())
    }

    fn registry(&self) -> &Addr<Registry> {
        &self.shared.registry
    }

    /// One timer at most. A timer that fires too early costs less than one that is set anew at every datagram.
    fn schedule(&mut self, ctx: &mut Context<Self>, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        if let Some((handle, at)) = self.timer {
            if at <= deadline {
                return;
            }
            ctx.cancel_future(handle);
        }
        let delay = deadline.saturating_duration_since(Instant::now());
        let handle = ctx.run_later(delay, |act, ctx| {
            act.timer = None;
            act.turn(ctx, clock::now(), |session, now| session.handle_timeout(now));
        });
        self.timer = Some((handle, deadline));
    }

    /// Begins to go: the registry forgets this device first, so that no command is lost in its mailbox.
    fn leave(&mut self, ctx: &mut Context<Self>) {
        if self.phase != Phase::Leaving
            && let Some(link) = self.link.clone()
        {
            self.phase = Phase::Leaving;
            let address = self.session.address();
            mailbox::insist(ctx, &self.registry().clone(), Stopping { link, address });
        }
    }

    fn linger(&mut self, ctx: &mut Context<Self>, time: Duration) {
        if self.phase == Phase::Living {
            self.phase = Phase::Lingering;
            ctx.run_later(time, |act, ctx| {
                if act.phase == Phase::Lingering && act.session.registration().is_none() {
                    act.leave(ctx);
                }
            });
        }
    }

    /// Its registration is over, and the session did not say so.
    fn forget(&self, endpoint: &str) {
        if let Some(journal) = &self.shared.journal {
            journal.forget(endpoint);
        }
    }
}

impl Actor for Device {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(mailbox::DEVICE);
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.abandon_commands();
        if self.phase != Phase::Leaving
            && let Some(link) = self.link.take()
            && !self.shared.is_stopping()
        {
            let address = self.session.address();
            if let Some(listener) = self.shared.listener(address.map_or(0, |address| address.listener)) {
                let _ = mailbox::offer(listener, DeviceDied { link, address });
            }
        }
    }
}

impl Handler<Begin> for Device {
    type Result = ();

    fn handle(&mut self, begin: Begin, ctx: &mut Self::Context) {
        self.link = Some(begin.0);
        if std::mem::take(&mut self.restored) {
            metrics::DEVICES_REGISTERED.increment();
            self.turn(ctx, clock::now(), |_, _| {});
        }
    }
}

impl Handler<Datagram> for Device {
    type Result = ();

    fn handle(&mut self, datagram: Datagram, ctx: &mut Self::Context) {
        let Datagram { now, from, local, bytes } = datagram;
        self.local = local;
        self.turn(ctx, now, |session, now| session.handle_datagram(now, from, &bytes));
    }
}

impl Handler<Settled> for Device {
    type Result = ();

    fn handle(&mut self, settled: Settled, ctx: &mut Self::Context) {
        let Settled { delivery, kept } = settled;
        self.turn(ctx, clock::now(), |session, now| match kept {
            true => session.confirm(now, delivery),
            false => session.decline(now, delivery),
        });
    }
}

impl Handler<End> for Device {
    type Result = ();

    fn handle(&mut self, end: End, ctx: &mut Self::Context) {
        self.turn(ctx, clock::now(), |session, now| session.end(now, end.0));
        // Without a registration there was nothing to end, and nothing else ends the actor.
        self.leave(ctx);
    }
}

impl Handler<Rest> for Device {
    type Result = ();

    fn handle(&mut self, rest: Rest, ctx: &mut Self::Context) {
        self.resting = Some(rest.0);
        self.turn(ctx, clock::now(), |session, _| session.rest());
    }
}

impl Handler<Abandon> for Device {
    type Result = ();

    fn handle(&mut self, abandon: Abandon, ctx: &mut Self::Context) {
        let now = clock::now();
        match self.shared.commands {
            // The next start goes on with what has no outcome.
            Some(_) => self.keep_all_commands(now),
            None => self.turn(ctx, now, |session, now| session.abandon_commands(now)),
        }
        drop(abandon.0);
    }
}

impl Handler<Reload> for Device {
    type Result = ();

    fn handle(&mut self, reload: Reload, ctx: &mut Self::Context) {
        let Reload { policy, catalog } = reload;
        (self.policy, self.catalog) = (policy.clone(), catalog.clone());
        self.turn(ctx, clock::now(), |session, now| session.reload(now, policy, catalog));
    }
}

impl Handler<Leave> for Device {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        // Registered again in the meantime: the device learns at its next Update that it must once more.
        if self.session.registration().is_some()
            && let Some(link) = &self.link
        {
            use crate::event::Event as _;
            crate::event::Ended { endpoint: &link.endpoint, ending: Ending::Removed }.emit();
            self.forget(&link.endpoint);
        }
        ctx.stop();
    }
}

impl Handler<Inspect> for Device {
    type Result = MessageResult<Inspect>;

    fn handle(&mut self, _: Inspect, _: &mut Self::Context) -> Self::Result {
        let now = clock::now();
        MessageResult(self.session.registration().map(|registration| {
            State {
                endpoint: registration.endpoint.as_str().into(),
                address: self.session.address().map(|address| address.socket),
                location: format!("/{}", registration.location.join("/")),
                lwm2m: format!("{}.{}", registration.version.major, registration.version.minor),
                lifetime: registration.lifetime.as_secs(),
                expires_in: self.session.remaining_lifetime(now).unwrap_or_default().as_secs(),
                queue_mode: registration.queue_mode,
                awake: self.session.is_awake(now),
                mountpoint: self.voice.as_ref().map(|identity| identity.mountpoint.clone()),
                objects: registration.objects.as_ref().map(|objects| objects.links.clone()).unwrap_or_default(),
                waiting: self.session.waiting(),
                outstanding: self.session.outstanding(),
                observing: self.session.observing(),
                dtls: self
                    .session
                    .address()
                    .and_then(|address| self.shared.identities.facts(address))
                    .map(|facts| Security::of(&facts, now)),
            }
        }))
    }
}
