//! The value of a Block1 or Block2 option (RFC 7959 §2.2) and the sizes it may name.

/// Largest block number: 20 bits.
const NUMBER_MAX: usize = (1 << 20) - 1;

/// A Block1 or Block2 value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// NUM, the number of the block, 20 bits.
    pub number: u32,
    /// M, more blocks follow.
    pub more: bool,
    /// SZX, 0–7; 7 is reserved over UDP.
    pub exponent: u8,
}

impl Block {
    /// Reads the option's uint.
    pub const fn from_uint(value: u32) -> Block {
        Block { number: value >> 4, more: value & 8 != 0, exponent: (value & 7) as u8 }
    }
    /// The option's uint.
    pub const fn to_uint(self) -> u32 {
        self.number << 4 | (self.more as u32) << 3 | self.exponent as u32
    }
    /// The block that begins at byte `offset`, a multiple of its size; `None` if it lies beyond the last number.
    pub fn at(offset: usize, exponent: u8, more: bool) -> Option<Block> {
        let number = offset / size(exponent);
        (number <= NUMBER_MAX).then_some(Block { number: number as u32, more, exponent })
    }
    /// SZX 7 means something only over TCP (RFC 8323 §6).
    pub const fn is_reserved(self) -> bool {
        self.exponent > 6
    }
    /// Size in bytes: 16 to 1024.
    pub const fn size(self) -> usize {
        size(self.exponent)
    }
    /// First byte of the body that this block carries.
    pub const fn offset(self) -> usize {
        self.number as usize * self.size()
    }
    /// A payload of this length is right: full if more follow, at most full if not.
    pub const fn fits(self, payload: usize) -> bool {
        if self.more { payload == self.size() } else { payload <= self.size() }
    }
}

/// The size in bytes for an SZX of 0–6.
pub(crate) const fn size(exponent: u8) -> usize {
    16 << exponent
}

/// The largest SZX whose size does not exceed `bytes`, 16 bytes at least.
pub(crate) fn exponent_within(bytes: usize) -> u8 {
    (0..=6).rev().find(|exponent| size(*exponent) <= bytes).unwrap_or(0)
}
