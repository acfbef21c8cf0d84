//! The actor system of the gateway: the only crate with actix, sockets, disk and MQTT.
//!
//! ```text
//!             FirstContact                       Datagram
//!  UDP ──► Listener ──────────► Registry ──────────────────┐
//!             │  ▲                │  ▲                     ▼
//!             │  └──── Route ─────┘  └─ Registered, Ended, … ─ Device ── datagrams ──► UDP
//!             └────────── Datagram (known address) ──────────▲ │
//!                                   Registry ── Submit ──────┘ │ publications
//!                                      ▲                       ▼
//!  broker ──► Intake ──── Command ─────┘          Outbox ──► Bridge ──► broker
//! ```
//!
//! `messages.rs` is the table of the arrows. Devices live on shards (one arbiter per core, `hash(endpoint) mod n`); each holds one
//! [`lwm2m::session::Session`] and contains no protocol of its own.
#![forbid(unsafe_code)]

pub mod admission;
mod bridge;
mod clock;
mod custody;
mod device;
pub mod event;
pub mod gateway;
pub mod health;
mod held;
mod herald;
pub mod http;
pub mod identities;
mod journal;
mod listener;
mod mailbox;
mod messages;
pub mod metrics;
mod registry;
mod restoration;
pub mod settings;
mod shared;
mod vault;

pub use admission::Gatekeeper;
pub use gateway::{Drained, Gateway, Handle, StartError, start};
pub use health::Health;
pub use identities::Identities;
pub use settings::{DtlsListener, Mqtt, MqttVersion, OutboxLimits, Secret, Settings, Tls, UdpListener};
