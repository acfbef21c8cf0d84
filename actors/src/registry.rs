//! The registry: who lives where. Starts devices on their shards, hands them what comes from unknown addresses, and finds the device that a
//! command is for.
use crate::custody::Custody;
use crate::device::{self, Abandon, Begin, Datagram, Device, Leave, Link, Patience, Reload, Rest, Submit};
use crate::event::{CommandRefused, Event, UnknownPeer};
use crate::gateway::Vital;
use crate::held::{Held, HeldCommands};
use crate::listener::{Route, Unroute};
use crate::mailbox::{self, Refused};
use crate::metrics;
use crate::shared::Shared;
use actix::prelude::*;
use contract::command::Command as Parsed;
use contract::message::{Problem, cancel_outcome, without_device};
use lwm2m::catalog::Catalog;
use lwm2m::directory::{Arrival, DeviceKey, Directory};
use lwm2m::registration::Registration;
use lwm2m::session::{Address, Cancelled, Ending, Outcome, Policy};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// A datagram from an address without a route, or one that its device says is not its own.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct FirstContact {
    pub(crate) datagram: Datagram,
    /// The address belongs to a device that this datagram is not about.
    pub(crate) stray: bool,
}

/// A device has a (new) registration.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Registered {
    pub(crate) link: Arc<Link>,
    pub(crate) registration: Arc<Registration>,
    pub(crate) address: Address,
    pub(crate) mountpoint: Option<Arc<str>>,
    /// It had none before.
    pub(crate) first: bool,
}

/// A device changed its registration.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Updated {
    pub(crate) link: Arc<Link>,
    pub(crate) registration: Arc<Registration>,
}

/// A device has no registration any more; it may still answer repeated datagrams.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Ended {
    pub(crate) link: Arc<Link>,
}

/// A device speaks from a new address.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Moved {
    pub(crate) link: Arc<Link>,
    pub(crate) from: Address,
    pub(crate) to: Address,
}

/// A device wants to go: forget it, then tell it to [`Leave`].
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Stopping {
    pub(crate) link: Arc<Link>,
    pub(crate) address: Option<Address>,
}

/// A device is gone without a word.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Crashed {
    pub(crate) link: Arc<Link>,
}

/// A well-formed command from MQTT.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Command {
    /// Its topic, if it is retained: then it may wait for a device that is not registered yet.
    pub(crate) topic: Option<Box<str>>,
    pub(crate) mountpoint: Box<str>,
    pub(crate) command: Box<Parsed>,
    pub(crate) received: Instant,
    pub(crate) custody: Custody,
}

/// The retained command of this topic was withdrawn.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ClearRetained {
    pub(crate) topic: Box<str>,
}

/// New settings for all devices, present and future.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ReloadAll {
    pub(crate) policy: Arc<Policy>,
    pub(crate) catalog: Arc<Catalog>,
}

/// All devices rest: what is on the wire is finished, nothing is begun.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct RestAll(pub(crate) Patience);

/// What is still under way is given up.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct AbandonAll(pub(crate) Patience);

/// Devices that came back from the store, entered in the directory already.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Adopt(pub(crate) Vec<Child>);

/// The device of an endpoint name.
#[derive(Message)]
#[rtype(result = "Option<Arc<Link>>")]
pub(crate) struct Find(pub(crate) String);

/// Registered devices by name, from `after` on.
#[derive(Message)]
#[rtype(result = "Page")]
pub(crate) struct List {
    pub(crate) after: Option<String>,
    pub(crate) limit: usize,
}

/// Answer to [`List`].
#[derive(Debug, serde::Serialize)]
pub(crate) struct Page {
    pub(crate) total: usize,
    pub(crate) devices: Vec<Summary>,
}

/// One line of a [`Page`].
#[derive(Debug, serde::Serialize)]
pub(crate) struct Summary {
    endpoint: Arc<str>,
    address: Option<SocketAddr>,
    lwm2m: String,
    lifetime: u64,
    queue_mode: bool,
}

/// A device that was started.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) link: Arc<Link>,
    pub(crate) registration: Option<Arc<Registration>>,
    pub(crate) mountpoint: Option<Arc<str>>,
}

/// The actor.
pub(crate) struct Registry {
    shared: Arc<Shared>,
    directory: Directory,
    children: HashMap<DeviceKey, Child>,
    mountpoints: HashMap<Arc<str>, DeviceKey>,
    held: HeldCommands,
    shards: Vec<ArbiterHandle>,
    policy: Arc<Policy>,
    catalog: Arc<Catalog>,
    /// The gateway stops: no device begins.
    resting: bool,
    _vital: Vital,
}

/// On which of so many shards a device lives.
pub(crate) fn shard_of(endpoint: &str, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    endpoint.hash(&mut hasher);
    usize::try_from(hasher.finish() % shards as u64).unwrap_or(0)
}

impl Registry {
    pub(crate) fn new(
        shared: Arc<Shared>,
        shards: Vec<ArbiterHandle>,
        directory: Directory,
        policy: Arc<Policy>,
        catalog: Arc<Catalog>,
        vital: Vital,
    ) -> Registry {
        Registry {
            shared,
            directory,
            children: HashMap::new(),
            mountpoints: HashMap::new(),
            held: HeldCommands::default(),
            shards,
            policy,
            catalog,
            resting: false,
            _vital: vital,
        }
    }

    fn start(&mut self, ctx: &mut Context<Self>, key: DeviceKey, endpoint: Arc<str>) -> Arc<Link> {
        let shard = &self.shards[shard_of(&endpoint, self.shards.len())];
        let (shared, policy, catalog) = (self.shared.clone(), self.policy.clone(), self.catalog.clone());
        let name = endpoint.clone();
        let addr = Device::start_in_arbiter(shard, move |_| Device::new(shared, &name, policy, catalog));
        let link = Arc::new(Link { key, endpoint, addr });
        self.children.insert(key, Child { link: link.clone(), registration: None, mountpoint: None });
        mailbox::insist(ctx, &link.addr, Begin(link.clone()));
        link
    }

    fn deliver(&mut self, ctx: &mut Context<Self>, key: DeviceKey, datagram: Datagram) -> Option<Datagram> {
        let Some(link) = self.children.get(&key).map(|child| child.link.clone()) else {
            self.directory.remove(key);
            return Some(datagram);
        };
        let from = datagram.from;
        if self.directory.by_address(from) == Some(key) {
            self.route(ctx, from, &link);
        }
        match mailbox::offer(&link.addr, datagram) {
            Ok(()) => None,
            Err(Refused::Full(_)) => {
                metrics::DROPPED_DEVICE_BUSY.increment();
                None
            }
            Err(Refused::Gone(datagram)) => {
                self.forget(ctx, &link, None);
                Some(datagram)
            }
        }
    }

    fn route(&self, ctx: &mut Context<Self>, address: Address, link: &Arc<Link>) {
        if let Some(listener) = self.shared.listener(address.listener) {
            mailbox::insist(ctx, listener, Route { address, link: link.clone() });
        }
    }

    fn unroute(&self, ctx: &mut Context<Self>, address: Address, link: &Arc<Link>) {
        if let Some(listener) = self.shared.listener(address.listener) {
            mailbox::insist(ctx, listener, Unroute { address, link: link.clone() });
        }
    }

    /// Another device has this one's address now.
    fn displace(&self, ctx: &mut Context<Self>, displaced: Option<DeviceKey>) {
        if let Some(child) = displaced.and_then(|key| self.children.get(&key)) {
            mailbox::insist(ctx, &child.link.addr, device::End(Ending::Replaced));
        }
    }

    fn unmount(&mut self, key: DeviceKey) {
        if let Some(mountpoint) = self.children.get_mut(&key).and_then(|child| child.mountpoint.take())
            && self.mountpoints.get(&mountpoint) == Some(&key)
        {
            self.mountpoints.remove(&mountpoint);
        }
    }

    fn forget(&mut self, ctx: &mut Context<Self>, link: &Arc<Link>, address: Option<Address>) {
        for address in [address, self.directory.address(link.key)].into_iter().flatten() {
            self.unroute(ctx, address, link);
        }
        self.unmount(link.key);
        self.directory.remove(link.key);
        self.children.remove(&link.key);
    }

    fn submit(&mut self, ctx: &mut Context<Self>, key: DeviceKey, submit: Submit) {
        let Some(child) = self.children.get(&key) else { return };
        // What was taken before a restart had found room then.
        if submit.custody.restored {
            return mailbox::insist(ctx, &child.link.addr, submit);
        }
        match mailbox::offer(&child.link.addr, submit) {
            Ok(()) => {}
            Err(Refused::Full(back)) => {
                let problem = Problem::Unavailable("the device's mailbox is full".into());
                self.answer(&back.mountpoint, &back.command, &back.custody, &problem);
            }
            Err(Refused::Gone(back)) => {
                self.answer(&back.mountpoint, &back.command, &back.custody, &Problem::NotRegistered);
            }
        }
    }

    fn answer(&self, mountpoint: &str, command: &Parsed, custody: &Custody, problem: &Problem) {
        let interrupted = Problem::Ended(Outcome::TimedOut(Some("interrupted")));
        // It may have been carried out.
        let problem = if custody.sent && !command.is_idempotent() { &interrupted } else { problem };
        let cause: &dyn std::fmt::Display = match problem {
            Problem::Bad(bad) => bad,
            Problem::NotRegistered => &"not registered",
            Problem::Unavailable(reason) => reason,
            Problem::Ended(Outcome::TimedOut(Some(word))) => word,
            Problem::Ended(_) => &"answered without the device",
        };
        CommandRefused { endpoint: mountpoint, cause }.emit();
        let publication = without_device(&self.shared.topics, mountpoint, &command.ticket(), problem);
        self.shared.publisher.conclude(publication, custody.number);
    }

    /// Ends held commands that are withdrawn; how many there were.
    fn withdraw(&mut self, meant: impl Fn(&Held) -> bool) -> usize {
        let withdrawn = self.held.take_back(meant);
        for held in &withdrawn {
            let cancelled = Problem::Ended(Outcome::TimedOut(Some("cancelled")));
            self.answer(&held.mountpoint, &held.command, &held.custody, &cancelled);
        }
        withdrawn.len()
    }
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(mailbox::REGISTRY);
    }
}

impl Handler<FirstContact> for Registry {
    type Result = ();

    fn handle(&mut self, contact: FirstContact, ctx: &mut Self::Context) {
        let FirstContact { datagram, stray } = contact;
        let mut pending = Some(datagram);
        // Twice at most: the second time after a device was found to be gone.
        for _ in 0..2 {
            let Some(datagram) = pending.take() else { return };
            let (now, from) = (datagram.now.instant, datagram.from);
            let identity = self.shared.identities.of(from);
            let name = identity.as_ref().and_then(|identity| identity.endpoint());
            let arrival = match stray {
                true => self.directory.arrive_anew(now, from, name, &datagram.bytes),
                false => self.directory.arrive(now, from, name, &datagram.bytes),
            };
            match arrival {
                Arrival::Deliver(key) => pending = self.deliver(ctx, key, datagram),
                Arrival::New { key, .. } if self.resting => self.directory.remove(key),
                Arrival::New { key, endpoint } => {
                    let link = self.start(ctx, key, endpoint);
                    mailbox::insist(ctx, &link.addr, datagram);
                }
                Arrival::Answer(answer) => {
                    metrics::DROPPED_UNKNOWN_PEER.increment();
                    self.shared.transmit(from, datagram.local, &answer);
                }
                Arrival::Ignore(why) => UnknownPeer { peer: from.socket, cause: &why }.emit(),
            }
        }
    }
}

impl Handler<Registered> for Registry {
    type Result = ();

    fn handle(&mut self, registered: Registered, ctx: &mut Self::Context) {
        let Registered { link, registration, address, mountpoint, first } = registered;
        let key = link.key;
        if !self.children.contains_key(&key) {
            return;
        }
        if let Some(old) = self.directory.address(key).filter(|old| *old != address) {
            self.unroute(ctx, old, &link);
        }
        let displaced = self.directory.registered(key, &registration.location, address);
        self.displace(ctx, displaced);
        self.route(ctx, address, &link);
        self.unmount(key);
        if let Some(child) = self.children.get_mut(&key) {
            child.registration = Some(registration);
            child.mountpoint = mountpoint.clone();
        }
        let Some(mountpoint) = mountpoint else { return };
        self.mountpoints.insert(mountpoint.clone(), key);
        if first {
            for Held { command, received, custody, .. } in self.held.take(&mountpoint) {
                self.submit(ctx, key, Submit { command, mountpoint: mountpoint.clone(), received, custody });
            }
        }
    }
}

impl Handler<Updated> for Registry {
    type Result = ();

    fn handle(&mut self, updated: Updated, _: &mut Self::Context) {
        if let Some(child) = self.children.get_mut(&updated.link.key) {
            child.registration = Some(updated.registration);
        }
    }
}

impl Handler<Ended> for Registry {
    type Result = ();

    fn handle(&mut self, ended: Ended, _: &mut Self::Context) {
        self.unmount(ended.link.key);
        if let Some(child) = self.children.get_mut(&ended.link.key) {
            child.registration = None;
        }
    }
}

impl Handler<Moved> for Registry {
    type Result = ();

    fn handle(&mut self, moved: Moved, ctx: &mut Self::Context) {
        let Moved { link, from, to } = moved;
        if self.children.contains_key(&link.key) {
            let displaced = self.directory.moved(link.key, to);
            self.displace(ctx, displaced);
            self.unroute(ctx, from, &link);
            self.route(ctx, to, &link);
        }
    }
}

impl Handler<Adopt> for Registry {
    type Result = ();

    fn handle(&mut self, adopt: Adopt, ctx: &mut Self::Context) {
        self.children.reserve(adopt.0.len());
        for child in adopt.0 {
            let link = child.link.clone();
            if let Some(mountpoint) = &child.mountpoint {
                self.mountpoints.insert(mountpoint.clone(), link.key);
            }
            self.children.insert(link.key, child);
            mailbox::insist(ctx, &link.addr, Begin(link.clone()));
        }
    }
}

impl Handler<Stopping> for Registry {
    type Result = ();

    fn handle(&mut self, stopping: Stopping, ctx: &mut Self::Context) {
        self.forget(ctx, &stopping.link, stopping.address);
        mailbox::insist(ctx, &stopping.link.addr, Leave);
    }
}

impl Handler<Crashed> for Registry {
    type Result = ();

    fn handle(&mut self, crashed: Crashed, ctx: &mut Self::Context) {
        if let Some(journal) = &self.shared.journal {
            journal.forget(&crashed.link.endpoint);
        }
        self.forget(ctx, &crashed.link, None);
    }
}

impl Handler<Command> for Registry {
    type Result = ();

    fn handle(&mut self, command: Command, ctx: &mut Self::Context) {
        let Command { topic, mountpoint, command, received, custody } = command;
        if let Some((mountpoint, key)) = self.mountpoints.get_key_value(&*mountpoint) {
            let (mountpoint, key) = (mountpoint.clone(), *key);
            return self.submit(ctx, key, Submit { command, mountpoint, received, custody });
        }
        if command.is_cancel() && command.check().is_ok() {
            let meant = |held: &Held| *held.mountpoint == *mountpoint && command.cancels(&held.command.ticket());
            let waiting = self.withdraw(meant);
            let problem = match waiting {
                0 => Problem::NotRegistered,
                waiting => Problem::Ended(cancel_outcome(Cancelled { waiting, on_the_wire: 0 })),
            };
            return self.answer(&mountpoint, &command, &custody, &problem);
        }
        match topic {
            Some(topic) => {
                if let Some(evicted) = self.held.hold(Held { topic, mountpoint, command, received, custody }) {
                    self.answer(&evicted.mountpoint, &evicted.command, &evicted.custody, &Problem::NotRegistered);
                }
            }
            None => {
                let problem = command.check().map_or_else(Problem::Bad, |()| Problem::NotRegistered);
                self.answer(&mountpoint, &command, &custody, &problem);
            }
        }
    }
}

impl Handler<ClearRetained> for Registry {
    type Result = ();

    fn handle(&mut self, clear: ClearRetained, _: &mut Self::Context) {
        self.withdraw(|held| *held.topic == *clear.topic);
    }
}

impl Handler<ReloadAll> for Registry {
    type Result = ();

    fn handle(&mut self, reload: ReloadAll, ctx: &mut Self::Context) {
        let ReloadAll { policy, catalog } = reload;
        (self.policy, self.catalog) = (policy.clone(), catalog.clone());
        for child in self.children.values() {
            mailbox::insist(ctx, &child.link.addr, Reload { policy: policy.clone(), catalog: catalog.clone() });
        }
    }
}

impl Handler<RestAll> for Registry {
    type Result = ();

    fn handle(&mut self, rest: RestAll, ctx: &mut Self::Context) {
        // Retained commands that wait for their device stay with the broker, or in the journal.
        self.held.take_all();
        self.resting = true;
        for child in self.children.values() {
            mailbox::insist(ctx, &child.link.addr, Rest(rest.0.clone()));
        }
    }
}

impl Handler<AbandonAll> for Registry {
    type Result = ();

    fn handle(&mut self, abandon: AbandonAll, ctx: &mut Self::Context) {
        for child in self.children.values() {
            mailbox::insist(ctx, &child.link.addr, Abandon(abandon.0.clone()));
        }
    }
}

impl Handler<Find> for Registry {
    type Result = Option<Arc<Link>>;

    fn handle(&mut self, find: Find, _: &mut Self::Context) -> Self::Result {
        let key = self.directory.by_endpoint(&find.0)?;
        self.children.get(&key).map(|child| child.link.clone())
    }
}

impl Handler<List> for Registry {
    type Result = MessageResult<List>;

    fn handle(&mut self, list: List, _: &mut Self::Context) -> Self::Result {
        let registered = || self.children.values().filter_map(|child| Some((child, child.registration.as_ref()?)));
        let mut page: Vec<_> = registered()
            .filter(|(child, _)| list.after.as_deref().is_none_or(|after| &*child.link.endpoint > after))
            .collect();
        page.sort_unstable_by(|(a, _), (b, _)| a.link.endpoint.cmp(&b.link.endpoint));
        page.truncate(list.limit);
        let devices = page
            .into_iter()
            .map(|(child, registration)| Summary {
                endpoint: child.link.endpoint.clone(),
                address: self.directory.address(child.link.key).map(|address| address.socket),
                lwm2m: format!("{}.{}", registration.version.major, registration.version.minor),
                lifetime: registration.lifetime.as_secs(),
                queue_mode: registration.queue_mode,
            })
            .collect();
        MessageResult(Page { total: registered().count(), devices })
    }
}
