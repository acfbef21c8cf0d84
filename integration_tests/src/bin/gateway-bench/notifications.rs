//! Notifications per second and what each costs.

use crate::Bench;
use crate::mqtt::Mqtt;
use crate::registrations::lost;
use crate::usage::Spent;
use integration_tests::eventually;
use simulator::load::{Fleet, Flow};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// One measurement.
struct Case {
    name: &'static str,
    content: usize,
    confirmable: bool,
    rate: Option<f64>,
    target: Option<u64>,
}

const CASES: [Case; 5] = [
    Case { name: "notification, one float, NON", content: 0, confirmable: false, rate: None, target: Some(25) },
    Case { name: "notification, one float, CON", content: 0, confirmable: true, rate: None, target: Some(25) },
    Case { name: "notification, ten resources, NON", content: 1, confirmable: false, rate: None, target: Some(40) },
    Case { name: "notification, ten resources, CON", content: 1, confirmable: true, rate: None, target: Some(40) },
    Case {
        name: "notification, one float, NON, 2,000/s",
        content: 0,
        confirmable: false,
        rate: Some(2000.0),
        target: None,
    },
];

/// Notifications between device and application, at most: as many as fit without any buffer overflowing.
const UNDER_WAY: u64 = 400;

pub(crate) fn measure(bench: &mut Bench, fleet: &mut Fleet) {
    let observed = bench.extent.observed;
    eprintln!("observing {observed} devices …");
    observe(&mut bench.mqtt, fleet, 0..observed, &["/3303/0/5700", "/3/0"]);
    assert_eq!(fleet.observations(), 2 * observed, "observations");
    for case in &CASES {
        eprintln!("{} …", case.name);
        run(bench, fleet, case);
    }
}

/// Observes these paths of these devices.
pub(crate) fn observe(mqtt: &mut Mqtt, fleet: &mut Fleet, devices: Range<usize>, paths: &[&str]) {
    let done = AtomicBool::new(false);
    let mut expected = HashSet::new();
    for index in devices {
        for (number, path) in paths.iter().enumerate() {
            let id = paths.len() * index + number;
            let command = format!(r#"{{"reqID":{id},"msgType":"observe","data":{{"path":"{path}"}}}}"#);
            mqtt.publish(&format!("lwm2m/{}/dn", fleet.endpoint(index)), command.as_bytes());
            expected.insert(id as u64);
        }
    }
    std::thread::scope(|scope| {
        scope.spawn(|| fleet.serve(Duration::from_secs(60), |_| done.load(Ordering::Relaxed)));
        mqtt.flush();
        while !expected.is_empty() {
            let Some((id, _)) = mqtt.answer(Duration::from_secs(20)) else { break };
            expected.remove(&id);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(expected.is_empty(), "{} observations stayed without answer", expected.len());
    assert_eq!(mqtt.received().errors.load(Ordering::Relaxed), 0, "observations answered with an error");
}

fn run(bench: &mut Bench, fleet: &mut Fleet, case: &Case) {
    let received = bench.mqtt.received();
    let arrived = || received.notifications.load(Ordering::Relaxed);
    let first = arrived();
    let end = Spent::begin(bench.gateway_process, bench.broker_process);
    let start = Instant::now();
    let flow = Flow { rate: case.rate, window: 200, at_most: bench.extent.time };
    let sent = fleet
        .notify(case.content, case.confirmable, usize::MAX, flow, |sent| sent < arrived() - first + UNDER_WAY)
        .expect("sockets can be waited for") as u64;
    let elapsed = start.elapsed();
    fleet.serve(Duration::from_millis(300), |_| false).expect("sockets can be waited for");
    eventually(Duration::from_secs(5), || arrived() - first >= sent);
    let spent = end(elapsed);
    let delivered = arrived() - first;
    let statistics = fleet.take_statistics();
    let remark = format!("{} of {sent} not delivered; {}", sent.saturating_sub(delivered), lost(&statistics));
    bench.report.rate(case.name, delivered, spent, case.target, &remark);
    if case.confirmable {
        bench.report.latency(&format!("{}, to the ACK", case.name), &statistics.latencies);
    }
}
