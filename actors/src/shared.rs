//! What every device needs and none owns.
use crate::bridge::journal::Journal;
use crate::bridge::publisher::Publisher;
use crate::herald::Herald;
use crate::identities::Identities;
use crate::journal::DeviceJournal;
use crate::listener::{Listener, Transport};
use crate::registry::Registry;
use actix::Addr;
use contract::message;
use contract::topic::Topics;
use lwm2m::session::Address;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use store::Store;

/// Shared by all devices; one allocation.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) registry: Addr<Registry>,
    pub(crate) publisher: Publisher,
    pub(crate) topics: Arc<Topics>,
    pub(crate) voice: message::Settings,
    pub(crate) transports: Vec<Arc<dyn Transport>>,
    /// Known once they are started; they need the registry, which needs this.
    pub(crate) listeners: OnceLock<Vec<Addr<Listener>>>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) store: Option<Store>,
    pub(crate) herald: Herald,
    /// Of the state of devices.
    pub(crate) journal: Option<Arc<DeviceJournal>>,
    /// Of commands.
    pub(crate) commands: Option<Arc<Journal>>,
    pub(crate) stopping: AtomicBool,
}

impl Shared {
    /// Sends a datagram through the listener that the address belongs to.
    pub(crate) fn transmit(&self, to: Address, local: Option<IpAddr>, datagram: &[u8]) {
        if let Some(transport) = self.transports.get(usize::from(to.listener)) {
            transport.transmit(to, local, datagram);
        }
    }

    pub(crate) fn listener(&self, index: u16) -> Option<&Addr<Listener>> {
        self.listeners.get()?.get(usize::from(index))
    }

    /// The gateway stops: actors end without notice.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }
}
