//! Handshakes with OpenSSL's client over datagrams in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use handshake::{Closure, Credentials, Effect, Endpoint, Limits, LinkId, Materials, Refusal};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslStream, SslVerifyMode};
use openssl::x509::{X509, X509NameBuilder};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
struct Datagrams {
    inbound: VecDeque<Vec<u8>>,
    outbound: Vec<Vec<u8>>,
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

fn client(suites: &str, set: impl FnOnce(&mut SslContextBuilder)) -> SslStream<Datagrams> {
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

fn psk(identity: &'static str, key: &'static [u8]) -> impl FnOnce(&mut SslContextBuilder) {
    move |context| {
        context.set_psk_client_callback(move |_, _, name, out| {
            name[..identity.len()].copy_from_slice(identity.as_bytes());
            name[identity.len()] = 0;
            out[..key.len()].copy_from_slice(key);
            Ok(key.len())
        });
    }
}

const KEY: &[u8] = b"0123456789abcdef";

fn credentials() -> Arc<Credentials> {
    let text = format!(
        "[[device]]\nidentity = \"dev\"\npsk = \"{}\"\n\n[[device]]\nendpoint = \"bound\"\nidentity = \"two\"\npsk = \"00\"\n",
        KEY.iter().map(|b| format!("{b:02x}")).collect::<String>()
    );
    Arc::new(Credentials::parse(&text).unwrap())
}

fn gateway(materials: Materials) -> Endpoint {
    Endpoint::new(materials, Limits::default(), Instant::now()).unwrap()
}

fn with_psk() -> Endpoint {
    gateway(Materials { credentials: credentials(), ..Materials::default() })
}

fn peer(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Carries datagrams until neither side has more to say; what is not a datagram is returned.
fn carry(gateway: &mut Endpoint, client: &mut SslStream<Datagrams>, from: SocketAddr) -> Vec<Effect> {
    let mut told = Vec::new();
    for _ in 0..20 {
        let _ = client.do_handshake();
        let flight = std::mem::take(&mut client.get_mut().outbound);
        if flight.is_empty() {
            break;
        }
        for datagram in flight {
            let mut effects = Vec::new();
            gateway.handle_datagram(Instant::now(), from, &datagram, &mut effects);
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

fn established(told: &[Effect]) -> LinkId {
    told.iter()
        .find_map(|e| if let Effect::Established { link, .. } = e { Some(*link) } else { None })
        .expect("established")
}

fn refusal(told: &[Effect]) -> String {
    told.iter()
        .find_map(|e| if let Effect::Refused(_, why) = e { Some(why.to_string()) } else { None })
        .expect("refused")
}

/// One message each way.
fn exchange_data(gateway: &mut Endpoint, client: &mut SslStream<Datagrams>, link: LinkId, from: SocketAddr) {
    client.write_all(b"from the device").unwrap();
    let datagram = client.get_mut().outbound.pop().unwrap();
    let mut effects = Vec::new();
    gateway.handle_datagram(Instant::now(), from, &datagram, &mut effects);
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

#[test]
fn psk_devices_come_in_with_every_offered_suite_and_data_flows() {
    for suite in [
        "PSK-AES128-CCM8",
        "PSK-AES128-CCM",
        "PSK-AES128-GCM-SHA256",
        "PSK-AES128-CBC-SHA256",
        "ECDHE-PSK-AES128-CBC-SHA256",
    ] {
        let mut gateway = with_psk();
        let mut client = client(&format!("{suite}:@SECLEVEL=0"), psk("dev", KEY));
        let told = carry(&mut gateway, &mut client, peer(1));
        let link = established(&told);
        let identity = gateway.identity(link).unwrap();
        assert!(identity.may_register("dev") && !identity.may_register("bound"), "{suite}");
        exchange_data(&mut gateway, &mut client, link, peer(1));
        assert_eq!(gateway.sizes(), (1, 0));
    }
}

#[test]
fn refusals_tell_the_operator_what_to_do() {
    let mut gateway = with_psk();
    let mut unknown = client("PSK-AES128-CCM8:@SECLEVEL=0", psk("nobody", KEY));
    assert_eq!(
        refusal(&carry(&mut gateway, &mut unknown, peer(1))),
        r#"unknown PSK identity "nobody": no entry in the credentials"#
    );
    let mut wrong = client("PSK-AES128-CCM8:@SECLEVEL=0", psk("dev", b"another key 1234"));
    let told = carry(&mut gateway, &mut wrong, peer(2));
    // A Finished that cannot be opened is dropped silently (RFC 6347 §4.1.2.7): nobody is in, and the handshake runs out of time.
    assert!(!told.iter().any(|e| matches!(e, Effect::Established { .. })));
    let mut effects = Vec::new();
    gateway.handle_timeout(Instant::now() + Duration::from_secs(100), &mut effects);
    assert!(
        effects.iter().any(|e| matches!(e, Effect::Refused(_, Refusal::TimedOut | Refusal::WrongKey))),
        "{effects:?}"
    );
    let mut foreign = client("PSK-AES256-GCM-SHA384:@SECLEVEL=0", psk("dev", KEY));
    assert_eq!(
        refusal(&carry(&mut gateway, &mut foreign, peer(3))),
        "no common cipher suite, curve or signature algorithm"
    );
    assert_eq!(gateway.sizes(), (0, 0));
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn certificate(name: &str, key: &PKey<Private>, issuer: Option<(&X509, &PKey<Private>)>) -> X509 {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(issuer.map_or(&*subject, |(ca, _)| ca.subject_name())).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(9).unwrap()).unwrap();
    if issuer.is_none() {
        let constraints = openssl::x509::extension::BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(constraints).unwrap();
    }
    builder.sign(issuer.map_or(key, |(_, key)| key), MessageDigest::sha256()).unwrap();
    builder.build()
}

#[test]
fn certificates_bind_names_and_strangers_are_refused() {
    let (ca_key, gateway_key, device_key) = (key(), key(), key());
    let ca = certificate("authority", &ca_key, None);
    let ours = certificate("gateway", &gateway_key, Some((&ca, &ca_key)));
    let theirs = certificate("meter-7", &device_key, Some((&ca, &ca_key)));
    let stranger = certificate("meter-7", &device_key, None);
    let mut gateway = gateway(Materials {
        certificate: Some(ours.to_pem().unwrap()),
        key: Some(gateway_key.private_key_to_pem_pkcs8().unwrap()),
        anchors: Some(ca.to_pem().unwrap()),
        verify_peer: true,
        ..Materials::default()
    });
    for suite in ["ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"] {
        let mut client = client(&format!("{suite}:@SECLEVEL=0"), |context| {
            context.set_certificate(&theirs).unwrap();
            context.set_private_key(&device_key).unwrap();
        });
        let link = established(&carry(&mut gateway, &mut client, peer(1)));
        assert!(gateway.identity(link).unwrap().may_register("meter-7"), "{suite}");
        exchange_data(&mut gateway, &mut client, link, peer(1));
    }
    let mut unknown = client("ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", |context| {
        context.set_certificate(&stranger).unwrap();
        context.set_private_key(&device_key).unwrap();
    });
    assert!(refusal(&carry(&mut gateway, &mut unknown, peer(2))).starts_with("device certificate refused"));
    let mut bare = client("ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", |_| {});
    assert!(refusal(&carry(&mut gateway, &mut bare, peer(3))).starts_with("device certificate refused"));
}

#[test]
fn client_hellos_without_a_right_cookie_leave_nothing_behind() {
    let mut gateway = with_psk();
    let mut client = client("PSK-AES128-CCM8:@SECLEVEL=0", psk("dev", KEY));
    let _ = client.do_handshake();
    let hello = client.get_mut().outbound.pop().unwrap();
    for port in 0..10_000u16 {
        let mut effects = Vec::new();
        gateway.handle_datagram(Instant::now(), peer(port), &hello, &mut effects);
        assert!(matches!(&effects[..], [Effect::Transmit(_, bytes)] if bytes.len() < hello.len()), "no amplification");
    }
    assert_eq!(gateway.sizes(), (0, 0));
    assert_eq!(gateway.counters().handshakes_begun, 0);
}

#[test]
fn an_association_outlives_a_new_handshake_from_its_address_until_that_finishes() {
    let mut gateway = with_psk();
    let mut first = client("PSK-AES128-CCM8:@SECLEVEL=0", psk("dev", KEY));
    let old = established(&carry(&mut gateway, &mut first, peer(1)));
    // A second client at the same address gets as far as the cookie.
    let mut second = client("PSK-AES128-CCM8:@SECLEVEL=0", psk("dev", KEY));
    for _ in 0..2 {
        let _ = second.do_handshake();
        let mut effects = Vec::new();
        for datagram in std::mem::take(&mut second.get_mut().outbound) {
            gateway.handle_datagram(Instant::now(), peer(1), &datagram, &mut effects);
        }
        for effect in effects {
            let Effect::Transmit(_, bytes) = effect else { panic!("{effect:?}") };
            second.get_mut().inbound.push_back(bytes);
        }
    }
    assert_eq!(gateway.sizes(), (1, 1));
    exchange_data(&mut gateway, &mut first, old, peer(1));
    let told = carry(&mut gateway, &mut second, peer(1));
    let new = established(&told);
    assert!(told.iter().any(|e| matches!(e, Effect::Closed(id, ..) if *id == old)));
    exchange_data(&mut gateway, &mut second, new, peer(1));
    assert_eq!(gateway.sizes(), (1, 0));
}

#[test]
fn a_stored_association_goes_on_after_a_restart() {
    let mut before = with_psk();
    let mut client = client("PSK-AES128-CCM8:@SECLEVEL=0", psk("dev", KEY));
    let link = established(&carry(&mut before, &mut client, peer(1)));
    let stored = before.stored(link).unwrap();
    exchange_data(&mut before, &mut client, link, peer(1));
    drop(before);
    let mut after = with_psk();
    let mut effects = Vec::new();
    let link = after.restore(stored.clone(), &mut effects).unwrap();
    assert!(matches!(effects[..], [Effect::Store(_)]));
    exchange_data(&mut after, &mut client, link, peer(1));
    let mut without = gateway(Materials {
        credentials: Arc::new(Credentials::parse("[[device]]\nidentity=\"x\"\npsk=\"00\"").unwrap()),
        ..Materials::default()
    });
    assert!(without.restore(stored, &mut effects).is_none());
}

#[test]
fn withdrawn_credentials_close_the_association() {
    let mut gateway = with_psk();
    let mut client = client("PSK-AES128-CCM8:@SECLEVEL=0", psk("dev", KEY));
    let link = established(&carry(&mut gateway, &mut client, peer(1)));
    let mut effects = Vec::new();
    gateway.reload(Materials { credentials: credentials(), ..Materials::default() }, &mut effects).unwrap();
    assert!(effects.is_empty());
    let other = Arc::new(Credentials::parse("[[device]]\nidentity=\"dev\"\npsk=\"ff\"").unwrap());
    gateway.reload(Materials { credentials: other, ..Materials::default() }, &mut effects).unwrap();
    assert!(effects.iter().any(|e| matches!(e, Effect::Closed(id, _, Closure::Withdrawn) if *id == link)));
}

#[test]
fn bad_credentials_name_the_entry_and_no_secret() {
    let cases = [
        ("[[device]]\nidentity=\"a\"\npsk=\"0g\"", "device entry 1 (a): psk is not hex with an even number of digits"),
        ("[[device]]\nidentity=\"a\"", "device entry 1 (a): psk is missing"),
        ("[[device]]\npsk=\"00\"", "device entry 1: identity is missing"),
        (
            "[[device]]\nendpoint=\"e\"\npublic_key=\"AAAA\"",
            "device entry 1 (e): public_key is not a SubjectPublicKeyInfo",
        ),
        (
            "[[device]]\nidentity=\"a\"\npsk=\"00\"\n[[device]]\nidentity=\"a\"\npsk=\"01\"",
            "device entry 2 (a): identity stands twice",
        ),
    ];
    for (text, expected) in cases {
        let findings = Credentials::parse(text).unwrap_err();
        assert_eq!(findings.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
    let syntax = Credentials::parse("[[device]]\nidentity=\"a\"\npsk=\"secret\"\ncolour=1\n").unwrap_err();
    assert!(syntax[0].to_string().starts_with("line "), "{syntax:?}");
    assert!(!format!("{syntax:?}").contains("secret"));
}
