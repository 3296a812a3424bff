//! Which record of a partition leaves: the policy of the cache (`cache/queues.rs` gives its reasons), for each partition
//! in each shard, with its lists in the region.
//!
//! New records wait in a small queue and are the first to leave; records that are used there move on to the main queue,
//! where each use is worth another round. A choice looks at a bounded number of records. The small queue's share is
//! measured in bytes, as records have many lengths: measured in records, a few long new ones would push out all those that
//! are used.

use core::sync::atomic::Ordering::Relaxed;

use crate::cache::{ClientHistory, Expiry};
use crate::shm::region::layout::{QUEUES_BYTES, shard as place};
use crate::shm::shard::heap::{Broken, NIL};
use crate::shm::shard::record::Record;
use crate::shm::shard::view::Shard;

/// Records that one choice may examine.
const EXAMINED_MOST: u32 = 16;
/// Uses that count.
const USES_MOST: u32 = 0b11;
/// The small queue's share of the room is one in this many...
const SMALL_SHARE: u32 = 20;
/// ...but at least so many records, or half of what there is.
const SMALL_LEAST: u32 = 8;
/// Moments in the time in which as many records arrive as there are.
const MOMENTS_A_TURNOVER: u32 = 16;

const MAIN: u32 = 0b100;

// Places in a partition's queues: head, tail and length of each, then the count of time.
const QUEUE_BYTES: usize = 12;
const ARRIVALS: usize = 24;
const NOW: usize = 28;
/// No record here expires before this second.
const EARLIEST: usize = 32;
/// The earliest expiry noted since a scan last began, which a scan that ends may have missed.
const ADDED_SINCE: usize = 40;
/// The number of that scan.
const SCAN: usize = 48;
/// The granules of each queue's records.
const GRANULES: usize = 52;
/// A generation's tag: no record of an earlier generation is here.
const SWEPT: usize = 60;

/// The two queues of a partition in a shard.
#[derive(Clone, Copy)]
pub struct Queues<'a> {
    shard: Shard<'a>,
    entry: u32,
    base: usize,
}

impl<'a> Queues<'a> {
    /// The queues of the partition with this entry.
    pub fn of(shard: Shard<'a>, entry: u32) -> Queues<'a> {
        let entry = entry % shard.layout.partitions as u32;
        let base = shard.base + place::QUEUES + entry as usize * QUEUES_BYTES;
        Queues { shard, entry, base }
    }

    fn word(&self, byte: usize) -> u32 {
        self.shard.memory.u32(self.base + byte).load(Relaxed)
    }

    fn set_word(&self, byte: usize, word: u32) {
        self.shard.memory.u32(self.base + byte).store(word, Relaxed);
    }

    fn head(&self, main: bool) -> u32 {
        self.word(usize::from(main) * QUEUE_BYTES)
    }

    fn tail(&self, main: bool) -> u32 {
        self.word(usize::from(main) * QUEUE_BYTES + 4)
    }

    fn len_of(&self, main: bool) -> u32 {
        self.word(usize::from(main) * QUEUE_BYTES + 8)
    }

    fn set_head(&self, main: bool, at: u32) {
        self.set_word(usize::from(main) * QUEUE_BYTES, at);
    }

    fn set_tail(&self, main: bool, at: u32) {
        self.set_word(usize::from(main) * QUEUE_BYTES + 4, at);
    }

    fn set_len(&self, main: bool, len: u32) {
        self.set_word(usize::from(main) * QUEUE_BYTES + 8, len);
    }

    pub fn len(&self) -> u32 {
        self.len_of(false).wrapping_add(self.len_of(true))
    }

    fn granules_of(&self, main: bool) -> u32 {
        self.word(GRANULES + usize::from(main) * 4)
    }

    fn set_granules(&self, main: bool, granules: u32) {
        self.set_word(GRANULES + usize::from(main) * 4, granules);
    }

    /// The room that the partition's records here take.
    pub fn granules(&self) -> u64 {
        u64::from(self.granules_of(false)) + u64::from(self.granules_of(true))
    }

    pub fn forget(&self) {
        for byte in (0..QUEUES_BYTES).step_by(4) {
            if self.word(byte) != 0 {
                self.set_word(byte, 0);
            }
        }
    }

    fn now(&self) -> u8 {
        self.word(NOW) as u8
    }

    /// No record here expires before this.
    pub fn earliest(&self) -> i64 {
        if self.len() == 0 {
            return i64::MAX;
        }
        self.shard.memory.u64(self.base + EARLIEST).load(Relaxed) as i64
    }

    fn set_second(&self, byte: usize, second: i64) {
        self.shard
            .memory
            .u64(self.base + byte)
            .store(second as u64, Relaxed);
    }

    pub fn note_expiry(&self, expiry: Expiry) {
        let added = self.shard.memory.u64(self.base + ADDED_SINCE).load(Relaxed) as i64;
        self.set_second(ADDED_SINCE, added.min(expiry.secs()));
        self.set_second(EARLIEST, self.earliest().min(expiry.secs()));
    }

    /// Begins a scan of all the partition's records here; its number.
    pub fn begin_scan(&self) -> u32 {
        let scan = self.word(SCAN).wrapping_add(1);
        self.set_word(SCAN, scan);
        self.set_second(ADDED_SINCE, i64::MAX);
        scan
    }

    /// Ends a scan that saw no earlier expiry than this. If another one began meanwhile, the bound stays as it is.
    pub fn end_scan(&self, scan: u32, seen: i64) {
        if self.word(SCAN) == scan {
            let added = self.shard.memory.u64(self.base + ADDED_SINCE).load(Relaxed) as i64;
            self.set_second(EARLIEST, seen.min(added));
        }
    }

    /// True if no record of an earlier generation is here.
    pub fn is_swept(&self) -> bool {
        self.len() == 0 || self.word(SWEPT) == self.shard.partitions().tag(self.entry)
    }

    /// Notes that no record is here of a generation before the one with this tag.
    pub fn set_swept(&self, tag: u32) {
        self.set_word(SWEPT, tag);
    }

    /// True if no look-up finds the record any more.
    fn is_over(&self, record: &Record<'_>, now: i64) -> bool {
        record.expiry().has_passed(now) || self.shard.is_flushed(record)
    }

    /// A record of the partition.
    fn record(&self, at: u32) -> Result<Record<'a>, Broken> {
        let record = self.shard.record(at)?;
        (record.entry() == self.entry)
            .then_some(record)
            .ok_or(Broken)
    }

    /// Admits a new record.
    pub fn admit(&self, record: &Record<'_>, history: ClientHistory) -> Result<(), Broken> {
        let arrivals = self.word(ARRIVALS).wrapping_add(1);
        if arrivals > self.len() / MOMENTS_A_TURNOVER {
            self.set_word(ARRIVALS, 0);
            self.set_word(NOW, u32::from(self.now().wrapping_add(1)));
        } else {
            self.set_word(ARRIVALS, arrivals);
        }
        let main = match history {
            ClientHistory::New => false,
            ClientHistory::Returning => self.main_has_room(),
            ClientHistory::Proven => true,
        };
        self.note_expiry(record.expiry());
        record.set_used(self.now());
        self.push(record, main)
    }

    /// Admits a record that was there before a rebuild, with its rank.
    pub fn readmit(&self, record: &Record<'_>) -> Result<(), Broken> {
        self.note_expiry(record.expiry());
        let rank = record.rank();
        self.push(record, rank & MAIN != 0)?;
        record.set_rank(rank);
        Ok(())
    }

    fn push(&self, record: &Record<'_>, main: bool) -> Result<(), Broken> {
        if self.len() == 0 {
            self.shard.change(place::PARTITIONS, 1);
            // What was noted last may be of eight generations ago, which has the same tag.
            self.set_swept(record.generation_tag());
        }
        record.set_rank(if main { MAIN } else { 0 });
        let last = self.tail(main);
        record.set_before(last);
        record.set_after(NIL);
        if last == NIL {
            self.set_head(main, record.at);
        } else {
            self.record(last)?.set_after(record.at);
        }
        self.set_tail(main, record.at);
        self.set_len(main, self.len_of(main).wrapping_add(1));
        let granules = record.tag.granules();
        self.set_granules(main, self.granules_of(main).wrapping_add(granules));
        Ok(())
    }

    /// Takes a record out.
    pub fn withdraw(&self, record: &Record<'_>) -> Result<(), Broken> {
        let main = record.rank() & MAIN != 0;
        let (before, after) = (record.before(), record.after());
        if before == NIL {
            if self.head(main) != record.at {
                return Err(Broken);
            }
            self.set_head(main, after);
        } else {
            let before = self.record(before)?;
            if before.after() != record.at {
                return Err(Broken);
            }
            before.set_after(after);
        }
        if after == NIL {
            if self.tail(main) != record.at {
                return Err(Broken);
            }
            self.set_tail(main, before);
        } else {
            let after = self.record(after)?;
            if after.before() != record.at {
                return Err(Broken);
            }
            after.set_before(before);
        }
        self.set_len(main, self.len_of(main).checked_sub(1).ok_or(Broken)?);
        let granules = self.granules_of(main).checked_sub(record.tag.granules());
        self.set_granules(main, granules.ok_or(Broken)?);
        if self.len() == 0 {
            self.shard.change(place::PARTITIONS, -1);
        }
        Ok(())
    }

    /// Counts a use. It needs no lock.
    pub fn count_use(&self, record: &Record<'_>) {
        record.count_use(self.now(), |rank| {
            rank & MAIN | ((rank & USES_MOST) + 1).min(USES_MOST)
        });
    }

    /// True if the client of a record that was last used at that moment, and that comes back, deserves a place in the main
    /// queue more than the oldest record there.
    pub fn outranks_oldest(&self, used: u8) -> Result<bool, Broken> {
        if self.main_has_room() {
            return Ok(true);
        }
        for _ in 0..EXAMINED_MOST {
            let oldest = self.head(true);
            if oldest == NIL {
                return Ok(true);
            }
            let oldest = self.record(oldest)?;
            if oldest.rank() & USES_MOST == 0 {
                let since = |moment: u8| self.now().wrapping_sub(moment);
                return Ok(since(used) < since(oldest.used()));
            }
            self.pass_over(&oldest)?;
        }
        Ok(false)
    }

    /// The first of the partition's records here, of the small queue if it has any.
    pub fn first(&self) -> Result<Option<Record<'a>>, Broken> {
        let first = match self.head(false) {
            NIL => self.head(true),
            first => first,
        };
        match first {
            NIL if self.len() > 0 => Err(Broken),
            NIL => Ok(None),
            first => self.record(first).map(Some),
        }
    }

    /// The record that should leave; it is not removed. `None` if there is no record.
    pub fn victim(&self, now: i64) -> Result<Option<Record<'a>>, Broken> {
        // While new records supply the victims nothing else looks into the main queue; its expired records must leave first.
        if self.head(true) != NIL {
            let oldest = self.record(self.head(true))?;
            if self.is_over(&oldest, now) {
                return Ok(Some(oldest));
            }
        }
        let mut least_used: Option<(u32, Record<'a>)> = None;
        for _ in 0..EXAMINED_MOST {
            let Some(candidate) = self.next_candidate()? else {
                break;
            };
            let uses = candidate.rank() & USES_MOST;
            if uses == 0 || self.is_over(&candidate, now) {
                return Ok(Some(candidate));
            }
            if least_used.is_none_or(|(fewest, _)| uses < fewest) {
                least_used = Some((uses, candidate));
            }
            self.pass_over(&candidate)?;
        }
        // All of these were used. A new record was not, if the small queue has more than its share.
        if self.small_is_over(1) && self.tail(false) != NIL {
            let newest = self.record(self.tail(false))?;
            if newest.rank() & USES_MOST == 0 {
                return Ok(Some(newest));
            }
        }
        Ok(least_used.map(|(_, record)| record))
    }

    /// True if the small queue has more than its share, so many times.
    fn small_is_over(&self, times: u32) -> bool {
        let least = SMALL_LEAST.min(self.len() / 2);
        let room = u64::from(self.granules_of(false)) * u64::from(SMALL_SHARE);
        self.len_of(false) > least.saturating_mul(times)
            && room > self.granules().saturating_mul(times.into())
    }

    /// True if the small queue is so long that the main one cannot have claimed its share.
    fn main_has_room(&self) -> bool {
        self.small_is_over(2)
    }

    fn next_candidate(&self) -> Result<Option<Record<'a>>, Broken> {
        let main = !self.small_is_over(1) && self.head(true) != NIL;
        match self.head(main) {
            NIL => Ok(None),
            at => self.record(at).map(Some),
        }
    }

    /// Spends a use of the candidate: from the small queue to the main one, or once more round the main one.
    fn pass_over(&self, record: &Record<'_>) -> Result<(), Broken> {
        let rank = record.rank();
        self.withdraw(record)?;
        self.push(record, true)?;
        if rank & MAIN != 0 {
            record.set_rank(MAIN | (rank & USES_MOST).saturating_sub(1));
        }
        Ok(())
    }

    /// Follows both queues.
    #[cfg(any(test, fuzzing))]
    pub fn validate(&self) -> Result<(), String> {
        for main in [false, true] {
            let (mut before, mut at, mut met) = (NIL, self.head(main), 0);
            let mut granules = 0;
            while at != NIL {
                let record = self
                    .record(at)
                    .map_err(|_| format!("queue of entry {} at {at}", self.entry))?;
                met += 1;
                granules += record.tag.granules();
                if met > self.len_of(main)
                    || record.before() != before
                    || (record.rank() & MAIN != 0) != main
                {
                    return Err(format!("a link of entry {}'s queue at {at}", self.entry));
                }
                if record.expiry().secs() < self.earliest() {
                    return Err(format!(
                        "entry {} has one that expires earlier than the earliest",
                        self.entry
                    ));
                }
                if self.is_swept() && self.shard.is_flushed(&record) {
                    return Err(format!(
                        "entry {} is swept, and has a record of an earlier generation at {at}",
                        self.entry
                    ));
                }
                (before, at) = (at, record.after());
            }
            if met != self.len_of(main) || self.tail(main) != before {
                return Err(format!("the length or end of entry {}'s queue", self.entry));
            }
            if granules != self.granules_of(main) {
                return Err(format!("the room that entry {}'s queue takes", self.entry));
            }
        }
        Ok(())
    }
}
