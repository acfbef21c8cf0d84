//! The one file that knows all actors: turns the configuration into their settings and starts them.
use crate::config::{self, Configuration, Mqtt, MqttVersion, Server};
use crate::exit::Exit;
use crate::{broker, definitions};
use actors::{DtlsListener, Gatekeeper, Gateway, Identities, OutboxLimits, Settings, StartError, Tls, UdpListener};
use lwm2m::catalog::Catalog;
use lwm2m::session::Policy;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use store::{OpenError, Options, Store};

/// Why the gateway cannot start though its configuration is right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The built-in broker.
    #[error("broker: {0}")]
    Broker(io::Error),
    /// The store.
    #[error("store.path: {0}")]
    Store(#[from] OpenError),
    /// The actors.
    #[error(transparent)]
    Actors(#[from] StartError),
    /// The HTTP server.
    #[error("http.bind: cannot bind {0}: {1}")]
    Http(SocketAddr, io::Error),
}

impl Failure {
    /// Files that this program cannot use are the operator's business: starting again would not help.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Store(OpenError::Foreign { .. } | OpenError::Newer { .. }) => Exit::Configuration,
            _ => Exit::Internal,
        }
    }
}

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct Assembly {
    /// The actors.
    pub(crate) gateway: Gateway,
    /// Definitions in force.
    pub(crate) catalog: Arc<Catalog>,
    /// Bound address of the HTTP server.
    pub(crate) http: SocketAddr,
    /// Who the peers of DTLS associations are.
    pub(crate) identities: Arc<Identities>,
}

/// Starts everything, within an actix system. Returns when all sockets are bound and the built-in broker, if wanted, answers; the
/// future is the HTTP server and must be kept running.
///
/// # Errors
/// An address is taken, or the MQTT client cannot be made.
pub(crate) async fn start(
    configuration: &Configuration,
) -> Result<(Assembly, impl Future<Output = io::Result<()>> + use<>), Failure> {
    let store = open(&configuration.store)?;
    let catalog = Arc::new(catalog(&configuration.lwm2m.xml_dir).unwrap_or_default());
    let mqtt = match configuration.mqtt.server {
        Server::External { .. } => configuration.mqtt.clone(),
        Server::Embedded => {
            broker::start(&configuration.broker).map_err(Failure::Broker)?;
            log::info!(bind:% = configuration.broker.bind; "built-in broker listens");
            broker::own_connection(&configuration.mqtt, &configuration.broker)
        }
    };
    let identities = Arc::new(Identities::default());
    let gateway = actors::start(settings(configuration, &mqtt, catalog.clone(), identities.clone(), store)).await?;
    let bind = configuration.http.bind;
    let (server, http) = actors::http::serve(bind, gateway.handle()).map_err(|error| Failure::Http(bind, error))?;
    Ok((Assembly { gateway, catalog, http, identities }, server))
}

/// Opens the store before anything else happens: what cannot be kept must not begin.
fn open(configuration: &config::Store) -> Result<Store, OpenError> {
    let store =
        Store::open(&configuration.path, Options { durability: configuration.durability, ..Options::default() })?;
    log::info!(folder:% = configuration.path.display(), durability:? = configuration.durability; "store opened");
    Ok(store)
}

/// Reads the definitions and logs what is wrong with them; `None` when the folder cannot be read at all.
pub(crate) fn catalog(folder: &Path) -> Option<Catalog> {
    let definitions = match definitions::load(folder) {
        Ok(definitions) => definitions,
        Err(error) => {
            log::error!(file:% = folder.display(); "object definitions cannot be read: {error}");
            return None;
        }
    };
    for finding in &definitions.findings {
        let (file, line) = (folder.join(&finding.file), finding.line);
        if finding.fatal {
            log::error!(file:% = file.display(), line; "object definition cannot be used: {}", finding.message);
        } else {
            log::warn!(file:% = file.display(), line; "object definition: {}", finding.message);
        }
    }
    let (files, usable) = (definitions.files, definitions.catalog.len());
    log::info!(folder:% = folder.display(), files, definitions = usable; "object definitions loaded");
    Some(definitions.catalog)
}

/// Settings of all sessions.
pub(crate) fn policy(configuration: &Configuration, identities: &Arc<Identities>) -> Arc<Policy> {
    let lwm2m = &configuration.lwm2m;
    let coap = coap::Config {
        transmission: configuration.coap.clone(),
        blockwise: lwm2m.blockwise.clone(),
        bodies: lwm2m.bodies.clone(),
        ..coap::Config::default()
    };
    Arc::new(Policy {
        coap: Arc::new(coap),
        lifetime_min: lwm2m.lifetime_min,
        lifetime_max: lwm2m.lifetime_max,
        awake_window: lwm2m.qmode_time_window,
        queue_max: lwm2m.queue_max,
        auto_observe: lwm2m.auto_observe.clone(),
        auto_observe_ticket: contract::command::auto_observe_ticket,
        admission: Arc::new(Gatekeeper::new(lwm2m.topics.clone(), identities.clone())),
        raw_unknown_objects: lwm2m.raw_unknown_objects,
        address_change: lwm2m.address_change,
    })
}

fn settings(
    configuration: &Configuration,
    mqtt: &Mqtt,
    catalog: Arc<Catalog>,
    identities: Arc<Identities>,
    store: Store,
) -> Settings {
    let lwm2m = &configuration.lwm2m;
    let listeners = configuration.listeners.udp.iter();
    let secure = configuration.listeners.dtls.iter();
    Settings {
        shards: configuration.runtime.shards,
        udp: listeners.map(|udp| UdpListener { bind: udp.bind, receive_buffer: udp.receive_buffer }).collect(),
        dtls: secure
            .map(|dtls| DtlsListener {
                socket: UdpListener { bind: dtls.bind, receive_buffer: dtls.receive_buffer },
                materials: dtls.materials.clone(),
                limits: dtls.limits,
            })
            .collect(),
        mqtt: connection(mqtt),
        topics: lwm2m.topics.clone(),
        voice: contract::message::Settings {
            lifecycle_events: lwm2m.lifecycle_events,
            update_always: lwm2m.update_always,
            raw_unknown: lwm2m.raw_unknown_objects,
        },
        policy: policy(configuration, &identities),
        identities,
        catalog,
        outbox: OutboxLimits {
            messages: mqtt.outbox_messages,
            bytes: mqtt.outbox_bytes,
            disk_messages: mqtt.outbox_disk_messages as u64,
            disk_bytes: mqtt.outbox_disk_bytes as u64,
        },
        store: Some(store),
        dtls_key: Some(configuration.store.key_file.clone()),
    }
}

fn connection(mqtt: &Mqtt) -> actors::Mqtt {
    let (cert_file, key_file) = mqtt.client_certificate.clone().unzip();
    actors::Mqtt {
        server: mqtt.server.to_string(),
        client_id: mqtt.client_id.clone(),
        username: mqtt.username.clone(),
        password: mqtt.password.as_ref().map(|password| actors::Secret::new(password.0.as_str())),
        version: match mqtt.version {
            MqttVersion::V4 => actors::MqttVersion::V3_1_1,
            MqttVersion::V5 => actors::MqttVersion::V5,
        },
        tls: Tls { ca_file: mqtt.ca_file.clone(), cert_file, key_file },
        status_topic: mqtt.status_topic.clone(),
        keep_alive: mqtt.keep_alive,
        window: mqtt.in_flight,
        session_expiry: mqtt.session_expiry,
        duplicate_window: mqtt.duplicate_window,
    }
}
