//! What makes a device certificate good: its anchor, its time, its key, and that nobody revoked it.
use crate::context::SetupError;
use crate::ffi;
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKeyRef};
use openssl::x509::{CrlStatus, X509, X509Crl, X509NameRef, X509Ref, X509VerifyResult};
use serde::{Deserialize, Serialize};

/// SHA-256 of something public.
pub(crate) type Digest = [u8; 32];

/// Numbers of OpenSSL's verification results (`x509_vfy.h`).
const REVOKED: i32 = 23;
const KEY_TOO_SMALL: i32 = 66;
const DIGEST_TOO_WEAK: i32 = 68;

/// What stays of a device certificate after the handshake.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Leaf {
    /// SHA-256 of the trust anchor that it leads to.
    anchor: Digest,
    /// SHA-256 of its issuer's name.
    issuer: Digest,
    serial: Box<[u8]>,
    /// Unix seconds after which it is worth nothing.
    expires: i64,
}

/// Anchors and revocation lists of a listener.
#[derive(Default)]
pub(crate) struct Trust {
    anchors: Vec<Digest>,
    revoked: Vec<(Digest, X509Crl)>,
}

impl Trust {
    pub(crate) fn new(anchors: &[X509], lists: Option<&[u8]>) -> Result<Trust, SetupError> {
        let anchors = anchors.iter().map(|anchor| digest(anchor)).collect::<Result<_, _>>()?;
        let pem = |stack| SetupError::Pem { what: "crl_file", stack };
        let mut revoked = Vec::new();
        for list in lists.map_or_else(|| Ok(Vec::new()), revocation_lists).map_err(pem)? {
            revoked.push((name_digest(list.issuer_name())?, list));
        }
        Ok(Trust { anchors, revoked })
    }

    /// One certificate of a chain that OpenSSL verified; the reason for refusing it.
    pub(crate) fn refusal(&self, certificate: &X509Ref) -> Option<X509VerifyResult> {
        let strong = certificate.public_key().is_ok_and(|key| is_strong(&key));
        // An anchor is trusted for itself, not for its signature.
        let anchor = digest(certificate).is_ok_and(|digest| self.anchors.contains(&digest));
        let number = match () {
            () if !strong => KEY_TOO_SMALL,
            () if !anchor && !has_strong_signature(certificate) => DIGEST_TOO_WEAK,
            () if self.is_revoked(certificate) => REVOKED,
            () => return None,
        };
        Some(ffi::verify_result(number))
    }

    fn is_revoked(&self, certificate: &X509Ref) -> bool {
        let Ok(issuer) = name_digest(certificate.issuer_name()) else { return true };
        let serial = certificate.serial_number();
        self.revoked
            .iter()
            .filter(|(name, _)| *name == issuer)
            .any(|(_, list)| matches!(list.get_by_serial(serial), CrlStatus::Revoked(_)))
    }

    /// Why an established or resumed session is worth nothing any more.
    pub(crate) fn withdrawn(&self, leaf: &Leaf, unix: i64) -> Option<&'static str> {
        if leaf.expires < unix {
            return Some("certificate has expired");
        }
        if !self.anchors.contains(&leaf.anchor) {
            return Some("its certificate authority is not trusted any more");
        }
        let serial = BigNum::from_slice(&leaf.serial).and_then(|serial| serial.to_asn1_integer());
        let Ok(serial) = serial else { return Some("its serial number cannot be read") };
        let mut lists = self.revoked.iter().filter(|(issuer, _)| *issuer == leaf.issuer);
        let revoked = lists.any(|(_, list)| matches!(list.get_by_serial(&serial), CrlStatus::Revoked(_)));
        revoked.then_some("certificate revoked")
    }
}

impl Leaf {
    /// Of a device's certificate and the digest of its anchor.
    pub(crate) fn new(certificate: &X509Ref, anchor: Digest) -> Result<Leaf, ErrorStack> {
        let epoch = openssl::asn1::Asn1Time::from_unix(0)?;
        let until = epoch.diff(certificate.not_after())?;
        Ok(Leaf {
            anchor,
            issuer: name_digest(certificate.issuer_name())?,
            serial: certificate.serial_number().to_bn()?.to_vec().into(),
            expires: i64::from(until.days) * 86_400 + i64::from(until.secs),
        })
    }
}

/// P-256 or better, RSA with 2048 bits or more, or an Edwards curve.
pub(crate) fn is_strong<T: HasPublic>(key: &PKeyRef<T>) -> bool {
    const CURVES: [Nid; 3] = [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1];
    match key.id() {
        Id::RSA | Id::RSA_PSS => key.bits() >= 2048,
        Id::EC => {
            let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
            curve.is_some_and(|curve| CURVES.contains(&curve))
        }
        Id::ED25519 | Id::ED448 => true,
        _ => false,
    }
}

/// Not by MD5 or SHA-1, which the lowered security level would let pass.
fn has_strong_signature(certificate: &X509Ref) -> bool {
    let Some(algorithms) = certificate.signature_algorithm().object().nid().signature_algorithms() else {
        return false;
    };
    // Ed25519 and Ed448 name no digest of their own.
    !matches!(algorithms.digest, Nid::MD5 | Nid::SHA1 | Nid::MD5_SHA1)
}

pub(crate) fn digest(certificate: &X509Ref) -> Result<Digest, ErrorStack> {
    Ok(openssl::sha::sha256(&certificate.to_der()?))
}

fn name_digest(name: &X509NameRef) -> Result<Digest, ErrorStack> {
    Ok(openssl::sha::sha256(&name.to_der()?))
}

fn revocation_lists(pem: &[u8]) -> Result<Vec<X509Crl>, ErrorStack> {
    const END: &str = "-----END X509 CRL-----";
    let text = String::from_utf8_lossy(pem);
    text.split_inclusive(END).filter(|part| part.contains(END)).map(|part| X509Crl::from_pem(part.as_bytes())).collect()
}
