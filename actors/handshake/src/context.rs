//! The OpenSSL context of a listener: suites, credentials, certificates, cookies, the connection id extension.
use crate::cookie::Cookies;
use crate::credentials::Credentials;
use crate::ffi;
use crate::refusal::Refusal;
use dtls::{ConnectionId, Suite, cid};
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef};
use openssl::ssl::{
    ExtensionContext, Ssl, SslAlert, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{CrlStatus, X509, X509Crl, X509NameRef, X509Ref};
use std::sync::{Arc, OnceLock};

/// Extension number of `connection_id` (RFC 9146 §3).
const CONNECTION_ID: u16 = 54;

/// Suites offered unless the configuration names others. Level 0 is what OpenSSL demands for 8-byte tags; what it stops to enforce
/// is enforced by [`is_strong`], the group list and the signature list.
pub const SUITES: &[&str] = &[
    "PSK-AES128-CCM8",
    "PSK-AES128-CCM",
    "PSK-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-CCM8",
    "ECDHE-ECDSA-AES128-CCM",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-PSK-AES128-CBC-SHA256",
    "PSK-AES128-CBC-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
];
const GROUPS: &str = "P-256:X25519:P-384:P-521";
const SIGNATURES: &str = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA+SHA256:RSA+SHA384";

/// What a listener authenticates with.
#[derive(Clone, Debug, Default)]
pub struct Materials {
    /// Pre-shared and raw public keys of the devices.
    pub credentials: Arc<Credentials>,
    /// PEM certificate chain of the gateway.
    pub certificate: Option<Vec<u8>>,
    /// PEM private key of the gateway.
    pub key: Option<Vec<u8>>,
    /// PEM trust anchors of device certificates.
    pub anchors: Option<Vec<u8>>,
    /// PEM revocation lists.
    pub revoked: Option<Vec<u8>>,
    /// A device without PSK must prove a certificate or raw public key.
    pub verify_peer: bool,
    /// OpenSSL names of the suites; empty = [`SUITES`].
    pub suites: Vec<String>,
    /// Largest datagram of a handshake; 0 = 1200.
    pub mtu: u32,
}

/// Why a listener cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A PEM file is unusable.
    #[error("{what}: {stack}")]
    Pem {
        /// Which.
        what: &'static str,
        /// OpenSSL's words.
        stack: ErrorStack,
    },
    /// A key or certificate is too weak.
    #[error("{0}: key too weak; P-256 or RSA 2048 at least")]
    Weak(&'static str),
    /// Neither credentials nor a certificate: nobody could ever come in.
    #[error("no credentials and no certificate: no device could connect")]
    Nothing,
    /// A suite that OpenSSL does not know, or none left.
    #[error("suites: {0}")]
    Suites(ErrorStack),
    /// OpenSSL itself.
    #[error(transparent)]
    OpenSsl(#[from] ErrorStack),
}

/// What the callbacks of one handshake note about it.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The id that the client wants on our records; `None`: it did not offer the extension.
    pub(crate) client_cid: Option<Vec<u8>>,
    /// The id that we hand out if the extension is answered.
    pub(crate) own_cid: Option<ConnectionId>,
    /// The extension was answered.
    pub(crate) cid_agreed: bool,
    /// PSK identity and the endpoint bound to it.
    pub(crate) psk: Option<(String, Option<String>)>,
    /// Digest of the PSK in use, to notice its replacement.
    pub(crate) psk_digest: Option<[u8; 32]>,
    /// A reason that OpenSSL's own report would not tell.
    pub(crate) refusal: Option<Refusal>,
}

/// The place of the notes in an `Ssl`.
pub(crate) fn notes_index() -> Result<Index<Ssl, Notes>, ErrorStack> {
    static INDEX: OnceLock<Index<Ssl, Notes>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let index = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| index))
}

pub(crate) fn build(materials: &Materials, cookies: Arc<Cookies>) -> Result<SslContext, SetupError> {
    if materials.credentials.is_empty() && materials.certificate.is_none() {
        return Err(SetupError::Nothing);
    }
    let mut context = SslContext::builder(SslMethod::dtls_server())?;
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    let suites = if materials.suites.is_empty() { SUITES.join(":") } else { materials.suites.join(":") };
    context.set_cipher_list(&format!("{suites}:@SECLEVEL=0")).map_err(SetupError::Suites)?;
    context.set_groups_list(GROUPS)?;
    context.set_sigalgs_list(SIGNATURES)?;
    context.set_options(
        SslOptions::NO_QUERY_MTU
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::COOKIE_EXCHANGE
            | SslOptions::NO_COMPRESSION,
    );
    context.set_session_cache_mode(SslSessionCacheMode::SERVER);
    context.set_session_id_context(b"lwm2m")?;
    context.set_mode(SslMode::RELEASE_BUFFERS);
    set_cookies(&mut context, cookies);
    set_psk(&mut context, materials.credentials.clone(), notes_index()?);
    set_certificates(&mut context, materials)?;
    set_connection_id(&mut context, notes_index()?)?;
    Ok(context.build())
}

fn set_cookies(context: &mut SslContextBuilder, cookies: Arc<Cookies>) {
    let making = cookies.clone();
    context.set_cookie_generate_cb(move |_, out| {
        let cookie = making.make().ok_or_else(ErrorStack::get)?;
        out[..cookie.len()].copy_from_slice(&cookie);
        Ok(cookie.len())
    });
    context.set_cookie_verify_cb(move |_, cookie| cookies.verify(cookie));
}

fn set_psk(context: &mut SslContextBuilder, credentials: Arc<Credentials>, index: Index<Ssl, Notes>) {
    if credentials.is_empty() {
        return;
    }
    context.set_psk_server_callback(move |ssl, identity, out| {
        let Some(notes) = ssl.ex_data_mut(index) else { return Ok(0) };
        let identity = identity.unwrap_or_default();
        let found = std::str::from_utf8(identity).ok().and_then(|name| Some((name, credentials.psk(name)?)));
        let Some((name, psk)) = found else {
            notes.refusal = Some(Refusal::UnknownIdentity(String::from_utf8_lossy(identity).into_owned()));
            return Ok(0);
        };
        notes.psk = Some((name.to_owned(), psk.endpoint.as_deref().map(str::to_owned)));
        notes.psk_digest = credentials.psk_digest(name);
        let Some(room) = out.get_mut(..psk.key.len()) else { return Ok(0) };
        room.copy_from_slice(&psk.key);
        Ok(psk.key.len())
    });
}

fn set_certificates(context: &mut SslContextBuilder, materials: &Materials) -> Result<(), SetupError> {
    let pem = |what: &'static str| move |stack: ErrorStack| SetupError::Pem { what, stack };
    let Some(key) = &materials.key else { return Ok(()) };
    let key = PKey::private_key_from_pem(key).map_err(pem("key_file"))?;
    if !is_strong(&key) {
        return Err(SetupError::Weak("key_file"));
    }
    if let Some(chain) = &materials.certificate {
        let chain = X509::stack_from_pem(chain).map_err(pem("cert_file"))?;
        for (position, certificate) in chain.into_iter().enumerate() {
            if position == 0 {
                context.set_certificate(&certificate).map_err(pem("cert_file"))?;
            } else {
                context.add_extra_chain_cert(certificate).map_err(pem("cert_file"))?;
            }
        }
    }
    context.set_private_key(&key).map_err(pem("key_file"))?;
    let with_keys = materials.credentials.has_public_keys();
    if with_keys && !ffi::allow_raw_public_keys(context) {
        return Err(SetupError::OpenSsl(ErrorStack::get()));
    }
    let mut crls = Vec::new();
    if let Some(anchors) = &materials.anchors {
        let mut store = X509StoreBuilder::new()?;
        let mut names = Stack::new()?;
        for anchor in X509::stack_from_pem(anchors).map_err(pem("ca_file"))? {
            names.push(anchor.subject_name().to_owned()?)?;
            store.add_cert(anchor)?;
        }
        context.set_verify_cert_store(store.build())?;
        context.set_client_ca_list(names);
    }
    if let Some(text) = &materials.revoked {
        crls = revocation_lists(text).map_err(pem("crl_file"))?;
    }
    if materials.verify_peer || with_keys {
        let mode = if materials.verify_peer {
            SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT
        } else {
            SslVerifyMode::PEER
        };
        context.set_verify_callback(mode, move |verified, chain| match chain.current_cert() {
            // A raw public key has no chain: whether it is known is decided after Finished proved that the device holds it.
            None => true,
            Some(certificate) => {
                let revoked = is_revoked(&crls, certificate);
                let weak = certificate.public_key().is_ok_and(|key| !is_strong(&key));
                if verified && revoked {
                    chain.set_error(openssl::x509::X509VerifyResult::APPLICATION_VERIFICATION);
                }
                verified && !revoked && !weak
            }
        });
    }
    Ok(())
}

fn set_connection_id(context: &mut SslContextBuilder, index: Index<Ssl, Notes>) -> Result<(), ErrorStack> {
    context.add_custom_ext(
        CONNECTION_ID,
        ExtensionContext::CLIENT_HELLO | ExtensionContext::TLS1_2_SERVER_HELLO | ExtensionContext::DTLS_ONLY,
        move |ssl, _, _| -> Result<Option<Vec<u8>>, SslAlert> {
            // Suites that stay inside OpenSSL cannot carry an id: then the extension is left unanswered.
            let ours = ffi::pending_suite(ssl).is_some_and(|name| Suite::from_openssl_name(&name).is_some());
            let Some(notes) = ssl.ex_data_mut(index) else { return Ok(None) };
            match (ours, &notes.client_cid, notes.own_cid) {
                (true, Some(_), Some(own)) => {
                    notes.cid_agreed = true;
                    Ok(Some(cid::extension(&own).to_vec()))
                }
                _ => Ok(None),
            }
        },
        move |ssl, _, body, _| {
            let wanted = cid::parse_extension(body).ok_or(SslAlert::DECODE_ERROR)?.to_vec();
            if let Some(notes) = ssl.ex_data_mut(index) {
                notes.client_cid = Some(wanted);
            }
            Ok(())
        },
    )
}

/// P-256 or better, RSA with 2048 bits or more, or an Edwards curve.
fn is_strong<T: HasPublic>(key: &PKeyRef<T>) -> bool {
    match key.id() {
        Id::RSA | Id::RSA_PSS => key.bits() >= 2048,
        Id::EC => key.bits() >= 256,
        Id::ED25519 | Id::ED448 => true,
        _ => false,
    }
}

fn revocation_lists(pem: &[u8]) -> Result<Vec<X509Crl>, ErrorStack> {
    const END: &str = "-----END X509 CRL-----";
    let text = String::from_utf8_lossy(pem);
    text.split_inclusive(END).filter(|part| part.contains(END)).map(|part| X509Crl::from_pem(part.as_bytes())).collect()
}

fn is_revoked(crls: &[X509Crl], certificate: &X509Ref) -> bool {
    let same = |a: &X509NameRef, b: &X509NameRef| a.try_cmp(b).is_ok_and(|order| order.is_eq());
    crls.iter()
        .filter(|crl| same(crl.issuer_name(), certificate.issuer_name()))
        .any(|crl| matches!(crl.get_by_cert(&certificate.to_owned()), CrlStatus::Revoked(_)))
}
