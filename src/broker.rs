//! The built-in broker for `mqtt.server = "embedded"`: rumqttd inside this process, reached over TCP like any other broker.
use crate::config::{Broker, Mqtt, MqttVersion, Server};
use rumqttd::{Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Log segments of one topic: rumqttd silently loses what a slow reader has not fetched when the segments are full, so they are
/// generous. They only take memory as they fill.
const SEGMENT_SIZE: usize = 64 << 20;
const SEGMENTS: usize = 4;
/// Largest MQTT packet: a 4 MB object as base64 in JSON fits.
const LARGEST_PACKET: usize = 8 << 20;
/// How long the broker may take until it accepts connections.
const START_TIME: Duration = Duration::from_secs(5);

/// Starts the broker and returns once it accepts connections. It lives as long as the process.
///
/// # Errors
/// An address is taken or not ours.
pub(crate) fn start(settings: &Broker) -> io::Result<()> {
    let addresses: Vec<SocketAddr> = [Some(settings.bind), settings.bind_v5].into_iter().flatten().collect();
    for address in &addresses {
        // rumqttd only logs that it could not bind; so ask the system first.
        drop(TcpListener::bind(address).map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?);
    }
    let config = Config {
        router: RouterConfig {
            max_connections: 10_010,
            max_outgoing_packet_count: 200,
            max_segment_size: SEGMENT_SIZE,
            max_segment_count: SEGMENTS,
            ..RouterConfig::default()
        },
        v4: Some(server("mqtt-3.1.1", settings.bind)),
        v5: settings.bind_v5.map(|bind| server("mqtt-5", bind)),
        ..Config::default()
    };
    let mut broker = rumqttd::Broker::new(config);
    thread::Builder::new().name("broker".into()).spawn(move || {
        if let Err(error) = broker.start() {
            log::error!("the built-in broker ended: {error}");
        }
    })?;
    addresses.iter().try_for_each(|address| wait_for(*address))
}

/// The connection settings with which the gateway reaches the built-in broker: by loopback, and by MQTT 3.1.1 unless the broker
/// has an MQTT 5 port of its own.
pub(crate) fn own_connection(mqtt: &Mqtt, broker: &Broker) -> Mqtt {
    let (bind, version) = match (mqtt.version, broker.bind_v5) {
        (MqttVersion::V5, Some(bind)) => (bind, MqttVersion::V5),
        _ => (broker.bind, MqttVersion::V4),
    };
    let target = reachable(bind);
    let host = match target {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    };
    Mqtt { server: Server::External { tls: false, host, port: target.port() }, version, ..mqtt.clone() }
}

/// The address under which this machine reaches a server bound to `bind`.
fn reachable(mut bind: SocketAddr) -> SocketAddr {
    if bind.ip().is_unspecified() {
        bind.set_ip(if bind.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    bind
}

fn server(name: &str, listen: SocketAddr) -> HashMap<String, ServerSettings> {
    let connections = ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: LARGEST_PACKET,
        max_inflight_count: 500,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let settings = ServerSettings { name: name.into(), listen, tls: None, next_connection_delay_ms: 1, connections };
    HashMap::from([(name.to_owned(), settings)])
}

fn wait_for(bind: SocketAddr) -> io::Result<()> {
    let target = reachable(bind);
    let end = Instant::now() + START_TIME;
    loop {
        match TcpStream::connect_timeout(&target, Duration::from_millis(200)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= end => {
                return Err(io::Error::new(
                    error.kind(),
                    format!("the built-in broker does not answer on {target}: {error}"),
                ));
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[cfg(test)]
mod tests;
