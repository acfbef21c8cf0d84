//! Handshakes over a network that loses, repeats and reorders, with timers a thirtieth of the real ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use handshake::{Effect, Endpoint, Limits, LinkId, Materials, timer};
use openssl::ssl::{Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode};
use std::time::{Duration, Instant};

const FIRST_TIMER: Duration = Duration::from_millis(35);

/// A network with a seed of its own.
struct Network {
    state: u64,
    /// In percent.
    loss: u64,
    /// On their way: when they arrive, whether to the gateway, what.
    under_way: Vec<(Instant, bool, Vec<u8>)>,
}

impl Network {
    fn percent(&mut self) -> u64 {
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32 & 0xffff_ffff
    }

    fn send(&mut self, up: bool, datagram: Vec<u8>) {
        let copies = if self.percent() % 100 < 15 { 2 } else { 1 };
        for _ in 0..copies {
            if self.percent() % 100 < self.loss {
                continue;
            }
            // One in five is overtaken by what follows.
            let delay = if self.percent() % 100 < 20 { 25 } else { 0 };
            self.under_way.push((Instant::now() + Duration::from_millis(delay), up, datagram.clone()));
        }
    }

    fn arrived(&mut self) -> Vec<(bool, Vec<u8>)> {
        let now = Instant::now();
        let (due, rest) = std::mem::take(&mut self.under_way).into_iter().partition(|(at, ..)| *at <= now);
        self.under_way = rest;
        let due: Vec<(Instant, bool, Vec<u8>)> = due;
        due.into_iter().map(|(_, up, bytes)| (up, bytes)).collect()
    }
}

struct Attempt {
    gateway: Endpoint,
    client: SslStream<Datagrams>,
    network: Network,
    link: Option<LinkId>,
    refused: bool,
    done: bool,
    given_up: bool,
}

impl Attempt {
    fn new(seed: u64, materials: &Materials, client: SslStream<Datagrams>, loss: u64) -> Attempt {
        let materials = Materials { first_timer: FIRST_TIMER, mtu: 400, ..materials.clone() };
        let gateway = Endpoint::new(materials, Limits::default(), Instant::now()).unwrap();
        let network = Network { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, loss, under_way: Vec::new() };
        Attempt { gateway, client, network, link: None, refused: false, done: false, given_up: false }
    }

    fn step(&mut self) {
        let mut effects = Vec::new();
        for (up, datagram) in self.network.arrived() {
            match up {
                true => self.gateway.handle_datagram(now(), peer(1), &datagram, &mut effects),
                false => self.client.get_mut().inbound.push_back(datagram),
            }
        }
        self.gateway.handle_timeout(now(), &mut effects);
        for effect in effects {
            match effect {
                Effect::Transmit(_, bytes) => self.network.send(false, bytes),
                Effect::Established { link, .. } => self.link = Some(link),
                Effect::Refused { .. } => self.refused = true,
                _ => {}
            }
        }
        if !self.done {
            self.done = self.client.do_handshake().is_ok();
            self.given_up |= !timer::repeat_if_due(self.client.ssl());
        }
        for datagram in std::mem::take(&mut self.client.get_mut().outbound) {
            self.network.send(true, datagram);
        }
    }

    fn has_ended(&self) -> bool {
        self.done || self.given_up || self.refused
    }
}

fn device(suite: &str, set: impl FnOnce(&mut openssl::ssl::SslContextBuilder)) -> SslStream<Datagrams> {
    let mut context = SslContext::builder(SslMethod::dtls_client()).unwrap();
    context.set_cipher_list(&format!("{suite}:@SECLEVEL=0")).unwrap();
    context.set_options(SslOptions::NO_QUERY_MTU);
    context.set_verify(SslVerifyMode::NONE);
    set(&mut context);
    let mut ssl = Ssl::new(&context.build()).unwrap();
    ssl.set_mtu(400).unwrap();
    timer::set_first(&mut ssl, FIRST_TIMER).unwrap();
    ssl.set_connect_state();
    SslStream::new(ssl, Datagrams::default()).unwrap()
}

/// All attempts at once, so that the time is that of the slowest.
fn run(mut attempts: Vec<Attempt>) -> Vec<Attempt> {
    // Twelve doublings of the timer, after which a client gives up by itself.
    let patience = Instant::now() + Duration::from_secs(150);
    while !attempts.iter().all(Attempt::has_ended) && Instant::now() < patience {
        attempts.iter_mut().for_each(Attempt::step);
        std::thread::sleep(Duration::from_millis(3));
    }
    for (seed, attempt) in attempts.iter_mut().enumerate() {
        let state = (attempt.gateway.sizes(), attempt.gateway.counters(), attempt.client.ssl().state_string_long());
        assert!(attempt.has_ended(), "seed {seed} hangs: {state:?}");
        if !attempt.done {
            continue;
        }
        // What is still under way arrives; then data flows on the association that was taken over.
        for _ in 0..15 {
            attempt.step();
            std::thread::sleep(Duration::from_millis(2));
        }
        attempt.network.under_way.clear();
        attempt.client.get_mut().outbound.clear();
        let link = attempt.link.unwrap_or_else(|| panic!("seed {seed}: only the client is done"));
        exchange_data(&mut attempt.gateway, &mut attempt.client, link, peer(1));
        assert_eq!(attempt.gateway.sizes(), (1, 0), "seed {seed}");
    }
    attempts
}

#[test]
fn psk_handshakes_complete_at_thirty_percent_loss_both_ways() {
    let materials = Materials { credentials: credentials(), ..Materials::default() };
    let attempts =
        (0..60).map(|seed| Attempt::new(seed, &materials, device("PSK-AES128-CCM8", psk("dev", KEY)), 30)).collect();
    let done = run(attempts).iter().filter(|attempt| attempt.done).count();
    assert!(done >= 55, "{done} of 60 completed");
}

#[test]
fn certificate_handshakes_in_many_fragments_complete_at_fifteen_percent_loss() {
    let authority = Authority::new();
    let device_key = key();
    let certificate = authority.issue("meter-7", &device_key);
    let client = || {
        device("ECDHE-ECDSA-AES128-CCM8", |context| {
            context.set_certificate(&certificate).unwrap();
            context.set_private_key(&device_key).unwrap();
        })
    };
    let attempts = (0..30).map(|seed| Attempt::new(seed, &authority.materials, client(), 15)).collect();
    let done = run(attempts).iter().filter(|attempt| attempt.done).count();
    assert!(done >= 25, "{done} of 30 completed");
}

#[test]
fn repeated_and_reordered_flights_without_loss_always_complete() {
    let materials = Materials { credentials: credentials(), ..Materials::default() };
    let attempts =
        (0..40).map(|seed| Attempt::new(seed, &materials, device("PSK-AES128-CCM8", psk("dev", KEY)), 0)).collect();
    assert!(run(attempts).iter().all(|attempt| attempt.done));
}
