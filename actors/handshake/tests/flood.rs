//! Floods of half-open handshakes: memory stays bounded, nothing of them stays, and real devices come in meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use handshake::{Effect, Endpoint, Limits, Materials, Now};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const SUITE: &str = "PSK-AES128-CCM8:@SECLEVEL=0";

/// Address number `n` of the many that a flood comes from.
fn spoofed(n: usize) -> SocketAddr {
    let [_, _, high, low] = u32::try_from(n).unwrap().to_be_bytes();
    ([10, 77, high, low], 40_000).into()
}

/// A ClientHello without and one with a cookie, made once; the cookie is exchanged for each source.
struct Flood {
    bare: Vec<u8>,
    with_cookie: Vec<u8>,
    cookie: usize,
}

impl Flood {
    fn new(gateway: &mut Endpoint) -> Flood {
        let mut client = client(SUITE, psk("dev", KEY));
        let _ = client.do_handshake();
        let bare = client.get_mut().outbound.pop().unwrap();
        let cookie = Flood::cookie(gateway, spoofed(0), &bare);
        client.get_mut().inbound.push_back(cookie.clone());
        let _ = client.do_handshake();
        let with_cookie = client.get_mut().outbound.pop().unwrap();
        let bytes = &cookie[cookie.len() - 32..];
        let cookie = with_cookie.windows(32).position(|window| window == bytes).unwrap();
        Flood { bare, with_cookie, cookie }
    }

    /// The HelloVerifyRequest for an address.
    fn cookie(gateway: &mut Endpoint, from: SocketAddr, bare: &[u8]) -> Vec<u8> {
        let mut effects = Vec::new();
        gateway.handle_datagram(now(), from, bare, &mut effects);
        let [Effect::Transmit(_, bytes)] = &effects[..] else { panic!("{effects:?}") };
        assert!(bytes.len() < bare.len(), "no amplification before the cookie");
        bytes.clone()
    }

    /// One half-open handshake: the cookie is answered, then silence.
    fn strike(&self, gateway: &mut Endpoint, from: SocketAddr) {
        let answer = Flood::cookie(gateway, from, &self.bare);
        let mut hello = self.with_cookie.clone();
        hello[self.cookie..self.cookie + 32].copy_from_slice(&answer[answer.len() - 32..]);
        let mut effects = Vec::new();
        gateway.handle_datagram(now(), from, &hello, &mut effects);
        let sent: usize = effects.iter().map(|e| if let Effect::Transmit(_, b) = e { b.len() } else { 0 }).sum();
        assert!(sent <= 3 * hello.len(), "amplification after the cookie");
    }
}

fn later(seconds: u64) -> Now {
    Now { instant: Instant::now() + Duration::from_secs(seconds), ..now() }
}

#[test]
fn ten_thousand_half_open_handshakes_stay_bounded_and_leave_nothing() {
    let mut gateway = with_psk();
    let flood = Flood::new(&mut gateway);
    for n in 0..10_000 {
        flood.strike(&mut gateway, spoofed(n));
        assert!(gateway.sizes().1 <= Limits::default().handshakes_max);
    }
    assert_eq!(gateway.counters().handshakes_begun, 10_000);
    assert_eq!(gateway.counters().evicted, 9_000);
    // A real device takes a place away from the flood.
    let mut device = client(SUITE, psk("dev", KEY));
    let link = established(&carry(&mut gateway, &mut device, peer(1)));
    exchange_data(&mut gateway, &mut device, link, peer(1));
    gateway.handle_timeout(later(61), &mut Vec::new());
    assert_eq!(gateway.sizes(), (1, 0));
}

#[test]
fn a_real_handshake_completes_while_the_flood_goes_on() {
    let mut gateway = with_psk();
    let flood = Flood::new(&mut gateway);
    let mut sources = 0..;
    for _ in 0..2_000 {
        flood.strike(&mut gateway, spoofed(sources.next().unwrap()));
    }
    // Twenty of the flood come between any two datagrams of the device. A device that loses its place tries again.
    let mut attempts = 0;
    let done = (0..5).any(|_| {
        attempts += 1;
        let mut device = client(SUITE, psk("dev", KEY));
        for _ in 0..10 {
            let _ = device.do_handshake();
            for datagram in std::mem::take(&mut device.get_mut().outbound) {
                for _ in 0..20 {
                    flood.strike(&mut gateway, spoofed(sources.next().unwrap()));
                }
                let mut effects = Vec::new();
                gateway.handle_datagram(now(), peer(1), &datagram, &mut effects);
                for effect in effects {
                    if let Effect::Transmit(to, bytes) = effect {
                        assert_eq!(to, peer(1));
                        device.get_mut().inbound.push_back(bytes);
                    }
                }
            }
        }
        device.do_handshake().is_ok()
    });
    assert!(done, "{attempts} attempts");
}

#[test]
fn a_flood_from_one_source_takes_no_places_from_others() {
    let limits = Limits { handshakes_max: 100, handshakes_per_source: 40, ..Limits::default() };
    let materials = Materials { credentials: credentials(), ..Materials::default() };
    let mut gateway = Endpoint::new(materials, limits, Instant::now()).unwrap();
    let flood = Flood::new(&mut gateway);
    let from = |port| SocketAddr::from(([10, 0, 0, 1], port));
    for port in 1..=500 {
        flood.strike(&mut gateway, from(port));
    }
    assert_eq!(gateway.sizes().1, 40);
    // Others fill the rest, and then take from the greediest.
    for n in 0..80 {
        flood.strike(&mut gateway, spoofed(n));
    }
    assert_eq!(gateway.sizes().1, 100);
    assert_eq!(gateway.counters().evicted, 460 + 20);
    assert_eq!(gateway.counters().busy, 0);
}
