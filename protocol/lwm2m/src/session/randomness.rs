//! Unguessable numbers from the seed: SipHash-2-4, a keyed pseudo-random function, over a counter.

/// A stream of unguessable 64-bit numbers.
#[derive(Debug)]
pub(super) struct Randomness {
    key: [u64; 2],
    counter: u64,
}

impl Randomness {
    pub(super) fn new(seed: [u8; 16]) -> Randomness {
        let seed = u128::from_le_bytes(seed);
        Randomness { key: [seed as u64, (seed >> 64) as u64], counter: 0 }
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.counter += 1;
        siphash_of_word(self.key, self.counter)
    }

    pub(super) fn next_seed(&mut self) -> [u8; 16] {
        let wide = u128::from(self.next_u64()) << 64 | u128::from(self.next_u64());
        wide.to_le_bytes()
    }
}

/// SipHash-2-4 (Aumasson, Bernstein 2012) of the eight little-endian bytes of one word.
fn siphash_of_word(key: [u64; 2], word: u64) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    // The last block holds the length, 8, in its top byte.
    for block in [word, 8 << 56] {
        v[3] ^= block;
        round(&mut v);
        round(&mut v);
        v[0] ^= block;
    }
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siphash_gives_the_published_value() {
        // Vector 8 of the authors' table: key 00…0f, message 00…07.
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        assert_eq!(siphash_of_word(key, 0x0706_0504_0302_0100), 0x93f5_f579_9a93_2462);
    }

    #[test]
    fn numbers_of_different_seeds_differ() {
        let mut one = Randomness::new([1; 16]);
        let mut two = Randomness::new([2; 16]);
        assert_ne!(one.next_u64(), two.next_u64());
        assert_ne!(one.next_seed(), one.next_seed());
    }
}
