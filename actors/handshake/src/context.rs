//! The OpenSSL context of a listener: suites, credentials, certificates, cookies, the connection id extension.
use crate::cookie::Cookies;
use crate::credentials::Credentials;
use crate::ffi;
use crate::refusal::Refusal;
use crate::resumption::Resumption;
use crate::trust::{self, Trust};
use dtls::{ConnectionId, Suite, cid};
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{
    ExtensionContext, Ssl, SslAlert, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslVerifyMode,
    SslVersion,
};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Ref, X509StoreContext, X509StoreContextRef};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Extension number of `connection_id` (RFC 9146 §3).
const CONNECTION_ID: u16 = 54;

/// Suites offered unless the configuration names others. Level 0 is what OpenSSL demands for 8-byte tags; what it stops to enforce
/// is enforced by [`crate::trust`], the group list and the signature list.
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
#[derive(Clone, Debug)]
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
    /// Largest datagram of a handshake.
    pub mtu: u32,
    /// First retransmission timer of a handshake.
    pub first_timer: Duration,
}

impl Default for Materials {
    /// No credentials at all; MTU 1200, first timer 1 s (RFC 6347 §4.2.4.1).
    fn default() -> Self {
        Materials {
            credentials: Arc::default(),
            certificate: None,
            key: None,
            anchors: None,
            revoked: None,
            verify_peer: false,
            suites: Vec::new(),
            mtu: 1200,
            first_timer: Duration::from_secs(1),
        }
    }
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
    /// PSK identity of the device.
    pub(crate) psk: Option<String>,
    /// Common name of the device's certificate, trusted or not.
    pub(crate) subject: OnceLock<String>,
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

/// What all handshakes of a listener share.
pub(crate) struct Ground {
    pub(crate) context: SslContext,
    pub(crate) trust: Arc<Trust>,
}

pub(crate) fn build(
    materials: &Materials,
    cookies: Arc<Cookies>,
    resumption: &Resumption,
) -> Result<Ground, SetupError> {
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
    resumption.set(&mut context)?;
    context.set_mode(SslMode::RELEASE_BUFFERS);
    set_cookies(&mut context, cookies);
    set_psk(&mut context, materials.credentials.clone(), notes_index()?);
    let trust = set_certificates(&mut context, materials)?;
    set_connection_id(&mut context, notes_index()?)?;
    Ok(Ground { context: context.build(), trust })
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
        notes.psk = Some(name.to_owned());
        let Some(room) = out.get_mut(..psk.key.len()) else { return Ok(0) };
        room.copy_from_slice(&psk.key);
        // A resumed session must be known to rest on the key that is still in force.
        if !ffi::tag_session(ssl, &openssl::sha::sha256(&psk.key)) {
            return Ok(0);
        }
        Ok(psk.key.len())
    });
}

/// Certificate, key, anchors and what is demanded of the device; yields what device certificates are measured by.
fn set_certificates(context: &mut SslContextBuilder, materials: &Materials) -> Result<Arc<Trust>, SetupError> {
    let pem = |what: &'static str| move |stack: ErrorStack| SetupError::Pem { what, stack };
    let Some(key) = &materials.key else { return Ok(Arc::default()) };
    let key = PKey::private_key_from_pem(key).map_err(pem("key_file"))?;
    if !trust::is_strong(&key) {
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
    let anchors = materials.anchors.as_deref().map_or_else(|| Ok(Vec::new()), X509::stack_from_pem);
    let anchors = anchors.map_err(pem("ca_file"))?;
    let trust = Arc::new(Trust::new(&anchors, materials.revoked.as_deref())?);
    if !anchors.is_empty() {
        let mut store = X509StoreBuilder::new()?;
        let mut names = Stack::new()?;
        for anchor in anchors {
            names.push(anchor.subject_name().to_owned()?)?;
            store.add_cert(anchor)?;
        }
        context.set_verify_cert_store(store.build())?;
        context.set_client_ca_list(names);
    }
    let mode = match (materials.verify_peer, with_keys || materials.anchors.is_some()) {
        (true, _) => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        (false, true) => SslVerifyMode::PEER,
        (false, false) => return Ok(trust),
    };
    let (index, measure) = (notes_index()?, trust.clone());
    context.set_verify_callback(mode, move |verified, chain| verify(&measure, index, verified, chain));
    Ok(trust)
}

/// One certificate of a device's chain, after OpenSSL looked at it.
fn verify(trust: &Trust, index: Index<Ssl, Notes>, verified: bool, chain: &mut X509StoreContextRef) -> bool {
    // A raw public key has no chain: whether it is known is decided after Finished proved that the device holds it.
    let Some(certificate) = chain.current_cert() else { return true };
    let refusal = if verified { trust.refusal(certificate) } else { None };
    let ssl = X509StoreContext::ssl_idx().ok().and_then(|ssl| chain.ex_data(ssl));
    if let (Some(ssl), Some(all)) = (ssl, chain.chain()) {
        if let (Some(notes), Some(leaf)) = (ssl.ex_data(index), all.get(0)) {
            let _ = notes.subject.get_or_init(|| common_name(leaf).unwrap_or_default());
        }
        // The last call is for the device's own certificate: the chain is complete, and its end is the anchor.
        if verified
            && chain.error_depth() == 0
            && let Some(anchor) = all.iter().last().and_then(|anchor| trust::digest(anchor).ok())
            && !ffi::tag_session(ssl, &anchor)
        {
            return false;
        }
    }
    if let Some(refusal) = refusal {
        chain.set_error(refusal);
        return false;
    }
    verified
}

/// The subject's common name.
pub(crate) fn common_name(certificate: &X509Ref) -> Option<String> {
    let name = certificate.subject_name().entries_by_nid(Nid::COMMONNAME).next()?;
    name.data().to_string().ok().map(|text| text.to_string())
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
