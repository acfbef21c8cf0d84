//! Values that move with time.

use std::time::Duration;

/// A number as a function of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Waveform {
    /// Up and down around the middle.
    Sine {
        /// Lowest value.
        low: f64,
        /// Highest value.
        high: f64,
        /// One full swing.
        period: Duration,
    },
    /// From `high` down to `low`, then `high` again: a battery that somebody changes.
    Drain {
        /// Value at the start of each period.
        high: f64,
        /// Value at its end.
        low: f64,
        /// From full to empty.
        period: Duration,
    },
    /// From `low` up to `high`, then `low` again: a counter.
    Ramp {
        /// Value at the start of each period.
        low: f64,
        /// Value at its end.
        high: f64,
        /// From low to high.
        period: Duration,
    },
}

impl Waveform {
    /// The value at this time.
    pub fn at(self, elapsed: Duration) -> f64 {
        let phase = |period: Duration| (elapsed.as_secs_f64() / period.as_secs_f64().max(0.001)).fract();
        match self {
            Waveform::Sine { low, high, period } => {
                let swing = (phase(period) * std::f64::consts::TAU).sin();
                low + (high - low) * (swing + 1.0) / 2.0
            }
            Waveform::Drain { high, low, period } => high + (low - high) * phase(period),
            Waveform::Ramp { low, high, period } => low + (high - low) * phase(period),
        }
    }

    /// The value at this time, rounded to so many decimals.
    pub fn rounded(self, elapsed: Duration, decimals: i32) -> f64 {
        let scale = 10f64.powi(decimals);
        (self.at(elapsed) * scale).round() / scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_stay_in_their_range_and_repeat() {
        let period = Duration::from_secs(10);
        let at = |wave: Waveform, seconds: f64| wave.rounded(Duration::from_secs_f64(seconds), 3);
        let sine = Waveform::Sine { low: 10.0, high: 20.0, period };
        assert_eq!([at(sine, 0.0), at(sine, 2.5), at(sine, 7.5), at(sine, 12.5)], [15.0, 20.0, 10.0, 20.0]);
        let drain = Waveform::Drain { high: 100.0, low: 0.0, period };
        assert_eq!([at(drain, 0.0), at(drain, 5.0), at(drain, 10.0)], [100.0, 50.0, 100.0]);
        let ramp = Waveform::Ramp { low: 0.0, high: 10.0, period };
        assert_eq!([at(ramp, 1.0), at(ramp, 11.0)], [1.0, 1.0]);
    }
}
