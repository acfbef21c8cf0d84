//! Command round trips: MQTT command → CoAP request → response → MQTT answer.

use crate::Bench;
use crate::usage::Spent;
use simulator::load::{Fleet, Latencies};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub(crate) fn measure(bench: &mut Bench, mut fleet: Fleet) -> Fleet {
    let done = AtomicBool::new(false);
    let endpoints: Vec<String> = (0..bench.extent.devices).map(|index| fleet.endpoint(index)).collect();
    let at_most = bench.extent.time * 4 + Duration::from_secs(60);
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| {
            let served = fleet.serve(at_most, |_| done.load(Ordering::Relaxed));
            served.expect("sockets can be waited for");
        });
        for outstanding in [1, 50, 300] {
            eprintln!("commands, {outstanding} outstanding …");
            round_trips(bench, &endpoints, outstanding);
        }
        done.store(true, Ordering::Relaxed);
        serving.join().expect("the fleet serves to the end");
    });
    fleet
}

fn round_trips(bench: &mut Bench, endpoints: &[String], outstanding: usize) {
    let mut next = 0u64;
    let mut under_way = HashMap::new();
    let mut latencies = Latencies::default();
    let mut publish = |bench: &mut Bench, under_way: &mut HashMap<u64, Instant>| {
        let endpoint = &endpoints[next as usize % endpoints.len()];
        let command = format!(r#"{{"reqID":{next},"msgType":"read","data":{{"path":"/3303/0/5700"}}}}"#);
        bench.mqtt.publish(&format!("lwm2m/{endpoint}/dn"), command.as_bytes());
        under_way.insert(next, Instant::now());
        next += 1;
    };
    let errors = bench.mqtt.received().errors.load(Ordering::Relaxed);
    let end = Spent::begin(bench.gateway_process, bench.broker_process);
    let start = Instant::now();
    for _ in 0..outstanding {
        publish(bench, &mut under_way);
    }
    bench.mqtt.flush();
    let mut elapsed = Duration::ZERO;
    while !under_way.is_empty() {
        let Some((id, at)) = bench.mqtt.answer(Duration::from_secs(10)) else { break };
        if let Some(sent) = under_way.remove(&id) {
            latencies.add(at - sent);
            elapsed = at - start;
        }
        if start.elapsed() < bench.extent.time {
            publish(bench, &mut under_way);
            bench.mqtt.flush();
        }
    }
    let spent = end(elapsed);
    let errors = bench.mqtt.received().errors.load(Ordering::Relaxed) - errors;
    let name = format!("command round trip, {outstanding} outstanding");
    let remark = format!("{} unanswered, {errors} errors", under_way.len());
    bench.report.rate(&name, latencies.len() as u64, spent, Some(60), &remark);
    bench.report.latency(&name, &latencies);
}
