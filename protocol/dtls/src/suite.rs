//! The AEAD part of the cipher suites that can leave OpenSSL after the handshake.
use serde::{Deserialize, Serialize};

/// AEAD of a suite; all use AES-128, a 4-byte salt and an 8-byte explicit nonce (RFC 5288 §3, RFC 6655 §3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Suite {
    /// AES-128-CCM with an 8-byte tag.
    Ccm8,
    /// AES-128-CCM with a 16-byte tag.
    Ccm,
    /// AES-128-GCM with a 16-byte tag.
    Gcm,
}

impl Suite {
    /// From OpenSSL's name of the negotiated suite, `None` for suites that must stay inside OpenSSL (CBC) or that do not derive their
    /// keys with SHA-256 and AES-128.
    pub fn from_openssl_name(name: &str) -> Option<Suite> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, suite)| *suite)
    }

    /// Bytes of the authentication tag.
    pub const fn tag_len(self) -> usize {
        match self {
            Suite::Ccm8 => 8,
            Suite::Ccm | Suite::Gcm => 16,
        }
    }

    /// Bytes by which a protected fragment is longer than its plaintext: explicit nonce and tag.
    pub const fn overhead(self) -> usize {
        8 + self.tag_len()
    }
}

/// OpenSSL's names.
const NAMES: [(&str, Suite); 9] = [
    ("PSK-AES128-CCM8", Suite::Ccm8),
    ("ECDHE-ECDSA-AES128-CCM8", Suite::Ccm8),
    ("DHE-PSK-AES128-CCM8", Suite::Ccm8),
    ("PSK-AES128-CCM", Suite::Ccm),
    ("ECDHE-ECDSA-AES128-CCM", Suite::Ccm),
    ("DHE-PSK-AES128-CCM", Suite::Ccm),
    ("PSK-AES128-GCM-SHA256", Suite::Gcm),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", Suite::Gcm),
    ("ECDHE-RSA-AES128-GCM-SHA256", Suite::Gcm),
];

/// The name of a suite that can leave OpenSSL, as a constant.
pub fn canonical_name(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(known, _)| *known)
}
