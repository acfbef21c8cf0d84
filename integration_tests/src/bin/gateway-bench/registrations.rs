//! Registrations per second, a storm, and the memory of idle devices.

use crate::Bench;
use crate::usage::Spent;
use integration_tests::eventually;
use simulator::load::{Fleet, Flow, Plan, registration_storm};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

/// Devices and period of the storm that must be stood without retransmission.
const STORM: (usize, Duration) = (5_000, Duration::from_secs(5));

pub(crate) fn as_fast_as_possible(bench: &mut Bench) -> Fleet {
    let devices = bench.extent.devices;
    eprintln!("registering {devices} devices …");
    let resident = bench.gateway_process.resident();
    bench.report.memory("gateway without devices", resident, 0, 0);
    let mut fleet = Fleet::new(Plan::thermometers(bench.gateway.udp()), devices).expect("sockets for the fleet");
    let registered = bench.mqtt.received().registrations.load(Ordering::Relaxed);
    let end = Spent::begin(bench.gateway_process, bench.broker_process);
    let start = Instant::now();
    fleet.register(Flow { rate: None, window: 100, at_most: PATIENCE }).expect("sockets can be waited for");
    let elapsed = start.elapsed();
    let told = || bench.mqtt.received().registrations.load(Ordering::Relaxed) - registered;
    eventually(Duration::from_secs(20), || told() >= devices as u64);
    let spent = end(elapsed);
    let statistics = fleet.take_statistics();
    assert_eq!(fleet.registered(), devices, "registered devices: {statistics}");
    assert_eq!(told(), devices as u64, "`register` messages");
    bench.report.rate(
        "registration",
        devices as u64,
        spent,
        Some(50),
        &format!("100 under way; {}", lost(&statistics)),
    );
    bench.report.latency("registration, 100 under way", &statistics.latencies);
    settle();
    let with_devices = bench.gateway_process.resident();
    bench.report.memory("idle devices", with_devices, devices, with_devices.saturating_sub(resident));
    fleet
}

pub(crate) fn storm(bench: &mut Bench) -> Fleet {
    let (devices, period) = STORM;
    eprintln!("storm of {devices} registrations …");
    let end = Spent::begin(bench.gateway_process, bench.broker_process);
    let start = Instant::now();
    let (fleet, statistics) = registration_storm(bench.gateway.udp(), devices, period).expect("sockets for the storm");
    let spent = end(start.elapsed());
    bench.report.rate("registration storm, 5,000 in 5 s", statistics.registered, spent, None, &lost(&statistics));
    bench.report.latency("registration storm", &statistics.latencies);
    fleet
}

/// Registers more devices up to the full extent, to see what one idle device costs.
pub(crate) fn idle(bench: &mut Bench, fleet: &mut Fleet, others: usize) {
    let before = bench.gateway_process.resident();
    let present = fleet.len() + others;
    let total = bench.extent.idle;
    let more = total.saturating_sub(present);
    eprintln!("{more} more idle devices …");
    fleet.grow(more).expect("sockets for the fleet");
    let end = Spent::begin(bench.gateway_process, bench.broker_process);
    let start = Instant::now();
    fleet.register(Flow { rate: None, window: 100, at_most: PATIENCE }).expect("sockets can be waited for");
    let spent = end(start.elapsed());
    let statistics = fleet.take_statistics();
    assert_eq!(fleet.registered(), fleet.len(), "registered devices: {statistics}");
    let what = format!("registration from {present} to {} devices", total);
    bench.report.rate(&what, more as u64, spent, Some(50), &lost(&statistics));
    settle();
    let after = bench.gateway_process.resident();
    bench.report.memory(
        &format!("idle devices {present} to {}", bench.extent.idle),
        after,
        more,
        after.saturating_sub(before),
    );
}

/// Updates that say nothing new.
pub(crate) fn updates(bench: &mut Bench, fleet: &mut Fleet) {
    eprintln!("updating {} devices …", fleet.len());
    let commits = commits(bench);
    let end = Spent::begin(bench.gateway_process, bench.broker_process);
    let start = Instant::now();
    fleet.update(Flow { rate: None, window: 100, at_most: PATIENCE }).expect("sockets can be waited for");
    let spent = end(start.elapsed());
    let commits = self::commits(bench) - commits;
    let remark = format!("{}; {commits} commits", lost(&fleet.take_statistics()));
    bench.report.rate("update", fleet.len() as u64, spent, None, &remark);
}

/// Batches that the gateway has written to its store.
fn commits(bench: &Bench) -> u64 {
    std::thread::sleep(Duration::from_millis(1_500));
    let (_, text) = bench.gateway.get("/metrics").expect("metrics");
    let line = text.lines().find_map(|line| line.strip_prefix("lwm2m_gateway_store_commits_total "));
    line.and_then(|value| value.trim().parse().ok()).expect("a counter")
}

pub(crate) fn lost(statistics: &simulator::load::Statistics) -> String {
    format!("{} retransmissions, {} unanswered", statistics.retransmissions, statistics.unanswered)
}

/// Lets queues drain and the allocator rest.
fn settle() {
    std::thread::sleep(Duration::from_secs(2));
}
