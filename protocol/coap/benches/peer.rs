//! The two paths that matter: a notification in, and a request with its response.
#![allow(missing_docs, reason = "criterion makes undocumented functions")]
use coap::{Code, Config, Kind, Message, Method, Output, Peer, Request, Urgency, option};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn get(observe: Option<u32>) -> Request {
    Request {
        method: Method::Get,
        path: ["3303", "0", "5700"].map(str::to_owned).to_vec(),
        query: Vec::new(),
        accept: Some(11542),
        content_format: None,
        observe,
        payload: Vec::new(),
    }
}

fn transmitted(peer: &mut Peer) -> Option<Message> {
    let mut found = None;
    while let Some(output) = peer.poll_output() {
        if let Output::Transmit(datagram) = output {
            found = Message::decode(&datagram).ok();
        }
    }
    found
}

fn answer(kind: Kind, id: u16, request: &Message, sequence: Option<u32>) -> Vec<u8> {
    let mut message = Message::new(kind, Code::CONTENT, id, request.token());
    if let Some(sequence) = sequence {
        message.add_uint(option::OBSERVE, sequence);
    }
    message.add_uint(option::CONTENT_FORMAT, 11542);
    message.set_payload([0xe4, 0x16, 0x44, 0x41, 0xa0, 0x00, 0x00]);
    message.encode()
}

#[expect(clippy::expect_used, reason = "a benchmark may panic")]
#[expect(clippy::disallowed_methods, reason = "only a starting point: all that follows is virtual time")]
fn benchmark(criterion: &mut Criterion) {
    let start = Instant::now();
    for (name, kind) in
        [("notification, NON", Kind::NonConfirmable), ("notification, CON and its ACK", Kind::Confirmable)]
    {
        let mut peer = Peer::new(Arc::new(Config::default()), [3; 16]);
        peer.request(start, get(Some(0)), Urgency::Ordered);
        let request = transmitted(&mut peer).expect("sent");
        peer.handle_datagram(start, &answer(Kind::Acknowledgement, request.id(), &request, Some(0)));
        while peer.poll_output().is_some() {}
        let mut sequence = 0;
        let mut now = start;
        criterion.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    sequence = (sequence + 1) & 0xff_ffff;
                    answer(kind, sequence as u16, &request, Some(sequence))
                },
                |datagram| {
                    now += Duration::from_secs(5);
                    peer.handle_datagram(now, &datagram);
                    while let Some(output) = peer.poll_output() {
                        if let Output::Notification { receipt: Some(receipt), .. } = &output {
                            peer.confirm(now, *receipt);
                        }
                        black_box(output);
                    }
                    black_box(peer.poll_timeout())
                },
                criterion::BatchSize::SmallInput,
            );
        });
    }
    let mut peer = Peer::new(Arc::new(Config::default()), [3; 16]);
    let mut now = start;
    criterion.bench_function("request and piggybacked response", |bencher| {
        bencher.iter_batched(
            || get(None),
            |request| {
                // Message ids may be used again by then.
                now += Duration::from_secs(5);
                peer.request(now, request, Urgency::Ordered);
                let request = transmitted(&mut peer).expect("sent");
                peer.handle_datagram(now, &answer(Kind::Acknowledgement, request.id(), &request, None));
                while let Some(output) = peer.poll_output() {
                    black_box(output);
                }
                black_box(peer.poll_timeout())
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
