//! What one realm sees of a region.

use crate::cache::{ClientHistory, Expiry, Key};
use crate::shm::operations::whole::{Claim, Region};
use crate::shm::region::digest::Fingerprint;
use crate::shm::region::partitions::{PartitionId, Term};
use crate::shm::shard::deferred::Removals;
use crate::shm::shard::heap::Broken;
use crate::shm::shard::record::Contents;
use crate::shm::shard::view::{Look, Owner, Placed, Shard};
use crate::shm::stats::Event;

/// How often a put looks for room that other processes keep taking before it gives up.
const ATTEMPTS_MOST: u32 = 32;
/// Records that one shard gives up under one lock while a lowered capacity is being reached.
const EVICTED_AT_ONCE: usize = 16;
/// Room for a record, before its length is known: most sessions are shorter.
const USUAL_LENGTH: usize = 1024;
/// How often a record may turn out to be longer than there is room for.
const LENGTHS_MOST: u32 = 4;

/// A realm's part of a region. A call that cannot have the lock it needs in time, or finds nonsense, answers as if the
/// record were not there, or `None` where the difference matters.
#[derive(Clone, Copy)]
pub struct Partition<'a> {
    region: &'a Region,
    realm: PartitionId,
    slot: u32,
    capacity: usize,
}

/// Of a record that was found, what was told of it when it was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// The caller's digest of the session.
    pub mark: u32,
    /// Its last good second.
    pub expiry: Expiry,
}

/// When a record is put.
enum Condition<'a> {
    None,
    /// Over one of this mark.
    Over(u32),
    While(&'a dyn Fn() -> bool),
}

impl<'a> Partition<'a> {
    pub(in crate::shm) fn new(
        region: &'a Region,
        realm: PartitionId,
        slot: u32,
        capacity: usize,
    ) -> Partition<'a> {
        Partition {
            region,
            realm,
            slot,
            capacity,
        }
    }

    /// Whose it is.
    pub fn realm(&self) -> PartitionId {
        self.realm
    }

    /// Whether the realm has its place in the region. Without one it has no records; the first put asks for it again.
    pub fn is_placed(&self) -> bool {
        self.slot_if_on().is_some()
    }

    /// Puts a record, in place of one of the same key. `now` is used to prefer expired ones where one has to leave. The
    /// realm never has more records than its capacity, in all processes together.
    pub fn put(
        &self,
        key: &Key,
        mark: u32,
        record: &[u8],
        expiry: Expiry,
        standing: ClientHistory,
        now: i64,
    ) -> bool {
        self.put_if((key, mark, record), expiry, standing, Condition::None, now)
    }

    /// Puts a record if `may` says so under the lock: whoever removes it after `may` ceases to has removed it for good.
    pub fn put_while(
        &self,
        (key, mark, record): (&Key, u32, &[u8]),
        expiry: Expiry,
        standing: ClientHistory,
        may: &dyn Fn() -> bool,
        now: i64,
    ) -> bool {
        let condition = Condition::While(may);
        self.put_if((key, mark, record), expiry, standing, condition, now)
    }

    /// Puts a record in place of one of the same key and mark, if there is one: what was removed stays removed.
    pub fn put_over(&self, key: &Key, mark: u32, record: &[u8], expiry: Expiry, now: i64) -> bool {
        let (standing, condition) = (ClientHistory::Returning, Condition::Over(mark));
        self.put_if((key, mark, record), expiry, standing, condition, now)
    }

    fn put_if(
        &self,
        (key, mark, record): (&Key, u32, &[u8]),
        expiry: Expiry,
        standing: ClientHistory,
        condition: Condition<'_>,
        now: i64,
    ) -> bool {
        let Some(slot) = self.slot_or_claim() else {
            return false;
        };
        let realms = self.region.realms();
        realms.note_use(slot, now);
        self.region.recount();
        let (over, may): (_, &dyn Fn() -> bool) = match condition {
            Condition::None => (None, &|| true),
            Condition::Over(mark) => (Some(mark), &|| true),
            Condition::While(may) => (None, may),
        };
        let mut number = 0;
        for _ in 0..ATTEMPTS_MOST {
            // Before `may`: what is removed by a flush that comes after it is not put again.
            let term = realms.term(slot, self.realm);
            let owner = Owner {
                term,
                spread: realms.spread(slot, self.realm),
            };
            let fingerprint = self.region.digests.fingerprint(term, key);
            let contents = Contents {
                fingerprint,
                mark,
                realm: term.slot,
                tag: term.tag(),
                expiry: expiry.nearest(),
                body: record,
            };
            number = self.home(owner.spread, fingerprint.shard());
            let placed = self.region.in_shard(number, |shard| match may() {
                true => shard.put(&owner, &contents, standing, over, now),
                false => Ok(Placed::Gone),
            });
            match placed {
                Some(Placed::Done) => return true,
                Some(Placed::Gone) => return false,
                Some(Placed::NoSeat { wanted }) => self.free_seats(&owner, wanted, now),
                Some(Placed::Moved) if realms.is_of(slot, self.realm) => {}
                Some(Placed::Moved | Placed::Refused) | None => break,
            }
        }
        self.region.count(number, Event::Refused);
        false
    }

    /// Copies out the record of this key, in place of what was in `record`; a use of it. One that has expired is removed.
    pub fn get(&self, key: &Key, now: i64, record: &mut Vec<u8>) -> Option<Found> {
        record.clear();
        record.try_reserve(USUAL_LENGTH).ok()?;
        if let Some((mark, expiry)) =
            self.glimpse(key, now, |shard, wanted| shard.glimpse(wanted, now, record))
        {
            return Some(Found { mark, expiry });
        }
        self.copied(key, now, record, |shard, fingerprint, record| {
            shard.get(fingerprint, now, record)
        })
    }

    /// Whether there is a good record of this key with this mark; a use of it. `None` where that cannot be told now.
    pub fn holds(&self, key: &Key, mark: u32, now: i64) -> Option<bool> {
        let seen = self.glimpse(key, now, |shard, wanted| {
            shard.glimpse_mark(wanted, mark, now)
        });
        if seen.is_some() {
            return Some(true);
        }
        let Some(_) = self.slot_if_on() else {
            return self.region.is_on().then_some(false);
        };
        let look = self.look_once(key, now, |shard, fingerprint| {
            shard.holds(fingerprint, mark, now)
        });
        look.map(|look| matches!(look, Look::Good { .. }))
    }

    /// Looks without the lock.
    fn glimpse<R>(
        &self,
        key: &Key,
        now: i64,
        look: impl FnOnce(&Shard<'_>, Fingerprint) -> Option<R>,
    ) -> Option<R> {
        let slot = self.slot_if_on()?;
        let realms = self.region.realms();
        let fingerprint = self.fingerprint(slot, key);
        let number = self.home(realms.spread(slot, self.realm), fingerprint.shard());
        let seen = look(&self.region.shard(number), fingerprint)?;
        realms.note_use(slot, now);
        Some(seen)
    }

    /// Removes the record of this key, if it has this mark, and copies it out. Of any number of processes that take one
    /// record, one gets it.
    pub fn consume(
        &self,
        key: &Key,
        mark: Option<u32>,
        now: i64,
        record: Option<&mut Vec<u8>>,
    ) -> Option<Found> {
        match record {
            None => self.look(key, now, |shard, fingerprint| {
                shard.consume(fingerprint, mark, now, None)
            }),
            Some(record) => self.copied(key, now, record, |shard, fingerprint, record| {
                shard.consume(fingerprint, mark, now, Some(record))
            }),
        }
    }

    /// Removes the record of this key; whether there was one. `None` where the lock is not had: nobody finds it from
    /// now on, but somebody may be taking it at this moment.
    pub fn remove(&self, key: &Key) -> Option<bool> {
        let removed = self.with_record(key, |shard, fingerprint| {
            shard.with_record(fingerprint, |record| shard.remove(record).map(|_| true))
        });
        if removed.is_none() {
            self.put_off_removal(key);
        }
        removed
    }

    fn put_off_removal(&self, key: &Key) {
        let Some(slot) = self.slot_if_on() else {
            return;
        };
        let realms = self.region.realms();
        let fingerprint = self.fingerprint(slot, key);
        let number = self.home(realms.spread(slot, self.realm), fingerprint.shard());
        if !Removals(self.region.shard(number)).put_off(fingerprint) {
            // All of the realm's records are removed rather than one too few.
            realms.begin_generation(slot);
        }
    }

    fn fingerprint(&self, slot: u32, key: &Key) -> Fingerprint {
        let term: Term = self.region.realms().term(slot, self.realm);
        self.region.digests.fingerprint(term, key)
    }

    /// Gives the record of this key, if it has this mark, another expiry; not a use.
    pub fn set_expiry(&self, key: &Key, mark: u32, expiry: Expiry) -> bool {
        self.with_record(key, |shard, fingerprint| {
            shard.with_record(fingerprint, |record| {
                let same = record.mark() == mark;
                if same {
                    shard.set_expiry(record, expiry.nearest());
                }
                Ok(same)
            })
        })
        .unwrap_or(false)
    }

    /// Whether there is a good record of this key; not a use. `None` where that cannot be told now.
    pub fn contains(&self, key: &Key, now: i64) -> Option<bool> {
        self.with_record(key, |shard, fingerprint| {
            shard.with_record(fingerprint, |record| Ok(!record.expiry().has_passed(now)))
        })
    }

    /// The standing of a client that offered the session of this key, which was not found: for the session that it is
    /// given instead.
    pub fn history_of(&self, key: &Key) -> ClientHistory {
        let standing = self.at_home(key, |slot, shard, fingerprint| {
            shard.history_of(slot, fingerprint)
        });
        standing.unwrap_or(ClientHistory::Returning)
    }

    /// Removes everything that is there when it begins, or what has `before > expiry`; how many. None of it is found
    /// afterwards, whoever has a lock meanwhile. No lock is held for longer than a few records take.
    pub fn flush(&self, expired_before: Option<i64>) -> usize {
        let Some(slot) = self.slot_if_on() else {
            return 0;
        };
        match expired_before {
            None => self.region.flush_slot(slot),
            Some(before) => {
                let (removed, complete) = self.clear(slot, before);
                // All of the realm's records are removed rather than some too few.
                removed
                    + match complete {
                        true => 0,
                        false => self.region.flush_slot(slot),
                    }
            }
        }
    }

    /// Removes what has expired at `now`, which nobody would find anyway, as far as the locks are had; how many.
    pub fn clear_expired(&self, now: i64) -> usize {
        self.slot_if_on().map_or(0, |slot| self.clear(slot, now).0)
    }

    fn clear(&self, slot: u32, before: i64) -> (usize, bool) {
        self.shards(slot)
            .map(|number| self.region.scan(slot, number, before))
            .fold((0, true), |(sum, all), (removed, complete)| {
                (sum + removed, all && complete)
            })
    }

    /// Says that this process is done with the realm. Its place may be given to another if nobody uses it from now on.
    pub fn release(&self) {
        if let Some(slot) = self.slot_if_on() {
            self.region.realms().release(slot);
        }
    }

    /// For tests: keeps the lock that this key needs.
    #[cfg(test)]
    pub fn while_locked<R>(&self, key: &Key, act: impl FnOnce() -> R) -> Option<R> {
        self.at_home(key, |_, _, _| Ok(act()))
    }

    /// How many records the realm has, expired ones too.
    pub fn len(&self) -> usize {
        self.slot_if_on()
            .map_or(0, |slot| self.region.realms().taken(slot))
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many it may have; 0: as many as fit.
    pub fn capacity(&self) -> usize {
        let slot = self.slot_if_on();
        slot.map_or(self.capacity, |slot| self.region.realms().capacity(slot))
    }

    /// Changes that, for all processes. What is too many leaves with the next put. A realm that has records stays in the
    /// shards that it has.
    pub fn set_capacity(&self, capacity: usize) {
        let Some(slot) = self.slot_or_claim() else {
            return;
        };
        let realms = self.region.realms();
        realms.set_capacity(slot, capacity);
        if realms.is_cramped(slot) && realms.taken(slot) == 0 {
            self.region.spread_anew(slot);
        }
    }

    /// The realm's slot, where it still is; none while the region is off.
    fn slot_if_on(&self) -> Option<u32> {
        if !self.region.is_on() {
            self.region.count_off();
            return None;
        }
        let realms = self.region.realms();
        if realms.is_of(self.slot, self.realm) {
            Some(self.slot)
        } else {
            realms.find(self.realm)
        }
    }

    fn slot_or_claim(&self) -> Option<u32> {
        if !self.region.is_on() {
            self.region.count_off();
            return None;
        }
        match self.region.realms().is_of(self.slot, self.realm) {
            true => Some(self.slot),
            false => match self.region.claim(self.realm, self.capacity) {
                Claim::Had(slot) => Some(slot),
                Claim::Full | Claim::InVain => None,
            },
        }
    }

    fn home(&self, (first, spread): (usize, usize), hash: u32) -> usize {
        (first + (hash as usize & (spread - 1))) & (self.region.layout.shards - 1)
    }

    /// The realm's shards.
    fn shards(&self, slot: u32) -> impl Iterator<Item = usize> + use<'a> {
        let (first, spread) = self.region.realms().spread(slot, self.realm);
        let mask = self.region.layout.shards - 1;
        (0..spread).map(move |step| (first + step) & mask)
    }

    /// Runs `act` under the lock of the key's shard.
    fn at_home<R>(
        &self,
        key: &Key,
        act: impl FnOnce(u32, &Shard<'_>, Fingerprint) -> Result<R, Broken>,
    ) -> Option<R> {
        let slot = self.slot_if_on()?;
        let fingerprint = self.fingerprint(slot, key);
        let number = self.home(
            self.region.realms().spread(slot, self.realm),
            fingerprint.shard(),
        );
        self.region
            .in_shard(number, |shard| act(slot, shard, fingerprint))
    }

    fn with_record(
        &self,
        key: &Key,
        act: impl FnOnce(&Shard<'_>, Fingerprint) -> Result<Option<bool>, Broken>,
    ) -> Option<bool> {
        let Some(_) = self.slot_if_on() else {
            return self.region.is_on().then_some(false);
        };
        let done = self.at_home(key, |_, shard, fingerprint| act(shard, fingerprint))?;
        Some(done.unwrap_or(false))
    }

    fn look(
        &self,
        key: &Key,
        now: i64,
        act: impl FnOnce(&Shard<'_>, Fingerprint) -> Result<Look, Broken>,
    ) -> Option<Found> {
        match self.look_once(key, now, act)? {
            Look::Good { mark, expiry } => Some(Found { mark, expiry }),
            _ => None,
        }
    }

    fn look_once(
        &self,
        key: &Key,
        now: i64,
        act: impl FnOnce(&Shard<'_>, Fingerprint) -> Result<Look, Broken>,
    ) -> Option<Look> {
        let looked = self.at_home(key, |slot, shard, fingerprint| {
            self.region.realms().note_use(slot, now);
            act(shard, fingerprint)
        });
        if looked.is_none() && self.region.is_on() {
            self.region.count(0, Event::GetInVain);
        }
        looked
    }

    /// A look that copies. Memory for the copy is had before the lock is.
    fn copied(
        &self,
        key: &Key,
        now: i64,
        record: &mut Vec<u8>,
        act: impl Fn(&Shard<'_>, Fingerprint, &mut Vec<u8>) -> Result<Look, Broken>,
    ) -> Option<Found> {
        let mut wanted = USUAL_LENGTH;
        for _ in 0..LENGTHS_MOST {
            // A look that came to nothing may have copied something.
            wipe(record);
            record.try_reserve(wanted).ok()?;
            match self.look_once(key, now, |shard, fingerprint| {
                act(shard, fingerprint, record)
            }) {
                Some(Look::Good { mark, expiry }) => return Some(Found { mark, expiry }),
                Some(Look::Longer(len)) => wanted = len,
                _ => break,
            }
        }
        wipe(record);
        None
    }

    /// Evicts, a few from each of the realm's shards in turn, until `wanted` seats are free or nobody is left.
    fn free_seats(&self, owner: &Owner, wanted: usize, now: i64) {
        let realms = self.region.realms();
        let (slot, (first, spread)) = (owner.term.slot, owner.spread);
        let mut fruitless = 0;
        while fruitless < spread {
            let most = realms.over(slot, wanted).min(EVICTED_AT_ONCE);
            if most == 0 {
                return;
            }
            let number = self.home((first, spread), realms.next_asked(slot) as u32);
            fruitless += 1;
            // A glance without the lock spares taking it in vain.
            if self.region.shard(number).queues(slot).len() == 0 {
                continue;
            }
            let evicted = self.region.in_shard(number, |shard| {
                let mut evicted = 0;
                while evicted < most
                    && realms.over(slot, wanted) > 0
                    && shard.evict_one(slot, now)?
                {
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

/// Overwrites what a copy that failed has of a session.
fn wipe(record: &mut Vec<u8>) {
    for byte in record.iter_mut() {
        // SAFETY: a byte of the vector's own. Volatile, because nobody reads it any more.
        unsafe { core::ptr::write_volatile(byte, 0) };
    }
    record.clear();
}
