//! CPU time and memory of another process.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// A process that is watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pid: u32,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Process {
        Process { pid }
    }

    /// CPU time used so far, user and system, all threads (`proc(5)`, stat fields 14 and 15).
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("the process runs");
        let after_name = stat.rsplit_once(')').expect("the name stands in parentheses").1;
        let fields: Vec<u64> =
            after_name.split_whitespace().skip(11).take(2).map(|f| f.parse().expect("a number")).collect();
        Duration::from_secs_f64(fields.iter().sum::<u64>() as f64 / ticks_per_second())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("the process runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process has a resident size");
        line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("a number") * 1024
    }
}

fn ticks_per_second() -> f64 {
    static TICKS: OnceLock<f64> = OnceLock::new();
    *TICKS.get_or_init(|| {
        let output = Command::new("getconf").arg("CLK_TCK").output().expect("getconf can be run");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("getconf prints a number")
    })
}

/// CPU of gateway and broker while something was done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) gateway: Duration,
    pub(crate) broker: Duration,
    pub(crate) elapsed: Duration,
}

impl Spent {
    /// Begins a measurement.
    pub(crate) fn begin(gateway: Process, broker: Process) -> impl FnOnce(Duration) -> Spent {
        let (gateway_before, broker_before) = (gateway.cpu(), broker.cpu());
        move |elapsed| Spent { gateway: gateway.cpu() - gateway_before, broker: broker.cpu() - broker_before, elapsed }
    }
}
