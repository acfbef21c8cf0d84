//! What a DTLS listener authenticates with: the credentials file and the PEM files, read and tried out.
use super::finding::Finding;
use super::section::Section;
use handshake::{Credentials, Endpoint, Limits, Materials};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The files and settings of a `[[listeners.dtls]]` that its materials are made of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sources {
    credentials: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    anchors: Option<PathBuf>,
    revoked: Option<PathBuf>,
    verify_peer: bool,
    suites: Vec<String>,
    mtu: u32,
    first_timer: Duration,
}

/// What the files held.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Incomplete when something is wrong.
    pub(crate) materials: Materials,
    /// What is wrong, and what is merely odd.
    pub(crate) findings: Vec<Finding>,
    /// Changes with the content of the files.
    pub(crate) fingerprint: u64,
}

impl Sources {
    /// Reads the section; files that are missing are reported.
    pub(super) fn read(section: &mut Section<'_>) -> Sources {
        let credentials = section.existing_file("credentials_file");
        let certificate = section.existing_file("cert_file");
        let key = section.existing_file("key_file");
        let anchors = section.existing_file("ca_file");
        let revoked = section.existing_file("crl_file");
        let suites = section.get("suites", Vec::<String>::new());
        let mtu = section.checked("mtu", 1200_u32, |mtu| match mtu {
            256..=16_384 => Ok(()),
            _ => Err("must be between 256 and 16384".to_owned()),
        });
        let first_timer = section.checked("retransmit_timeout", Duration::from_secs(1), |timer| {
            let sensible = (Duration::from_millis(100)..=Duration::from_secs(60)).contains(timer);
            if sensible { Ok(()) } else { Err("must be between 100ms and 60s".to_owned()) }
        });
        let verify_peer = section.get("verify_peer", true);
        Sources { credentials, certificate, key, anchors, revoked, verify_peer, suites, mtu, first_timer }
    }

    /// All files, for watching.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let all = [&self.credentials, &self.certificate, &self.key, &self.anchors, &self.revoked];
        all.into_iter().flatten().map(PathBuf::as_path)
    }

    /// Reads the files. No key is ever repeated in a finding.
    pub(crate) fn load(&self) -> Loaded {
        let mut findings = Vec::new();
        let mut hasher = DefaultHasher::new();
        let mut read = |path: &Option<PathBuf>| {
            let path = path.as_ref()?;
            match std::fs::read(path) {
                Ok(bytes) => {
                    bytes.hash(&mut hasher);
                    Some(bytes)
                }
                Err(error) => {
                    findings.push(Finding::error(path.display().to_string(), "", format!("cannot be read: {error}")));
                    None
                }
            }
        };
        let text = read(&self.credentials);
        let (certificate, key) = (read(&self.certificate), read(&self.key));
        let (anchors, revoked) = (read(&self.anchors), read(&self.revoked));
        let credentials = match (&self.credentials, text) {
            (Some(path), Some(text)) => credentials(path, text, &mut findings),
            _ => Credentials::default(),
        };
        let materials = Materials {
            credentials: Arc::new(credentials),
            // Without a certificate there is nothing that a device could verify ours by: only PSK is offered.
            verify_peer: self.verify_peer && certificate.is_some(),
            certificate,
            key,
            anchors,
            revoked,
            suites: self.suites.clone(),
            mtu: self.mtu,
            first_timer: self.first_timer,
        };
        Loaded { materials, findings, fingerprint: hasher.finish() }
    }
}

fn credentials(path: &Path, text: Vec<u8>, findings: &mut Vec<Finding>) -> Credentials {
    let place = path.display().to_string();
    let parsed = match String::from_utf8(text) {
        Ok(text) => Credentials::parse(&text),
        Err(_) => {
            findings.push(Finding::error(place, "", "is not UTF-8"));
            return Credentials::default();
        }
    };
    match parsed {
        Ok(credentials) => {
            let short = credentials.short_psks();
            if short > 0 {
                let reason = format!("{short} pre-shared keys have less than the 16 bytes that RFC 9257 advises");
                findings.push(Finding::warning(place, "", reason));
            }
            credentials
        }
        Err(errors) => {
            findings.extend(errors.into_iter().map(|error| Finding::error(place.clone(), "", error.to_string())));
            Credentials::default()
        }
    }
}

/// Sets a listener up and throws it away: what OpenSSL would refuse at the start is told now.
pub(super) fn try_out(section: &Section<'_>, materials: &Materials) {
    if let Err(error) = Endpoint::new(materials.clone(), Limits::default(), Instant::now()) {
        section.report("credentials_file", error.to_string());
    }
}
