//! Unpredictable numbers from a seed: SipHash-2-4 as a keyed pseudo-random function over a counter.
use siphasher::sip::SipHasher24;

/// A token, 0–8 bytes (RFC 7252 §5.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token {
    length: u8,
    bytes: [u8; 8],
}

impl Token {
    /// The first 8 bytes of what is given; decoded messages never have more.
    pub(crate) fn new(token: &[u8]) -> Token {
        let mut bytes = [0; 8];
        let length = token.len().min(8);
        bytes[..length].copy_from_slice(&token[..length]);
        Token { length: length as u8, bytes }
    }
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// The source of message ids, tokens, tags and jitter of one peer.
#[derive(Debug)]
pub(crate) struct Random {
    key: [u8; 16],
    counter: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 16]) -> Random {
        Random { key: seed, counter: 0 }
    }
    /// Tells nothing about the numbers before and after it to one who does not know the seed.
    pub(crate) fn next(&mut self) -> u64 {
        self.counter += 1;
        SipHasher24::new_with_key(&self.key).hash(&self.counter.to_le_bytes())
    }
    pub(crate) fn token(&mut self) -> Token {
        Token { length: 8, bytes: self.next().to_le_bytes() }
    }
    /// In 0–1.
    pub(crate) fn jitter(&mut self) -> f64 {
        self.next() as f64 / u64::MAX as f64
    }
}
