//! The secure side of a listener: datagrams through [`handshake::Endpoint`], and what it wants done.
use super::udp::UdpTransport;
use super::{Listener, Transport};
use crate::event::{DtlsClosed, DtlsEstablished, DtlsRefused, Event};
use crate::identities::Identities;
use crate::{mailbox, metrics};
use actix::prelude::*;
use handshake::{Effect, Endpoint, LinkId, Materials};
use lwm2m::session::{Address, Now};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How often handshakes are looked after.
const TICK: Duration = Duration::from_millis(250);

/// All that a secure listener has beside its routes.
pub(crate) struct Secure {
    endpoint: Endpoint,
    udp: Arc<UdpTransport>,
    identities: Arc<Identities>,
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
    pub(crate) fn new(endpoint: Endpoint, udp: Arc<UdpTransport>, identities: Arc<Identities>) -> Secure {
        Secure { endpoint, udp, identities, locals: HashMap::new() }
    }
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
            if let Some(secure) = &mut act.secure
                && secure.endpoint.sizes().1 > 0
            {
                secure.endpoint.handle_timeout(now.instant, &mut effects);
            }
            act.carry_out(now, None, effects);
        });
    }

    /// A datagram from the socket.
    pub(super) fn unprotect(&mut self, now: Now, from: SocketAddr, local: Option<IpAddr>, datagram: &[u8]) {
        let mut effects = Vec::new();
        if let Some(secure) = &mut self.secure {
            secure.endpoint.handle_datagram(now.instant, from, datagram, &mut effects);
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
                Effect::Established { link, peer, identity, suite, with_cid, resumed } => {
                    DtlsEstablished { peer, identity: &identity, suite: &suite, with_cid, resumed }.emit();
                    if let Some(association) = NonZeroU64::new(link.0) {
                        secure.identities.enter(self.index, association, identity);
                    }
                }
                Effect::Closed(link, identity, closure) => {
                    DtlsClosed { identity: &identity, closure }.emit();
                    secure.locals.remove(&link);
                    if let Some(association) = NonZeroU64::new(link.0) {
                        secure.identities.remove(self.index, association);
                        self.routes.remove(&super::RouteKey::Association(association));
                    }
                }
                Effect::Refused(peer, refusal) => DtlsRefused { peer, refusal: &refusal }.emit(),
                // The session tells of the move when it believes the datagram that follows.
                Effect::Moved(..) => {}
                // Associations are not stored: after a restart devices shake hands again.
                Effect::Store(_) => {}
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

impl Handler<Renew> for Listener {
    type Result = Result<(), handshake::SetupError>;

    fn handle(&mut self, renew: Renew, _: &mut Self::Context) -> Self::Result {
        let mut effects = Vec::new();
        let result = match &mut self.secure {
            Some(secure) => secure.endpoint.reload(renew.0, &mut effects),
            None => Ok(()),
        };
        self.carry_out(crate::clock::now(), None, effects);
        result
    }
}
