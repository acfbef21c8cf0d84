//! All handshakes and associations of one listener.
use crate::context::{self, Materials, Notes, SetupError};
use crate::cookie::Cookies;
use crate::credentials::Credentials;
use crate::exchange::{Exchange, Finished, Layer, Step};
use crate::ffi::Listened;
use crate::identity::Identity;
use crate::refusal::Refusal;
use dtls::{Aead, Alert, Association, ConnectionId, ContentType, SealError, Stored, hello, record};
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslContext};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sequence numbers reserved at a time; a device that hears this many records costs one write to the store.
const RESERVE: u64 = 1 << 12;
/// How often handshakes are looked after while there are any.
const TICK: Duration = Duration::from_millis(250);

/// Names an association for as long as it lives; never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Handshakes at a time, after the cookie.
    pub handshakes_max: usize,
    /// Of these, from one IP address.
    pub handshakes_per_source: usize,
    /// How long one may take.
    pub handshake_timeout: Duration,
    /// Associations at a time.
    pub links_max: usize,
    /// Number of this node, the first two bytes of connection ids.
    pub node: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            handshakes_max: 1000,
            handshakes_per_source: 250,
            handshake_timeout: Duration::from_secs(60),
            links_max: 2_000_000,
            node: 0,
        }
    }
}

/// What an [`Endpoint`] wants done or known, in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send this datagram.
    Transmit(SocketAddr, Vec<u8>),
    /// A device is in. `replaced`: the association of the same identity or address that ended for it.
    Established {
        /// The new association.
        link: LinkId,
        /// Where the device is.
        peer: SocketAddr,
        /// Who it is.
        identity: Arc<Identity>,
        /// OpenSSL's name of the suite.
        suite: String,
        /// Connection ids are in use.
        with_cid: bool,
        /// By session id or ticket.
        resumed: bool,
    },
    /// Authentic application data.
    Data(LinkId, SocketAddr, Vec<u8>),
    /// The device speaks from another address now (proven by a connection id).
    Moved(LinkId, SocketAddr, SocketAddr),
    /// The association is over.
    Closed(LinkId, Arc<Identity>, Closure),
    /// A handshake failed.
    Refused(SocketAddr, Refusal),
    /// State that must be stored before anything else is sent on this association.
    Store(LinkId),
}

/// Why an association ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Closure {
    /// Alert of the device.
    #[error("closed by the device")]
    ByDevice,
    /// The same identity, or the same address, finished a new handshake.
    #[error("replaced by a new handshake")]
    Replaced,
    /// A reload removed or changed what the device was admitted by.
    #[error("credentials were withdrawn")]
    Withdrawn,
    /// All sequence numbers are used.
    #[error("sequence numbers used up")]
    UsedUp,
    /// The gateway stops, or an operator ended it.
    #[error("closed by the gateway")]
    ByGateway,
}

impl Closure {
    /// The device is told by a close_notify. Not after a replacement: it has forgotten the old keys (RFC 6347 §4.2.8).
    fn is_told(self) -> bool {
        !matches!(self, Closure::ByDevice | Closure::Replaced)
    }
}

/// Numbers of what happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counters {
    pub hellos: u64,
    pub handshakes_begun: u64,
    pub established: u64,
    pub refused: u64,
    pub busy: u64,
    pub foreign: u64,
    pub wrong_cid: u64,
    pub replayed: u64,
    pub not_authentic: u64,
    pub unroutable: u64,
}

struct Link {
    layer: Layer,
    address: SocketAddr,
    identity: Arc<Identity>,
    psk_digest: Option<[u8; 32]>,
    suite: String,
    /// Our Finished, repeated when the client repeats its own; gone with the client's first application data.
    last_flight: Vec<Vec<u8>>,
}

/// An association as it is stored; secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredLink {
    association: Stored,
    address: SocketAddr,
    psk: Option<(String, Option<String>, Option<[u8; 32]>)>,
    public_key: Option<(String, String)>,
    names: Option<Vec<String>>,
    suite: String,
}

/// One listener's DTLS.
pub struct Endpoint {
    context: SslContext,
    index: Index<Ssl, Notes>,
    materials: Materials,
    cookies: Arc<Cookies>,
    limits: Limits,
    aead: Aead,
    spare: Option<Exchange>,
    exchanges: HashMap<SocketAddr, Exchange>,
    links: HashMap<LinkId, Link>,
    by_cid: HashMap<ConnectionId, LinkId>,
    by_address: HashMap<SocketAddr, LinkId>,
    by_identity: HashMap<String, LinkId>,
    next_link: u64,
    counters: Counters,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({} handshakes, {} links)", self.exchanges.len(), self.links.len())
    }
}

impl Endpoint {
    /// Sets a listener up.
    pub fn new(materials: Materials, limits: Limits, now: Instant) -> Result<Endpoint, SetupError> {
        let cookies = Arc::new(Cookies::new(now)?);
        let context = context::build(&materials, cookies.clone())?;
        let index = context::notes_index()?;
        Ok(Endpoint {
            context,
            index,
            materials,
            cookies,
            limits,
            aead: Aead::new()?,
            spare: None,
            exchanges: HashMap::new(),
            links: HashMap::new(),
            by_cid: HashMap::new(),
            by_address: HashMap::new(),
            by_identity: HashMap::new(),
            next_link: 1,
            counters: Counters::default(),
        })
    }

    /// Takes new credentials and certificates. Associations stay, but for those whose identity is gone or has another key.
    pub fn reload(&mut self, materials: Materials, out: &mut Vec<Effect>) -> Result<(), SetupError> {
        self.context = context::build(&materials, self.cookies.clone())?;
        self.spare = None;
        self.materials = materials;
        let credentials = &self.materials.credentials;
        let revoked: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| !is_still_known(credentials, link)).map(|(id, _)| *id).collect();
        for link in revoked {
            self.close(link, Closure::Withdrawn, out);
        }
        Ok(())
    }

    /// A datagram from the socket.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], out: &mut Vec<Effect>) {
        if let Some(id) = record::leading_cid(datagram, ConnectionId::LEN).and_then(ConnectionId::from_slice)
            && let Some(link) = self.by_cid.get(&id).copied()
        {
            return self.open(link, from, datagram, out);
        }
        let Some(first) = record::records(datagram, ConnectionId::LEN).next() else {
            self.counters.unroutable += 1;
            return;
        };
        let established = self.by_address.get(&from).copied();
        if self.exchanges.contains_key(&from) {
            let data =
                matches!(first.content_type, ContentType::APPLICATION_DATA | ContentType::ALERT) && first.epoch() == 1;
            match established {
                // The old association goes on while a new handshake from the same address is under way.
                Some(link) if data => self.open(link, from, datagram, out),
                _ => self.receive(from, datagram, out),
            }
        } else if hello::is_client_hello(datagram) {
            self.hello(now, from, datagram, out);
        } else if let Some(link) = established {
            self.open(link, from, datagram, out);
        } else {
            self.counters.unroutable += 1;
        }
    }

    fn hello(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], out: &mut Vec<Effect>) {
        self.counters.hellos += 1;
        self.cookies.look_at(now, from);
        let (mtu, node) = (self.materials.mtu, self.limits.node);
        let fresh = || Exchange::new(&self.context, self.index, mtu, node, now);
        let Some(mut exchange) = self.spare.take().or_else(|| fresh().ok()) else {
            self.counters.busy += 1;
            return;
        };
        exchange.began = now;
        let mut datagrams = Vec::new();
        let listened = exchange.listen(datagram, &mut datagrams);
        out.extend(datagrams.drain(..).map(|bytes| Effect::Transmit(from, bytes)));
        if listened == Listened::Refused {
            self.spare = Some(exchange);
            return;
        }
        let same_source = self.exchanges.keys().filter(|peer| source(peer.ip()) == source(from.ip())).count();
        if self.exchanges.len() >= self.limits.handshakes_max || same_source >= self.limits.handshakes_per_source {
            // The client repeats its ClientHello after a second: whoever comes when a place is free gets it.
            self.counters.busy += 1;
            return;
        }
        self.counters.handshakes_begun += 1;
        let step = exchange.advance(&mut self.aead, &mut datagrams);
        out.extend(datagrams.into_iter().map(|bytes| Effect::Transmit(from, bytes)));
        self.after(from, exchange, step, out);
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8], out: &mut Vec<Effect>) {
        let Some(mut exchange) = self.exchanges.remove(&from) else { return };
        let mut datagrams = Vec::new();
        let step = exchange.receive(&mut self.aead, datagram, &mut datagrams);
        out.extend(datagrams.into_iter().map(|bytes| Effect::Transmit(from, bytes)));
        self.after(from, exchange, step, out);
    }

    fn after(&mut self, from: SocketAddr, exchange: Exchange, step: Step, out: &mut Vec<Effect>) {
        match step {
            Step::Going => {
                self.exchanges.insert(from, exchange);
            }
            Step::Failed(refusal) => self.refuse(from, refusal, out),
            Step::Done => match exchange.finish(&self.materials.credentials) {
                Ok(finished) => self.establish(from, finished, out),
                Err(refusal) => self.refuse(from, refusal, out),
            },
        }
    }

    fn refuse(&mut self, from: SocketAddr, refusal: Refusal, out: &mut Vec<Effect>) {
        self.counters.refused += 1;
        out.push(Effect::Refused(from, refusal));
    }

    fn establish(&mut self, from: SocketAddr, finished: Finished, out: &mut Vec<Effect>) {
        if self.links.len() >= self.limits.links_max {
            return self.refuse(from, Refusal::Busy, out);
        }
        let Finished { mut layer, identity, psk_digest, suite, resumed, last_flight } = finished;
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.counters.established += 1;
        let cid = match &mut layer {
            Layer::Own(association) => {
                association.reserve(RESERVE);
                association.inbound_cid()
            }
            Layer::OpenSsl(_) => None,
        };
        let identity = Arc::new(identity);
        let same_address = self.by_address.get(&from).copied();
        let same_identity = self.by_identity.get(&identity.to_string()).copied();
        for old in same_address.into_iter().chain(same_identity) {
            self.close(old, Closure::Replaced, out);
        }
        self.insert(
            link,
            cid,
            Link { layer, address: from, identity: identity.clone(), psk_digest, suite: suite.clone(), last_flight },
        );
        out.push(Effect::Established { link, peer: from, identity, suite, with_cid: cid.is_some(), resumed });
        out.push(Effect::Store(link));
    }

    fn insert(&mut self, id: LinkId, cid: Option<ConnectionId>, link: Link) {
        if let Some(cid) = cid {
            self.by_cid.insert(cid, id);
        }
        self.by_address.insert(link.address, id);
        if !matches!(*link.identity, Identity::Anonymous) {
            self.by_identity.insert(link.identity.to_string(), id);
        }
        self.links.insert(id, link);
    }

    /// Records for an association.
    fn open(&mut self, id: LinkId, from: SocketAddr, datagram: &[u8], out: &mut Vec<Effect>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let mut ended = None;
        match &mut link.layer {
            Layer::OpenSsl(stream) => {
                stream.get_mut().inbound.push_back(datagram.to_vec());
                let mut buffer = [0; 16 << 10];
                loop {
                    match stream.ssl_read(&mut buffer) {
                        Ok(length) => out.push(Effect::Data(id, from, buffer[..length].to_vec())),
                        Err(error) => {
                            use openssl::ssl::ErrorCode;
                            if !matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE) {
                                ended = Some(Closure::ByDevice);
                            }
                            break;
                        }
                    }
                }
                let written = std::mem::take(&mut stream.get_mut().outbound);
                out.extend(written.into_iter().map(|bytes| Effect::Transmit(from, bytes)));
            }
            Layer::Own(association) => {
                let mut plaintext = Vec::new();
                for record in record::records(datagram, ConnectionId::LEN) {
                    let opened = match association.open(&mut self.aead, &record, &mut plaintext) {
                        Ok(opened) => opened,
                        Err(error) => {
                            count(&mut self.counters, error);
                            continue;
                        }
                    };
                    if opened.newest && link.address != from {
                        let before = std::mem::replace(&mut link.address, from);
                        if self.by_address.get(&before) == Some(&id) {
                            self.by_address.remove(&before);
                        }
                        self.by_address.insert(from, id);
                        out.push(Effect::Moved(id, before, from));
                    }
                    match opened.content_type {
                        ContentType::APPLICATION_DATA => {
                            link.last_flight = Vec::new();
                            out.push(Effect::Data(id, link.address, std::mem::take(&mut plaintext)));
                        }
                        // The client repeats its Finished: ours was lost.
                        ContentType::HANDSHAKE => {
                            let flight = link.last_flight.iter().cloned();
                            out.extend(flight.map(|bytes| Effect::Transmit(link.address, bytes)));
                        }
                        ContentType::ALERT if Alert::parse(&plaintext).is_some_and(Alert::ends_association) => {
                            ended = Some(Closure::ByDevice);
                        }
                        _ => {}
                    }
                }
            }
        }
        if let Some(why) = ended {
            self.close(id, why, out);
        }
    }

    /// Protects application data; `None` when the association is gone or used up.
    pub fn seal(&mut self, id: LinkId, payload: &[u8], out: &mut Vec<Effect>) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        match &mut link.layer {
            Layer::OpenSsl(stream) => {
                if stream.ssl_write(payload).is_err() {
                    return false;
                }
                let written = std::mem::take(&mut stream.get_mut().outbound);
                out.extend(written.into_iter().map(|bytes| Effect::Transmit(link.address, bytes)));
                true
            }
            Layer::Own(association) => {
                let mut datagram = Vec::new();
                let mut sealed =
                    association.seal(&mut self.aead, ContentType::APPLICATION_DATA, payload, &mut datagram);
                if sealed == Err(SealError::Unreserved) {
                    association.reserve(RESERVE);
                    out.push(Effect::Store(id));
                    sealed = association.seal(&mut self.aead, ContentType::APPLICATION_DATA, payload, &mut datagram);
                }
                if sealed.is_err() {
                    self.close(id, Closure::UsedUp, out);
                    return false;
                }
                out.push(Effect::Transmit(link.address, datagram));
                true
            }
        }
    }

    /// Ends an association from our side, with a close_notify.
    pub fn close(&mut self, id: LinkId, why: Closure, out: &mut Vec<Effect>) {
        let Some(mut link) = self.links.remove(&id) else { return };
        match &mut link.layer {
            Layer::Own(association) => {
                if let Some(cid) = association.inbound_cid() {
                    self.by_cid.remove(&cid);
                }
                let mut datagram = Vec::new();
                if why.is_told()
                    && association
                        .seal(&mut self.aead, ContentType::ALERT, &Alert::CLOSE_NOTIFY.bytes(), &mut datagram)
                        .is_ok()
                    && self.by_address.get(&link.address) == Some(&id)
                {
                    out.push(Effect::Transmit(link.address, datagram));
                }
            }
            Layer::OpenSsl(stream) => {
                if why.is_told() && stream.shutdown().is_ok() {
                    let written = std::mem::take(&mut stream.get_mut().outbound);
                    out.extend(written.into_iter().map(|bytes| Effect::Transmit(link.address, bytes)));
                }
            }
        }
        if self.by_address.get(&link.address) == Some(&id) {
            self.by_address.remove(&link.address);
        }
        let name = link.identity.to_string();
        if self.by_identity.get(&name) == Some(&id) {
            self.by_identity.remove(&name);
        }
        out.push(Effect::Closed(id, link.identity, why));
    }

    /// Looks after handshakes: repeats flights, gives up on silent ones.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let mut silent = Vec::new();
        let mut datagrams = Vec::new();
        for (peer, exchange) in &mut self.exchanges {
            let late = now.saturating_duration_since(exchange.began) >= self.limits.handshake_timeout;
            if late || !exchange.handle_timeout(&mut self.aead, &mut datagrams) {
                silent.push(*peer);
            }
            out.extend(datagrams.drain(..).map(|bytes| Effect::Transmit(*peer, bytes)));
        }
        for peer in silent {
            self.exchanges.remove(&peer);
            self.refuse(peer, Refusal::TimedOut, out);
        }
    }

    /// When to call [`Endpoint::handle_timeout`] next.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        (!self.exchanges.is_empty()).then(|| now + TICK)
    }

    /// What to store of an association; `None` for those that live inside OpenSSL.
    pub fn stored(&self, id: LinkId) -> Option<StoredLink> {
        let link = self.links.get(&id)?;
        let Layer::Own(association) = &link.layer else { return None };
        let mut stored = StoredLink {
            association: association.stored(),
            address: link.address,
            psk: None,
            public_key: None,
            names: None,
            suite: link.suite.clone(),
        };
        match &*link.identity {
            Identity::Psk { identity, endpoint } => {
                stored.psk = Some((identity.clone(), endpoint.clone(), link.psk_digest));
            }
            Identity::PublicKey { fingerprint, endpoint } => {
                stored.public_key = Some((fingerprint.clone(), endpoint.clone()));
            }
            Identity::Certificate { names } => stored.names = Some(names.clone()),
            Identity::Anonymous => {}
        }
        Some(stored)
    }

    /// Takes up a stored association. `None` when its credentials are gone.
    pub fn restore(&mut self, stored: StoredLink, out: &mut Vec<Effect>) -> Option<LinkId> {
        let StoredLink { association, address, psk, public_key, names, suite } = stored;
        let (identity, psk_digest) = match (psk, public_key, names) {
            (Some((identity, endpoint, digest)), _, _) => (Identity::Psk { identity, endpoint }, digest),
            (_, Some((fingerprint, endpoint)), _) => (Identity::PublicKey { fingerprint, endpoint }, None),
            (_, _, Some(names)) => (Identity::Certificate { names }, None),
            _ => (Identity::Anonymous, None),
        };
        let mut association = Association::restore(association);
        association.reserve(RESERVE);
        let cid = association.inbound_cid();
        let link = Link {
            layer: Layer::Own(association),
            address,
            identity: Arc::new(identity),
            psk_digest,
            suite,
            last_flight: Vec::new(),
        };
        if !is_still_known(&self.materials.credentials, &link) {
            return None;
        }
        let id = LinkId(self.next_link);
        self.next_link += 1;
        self.insert(id, cid, link);
        out.push(Effect::Store(id));
        Some(id)
    }

    /// Who is at the other end.
    pub fn identity(&self, id: LinkId) -> Option<&Arc<Identity>> {
        self.links.get(&id).map(|link| &link.identity)
    }

    /// Where the device of an association is.
    pub fn address(&self, id: LinkId) -> Option<SocketAddr> {
        self.links.get(&id).map(|link| link.address)
    }

    /// Associations and handshakes at the moment.
    pub fn sizes(&self) -> (usize, usize) {
        (self.links.len(), self.exchanges.len())
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

fn is_still_known(credentials: &Credentials, link: &Link) -> bool {
    match &*link.identity {
        Identity::Psk { identity, .. } => {
            credentials.psk_digest(identity) == link.psk_digest && link.psk_digest.is_some()
        }
        Identity::PublicKey { fingerprint, endpoint } => credentials.lists_key(fingerprint, endpoint),
        Identity::Certificate { .. } | Identity::Anonymous => true,
    }
}

/// Sources are counted by IPv4 address or IPv6 /64, the least that one host can be assumed to hold.
fn source(ip: IpAddr) -> [u8; 8] {
    let mut key = [0; 8];
    match ip {
        IpAddr::V4(ip) => key[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => key.copy_from_slice(&ip.octets()[..8]),
    }
    key
}

fn count(counters: &mut Counters, error: dtls::OpenError) {
    match error {
        dtls::OpenError::Foreign => counters.foreign += 1,
        dtls::OpenError::ConnectionId => counters.wrong_cid += 1,
        dtls::OpenError::Replayed => counters.replayed += 1,
        dtls::OpenError::NotAuthentic => counters.not_authentic += 1,
    }
}
