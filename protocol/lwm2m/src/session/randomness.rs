//! Unguessable numbers from the seed: SipHash-2-4 as a keyed pseudo-random function over a counter.
use siphasher::sip::SipHasher24;

/// A stream of unguessable 64-bit numbers.
#[derive(Debug)]
pub(super) struct Randomness {
    key: [u8; 16],
    counter: u64,
}

impl Randomness {
    pub(super) fn new(seed: [u8; 16]) -> Randomness {
        Randomness { key: seed, counter: 0 }
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.counter += 1;
        SipHasher24::new_with_key(&self.key).hash(&self.counter.to_le_bytes())
    }

    /// The seed of something else that must be unguessable too.
    pub(super) fn next_seed(&mut self) -> [u8; 16] {
        let wide = u128::from(self.next_u64()) << 64 | u128::from(self.next_u64());
        wide.to_le_bytes()
    }
}
