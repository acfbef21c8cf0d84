//! What a DTLS listener authenticates with: the credentials file and the PEM files, read and tried out.
use super::finding::Finding;
use super::section::Section;
use handshake::{Credentials, Endpoint, Limits, Materials};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Reads everything that a `[[listeners.dtls]]` names. What is wrong with it is reported; no key is ever repeated.
pub(super) fn read(section: &mut Section<'_>) -> Materials {
    let credentials = section.existing_file("credentials_file").map(|file| load(&file, section)).unwrap_or_default();
    let mut pem = |key| section.existing_file(key).and_then(|file| std::fs::read(file).ok());
    let (certificate, key) = (pem("cert_file"), pem("key_file"));
    let (anchors, revoked) = (pem("ca_file"), pem("crl_file"));
    let suites = section.get("suites", Vec::<String>::new());
    let mtu = section.checked("mtu", 1200_u32, |mtu| match mtu {
        256..=16_384 => Ok(()),
        _ => Err("must be between 256 and 16384".to_owned()),
    });
    let verify_peer = section.get("verify_peer", true);
    // Without a certificate there is nothing that a device could verify ours by: only PSK is offered.
    let verify_peer = verify_peer && certificate.is_some();
    Materials { credentials: Arc::new(credentials), certificate, key, anchors, revoked, verify_peer, suites, mtu }
}

/// Sets a listener up and throws it away: what OpenSSL would refuse at the start is told now.
pub(super) fn try_out(section: &Section<'_>, materials: &Materials) {
    if let Err(error) = Endpoint::new(materials.clone(), Limits::default(), Instant::now()) {
        section.report("credentials_file", error.to_string());
    }
}

fn load(file: &Path, section: &Section<'_>) -> Credentials {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            section.report("credentials_file", format!("{} cannot be read: {error}", file.display()));
            return Credentials::default();
        }
    };
    Credentials::parse(&text).unwrap_or_else(|errors| {
        for error in errors {
            section.document().report(Finding::error(file.display().to_string(), "", error.to_string()));
        }
        Credentials::default()
    })
}
