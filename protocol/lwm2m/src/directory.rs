//! Who lives where: endpoint names, locations and addresses, and what a datagram from an unknown address means.
//!
//! The directory never trusts: a datagram from an unknown address reaches a device only when it is a Register of that endpoint or names
//! its unguessable location; whatever else strangers ask is answered without keeping anything, and seldom (C-121, C-149).
use crate::registration::{self, Resource};
use crate::session::Address;
use coap::{Code, Message, stranger};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Names one device for as long as the process lives; never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct DeviceKey(pub u64);

/// Bounds against strangers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Devices, registered or about to be; a Register beyond is answered 5.03.
    pub devices: usize,
    /// Answers per second to one unknown source (an IPv4 address, or a /64 of IPv6).
    pub answers_per_source: u32,
    /// Answers per second to all unknown sources together.
    pub answers: u32,
    /// Sources that are told apart; beyond, all further ones share one allowance.
    pub sources: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { devices: 1_000_000, answers_per_source: 50, answers: 10_000, sources: 4096 }
    }
}

/// What a datagram means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// It is for this device.
    Deliver(DeviceKey),
    /// The first Register of an endpoint: start a session under this key and give it the datagram. If it comes to nothing, call
    /// [`Directory::remove`].
    New {
        /// Its key from now on.
        key: DeviceKey,
        /// Its endpoint name.
        endpoint: Arc<str>,
    },
    /// Send this back.
    Answer(Vec<u8>),
    /// Nothing; why, for log and metrics.
    Ignore(Ignored),
}

/// Why a datagram is ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Ignored {
    /// Not CoAP, or nothing that asks for an answer.
    #[error("nothing that asks for an answer")]
    Unanswerable,
    /// Too many answers to strangers already.
    #[error("too many answers to unknown sources")]
    RateLimit,
}

#[derive(Debug)]
struct Entry {
    endpoint: Arc<str>,
    address: Option<Address>,
    /// Segments with `/` between; one block of memory instead of one for each.
    location: Option<Arc<str>>,
}

/// All devices of the gateway.
#[derive(Debug)]
pub struct Directory {
    limits: Limits,
    last_key: u64,
    entries: HashMap<DeviceKey, Entry>,
    endpoints: HashMap<Arc<str>, DeviceKey>,
    addresses: HashMap<Address, DeviceKey>,
    locations: HashMap<Arc<str>, DeviceKey>,
    allowances: Allowances,
}

impl Directory {
    /// An empty one.
    pub fn new(limits: Limits) -> Directory {
        Directory {
            limits,
            last_key: 0,
            entries: HashMap::new(),
            endpoints: HashMap::new(),
            addresses: HashMap::new(),
            locations: HashMap::new(),
            allowances: Allowances::new(limits),
        }
    }

    /// What a datagram from this address means. `identity`: the endpoint name that the security association proves, if it proves one.
    pub fn arrive(&mut self, now: Instant, from: Address, identity: Option<&str>, datagram: &[u8]) -> Arrival {
        match self.by_address(from) {
            Some(key) => Arrival::Deliver(key),
            None => self.arrive_anew(now, from, identity, datagram),
        }
    }

    /// The same for a datagram whose address belongs to a device that it is not about ([`crate::session::Event::Stray`]).
    pub fn arrive_anew(&mut self, now: Instant, from: Address, identity: Option<&str>, datagram: &[u8]) -> Arrival {
        let message = match Message::decode(datagram) {
            Ok(message) => message,
            Err(error) => return self.answer(now, from, datagram, stranger::reject(error)),
        };
        let path = message.uri_path();
        if let Some(key) = self.by_location_bytes(&path) {
            return Arrival::Deliver(key);
        }
        let answer = match message.method().map(|method| registration::resource(method, &path, None)) {
            Some(Resource::Register) => match self.admit(&message, identity) {
                Ok(arrival) => return arrival,
                Err(code) => stranger::answer(&message, code),
            },
            // Nobody is registered there (extensions §3).
            Some(Resource::Send) => stranger::answer(&message, Code::NOT_FOUND),
            Some(Resource::Refused(Code::BAD_REQUEST)) => stranger::answer(&message, Code::BAD_REQUEST),
            _ => stranger::respond(&message),
        };
        self.answer(now, from, datagram, answer)
    }

    fn admit(&mut self, message: &Message, identity: Option<&str>) -> Result<Arrival, Code> {
        let query: Result<Vec<String>, _> =
            message.uri_query().into_iter().map(|member| String::from_utf8(member.to_vec())).collect();
        let query = query.map_err(|_| Code::BAD_REQUEST)?;
        let endpoint = registration::check_register(&query, identity).map_err(|refusal| refusal.code)?;
        match self.by_endpoint(endpoint) {
            Some(key) => Ok(Arrival::Deliver(key)),
            None => self.add(endpoint).map(|(key, endpoint)| Arrival::New { key, endpoint }),
        }
    }

    /// Enters a device without an address (a first Register, or one that comes back from the store); 5.03 when there are too many.
    fn add(&mut self, endpoint: &str) -> Result<(DeviceKey, Arc<str>), Code> {
        if self.entries.len() >= self.limits.devices {
            return Err(Code::SERVICE_UNAVAILABLE);
        }
        self.last_key += 1;
        let (key, endpoint) = (DeviceKey(self.last_key), Arc::<str>::from(endpoint));
        self.endpoints.insert(endpoint.clone(), key);
        self.entries.insert(key, Entry { endpoint: endpoint.clone(), address: None, location: None });
        Ok((key, endpoint))
    }

    /// Enters a device that comes back from the store; `None` if its endpoint is there already or there are too many.
    pub fn restore(&mut self, endpoint: &str, location: &[String], address: Address) -> Option<DeviceKey> {
        if self.by_endpoint(endpoint).is_some() {
            return None;
        }
        let (key, _) = self.add(endpoint).ok()?;
        self.registered(key, location, address);
        Some(key)
    }

    /// A Register was accepted: the device has this location and address now. Yields the device that had the address before; its
    /// session is to be ended as replaced.
    pub fn registered(&mut self, key: DeviceKey, location: &[String], address: Address) -> Option<DeviceKey> {
        let entry = self.entries.get_mut(&key)?;
        let location: Arc<str> = location.join("/").into();
        if let Some(old) = entry.location.replace(location.clone()) {
            self.locations.remove(&old);
        }
        self.locations.insert(location, key);
        self.moved(key, address)
    }

    /// The device speaks from a new address. Yields the device that had it before.
    pub fn moved(&mut self, key: DeviceKey, address: Address) -> Option<DeviceKey> {
        let entry = self.entries.get_mut(&key)?;
        if let Some(old) = entry.address.replace(address)
            && self.addresses.get(&old) == Some(&key)
        {
            self.addresses.remove(&old);
        }
        let displaced = self.addresses.insert(address, key).filter(|before| *before != key)?;
        if let Some(entry) = self.entries.get_mut(&displaced) {
            entry.address = None;
        }
        Some(displaced)
    }

    /// Forgets a device.
    pub fn remove(&mut self, key: DeviceKey) {
        let Some(entry) = self.entries.remove(&key) else { return };
        self.endpoints.remove(&entry.endpoint);
        if let Some(location) = entry.location {
            self.locations.remove(&location);
        }
        if let Some(address) = entry.address {
            self.addresses.remove(&address);
        }
    }

    /// The device of an endpoint name.
    pub fn by_endpoint(&self, endpoint: &str) -> Option<DeviceKey> {
        self.endpoints.get(endpoint).copied()
    }

    /// The device at an address.
    pub fn by_address(&self, address: Address) -> Option<DeviceKey> {
        self.addresses.get(&address).copied()
    }

    /// The device of a location.
    pub fn by_location(&self, location: &[String]) -> Option<DeviceKey> {
        self.locations.get(location.join("/").as_str()).copied()
    }

    fn by_location_bytes(&self, path: &[&[u8]]) -> Option<DeviceKey> {
        // Locations are `rd` and an id: other paths need no copy to be looked up.
        let [b"rd", id] = path else { return None };
        let id = std::str::from_utf8(id).ok()?;
        self.locations.get(format!("rd/{id}").as_str()).copied()
    }

    /// The endpoint name of a device.
    pub fn endpoint(&self, key: DeviceKey) -> Option<&Arc<str>> {
        self.entries.get(&key).map(|entry| &entry.endpoint)
    }

    /// The address of a device, once it registered.
    pub fn address(&self, key: DeviceKey) -> Option<Address> {
        self.entries.get(&key)?.address
    }

    /// All devices.
    pub fn keys(&self) -> impl Iterator<Item = DeviceKey> + '_ {
        self.entries.keys().copied()
    }

    /// Number of devices.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// No device at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn answer(&mut self, now: Instant, from: Address, asked: &[u8], answer: Option<Vec<u8>>) -> Arrival {
        // Whoever forges an address gains nothing: three times the datagram, or the bare header and token of a tiny one.
        let Some(answer) = answer.filter(|answer| answer.len() <= asked.len() * 3) else {
            return Arrival::Ignore(Ignored::Unanswerable);
        };
        match self.allowances.take(now, from.socket.ip()) {
            true => Arrival::Answer(answer),
            false => Arrival::Ignore(Ignored::RateLimit),
        }
    }
}

/// Token buckets: one per source, one for all. A bucket holds what one second allows.
#[derive(Debug)]
struct Allowances {
    limits: Limits,
    all: Bucket,
    /// Shared by the sources that have no bucket of their own.
    rest: Bucket,
    sources: HashMap<IpAddr, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled: Option<Instant>,
}

impl Bucket {
    fn full(rate: u32) -> Bucket {
        Bucket { tokens: rate.into(), filled: None }
    }

    fn fill(&mut self, now: Instant, rate: u32) {
        let rate = f64::from(rate);
        let passed = self.filled.map_or(Duration::ZERO, |filled| now.saturating_duration_since(filled));
        self.tokens = (self.tokens + passed.as_secs_f64() * rate).min(rate);
        self.filled = Some(now);
    }
}

impl Allowances {
    fn new(limits: Limits) -> Allowances {
        Allowances {
            limits,
            all: Bucket::full(limits.answers),
            rest: Bucket::full(limits.answers_per_source),
            sources: HashMap::new(),
        }
    }

    fn take(&mut self, now: Instant, source: IpAddr) -> bool {
        let source = network(source);
        if !self.sources.contains_key(&source) && self.sources.len() >= self.limits.sources {
            self.forget_quiet(now);
        }
        let rate = self.limits.answers_per_source;
        let own = match self.sources.len() < self.limits.sources || self.sources.contains_key(&source) {
            true => self.sources.entry(source).or_insert(Bucket::full(rate)),
            false => &mut self.rest,
        };
        own.fill(now, rate);
        self.all.fill(now, self.limits.answers);
        let allowed = own.tokens >= 1.0 && self.all.tokens >= 1.0;
        if allowed {
            own.tokens -= 1.0;
            self.all.tokens -= 1.0;
        }
        allowed
    }

    /// Full buckets say nothing. Looked for at most as often as the shared bucket fills, so that a flood of sources stays cheap.
    fn forget_quiet(&mut self, now: Instant) {
        let recently =
            self.rest.filled.is_some_and(|filled| now.saturating_duration_since(filled) < Duration::from_secs(1));
        if recently {
            return;
        }
        self.sources.retain(|_, bucket| {
            bucket.filled.is_some_and(|filled| now.saturating_duration_since(filled) < Duration::from_secs(1))
        });
    }
}

/// What one party can be expected to hold: an IPv4 address, the /64 of an IPv6 one.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => {
                let [a, b, c, d, ..] = v6.segments();
                std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        },
    }
}
