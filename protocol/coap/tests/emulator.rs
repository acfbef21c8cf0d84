//! Two peers over an emulated network that loses 30 %, duplicates 10 % and delays, and so reorders, everything.
#![allow(clippy::expect_used, reason = "a test may panic")]
mod common;
use coap::{Blockwise, Budget, Code, Config, ExchangeId, IncomingId, Method, Output, Peer, Request, Response, Urgency};
use common::{body, with_body};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LOSS: f64 = 0.3;
const DUPLICATION: f64 = 0.1;
/// Exchanges that each side begins.
const EXCHANGES: u32 = 5_000;
/// Requests that wait or run at a time on each side.
const AT_A_TIME: usize = 4;

/// Everything with a time, in order of time.
type Agenda<T> = BTreeMap<(Instant, u64), T>;

struct End {
    peer: Peer,
    begun: u32,
    running: HashMap<ExchangeId, u32>,
    answered: u32,
    timed_out: u32,
    executed: HashSet<u32>,
    answers: Agenda<(IncomingId, Response)>,
}

struct World {
    ends: [End; 2],
    now: Instant,
    random: StdRng,
    flying: Agenda<(usize, Vec<u8>)>,
    serial: u64,
    carried: u64,
}

/// What exchange number `number` asks, and what it must get: some of it in blocks.
fn question(number: u32) -> Request {
    let mut request = match number % 10 {
        0 => with_body(Method::Put, "upload", &body(1500)),
        1 => with_body(Method::Get, "download", b""),
        2 => with_body(Method::Fetch, "both", &body(600)),
        3 => with_body(Method::Post, "post/both", &body(600)),
        _ => with_body(Method::Post, "small", b"x"),
    };
    request.query = vec![format!("n={number}")];
    request
}
fn answer(number: u32) -> Response {
    let length = if matches!(number % 10, 1..=3) { 1300 } else { 8 };
    let mut payload = number.to_be_bytes().to_vec();
    payload.extend(body(length));
    Response { payload, content_format: Some(42), ..Response::new(Code::CONTENT) }
}

impl World {
    fn new(seed: u64, bodies: &Budget) -> World {
        let blockwise = Blockwise { max_block_size: 256, ..Blockwise::default() };
        let config = Arc::new(Config { blockwise, bodies: bodies.clone(), ..Config::default() });
        let end = |side| End {
            peer: Peer::new(config.clone(), [side; 16]),
            begun: 0,
            running: HashMap::new(),
            answered: 0,
            timed_out: 0,
            executed: HashSet::new(),
            answers: Agenda::new(),
        };
        let now = common::Bench::new().now;
        let random = StdRng::seed_from_u64(seed);
        World { ends: [end(1), end(2)], now, random, flying: Agenda::new(), serial: 0, carried: 0 }
    }

    fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Gives a datagram to the network.
    fn carry(&mut self, to: usize, datagram: &[u8]) {
        let copies = if self.random.random_bool(DUPLICATION) { 2 } else { 1 };
        for _ in 0..copies {
            if self.random.random_bool(LOSS) {
                continue;
            }
            let slow = self.random.random_bool(0.05);
            let delay = self.random.random_range(10..if slow { 8_000 } else { 900 });
            let key = (self.now + Duration::from_millis(delay), self.serial());
            self.flying.insert(key, (to, datagram.to_vec()));
        }
    }

    /// Takes what a side has to say.
    fn drain(&mut self, side: usize) {
        while let Some(output) = self.ends[side].peer.poll_output() {
            let end = &mut self.ends[side];
            match output {
                Output::Transmit(datagram) => self.carry(1 - side, &datagram),
                Output::Request { id, request, .. } => {
                    let number: u32 = request.query[0][2..].parse().expect("the query names the exchange");
                    assert_eq!(request, question(number), "the request arrived as it was asked");
                    assert!(end.executed.insert(number), "request {number} is executed once");
                    let delay = if self.random.random_bool(0.5) { 0 } else { self.random.random_range(0..5_000) };
                    let key = (self.now + Duration::from_millis(delay), self.serial());
                    self.ends[side].answers.insert(key, (id, answer(number)));
                }
                Output::Response { exchange, response, observing } => {
                    let number = end.running.remove(&exchange).expect("an exchange ends once");
                    assert!((response == answer(number)) && !observing, "the right answer to exchange {number}");
                    end.answered += 1;
                }
                Output::TimedOut { exchange, .. } => {
                    end.running.remove(&exchange).expect("an exchange ends once");
                    end.timed_out += 1;
                }
                Output::Acknowledged(exchange) | Output::Progress { exchange, .. } => {
                    assert!(end.running.contains_key(&exchange), "news only of running exchanges");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Keeps a few requests of each side going.
    fn ask(&mut self) {
        for side in 0..2 {
            while self.ends[side].begun < EXCHANGES && self.ends[side].running.len() < AT_A_TIME {
                let urgency = if self.random.random_bool(0.05) { Urgency::Immediate } else { Urgency::Ordered };
                let end = &mut self.ends[side];
                let exchange = end.peer.request(self.now, question(end.begun), urgency);
                assert!(end.running.insert(exchange, end.begun).is_none(), "names are unique");
                end.begun += 1;
                self.drain(side);
            }
        }
    }

    /// One thing happens: the next in time. `false`: nothing is left to happen.
    fn step(&mut self) -> bool {
        self.ask();
        let timers = self.ends.iter().filter_map(|end| end.peer.poll_timeout());
        let answers = self.ends.iter().filter_map(|end| end.answers.keys().next().map(|(at, _)| *at));
        let flying = self.flying.keys().next().map(|(at, _)| *at);
        let Some(next) = timers.chain(answers).chain(flying).min() else {
            return false;
        };
        self.now = self.now.max(next);
        while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, datagram) = entry.remove();
            self.carried += 1;
            self.ends[to].peer.handle_datagram(self.now, &datagram);
            self.drain(to);
        }
        for side in 0..2 {
            while let Some(entry) = self.ends[side].answers.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (id, response) = entry.remove();
                self.ends[side].peer.respond(self.now, id, response);
                self.drain(side);
            }
            if self.ends[side].peer.poll_timeout().is_some_and(|due| due <= self.now) {
                self.ends[side].peer.handle_timeout(self.now);
                self.drain(side);
            }
        }
        true
    }
}

/// Issue of the network: 10,000 exchanges, every one ends exactly once, none is executed twice, nothing is left behind.
/// C-019, C-024, C-027, C-040, C-041, C-060, C-099, C-108
#[test]
fn ten_thousand_exchanges_over_a_bad_network_end_exactly_once() {
    let bodies = Budget::default();
    let mut world = World::new(20_250_101, &bodies);
    while world.step() {}
    let mut answered = 0;
    for end in &world.ends {
        assert_eq!((end.begun, end.running.len()), (EXCHANGES, 0));
        assert_eq!(end.answered + end.timed_out, EXCHANGES);
        answered += end.answered;
        let counters = end.peer.counters();
        assert!(counters.retransmitted > 1000 && counters.duplicates > 1000, "{counters:?}");
        assert_eq!(counters.malformed, 0);
        // Memory is back to the start: only the duplicates, which are bounded, are remembered until the next message.
        let state = format!("{:?}", end.peer);
        for empty in ["outputs: []", "exchanges: []", "observations: []", "server: None"] {
            assert!(state.contains(empty), "{empty} is missing");
        }
        assert!(state.matches("fingerprint").count() <= 64);
    }
    assert_eq!(bodies.used(), 0);
    // Five attempts at 30 % loss each way: about 4 % of single messages get no answer, more of those in many blocks.
    assert!(answered > 8_000, "{answered} answered");
    assert!(world.carried > 20_000);
}

/// The same seed gives the same world.
#[test]
fn the_emulation_is_reproducible() {
    let run = |seed| {
        let mut world = World::new(seed, &Budget::default());
        for _ in 0..2_000 {
            world.step();
        }
        (world.carried, world.ends[0].peer.counters())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
