//! The locks of a region: one for each shard, and one for the table of partitions.

use core::sync::atomic::Ordering::Relaxed;

use crate::shm::operations::whole::Region;
use crate::shm::process::lock::{Held, Lock, Wait, now};
use crate::shm::region::layout::{header, shard as place};
use crate::shm::shard::deferred::Deferred;
use crate::shm::shard::eviction::Queues;
use crate::shm::shard::heap::Broken;
use crate::shm::shard::view::Shard;
use crate::shm::stats::Event;

impl Region {
    fn hold(&self, number: usize) -> Option<(Shard<'_>, Held<'_>)> {
        let shard = self.shard(number);
        match Lock::at(&self.memory, shard.base + place::LOCK).lock() {
            Wait::Had(held) => {
                self.carry_out_deferred(&shard);
                Some((shard, held))
            }
            Wait::TakenOver(held) => {
                shard.count(Event::Recovered);
                self.rebuild(&shard);
                self.carry_out_deferred(&shard);
                Some((shard, held))
            }
            Wait::InVain => {
                shard.count(Event::TimeOut);
                None
            }
        }
    }

    /// Carries out deferred removals. Each holder of the lock does so before anything else.
    fn carry_out_deferred(&self, shard: &Shard<'_>) {
        if Deferred(*shard).carry_out().is_err() {
            shard.count(Event::Rebuilt);
            self.rebuild(shard);
            // A record that could not be found before is found now, unless a process writes here at the same time.
            let _ = Deferred(*shard).carry_out();
        }
    }

    fn rebuild(&self, shard: &Shard<'_>) {
        // Before the work: if this process dies in it, too, the next holder recounts all the same.
        self.memory.u32(header::RECOUNT).store(1, Relaxed);
        shard.rebuild();
    }

    /// Runs `act` under the lock of a shard. `None` if the lock was not had or was lost meanwhile, or if the shard
    /// contradicts itself. Such a shard is rebuilt at once; one that was changed after the lock was lost is rebuilt by the
    /// next holder.
    pub(in crate::shm) fn in_shard<R>(
        &self,
        number: usize,
        act: impl FnOnce(&Shard<'_>) -> Result<R, Broken>,
    ) -> Option<R> {
        let (shard, held) = self.hold(number)?;
        match act(&shard) {
            Ok(done) => held.release().then_some(done),
            // Not without the lock: another process may be in the middle of a change.
            Err(Broken) if held.is_kept() => {
                shard.count(Event::Rebuilt);
                self.rebuild(&shard);
                held.release();
                None
            }
            // Dropped, which tells the next holder to rebuild.
            Err(Broken) => None,
        }
    }

    /// Runs `act` under the locks of all shards; `None` if they are not had in time.
    pub(super) fn in_all<R>(&self, act: impl FnOnce() -> R) -> Option<R> {
        let mut held = Vec::with_capacity(self.layout.shards);
        held.extend((0..self.layout.shards).map_while(|number| self.hold(number)));
        let done = (held.len() == self.layout.shards).then(act);
        for (_, held) in held {
            held.release();
        }
        done
    }

    /// Recounts the taken slots if a process that had some may have died. One process tries in each tenth of a second.
    pub(super) fn recount(&self) {
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

    /// Recounts the taken slots. With all locks held, no process is between taking a slot and publishing its record.
    pub(super) fn recount_held(&self) {
        self.memory.u32(header::RECOUNT).store(0, Relaxed);
        for entry in self.partitions().entries() {
            let slots = self.partitions().slots(entry);
            slots.set_taken(self.records_of(entry));
        }
    }

    pub(super) fn records_of(&self, entry: u32) -> u64 {
        (0..self.layout.shards)
            .map(|number| u64::from(Queues::of(self.shard(number), entry).len()))
            .sum()
    }

    /// Waits for the lock of the table of partitions.
    pub(super) fn hold_partitions(&self) -> Option<Held<'_>> {
        match Lock::at(&self.memory, header::PARTITIONS_LOCK).lock() {
            Wait::Had(held) => Some(held),
            Wait::TakenOver(held) => {
                self.partitions().repair();
                Some(held)
            }
            Wait::InVain => {
                self.memory.u64(header::TIME_OUTS).fetch_add(1, Relaxed);
                None
            }
        }
    }
}

/// The present tenth of a second.
pub(super) fn tenth() -> u64 {
    (now().as_millis() / 100) as u64
}
