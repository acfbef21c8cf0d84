//! Why a handshake failed, in words that an operator can act on.
use openssl::error::ErrorStack;

/// One variant for each thing that an operator would do about it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Add the identity to the credentials, or correct it on the device.
    #[error("unknown PSK identity {0:?}: no entry in the credentials")]
    UnknownIdentity(String),
    /// Compare the keys on both sides.
    #[error("wrong key: device and gateway hold different keys for this identity")]
    WrongKey,
    /// Add the public key to the credentials.
    #[error("raw public key {0} is not in the credentials")]
    UnknownPublicKey(String),
    /// Renew, replace or trust the certificate.
    #[error("device certificate refused: {0}")]
    Certificate(String),
    /// Nothing to do, unless the credentials were removed by mistake.
    #[error("resumed session refused: {0}")]
    Withdrawn(&'static str),
    /// Align the suites.
    #[error("no common cipher suite, curve or signature algorithm")]
    NoCommonSuite,
    /// Update the device.
    #[error("device does not speak DTLS 1.2")]
    Version,
    /// Look at the device's log.
    #[error("device gave up: {0}")]
    Alert(&'static str),
    /// Nothing to do: the network or the device went silent.
    #[error("device fell silent during the handshake")]
    TimedOut,
    /// Raise the limit or find the flood.
    #[error("too many associations")]
    Busy,
    /// The device sent something that is no handshake.
    #[error("handshake failed: {0}")]
    Protocol(String),
}

impl Refusal {
    /// One word for each variant, for counting.
    pub fn word(&self) -> &'static str {
        match self {
            Refusal::UnknownIdentity(_) => "unknown_identity",
            Refusal::WrongKey => "wrong_key",
            Refusal::UnknownPublicKey(_) => "unknown_public_key",
            Refusal::Certificate(_) => "certificate",
            Refusal::Withdrawn(_) => "withdrawn",
            Refusal::NoCommonSuite => "no_common_suite",
            Refusal::Version => "version",
            Refusal::Alert(_) => "alert",
            Refusal::TimedOut => "timeout",
            Refusal::Busy => "busy",
            Refusal::Protocol(_) => "protocol",
        }
    }

    /// The alert that tells the device, where OpenSSL has not sent one: the handshake was finished before we refused it.
    pub(crate) fn alert(&self) -> dtls::Alert {
        let description = match self {
            Refusal::UnknownPublicKey(_) | Refusal::Certificate(_) => 46,
            Refusal::Busy => 80,
            _ => 49,
        };
        dtls::Alert { fatal: true, description }
    }

    /// From OpenSSL's report, and what it says about the device's certificate.
    pub(crate) fn from_stack(stack: &ErrorStack, certificate: &'static str) -> Refusal {
        let reasons: Vec<&str> = stack.errors().iter().filter_map(|error| error.reason()).collect();
        let has = |word: &str| reasons.iter().any(|reason| reason.contains(word));
        if has("no shared cipher") || has("no suitable") || has("no shared group") || has("wrong signature type") {
            Refusal::NoCommonSuite
        } else if has("unsupported protocol") || has("version too low") || has("wrong version number") {
            Refusal::Version
        } else if has("bad record mac") || has("decryption failed") || has("digest check failed") {
            Refusal::WrongKey
        } else if has("peer did not return a certificate") {
            Refusal::Certificate("the device sent none, and verify_peer demands one".to_owned())
        } else if has("certificate verify failed") {
            Refusal::Certificate(certificate.to_owned())
        } else if let Some(number) = reasons.iter().find_map(|reason| alert_number(reason)) {
            Refusal::Alert(dtls::Alert { fatal: true, description: number }.words())
        } else {
            Refusal::Protocol(reasons.first().copied().unwrap_or("no reason given").to_owned())
        }
    }
}

/// OpenSSL words a received alert as `… alert <name>`; the number is looked up by the name's words.
fn alert_number(reason: &str) -> Option<u8> {
    const NAMES: [(&str, u8); 14] = [
        ("unexpected message", 10),
        ("bad record mac", 20),
        ("handshake failure", 40),
        ("bad certificate", 42),
        ("unsupported certificate", 43),
        ("certificate revoked", 44),
        ("certificate expired", 45),
        ("certificate unknown", 46),
        ("illegal parameter", 47),
        ("unknown ca", 48),
        ("access denied", 49),
        ("decode error", 50),
        ("decrypt error", 51),
        ("internal error", 80),
    ];
    let (_, name) = reason.split_once("alert ")?;
    NAMES.iter().find(|(words, _)| name.starts_with(words)).map(|(_, number)| *number)
}
