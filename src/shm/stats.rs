//! What has happened in a region so far.

use core::sync::atomic::Ordering::Relaxed;

use crate::shm::region::layout::shard as place;
use crate::shm::region::memory::Memory;

/// Sums since the region was made, of all processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Calls of `get`, `holds` and `take`.
    pub gets: u64,
    /// Of these, how many found the record.
    pub hits: u64,
    /// Of these, how many found none of the key (or, for `holds` and `take`, of the mark).
    pub absent: u64,
    /// Of these, how many found one that had expired.
    pub expired: u64,
    /// Records that were not whole, or that the caller could not decode.
    pub undecodable: u64,
    /// Records put.
    pub puts: u64,
    /// Records not put: too long, no time, no room.
    pub refused: u64,
    /// Records that left to make room.
    pub evictions: u64,
    /// Records taken.
    pub takes: u64,
    /// Calls that did nothing because a lock was not had in time.
    pub time_outs: u64,
    /// Locks that were taken from a process that had died, or kept one for too long.
    pub recovered: u64,
    /// How often something in a shard made no sense, and it was made anew from what its records are.
    pub rebuilt: u64,
    /// Calls of this process that did nothing because the region's file is shorter than it was, or was made anew.
    pub off: u64,
    /// Records there are.
    pub records: u64,
    /// Bytes that they take, of those that there are for them.
    pub bytes: u64,
    /// The size of the region.
    pub size: u64,
}

/// What a shard counts.
#[derive(Clone, Copy)]
pub enum Event {
    Hit,
    Absent,
    Expired,
    Undecodable,
    Put,
    Evicted,
    Taken,
    Recovered,
    Rebuilt,
    /// A hit without the lock. From here on events are counted also by those who do not hold it.
    Glimpse,
    /// A get that learned nothing.
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
        // Under the lock nobody else adds: a plain store is cheaper.
        counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

/// How often an event was counted in the shard at `base`.
pub fn counted(memory: &Memory, base: usize, event: Event) -> u64 {
    memory
        .u64(base + place::COUNTERS + 8 * event as usize)
        .load(Relaxed)
}

impl Stats {
    /// Adds what the shard at `base` has counted.
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
        add(&mut self.takes, &[Event::Taken]);
        add(&mut self.time_outs, &[Event::TimeOut]);
        add(&mut self.recovered, &[Event::Recovered]);
        add(&mut self.rebuilt, &[Event::Rebuilt]);
        self.records = self.records.wrapping_add(now(place::RECORDS));
        self.bytes = self.bytes.wrapping_add(now(place::GRANULES) * 8);
    }
}
