//! Black-box test bench: the real executable, a real broker, an MQTT application and raw CoAP devices.
//!
//! Nothing here uses the gateway's own crates: what travels is written and read by the small codec in [`datagram`], so that an error on
//! both sides of the gateway's code still shows. The parts:
//!
//! - [`Broker`]: a mosquitto of the test's own, on a free port.
//! - [`Gateway`]: `lwm2m-gateway run` with a written configuration, waited for until it is ready, ended by SIGTERM.
//! - [`Application`]: an MQTT client that publishes commands and waits for messages.
//! - [`Wire`]: a device of bytes on a UDP socket.
//! - [`Door`]: between gateway and broker, to be shut and stalled.
//! - [`World`]: one of each.
//! - [`Lab`]: a world and a simulated device with the reference objects of the interoperability tests.
//! - [`leshan`]: devices made with Eclipse Leshan's client library; [`interop`]: what came out with software of other people.
#![forbid(unsafe_code)]

pub mod application;
pub mod authority;
pub mod broker;
pub mod certificate;
pub mod datagram;
pub mod door;
pub mod executable;
pub mod expectation;
pub mod foreign;
pub mod gateway;
pub mod interop;
pub mod lab;
pub mod leshan;
pub mod maven;
pub mod mutation;
pub mod relay;
pub mod scratch;
pub mod settings;
pub mod wire;
pub mod world;

pub use application::{Application, Message};
pub use broker::Broker;
pub use datagram::{Datagram, Kind, hex, unhex};
pub use door::{Door, Passage};
pub use gateway::Gateway;
pub use lab::Lab;
pub use relay::Relay;
pub use settings::Settings;
pub use wire::Wire;
pub use world::World;

use std::time::Duration;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// How long a test watches for what must not come.
pub const QUIET: Duration = Duration::from_millis(400);

/// Polls `condition` until it holds, for at most `limit`.
pub fn eventually(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = std::time::Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if std::time::Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
