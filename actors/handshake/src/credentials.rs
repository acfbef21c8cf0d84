//! `credentials.toml`: pre-shared keys and raw public keys of the devices.
use base64::Engine as _;
use openssl::pkey::PKey;
use serde::Deserialize;
use std::collections::HashMap;

/// A device's pre-shared key.
#[derive(Clone)]
pub(crate) struct Psk {
    pub(crate) key: Box<[u8]>,
    pub(crate) endpoint: Option<Box<str>>,
}

impl Drop for Psk {
    fn drop(&mut self) {
        self.key.fill(0);
        std::hint::black_box(&self.key);
    }
}

/// All devices that may come in, by what they prove.
#[derive(Clone, Default)]
pub struct Credentials {
    psks: HashMap<Box<str>, Psk>,
    /// By SHA-256 over the SubjectPublicKeyInfo.
    public_keys: HashMap<[u8; 32], Box<str>>,
    short_psks: usize,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({} PSKs, {} public keys)", self.psks.len(), self.public_keys.len())
    }
}

/// Below this a pre-shared key is no secret.
const PSK_MIN: usize = 8;
/// RFC 9257 §6 asks for 128 bits.
const PSK_ADVISED: usize = 16;
/// RFC 4279 §5.3: what every implementation must support.
const PSK_MAX: usize = 64;
/// What stands before the point in a SubjectPublicKeyInfo for P-256 (RFC 5480).
const P256_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// What is wrong with the file. No variant repeats a secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CredentialError {
    /// Not TOML, or a member of the wrong type or name.
    #[error("line {line}: {message}")]
    Syntax {
        /// From 1.
        line: usize,
        /// In words.
        message: String,
    },
    /// An entry that cannot be used.
    #[error("device entry {number}{}: {message}", name.as_deref().map(|n| format!(" ({n})")).unwrap_or_default())]
    Entry {
        /// From 1, in the order of the file.
        number: usize,
        /// Its identity or endpoint.
        name: Option<String>,
        /// In words.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    device: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    endpoint: Option<String>,
    identity: Option<String>,
    psk: Option<String>,
    public_key: Option<String>,
}

impl Credentials {
    /// Reads the text of the file; all findings at once.
    pub fn parse(text: &str) -> Result<Credentials, Vec<CredentialError>> {
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
            vec![CredentialError::Syntax { line, message: error.message().to_owned() }]
        })?;
        let mut credentials = Credentials::default();
        let mut findings = Vec::new();
        for (index, entry) in file.device.into_iter().enumerate() {
            let name = entry.identity.clone().or_else(|| entry.endpoint.clone());
            if let Err(message) = credentials.add(entry) {
                findings.push(CredentialError::Entry { number: index + 1, name, message: message.to_owned() });
            }
        }
        if findings.is_empty() { Ok(credentials) } else { Err(findings) }
    }

    fn add(&mut self, entry: Entry) -> Result<(), &'static str> {
        if let Some(empty) = entry.endpoint.as_deref()
            && empty.is_empty()
        {
            return Err("endpoint is empty");
        }
        match (entry.identity, entry.psk, entry.public_key) {
            (Some(identity), Some(psk), None) => {
                // RFC 4279 §5.3: up to 128 bytes of identity.
                if identity.is_empty() || identity.len() > 128 {
                    return Err("identity must have 1 to 128 bytes");
                }
                let key = unhex(&psk).ok_or("psk is not hex with an even number of digits")?;
                if key.len() < PSK_MIN || key.len() > PSK_MAX {
                    return Err("psk must have 8 to 64 bytes");
                }
                self.short_psks += usize::from(key.len() < PSK_ADVISED);
                let psk = Psk { key: key.into(), endpoint: entry.endpoint.map(Into::into) };
                match self.psks.insert(identity.into(), psk) {
                    None => Ok(()),
                    Some(_) => Err("identity stands twice"),
                }
            }
            (None, None, Some(key)) => {
                let endpoint = entry.endpoint.ok_or("a raw public key needs an endpoint")?;
                let der = base64::engine::general_purpose::STANDARD
                    .decode(key.split_ascii_whitespace().collect::<String>())
                    .map_err(|_| "public_key is not base64")?;
                match self.public_keys.insert(digest(&der)?, endpoint.into()) {
                    None => Ok(()),
                    Some(_) => Err("public_key stands twice"),
                }
            }
            (Some(_), None, None) => Err("psk is missing"),
            (None, Some(_), _) => Err("identity is missing"),
            (None, None, None) => Err("needs identity and psk, or endpoint and public_key"),
            (Some(_), _, Some(_)) => Err("has both a psk identity and a public_key"),
        }
    }

    pub(crate) fn psk(&self, identity: &str) -> Option<&Psk> {
        self.psks.get(identity)
    }

    /// The endpoint of a raw public key, by the SHA-256 over its SubjectPublicKeyInfo.
    pub(crate) fn endpoint_of_key(&self, digest: &[u8; 32]) -> Option<&str> {
        self.public_keys.get(digest).map(|endpoint| &**endpoint)
    }

    /// Pre-shared keys with less than the 16 bytes that RFC 9257 advises.
    pub fn short_psks(&self) -> usize {
        self.short_psks
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.psks.len() + self.public_keys.len()
    }

    /// No entry at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some entry is a raw public key.
    pub fn has_public_keys(&self) -> bool {
        !self.public_keys.is_empty()
    }
}

/// What names a raw public key. OpenSSL decodes every key but those of the usual form: that takes it 20 µs, and a point that is not on the
/// curve does no harm, since nobody can prove to hold its key.
fn digest(der: &[u8]) -> Result<[u8; 32], &'static str> {
    if der.len() == P256_PREFIX.len() + 64 && der.starts_with(&P256_PREFIX) {
        return Ok(openssl::sha::sha256(der));
    }
    let key = PKey::public_key_from_der(der).map_err(|_| "public_key is not a SubjectPublicKeyInfo")?;
    if !crate::trust::is_strong(&key) {
        return Err("public_key is too weak: P-256 or RSA with 2048 bits at least");
    }
    let der = key.public_key_to_der().map_err(|_| "public_key is not a SubjectPublicKeyInfo")?;
    Ok(openssl::sha::sha256(&der))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|d| d as u8);
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
