//! The secure side of a listener: datagrams through [`handshake::Endpoint`], and what it wants done.
use super::udp::UdpTransport;
use super::{Listener, Transport};
use crate::event::{DtlsClosed, DtlsEstablished, DtlsRefused, Event};
use crate::herald::Herald;
use crate::identities::Identities;
use crate::vault::{Restored, Vault};
use crate::{mailbox, metrics};
use actix::prelude::*;
use handshake::{Closure, Counters, Effect, Endpoint, LinkId, Materials};
use lwm2m::session::{Address, Now};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::WriteError;

/// How often handshakes are looked after.
const TICK: Duration = Duration::from_millis(250);
/// How often what associations heard is stored.
const KEEP: Duration = Duration::from_secs(1);
/// How often associations are looked after.
const SWEEP: Duration = Duration::from_secs(60);

/// All that a secure listener has beside its routes.
pub(crate) struct Secure {
    endpoint: Endpoint,
    udp: Arc<UdpTransport>,
    identities: Arc<Identities>,
    herald: Herald,
    /// Where associations are kept; without it they end with the process.
    vault: Option<Vault>,
    /// Their numbers could not be reserved: they end.
    unsafe_links: Vec<LinkId>,
    counted: Counters,
    in_progress: i64,
    /// Address of ours that an association speaks to; entered only where the socket has several.
    locals: HashMap<LinkId, IpAddr>,
}

/// Protect this and send it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Seal {
    to: Address,
    payload: Vec<u8>,
}

/// New credentials and certificates; the answer tells what is wrong with them.
#[derive(Message)]
#[rtype(result = "Result<(), handshake::SetupError>")]
pub(crate) struct Renew(pub(crate) Materials);

/// The gateway stops: what can be kept is stored, the rest ends in good order.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Settle;

/// The sending side: the keys live with the listener, so what is to be sent goes through its mailbox.
#[derive(Debug, Default)]
pub(crate) struct DtlsTransport {
    listener: OnceLock<Addr<Listener>>,
}

impl DtlsTransport {
    /// Names the listener, once it is started.
    pub(crate) fn connect(&self, listener: Addr<Listener>) {
        let _ = self.listener.set(listener);
    }
}

impl Transport for DtlsTransport {
    fn transmit(&self, to: Address, _: Option<IpAddr>, datagram: &[u8]) {
        let seal = Seal { to, payload: datagram.to_vec() };
        if self.listener.get().is_none_or(|listener| mailbox::offer(listener, seal).is_err()) {
            metrics::DROPPED_SEND_BLOCKED.increment();
        }
    }
}

impl Secure {
    /// Takes up what the vault holds.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub(crate) fn new(
        index: u16,
        mut endpoint: Endpoint,
        udp: Arc<UdpTransport>,
        identities: Arc<Identities>,
        herald: Herald,
        mut vault: Option<Vault>,
    ) -> Result<Secure, WriteError> {
        let restored = match &mut vault {
            Some(vault) => vault.restore(&mut endpoint, moment(crate::clock::now()))?,
            None => Restored::default(),
        };
        for link in restored.links {
            if let (Some(association), Some(facts)) = (NonZeroU64::new(link.0), endpoint.facts(link)) {
                identities.enter(index, association, facts.clone());
            }
        }
        Ok(Secure {
            endpoint,
            udp,
            identities,
            herald,
            vault,
            unsafe_links: Vec::new(),
            counted: Counters::default(),
            in_progress: 0,
            locals: restored.locals,
        })
    }

    fn keep(&mut self, link: LinkId, first: bool) {
        let (Some(vault), Some(stored)) = (&self.vault, self.endpoint.stored(link)) else { return };
        if !vault.keep(link, &stored, first) {
            self.unsafe_links.push(link);
        }
    }

    /// Numbers that were used must not come back after a restart: where the store refuses to know, the association ends while enough of the
    /// old reservation is left.
    fn end_unsafe(&mut self, effects: &mut Vec<Effect>) {
        for link in std::mem::take(&mut self.unsafe_links) {
            self.endpoint.close(link, Closure::ByGateway, effects);
        }
    }

    fn keep_changes(&mut self) {
        if let Some(vault) = &self.vault {
            vault.keep_changes(&mut self.endpoint, |link| self.locals.get(&link).copied());
        }
    }

    /// Carries over to the metrics what was counted since the last time.
    fn count(&mut self) {
        let (now, before) = (self.endpoint.counters(), self.counted);
        for (metric, now, before) in [
            (&metrics::DTLS_HELLOS, now.hellos, before.hellos),
            (&metrics::DTLS_EVICTED, now.evicted, before.evicted),
            (&metrics::DTLS_NO_PLACE, now.busy, before.busy),
            (&metrics::DTLS_FOREIGN, now.foreign, before.foreign),
            (&metrics::DTLS_WRONG_CID, now.wrong_cid, before.wrong_cid),
            (&metrics::DTLS_REPLAYED, now.replayed, before.replayed),
            (&metrics::DTLS_NOT_AUTHENTIC, now.not_authentic, before.not_authentic),
            (&metrics::DTLS_UNROUTABLE, now.unroutable, before.unroutable),
        ] {
            metric.add(now - before);
        }
        let handshakes = i64::try_from(self.endpoint.sizes().1).unwrap_or(i64::MAX);
        metrics::DTLS_IN_PROGRESS.add(handshakes - self.in_progress);
        self.in_progress = handshakes;
        self.counted = now;
    }
}

fn moment(now: Now) -> handshake::Now {
    // A clock before 1970 is as good as one that stands there.
    handshake::Now { instant: now.instant, unix: now.unix.max(0.0) as u64 }
}

impl Listener {
    /// Looks after handshakes for as long as the listener lives.
    pub(super) fn tend_handshakes(&self, ctx: &mut Context<Self>) {
        if self.secure.is_none() {
            return;
        }
        ctx.run_interval(TICK, |act, _| {
            let mut effects = Vec::new();
            let now = crate::clock::now();
            if let Some(secure) = &mut act.secure {
                secure.end_unsafe(&mut effects);
                if secure.endpoint.sizes().1 > 0 {
                    secure.endpoint.handle_timeout(moment(now), &mut effects);
                }
                secure.count();
            }
            act.carry_out(now, None, effects);
        });
        ctx.run_interval(KEEP, |act, _| {
            if let Some(secure) = &mut act.secure {
                secure.keep_changes();
            }
        });
        ctx.run_interval(SWEEP, |act, _| {
            let mut effects = Vec::new();
            let now = crate::clock::now();
            if let Some(secure) = &mut act.secure {
                secure.endpoint.sweep(moment(now), &mut effects);
            }
            act.carry_out(now, None, effects);
        });
    }

    /// A datagram from the socket.
    pub(super) fn unprotect(&mut self, now: Now, from: SocketAddr, local: Option<IpAddr>, datagram: &[u8]) {
        let mut effects = Vec::new();
        if let Some(secure) = &mut self.secure {
            secure.endpoint.handle_datagram(moment(now), from, datagram, &mut effects);
        }
        self.carry_out(now, local, effects);
    }

    fn carry_out(&mut self, now: Now, local: Option<IpAddr>, effects: Vec<Effect>) {
        for effect in effects {
            let Some(secure) = &mut self.secure else { return };
            match effect {
                Effect::Transmit(to, datagram) => secure.udp.send(to, local, &datagram),
                Effect::Data(link, from, payload) => {
                    if let Some(local) = local.filter(|_| secure.udp.has_several_addresses()) {
                        secure.locals.insert(link, local);
                    }
                    let address = Address { socket: from, listener: self.index, association: NonZeroU64::new(link.0) };
                    self.dispatch(now, address, local, payload);
                }
                Effect::Established { link, peer, facts } => {
                    DtlsEstablished { peer, facts: &facts }.emit();
                    if let Some(vault) = &mut secure.vault {
                        vault.number(link);
                    }
                    if let Some(association) = NonZeroU64::new(link.0) {
                        secure.identities.enter(self.index, association, facts);
                    }
                }
                Effect::Closed(link, facts, closure) => {
                    DtlsClosed { facts: &facts, closure }.emit();
                    secure.locals.remove(&link);
                    if let Some(vault) = &secure.vault {
                        vault.forget(link);
                    }
                    if let Some(association) = NonZeroU64::new(link.0) {
                        secure.identities.remove(self.index, association);
                        self.routes.remove(&super::RouteKey::Association(association));
                    }
                }
                Effect::Refused { peer, who, refusal } => {
                    let endpoint = who.as_deref().unwrap_or("");
                    if (DtlsRefused { peer, endpoint, refusal: &refusal }).told() && !endpoint.is_empty() {
                        let from = Address { socket: peer, listener: self.index, association: None };
                        secure.herald.refused(endpoint, from, &refusal.to_string(), now);
                    }
                }
                // The session tells of the move when it believes the datagram that follows.
                Effect::Moved(..) => {}
                Effect::Store { link, first } => secure.keep(link, first),
            }
        }
    }
}

impl Handler<Seal> for Listener {
    type Result = ();

    fn handle(&mut self, seal: Seal, _: &mut Self::Context) {
        let (Some(secure), Some(association)) = (&mut self.secure, seal.to.association) else { return };
        let link = LinkId(association.get());
        let mut effects = Vec::new();
        if !secure.endpoint.seal(link, &seal.payload, &mut effects) {
            metrics::DROPPED_SEND_FAILED.increment();
        }
        let local = secure.locals.get(&link).copied();
        self.carry_out(crate::clock::now(), local, effects);
    }
}

impl Handler<Settle> for Listener {
    type Result = ();

    fn handle(&mut self, _: Settle, _: &mut Self::Context) {
        let mut effects = Vec::new();
        if let Some(secure) = &mut self.secure {
            let stored = secure.vault.is_some();
            secure.endpoint.settle(stored, &mut effects);
            secure.keep_changes();
        }
        self.carry_out(crate::clock::now(), None, effects);
    }
}

impl Handler<Renew> for Listener {
    type Result = Result<(), handshake::SetupError>;

    fn handle(&mut self, renew: Renew, _: &mut Self::Context) -> Self::Result {
        let now = crate::clock::now();
        let mut effects = Vec::new();
        let result = match &mut self.secure {
            Some(secure) => secure.endpoint.reload(moment(now), renew.0, &mut effects),
            None => Ok(()),
        };
        self.carry_out(now, None, effects);
        result
    }
}
