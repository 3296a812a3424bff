//! One shard: everything that one lock protects. Every function here runs under it.
//!
//! Heap, index and queues always agree; this is the only place that changes more than one of them. What does not agree,
//! because a process was killed in the middle or because somebody wrote where he should not, is `Broken`, and the shard
//! is then made anew from the records that are whole.

use core::sync::atomic::Ordering::Relaxed;

use crate::cache::{ClientHistory, Expiry};
use crate::shm::region::digest::{Digests, Fingerprint};
use crate::shm::region::layout::{Layout, shard as place};
use crate::shm::region::memory::Memory;
use crate::shm::region::partitions::{Partitions, Seat, Term};
use crate::shm::shard::deferred::Removals;
use crate::shm::shard::eviction::Queues;
use crate::shm::shard::heap::{Broken, FIRST, Heap, NIL, Run, SHORTEST, Tag};
use crate::shm::shard::index::Index;
use crate::shm::shard::record::{CHAIN, Contents, HEADER, Record};
use crate::shm::stats::{Event, count, counted};

/// Records that are asked to leave by the policy before whatever is in the way of a long record has to.
const LEAVE_BY_POLICY: u32 = 8;
/// Records that may be in the way: a put evicts no more of them, and is refused where it would have to.
const IN_THE_WAY_MOST: u32 = 24;
/// Blocks among which such a place is looked for.
const BLOCKS_ASKED: u32 = 128;
/// Buckets in which one who gives up room is looked for.
const BUCKETS_ASKED: u32 = 32;
/// Records that one call removes, or buckets that it looks at, before it lets go of the lock.
pub const SLICE: u32 = 32;
/// Longer records are refused: for one client they take the room of fifty others. A session has its peer's certificate,
/// without the chain, and that is shorter also with the post-quantum keys and signatures that are in use.
const LONGEST: usize = 16 << 10;

#[derive(Clone, Copy)]
pub struct Shard<'a> {
    pub memory: &'a Memory,
    pub layout: &'a Layout,
    pub digests: &'a Digests,
    pub base: usize,
    pub heap: Heap<'a>,
}

/// Whose record is put.
pub struct Owner {
    pub term: Term,
    /// The realm's shards, as the caller knew them when it chose this one.
    pub spread: (usize, usize),
}

/// What became of a put.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed {
    Done,
    Refused,
    /// There is none that it may take the place of.
    Gone,
    /// Elsewhere so many seats have to become free first.
    NoSeat {
        wanted: usize,
    },
    /// The slot is not this realm's any more, or it was flushed, or its shards are others.
    Moved,
}

/// How a record is looked at.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    Good {
        mark: u32,
        expiry: Expiry,
    },
    /// The copy would not fit; it is so long.
    Longer(usize),
    Absent,
    Expired,
    Undecodable,
}

/// A scan for what has expired, between its steps.
pub struct Scan {
    number: u32,
    bucket: u32,
    earliest: i64,
    /// Of the generation that stays.
    tag: u32,
    /// How often the shard had been made anew when the scan began.
    rebuilt: u64,
}

impl<'a> Shard<'a> {
    pub fn new(
        memory: &'a Memory,
        layout: &'a Layout,
        digests: &'a Digests,
        base: usize,
    ) -> Shard<'a> {
        let heap = Heap {
            memory,
            base,
            granules: base + layout.heap,
            end: layout.end,
        };
        Shard {
            memory,
            layout,
            digests,
            base,
            heap,
        }
    }

    pub fn word(&self, byte: usize) -> u32 {
        self.memory.u32(self.base + byte).load(Relaxed)
    }

    pub fn set_word(&self, byte: usize, word: u32) {
        self.memory.u32(self.base + byte).store(word, Relaxed);
    }

    fn change(&self, byte: usize, by: i64) {
        self.set_word(byte, (i64::from(self.word(byte)) + by) as u32);
    }

    pub fn records(&self) -> u32 {
        // Never more than fit: walks are bounded by it.
        self.word(place::RECORDS).min(self.layout.end)
    }

    /// Counts the realms that have a record here.
    pub fn count_realms(&self, by: i64) {
        self.change(place::REALMS, by);
    }

    pub fn count(&self, event: Event) {
        count(self.memory, self.base, event);
    }

    pub fn record(&self, at: u32) -> Result<Record<'a>, Broken> {
        Record::at(self.heap, at)
    }

    fn index(&self) -> Index<'a> {
        Index(*self)
    }

    pub fn queues(&self, realm: u32) -> Queues<'a> {
        Queues::of(*self, realm % self.layout.realms as u32)
    }

    fn realms(&self) -> Partitions<'a> {
        Partitions {
            memory: self.memory,
            layout: self.layout,
        }
    }

    /// Makes the first use possible.
    pub fn initialise(&self) {
        self.heap.set_top(FIRST);
        self.index().forget();
    }

    /// Whether a record so long could be kept here.
    fn could_hold(&self, len: usize) -> bool {
        len <= LONGEST && HEADER + len <= self.layout.end as usize
    }

    pub fn put(
        &self,
        owner: &Owner,
        contents: &Contents<'_>,
        standing: ClientHistory,
        over: Option<u32>,
        now: i64,
    ) -> Result<Placed, Broken> {
        let realms = self.realms();
        let (slot, realm) = (owner.term.slot, owner.term.realm);
        let old = self.index().find(contents.fingerprint)?;
        if over.is_some() && old.as_ref().map(Record::mark) != over {
            return Ok(Placed::Gone);
        }
        if !self.could_hold(contents.body.len()) {
            // What it was to take the place of is out of date all the same.
            if let Some(old) = old {
                self.remove(&old)?;
            }
            return Ok(Placed::Refused);
        }
        match old {
            Some(_) if realms.over(slot, 0) > 0 => return Ok(Placed::NoSeat { wanted: 0 }),
            // The seat passes from one to the other and is never free.
            Some(old) => drop(self.remove_from_seat(&old)?),
            None => match realms.take_seat(slot) {
                Seat::Taken => {}
                Seat::Full => match self.queues(slot).victim(now)? {
                    Some(victim) => {
                        self.count(Event::Evicted);
                        self.remove_from_seat(&victim)?;
                    }
                    None => return Ok(Placed::NoSeat { wanted: 1 }),
                },
                Seat::Excess => return Ok(Placed::NoSeat { wanted: 0 }),
                Seat::Closed => return Ok(Placed::Moved),
            },
        }
        // With a seat taken, the slot cannot change hands any more.
        if !realms.is_of(slot, realm)
            || realms.term(slot, realm) != owner.term
            || realms.spread(slot, realm) != owner.spread
        {
            realms.give_back_seat(slot);
            return Ok(Placed::Moved);
        }
        let Some(run) = self.make_room(contents, now)? else {
            realms.give_back_seat(slot);
            return Ok(Placed::Refused);
        };
        contents.write(self.heap, run, self.digests);
        let record = self.record(run.at)?;
        self.change(place::RECORDS, 1);
        self.change(place::GRANULES, i64::from(record.tag.granules()));
        realms.note_expiry(slot, contents.expiry);
        self.queues(contents.realm).admit(&record, standing)?;
        self.index().link(&record)?;
        self.count(Event::Put);
        Ok(Placed::Done)
    }

    /// A block for the record. For it leave at most those whose turn it is and the few that are in the way; none, where
    /// that would not be enough.
    fn make_room(&self, contents: &Contents<'_>, now: i64) -> Result<Option<Run>, Broken> {
        let wanted = contents.granules();
        let mut freed = None;
        for _ in 0..LEAVE_BY_POLICY {
            if let Some(run) = self.heap.allocate(wanted)? {
                return Ok(Some(run));
            }
            let Some(victim) = self.victim_for_room(contents.realm, wanted, now)? else {
                break;
            };
            if freed.is_none() && self.run_to_clear(victim.at, wanted)?.is_none() {
                return Ok(None);
            }
            freed = Some(self.evict(&victim)?.at);
        }
        if let Some(run) = self.heap.allocate(wanted)? {
            return Ok(Some(run));
        }
        // Where records have many lengths, it may take many departures by policy until two neighbours have left.
        match self.run_to_clear(freed.unwrap_or(FIRST), wanted)? {
            Some(first) => self.clear_run(first, wanted)?,
            None => return Ok(None),
        }
        self.heap.allocate(wanted)
    }

    /// Who leaves where there is no room in bytes: one of the realm that wants it, if with this record it has more than
    /// its share of the room already; else one of a realm that has more than its share. Such a realm is met by chance,
    /// by one of its records.
    fn victim_for_room(
        &self,
        realm: u32,
        wanted: u32,
        now: i64,
    ) -> Result<Option<Record<'a>>, Broken> {
        let own = self.queues(realm);
        let realms = self
            .word(place::REALMS)
            .saturating_add(u32::from(own.len() == 0));
        let share = u64::from(self.word(place::GRANULES)) / u64::from(realms.max(1));
        if own.len() > 0 && own.granules().saturating_add(wanted.into()) > share {
            return own.victim(now);
        }
        let buckets = self.index().buckets();
        let mut met = (own.len() > 0).then_some(own);
        for _ in 0..BUCKETS_ASKED.min(buckets) {
            let bucket = self.word(place::HAND) % buckets;
            self.set_word(place::HAND, bucket + 1);
            let head = self.index().head(bucket);
            if head == NIL {
                continue;
            }
            let other = self.queues(self.record(head)?.realm());
            if other.granules() > share {
                return other.victim(now);
            }
            met.get_or_insert(other);
        }
        met.map_or(Ok(None), |met| met.victim(now))
    }

    /// From the block at `at` on, the first block of a run that is long enough for a record, and has few records in it.
    fn run_to_clear(&self, at: u32, wanted: u32) -> Result<Option<u32>, Broken> {
        let top = self.heap.top()?;
        let (mut first, mut next, mut records) = (at, at, 0);
        for _ in 0..BLOCKS_ASKED {
            if next >= top {
                // Above the top all is free.
                if wanted <= self.heap.end - first.min(top) {
                    return Ok(Some(first));
                }
                (first, next, records) = (FIRST, FIRST, 0);
            }
            let tag = self.heap.tag(next)?;
            records += u32::from(tag.is_live());
            next += tag.granules();
            while records > IN_THE_WAY_MOST {
                let tag = self.heap.tag(first)?;
                records -= u32::from(tag.is_live());
                first += tag.granules();
            }
            if next - first >= wanted {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    /// Evicts all that is in such a run.
    fn clear_run(&self, first: u32, wanted: u32) -> Result<(), Broken> {
        let mut at = first;
        // Each step but the first and the last evicts one.
        for _ in 0..IN_THE_WAY_MOST + 2 {
            if wanted <= self.heap.end - self.heap.top()? {
                return Ok(());
            }
            let tag = self.heap.tag(at)?;
            let next = match tag.is_live() {
                true => at,
                false if tag.granules() >= wanted => return Ok(()),
                false => at + tag.granules(),
            };
            at = self.evict(&self.record(next)?)?.at;
        }
        Ok(())
    }

    fn evict(&self, record: &Record<'_>) -> Result<Run, Broken> {
        self.count(Event::Evicted);
        self.remove(record)
    }

    /// Makes one of the realm's leave, if there are any here.
    pub fn evict_one(&self, slot: u32, now: i64) -> Result<bool, Broken> {
        match self.queues(slot).victim(now)? {
            Some(victim) => self.evict(&victim).map(|_| true),
            None => Ok(false),
        }
    }

    /// Removes a record, and gives its seat back.
    pub fn remove(&self, record: &Record<'_>) -> Result<Run, Broken> {
        let realm = record.realm();
        let run = self.remove_from_seat(record)?;
        // Last: whoever is killed before leaves a seat too many taken, never one too few.
        self.realms().give_back_seat(realm);
        Ok(run)
    }

    fn remove_from_seat(&self, record: &Record<'_>) -> Result<Run, Broken> {
        self.index().unlink(record)?;
        self.queues(record.realm()).withdraw(record)?;
        let run = self.heap.free(record.at, record.tag)?;
        self.change(place::RECORDS, -1);
        self.change(place::GRANULES, -i64::from(record.tag.granules()));
        Ok(run)
    }

    /// Finds a good record, which `act` then looks at. One that has expired, or is not whole, is removed.
    fn look(
        &self,
        wanted: Fingerprint,
        now: i64,
        act: impl FnOnce(&Record<'a>) -> Result<Look, Broken>,
    ) -> Result<Look, Broken> {
        let Some(record) = self.index().find(wanted)? else {
            self.count(Event::Absent);
            return Ok(Look::Absent);
        };
        let look = match record.expiry().has_passed(now) {
            true => Look::Expired,
            false => act(&record)?,
        };
        match look {
            Look::Good { .. } => self.count(Event::Hit),
            Look::Longer(_) => {}
            Look::Absent => self.count(Event::Absent),
            Look::Expired => {
                self.count(Event::Expired);
                self.remove(&record)?;
            }
            Look::Undecodable => {
                self.count(Event::Undecodable);
                self.remove(&record)?;
            }
        }
        Ok(look)
    }

    /// Copies a record into the space that `copy` has.
    pub fn get(&self, wanted: Fingerprint, now: i64, copy: &mut Vec<u8>) -> Result<Look, Broken> {
        self.look(wanted, now, |record| {
            let look = self.read(record, Some(copy));
            if matches!(look, Look::Good { .. }) {
                self.queues(record.realm()).count_use(record);
            }
            Ok(look)
        })
    }

    fn read(&self, record: &Record<'_>, copy: Option<&mut Vec<u8>>) -> Look {
        if let Some(copy) = &copy
            && copy.capacity() - copy.len() < record.len()
        {
            return Look::Longer(record.len());
        }
        match record.read(record.fingerprint(), self.digests, copy) {
            Some((mark, expiry)) => Look::Good { mark, expiry },
            None => Look::Undecodable,
        }
    }

    /// Copies a record without the lock, where nothing keeps it from being seen; what is copied is whole by its checksum,
    /// and was there at the end. None: the lock is needed to know.
    ///
    /// Most look-ups find something, and a process that is kept from running while it only looks keeps nobody waiting.
    pub fn glimpse(
        &self,
        wanted: Fingerprint,
        now: i64,
        copy: &mut Vec<u8>,
    ) -> Option<(u32, Expiry)> {
        let record = self.find_unlocked(wanted)?;
        if copy.capacity() - copy.len() < record.len() {
            return None;
        }
        let (mark, expiry) = record.read(wanted, self.digests, Some(copy))?;
        if expiry.has_passed(now) || !record.is_still(wanted) {
            return None;
        }
        self.count_glimpse(&record);
        Some((mark, expiry))
    }

    /// As `holds`, without the lock; None: the lock is needed to know.
    pub fn glimpse_mark(&self, wanted: Fingerprint, mark: u32, now: i64) -> Option<()> {
        let record = self.find_unlocked(wanted)?;
        let (found, expiry) = (record.mark(), record.expiry());
        if found != mark || expiry.has_passed(now) || !record.is_still(wanted) {
            return None;
        }
        self.count_glimpse(&record);
        Some(())
    }

    fn find_unlocked(&self, wanted: Fingerprint) -> Option<Record<'a>> {
        // First: a removal that was put off before this look is seen here, or was made up for before.
        if Removals(*self).cover(wanted) {
            return None;
        }
        self.index().find(wanted).ok()?
    }

    fn count_glimpse(&self, record: &Record<'_>) {
        self.queues(record.realm()).count_use(record);
        self.count(Event::Glimpse);
    }

    /// Whether there is a good record of this mark.
    pub fn holds(&self, wanted: Fingerprint, mark: u32, now: i64) -> Result<Look, Broken> {
        self.look(wanted, now, |record| {
            if record.mark() != mark {
                return Ok(Look::Absent);
            }
            self.queues(record.realm()).count_use(record);
            Ok(Look::Good {
                mark,
                expiry: record.expiry(),
            })
        })
    }

    pub fn consume(
        &self,
        wanted: Fingerprint,
        mark: Option<u32>,
        now: i64,
        copy: Option<&mut Vec<u8>>,
    ) -> Result<Look, Broken> {
        self.look(wanted, now, |record| {
            if mark.is_some_and(|mark| mark != record.mark()) {
                return Ok(Look::Absent);
            }
            let look = self.read(record, copy);
            if matches!(look, Look::Good { .. }) {
                self.remove(record)?;
                self.count(Event::Taken);
            }
            Ok(look)
        })
    }

    /// Runs `act` on the record of this key, if there is one; counts nothing.
    pub fn with_record<R>(
        &self,
        wanted: Fingerprint,
        act: impl FnOnce(&Record<'a>) -> Result<R, Broken>,
    ) -> Result<Option<R>, Broken> {
        self.index()
            .find(wanted)?
            .map(|record| act(&record))
            .transpose()
    }

    pub fn set_expiry(&self, record: &Record<'_>, expiry: Expiry) {
        self.realms().note_expiry(record.realm(), expiry);
        self.queues(record.realm()).note_expiry(expiry);
        record.set_expiry(expiry, self.digests);
    }

    /// What it says of a client that it offers what is not found.
    pub fn history_of(&self, slot: u32, wanted: Fingerprint) -> Result<ClientHistory, Broken> {
        match self.index().recall(wanted.hash()) {
            Some(used) if self.queues(slot).outranks_oldest(used)? => Ok(ClientHistory::Proven),
            _ => Ok(ClientHistory::Returning),
        }
    }

    /// Whether a record is of a generation that was flushed.
    pub fn is_flushed(&self, record: &Record<'_>) -> bool {
        record.generation_tag() != self.present_tag(record.realm())
    }

    /// What records of a slot's present generation keep of it.
    pub fn present_tag(&self, slot: u32) -> u32 {
        self.realms().tag(slot)
    }

    /// Removes a slice of a slot's records from the front of its queues, while they are `unwanted`: how many, and whether
    /// there may be more.
    pub fn remove_first(
        &self,
        slot: u32,
        unwanted: impl Fn(&Record<'a>) -> bool,
    ) -> Result<(usize, bool), Broken> {
        for removed in 0..SLICE as usize {
            match self.queues(slot).first()? {
                Some(record) if unwanted(&record) => drop(self.remove(&record)?),
                _ => return Ok((removed, false)),
            }
        }
        Ok((SLICE as usize, true))
    }

    /// Begins a scan for what of a slot was flushed, or has expired; None if there can be nothing.
    pub fn begin_scan(&self, slot: u32, before: i64) -> Option<Scan> {
        let queues = self.queues(slot);
        let is_due = queues.len() > 0 && (before > queues.earliest() || !queues.is_swept());
        is_due.then(|| Scan {
            number: queues.begin_scan(),
            bucket: 0,
            earliest: i64::MAX,
            tag: self.present_tag(slot),
            rebuilt: self.times_rebuilt(),
        })
    }

    fn times_rebuilt(&self) -> u64 {
        [Event::Recovered, Event::Rebuilt]
            .map(|event| counted(self.memory, self.base, event))
            .into_iter()
            .fold(0, u64::wrapping_add)
    }

    /// One step of a scan: how many were removed, and whether it goes on. Between steps buckets may be split, by which
    /// records move to a bucket further on: none is passed by. Where the shard was made anew, it begins again.
    pub fn scan_step(
        &self,
        slot: u32,
        before: i64,
        scan: &mut Scan,
    ) -> Result<(usize, bool), Broken> {
        let mut removed = 0;
        let rebuilt = self.times_rebuilt();
        if scan.rebuilt != rebuilt {
            (scan.rebuilt, scan.bucket) = (rebuilt, 0);
        }
        for _ in 0..SLICE {
            if scan.bucket >= self.index().buckets() {
                let queues = self.queues(slot);
                queues.end_scan(scan.number, scan.earliest);
                queues.set_swept(scan.tag);
                return Ok((removed, false));
            }
            let mut at = self.index().head(scan.bucket);
            for _ in 0..=self.records() {
                if at == NIL {
                    break;
                }
                let record = self.record(at)?;
                at = record.word(CHAIN);
                if record.realm() != slot {
                    continue;
                }
                if record.expiry().has_passed(before) || self.is_flushed(&record) {
                    self.remove(&record)?;
                    removed += 1;
                } else {
                    scan.earliest = scan.earliest.min(record.expiry().secs());
                }
            }
            scan.bucket += 1;
        }
        Ok((removed, true))
    }

    /// Makes everything anew from the records that are whole. What is after a tag that cannot be one is lost.
    pub fn rebuild(&self) {
        for realm in 0..self.layout.realms as u32 {
            self.queues(realm).forget();
        }
        for byte in [place::RECORDS, place::GRANULES, place::REALMS, place::HAND] {
            self.set_word(byte, 0);
        }
        self.heap.forget_lists();
        self.index().forget();
        if self.heap.top().is_err() {
            self.heap.set_top(self.heap.end);
        }
        if self.rebuild_heap().is_err() {
            // Only somebody who writes while we do can bring that about.
            self.forget_everything();
        }
    }

    fn rebuild_heap(&self) -> Result<(), Broken> {
        let mut free: Option<Run> = None;
        let mut at = FIRST;
        while at < self.heap.top()? {
            let Ok(tag) = self.heap.tag(at) else {
                self.cut(at)?;
                break;
            };
            if self.is_whole(at) {
                if let Some(run) = free.take() {
                    self.heap.list(run)?;
                } else {
                    self.heap.mark_after_free(at, false)?;
                }
                self.readmit(at)?;
            } else {
                self.heap.wipe(at, tag.granules());
                let run = free.get_or_insert(Run { at, granules: 0 });
                run.granules += tag.granules();
                self.heap.set_free(*run);
            }
            at += tag.granules();
        }
        if let Some(run) = free {
            self.heap.set_top(run.at);
        }
        Ok(())
    }

    /// Whether a record is here that can be believed, and is not of a key that has one already.
    fn is_whole(&self, at: u32) -> bool {
        let Ok(record) = self.record(at) else {
            return false;
        };
        (record.realm() as usize) < self.layout.realms
            && !self.is_flushed(&record)
            && record
                .read(record.fingerprint(), self.digests, None)
                .is_some()
            && matches!(self.index().find(record.fingerprint()), Ok(None))
    }

    fn readmit(&self, at: u32) -> Result<(), Broken> {
        let record = self.record(at)?;
        self.change(place::RECORDS, 1);
        self.change(place::GRANULES, i64::from(record.tag.granules()));
        self.queues(record.realm()).readmit(&record)?;
        self.index().link(&record)
    }

    /// Overwrites everything from `at` on, and ends the heap there.
    fn cut(&self, at: u32) -> Result<(), Broken> {
        let top = self.heap.top()?;
        self.heap.set_top(at.max(FIRST));
        self.memory
            .wipe(self.heap.byte(at, 0), self.heap.byte(top, 0));
        Ok(())
    }

    fn forget_everything(&self) {
        for realm in 0..self.layout.realms as u32 {
            self.queues(realm).forget();
        }
        for byte in [place::RECORDS, place::GRANULES, place::REALMS] {
            self.set_word(byte, 0);
        }
        self.heap.forget_lists();
        self.index().forget();
        self.heap.set_top(FIRST);
        self.memory
            .wipe(self.heap.byte(FIRST, 0), self.heap.byte(self.heap.end, 0));
    }

    /// Walks everything.
    pub fn validate(&self) -> Result<(), String> {
        let (mut records, mut granules) = (0, 0);
        self.heap.validate(|at, tag: Tag| {
            let record = self.record(at).map_err(|_| format!("a record at {at}"))?;
            if record
                .read(record.fingerprint(), self.digests, None)
                .is_none()
            {
                return Err(format!("the checksum of the record at {at}"));
            }
            records += 1;
            granules += tag.granules();
            Ok(())
        })?;
        let indexed = self.index().validate()?;
        let (mut queued, mut realms) = (0, 0);
        for realm in 0..self.layout.realms as u32 {
            let queues = self.queues(realm);
            queues.validate()?;
            queued += queues.len();
            realms += u32::from(queues.len() > 0);
        }
        let counted = (
            self.word(place::RECORDS),
            self.word(place::GRANULES),
            self.word(place::REALMS),
        );
        if counted != (records, granules, realms) || indexed != records || queued != records {
            return Err(format!(
                "{records} records of {granules} granules in {realms} realms, {indexed} in the index, {queued} in queues: \
                 counted as {counted:?}"
            ));
        }
        Ok(())
    }
}

const _: () = assert!(SHORTEST as usize * 8 <= HEADER);
