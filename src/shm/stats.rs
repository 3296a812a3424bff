//! Statistics of a region: what its shards count, and their sums.

use core::sync::atomic::Ordering::Relaxed;

use crate::shm::region::layout::shard as place;
use crate::shm::region::memory::Memory;

/// Sums over all processes since the region was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Calls of `get`, `holds` and `consume`.
    pub gets: u64,
    /// Calls of these that found the record.
    pub hits: u64,
    /// Calls of these that found no record of the key (or, for `holds` and `consume`, of the mark).
    pub absent: u64,
    /// Calls of these that found an expired record.
    pub expired: u64,
    /// Records that were not whole, or that the caller could not decode.
    pub undecodable: u64,
    /// Records put.
    pub puts: u64,
    /// Records not put: too long, no time, no room.
    pub refused: u64,
    /// Records that left to make room.
    pub evictions: u64,
    /// Records consumed.
    pub takes: u64,
    /// Calls that did nothing because they did not get a lock in time.
    pub time_outs: u64,
    /// Locks that were taken from a process that had died or had kept a lock for too long.
    pub recovered: u64,
    /// How often a shard contradicted itself and was rebuilt from its records.
    pub rebuilt: u64,
    /// Calls of this process that did nothing because the region's file was truncated or made anew.
    pub off: u64,
    /// Records in the region.
    pub records: u64,
    /// Bytes that these records take.
    pub bytes: u64,
    /// The size of the region, in bytes.
    pub size: u64,
}

/// The events that a shard counts.
#[derive(Clone, Copy)]
pub enum Event {
    Hit,
    Absent,
    Expired,
    Undecodable,
    Put,
    Evicted,
    Consumed,
    Recovered,
    Rebuilt,
    /// A hit without the lock. This event and those below are also counted without the lock.
    Glimpse,
    /// A get that could not look.
    GetInVain,
    Refused,
    TimeOut,
}

/// Counts an event in the shard at `base`.
pub fn count(memory: &Memory, base: usize, event: Event) {
    let counter = memory.u64(base + place::COUNTERS + 8 * event as usize);
    if event as usize >= Event::Glimpse as usize {
        counter.fetch_add(1, Relaxed);
    } else {
        // Under the lock no other process adds: a plain store is cheaper.
        counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

/// How often the shard at `base` has counted an event.
pub fn counted(memory: &Memory, base: usize, event: Event) -> u64 {
    memory
        .u64(base + place::COUNTERS + 8 * event as usize)
        .load(Relaxed)
}

impl Stats {
    /// Adds the counts of the shard at `base`.
    pub fn add(&mut self, memory: &Memory, base: usize) {
        let now = |byte: usize| u64::from(memory.u32(base + byte).load(Relaxed));
        let add = |to: &mut u64, events: &[Event]| {
            *to = events.iter().fold(*to, |sum, &event| {
                sum.wrapping_add(counted(memory, base, event))
            });
        };
        add(&mut self.hits, &[Event::Hit, Event::Glimpse]);
        add(
            &mut self.gets,
            &[
                Event::Hit,
                Event::Glimpse,
                Event::Absent,
                Event::Expired,
                Event::Undecodable,
                Event::GetInVain,
            ],
        );
        add(&mut self.absent, &[Event::Absent]);
        add(&mut self.expired, &[Event::Expired]);
        add(&mut self.undecodable, &[Event::Undecodable]);
        add(&mut self.puts, &[Event::Put]);
        add(&mut self.refused, &[Event::Refused]);
        add(&mut self.evictions, &[Event::Evicted]);
        add(&mut self.takes, &[Event::Consumed]);
        add(&mut self.time_outs, &[Event::TimeOut]);
        add(&mut self.recovered, &[Event::Recovered]);
        add(&mut self.rebuilt, &[Event::Rebuilt]);
        self.records = self.records.wrapping_add(now(place::RECORDS));
        self.bytes = self.bytes.wrapping_add(now(place::GRANULES) * 8);
    }
}
