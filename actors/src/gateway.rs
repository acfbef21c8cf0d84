//! Starting, reloading and stopping the whole actor system.
use crate::{Health, Settings};
use lwm2m::catalog::Catalog;
use lwm2m::session::Policy;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot be bound.
    #[error("listeners.udp: cannot bind {bind}: {source}")]
    Bind {
        /// Where.
        bind: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The MQTT client cannot be made: a bad address, an unreadable certificate. (A broker that is merely away is no error.)
    #[error("mqtt: {0}")]
    Mqtt(String),
}

/// Starts all actors; call it within an actix system (`actix_rt::System`). Returns as soon as the listeners are bound; a broker that is
/// away is tried again with back-off, see [`Health::is_ready`].
pub async fn start(_settings: Settings) -> Result<Gateway, StartError> {
    todo!()
}

/// The running gateway.
#[derive(Debug)]
pub struct Gateway {}

impl Gateway {
    /// A handle for HTTP and signals; cheap to clone, may go to other threads.
    pub fn handle(&self) -> Handle {
        todo!()
    }
    /// Bound addresses of the UDP listeners, in the order of the settings.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        todo!()
    }
    /// Resolves when an essential actor (listener, registry, bridge) is gone, with its name: the process must end with an error.
    pub async fn failed(&mut self) -> &'static str {
        todo!()
    }
    /// Stops: no more commands are taken, the outbox is flushed for at most `timeout`, the status `offline` is published, sockets close.
    pub async fn drain(self, _timeout: Duration) -> Drained {
        todo!()
    }
}

/// What a [`Gateway::drain`] left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Publications that did not reach the broker in time.
    pub unpublished: usize,
}

/// Talks to the running gateway.
#[derive(Clone, Debug)]
pub struct Handle {}

impl Handle {
    /// What is up.
    pub fn health(&self) -> &Arc<Health> {
        todo!()
    }
    /// New settings and definitions for all devices (SIGHUP, changed files). Returns once the registry has told every device.
    pub async fn reload(&self, _policy: Arc<Policy>, _catalog: Arc<Catalog>) {
        todo!()
    }
}
