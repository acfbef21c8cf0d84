//! Listeners: sockets, the way from an address to its device, and the supervision of the devices that live behind it.
mod udp;

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
use std::sync::Arc;
use udp::Arrival;

/// The sending side of a listener. Never blocks, never fails: what cannot be sent is counted, and CoAP repeats.
pub(crate) trait Transport: Send + Sync + std::fmt::Debug {
    /// Sends a datagram; `local` is the address of ours that the peer spoke to.
    fn transmit(&self, to: SocketAddr, local: Option<IpAddr>, datagram: &[u8]);
}

/// From now on datagrams from this address go to this device.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Route {
    pub(crate) address: SocketAddr,
    pub(crate) link: Arc<Link>,
}

/// The device does not live at this address any more. A route to another device stays.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Unroute {
    pub(crate) address: SocketAddr,
    pub(crate) link: Arc<Link>,
}

/// A device ended without saying so: a panic outside of its guarded part.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct DeviceDied {
    pub(crate) link: Arc<Link>,
    pub(crate) address: Option<SocketAddr>,
}

/// The actor: one per socket.
pub(crate) struct Listener {
    index: u16,
    registry: Addr<Registry>,
    routes: HashMap<SocketAddr, Arc<Link>>,
    _vital: Vital,
}

impl Listener {
    pub(crate) fn new(index: u16, registry: Addr<Registry>, vital: Vital) -> Listener {
        Listener { index, registry, routes: HashMap::new(), _vital: vital }
    }

    fn dispatch(&mut self, now: Now, arrival: Arrival) {
        let Arrival { from, to, bytes } = arrival;
        let address = Address { socket: from, listener: self.index, secure: false };
        let datagram = Datagram { now, from: address, local: to, bytes };
        let Some(link) = self.routes.get(&from) else { return self.first_contact(datagram) };
        match mailbox::offer(&link.addr, datagram) {
            Ok(()) => {}
            Err(Refused::Full(_)) => metrics::DROPPED_DEVICE_BUSY.increment(),
            Err(Refused::Gone(datagram)) => {
                self.routes.remove(&from);
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
    }
}

impl StreamHandler<Vec<Arrival>> for Listener {
    fn handle(&mut self, batch: Vec<Arrival>, _: &mut Self::Context) {
        let now = clock::now();
        for arrival in batch {
            self.dispatch(now, arrival);
        }
    }
}

impl Handler<Route> for Listener {
    type Result = ();

    fn handle(&mut self, route: Route, _: &mut Self::Context) {
        self.routes.insert(route.address, route.link);
    }
}

impl Handler<Unroute> for Listener {
    type Result = ();

    fn handle(&mut self, gone: Unroute, _: &mut Self::Context) {
        if self.routes.get(&gone.address).is_some_and(|link| Arc::ptr_eq(link, &gone.link)) {
            self.routes.remove(&gone.address);
            if self.routes.len() < self.routes.capacity() / 4 {
                self.routes.shrink_to_fit();
            }
        }
    }
}

impl Handler<DeviceDied> for Listener {
    type Result = ();

    fn handle(&mut self, died: DeviceDied, ctx: &mut Self::Context) {
        if let Some(address) = died.address
            && self.routes.get(&address).is_some_and(|link| Arc::ptr_eq(link, &died.link))
        {
            self.routes.remove(&address);
        }
        mailbox::insist(ctx, &self.registry.clone(), Crashed { link: died.link });
    }
}
