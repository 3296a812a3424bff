//! Putting a record into a shard.

use crate::cache::ClientHistory;
use crate::shm::region::capacity::Slot;
use crate::shm::region::id::Term;
use crate::shm::region::layout::shard as place;
use crate::shm::shard::eviction::Queues;
use crate::shm::shard::heap::{Broken, SHORTEST};
use crate::shm::shard::index::Index;
use crate::shm::shard::record::{Contents, HEADER, Record};
use crate::shm::shard::view::Shard;
use crate::shm::stats::Event;

/// Longer records are refused: for one client they take the room of fifty others. A session has its peer's certificate,
/// without the chain, and that is shorter also with the post-quantum keys and signatures that are in use.
const LONGEST: usize = 16 << 10;

const _: () = assert!(SHORTEST as usize * 8 <= HEADER);

/// The partition that a record is put for.
pub struct Owner {
    pub term: Term,
    /// The partition's shards, as they were when the caller chose this one.
    pub spread: (usize, usize),
}

/// The result of a put.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed {
    Done,
    Refused,
    /// There is no record that it may replace.
    Gone,
    /// So many slots have to become free in other shards first.
    NoSlot {
        wanted: usize,
    },
    /// The entry is no longer this partition's, or it was flushed, or its shards are others.
    Moved,
}

impl Shard<'_> {
    /// True if a record of this length could be kept here.
    fn could_hold(&self, len: usize) -> bool {
        len <= LONGEST && HEADER + len <= self.layout.end as usize
    }

    pub fn put(
        &self,
        owner: &Owner,
        contents: &Contents<'_>,
        history: ClientHistory,
        over: Option<u32>,
        now: i64,
    ) -> Result<Placed, Broken> {
        let partitions = self.partitions();
        let (entry, id) = (owner.term.entry, owner.term.id);
        let slots = partitions.slots(entry);
        let old = Index(*self).find(contents.fingerprint)?;
        if over.is_some() && old.as_ref().map(Record::mark) != over {
            return Ok(Placed::Gone);
        }
        if !self.could_hold(contents.body.len()) {
            // The record that it was to replace is out of date all the same.
            if let Some(old) = old {
                self.remove(&old)?;
            }
            return Ok(Placed::Refused);
        }
        match old {
            Some(_) if slots.over(0) > 0 => return Ok(Placed::NoSlot { wanted: 0 }),
            // The slot passes from one record to the other and is never free.
            Some(old) => drop(self.remove_from_slot(&old)?),
            None => match slots.take() {
                Slot::Taken => {}
                Slot::Full => match Queues::of(*self, entry).victim(now)? {
                    Some(victim) => {
                        self.count(Event::Evicted);
                        self.remove_from_slot(&victim)?;
                    }
                    None => return Ok(Placed::NoSlot { wanted: 1 }),
                },
                Slot::Excess => return Ok(Placed::NoSlot { wanted: 0 }),
                Slot::Closed => return Ok(Placed::Moved),
            },
        }
        // While a slot is taken, the entry cannot change hands. Of an earlier generation no look-up would find the record, and no
        // scan of a shard that was swept since (`Queues::is_swept`) would remove it.
        if !partitions.is_of(entry, id)
            || partitions.term(entry, id) != owner.term
            || partitions.spread(entry, id) != owner.spread
        {
            slots.release();
            return Ok(Placed::Moved);
        }
        let Some(run) = self.make_room(contents, now)? else {
            slots.release();
            return Ok(Placed::Refused);
        };
        contents.write(self.heap, run, self.digests);
        let record = self.record(run.at)?;
        self.change(place::RECORDS, 1);
        self.change(place::GRANULES, i64::from(record.tag.granules()));
        partitions.note_expiry(entry, contents.expiry);
        Queues::of(*self, contents.entry).admit(&record, history)?;
        Index(*self).link(&record)?;
        self.count(Event::Put);
        Ok(Placed::Done)
    }
}
