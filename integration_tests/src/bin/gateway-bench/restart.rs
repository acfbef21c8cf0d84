//! How long the gateway is away when it is restarted with all its devices.

use crate::Bench;
use crate::notifications::observe;
use crate::usage::Process;
use integration_tests::{Gateway, eventually};
use simulator::load::{Fleet, Flow};
use std::time::{Duration, Instant};

/// Time from the start to ready without any device.
pub(crate) fn empty(server: &str) -> Duration {
    let mut gateway = Gateway::prepare(server, &crate::settings());
    let begun = Instant::now();
    gateway.launch();
    gateway.await_ready();
    let elapsed = begun.elapsed();
    gateway.terminate();
    elapsed
}

/// Observes one path of every device of the fleet that has none yet, ends the gateway in order and by force, and starts it again.
pub(crate) fn measure(bench: &mut Bench, fleet: &mut Fleet, others: usize, empty: Duration) {
    let devices = fleet.len() + others;
    bench.report.duration("start without devices, to ready", empty, "");
    let before = fleet.observations();
    eprintln!("observing {} devices …", fleet.len());
    for from in (bench.extent.observed..fleet.len()).step_by(2_000) {
        observe(&mut bench.mqtt, fleet, from..(from + 2_000).min(fleet.len()), &["/3303/0/5700"]);
    }
    assert_eq!(fleet.observations() - before, fleet.len() - bench.extent.observed, "observations");
    // What waits for a moment has been written.
    std::thread::sleep(Duration::from_secs(2));
    let ended = Instant::now();
    bench.gateway.kill();
    bench.report.duration("kill -9", ended.elapsed(), "");
    start(bench, devices, empty, "start after kill -9");
    let ended = Instant::now();
    assert!(bench.gateway.terminate().success(), "{}", bench.gateway.log());
    bench.report.duration("SIGTERM to the end of the process", ended.elapsed(), "");
    start(bench, devices, empty, "start after SIGTERM");
    fleet
        .update(Flow { rate: None, window: 100, at_most: Duration::from_secs(60) })
        .expect("sockets can be waited for");
    assert_eq!(fleet.take_statistics().unanswered, 0, "Updates after the restart");
}

fn start(bench: &mut Bench, devices: usize, empty: Duration, what: &str) {
    let begun = Instant::now();
    bench.gateway.launch();
    let ready = eventually(Duration::from_secs(120), || bench.gateway.is_ready());
    assert!(ready, "not ready in two minutes: {}", bench.gateway.log());
    let elapsed = begun.elapsed();
    let scaled = elapsed.saturating_sub(empty).as_secs_f64() * 100_000.0 / devices as f64;
    bench.gateway_process = Process::new(bench.gateway.pid());
    let remark = format!("{devices} devices; {scaled:.2} s more for each 100,000");
    bench.report.duration(&format!("{what}, to ready"), elapsed, &remark);
    let resident = bench.gateway_process.resident();
    bench.report.memory(what, resident, 0, 0);
}
