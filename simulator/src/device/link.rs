//! A lossy network between the device and the gateway, decided by a seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

/// How the network treats datagrams, each direction on its own. Probabilities from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkQuality {
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that a datagram arrives twice.
    pub duplication: f64,
    /// Probability that a datagram is held back by [`LinkQuality::reorder_delay`], so that later ones overtake it.
    pub reordering: f64,
    /// How long a reordered datagram is held back.
    pub reorder_delay: Duration,
    /// Delay of every datagram.
    pub delay: Duration,
    /// Additional random delay, up to this.
    pub jitter: Duration,
    /// Seed of all decisions.
    pub seed: u64,
}

impl Default for LinkQuality {
    /// A perfect network.
    fn default() -> LinkQuality {
        LinkQuality {
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            reorder_delay: Duration::from_millis(50),
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            seed: 0,
        }
    }
}

/// One direction of the network.
#[derive(Debug)]
pub(super) struct Link {
    quality: LinkQuality,
    rng: StdRng,
}

impl Link {
    pub(super) fn new(quality: LinkQuality, direction: u64) -> Link {
        Link { quality, rng: StdRng::seed_from_u64(quality.seed ^ direction.rotate_left(32)) }
    }

    /// When the copies of one datagram arrive; none if it is lost.
    pub(super) fn arrivals(&mut self, now: Instant) -> Vec<Instant> {
        let quality = self.quality;
        if self.rng.random_bool(quality.loss.clamp(0.0, 1.0)) {
            return Vec::new();
        }
        let copies = 1 + usize::from(self.rng.random_bool(quality.duplication.clamp(0.0, 1.0)));
        (0..copies)
            .map(|_| {
                let jitter = quality.jitter.mul_f64(self.rng.random::<f64>());
                let held = if self.rng.random_bool(quality.reordering.clamp(0.0, 1.0)) {
                    quality.reorder_delay
                } else {
                    Duration::ZERO
                };
                now + quality.delay + jitter + held
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_loses_and_doubles_the_same_datagrams() {
        let quality = LinkQuality { loss: 0.3, duplication: 0.2, seed: 7, ..LinkQuality::default() };
        let now = Instant::now();
        let run = || {
            let mut link = Link::new(quality, 1);
            (0..1000).map(|_| link.arrivals(now).len()).collect::<Vec<_>>()
        };
        let first = run();
        assert_eq!(first, run());
        let lost = first.iter().filter(|copies| **copies == 0).count();
        assert!((250..350).contains(&lost), "{lost}");
        assert!(first.contains(&2));
    }
}
