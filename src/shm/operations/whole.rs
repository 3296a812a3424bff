//! The region as a whole: how it is made, who holds its locks, what it counts.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU64};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::shm::operations::partition::Partition;
use crate::shm::process::identity::boot;
use crate::shm::process::lock::{Held, Lock, Wait, now};
use crate::shm::region::digest::{Digests, draw};
use crate::shm::region::file::{self, Refusal, Watch};
use crate::shm::region::layout::{Layout, MAGIC, VERSION, header, shard as place};
use crate::shm::region::memory::Memory;
use crate::shm::region::partitions::{Claimed, PartitionId, Partitions};
use crate::shm::shard::deferred::Removals;
use crate::shm::shard::heap::Broken;
use crate::shm::shard::record::Record;
use crate::shm::shard::view::Shard;
use crate::shm::stats::{Event, Stats, count};
use crate::sys::lock::watch_forks;

/// One piece of memory that many processes use at the same time, for the records of many realms.
pub struct Region {
    pub(in crate::shm) memory: Memory,
    pub(in crate::shm) layout: Layout,
    pub(in crate::shm) digests: Digests,
    /// Random, of this region alone: by it one is known that was made anew in the same file.
    salt: u64,
    watch: Option<Watch>,
    /// Whether this process has asked for a place that there was none for.
    was_full: AtomicBool,
    /// The tenth of a second in which it last did.
    full_at: AtomicU64,
}

/// What became of asking for a slot.
pub(in crate::shm) enum Claim {
    Had(u32),
    /// There is none for another realm.
    Full,
    /// The lock is not had in time.
    InVain,
}

/// Not the realm's own slot: that is looked for again.
const UNPLACED: u32 = 0;

/// Records that one call removes at most to make place for a realm: it takes less than a millisecond.
const DRAINED_AT_ONCE: usize = 1024;
/// How often a place is asked for that others may take.
const CLAIMS_MOST: u32 = 4;

impl Region {
    /// A region of anonymous memory, for this process and those that will be forked from it. It takes what is used of
    /// it; `bytes` is the most, and the address space.
    pub fn anonymous(bytes: usize) -> io::Result<Region> {
        let layout = Layout::new(bytes).ok_or(io::ErrorKind::InvalidInput)?;
        let memory = Memory::anonymous(layout.size)?;
        if !initialise(&memory, &layout) {
            return Err(io::Error::last_os_error());
        }
        Ok(Region::of(memory, layout, None))
    }

    /// The region in this file, which is made if it is not there. One that is there keeps its size.
    pub fn named(path: &Path, bytes: usize) -> Result<Region, Refusal> {
        let (memory, layout, watch) = file::open(path, bytes)?;
        Ok(Region::of(memory, layout, Some(watch)))
    }

    fn of(memory: Memory, layout: Layout, watch: Option<Watch>) -> Region {
        watch_forks();
        let digests = Digests::of(&memory);
        let salt = memory.u64(header::REALM_SALT).load(Relaxed);
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

    /// A realm that nobody else has.
    pub fn fresh_id(&self) -> PartitionId {
        static WITHOUT_REGION: AtomicU64 = AtomicU64::new(0);
        if !self.is_on() {
            return PartitionId::named(u128::from(WITHOUT_REGION.fetch_add(1, Relaxed)));
        }
        self.realms().fresh()
    }

    /// The share of a realm. `capacity`, 0 meaning no bound by number, counts only where the realm is new here. None if
    /// there is no place for another realm: all have records, and are in use. Where a lock is not had in time, or a
    /// realm of before has too many records to be removed at once, the share [has none yet](Partition::is_placed).
    pub fn partition(&self, realm: PartitionId, capacity: usize) -> Option<Partition<'_>> {
        if !self.is_on() {
            return None;
        }
        let slot = match self.realms().find(realm) {
            Some(slot) => slot,
            None => match self.claim(realm, capacity) {
                Claim::Had(slot) => slot,
                Claim::Full => return None,
                Claim::InVain => UNPLACED,
            },
        };
        Some(Partition::new(self, realm, slot, capacity))
    }

    /// Whether this process has asked for the place of a realm, and there was none.
    pub fn was_full(&self) -> bool {
        self.was_full.load(Relaxed)
    }

    /// Notes that several processes use the region.
    pub fn mark_shared(&self) {
        if self.watch.is_none() {
            self.memory.u32(header::SHARED).store(1, Relaxed);
        }
    }

    /// Whether several processes use the region; one in a file is taken to be used by others.
    pub fn is_shared(&self) -> bool {
        self.watch.is_some() || self.memory.u32(header::SHARED).load(Relaxed) != 0
    }

    /// What has happened so far.
    pub fn stats(&self) -> Stats {
        let sum = |at: usize| self.memory.u64(at).load(Relaxed);
        let off = self.watch.as_ref().map_or(0, Watch::times_off);
        let mut figures = Stats {
            size: self.layout.size as u64,
            off,
            ..Stats::default()
        };
        if !self.is_on() {
            return figures;
        }
        for number in 0..self.layout.shards {
            figures.add(&self.memory, self.layout.shard(number));
        }
        figures.undecodable = figures.undecodable.wrapping_add(sum(header::UNDECODABLE));
        figures.time_outs = figures.time_outs.wrapping_add(sum(header::TIME_OUTS));
        figures
    }

    /// Counts a record that the caller found and could not decode.
    pub fn count_undecodable(&self) {
        if !self.is_on() {
            return self.count_off();
        }
        self.memory.u64(header::UNDECODABLE).fetch_add(1, Relaxed);
    }

    /// Walks everything, with all locks held: whether it agrees with itself. For tests and tools: nobody else gets on
    /// meanwhile.
    pub fn validate(&self) -> Result<(), String> {
        if !self.is_on() {
            return Err("the region's file is not what it was".to_owned());
        }
        self.in_all(|| self.validate_held())
            .unwrap_or_else(|| Err("a lock is not had in time".to_owned()))
    }

    fn validate_held(&self) -> Result<(), String> {
        if self.memory.u32(header::RECOUNT).load(Relaxed) != 0 {
            self.recount_held();
        }
        for number in 0..self.layout.shards {
            self.shard(number)
                .validate()
                .map_err(|what| format!("shard {number}: {what}"))?;
        }
        for slot in 0..self.layout.realms as u32 {
            let records = (0..self.layout.shards)
                .map(|number| u64::from(self.shard(number).queues(slot).len()))
                .sum::<u64>();
            let taken = self.realms().taken(slot);
            if records != taken as u64 {
                return Err(format!("slot {slot}: {taken} seats for {records} records"));
            }
        }
        Ok(())
    }

    /// Whether the memory may be touched, and is what it was. One that was made anew in the same file has other random
    /// numbers: what this process would put there nobody found, and its page of keys nobody could read.
    pub(in crate::shm) fn is_on(&self) -> bool {
        self.watch.as_ref().is_none_or(|watch| {
            watch.is_whole(self.layout.size)
                && self.memory.u64(header::REALM_SALT).load(Relaxed) == self.salt
        })
    }

    pub(in crate::shm) fn realms(&self) -> Partitions<'_> {
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

    /// Counts a call that found the region's file not to be what it was.
    pub(in crate::shm) fn count_off(&self) {
        if let Some(watch) = &self.watch {
            watch.count_off();
        }
    }

    fn hold(&self, number: usize) -> Option<(Shard<'_>, Held<'_>)> {
        let shard = self.shard(number);
        match Lock::at(&self.memory, shard.base + place::LOCK).lock() {
            Wait::Had(held) => {
                self.make_up(&shard);
                Some((shard, held))
            }
            Wait::TakenOver(held) => {
                shard.count(Event::Recovered);
                self.rebuild(&shard);
                self.make_up(&shard);
                Some((shard, held))
            }
            Wait::InVain => {
                shard.count(Event::TimeOut);
                None
            }
        }
    }

    /// Makes up for removals that were put off; whoever has the lock does, before anything else.
    fn make_up(&self, shard: &Shard<'_>) {
        if Removals(*shard).make_up().is_err() {
            shard.count(Event::Rebuilt);
            self.rebuild(shard);
            // What could not be found before is found now. If not, somebody writes here while we do.
            let _ = Removals(*shard).make_up();
        }
    }

    fn rebuild(&self, shard: &Shard<'_>) {
        // Before the work: if this process dies in it, too, the next one counts all the same.
        self.memory.u32(header::RECOUNT).store(1, Relaxed);
        shard.rebuild();
    }

    /// Does something under the lock of a shard. None: the lock was not had, or was lost meanwhile, or something in the
    /// shard makes no sense. That is mended at once; what one does who has lost the lock, by whoever has it next.
    pub(in crate::shm) fn in_shard<R>(
        &self,
        number: usize,
        act: impl FnOnce(&Shard<'_>) -> Result<R, Broken>,
    ) -> Option<R> {
        let (shard, held) = self.hold(number)?;
        match act(&shard) {
            Ok(done) => held.release().then_some(done),
            // Not without the lock: somebody else may be in the middle of a change.
            Err(Broken) if held.is_kept() => {
                shard.count(Event::Rebuilt);
                self.rebuild(&shard);
                held.release();
                None
            }
            // Dropped: what was done without the lock has to be mended.
            Err(Broken) => None,
        }
    }

    /// Does something under the locks of all shards. None: they are not had in time.
    fn in_all<R>(&self, act: impl FnOnce() -> R) -> Option<R> {
        let mut held = Vec::with_capacity(self.layout.shards);
        held.extend((0..self.layout.shards).map_while(|number| self.hold(number)));
        let done = (held.len() == self.layout.shards).then(act);
        for (_, held) in held {
            held.release();
        }
        done
    }

    /// Counts the seats anew, if somebody who held some may have died. Every tenth of a second somebody tries.
    pub(in crate::shm) fn recount(&self) {
        if self.memory.u32(header::RECOUNT).load(Relaxed) == 0 {
            return;
        }
        let tried = self.memory.u64(header::RECOUNT_TRIED);
        let tenth = tenth();
        if tried.swap(tenth, Relaxed) == tenth {
            return;
        }
        self.in_all(|| self.recount_held());
    }

    /// With all locks held, nobody is between a seat and a record.
    fn recount_held(&self) {
        self.memory.u32(header::RECOUNT).store(0, Relaxed);
        for slot in 0..self.layout.realms as u32 {
            let records = (0..self.layout.shards)
                .map(|number| u64::from(self.shard(number).queues(slot).len()));
            self.realms().set_taken(slot, records.sum());
        }
    }

    fn hold_realms(&self) -> Option<Held<'_>> {
        match Lock::at(&self.memory, header::REALMS_LOCK).lock() {
            Wait::Had(held) => Some(held),
            Wait::TakenOver(held) => {
                self.realms().mend();
                Some(held)
            }
            Wait::InVain => {
                self.memory.u64(header::TIME_OUTS).fetch_add(1, Relaxed);
                None
            }
        }
    }

    pub(in crate::shm) fn claim(&self, realm: PartitionId, capacity: usize) -> Claim {
        let tenth = tenth();
        if self.full_at.load(Relaxed) == tenth {
            return Claim::Full; // the search takes some time, and a lock
        }
        let mut left = DRAINED_AT_ONCE;
        for _ in 0..CLAIMS_MOST {
            let Some(held) = self.hold_realms() else {
                return Claim::InVain;
            };
            let claimed = self.realms().claim(realm, capacity, clock());
            if !held.release() {
                return Claim::InVain;
            }
            match claimed {
                Claimed::Had(slot) => return Claim::Had(slot),
                // When it is empty, somebody else may be faster.
                Claimed::Retired(slot) => left = left.saturating_sub(self.drain(slot, left)),
                // All slots have records, of contexts that are in use: this one keeps its sessions in its process.
                Claimed::Full => {
                    self.full_at.store(tenth, Relaxed);
                    self.was_full.store(true, Relaxed);
                    return Claim::Full;
                }
            }
            if left == 0 {
                break;
            }
        }
        Claim::InVain
    }

    /// Removes records of a slot that is nobody's any more, `most` or a few more; how many. What is in a shard whose lock
    /// is not had stays.
    fn drain(&self, slot: u32, most: usize) -> usize {
        let is_retired = |_: &Record<'_>| self.realms().is_retired(slot);
        let mut drained = 0;
        for number in 0..self.layout.shards {
            if self.shard(number).queues(slot).len() == 0 {
                continue; // a glance without the lock spares taking it in vain
            }
            while drained < most
                && let Some((removed, more)) =
                    self.in_shard(number, |shard| shard.remove_first(slot, is_retired))
            {
                drained += removed;
                if !more {
                    break;
                }
            }
        }
        drained
    }

    /// Spreads a realm without records over as many shards as its capacity wants.
    pub(in crate::shm) fn spread_anew(&self, slot: u32) {
        if let Some(held) = self.hold_realms() {
            self.realms().spread_anew(slot);
            held.release();
        }
    }

    /// Removes all records of all realms that there are, but for newcomers; how many.
    pub fn flush(&self) -> usize {
        if !self.is_on() {
            return 0;
        }
        let slots = 0..self.layout.realms as u32;
        slots.map(|slot| self.flush_slot(slot)).sum()
    }

    /// Removes the records of a slot that there are, but for newcomers; how many. None of them is found from here on,
    /// also where a lock is not had: those leave when a later scan or a choice of who leaves meets them.
    pub(in crate::shm) fn flush_slot(&self, slot: u32) -> usize {
        // Also where there is nothing: somebody may be about to put what was there before.
        self.realms().begin_generation(slot);
        let mut removed = 0;
        for number in 0..self.layout.shards {
            if self.shard(number).queues(slot).len() == 0 {
                continue;
            }
            // The oldest are in front, and newcomers behind them; where a use has changed that, all are gone through.
            while let Some((gone, more)) = self.in_shard(number, |shard| {
                shard.remove_first(slot, |record| shard.is_flushed(record))
            }) {
                removed += gone;
                if !more {
                    break;
                }
            }
            removed += self.scan(slot, number, i64::MIN).0;
        }
        removed
    }

    /// Removes what of a slot was flushed, or has expired: how many, and whether all of the shard was gone through.
    pub(in crate::shm) fn scan(&self, slot: u32, number: usize, before: i64) -> (usize, bool) {
        let mut scan = match self.in_shard(number, |shard| Ok(shard.begin_scan(slot, before))) {
            Some(Some(scan)) => scan,
            nothing => return (0, nothing.is_some()),
        };
        let mut removed = 0;
        loop {
            match self.in_shard(number, |shard| shard.scan_step(slot, before, &mut scan)) {
                Some((gone, more)) => {
                    removed += gone;
                    if !more {
                        return (removed, true);
                    }
                }
                None => return (removed, false),
            }
        }
    }
}

/// The system's clock, in seconds.
fn clock() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

/// The present tenth of a second.
fn tenth() -> u64 {
    (now().as_millis() / 100) as u64
}

/// Makes zeroed memory a region; false if the system has no random numbers.
pub(in crate::shm) fn initialise(memory: &Memory, layout: &Layout) -> bool {
    // First: from here on the file is ours to begin anew, should this process be killed meanwhile.
    memory.u64(header::MAGIC).store(MAGIC, Relaxed);
    if !Digests::draw(memory) {
        return false;
    }
    let mut salt = [0; 8];
    if !draw(&mut salt) {
        return false;
    }
    memory
        .u64(header::REALM_SALT)
        .store(u64::from_ne_bytes(salt), Relaxed);
    memory.u64(header::BOOT).store(boot().unwrap_or(0), Relaxed);
    memory.u64(header::NEXT_REALM).store(1, Relaxed);
    memory.u64(header::SIZE).store(layout.size as u64, Relaxed);
    memory.u32(header::VERSION).store(VERSION, Relaxed);
    let digests = Digests::of(memory);
    for number in 0..layout.shards {
        Shard::new(memory, layout, &digests, layout.shard(number)).initialise();
    }
    // Release: everything else is there before.
    memory.u32(header::READY).store(1, Release);
    true
}

/// Whether this memory is a region of this version that was made to its end.
pub(in crate::shm) fn is_ready(memory: &Memory) -> bool {
    // Acquire: pairs with the Release in `initialise`.
    memory.u32(header::READY).load(Acquire) == 1
}
