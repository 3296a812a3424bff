//! What a cache counts.

/// Sums since the cache was made. Each shard counts under its own lock, so a snapshot is exact once the cache is at
/// rest.
///
/// `inserted - evicted - expired - flushed - removed` is the number of sessions cached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls of `get` that found the key, expired or not.
    pub hits: u64,
    /// Calls of `get` that did not find the key.
    pub misses: u64,
    /// Inserts with the result `Added`.
    pub inserted: u64,
    /// Inserts with the result `AlreadyCached`.
    pub already_cached: u64,
    /// Inserts with the result `Replaced`.
    pub replaced: u64,
    /// Inserts with the result `Refused`.
    pub refused: u64,
    /// Sessions that left to make room.
    pub evicted: u64,
    /// Sessions that left by `flush(Flush::ExpiredBefore(_))`.
    pub expired: u64,
    /// Sessions that left by `flush(Flush::Everything)`.
    pub flushed: u64,
    /// Sessions that left by `take` or `remove_if_same`.
    pub removed: u64,
}

impl Counters {
    /// How often the set of cached sessions has changed.
    pub fn changes(&self) -> u64 {
        self.inserted + self.replaced + self.evicted + self.expired + self.flushed + self.removed
    }

    pub(super) fn add(&mut self, other: &Counters) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.inserted += other.inserted;
        self.already_cached += other.already_cached;
        self.replaced += other.replaced;
        self.refused += other.refused;
        self.evicted += other.evicted;
        self.expired += other.expired;
        self.flushed += other.flushed;
        self.removed += other.removed;
    }
}
