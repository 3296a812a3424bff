//! Putting a record into a partition.

use crate::cache::{ClientHistory, Expiry, Key};
use crate::shm::operations::partition::Partition;
use crate::shm::shard::eviction::Queues;
use crate::shm::shard::put::{Owner, Placed};
use crate::shm::shard::record::Contents;
use crate::shm::stats::Event;

/// How often a put looks for room that other processes keep taking before it gives up.
const ATTEMPTS_MOST: u32 = 32;
/// Records that one shard gives up under one lock while a lowered capacity is being reached.
const EVICTED_AT_ONCE: usize = 16;

/// The condition of a put.
enum Condition<'a> {
    None,
    /// The record replaces one of this mark.
    Over(u32),
    While(&'a dyn Fn() -> bool),
}

impl Partition<'_> {
    /// Puts a record, in place of one of the same key. An expired record leaves before others where one has to leave at
    /// `now`. The partition never has more records than its capacity, in all processes together.
    pub fn put(
        &self,
        key: &Key,
        mark: u32,
        record: &[u8],
        expiry: Expiry,
        history: ClientHistory,
        now: i64,
    ) -> bool {
        self.put_if((key, mark, record), expiry, history, Condition::None, now)
    }

    /// Puts a record if `may` answers true under the lock. A removal after `may` has begun to answer false is final.
    pub fn put_while(
        &self,
        (key, mark, record): (&Key, u32, &[u8]),
        expiry: Expiry,
        history: ClientHistory,
        may: &dyn Fn() -> bool,
        now: i64,
    ) -> bool {
        let condition = Condition::While(may);
        self.put_if((key, mark, record), expiry, history, condition, now)
    }

    /// Puts a record in place of one of the same key and mark, if there is one: a removed record stays removed.
    pub fn put_over(&self, key: &Key, mark: u32, record: &[u8], expiry: Expiry, now: i64) -> bool {
        let (history, condition) = (ClientHistory::Returning, Condition::Over(mark));
        self.put_if((key, mark, record), expiry, history, condition, now)
    }

    fn put_if(
        &self,
        (key, mark, record): (&Key, u32, &[u8]),
        expiry: Expiry,
        history: ClientHistory,
        condition: Condition<'_>,
        now: i64,
    ) -> bool {
        let Some(entry) = self.entry_or_claim() else {
            return false;
        };
        let partitions = self.region.partitions();
        partitions.note_use(entry, now);
        self.region.recount();
        let (over, may): (_, &dyn Fn() -> bool) = match condition {
            Condition::None => (None, &|| true),
            Condition::Over(mark) => (Some(mark), &|| true),
            Condition::While(may) => (None, may),
        };
        let mut number = 0;
        for _ in 0..ATTEMPTS_MOST {
            // Before `may`: a record that a later flush removes is not put again.
            let term = partitions.term(entry, self.id);
            let owner = Owner {
                term,
                spread: partitions.spread(entry, self.id),
            };
            let fingerprint = self.region.digests.fingerprint(term, key);
            let contents = Contents {
                fingerprint,
                mark,
                entry: term.entry,
                tag: term.tag(),
                expiry: expiry.nearest(),
                body: record,
            };
            number = self.home(owner.spread, fingerprint.shard());
            let placed = self.region.in_shard(number, |shard| match may() {
                true => shard.put(&owner, &contents, history, over, now),
                false => Ok(Placed::Gone),
            });
            match placed {
                Some(Placed::Done) => return true,
                Some(Placed::Gone) => return false,
                Some(Placed::NoSlot { wanted }) => self.free_slots(&owner, wanted, now),
                Some(Placed::Moved) if partitions.is_of(entry, self.id) => {}
                Some(Placed::Moved | Placed::Refused) | None => break,
            }
        }
        self.region.count(number, Event::Refused);
        false
    }

    /// Evicts a few records from each of the partition's shards in turn, until `wanted` slots are free or no record is
    /// left.
    fn free_slots(&self, owner: &Owner, wanted: usize, now: i64) {
        let partitions = self.region.partitions();
        let (entry, (first, spread)) = (owner.term.entry, owner.spread);
        let slots = partitions.slots(entry);
        let mut fruitless = 0;
        while fruitless < spread {
            let most = slots.over(wanted).min(EVICTED_AT_ONCE);
            if most == 0 {
                return;
            }
            let number = self.home((first, spread), partitions.next_asked(entry) as u32);
            fruitless += 1;
            // A look without the lock often makes taking it unnecessary.
            if Queues::of(self.region.shard(number), entry).len() == 0 {
                continue;
            }
            let evicted = self.region.in_shard(number, |shard| {
                let mut evicted = 0;
                while evicted < most && slots.over(wanted) > 0 && shard.evict_one(entry, now)? {
                    evicted += 1;
                }
                Ok(evicted)
            });
            if evicted.is_some_and(|evicted| evicted > 0) {
                fruitless = 0;
            }
        }
    }
}
