//! The index of a shard, from fingerprints to records: a table that grows by one bucket at a time, as that of the cache's holders
//! does (linear hashing; `cache/holders.rs`). It does not shrink: a bucket is 6 bytes.
//!
//! A bucket also remembers, in two bytes, the record that last left it: 8 bits of its hash, and when it was used.

use core::sync::atomic::Ordering::Relaxed;

use crate::shm::region::digest::Fingerprint;
use crate::shm::region::layout::shard as place;
use crate::shm::shard::heap::{Broken, NIL};
use crate::shm::shard::record::Record;
use crate::shm::shard::view::Shard;

/// The index of a shard.
#[derive(Clone, Copy)]
pub struct Index<'a>(pub Shard<'a>);

/// The part of a hash that a bucket remembers: the bits that are the last to choose a bucket.
fn remembered(hash: u32) -> u8 {
    (hash >> 24) as u8
}

impl<'a> Index<'a> {
    pub fn buckets(&self) -> u32 {
        let buckets = self.0.word(place::BUCKETS);
        buckets.clamp(1, self.0.layout.most_buckets)
    }

    fn bucket(&self, hash: u32) -> u32 {
        let buckets = self.buckets();
        let mask = u32::MAX >> (buckets - 1).max(1).leading_zeros();
        let bucket = hash & mask;
        if bucket < buckets {
            bucket
        } else {
            bucket & (mask >> 1)
        }
    }

    pub fn head(&self, bucket: u32) -> u32 {
        self.0.word(self.0.layout.buckets + 4 * bucket as usize)
    }

    fn set_head(&self, bucket: u32, at: u32) {
        self.0
            .set_word(self.0.layout.buckets + 4 * bucket as usize, at);
    }

    fn left(&self, bucket: u32) -> usize {
        self.0.base + self.0.layout.left + 2 * bucket as usize
    }

    pub fn find(&self, wanted: Fingerprint) -> Result<Option<Record<'a>>, Broken> {
        self.find_which(wanted.hash(), |record| record.fingerprint() == wanted)
    }

    /// Finds a record by half of its fingerprint.
    pub fn find_by_half(&self, first: u64) -> Result<Option<Record<'a>>, Broken> {
        let hash = Fingerprint { first, second: 0 }.hash();
        self.find_which(hash, |record| record.fingerprint().first == first)
    }

    fn find_which(
        &self,
        hash: u32,
        is_wanted: impl Fn(&Record<'a>) -> bool,
    ) -> Result<Option<Record<'a>>, Broken> {
        let mut at = self.head(self.bucket(hash));
        for _ in 0..=self.0.records() {
            if at == NIL {
                return Ok(None);
            }
            let record = self.0.record(at)?;
            if is_wanted(&record) {
                return Ok(Some(record));
            }
            at = record.chain();
        }
        Err(Broken) // the chain is a circle
    }

    /// Links a record that `find` does not find; it is counted already.
    pub fn link(&self, record: &Record<'_>) -> Result<(), Broken> {
        let bucket = self.bucket(record.fingerprint().hash());
        record.set_chain(self.head(bucket));
        self.set_head(bucket, record.at);
        let buckets = self.buckets();
        if self.0.records() > buckets && buckets < self.0.layout.most_buckets {
            self.split(buckets)?;
        }
        Ok(())
    }

    /// Adds bucket number `last` and moves to it the records that belong there.
    fn split(&self, last: u32) -> Result<(), Broken> {
        let sibling = last ^ (1 << last.ilog2());
        let mut at = self.head(sibling);
        // Both keep what was remembered, as it does not say to which of them it belongs now.
        let left = self.0.memory.u16(self.left(sibling)).load(Relaxed);
        self.0.memory.u16(self.left(last)).store(left, Relaxed);
        self.set_head(last, NIL);
        self.set_head(sibling, NIL);
        self.0.set_word(place::BUCKETS, last + 1);
        for _ in 0..=self.0.records() {
            if at == NIL {
                return Ok(());
            }
            let record = self.0.record(at)?;
            let after = record.chain();
            let bucket = self.bucket(record.fingerprint().hash());
            record.set_chain(self.head(bucket));
            self.set_head(bucket, at);
            at = after;
        }
        Err(Broken)
    }

    /// Takes a record out and remembers it.
    pub fn unlink(&self, record: &Record<'_>) -> Result<(), Broken> {
        let hash = record.fingerprint().hash();
        let bucket = self.bucket(hash);
        let memory = u16::from(remembered(hash)) << 8 | u16::from(record.used());
        self.0.memory.u16(self.left(bucket)).store(memory, Relaxed);
        let mut at = self.head(bucket);
        if at == record.at {
            self.set_head(bucket, record.chain());
            return Ok(());
        }
        for _ in 0..=self.0.records() {
            let before = self.0.record(at)?;
            at = before.chain();
            if at == record.at {
                before.set_chain(record.chain());
                return Ok(());
            }
        }
        Err(Broken)
    }

    /// When the record of this hash was last used, if its bucket remembers it.
    pub fn recall(&self, hash: u32) -> Option<u8> {
        let [memory, used] = self
            .0
            .memory
            .u16(self.left(self.bucket(hash)))
            .load(Relaxed)
            .to_be_bytes();
        (memory == remembered(hash)).then_some(used)
    }

    /// Makes the table one empty bucket.
    pub fn forget(&self) {
        self.0.set_word(place::BUCKETS, 1);
        self.set_head(0, NIL);
    }

    /// Follows every chain; returns how many records there are.
    #[cfg(any(test, fuzzing))]
    pub fn validate(&self) -> Result<u32, String> {
        let mut met = 0;
        for bucket in 0..self.buckets() {
            let mut at = self.head(bucket);
            while at != NIL {
                let record = self
                    .0
                    .record(at)
                    .map_err(|_| format!("bucket {bucket} at {at}"))?;
                met += 1;
                if met > self.0.records() {
                    return Err("more records in the index than there are".to_owned());
                }
                if self.bucket(record.fingerprint().hash()) != bucket {
                    return Err(format!("a record in a wrong bucket at {at}"));
                }
                if !matches!(self.find(record.fingerprint()), Ok(Some(found)) if found.at == at) {
                    return Err(format!("two records of one key at {at}"));
                }
                at = record.chain();
            }
        }
        Ok(met)
    }
}
