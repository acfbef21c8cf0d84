//! Handshakes whose datagrams somebody on the way changes, repeats, cuts, exchanges and makes up: nothing panics, places stay bounded, and
//! nobody comes in under a name that is not his.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use dtls::cid;
use handshake::Effect;
use openssl::ssl::{ExtensionContext, SslAlert, SslContextBuilder};
use openssl::x509::X509Ref;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;

/// What happens to one datagram.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    Bent(usize, u8),
    Cut(usize),
    /// After the one that follows.
    Late,
    /// From another address.
    Elsewhere,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Twice),
        2 => (any::<usize>(), 1u8..=255).prop_map(|(at, bits)| Fate::Bent(at, bits)),
        1 => any::<usize>().prop_map(Fate::Cut),
        1 => Just(Fate::Late),
        1 => Just(Fate::Elsewhere),
    ]
}

/// Deals with a datagram; yields what arrives instead, and whether from elsewhere.
fn suffer(fate: Fate, datagram: Vec<u8>, late: &mut VecDeque<Vec<u8>>) -> Vec<(bool, Vec<u8>)> {
    let mut arriving = match fate {
        Fate::Arrives => vec![(false, datagram)],
        Fate::Lost => vec![],
        Fate::Twice => vec![(false, datagram.clone()), (false, datagram)],
        Fate::Bent(at, bits) => {
            let mut bent = datagram;
            let at = at % bent.len();
            bent[at] ^= bits;
            vec![(false, bent)]
        }
        Fate::Cut(at) => vec![(false, datagram[..at % datagram.len()].to_vec())],
        Fate::Late => {
            late.push_back(datagram);
            return vec![];
        }
        Fate::Elsewhere => vec![(true, datagram)],
    };
    arriving.extend(late.drain(..).map(|datagram| (false, datagram)));
    arriving
}

/// Offers an empty connection id, as a device behind a NAT does.
fn offer_id(context: &mut SslContextBuilder) {
    let places = ExtensionContext::CLIENT_HELLO | ExtensionContext::TLS1_2_SERVER_HELLO | ExtensionContext::DTLS_ONLY;
    let add = |_: &mut _, _, _: Option<(usize, &X509Ref)>| -> Result<Option<Vec<u8>>, SslAlert> { Ok(Some(vec![0])) };
    let parse = |_: &mut _, _, body: &[u8], _: Option<(usize, &X509Ref)>| {
        cid::parse_extension(body).map(|_| ()).ok_or(SslAlert::DECODE_ERROR)
    };
    context.add_custom_ext(54, places, add, parse).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_happens_to_the_datagrams_nobody_comes_in_under_another_name(
        fates in vec(fate(), 0..24), with_id in any::<bool>(), noise in vec(vec(any::<u8>(), 1..60), 0..4)
    ) {
        let mut gateway = with_psk();
        let mut client = client("PSK-AES128-CCM8:@SECLEVEL=0", |context| {
            psk("dev", KEY)(context);
            if with_id {
                offer_id(context);
            }
        });
        let (mut fates, mut late, mut noise) = (fates.into_iter(), VecDeque::new(), noise.into_iter());
        for _ in 0..12 {
            let _ = client.do_handshake();
            let mut effects = Vec::new();
            for datagram in std::mem::take(&mut client.get_mut().outbound) {
                for (elsewhere, bytes) in suffer(fates.next().unwrap_or(Fate::Arrives), datagram, &mut late) {
                    gateway.handle_datagram(now(), peer(if elsewhere { 2 } else { 1 }), &bytes, &mut effects);
                }
            }
            if let Some(bytes) = noise.next() {
                gateway.handle_datagram(now(), peer(1), &bytes, &mut effects);
            }
            for effect in effects {
                match effect {
                    Effect::Transmit(to, bytes) if to == peer(1) => {
                        for (_, bytes) in suffer(fates.next().unwrap_or(Fate::Arrives), bytes, &mut late) {
                            client.get_mut().inbound.push_back(bytes);
                        }
                    }
                    Effect::Established { facts, .. } => {
                        prop_assert!(facts.identity.may_register("dev") && !facts.identity.may_register("bound"));
                        prop_assert_eq!(facts.with_cid, with_id);
                    }
                    Effect::Data(..) => prop_assert!(false, "data out of nothing"),
                    _ => {}
                }
            }
            let (links, handshakes) = gateway.sizes();
            prop_assert!(links <= 2 && handshakes <= 2);
        }
    }
}
