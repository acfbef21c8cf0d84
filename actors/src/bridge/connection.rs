//! How to connect: options for both MQTT versions, and what an error means.
use crate::{Mqtt, MqttVersion};
use paho_mqtt::{
    AsyncClient, ConnectOptions, ConnectOptionsBuilder, ConnectReturnCode, CreateOptionsBuilder, Error, Message,
    MessageBuilder, PersistenceType, Properties, PropertyCode, ReasonCode, SslOptionsBuilder,
};
use std::time::Duration;

/// Longest wait for the broker's answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// A client for one version; connecting to the other needs another client.
pub(crate) fn client(settings: &Mqtt, version: MqttVersion) -> Result<AsyncClient, Error> {
    CreateOptionsBuilder::new()
        .server_uri(&settings.server)
        .client_id(&settings.client_id)
        .persistence(PersistenceType::None)
        .mqtt_version(match version {
            MqttVersion::V5 => paho_mqtt::MQTT_VERSION_5,
            MqttVersion::V3_1_1 => paho_mqtt::MQTT_VERSION_3_1_1,
        })
        .create_client()
}

/// Options of one attempt. `persistent`: the broker keeps the session, so that commands of QoS 1 and 2 wait for us.
pub(crate) fn options(settings: &Mqtt, version: MqttVersion, persistent: bool) -> Result<ConnectOptions, Error> {
    let mut builder = match version {
        MqttVersion::V5 => ConnectOptionsBuilder::new_v5(),
        MqttVersion::V3_1_1 => ConnectOptionsBuilder::new_v3(),
    };
    match version {
        MqttVersion::V5 => {
            builder.clean_start(!persistent);
            if persistent {
                let mut properties = Properties::new();
                let seconds = u32::try_from(settings.session_expiry.as_secs()).unwrap_or(u32::MAX);
                properties.push_u32(PropertyCode::SessionExpiryInterval, seconds)?;
                builder.properties(properties);
            }
        }
        MqttVersion::V3_1_1 => {
            builder.clean_session(!persistent);
        }
    }
    builder
        .keep_alive_interval(settings.keep_alive)
        .connect_timeout(TIMEOUT)
        .max_inflight(i32::try_from(settings.window).unwrap_or(i32::MAX))
        .will_message(status(settings, "offline"));
    if let Some(username) = &settings.username {
        builder.user_name(username.as_str());
    }
    if let Some(password) = &settings.password {
        builder.password(password.reveal());
    }
    if settings.server.starts_with("mqtts://") || settings.server.starts_with("ssl://") {
        let mut tls = SslOptionsBuilder::new();
        tls.enable_server_cert_auth(true).verify(true);
        if let Some(file) = &settings.tls.ca_file {
            tls.trust_store(file)?;
        }
        if let Some(file) = &settings.tls.cert_file {
            tls.key_store(file)?;
        }
        if let Some(file) = &settings.tls.key_file {
            tls.private_key(file)?;
        }
        builder.ssl_options(tls.finalize());
    }
    Ok(builder.finalize())
}

/// The retained status message.
pub(crate) fn status(settings: &Mqtt, status: &str) -> Message {
    let payload =
        serde_json::json!({ "status": status, "client_id": settings.client_id, "version": env!("CARGO_PKG_VERSION") });
    MessageBuilder::new().topic(&settings.status_topic).payload(payload.to_string()).qos(1).retained(true).finalize()
}

/// What a failed MQTT 5 attempt says about the versions that the broker knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum VersionHint {
    /// It refuses this version.
    Refused,
    /// It broke off, or there was nobody: only repetition tells.
    BrokeOff,
    /// Nothing: refused credentials are an answer in MQTT 5, a silent broker says nothing.
    None,
}

/// Reads the error of an MQTT 5 attempt.
pub(crate) fn version_hint(error: &Error) -> VersionHint {
    match error {
        Error::ConnectReturn(ConnectReturnCode::UnacceptableProtocolVersion) => VersionHint::Refused,
        Error::ReasonCode(ReasonCode::UnsupportedProtocolVersion, _) => VersionHint::Refused,
        // What the library makes of the two bytes with which an old broker answers.
        Error::Failure | Error::ReasonCode(ReasonCode::MalformedPacket | ReasonCode::ProtocolError, _) => {
            VersionHint::Refused
        }
        Error::TcpConnectCompletionFailure | Error::SocketError(_) | Error::Disconnected => VersionHint::BrokeOff,
        _ => VersionHint::None,
    }
}

/// Whether somebody accepts TCP connections there. The library's errors do not tell a broker that hangs up from one that is away.
pub(crate) async fn is_reachable(server: &str) -> bool {
    let authority = server.split_once("://").map_or(server, |(_, authority)| authority);
    let probe = tokio::time::timeout(Duration::from_secs(2), tokio::net::TcpStream::connect(authority));
    matches!(probe.await, Ok(Ok(_)))
}

/// Whether a publication that failed this way is refused for good, rather than a victim of the connection.
pub(crate) fn is_refusal(error: &Error) -> bool {
    match error {
        Error::ReasonCode(code, _) => !matches!(
            code,
            ReasonCode::ServerUnavailable
                | ReasonCode::ServerBusy
                | ReasonCode::ServerShuttingDown
                | ReasonCode::ReceiveMaximumExceeded
                | ReasonCode::QuotaExceeded
        ),
        Error::BadUtf8String
        | Error::BadQos
        | Error::TopicNameTruncated
        | Error::NullParameter
        | Error::BadTopicFilter => true,
        _ => false,
    }
}
