//! The credentials file: one `[[device]]` per device with its pre-shared key or its raw public key.
use super::finding::Finding;
use super::section::{Document, Section};
use super::setting::Secret;
use super::source;
use std::collections::HashMap;
use std::path::Path;

/// What one device proves its identity with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Credential {
    /// Endpoint name that it may register; without it the one that equals the identity.
    pub(crate) endpoint: Option<String>,
    /// The proof.
    pub(crate) proof: Proof,
}

/// A key of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Proof {
    /// Pre-shared key and its identity.
    PreShared {
        /// PSK identity.
        identity: String,
        /// The key, as hex digits of even number.
        key: Secret,
    },
    /// Base64 of a SubjectPublicKeyInfo.
    PublicKey(String),
}

/// Reads a credentials file; what is wrong with it is reported on the document that names it. No key is ever repeated.
pub(super) fn load(file: &Path, parent: &Document) -> Vec<Credential> {
    let table = match source::read(file, None) {
        Ok(table) => table,
        Err(finding) => {
            parent.report(finding);
            return Vec::new();
        }
    };
    let document = Document::new(file);
    let mut root = Section::root(&document, table);
    let devices = root.sections("device");
    let credentials: Vec<Credential> = devices.into_iter().filter_map(read).collect();
    root.finish();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (index, credential) in credentials.iter().enumerate() {
        let name = match &credential.proof {
            Proof::PreShared { identity, .. } => identity,
            Proof::PublicKey(key) => key,
        };
        if let Some(first) = seen.insert(name, index) {
            let reason = format!("has the same identity as device[{first}]");
            document.report(Finding::error(&document.file, format!("device[{index}]"), reason));
        }
    }
    document.into_findings().into_iter().for_each(|finding| parent.report(finding));
    credentials
}

fn read(mut section: Section<'_>) -> Option<Credential> {
    let endpoint = section.optional::<String>("endpoint").filter(|name| !name.is_empty());
    let identity = section.optional::<String>("identity").filter(|name| !name.is_empty());
    let psk = section.optional::<Secret>("psk");
    let public_key = section.optional::<String>("public_key");
    let proof = match (identity, psk, public_key) {
        (Some(identity), Some(key), None) => {
            let digits = &key.0;
            if digits.is_empty() || digits.len() % 2 != 0 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                section.report("psk", "must be hex digits, two for each byte");
            }
            if identity.len() > 128 {
                section.report("identity", "must not be longer than 128 bytes");
            }
            Some(Proof::PreShared { identity, key })
        }
        (None, None, Some(key)) => {
            let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
            if key.is_empty() || !key.bytes().all(is_base64) {
                section.report("public_key", "must be base64 of a SubjectPublicKeyInfo");
            }
            if endpoint.is_none() {
                section.report("endpoint", "is needed with public_key: a raw public key has no name of its own");
            }
            Some(Proof::PublicKey(key))
        }
        _ => {
            section.report("identity", "a device has either identity and psk, or public_key");
            None
        }
    };
    section.finish();
    proof.map(|proof| Credential { endpoint, proof })
}
