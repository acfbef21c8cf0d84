//! `[mqtt]` and `[broker]`.
use super::section::Section;
use super::setting::{Bytes, Secret};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[mqtt]`: the connection to the broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mqtt {
    /// `server`
    pub(crate) server: Server,
    /// `client_id`
    pub(crate) client_id: String,
    /// `username`, `None` when empty or absent
    pub(crate) username: Option<String>,
    /// `password`, or what `password_file` holds
    pub(crate) password: Option<Secret>,
    /// `version`
    pub(crate) version: MqttVersion,
    /// `ca_file`
    pub(crate) ca_file: Option<PathBuf>,
    /// `cert_file` and `key_file`
    pub(crate) client_certificate: Option<(PathBuf, PathBuf)>,
    /// `keep_alive`
    pub(crate) keep_alive: Duration,
    /// `status_topic`, `${client_id}` expanded
    pub(crate) status_topic: String,
    /// `in_flight`
    pub(crate) in_flight: usize,
    /// `session_expiry`
    pub(crate) session_expiry: Duration,
    /// `outbox_messages`
    pub(crate) outbox_messages: usize,
    /// `outbox_bytes`
    pub(crate) outbox_bytes: usize,
    /// `outbox_disk_messages`
    pub(crate) outbox_disk_messages: usize,
    /// `outbox_disk_bytes`
    pub(crate) outbox_disk_bytes: usize,
    /// `duplicate_window`
    pub(crate) duplicate_window: Duration,
}

/// `mqtt.server`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Server {
    /// The broker inside this process.
    Embedded,
    /// A broker elsewhere.
    External {
        /// `mqtts://`
        tls: bool,
        /// Name or address; IPv6 in brackets.
        host: String,
        /// Port.
        port: u16,
    },
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Server::Embedded => f.write_str("embedded"),
            Server::External { tls, host, port } => {
                write!(f, "{}://{host}:{port}", if *tls { "mqtts" } else { "mqtt" })
            }
        }
    }
}

/// `mqtt.version`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MqttVersion {
    /// MQTT 3.1.1
    V4,
    /// MQTT 5, falling back to 3.1.1
    V5,
}

/// `[broker]`: where the built-in broker listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Broker {
    /// `bind`: MQTT 3.1.1
    pub(crate) bind: SocketAddr,
    /// `bind_v5`: MQTT 5, off when absent
    pub(crate) bind_v5: Option<SocketAddr>,
}

impl Mqtt {
    pub(super) fn read(mut section: Section<'_>) -> Mqtt {
        let server = match parse_server(&section.get("server", "mqtt://127.0.0.1:1883".to_owned())) {
            Ok(server) => server,
            Err(reason) => {
                section.report("server", reason);
                Server::Embedded
            }
        };
        let client_id = section.checked("client_id", "lwm2m-gateway".to_owned(), |id| match id.as_str() {
            "" => Err("must not be empty: the broker knows the gateway's session by it".into()),
            _ => Ok(()),
        });
        let username = section.optional::<String>("username").filter(|name| !name.is_empty());
        let password = password(&mut section);
        if password.is_some() && username.is_none() {
            section.report("username", "is needed with a password");
        }
        let version = match section.get("version", 5_i64) {
            4 => MqttVersion::V4,
            5 => MqttVersion::V5,
            other => {
                section.report("version", format!("must be 5 or 4 (MQTT 3.1.1), not {other}"));
                MqttVersion::V5
            }
        };
        let ca_file = section.existing_file("ca_file");
        let cert_file = section.existing_file("cert_file");
        let key_file = section.existing_file("key_file");
        let client_certificate = cert_file.zip(key_file);
        if client_certificate.is_none() {
            for (key, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
                if section.holds(key) && !section.holds(other) {
                    section.report(key, format!("needs {other}"));
                }
            }
        }
        let tls = matches!(server, Server::External { tls: true, .. });
        for key in ["ca_file", "cert_file", "key_file"] {
            if section.holds(key) && !tls {
                section.warn(key, "has no effect: mqtt.server does not begin with mqtts://");
            }
        }
        let keep_alive = section.checked("keep_alive", Duration::from_secs(30), |time| {
            let seconds = time.as_secs();
            if (1..=65_535).contains(&seconds) { Ok(()) } else { Err("must be between 1s and 65535s".into()) }
        });
        let status_topic = section.get("status_topic", "lwm2m-gateway/${client_id}/status".to_owned());
        let status_topic = status_topic.replace("${client_id}", &client_id);
        if status_topic.is_empty() || status_topic.contains(['+', '#']) {
            section.report("status_topic", "must not be empty nor contain + or #");
        }
        let in_flight = section.checked("in_flight", 100, |count| {
            if (1..=1_000).contains(count) { Ok(()) } else { Err(format!("must be between 1 and 1000, not {count}")) }
        });
        let session_expiry = section.checked("session_expiry", Duration::from_secs(86_400), |time| {
            let fits = u32::try_from(time.as_secs()).is_ok();
            if fits { Ok(()) } else { Err("must not be longer than 4294967295s".into()) }
        });
        let outbox_messages = section.checked("outbox_messages", 100_000, |count| match count {
            0 => Err("must not be 0: there must be room for one message".into()),
            _ => Ok(()),
        });
        let outbox_bytes = section.checked("outbox_bytes", Bytes(64 << 20), |size| match size.0 {
            0..65_536 => Err("must be at least 64KB".into()),
            _ => Ok(()),
        });
        let outbox_disk_messages = section.get("outbox_disk_messages", 8_640_000_usize);
        let outbox_disk_bytes = section.get("outbox_disk_bytes", Bytes(4 << 30));
        let duplicate_window = section.checked("duplicate_window", Duration::from_secs(60), |time| {
            if time.as_secs() <= 86_400 { Ok(()) } else { Err("must not be longer than 86400s".into()) }
        });
        section.finish();
        Mqtt {
            server,
            client_id,
            username,
            password,
            version,
            ca_file,
            client_certificate,
            keep_alive,
            status_topic,
            in_flight,
            session_expiry,
            outbox_messages,
            outbox_bytes: outbox_bytes.0,
            outbox_disk_messages,
            outbox_disk_bytes: outbox_disk_bytes.0,
            duplicate_window,
        }
    }
}

impl Broker {
    pub(super) fn read(mut section: Section<'_>) -> Broker {
        let bind = section.get("bind", SocketAddr::from(([127, 0, 0, 1], 1883)));
        let bind_v5 = section.optional("bind_v5");
        section.finish();
        Broker { bind, bind_v5 }
    }
}

/// `password`, or the first line of `password_file`.
fn password(section: &mut Section<'_>) -> Option<Secret> {
    let direct = section.optional::<Secret>("password").filter(|secret| !secret.0.is_empty());
    let Some(file) = section.existing_file("password_file") else { return direct };
    if direct.is_some() {
        section.report("password_file", "and password exclude each other");
        return direct;
    }
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(Secret(text.lines().next().unwrap_or_default().to_owned())),
        Err(error) => {
            section.report("password_file", format!("{} cannot be read as text: {}", file.display(), error.kind()));
            None
        }
    }
}

/// Reads `mqtt.server`. The error never repeats the value: an address with a password in it is a common mistake.
fn parse_server(text: &str) -> Result<Server, String> {
    const FORM: &str = "write mqtt://HOST:PORT, mqtts://HOST:PORT or embedded";
    if text == "embedded" {
        return Ok(Server::Embedded);
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("is not the address of a broker: {FORM}"))?;
    let tls = match scheme {
        "mqtt" | "tcp" => false,
        "mqtts" | "ssl" => true,
        other => return Err(format!("has the unknown scheme {other:?}: {FORM}")),
    };
    if rest.contains('@') {
        return Err("must not hold a user name or password: use mqtt.username and mqtt.password_file".into());
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', ' ']) {
        return Err(format!("must end after the port: {FORM}"));
    }
    let end_of_host = if rest.starts_with('[') {
        rest.find(']').map_or(0, |end| end + 1)
    } else {
        rest.find(':').unwrap_or(rest.len())
    };
    let (host, port) = rest.split_at(end_of_host);
    if host.is_empty() || host == "[]" {
        return Err(format!("names no host: {FORM}"));
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => {
            if tls {
                8883
            } else {
                1883
            }
        }
        Some(port) => match port.parse() {
            Ok(port) if port != 0 => port,
            _ => return Err("has a port that is not a number between 1 and 65535".into()),
        },
        None => return Err(format!("is not the address of a broker: {FORM}")),
    };
    Ok(Server::External { tls, host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_addresses_are_taken_apart() {
        let external = |tls, host: &str, port| Ok(Server::External { tls, host: host.into(), port });
        for (text, expected) in [
            ("embedded", Ok(Server::Embedded)),
            ("mqtt://127.0.0.1:1884", external(false, "127.0.0.1", 1884)),
            ("mqtt://broker.example.org", external(false, "broker.example.org", 1883)),
            ("mqtts://broker.example.org/", external(true, "broker.example.org", 8883)),
            ("mqtts://[::1]:8884", external(true, "[::1]", 8884)),
        ] {
            assert_eq!(parse_server(text), expected, "{text}");
        }
        for text in [
            "",
            "127.0.0.1:1883",
            "http://x",
            "mqtt://",
            "mqtt://:1883",
            "mqtt://h:0",
            "mqtt://h:x",
            "mqtt://[::1",
            "mqtt://h/a",
        ] {
            assert!(parse_server(text).is_err(), "{text}");
        }
    }

    #[test]
    fn password_in_server_address_is_refused_without_repeating_it() {
        let reason = parse_server("mqtt://user:hunter2@broker").unwrap_err();
        assert!(!reason.contains("hunter2"), "{reason}");
    }
}
