//! OpenSSL as a device, over datagrams in memory; keys and certificates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a test fails by panicking; each file uses its part"
)]

use handshake::{Credentials, Effect, Endpoint, Limits, LinkId, Materials, Now};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSession, SslStream, SslVerifyMode};
use openssl::x509::{X509, X509NameBuilder};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, Default)]
pub struct Datagrams {
    pub inbound: VecDeque<Vec<u8>>,
    pub outbound: Vec<Vec<u8>>,
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let datagram = self.inbound.pop_front().ok_or(ErrorKind::WouldBlock)?;
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for Datagrams {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.outbound.push(bytes.to_vec());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A client that resumes a session, if one is given.
pub fn resuming(
    suites: &str,
    set: impl FnOnce(&mut SslContextBuilder),
    session: Option<&SslSession>,
) -> SslStream<Datagrams> {
    let mut context = SslContext::builder(SslMethod::dtls_client()).unwrap();
    context.set_cipher_list(suites).unwrap();
    context.set_options(SslOptions::NO_QUERY_MTU);
    context.set_verify(SslVerifyMode::NONE);
    set(&mut context);
    let context = context.build();
    let mut ssl = Ssl::new(&context).unwrap();
    ssl.set_mtu(1200).unwrap();
    ssl.set_connect_state();
    if let Some(session) = session {
        resume(&mut ssl, session);
    }
    SslStream::new(ssl, Datagrams::default()).unwrap()
}

/// Offers a session of an earlier context.
#[allow(unsafe_code, reason = "the contract forbids sessions of another context: this one is made anew from its bytes")]
fn resume(ssl: &mut Ssl, session: &SslSession) {
    let anew = SslSession::from_der(&session.to_der().unwrap()).unwrap();
    // SAFETY: a session from bytes belongs to no context.
    unsafe { ssl.set_session(&anew).unwrap() };
}

pub fn client(suites: &str, set: impl FnOnce(&mut SslContextBuilder)) -> SslStream<Datagrams> {
    let mut context = SslContext::builder(SslMethod::dtls_client()).unwrap();
    context.set_cipher_list(suites).unwrap();
    context.set_options(SslOptions::NO_QUERY_MTU);
    context.set_verify(SslVerifyMode::NONE);
    set(&mut context);
    let mut ssl = Ssl::new(&context.build()).unwrap();
    ssl.set_mtu(1200).unwrap();
    ssl.set_connect_state();
    SslStream::new(ssl, Datagrams::default()).unwrap()
}

pub fn psk(identity: &'static str, key: &'static [u8]) -> impl FnOnce(&mut SslContextBuilder) {
    move |context| {
        context.set_psk_client_callback(move |_, _, name, out| {
            name[..identity.len()].copy_from_slice(identity.as_bytes());
            name[identity.len()] = 0;
            out[..key.len()].copy_from_slice(key);
            Ok(key.len())
        });
    }
}

pub const KEY: &[u8] = b"0123456789abcdef";

pub fn credentials() -> Arc<Credentials> {
    let text = format!(
        "[[device]]\nidentity = \"dev\"\npsk = \"{}\"\n\n[[device]]\nendpoint = \"bound\"\nidentity = \"two\"\npsk = \"0011223344556677\"\n",
        KEY.iter().map(|b| format!("{b:02x}")).collect::<String>()
    );
    Arc::new(Credentials::parse(&text).unwrap())
}

pub fn gateway(materials: Materials) -> Endpoint {
    Endpoint::new(materials, Limits::default(), Instant::now()).unwrap()
}

pub fn with_psk() -> Endpoint {
    gateway(Materials { credentials: credentials(), ..Materials::default() })
}

pub fn now() -> Now {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Now { instant: Instant::now(), unix }
}

pub fn peer(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Carries datagrams until neither side has more to say; what is not a datagram is returned.
pub fn carry(gateway: &mut Endpoint, client: &mut SslStream<Datagrams>, from: SocketAddr) -> Vec<Effect> {
    let mut told = Vec::new();
    for _ in 0..20 {
        let _ = client.do_handshake();
        let flight = std::mem::take(&mut client.get_mut().outbound);
        if flight.is_empty() {
            break;
        }
        for datagram in flight {
            let mut effects = Vec::new();
            gateway.handle_datagram(now(), from, &datagram, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Transmit(to, bytes) => {
                        assert_eq!(to, from);
                        client.get_mut().inbound.push_back(bytes);
                    }
                    other => told.push(other),
                }
            }
        }
    }
    told
}

pub fn established(told: &[Effect]) -> LinkId {
    told.iter()
        .find_map(|e| if let Effect::Established { link, .. } = e { Some(*link) } else { None })
        .expect("established")
}

pub fn refusal(told: &[Effect]) -> String {
    told.iter()
        .find_map(|e| if let Effect::Refused { refusal: why, .. } = e { Some(why.to_string()) } else { None })
        .expect("refused")
}

/// One message each way.
pub fn exchange_data(gateway: &mut Endpoint, client: &mut SslStream<Datagrams>, link: LinkId, from: SocketAddr) {
    client.write_all(b"from the device").unwrap();
    let datagram = client.get_mut().outbound.pop().unwrap();
    let mut effects = Vec::new();
    gateway.handle_datagram(now(), from, &datagram, &mut effects);
    assert!(
        matches!(&effects[..], [Effect::Data(l, p, data)] if *l == link && *p == from && data == b"from the device"),
        "{effects:?}"
    );
    effects.clear();
    assert!(gateway.seal(link, b"from the gateway", &mut effects));
    let Some(Effect::Transmit(to, bytes)) = effects.pop() else { panic!("{effects:?}") };
    assert_eq!(to, from);
    client.get_mut().inbound.push_back(bytes);
    let mut buffer = [0; 100];
    let read = client.ssl_read(&mut buffer).unwrap();
    assert_eq!(&buffer[..read], b"from the gateway");
}

pub fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub fn certificate(name: &str, key: &PKey<Private>, issuer: Option<(&X509, &PKey<Private>)>) -> X509 {
    certificate_with(name, key, issuer, 9, MessageDigest::sha256())
}

/// Valid from yesterday for so many days from now.
pub fn certificate_with(
    name: &str,
    key: &PKey<Private>,
    issuer: Option<(&X509, &PKey<Private>)>,
    days: i64,
    digest: MessageDigest,
) -> X509 {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(1 + name.bytes().map(u32::from).sum::<u32>()).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(issuer.map_or(&*subject, |(ca, _)| ca.subject_name())).unwrap();
    builder.set_pubkey(key).unwrap();
    let unix = i64::try_from(now().unix).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(unix - 20 * 86_400).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(unix + days * 86_400).unwrap()).unwrap();
    if issuer.is_none() {
        let constraints = openssl::x509::extension::BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(constraints).unwrap();
    }
    builder.sign(issuer.map_or(key, |(_, key)| key), digest).unwrap();
    builder.build()
}

/// A gateway with a certificate, and the authority that it shares with its devices.
pub struct Authority {
    pub key: PKey<Private>,
    pub certificate: X509,
    pub materials: Materials,
}

impl Authority {
    pub fn new() -> Authority {
        let (ca_key, gateway_key) = (key(), key());
        let ca = certificate("authority", &ca_key, None);
        let ours = certificate("gateway", &gateway_key, Some((&ca, &ca_key)));
        let materials = Materials {
            certificate: Some(ours.to_pem().unwrap()),
            key: Some(gateway_key.private_key_to_pem_pkcs8().unwrap()),
            anchors: Some(ca.to_pem().unwrap()),
            verify_peer: true,
            ..Materials::default()
        };
        Authority { key: ca_key, certificate: ca, materials }
    }

    pub fn issue(&self, name: &str, key: &PKey<Private>) -> X509 {
        certificate(name, key, Some((&self.certificate, &self.key)))
    }
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(length) if length < 128 => out.push(length),
        _ => {
            out.push(0x82);
            out.extend_from_slice(&u16::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

impl Authority {
    /// A revocation list (RFC 5280 §5) that names these certificates, as PEM.
    pub fn revoke(&self, certificates: &[&X509]) -> Vec<u8> {
        let algorithm = [0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
        let time = der(0x17, b"250101000000Z");
        let entry = |certificate: &&X509| {
            let serial = certificate.serial_number().to_bn().unwrap().to_vec();
            let serial = if serial[0] > 127 { [&[0], &serial[..]].concat() } else { serial };
            der(0x30, &[der(2, &serial), time.clone()].concat())
        };
        let entries: Vec<u8> = certificates.iter().flat_map(entry).collect();
        let name = self.certificate.subject_name().to_der().unwrap();
        let list = der(0x30, &[&der(2, &[1])[..], &algorithm, &name, &time, &der(0x30, &entries)].concat());
        let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        signer.update(&list).unwrap();
        let signature = [&[0], &signer.sign_to_vec().unwrap()[..]].concat();
        let whole = der(0x30, &[&list[..], &algorithm, &der(3, &signature)].concat());
        openssl::x509::X509Crl::from_der(&whole).unwrap().to_pem().unwrap()
    }
}

/// A client that shows this certificate.
pub fn certified(suite: &str, certificate: &X509, key: &PKey<Private>) -> SslStream<Datagrams> {
    client(&format!("{suite}:@SECLEVEL=0"), |context| {
        context.set_certificate(certificate).unwrap();
        context.set_private_key(key).unwrap();
    })
}
