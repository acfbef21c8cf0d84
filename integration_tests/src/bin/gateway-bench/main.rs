//! `make bench`: what the gateway costs, measured against baselines of the same run.
//!
//! A release gateway and a mosquitto of its own, both on loopback; devices and the MQTT application live in this process. CPU time is read
//! from `/proc/PID/stat`, so gateway and broker are counted each on its own. See `docs/performance.md`.

mod baseline;
mod commands;
mod mqtt;
mod notifications;
mod registrations;
mod report;
mod restart;
mod secure;
mod usage;

use baseline::Baseline;
use integration_tests::{Broker, Gateway, Settings};
use mqtt::Mqtt;
use report::Report;
use std::time::Duration;
use usage::Process;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// Devices of the first fleet.
    devices: usize,
    /// Devices in the end.
    idle: usize,
    /// Observed devices.
    observed: usize,
    /// Time of one measurement.
    time: Duration,
}

impl Extent {
    fn secure(self) -> secure::Extent {
        let certificates = self.devices / 5;
        secure::Extent { associations: self.idle, certificates, notifying: self.observed / 5, time: self.time }
    }
}

const FULL: Extent = Extent { devices: 10_000, idle: 50_000, observed: 1_000, time: Duration::from_secs(8) };
const QUICK: Extent = Extent { devices: 2_000, idle: 5_000, observed: 200, time: Duration::from_secs(2) };

/// Everything that one run needs.
struct Bench {
    extent: Extent,
    gateway: Gateway,
    gateway_process: Process,
    broker_process: Process,
    mqtt: Mqtt,
    report: Report,
    _broker: Broker,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => run(FULL),
        ["--quick"] => run(QUICK),
        ["--dtls"] => run_dtls(FULL),
        ["--dtls", "--quick"] => run_dtls(QUICK),
        [word] if *word == baseline::ECHO => baseline::echo(),
        _ => {
            eprintln!("usage: gateway-bench [--dtls] [--quick]");
            std::process::exit(64);
        }
    }
}

fn run(extent: Extent) {
    let broker = Broker::start();
    let mut mqtt = Mqtt::connect(broker.port());
    let broker_process = Process::new(broker.pid());
    eprintln!("baselines …");
    let baseline = Baseline::measure(&mut mqtt, &broker_process, extent.time);
    let empty = restart::empty(&broker.url());
    eprintln!("gateway …");
    let gateway = Gateway::start(&broker.url(), &settings());
    let gateway_process = Process::new(gateway.pid());
    mqtt.subscribe("lwm2m/+/up/#");
    let report = Report::new(&baseline);
    let mut bench = Bench { extent, gateway, gateway_process, broker_process, mqtt, report, _broker: broker };
    let mut fleet = registrations::as_fast_as_possible(&mut bench);
    notifications::measure(&mut bench, &mut fleet);
    let mut fleet = commands::measure(&mut bench, fleet);
    let storm = registrations::storm(&mut bench);
    registrations::idle(&mut bench, &mut fleet, storm.len());
    registrations::updates(&mut bench, &mut fleet);
    restart::measure(&mut bench, &mut fleet, storm.len(), empty);
    bench.gateway.terminate();
    secure::measure(&mut bench.report, extent.secure());
    println!("{}", bench.report);
}

/// Only what concerns DTLS.
fn run_dtls(extent: Extent) {
    let broker = Broker::start();
    let mut mqtt = Mqtt::connect(broker.port());
    let baseline = Baseline::measure(&mut mqtt, &Process::new(broker.pid()), extent.time);
    let mut report = Report::new(&baseline);
    secure::measure(&mut report, extent.secure());
    println!("{report}");
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.set("log.level", "\"warn\"");
    settings.set("lwm2m.xml_dir", format!("{:?}", concat!(env!("CARGO_MANIFEST_DIR"), "/../objects")));
    settings
}
