//! What a load run counts.

use std::fmt;
use std::time::Duration;

/// Durations of exchanges, kept one by one.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// Adds one; beyond an hour it counts as that.
    pub fn add(&mut self, latency: Duration) {
        self.0.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The latency below which this share (0 to 1) of all lie; zero if there are none.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let index = (sorted.len() as f64 * share) as usize;
        let at = sorted.get(index.min(sorted.len().saturating_sub(1)));
        Duration::from_micros(u64::from(at.copied().unwrap_or_default()))
    }
}

/// Counters of a fleet, and what one call added to them when taken as a difference.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams received.
    pub received: u64,
    /// CON messages sent again.
    pub retransmissions: u64,
    /// CON messages given up.
    pub unanswered: u64,
    /// Registrations accepted.
    pub registered: u64,
    /// Registrations, updates and deregistrations refused.
    pub refused: u64,
    /// Updates accepted.
    pub updated: u64,
    /// Deregistrations accepted.
    pub deregistered: u64,
    /// Requests answered.
    pub answered: u64,
    /// Observations started.
    pub observed: u64,
    /// Notifications sent.
    pub notifications: u64,
    /// CON notifications acknowledged.
    pub acknowledged: u64,
    /// RST received.
    pub resets: u64,
    /// Datagrams that the operating system refused to send.
    pub send_errors: u64,
    /// From first transmission to acknowledgement of the fleet's own CON messages.
    pub latencies: Latencies,
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sent={} received={} registered={} refused={} updated={} deregistered={} observed={} answered={} \
             notifications={} acknowledged={} retransmissions={} unanswered={} resets={} send_errors={}",
            self.sent,
            self.received,
            self.registered,
            self.refused,
            self.updated,
            self.deregistered,
            self.observed,
            self.answered,
            self.notifications,
            self.acknowledged,
            self.retransmissions,
            self.unanswered,
            self.resets,
            self.send_errors,
        )?;
        if !self.latencies.is_empty() {
            let [half, most, worst] = [0.5, 0.99, 1.0].map(|share| self.latencies.quantile(share));
            write!(f, " p50={half:?} p99={most:?} max={worst:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_taken_from_the_sorted_durations() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.99), Duration::ZERO);
        for micros in (0..100).rev() {
            latencies.add(Duration::from_micros(micros));
        }
        assert_eq!(latencies.quantile(0.5), Duration::from_micros(50));
        assert_eq!(latencies.quantile(0.99), Duration::from_micros(99));
        assert_eq!(latencies.quantile(1.0), Duration::from_micros(99));
    }
}
