//! Any interleaving of calls, datagrams and time: no panic, bounded, and timers lead to an end. C-147, C-148
#![allow(clippy::expect_used, reason = "a test may panic")]
mod common;
#[path = "../fuzz/drivers.rs"]
#[allow(dead_code, clippy::expect_used, unreachable_pub, reason = "a test may panic")]
mod drivers;
use coap::{Code, ExchangeId, Kind, Message, Method, Output, Response, Urgency};
use common::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Ask {
        method: u8,
        path: u8,
        length: usize,
        observe: Option<u32>,
        immediate: bool,
    },
    /// The device does something with one of the last requests that it got.
    Reply {
        which: usize,
        how: u8,
        option: u16,
        value: Vec<u8>,
        length: usize,
    },
    /// A datagram that went out or came in before, with a byte changed, comes in.
    Mutated {
        which: usize,
        at: usize,
        xor: u8,
        cut: usize,
    },
    Device {
        confirmable: bool,
        code: u8,
        path: u8,
        option: u16,
        value: Vec<u8>,
        length: usize,
    },
    Answer {
        code: u8,
        length: usize,
    },
    Receipt {
        confirm: bool,
    },
    Forget {
        which: usize,
    },
    ForgetAll,
    Wait {
        milliseconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let option = prop_oneof![Just(6u16), Just(23), Just(27), Just(252), Just(12), Just(60), Just(28), any::<u16>()];
    let value = || vec(any::<u8>(), 0..4);
    prop_oneof![
        4 => (0..7u8, 0..3u8, prop_oneof![0..64usize, 0..5000usize], prop_oneof![Just(None), Just(Some(0)), Just(Some(1))], any::<bool>())
            .prop_map(|(method, path, length, observe, immediate)| Step::Ask { method, path, length, observe, immediate }),
        8 => (0..4usize, 0..7u8, option.clone(), value(), prop_oneof![Just(16usize), Just(1024), 0..1100usize])
            .prop_map(|(which, how, option, value, length)| Step::Reply { which, how, option, value, length }),
        3 => (any::<usize>(), any::<usize>(), any::<u8>(), 0..8usize)
            .prop_map(|(which, at, xor, cut)| Step::Mutated { which, at, xor, cut }),
        4 => (any::<bool>(), 0..10u8, 0..3u8, option, value(), prop_oneof![Just(16usize), 0..200usize])
            .prop_map(|(confirmable, code, path, option, value, length)| Step::Device { confirmable, code, path, option, value, length }),
        3 => (any::<u8>(), 0..5000usize).prop_map(|(code, length)| Step::Answer { code, length }),
        2 => any::<bool>().prop_map(|confirm| Step::Receipt { confirm }),
        1 => (0..8usize).prop_map(|which| Step::Forget { which }),
        1 => Just(Step::ForgetAll),
        4 => prop_oneof![0..3_000u64, 0..400_000u64].prop_map(|milliseconds| Step::Wait { milliseconds }),
    ]
}

/// What is known of the peer under test.
struct Watch {
    bench: Bench,
    requests: Vec<Message>,
    seen: Vec<Vec<u8>>,
    incoming: Vec<coap::IncomingId>,
    receipts: Vec<coap::Receipt>,
    /// `true`: running.
    exchanges: HashMap<ExchangeId, bool>,
    forgotten: HashSet<ExchangeId>,
    observing: HashSet<ExchangeId>,
}

impl Watch {
    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Transmit(datagram) => {
                    let message = Message::decode(&datagram).expect("what is sent is well-formed");
                    if message.code().is_request() {
                        self.requests.push(message);
                    }
                    self.seen.push(datagram);
                }
                Output::Request { id, .. } => self.incoming.push(id),
                Output::Notification { exchange, receipt, ended, .. } => {
                    assert!(self.observing.contains(&exchange), "only of what is observed");
                    assert!(!self.forgotten.contains(&exchange));
                    // A declined last notification brings the observation back, so `ended` is not final here.
                    let _ = ended;
                    self.receipts.extend(receipt);
                }
                Output::Response { exchange, observing, .. } => {
                    if observing {
                        self.observing.insert(exchange);
                    }
                    self.end(exchange);
                }
                Output::Reset(exchange) | Output::TimedOut { exchange, .. } => self.end(exchange),
                Output::Failed { exchange, .. } => {
                    if !self.observing.remove(&exchange) {
                        self.end(exchange);
                    }
                }
                Output::Acknowledged(exchange) | Output::Progress { exchange, .. } => {
                    assert_eq!(self.exchanges.get(&exchange), Some(&true), "news only of running exchanges");
                }
            }
        }
    }

    fn end(&mut self, exchange: ExchangeId) {
        assert!(!self.forgotten.contains(&exchange), "{exchange:?} was forgotten");
        assert_eq!(self.exchanges.insert(exchange, false), Some(true), "{exchange:?} ends once");
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.bench.now + duration;
        while let Some(due) = self.bench.peer.poll_timeout().filter(|due| *due <= end) {
            self.bench.now = self.bench.now.max(due);
            self.bench.peer.handle_timeout(self.bench.now);
            let outputs = self.bench.drain();
            self.take(outputs);
            assert!(self.bench.peer.poll_timeout().is_none_or(|next| next > self.bench.now), "a timer leads on");
        }
        self.bench.now = end;
    }

    fn act(&mut self, step: Step) {
        let outputs = match step {
            Step::Ask { method, path, length, observe, immediate } => {
                let method = Method::from_code(Code(method + 1)).expect("seven methods");
                let payload = if method == Method::Get { vec![] } else { body(length) };
                let request = coap::Request { observe, ..with_body(method, &path.to_string(), &payload) };
                let urgency = if immediate { Urgency::Immediate } else { Urgency::Ordered };
                let exchange = self.bench.peer.request(self.bench.now, request, urgency);
                assert!(self.exchanges.insert(exchange, true).is_none(), "names are unique");
                self.bench.drain()
            }
            Step::Reply { which, how, option, value, length } => {
                let Some(at) = self.requests.len().checked_sub(which + 1) else { return };
                let request = self.requests[at].clone();
                let mut message = match how {
                    0 => return self.receive(&empty_ack(request.id())),
                    1 => return self.receive(&rst(request.id())),
                    2 => piggyback(&request, Code::CONTINUE, b""),
                    3 => piggyback(&request, Code::CONTENT, &body(length)),
                    4 => piggyback(&request, Code::UNAUTHORIZED, b""),
                    5 => self.bench.separate(Kind::Confirmable, &request, Code::CONTENT, &body(length)),
                    _ => self.bench.separate(Kind::NonConfirmable, &request, Code::CONTENT, &body(length)),
                };
                message.add_option(option, value);
                return self.receive(&message.encode());
            }
            Step::Mutated { which, at, xor, cut } => {
                let Some(mut datagram) = self.seen.get(which % self.seen.len().max(1)).cloned() else { return };
                let length = datagram.len();
                if length > 0 {
                    datagram[at % length] ^= xor;
                }
                datagram.truncate(length - cut.min(length));
                return self.receive(&datagram);
            }
            Step::Device { confirmable, code, path, option, value, length } => {
                let kind = if confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
                let mut message = self.bench.message(kind, Code(code), b"tk");
                if code == 0 {
                    message = Message::new(kind, Code::EMPTY, message.id(), b"");
                } else {
                    add_path(&mut message, &path.to_string());
                    message.add_option(option, value);
                    message.set_payload(body(length));
                }
                return self.receive(&message.encode());
            }
            Step::Answer { code, length } => {
                let Some(id) = self.incoming.pop() else { return };
                let code = Code::new(2 + code % 4, code >> 3);
                self.bench.respond(id, Response { payload: body(length), ..Response::new(code) })
            }
            Step::Receipt { confirm } => {
                let Some(receipt) = self.receipts.pop() else { return };
                if confirm { self.bench.confirm(receipt) } else { self.bench.decline(receipt) }
            }
            Step::Forget { which } => {
                let mut ids: Vec<_> = self.exchanges.keys().copied().collect();
                ids.sort();
                let Some(id) = ids.get(which).copied() else { return };
                self.bench.peer.forget(id);
                self.exchanges.insert(id, false);
                self.observing.remove(&id);
                self.forgotten.insert(id);
                self.bench.drain()
            }
            Step::ForgetAll => {
                self.bench.peer.forget_all();
                for (id, running) in &mut self.exchanges {
                    *running = false;
                    self.forgotten.insert(*id);
                }
                self.observing.clear();
                self.bench.drain()
            }
            Step::Wait { milliseconds } => return self.wait(Duration::from_millis(milliseconds)),
        };
        self.take(outputs);
    }

    fn receive(&mut self, datagram: &[u8]) {
        self.seen.push(datagram.to_vec());
        let outputs = self.bench.raw(datagram);
        assert!(datagrams(&outputs).len() <= 4, "one datagram causes but a few");
        self.take(outputs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_leads_to_an_end(steps in vec(step(), 1..120)) {
        let mut watch = Watch {
            bench: Bench::new(), requests: vec![], seen: vec![], incoming: vec![], receipts: vec![],
            exchanges: HashMap::new(), forgotten: HashSet::new(), observing: HashSet::new(),
        };
        for step in steps {
            watch.act(step);
        }
        // 120 requests at 93 s each, and some hours for the slowest transfers.
        watch.wait(Duration::from_secs(24 * 3600));
        prop_assert!(watch.bench.peer.poll_timeout().is_none() && !watch.bench.peer.is_busy());
        prop_assert!(watch.exchanges.values().all(|running| !running), "every exchange has ended");
        let state = format!("{:?}", watch.bench.peer);
        prop_assert!(state.contains("exchanges: []") && state.contains("outputs: []"));
        prop_assert!(state.matches("fingerprint").count() <= 64 + 32);
    }

    #[test]
    fn any_bytes_are_survived(data in vec(any::<u8>(), 0..600)) {
        drivers::datagrams(&data);
        drivers::blocks(&data);
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same(
        code in prop_oneof![1u8..32, 64u8..192], id in any::<u16>(), token in vec(any::<u8>(), 0..=8),
        options in vec((any::<u16>(), vec(any::<u8>(), 0..300)), 0..6), payload in vec(any::<u8>(), 0..50),
    ) {
        let mut message = Message::new(Kind::NonConfirmable, Code(code), id, &token);
        for (number, value) in &options {
            message.add_option(*number, value.as_slice());
        }
        message.set_payload(payload.as_slice());
        let again = Message::decode(&message.encode()).expect("well-formed");
        prop_assert_eq!((again.id(), again.code(), again.token(), again.payload()), (id, Code(code), &token[..], &payload[..]));
        let list = |message: &Message| message.options()
            .map(|(number, values)| (number, values.map(<[u8]>::to_vec).collect())).collect::<Vec<(u16, Vec<_>)>>();
        prop_assert_eq!(list(&again), list(&message));
    }
}

/// C-147: by hand, in release mode: `cargo test --release -p coap --test properties -- --ignored`.
#[test]
#[ignore = "takes half a minute in release mode, minutes otherwise"]
fn ten_million_mutated_datagrams_are_survived() {
    use rand::{Rng, SeedableRng};
    let mut random = rand::rngs::StdRng::seed_from_u64(147);
    let mut bench = Bench::new();
    let (_, request) = bench.observe("3303/0", 1);
    let mut block = bench.device_request(Method::Post, "rd");
    add_block(&mut block, option::BLOCK1, 0, true, 16);
    block.set_payload(body(16));
    let seeds = [
        bytes("44020001 AABBCCDD B27264 1128 3465703D61 056C743D3630 FF 3C2F332F303E"),
        bench.notification(Kind::Confirmable, &request, 2, b"value").encode(),
        piggyback_block(&request, &body(100), 0, 64).encode(),
        block.encode(),
        bytes("40001234"),
    ];
    for round in 0..10_000_000u32 {
        let mut datagram = seeds[random.random_range(0..seeds.len())].clone();
        for _ in 0..random.random_range(0..4) {
            let at = random.random_range(0..datagram.len());
            datagram[at] = random.random();
        }
        datagram.truncate(random.random_range(0..=datagram.len() * 2));
        bench.peer.handle_datagram(bench.now, &datagram);
        for output in bench.drain() {
            match output {
                Output::Request { id, .. } if random.random_bool(0.5) => {
                    bench.peer.respond(bench.now, id, Response::new(Code::CHANGED));
                }
                Output::Notification { receipt: Some(receipt), .. } => bench.peer.confirm(bench.now, receipt),
                _ => {}
            }
        }
        if round % 50 == 0 {
            bench.wait(Duration::from_millis(1_000));
        }
        if round % 10_000 == 0 {
            let (exchange, _) = bench.request(observe("3303/0"));
            assert!(format!("{:?}", bench.peer).len() < 200_000, "memory stays bounded");
            bench.peer.forget(exchange);
        }
    }
    assert_eq!(bench.counters().received, 10_000_001);
    bench.wait_seconds(1_000.0);
    bench.assert_idle();
}
