//! Why a TLS connection to the broker failed. The MQTT library says only that it did; an operator must know whether the broker is away, its
//! certificate is not trusted, or it wants one of ours.
use crate::Mqtt;
use openssl::ssl::{HandshakeError, SslConnector, SslFiletype, SslMethod};
use openssl::x509::X509VerifyResult;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3);

/// Tries a handshake as the MQTT library does and says what is wrong, in words; `None` if nothing was found. Blocks for some seconds at most.
pub(crate) fn tls_failure(settings: &Mqtt) -> Option<String> {
    let (scheme, authority) = settings.server.split_once("://")?;
    if !matches!(scheme, "mqtts" | "ssl") {
        return None;
    }
    let address = authority.to_socket_addrs().ok()?.next()?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut connector = SslConnector::builder(SslMethod::tls_client()).ok()?;
    if let Some(file) = &settings.tls.ca_file
        && let Err(error) = connector.set_ca_file(file)
    {
        return Some(format!("{} holds no certificates: {error}", file.display()));
    }
    if let Some(file) = &settings.tls.cert_file {
        let key_file = settings.tls.key_file.as_ref().unwrap_or(file);
        let set = connector
            .set_certificate_chain_file(file)
            .and_then(|()| connector.set_private_key_file(key_file, SslFiletype::PEM))
            .and_then(|()| connector.check_private_key());
        if let Err(error) = set {
            return Some(format!("{} and its key cannot be used: {error}", file.display()));
        }
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']']);
    match connector.build().connect(host, stream) {
        Ok(_) => None,
        Err(HandshakeError::Failure(failed)) => match failed.ssl().verify_result() {
            X509VerifyResult::OK => Some(format!("TLS handshake with the broker failed: {}", failed.error())),
            reason => Some(format!("the broker's certificate is not accepted: {}", reason.error_string())),
        },
        Err(HandshakeError::WouldBlock(_)) => Some("the broker does not answer the TLS handshake".to_owned()),
        Err(HandshakeError::SetupFailure(error)) => Some(error.to_string()),
    }
}
