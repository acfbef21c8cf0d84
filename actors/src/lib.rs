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
//! [`messages`] is the table of the arrows. Devices live on shards (one arbiter per core, `hash(endpoint) mod n`); each holds one
//! [`lwm2m::session::Session`] and contains no protocol of its own.
#![forbid(unsafe_code)]

pub mod admission;
pub mod event;
pub mod gateway;
pub mod health;
pub mod http;
pub mod metrics;
pub mod settings;

pub use admission::Gatekeeper;
pub use gateway::{Drained, Gateway, Handle, StartError, start};
pub use health::Health;
pub use settings::{Mqtt, MqttVersion, OutboxLimits, Secret, Settings, Tls, UdpListener};
