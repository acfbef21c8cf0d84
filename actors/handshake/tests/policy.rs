//! What the gateway insists on: keys and signatures of devices, versions, no renegotiation, the extended master secret, datagram sizes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use dtls::record::records;
use dtls::replay::ReplayWindow;
use dtls::{Aead, Alert, Association, ContentType, KeyBlock, Suite};
use handshake::{Credentials, Effect, Endpoint, Limits, Materials, SetupError};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslOptions, SslVersion};
use std::time::Instant;

const SUITE: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";

fn on_curve(curve: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
}

#[test]
fn device_certificates_that_are_weak_or_expired_are_refused_in_words() {
    let authority = Authority::new();
    let (good, weak) = (key(), PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap());
    let curve = on_curve(Nid::SECP256K1);
    let issuer = Some((&authority.certificate, &authority.key));
    let sha256 = MessageDigest::sha256();
    for (certificate, key, why) in [
        (certificate_with("meter-7", &good, issuer, -1, sha256), &good, "certificate has expired"),
        (certificate_with("meter-7", &weak, issuer, 9, sha256), &weak, "EE certificate key too weak"),
        (
            certificate_with("meter-7", &good, issuer, 9, MessageDigest::sha1()),
            &good,
            "CA signature digest algorithm too weak",
        ),
        (certificate_with("meter-7", &good, None, 9, sha256), &good, "self-signed certificate"),
    ] {
        let mut gateway = gateway(authority.materials.clone());
        let mut client = certified(SUITE, &certificate, key);
        let told = carry(&mut gateway, &mut client, peer(1));
        assert_eq!(refusal(&told), format!("device certificate refused: {why}"));
        let who = told.iter().find_map(|e| if let Effect::Refused { who, .. } = e { who.clone() } else { None });
        assert_eq!(who.as_deref(), Some("meter-7"), "the operator learns which device it is");
    }
    // A curve outside of the list cannot even be offered by this client; as a certificate's key it is refused.
    let certificate = certificate_with("meter-7", &curve, issuer, 9, sha256);
    let mut gateway = gateway(authority.materials.clone());
    let told = carry(&mut gateway, &mut certified(SUITE, &certificate, &curve), peer(1));
    assert!(!told.iter().any(|e| matches!(e, Effect::Established { .. })), "{told:?}");
}

#[test]
fn weak_keys_of_the_gateway_are_refused_at_the_start() {
    let rsa = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
    for weak in [rsa, on_curve(Nid::SECP256K1), on_curve(Nid::SECP224R1)] {
        let materials = Materials {
            certificate: Some(certificate("gateway", &weak, None).to_pem().unwrap()),
            key: Some(weak.private_key_to_pem_pkcs8().unwrap()),
            ..Materials::default()
        };
        let refused = Endpoint::new(materials, Limits::default(), Instant::now());
        assert!(matches!(refused, Err(SetupError::Weak("key_file"))));
    }
}

#[test]
fn pre_shared_keys_below_eight_bytes_are_refused_and_below_sixteen_counted() {
    let text = |digits: &str| format!("[[device]]\nidentity=\"a\"\npsk=\"{digits}\"");
    let refused = Credentials::parse(&text("00112233445566")).unwrap_err();
    assert_eq!(refused[0].to_string(), "device entry 1 (a): psk must have 8 to 64 bytes");
    assert_eq!(Credentials::parse(&text("0011223344556677")).unwrap().short_psks(), 1);
    assert_eq!(Credentials::parse(&text(&"00".repeat(16))).unwrap().short_psks(), 0);
}

#[test]
fn the_extended_master_secret_is_used_when_offered_and_not_demanded() {
    const NO_EXTENDED_MASTER_SECRET: u64 = 1;
    for offered in [true, false] {
        let mut gateway = with_psk();
        let mut client = client("PSK-AES128-CCM8:@SECLEVEL=0", |context| {
            psk("dev", KEY)(context);
            if !offered {
                context.set_options(SslOptions::from_bits_retain(NO_EXTENDED_MASTER_SECRET));
            }
        });
        let link = established(&carry(&mut gateway, &mut client, peer(1)));
        assert_eq!(client.ssl().extms_support(), Some(offered));
        exchange_data(&mut gateway, &mut client, link, peer(1));
    }
}

#[test]
fn dtls_1_0_is_refused() {
    let mut gateway = with_psk();
    let mut client = client("PSK-AES128-CBC-SHA:@SECLEVEL=0", |context| {
        psk("dev", KEY)(context);
        context.set_min_proto_version(Some(SslVersion::DTLS1)).unwrap();
        context.set_max_proto_version(Some(SslVersion::DTLS1)).unwrap();
    });
    assert_eq!(refusal(&carry(&mut gateway, &mut client, peer(1))), "device does not speak DTLS 1.2");
}

#[test]
fn a_suite_outside_of_the_configured_list_is_refused() {
    let suites = vec!["PSK-AES128-GCM-SHA256".to_owned()];
    let mut gateway = gateway(Materials { credentials: credentials(), suites, ..Materials::default() });
    let mut other = client("PSK-AES128-CCM8:@SECLEVEL=0", psk("dev", KEY));
    assert_eq!(
        refusal(&carry(&mut gateway, &mut other, peer(1))),
        "no common cipher suite, curve or signature algorithm"
    );
    let mut listed = client("PSK-AES128-GCM-SHA256:@SECLEVEL=0", psk("dev", KEY));
    established(&carry(&mut gateway, &mut listed, peer(1)));
    let unknown = Materials { credentials: credentials(), suites: vec!["NONSENSE".to_owned()], ..Materials::default() };
    assert!(matches!(Endpoint::new(unknown, Limits::default(), Instant::now()), Err(SetupError::Suites(_))));
}

#[test]
fn a_client_hello_within_an_association_is_answered_with_no_renegotiation() {
    let mut gateway = with_psk();
    let mut client = client("PSK-AES128-GCM-SHA256:@SECLEVEL=0", psk("dev", KEY));
    let link = established(&carry(&mut gateway, &mut client, peer(1)));
    let mut master = [0; 48];
    client.ssl().session().unwrap().master_key(&mut master);
    let (mut client_random, mut server_random) = ([0; 32], [0; 32]);
    client.ssl().client_random(&mut client_random);
    client.ssl().server_random(&mut server_random);
    let keys = KeyBlock::derive(&master, &client_random, &server_random).unwrap();
    let mut device = Association::new(Suite::Gcm, keys.mirrored(), 50, ReplayWindow::default(), None, None);
    device.reserve(10);
    let (mut aead, mut wire, mut plaintext) = (Aead::new().unwrap(), Vec::new(), Vec::new());
    let hello = [&[1, 0, 0, 42, 0, 3, 0, 0, 0, 0, 0, 42][..], &[0; 42]].concat();
    device.seal(&mut aead, ContentType::HANDSHAKE, &hello, &mut wire).unwrap();
    let mut effects = Vec::new();
    gateway.handle_datagram(now(), peer(1), &wire, &mut effects);
    let [Effect::Transmit(_, answer)] = &effects[..] else { panic!("{effects:?}") };
    let record = records(answer, 0).next().unwrap();
    let opened = device.open(&mut aead, &record, &mut plaintext).unwrap();
    assert_eq!(opened.content_type, ContentType::ALERT);
    assert_eq!(Alert::parse(&plaintext), Some(Alert::NO_RENEGOTIATION));
    exchange_data(&mut gateway, &mut client, link, peer(1));
}

#[test]
fn a_client_that_begins_anew_in_the_middle_of_a_handshake_is_served() {
    let mut gateway = with_psk();
    // The first attempt gets as far as the gateway's flight; then the client loses power.
    let mut first = client("PSK-AES128-CCM8:@SECLEVEL=0", psk("dev", KEY));
    for _ in 0..2 {
        let _ = first.do_handshake();
        let mut effects = Vec::new();
        for datagram in std::mem::take(&mut first.get_mut().outbound) {
            gateway.handle_datagram(now(), peer(1), &datagram, &mut effects);
        }
        for effect in effects {
            let Effect::Transmit(_, bytes) = effect else { panic!("{effect:?}") };
            first.get_mut().inbound.push_back(bytes);
        }
    }
    assert_eq!(gateway.sizes(), (0, 1));
    let mut second = client("PSK-AES128-CCM8:@SECLEVEL=0", psk("dev", KEY));
    let link = established(&carry(&mut gateway, &mut second, peer(1)));
    exchange_data(&mut gateway, &mut second, link, peer(1));
    assert_eq!(gateway.sizes(), (1, 0));
}

#[test]
fn handshake_datagrams_keep_to_the_mtu() {
    let authority = Authority::new();
    let device_key = key();
    let certificate = authority.issue("meter-7", &device_key);
    for mtu in [256, 512, 1200] {
        let mut gateway = gateway(Materials { mtu, ..authority.materials.clone() });
        let mut client = certified(SUITE, &certificate, &device_key);
        let mut largest = 0;
        for _ in 0..10 {
            let _ = client.do_handshake();
            for datagram in std::mem::take(&mut client.get_mut().outbound) {
                let mut effects = Vec::new();
                gateway.handle_datagram(now(), peer(1), &datagram, &mut effects);
                for effect in effects {
                    if let Effect::Transmit(_, bytes) = effect {
                        largest = largest.max(bytes.len());
                        client.get_mut().inbound.push_back(bytes);
                    }
                }
            }
        }
        assert!(client.do_handshake().is_ok());
        assert!(largest <= mtu as usize && largest > 200, "{largest} bytes at an MTU of {mtu}");
    }
}
