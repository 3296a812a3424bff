//! Numbers that look random, for tests.

/// A small generator (xorshift), so that each user has its own sequence and every run the same ones.
pub struct Random(pub u64);

impl Random {
    /// A number from 0 up to the bound, which is not one of them.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
