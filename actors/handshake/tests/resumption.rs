//! Abbreviated handshakes by ticket and by session id: they prove the same identity, outlive a restart, and end with the credentials.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use handshake::{Credentials, Effect, Endpoint, Facts, Materials, Now, SessionChange};
use openssl::ssl::{SslOptions, SslSession, SslStream};
use std::sync::Arc;

const SUITE: &str = "PSK-AES128-CCM8:@SECLEVEL=0";

fn connect(gateway: &mut Endpoint, ticket: bool, session: Option<&SslSession>) -> (Vec<Effect>, SslStream<Datagrams>) {
    let set = |context: &mut openssl::ssl::SslContextBuilder| {
        psk("dev", KEY)(context);
        if !ticket {
            context.set_options(SslOptions::NO_TICKET);
        }
    };
    let mut client = resuming(SUITE, set, session);
    (carry(gateway, &mut client, peer(1)), client)
}

fn facts(told: &[Effect]) -> Arc<Facts> {
    let established =
        told.iter().find_map(|e| if let Effect::Established { facts, .. } = e { Some(facts.clone()) } else { None });
    established.unwrap_or_else(|| panic!("{told:?}"))
}

fn session_of(client: &SslStream<Datagrams>) -> SslSession {
    client.ssl().session().unwrap().to_owned()
}

#[test]
fn a_resumed_session_proves_the_same_identity_and_carries_data() {
    for ticket in [true, false] {
        let mut gateway = with_psk();
        let (told, client) = connect(&mut gateway, ticket, None);
        assert!(!facts(&told).resumed);
        let (told, mut client) = connect(&mut gateway, ticket, Some(&session_of(&client)));
        let facts = facts(&told);
        assert!(facts.resumed, "ticket: {ticket}");
        assert_eq!(facts.handshakes, 2);
        assert!(facts.identity.may_register("dev") && !facts.identity.may_register("bound"), "{facts:?}");
        exchange_data(&mut gateway, &mut client, established(&told), peer(1));
    }
}

#[test]
fn sessions_are_resumed_after_a_reload_and_after_a_restart() {
    for ticket in [true, false] {
        let mut before = with_psk();
        before.keep();
        let (_, client) = connect(&mut before, ticket, None);
        let session = session_of(&client);
        before
            .reload(now(), Materials { credentials: credentials(), ..Materials::default() }, &mut Vec::new())
            .unwrap();
        let (told, client) = connect(&mut before, ticket, Some(&session));
        assert!(facts(&told).resumed, "after a reload; ticket: {ticket}");

        let mut after = with_psk();
        assert!(after.set_ticket_key(before.ticket_key()).unwrap());
        let kept = before.take_sessions();
        assert_eq!(kept.is_empty(), ticket, "only clients without tickets cost memory");
        for change in kept {
            let SessionChange::Made(id, content) = change else { panic!("dropped") };
            assert!(after.restore_session(now(), &id, &content));
            let later = Now { unix: now().unix + 25 * 3600, ..now() };
            assert!(!after.restore_session(later, &id, &content), "not after a day");
        }
        let (told, mut client) = connect(&mut after, ticket, Some(&session_of(&client)));
        assert!(facts(&told).resumed, "after a restart; ticket: {ticket}");
        exchange_data(&mut after, &mut client, established(&told), peer(1));
        assert!(!after.set_ticket_key(b"short").unwrap());
    }
}

#[test]
fn a_session_ends_with_the_key_that_it_rests_on() {
    let mut gateway = with_psk();
    let (_, client) = connect(&mut gateway, true, None);
    let session = session_of(&client);
    for (text, why) in [
        ("identity=\"dev\"\npsk=\"ff112233445566778899\"", "resumed session refused: its pre-shared key was replaced"),
        (
            "identity=\"other\"\npsk=\"ff112233445566778899\"",
            "unknown PSK identity \"dev\": no entry in the credentials",
        ),
    ] {
        let credentials = Arc::new(Credentials::parse(&format!("[[device]]\n{text}")).unwrap());
        gateway.reload(now(), Materials { credentials, ..Materials::default() }, &mut Vec::new()).unwrap();
        let (told, mut client) = connect(&mut gateway, true, Some(&session));
        assert_eq!(refusal(&told), why);
        // The device hears of it, and will not offer the session again.
        assert!(client.ssl_read(&mut [0; 10]).is_err_and(|error| error.to_string().contains("alert")));
        assert_eq!(gateway.sizes(), (0, 0));
    }
}

#[test]
fn a_session_ends_with_its_certificate_authority() {
    let authority = Authority::new();
    let device_key = key();
    let certificate = authority.issue("meter-7", &device_key);
    let mut gateway = gateway(authority.materials.clone());
    let set = |context: &mut openssl::ssl::SslContextBuilder| {
        context.set_certificate(&certificate).unwrap();
        context.set_private_key(&device_key).unwrap();
    };
    let suite = "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0";
    let mut first = resuming(suite, set, None);
    established(&carry(&mut gateway, &mut first, peer(1)));
    let session = session_of(&first);
    let mut second = resuming(suite, set, Some(&session));
    let told = carry(&mut gateway, &mut second, peer(1));
    assert!(facts(&told).resumed && facts(&told).identity.may_register("meter-7"), "{told:?}");

    let other = Authority::new().materials;
    let mut effects = Vec::new();
    gateway.reload(now(), Materials { anchors: other.anchors, ..authority.materials.clone() }, &mut effects).unwrap();
    assert!(effects.iter().any(|e| matches!(e, Effect::Closed(..))), "{effects:?}");
    let mut third = resuming(suite, set, Some(&session));
    let told = carry(&mut gateway, &mut third, peer(1));
    assert_eq!(refusal(&told), "resumed session refused: its certificate authority is not trusted any more");
}

#[test]
fn a_revoked_certificate_ends_association_session_and_new_handshakes() {
    let authority = Authority::new();
    let (revoked_key, good_key) = (key(), key());
    let (revoked, good) = (authority.issue("meter-7", &revoked_key), authority.issue("meter-8", &good_key));
    let mut gateway = gateway(authority.materials.clone());
    let suite = "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0";
    let show = |context: &mut openssl::ssl::SslContextBuilder| {
        context.set_certificate(&revoked).unwrap();
        context.set_private_key(&revoked_key).unwrap();
    };
    let mut first = resuming(suite, show, None);
    let link = established(&carry(&mut gateway, &mut first, peer(1)));
    let mut other = certified("ECDHE-ECDSA-AES128-CCM8", &good, &good_key);
    let kept = established(&carry(&mut gateway, &mut other, peer(2)));

    let mut effects = Vec::new();
    let materials = Materials { revoked: Some(authority.revoke(&[&revoked])), ..authority.materials.clone() };
    gateway.reload(now(), materials, &mut effects).unwrap();
    let closed: Vec<_> = effects
        .iter()
        .filter_map(|e| if let Effect::Closed(id, _, why) = e { Some((*id, why.to_string())) } else { None })
        .collect();
    assert_eq!(closed, [(link, "credentials were withdrawn: certificate revoked".to_owned())]);
    exchange_data(&mut gateway, &mut other, kept, peer(2));
    let mut again = resuming(suite, show, Some(&session_of(&first)));
    assert_eq!(refusal(&carry(&mut gateway, &mut again, peer(1))), "resumed session refused: certificate revoked");
    let mut anew = resuming(suite, show, None);
    let told = carry(&mut gateway, &mut anew, peer(3));
    assert_eq!(refusal(&told), "device certificate refused: certificate revoked");
}

#[test]
fn an_association_ends_when_its_certificate_expires_and_when_it_is_silent_for_too_long() {
    let authority = Authority::new();
    let device_key = key();
    let certificate = authority.issue("meter-7", &device_key);
    let mut gateway = gateway(Materials { credentials: credentials(), ..authority.materials.clone() });
    let mut device = certified("ECDHE-ECDSA-AES128-CCM8", &certificate, &device_key);
    established(&carry(&mut gateway, &mut device, peer(1)));
    let days = |days: u64| Now { unix: now().unix + days * 86_400, ..now() };
    let closed = |gateway: &mut Endpoint, now: Now| {
        let mut effects = Vec::new();
        gateway.sweep(now, &mut effects);
        effects.iter().find_map(|e| if let Effect::Closed(.., why) = e { Some(why.to_string()) } else { None })
    };
    assert_eq!(closed(&mut gateway, days(6)), None);
    assert_eq!(closed(&mut gateway, days(10)).unwrap(), "credentials were withdrawn: certificate has expired");
    let (told, _) = connect(&mut gateway, true, None);
    established(&told);
    assert_eq!(closed(&mut gateway, days(6)), None);
    assert_eq!(closed(&mut gateway, days(8)).unwrap(), "silent for too long");
    assert_eq!(gateway.sizes(), (0, 0));
}
