//! Who a device proved to be, and which endpoint name that entitles it to.

/// The outcome of a handshake's authentication. Holds no secret.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Identity {
    /// A pre-shared key.
    Psk {
        /// The identity that the device sent.
        identity: String,
        /// The endpoint that the credentials bind it to; without, the identity itself is the name.
        endpoint: Option<String>,
    },
    /// A raw public key that the credentials list.
    PublicKey {
        /// SHA-256 over the SubjectPublicKeyInfo.
        digest: [u8; 32],
        /// The endpoint that the credentials bind it to.
        endpoint: String,
    },
    /// A certificate that leads to the trust anchor.
    Certificate {
        /// Subject common name and the alternative names (DNS, URI).
        names: Vec<String>,
    },
    /// No proof was asked for (`verify_peer = false`).
    Anonymous,
}

impl Identity {
    /// Whether the device may register under this endpoint name.
    pub fn may_register(&self, endpoint: &str) -> bool {
        match self {
            Identity::Psk { identity, endpoint: None } => identity == endpoint,
            Identity::Psk { endpoint: Some(bound), .. } | Identity::PublicKey { endpoint: bound, .. } => {
                bound == endpoint
            }
            Identity::Certificate { names } => names.iter().any(|name| name == endpoint),
            Identity::Anonymous => true,
        }
    }

    /// The endpoint name where the identity alone tells it (LwM2M ≥ 1.1 allows a Register without `ep`).
    pub fn endpoint(&self) -> Option<&str> {
        match self {
            Identity::Psk { identity, endpoint } => Some(endpoint.as_deref().unwrap_or(identity)),
            Identity::PublicKey { endpoint, .. } => Some(endpoint),
            Identity::Certificate { names } => names.first().map(String::as_str),
            Identity::Anonymous => None,
        }
    }
}

impl std::fmt::Display for Identity {
    /// For the log: `psk:sensor-1`, `rpk:9f86d081884c7d65`, `cert:meter-7`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Identity::Psk { identity, .. } => write!(f, "psk:{identity}"),
            Identity::PublicKey { digest, .. } => write!(f, "rpk:{}", fingerprint(digest)),
            Identity::Certificate { names } => write!(f, "cert:{}", names.first().map_or("", String::as_str)),
            Identity::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// What the log calls a raw public key: the first 8 bytes of the SHA-256 over its SubjectPublicKeyInfo, in hex.
pub(crate) fn fingerprint(digest: &[u8; 32]) -> String {
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
