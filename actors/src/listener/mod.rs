//! Listeners: sockets, the way from an address to its device, and the supervision of the devices that live behind it.
mod dtls;
mod udp;

pub(crate) use dtls::{DtlsTransport, Renew, Seal, Secure, Settle};
pub(crate) use udp::bind;

use crate::clock;
use crate::device::{Datagram, Link};
use crate::gateway::Vital;
use crate::mailbox::{self, Refused};
use crate::metrics;
use crate::registry::{Crashed, FirstContact, Registry};
use actix::prelude::*;
use lwm2m::session::{Address, Now};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;
use udp::Arrival;

/// The sending side of a listener. Never blocks, never fails: what cannot be sent is counted, and CoAP repeats.
pub(crate) trait Transport: Send + Sync + std::fmt::Debug {
    /// Sends a datagram; `local` is the address of ours that the peer spoke to.
    fn transmit(&self, to: Address, local: Option<IpAddr>, datagram: &[u8]);
}

/// From now on datagrams from this address go to this device.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Route {
    pub(crate) address: Address,
    pub(crate) link: Arc<Link>,
}

/// The device does not live at this address any more. A route to another device stays.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Unroute {
    pub(crate) address: Address,
    pub(crate) link: Arc<Link>,
}

/// A device ended without saying so: a panic outside of its guarded part.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct DeviceDied {
    pub(crate) link: Arc<Link>,
    pub(crate) address: Option<Address>,
}

/// The actor: one per socket.
pub(crate) struct Listener {
    index: u16,
    registry: Addr<Registry>,
    routes: HashMap<RouteKey, Arc<Link>>,
    secure: Option<Box<Secure>>,
    _vital: Vital,
}

/// What tells devices apart: the socket address, or with DTLS the association, whose address may change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum RouteKey {
    Socket(SocketAddr),
    Association(NonZeroU64),
}

impl From<Address> for RouteKey {
    fn from(address: Address) -> RouteKey {
        address.association.map_or(RouteKey::Socket(address.socket), RouteKey::Association)
    }
}

impl Listener {
    pub(crate) fn new(index: u16, registry: Addr<Registry>, secure: Option<Box<Secure>>, vital: Vital) -> Listener {
        Listener { index, registry, routes: HashMap::new(), secure, _vital: vital }
    }

    fn arrive(&mut self, now: Now, arrival: Arrival) {
        let Arrival { from, to, bytes } = arrival;
        match self.secure {
            Some(_) => self.unprotect(now, from, to, &bytes),
            None => {
                let address = Address { socket: from, listener: self.index, association: None };
                self.dispatch(now, address, to, bytes);
            }
        }
    }

    fn dispatch(&mut self, now: Now, from: Address, local: Option<IpAddr>, bytes: Vec<u8>) {
        let datagram = Datagram { now, from, local, bytes };
        let key = RouteKey::from(from);
        let Some(link) = self.routes.get(&key) else { return self.first_contact(datagram) };
        match mailbox::offer(&link.addr, datagram) {
            Ok(()) => {}
            Err(Refused::Full(_)) => metrics::DROPPED_DEVICE_BUSY.increment(),
            Err(Refused::Gone(datagram)) => {
                self.routes.remove(&key);
                self.first_contact(datagram);
            }
        }
    }

    fn first_contact(&self, datagram: Datagram) {
        if mailbox::offer(&self.registry, FirstContact { datagram, stray: false }).is_err() {
            metrics::DROPPED_REGISTRY_BUSY.increment();
        }
    }
}

impl Actor for Listener {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(mailbox::LISTENER);
        self.tend_handshakes(ctx);
    }
}

impl StreamHandler<Vec<Arrival>> for Listener {
    fn handle(&mut self, batch: Vec<Arrival>, _: &mut Self::Context) {
        let now = clock::now();
        for arrival in batch {
            self.arrive(now, arrival);
        }
    }
}

impl Handler<Route> for Listener {
    type Result = ();

    fn handle(&mut self, route: Route, _: &mut Self::Context) {
        self.routes.insert(route.address.into(), route.link);
    }
}

impl Handler<Unroute> for Listener {
    type Result = ();

    fn handle(&mut self, gone: Unroute, _: &mut Self::Context) {
        let key = RouteKey::from(gone.address);
        if self.routes.get(&key).is_some_and(|link| Arc::ptr_eq(link, &gone.link)) {
            self.routes.remove(&key);
            if self.routes.len() < self.routes.capacity() / 4 {
                self.routes.shrink_to_fit();
            }
        }
    }
}

impl Handler<DeviceDied> for Listener {
    type Result = ();

    fn handle(&mut self, died: DeviceDied, ctx: &mut Self::Context) {
        if let Some(key) = died.address.map(RouteKey::from)
            && self.routes.get(&key).is_some_and(|link| Arc::ptr_eq(link, &died.link))
        {
            self.routes.remove(&key);
        }
        mailbox::insist(ctx, &self.registry.clone(), Crashed { link: died.link });
    }
}
