//! Seeded mutations of good input: every run tries the same ones, and a failure names its seed.
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A source of mutations.
#[derive(Debug)]
pub struct Mutator {
    random: StdRng,
}

impl Mutator {
    /// From a seed.
    pub fn new(seed: u64) -> Mutator {
        Mutator { random: StdRng::seed_from_u64(seed) }
    }

    /// One of several.
    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.random.random_range(0..from.len())]
    }

    /// Changes one to four places: flips a bit, replaces, inserts, removes, repeats a piece, cuts the end.
    pub fn mutate(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..self.random.random_range(1..=4) {
            if bytes.is_empty() {
                bytes.push(self.random.random());
                continue;
            }
            let at = self.random.random_range(0..bytes.len());
            match self.random.random_range(0..7) {
                0 => bytes[at] ^= 1 << self.random.random_range(0..8),
                1 => bytes[at] = self.random.random(),
                2 => bytes.insert(at, self.random.random()),
                3 => {
                    bytes.remove(at);
                }
                4 => bytes.truncate(at),
                5 => {
                    let end = self.random.random_range(at..=bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.extend(piece);
                }
                _ => bytes[at] = *self.choose(&[0x00, 0x7f, 0x80, 0xff, b'"', b'{', b'<', b'\\']),
            }
            bytes.truncate(60_000);
        }
        bytes
    }
}
