//! Keeps log lines that strangers can provoke from filling the disk.
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Lets a few lines per second through and counts the rest.
#[derive(Debug)]
pub struct Limiter {
    per_second: u32,
    /// Second since the start in the upper half, lines in it in the lower.
    window: AtomicU64,
    suppressed: AtomicU64,
}

impl Limiter {
    /// So many lines per second.
    pub const fn new(per_second: u32) -> Limiter {
        Limiter { per_second, window: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// `Some(n)`: write the line; `n` lines were left out since the last one. `None`: leave it out.
    pub fn admit(&self) -> Option<u64> {
        self.admit_at(START.elapsed().as_secs())
    }

    fn admit_at(&self, second: u64) -> Option<u64> {
        let admitted = self.window.fetch_update(Relaxed, Relaxed, |window| {
            let (then, lines) = (window >> 32, window & 0xffff_ffff);
            match then == second {
                true if lines >= u64::from(self.per_second) => None,
                true => Some(window + 1),
                false => Some((second << 32) | 1),
            }
        });
        match admitted {
            Ok(_) => Some(self.suppressed.swap(0, Relaxed)),
            Err(_) => {
                self.suppressed.fetch_add(1, Relaxed);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Limiter;

    #[test]
    fn lines_beyond_the_rate_are_left_out_and_counted() {
        let limiter = Limiter::new(2);
        let admitted: Vec<_> = (0..5).map(|_| limiter.admit_at(7)).collect();
        assert_eq!(admitted, [Some(0), Some(0), None, None, None]);
        assert_eq!(limiter.admit_at(8), Some(3));
        assert_eq!(limiter.admit_at(8), Some(0));
    }
}
