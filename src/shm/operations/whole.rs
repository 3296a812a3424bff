//! A region as a whole: how it is made, whether it may still be touched, and what it counts.

use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU64};
use std::io;
use std::path::Path;

use crate::shm::region::digest::Digests;
use crate::shm::region::file::{self, Refusal, Watch};
use crate::shm::region::header::initialise;
use crate::shm::region::id::PartitionId;
use crate::shm::region::layout::{Layout, header};
use crate::shm::region::memory::Memory;
use crate::shm::region::partitions::Partitions;
use crate::shm::shard::view::Shard;
use crate::shm::stats::{Event, Stats, count};
use crate::sys::forks::watch_forks;

/// Memory that many processes use at the same time, for the records of many partitions.
pub struct Region {
    pub(in crate::shm) memory: Memory,
    pub(in crate::shm) layout: Layout,
    pub(in crate::shm) digests: Digests,
    /// Random, of this region alone: it differs in a region that was made anew in the same file.
    salt: u64,
    watch: Option<Watch>,
    /// True if this process has asked for an entry when there was none.
    pub(super) was_full: AtomicBool,
    /// The tenth of a second in which it last did.
    pub(super) full_at: AtomicU64,
}

impl Region {
    /// Makes a region of anonymous memory, for this process and those that are forked from it. `bytes` is the address
    /// space that it takes, and the most memory; pages are allocated when they are first used.
    pub fn anonymous(bytes: usize) -> io::Result<Region> {
        let layout = Layout::new(bytes).ok_or(io::ErrorKind::InvalidInput)?;
        let memory = Memory::anonymous(layout.size)?;
        if !initialise(&memory, &layout) {
            return Err(io::Error::last_os_error());
        }
        Ok(Region::of(memory, layout, None))
    }

    /// Opens the region in a file, or makes it if the file is missing or empty. A region that exists keeps its size.
    pub fn named(path: &Path, bytes: usize) -> Result<Region, Refusal> {
        let (memory, layout, watch) = file::open(path, bytes)?;
        Ok(Region::of(memory, layout, Some(watch)))
    }

    /// The size in bytes.
    pub fn size(&self) -> usize {
        self.layout.size
    }

    /// True if a region that is made with `bytes` would be of the same size.
    pub fn is_as_made_with(&self, bytes: usize) -> bool {
        Layout::new(bytes).is_some_and(|layout| layout.size == self.layout.size)
    }

    pub(super) fn of(memory: Memory, layout: Layout, watch: Option<Watch>) -> Region {
        watch_forks();
        let digests = Digests::of(&memory);
        let salt = memory.u64(header::SALT).load(Relaxed);
        Region {
            memory,
            layout,
            digests,
            salt,
            watch,
            was_full: AtomicBool::new(false),
            full_at: AtomicU64::new(u64::MAX),
        }
    }

    /// An id that no other partition has.
    pub fn fresh_id(&self) -> PartitionId {
        static WITHOUT_REGION: AtomicU64 = AtomicU64::new(0);
        if !self.is_on() {
            return PartitionId::named(u128::from(WITHOUT_REGION.fetch_add(1, Relaxed)));
        }
        self.partitions().fresh_id()
    }

    /// True if this process has asked for a partition when all entries were in use.
    pub fn was_full(&self) -> bool {
        self.was_full.load(Relaxed)
    }

    /// The sums of all that all processes have counted.
    pub fn stats(&self) -> Stats {
        let sum = |at: usize| self.memory.u64(at).load(Relaxed);
        let off = self.watch.as_ref().map_or(0, Watch::times_off);
        let mut stats = Stats {
            size: self.layout.size as u64,
            off,
            ..Stats::default()
        };
        if !self.is_on() {
            return stats;
        }
        for number in 0..self.layout.shards {
            stats.add(&self.memory, self.layout.shard(number));
        }
        stats.undecodable = stats.undecodable.wrapping_add(sum(header::UNDECODABLE));
        stats.time_outs = stats.time_outs.wrapping_add(sum(header::TIME_OUTS));
        stats
    }

    /// Counts a record that the caller found and could not decode.
    pub fn count_undecodable(&self) {
        if !self.is_on() {
            return self.count_off();
        }
        self.memory.u64(header::UNDECODABLE).fetch_add(1, Relaxed);
    }

    /// True if the memory may be touched and still holds this region. A region that was made anew in the same file has
    /// other random numbers: no process would find what this one puts there, or could read its key page.
    pub(in crate::shm) fn is_on(&self) -> bool {
        self.watch.as_ref().is_none_or(|watch| {
            watch.is_whole(self.layout.size)
                && self.memory.u64(header::SALT).load(Relaxed) == self.salt
        })
    }

    pub(in crate::shm) fn partitions(&self) -> Partitions<'_> {
        Partitions {
            memory: &self.memory,
            layout: &self.layout,
        }
    }

    pub(in crate::shm) fn shard(&self, number: usize) -> Shard<'_> {
        Shard::new(
            &self.memory,
            &self.layout,
            &self.digests,
            self.layout.shard(number),
        )
    }

    pub(in crate::shm) fn count(&self, shard: usize, event: Event) {
        count(&self.memory, self.layout.shard(shard), event);
    }

    /// Counts a call that found the region's file changed.
    pub(in crate::shm) fn count_off(&self) {
        if let Some(watch) = &self.watch {
            watch.count_off();
        }
    }
}
