//! Handshakes with OpenSSL's client over datagrams in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use handshake::{Closure, Credentials, Effect, Materials, Now};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    // A Finished that cannot be opened is dropped silently (RFC 6347 §4.1.2.7); the operator is told at once all the same, and once.
    assert_eq!(refusal(&told), "wrong key: device and gateway hold different keys for this identity");
    assert!(!told.iter().any(|e| matches!(e, Effect::Established { .. })));
    let mut effects = Vec::new();
    gateway.handle_timeout(Now { instant: Instant::now() + Duration::from_secs(100), ..now() }, &mut effects);
    assert!(!effects.iter().any(|e| matches!(e, Effect::Refused { .. })), "{effects:?}");
    let mut foreign = client("PSK-AES256-GCM-SHA384:@SECLEVEL=0", psk("dev", KEY));
    assert_eq!(
        refusal(&carry(&mut gateway, &mut foreign, peer(3))),
        "no common cipher suite, curve or signature algorithm"
    );
    assert_eq!(gateway.sizes(), (0, 0));
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
        gateway.handle_datagram(now(), peer(port), &hello, &mut effects);
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
            gateway.handle_datagram(now(), peer(1), &datagram, &mut effects);
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
    assert!(after.restore(now(), link, stored.clone()));
    // Numbers are reserved and stored before the first is used.
    assert!(after.seal(link, b"down", &mut effects));
    assert!(matches!(effects[..], [Effect::Store { .. }, Effect::Transmit(..)]), "{effects:?}");
    exchange_data(&mut after, &mut client, link, peer(1));
    let mut without = gateway(Materials {
        credentials: Arc::new(Credentials::parse("[[device]]\nidentity=\"x\"\npsk=\"0011223344556677\"").unwrap()),
        ..Materials::default()
    });
    assert!(!without.restore(now(), link, stored));
}

#[test]
fn withdrawn_credentials_close_the_association() {
    let mut gateway = with_psk();
    let mut client = client("PSK-AES128-CCM8:@SECLEVEL=0", psk("dev", KEY));
    let link = established(&carry(&mut gateway, &mut client, peer(1)));
    let mut effects = Vec::new();
    gateway.reload(now(), Materials { credentials: credentials(), ..Materials::default() }, &mut effects).unwrap();
    assert!(effects.is_empty());
    let other = Arc::new(Credentials::parse("[[device]]\nidentity=\"dev\"\npsk=\"ff11223344556677\"").unwrap());
    gateway.reload(now(), Materials { credentials: other, ..Materials::default() }, &mut effects).unwrap();
    assert!(effects.iter().any(|e| matches!(e, Effect::Closed(id, _, Closure::Withdrawn(_)) if *id == link)));
}

#[test]
fn bad_credentials_name_the_entry_and_no_secret() {
    let cases = [
        ("[[device]]\nidentity=\"a\"\npsk=\"0g\"", "device entry 1 (a): psk is not hex with an even number of digits"),
        ("[[device]]\nidentity=\"a\"", "device entry 1 (a): psk is missing"),
        ("[[device]]\npsk=\"0011223344556677\"", "device entry 1: identity is missing"),
        (
            "[[device]]\nendpoint=\"e\"\npublic_key=\"AAAA\"",
            "device entry 1 (e): public_key is not a SubjectPublicKeyInfo",
        ),
        (
            "[[device]]\nidentity=\"a\"\npsk=\"0011223344556677\"\n[[device]]\nidentity=\"a\"\npsk=\"0111223344556677\"",
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
