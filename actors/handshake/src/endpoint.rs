//! All handshakes and associations of one listener.
use crate::context::{self, Ground, Materials, Notes, SetupError};
use crate::cookie::Cookies;
use crate::exchange::{Exchange, Finished, Rejected, Step};
use crate::ffi::Listened;
use crate::identity::Identity;
use crate::last_flight::LastFlight;
use crate::link::{Facts, Layer, Link, LinkId, Links};
use crate::refusal::Refusal;
use crate::resumption::{Resumption, SessionChange};
use crate::slots::{Room, Slots};
use crate::stored::{StoredLink, Trace};
use dtls::{Aead, Alert, ConnectionId, ContentType, SealError, hello, record};
use openssl::ex_data::Index;
use openssl::ssl::Ssl;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sequence numbers reserved at a time. Half of them may be used before the next are reserved, so that a write to the store which a power
/// failure undoes has almost always reached the disk before a number depends on it.
const RESERVE: u64 = 1 << 12;
/// How often handshakes are looked after while there are any.
const TICK: Duration = Duration::from_millis(250);
/// A client that has not repeated its Finished by then has heard ours.
const LAST_FLIGHT: u64 = 240;

/// Types of the handshake messages that a client may send after Finished.
mod message {
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const FINISHED: u8 = 20;
}

/// The present, handed in with everything that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// For time-outs.
    pub instant: Instant,
    /// For what outlives the process, and for certificates: Unix seconds.
    pub unix: u64,
}

/// Bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Handshakes at a time, after the cookie.
    pub handshakes_max: usize,
    /// Of these, from one IP address.
    pub handshakes_per_source: usize,
    /// How long one may take.
    pub handshake_timeout: Duration,
    /// Associations at a time.
    pub links_max: usize,
    /// An association that was silent for so long is forgotten.
    pub idle_timeout: Duration,
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
            idle_timeout: Duration::from_secs(7 * 86_400),
            node: 0,
        }
    }
}

/// What an [`Endpoint`] wants done or known, in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send this datagram.
    Transmit(SocketAddr, Vec<u8>),
    /// A device is in.
    Established {
        /// The new association.
        link: LinkId,
        /// Where the device is.
        peer: SocketAddr,
        /// What there is to know.
        facts: Arc<Facts>,
    },
    /// Authentic application data.
    Data(LinkId, SocketAddr, Vec<u8>),
    /// The device speaks from another address now (proven by a connection id).
    Moved(LinkId, SocketAddr, SocketAddr),
    /// The association is over.
    Closed(LinkId, Arc<Facts>, Closure),
    /// A handshake failed.
    Refused {
        /// Where the device is.
        peer: SocketAddr,
        /// The endpoint name that its identity, proven or not, would entitle it to.
        who: Option<String>,
        /// Why.
        refusal: Refusal,
    },
    /// [`Endpoint::stored`] must be stored before any effect that follows.
    Store {
        /// The association.
        link: LinkId,
        /// It was never stored: where that fails, it does not outlive the process, and nothing else is wrong.
        first: bool,
    },
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
    /// A reload removed or changed what the device was admitted by, or its certificate has expired.
    #[error("credentials were withdrawn: {0}")]
    Withdrawn(&'static str),
    /// Nothing was heard of the device.
    #[error("silent for too long")]
    Idle,
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
    pub evicted: u64,
    pub wrong_keys: u64,
    pub foreign: u64,
    pub wrong_cid: u64,
    pub replayed: u64,
    pub not_authentic: u64,
    pub unroutable: u64,
}

/// What became of a record.
enum Received {
    Dropped,
    Taken,
    /// The device ends the association.
    Goodbye,
}

/// One listener's DTLS.
pub struct Endpoint {
    ground: Ground,
    index: Index<Ssl, Notes>,
    materials: Materials,
    cookies: Arc<Cookies>,
    resumption: Resumption,
    limits: Limits,
    aead: Aead,
    spare: Option<Exchange>,
    slots: Slots,
    links: Links,
    next_link: u64,
    /// Associations whose trace changed; only where somebody takes them.
    dirty: Option<Vec<LinkId>>,
    counters: Counters,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({} handshakes, {} links)", self.slots.len(), self.links.len())
    }
}

impl Endpoint {
    /// Sets a listener up.
    pub fn new(materials: Materials, limits: Limits, now: Instant) -> Result<Endpoint, SetupError> {
        let cookies = Arc::new(Cookies::new(now)?);
        let resumption = Resumption::new()?;
        let ground = context::build(&materials, cookies.clone(), &resumption)?;
        Ok(Endpoint {
            ground,
            index: context::notes_index()?,
            materials,
            cookies,
            resumption,
            limits,
            aead: Aead::new()?,
            spare: None,
            slots: Slots::default(),
            links: Links::default(),
            next_link: 1,
            dirty: None,
            counters: Counters::default(),
        })
    }

    /// Takes new credentials and certificates. Associations stay, but for those whose identity is gone or has another key.
    pub fn reload(&mut self, now: Now, materials: Materials, out: &mut Vec<Effect>) -> Result<(), SetupError> {
        self.ground = context::build(&materials, self.cookies.clone(), &self.resumption)?;
        self.spare = None;
        self.materials = materials;
        self.withdraw(now, out);
        Ok(())
    }

    fn withdraw(&mut self, now: Now, out: &mut Vec<Effect>) {
        let (credentials, trust) = (&self.materials.credentials, &self.ground.trust);
        let mut withdrawn = Vec::new();
        for (id, link) in self.links.iter_mut() {
            withdrawn.extend(link.withdrawn(credentials, trust, now.unix).map(|why| (id, why)));
        }
        for (link, why) in withdrawn {
            self.close(link, why, out);
        }
    }

    /// A datagram from the socket.
    pub fn handle_datagram(&mut self, now: Now, from: SocketAddr, datagram: &[u8], out: &mut Vec<Effect>) {
        if let Some(id) = record::leading_cid(datagram, ConnectionId::LEN).and_then(ConnectionId::from_slice)
            && let Some(link) = self.links.by_cid(id)
        {
            self.open(now, link, from, datagram, out);
            return;
        }
        let Some(first) = record::records(datagram, ConnectionId::LEN).next() else {
            self.counters.unroutable += 1;
            return;
        };
        let established = self.links.by_address(from);
        if let Some(exchange) = self.slots.get(from) {
            let anew = hello::client_random(datagram).is_some_and(|random| !exchange.began_with(random));
            if anew {
                // The client forgot its handshake and begins another: it must show a cookie again before the first one goes.
                return self.hello(now, from, datagram, out);
            }
            // The old association goes on while a new handshake from the same address is under way.
            if first.epoch() == 0 || !established.is_some_and(|link| self.open(now, link, from, datagram, out)) {
                self.receive(now, from, datagram, out);
            }
        } else if let Some(random) = hello::client_random(datagram) {
            // A ClientHello that the network delayed until its handshake was finished begins no other.
            let late =
                established.and_then(|link| self.links.get(link)).is_some_and(|link| link.hello == digits(random));
            if !late {
                self.hello(now, from, datagram, out);
            }
        } else if let Some(link) = established {
            self.open(now, link, from, datagram, out);
        } else {
            self.counters.unroutable += 1;
        }
    }

    fn hello(&mut self, now: Now, from: SocketAddr, datagram: &[u8], out: &mut Vec<Effect>) {
        self.counters.hellos += 1;
        self.cookies.look_at(now.instant, from);
        let (materials, node) = (&self.materials, self.limits.node);
        let fresh = || Exchange::new(&self.ground.context, self.index, materials, node, now.instant);
        let Some(mut exchange) = self.spare.take().or_else(|| fresh().ok()) else {
            self.counters.busy += 1;
            return;
        };
        exchange.began = now.instant;
        let mut datagrams = Vec::new();
        let listened = exchange.listen(datagram, &mut datagrams);
        transmit(from, &mut datagrams, out);
        if listened == Listened::Refused {
            self.spare = Some(exchange);
            return;
        }
        let Limits { handshakes_max, handshakes_per_source, .. } = self.limits;
        match self.slots.make_room(from, handshakes_max, handshakes_per_source, chance()) {
            Room::Free => {}
            Room::Taken => self.counters.evicted += 1,
            Room::None => {
                // The client repeats its ClientHello after a second.
                self.counters.busy += 1;
                return;
            }
        }
        self.counters.handshakes_begun += 1;
        let step = exchange.advance(&mut self.aead, &mut datagrams);
        transmit(from, &mut datagrams, out);
        self.slots.remove(from);
        self.after(now, from, exchange, step, out);
    }

    fn receive(&mut self, now: Now, from: SocketAddr, datagram: &[u8], out: &mut Vec<Effect>) {
        let Some(mut exchange) = self.slots.remove(from) else { return };
        let mut datagrams = Vec::new();
        let step = exchange.receive(&mut self.aead, datagram, &mut datagrams);
        transmit(from, &mut datagrams, out);
        self.after(now, from, exchange, step, out);
    }

    fn after(&mut self, now: Now, from: SocketAddr, mut exchange: Exchange, step: Step, out: &mut Vec<Effect>) {
        let credentials = self.materials.credentials.clone();
        match step {
            Step::Going => {
                if exchange.take_wrong_key() {
                    // Told at once, but the handshake goes on: a forged record must not end it.
                    self.counters.wrong_keys += 1;
                    self.refuse(from, exchange.who(&credentials), Refusal::WrongKey, out);
                }
                self.slots.insert(from, exchange);
            }
            Step::Failed(refusal) => self.refuse(from, exchange.who(&credentials), refusal, out),
            Step::Done => {
                let unix = i64::try_from(now.unix).unwrap_or(i64::MAX);
                let demanding = self.materials.verify_peer;
                match exchange.finish(&mut self.aead, &credentials, &self.ground.trust, demanding, unix) {
                    Ok(finished) => self.establish(now, from, finished, out),
                    Err(Rejected { refusal, who, mut alert }) => {
                        transmit(from, &mut alert, out);
                        self.refuse(from, who, refusal, out);
                    }
                }
            }
        }
    }

    fn refuse(&mut self, peer: SocketAddr, who: Option<String>, refusal: Refusal, out: &mut Vec<Effect>) {
        self.counters.refused += 1;
        out.push(Effect::Refused { peer, who, refusal });
    }

    fn establish(&mut self, now: Now, from: SocketAddr, finished: Finished, out: &mut Vec<Effect>) {
        let Finished { mut layer, identity, proof, suite, resumed, hello, last_flight } = finished;
        if self.links.len() >= self.limits.links_max {
            return self.refuse(from, identity.endpoint().map(str::to_owned), Refusal::Busy, out);
        }
        let id = LinkId(self.next_link);
        self.next_link += 1;
        self.counters.established += 1;
        if let Layer::Own(association) = &mut layer {
            association.reserve(RESERVE);
        }
        for old in self.links.replaced_by(&identity, from) {
            self.close(old, Closure::Replaced, out);
        }
        let with_cid = matches!(&layer, Layer::Own(association) if association.inbound_cid().is_some());
        let handshakes = self.links.handshakes(&identity).saturating_add(1);
        let facts =
            Arc::new(Facts { identity: Arc::new(identity), suite, with_cid, resumed, since: now.unix, handshakes });
        let stored = matches!(layer, Layer::Own(_));
        let hello = hello.as_ref().map_or(0, digits);
        let (address, facts_of_link, heard) = (from, facts.clone(), now.unix);
        let link = Link { layer, address, facts: facts_of_link, proof, heard, hello, dirty: false, last_flight };
        self.links.insert(id, link);
        out.push(Effect::Established { link: id, peer: from, facts });
        if stored {
            out.push(Effect::Store { link: id, first: true });
        }
    }

    /// Records for an association; whether one of them was its own.
    fn open(&mut self, now: Now, id: LinkId, from: SocketAddr, datagram: &[u8], out: &mut Vec<Effect>) -> bool {
        let Some(link) = self.links.get_mut(id) else { return false };
        let (mut own, mut ended) = (false, None);
        match &mut link.layer {
            Layer::OpenSsl(stream) => {
                stream.get_mut().inbound.push_back(datagram.to_vec());
                let mut buffer = [0; 16 << 10];
                loop {
                    match stream.ssl_read(&mut buffer) {
                        Ok(length) => {
                            link.heard = now.unix;
                            own = true;
                            out.push(Effect::Data(id, from, buffer[..length].to_vec()));
                        }
                        Err(error) => {
                            use openssl::ssl::ErrorCode;
                            if !matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE) {
                                own = true;
                                ended = Some(Closure::ByDevice);
                            }
                            break;
                        }
                    }
                }
                transmit(from, &mut stream.get_mut().outbound, out);
            }
            Layer::Own(_) => {
                for record in record::records(datagram, ConnectionId::LEN) {
                    match self.open_record(now, id, from, &record, out) {
                        Received::Dropped => {}
                        Received::Taken => own = true,
                        Received::Goodbye => (own, ended) = (true, Some(Closure::ByDevice)),
                    }
                }
            }
        }
        if let Some(why) = ended {
            self.close(id, why, out);
        }
        own
    }

    fn open_record(
        &mut self,
        now: Now,
        id: LinkId,
        from: SocketAddr,
        record: &record::Record<'_>,
        out: &mut Vec<Effect>,
    ) -> Received {
        let Some(link) = self.links.get_mut(id) else { return Received::Dropped };
        let Layer::Own(association) = &mut link.layer else { return Received::Dropped };
        let mut plaintext = Vec::new();
        let opened = match association.open(&mut self.aead, record, &mut plaintext) {
            Ok(opened) => opened,
            Err(error) => {
                count(&mut self.counters, error);
                return Received::Dropped;
            }
        };
        link.heard = now.unix;
        if let Some(dirty) = &mut self.dirty
            && !std::mem::replace(&mut link.dirty, true)
        {
            dirty.push(id);
        }
        if opened.newest
            && let Some(before) = self.links.move_to(id, from)
        {
            out.push(Effect::Moved(id, before, from));
        }
        let Some(link) = self.links.get_mut(id) else { return Received::Dropped };
        match (opened.content_type, plaintext.first().copied()) {
            (ContentType::APPLICATION_DATA, _) => {
                link.last_flight = LastFlight::default();
                out.push(Effect::Data(id, link.address, plaintext));
            }
            // The client repeats its Finished: ours was lost.
            (ContentType::HANDSHAKE, Some(message::FINISHED)) => {
                if let Layer::Own(association) = &mut link.layer {
                    let mut flight = link.last_flight.repeat(association, &mut self.aead);
                    transmit(link.address, &mut flight, out);
                }
            }
            (ContentType::HANDSHAKE, Some(message::CLIENT_HELLO)) => {
                self.seal_record(id, ContentType::ALERT, &Alert::NO_RENEGOTIATION.bytes(), out);
            }
            (ContentType::ALERT, _) if Alert::parse(&plaintext).is_some_and(Alert::ends_association) => {
                return Received::Goodbye;
            }
            _ => {}
        }
        Received::Taken
    }

    /// Protects application data; false when the association is gone or used up.
    pub fn seal(&mut self, id: LinkId, payload: &[u8], out: &mut Vec<Effect>) -> bool {
        self.seal_record(id, ContentType::APPLICATION_DATA, payload, out)
    }

    fn seal_record(&mut self, id: LinkId, kind: ContentType, payload: &[u8], out: &mut Vec<Effect>) -> bool {
        let Some(link) = self.links.get_mut(id) else { return false };
        match &mut link.layer {
            Layer::OpenSsl(stream) => {
                if stream.ssl_write(payload).is_err() {
                    return false;
                }
                transmit(link.address, &mut stream.get_mut().outbound, out);
                true
            }
            Layer::Own(association) => {
                if association.reserved_left() <= RESERVE / 2 {
                    association.reserve(RESERVE);
                    out.push(Effect::Store { link: id, first: false });
                }
                let mut datagram = Vec::new();
                match association.seal(&mut self.aead, kind, payload, &mut datagram) {
                    Ok(()) => {
                        out.push(Effect::Transmit(link.address, datagram));
                        true
                    }
                    Err(SealError::Impossible) => false,
                    Err(SealError::Unreserved | SealError::Exhausted) => {
                        self.close(id, Closure::UsedUp, out);
                        false
                    }
                }
            }
        }
    }

    /// Ends an association from our side, with a close_notify where that makes sense.
    pub fn close(&mut self, id: LinkId, why: Closure, out: &mut Vec<Effect>) {
        let Some(link) = self.links.get_mut(id) else { return };
        if why.is_told() {
            match &mut link.layer {
                Layer::Own(association) => {
                    let mut datagram = Vec::new();
                    let alert = Alert::CLOSE_NOTIFY.bytes();
                    if association.seal(&mut self.aead, ContentType::ALERT, &alert, &mut datagram).is_ok() {
                        out.push(Effect::Transmit(link.address, datagram));
                    }
                }
                Layer::OpenSsl(stream) => {
                    let _ = stream.shutdown();
                    transmit(link.address, &mut stream.get_mut().outbound, out);
                }
            }
        }
        if let Some(link) = self.links.remove(id) {
            out.push(Effect::Closed(id, link.facts, why));
        }
    }

    /// The gateway stops: associations that cannot be stored end in good order; `stored`: the others go on after the restart.
    pub fn settle(&mut self, stored: bool, out: &mut Vec<Effect>) {
        let ending = self.links.iter_mut().filter(|(_, link)| !stored || matches!(link.layer, Layer::OpenSsl(_)));
        let ending: Vec<LinkId> = ending.map(|(id, _)| id).collect();
        for id in ending {
            self.close(id, Closure::ByGateway, out);
        }
    }

    /// Looks after handshakes: repeats flights, gives up on silent ones.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Vec<Effect>) {
        let mut silent = Vec::new();
        let mut datagrams = Vec::new();
        for (peer, exchange) in self.slots.iter_mut() {
            let late = now.instant.saturating_duration_since(exchange.began) >= self.limits.handshake_timeout;
            if late || !exchange.handle_timeout(&mut self.aead, &mut datagrams) {
                silent.push(*peer);
            }
            transmit(*peer, &mut datagrams, out);
        }
        for peer in silent {
            let Some(exchange) = self.slots.remove(peer) else { continue };
            if !exchange.told {
                self.refuse(peer, exchange.who(&self.materials.credentials), exchange.silence(), out);
            }
        }
    }

    /// When to call [`Endpoint::handle_timeout`] next.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        (self.slots.len() > 0).then(|| now + TICK)
    }

    /// Looks after associations: ends silent ones and those whose certificate has expired. Once a minute is enough.
    pub fn sweep(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.withdraw(now, out);
        let idle = self.limits.idle_timeout.as_secs();
        let mut silent = Vec::new();
        for (id, link) in self.links.iter_mut() {
            let silence = now.unix.saturating_sub(link.heard);
            if silence >= idle {
                silent.push(id);
            }
            if silence >= LAST_FLIGHT && !link.last_flight.is_empty() {
                link.last_flight = LastFlight::default();
            }
        }
        for id in silent {
            self.close(id, Closure::Idle, out);
        }
        self.links.tidy();
    }

    /// What to store of an association; `None` for those that live inside OpenSSL.
    pub fn stored(&self, id: LinkId) -> Option<StoredLink> {
        self.links.get(id).and_then(StoredLink::new)
    }

    /// From now on [`Endpoint::take_traces`] and [`Endpoint::take_sessions`] tell what changed.
    pub fn keep(&mut self) {
        self.dirty.get_or_insert_default();
        self.resumption.keep();
    }

    /// The key of session tickets; secret.
    pub fn ticket_key(&self) -> &[u8] {
        self.resumption.key()
    }

    /// Takes up the key of session tickets of before a restart; false when these bytes are none.
    pub fn set_ticket_key(&mut self, key: &[u8]) -> Result<bool, SetupError> {
        if !self.resumption.set_key(key) {
            return Ok(false);
        }
        self.ground = context::build(&self.materials, self.cookies.clone(), &self.resumption)?;
        self.spare = None;
        Ok(true)
    }

    /// Takes up a session, by id, of before a restart; false when it is none or too old.
    pub fn restore_session(&mut self, now: Now, id: &[u8], content: &[u8]) -> bool {
        self.resumption.restore(id, content, now.unix)
    }

    /// Sessions of clients without tickets that were made or dropped since the last call.
    pub fn take_sessions(&self) -> Vec<SessionChange> {
        self.resumption.take_changes()
    }

    /// The associations that heard something since the last call.
    pub fn take_traces(&mut self) -> Vec<(LinkId, Trace)> {
        let Some(dirty) = &mut self.dirty else { return Vec::new() };
        let mut traces = Vec::with_capacity(dirty.len());
        for id in std::mem::take(dirty) {
            let Some(link) = self.links.get_mut(id) else { continue };
            link.dirty = false;
            if let Layer::Own(association) = &link.layer {
                traces.push((id, Trace { address: link.address, heard: link.heard, newest: association.newest() }));
            }
        }
        traces
    }

    /// Takes up a stored association under its old name; false when its credentials are gone.
    pub fn restore(&mut self, now: Now, id: LinkId, stored: StoredLink) -> bool {
        let Some(link) = stored.link() else { return false };
        let withdrawn = link.withdrawn(&self.materials.credentials, &self.ground.trust, now.unix);
        let idle = now.unix.saturating_sub(link.heard) >= self.limits.idle_timeout.as_secs();
        if withdrawn.is_some() || idle {
            return false;
        }
        // Of two associations of one device the later one is right.
        for older in self.links.replaced_by(&link.facts.identity, link.address) {
            self.links.remove(older);
        }
        self.links.insert(id, link);
        self.number_from(id.0 + 1);
        true
    }

    /// New associations are numbered from here on, at least.
    pub fn number_from(&mut self, first: u64) {
        self.next_link = self.next_link.max(first);
    }

    /// The number of the next association.
    pub fn next_number(&self) -> u64 {
        self.next_link
    }

    /// What is known of an association.
    pub fn facts(&self, id: LinkId) -> Option<&Arc<Facts>> {
        self.links.get(id).map(|link| &link.facts)
    }

    /// Who is at the other end.
    pub fn identity(&self, id: LinkId) -> Option<&Arc<Identity>> {
        self.facts(id).map(|facts| &facts.identity)
    }

    /// Where the device of an association is.
    pub fn address(&self, id: LinkId) -> Option<SocketAddr> {
        self.links.get(id).map(|link| link.address)
    }

    /// Associations and handshakes at the moment.
    pub fn sizes(&self) -> (usize, usize) {
        (self.links.len(), self.slots.len())
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

fn transmit(to: SocketAddr, datagrams: &mut Vec<Vec<u8>>, out: &mut Vec<Effect>) {
    out.extend(datagrams.drain(..).map(|bytes| Effect::Transmit(to, bytes)));
}

/// Enough of a ClientHello's random to recognise it; its first bytes may be a clock.
fn digits(random: &[u8; 32]) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|at| random[24 + at]))
}

/// Without randomness the same handshake would lose its place every time, which is no danger.
fn chance() -> u64 {
    let mut bytes = [0; 8];
    let _ = openssl::rand::rand_bytes(&mut bytes);
    u64::from_ne_bytes(bytes)
}

fn count(counters: &mut Counters, error: dtls::OpenError) {
    match error {
        dtls::OpenError::Foreign => counters.foreign += 1,
        dtls::OpenError::ConnectionId => counters.wrong_cid += 1,
        dtls::OpenError::Replayed => counters.replayed += 1,
        dtls::OpenError::NotAuthentic => counters.not_authentic += 1,
    }
}
