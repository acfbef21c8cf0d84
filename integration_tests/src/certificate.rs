//! Keys and certificates of the tests' own, on P-256.
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

/// A private key, its public half, and perhaps a certificate of it.
#[derive(Clone, Debug)]
pub struct Holder {
    key: PKey<Private>,
    certificate: Option<X509>,
}

impl Holder {
    /// A fresh key without certificate.
    pub fn new() -> Holder {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256 is known");
        let key = EcKey::generate(&group).and_then(PKey::from_ec_key).expect("a key can be made");
        Holder { key, certificate: None }
    }

    /// A fresh authority that has signed itself.
    pub fn authority(name: &str) -> Holder {
        let mut holder = Holder::new();
        holder.certificate = Some(certificate(&holder, name, None));
        holder
    }

    /// A fresh key with a certificate of this authority. The name stands in CN; one that is an IP address is an alternative name too.
    pub fn issue(&self, name: &str) -> Holder {
        let mut holder = Holder::new();
        holder.certificate = Some(certificate(&holder, name, Some(self)));
        holder
    }

    /// Private key, PKCS #8 DER.
    pub fn private(&self) -> Vec<u8> {
        self.key.private_key_to_pkcs8().expect("a key can be written")
    }

    /// Private key, PEM.
    pub fn private_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().expect("a key can be written")
    }

    /// Public key, SubjectPublicKeyInfo DER.
    pub fn public(&self) -> Vec<u8> {
        self.key.public_key_to_der().expect("a key can be written")
    }

    /// Certificate, DER.
    pub fn certificate(&self) -> Vec<u8> {
        self.own_certificate().to_der().expect("a certificate can be written")
    }

    /// Certificate, PEM.
    pub fn certificate_pem(&self) -> Vec<u8> {
        self.own_certificate().to_pem().expect("a certificate can be written")
    }

    fn own_certificate(&self) -> &X509 {
        self.certificate.as_ref().expect("this key has a certificate")
    }
}

impl Default for Holder {
    fn default() -> Self {
        Holder::new()
    }
}

fn certificate(holder: &Holder, name: &str, authority: Option<&Holder>) -> X509 {
    let build = || -> Result<X509, openssl::error::ErrorStack> {
        let mut subject = X509NameBuilder::new()?;
        subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
        let subject = subject.build();
        let mut serial = BigNum::new()?;
        serial.rand(100, MsbOption::MAYBE_ZERO, false)?;
        let serial = Asn1Integer::from_bn(&serial)?;
        let mut builder = X509Builder::new()?;
        builder.set_version(2)?;
        builder.set_serial_number(&serial)?;
        builder.set_subject_name(&subject)?;
        builder.set_pubkey(&holder.key)?;
        builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        builder.set_not_after(&*Asn1Time::days_from_now(30)?)?;
        match authority {
            Some(authority) => {
                builder.set_issuer_name(authority.own_certificate().subject_name())?;
                builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
                if name.parse::<std::net::IpAddr>().is_ok() {
                    let context = builder.x509v3_context(Some(authority.own_certificate()), None);
                    let alternative = SubjectAlternativeName::new().ip(name).build(&context)?;
                    builder.append_extension(alternative)?;
                }
                builder.sign(&authority.key, MessageDigest::sha256())?;
            }
            None => {
                builder.set_issuer_name(&subject)?;
                builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
                builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
                builder.sign(&holder.key, MessageDigest::sha256())?;
            }
        }
        Ok(builder.build())
    };
    build().expect("a certificate can be made")
}
