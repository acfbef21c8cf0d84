//! A certificate authority of the test's own.
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};
use std::path::{Path, PathBuf};

/// Issues certificates; keys are P-256.
#[derive(Debug)]
pub struct Authority {
    key: PKey<Private>,
    certificate: X509,
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("OpenSSL knows P-256");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn begin(name: &str, key: &PKey<Private>) -> X509Builder {
    let mut builder = X509::builder().expect("a certificate");
    builder.set_version(2).expect("version 3");
    let serial = BigNum::from_u32(rand::random::<u32>() >> 1).expect("a number");
    builder.set_serial_number(&Asn1Integer::from_bn(&serial).expect("a serial number")).expect("a serial number");
    builder.set_subject_name(&common_name(name)).expect("a subject");
    builder.set_pubkey(key).expect("a key");
    builder.set_not_before(&Asn1Time::days_from_now(0).expect("a time")).expect("a time");
    builder.set_not_after(&Asn1Time::days_from_now(30).expect("a time")).expect("a time");
    builder
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Authority {
        let key = key();
        let mut builder = begin(name, &key);
        let constraints = BasicConstraints::new().critical().ca().build().expect("an extension");
        builder.append_extension(constraints).expect("an extension");
        builder.set_issuer_name(&common_name(name)).expect("an issuer");
        builder.sign(&key, MessageDigest::sha256()).expect("a signature");
        Authority { certificate: builder.build(), key }
    }

    /// Its certificate as a PEM file.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let file = folder.join(name);
        std::fs::write(&file, self.certificate.to_pem().expect("PEM")).expect("a file can be written");
        file
    }

    /// Certificate and key for a name, valid for 127.0.0.1, as `STEM.crt` and `STEM.key`.
    pub fn issue(&self, common_name: &str, folder: &Path, stem: &str) -> (PathBuf, PathBuf) {
        let key = key();
        let mut builder = begin(common_name, &key);
        builder.set_issuer_name(self.certificate.subject_name()).expect("an issuer");
        let context = builder.x509v3_context(Some(&self.certificate), None);
        let names = SubjectAlternativeName::new().ip("127.0.0.1").build(&context).expect("an extension");
        builder.append_extension(names).expect("an extension");
        builder.sign(&self.key, MessageDigest::sha256()).expect("a signature");
        let (certificate_file, key_file) = (folder.join(format!("{stem}.crt")), folder.join(format!("{stem}.key")));
        std::fs::write(&certificate_file, builder.build().to_pem().expect("PEM")).expect("a file can be written");
        std::fs::write(&key_file, key.private_key_to_pem_pkcs8().expect("PEM")).expect("a file can be written");
        (certificate_file, key_file)
    }
}

fn common_name(name: &str) -> X509Name {
    let mut subject = X509NameBuilder::new().expect("a name");
    subject.append_entry_by_text("CN", name).expect("a common name");
    subject.build()
}
