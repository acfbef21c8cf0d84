//! `make bench-leshan`: the same load on the gateway and on a server made with Leshan's server library, one after the other in one run.
//!
//! Devices (`simulator::load::Fleet`) and the MQTT application live in this process; CPU time and memory are read from `/proc`. What each side does
//! more than the other stands in `docs/performance.md`.

#[path = "../gateway-bench/mqtt.rs"]
mod mqtt;
mod sides;
#[path = "../gateway-bench/usage.rs"]
#[expect(dead_code, reason = "the other bench uses the rest")]
mod usage;

use sides::{GatewaySide, LeshanSide, Side};
use simulator::load::{Fleet, Flow, Plan};
use std::time::{Duration, Instant};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// Devices before the measurement, while a Java machine compiles what it needs.
    warm: usize,
    /// Devices whose registration and memory are measured.
    measured: usize,
    /// Observed devices.
    observed: usize,
    /// Time of one measurement.
    time: Duration,
}

const FULL: Extent = Extent { warm: 10_000, measured: 10_000, observed: 1_000, time: Duration::from_secs(8) };
const QUICK: Extent = Extent { warm: 1_000, measured: 1_000, observed: 200, time: Duration::from_secs(2) };

const PATIENCE: Duration = Duration::from_secs(180);

/// Reads under way at any time.
const OUTSTANDING: usize = 50;

/// Notifications between device and server, at most.
const UNDER_WAY: u64 = 400;

/// Result of one kind of work on one side.
#[derive(Debug)]
struct Row {
    name: &'static str,
    per_second: f64,
    cpu: Duration,
    lost: u64,
}

/// What one side came to.
#[derive(Debug)]
struct Outcome {
    rows: Vec<Row>,
    empty: u64,
    full: u64,
    per_device: f64,
    heap_per_device: Option<f64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let extent = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => FULL,
        ["--quick"] => QUICK,
        _ => {
            eprintln!("usage: leshan-bench [--quick]");
            std::process::exit(64);
        }
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let gateway = run(&mut GatewaySide::start(), extent);
    let leshan = run(&mut LeshanSide::start(), extent);
    print(extent, &gateway, &leshan, load.split(' ').next().unwrap_or("?"));
}

fn run(side: &mut impl Side, extent: Extent) -> Outcome {
    let empty = side.process().resident();
    let mut rows = Vec::new();
    let mut fleet = Fleet::new(Plan::thermometers(side.address()), extent.warm).expect("sockets for the fleet");
    register(side, &mut fleet);
    side.observe(&mut fleet, extent.observed);
    // Warm-up, and then in earnest.
    notify(side, &mut fleet, false, extent.time);
    for (name, confirmable) in [("notification, one float, NON", false), ("notification, one float, CON", true)] {
        let cpu = side.process().cpu();
        let (arrived, sent, elapsed) = notify(side, &mut fleet, confirmable, extent.time);
        rows.push(row(name, arrived, side.process().cpu() - cpu, elapsed, sent.saturating_sub(arrived)));
    }
    side.read(&mut fleet, extent.time, OUTSTANDING);
    let cpu = side.process().cpu();
    let (answered, failed, elapsed) = side.read(&mut fleet, extent.time, OUTSTANDING);
    rows.push(row("read, 50 under way", answered, side.process().cpu() - cpu, elapsed, failed));

    // Registrations and memory last: by now everything that the process needs once is there.
    let (before, heap_before) = side.memory();
    fleet.grow(extent.measured).expect("sockets for the fleet");
    let cpu = side.process().cpu();
    let start = Instant::now();
    register(side, &mut fleet);
    let elapsed = start.elapsed();
    let spent = side.process().cpu() - cpu;
    rows.insert(0, row("registration, 100 under way", extent.measured as u64, spent, elapsed, 0));
    let (full, heap_after) = side.memory();
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / extent.measured as f64 / 1024.0;
    let heap_per_device = heap_before.zip(heap_after).map(|(before, after)| each(before, after));
    Outcome { rows, empty, full, per_device: each(before, full), heap_per_device }
}

fn row(name: &'static str, messages: u64, cpu: Duration, elapsed: Duration, lost: u64) -> Row {
    let messages = messages.max(1) as f64;
    let row = Row { name, per_second: messages / elapsed.as_secs_f64(), cpu: cpu.div_f64(messages), lost };
    eprintln!("{row:?}");
    row
}

fn register(side: &impl Side, fleet: &mut Fleet) {
    fleet.register(Flow { rate: None, window: 100, at_most: PATIENCE }).expect("sockets can be waited for");
    let statistics = fleet.take_statistics();
    assert_eq!(fleet.registered(), fleet.len(), "registered devices: {statistics}");
    let told = integration_tests::eventually(PATIENCE, || side.registered() >= fleet.len() as u64);
    assert!(told, "{} of {} registrations were told", side.registered(), fleet.len());
}

/// Notifications for a while: arrived, sent, time.
fn notify(side: &impl Side, fleet: &mut Fleet, confirmable: bool, time: Duration) -> (u64, u64, Duration) {
    let first = side.notifications();
    let arrived = || side.notifications() - first;
    let start = Instant::now();
    let flow = Flow { rate: None, window: 200, at_most: time };
    let sent = fleet.notify(0, confirmable, usize::MAX, flow, |sent| sent < arrived() + UNDER_WAY);
    let sent = sent.expect("sockets can be waited for") as u64;
    let elapsed = start.elapsed();
    fleet.serve(Duration::from_millis(300), |_| false).expect("sockets can be waited for");
    integration_tests::eventually(Duration::from_secs(5), || arrived() >= sent);
    (arrived(), sent, elapsed)
}

fn print(extent: Extent, gateway: &Outcome, leshan: &Outcome, load: &str) {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!("Load average before: {load}; {} devices in the end.\n", extent.warm + extent.measured);
    println!(
        "| Work | gateway, per second | gateway, CPU µs | Leshan, per second | Leshan, CPU µs | lost (gateway, Leshan) |"
    );
    println!("|---|---|---|---|---|---|");
    for (ours, theirs) in gateway.rows.iter().zip(&leshan.rows) {
        println!(
            "| {} | {:.0} | {:.1} | {:.0} | {:.1} | {}, {} |",
            ours.name,
            ours.per_second,
            micros(ours.cpu),
            theirs.per_second,
            micros(theirs.cpu),
            ours.lost,
            theirs.lost
        );
    }
    let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    println!("\n| Memory | gateway | Leshan |\n|---|---|---|");
    println!("| RSS without devices | {:.1} MiB | {:.1} MiB |", mib(gateway.empty), mib(leshan.empty));
    println!("| RSS in the end | {:.1} MiB | {:.1} MiB |", mib(gateway.full), mib(leshan.full));
    println!("| RSS for each further device | {:.2} KiB | {:.2} KiB |", gateway.per_device, leshan.per_device);
    let heap = leshan.heap_per_device.unwrap_or_default();
    println!("| heap in use after collection, for each further device | – | {heap:.2} KiB |");
}
