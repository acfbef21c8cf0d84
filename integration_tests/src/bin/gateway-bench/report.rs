//! The tables.

use crate::baseline::Baseline;
use crate::usage::Spent;
use simulator::load::Latencies;
use std::fmt;
use std::time::Duration;

/// Rows as they are measured; printed at the end, and each at once to standard error.
#[derive(Debug)]
pub(crate) struct Report {
    baseline: Baseline,
    rates: Vec<String>,
    latencies: Vec<String>,
    durations: Vec<String>,
    memory: Vec<String>,
    once: Vec<String>,
}

impl Report {
    pub(crate) fn new(baseline: &Baseline) -> Report {
        Report {
            baseline: *baseline,
            rates: Vec::new(),
            latencies: Vec::new(),
            durations: Vec::new(),
            memory: Vec::new(),
            once: Vec::new(),
        }
    }

    /// A rate, CPU per message, ratios to the baselines, and the target in microseconds of gateway CPU.
    pub(crate) fn rate(&mut self, name: &str, messages: u64, spent: Spent, target: Option<u64>, remark: &str) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / messages.max(1) as f64;
        let (gateway, broker) = (each(spent.gateway), each(spent.broker));
        let verdict = target.map_or(String::from("–"), |target| {
            let mark = if gateway <= target as f64 { "met" } else { "missed" };
            format!("≤ {target}: {mark}")
        });
        let row = format!(
            "| {name} | {:.0} | {gateway:.1} | {:.1} | {broker:.1} | {:.1} | {verdict} | {remark} |",
            messages as f64 / spent.elapsed.as_secs_f64().max(1e-9),
            gateway / micros(self.baseline.echo),
            broker / micros(self.baseline.publication),
        );
        eprintln!("{row}");
        self.rates.push(row);
    }

    pub(crate) fn latency(&mut self, name: &str, latencies: &Latencies) {
        let [half, most, worst] = [0.5, 0.99, 1.0].map(|share| latencies.quantile(share));
        self.latencies.push(format!("| {name} | {} | {half:.1?} | {most:.1?} | {worst:.1?} |", latencies.len()));
    }

    pub(crate) fn duration(&mut self, name: &str, time: Duration, remark: &str) {
        let row = format!("| {name} | {:.2} s | {remark} |", time.as_secs_f64());
        eprintln!("{row}");
        self.durations.push(row);
    }

    pub(crate) fn memory(&mut self, name: &str, resident: u64, devices: usize, added: u64) {
        self.bytes(name, resident, devices, added, 4096);
    }

    /// What each adds to the memory, and the target in bytes.
    pub(crate) fn bytes(&mut self, name: &str, resident: u64, devices: usize, added: u64, target: u64) {
        let each = if devices == 0 {
            "– | –".to_owned()
        } else {
            let (each, target) = (added as f64 / devices as f64 / 1024.0, target as f64 / 1024.0);
            format!("{each:.2} KiB | ≤ {target} KiB: {}", if each <= target { "met" } else { "missed" })
        };
        let row = format!("| {name} | {devices} | {:.1} MiB | {each} |", resident as f64 / 1024.0 / 1024.0);
        eprintln!("{row}");
        self.memory.push(row);
    }

    /// A duration that is measured as a whole; [`Duration::MAX`] is no target.
    pub(crate) fn once(&mut self, name: &str, time: Duration, target: Duration) {
        let verdict = match target {
            Duration::MAX => "–".to_owned(),
            _ => format!("≤ {target:?}: {}", if time <= target { "met" } else { "missed" }),
        };
        let row = format!("| {name} | {time:.2?} | {verdict} |");
        eprintln!("{row}");
        self.once.push(row);
    }
}

fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).max(1e-3)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let baseline = &self.baseline;
        writeln!(f, "| Baseline | per second | CPU µs each |\n|---|---|---|")?;
        writeln!(
            f,
            "| bare UDP echo, 64 under way | {:.0} | {:.1} |",
            baseline.echoes_per_second,
            micros(baseline.echo)
        )?;
        writeln!(
            f,
            "| mosquitto, one publication to one subscriber, QoS 0 | {:.0} | {:.1} |\n",
            baseline.publications_per_second,
            micros(baseline.publication)
        )?;
        writeln!(f, "| Work | per second | gateway µs | ÷ echo | broker µs | ÷ publication | target µs | remarks |")?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        self.rates.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        writeln!(f, "\n| Latency | count | p50 | p99 | max |\n|---|---|---|---|---|")?;
        self.latencies.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        writeln!(f, "\n| Restart | time | remarks |\n|---|---|---|")?;
        self.durations.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        writeln!(f, "\n| Memory | devices | RSS of the gateway | per device | target |\n|---|---|---|---|---|")?;
        self.memory.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        writeln!(f, "\n| Once | time | target |\n|---|---|---|")?;
        self.once.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}
