//! The expiry wheel, which finds expired sessions: a hashed timing wheel (Varghese and Lauck 1987, scheme 6).
//!
//! Time is cut into ticks of 16 seconds; a tick's slot is its number modulo 256. Adding, moving and removing are O(1),
//! where libssl walks a sorted list. A slot also holds the ticks of later laps (a lap is 68 minutes), which a scan
//! skips. No clock is assumed: expiries and scans may lie anywhere and come in any order.
//!
//! `earliest()` is a lower bound, in seconds, of every expiry in the wheel. A completed scan raises it to its own time,
//! so that the next one visits only the slots in between, and one in the same second none at all. A lap costs each
//! entry at most 16 looks, one for each second of its tick; with a million entries, that is 4,000 looks a second. A
//! hierarchy of wheels would avoid most of them, but it depends on the direction of time: a single scan far in the future,
//! by which some programs empty their cache, would destroy its order.
//!
//! A shard of few entries has one slot for all ticks, which needs no memory of its own.
//!
//! A scan is made of steps, each a bounded look under the lock. Between them other scans may run; see `Scan`.

use super::batch::{BATCH, Positions};
use super::expiry::Expiry;
use super::list::{ByExpiry, List};
use super::slab::{Links, Slab, Ties};

/// Seconds in a tick, as a power of two.
const TICK_LOG2: u32 = 4;
const SLOTS: usize = 256;
/// For so few entries one slot is as good as many.
const FEW: u32 = 32;
/// How often a scan starts a slot again because another scan turned it.
const RESTARTS_MOST: u32 = 4;

fn tick(secs: i64) -> i64 {
    secs >> TICK_LOG2
}

fn slot(tick: i64) -> usize {
    tick as usize % SLOTS
}

pub(super) struct Wheel {
    /// The only slot, until there are `many`.
    few: List<ByExpiry>,
    many: Option<Box<[List<ByExpiry>; SLOTS]>>,
    len: u32,
    /// A lower bound of what was there when a scan last began and is there yet.
    earliest_before: i64,
    /// The earliest expiry added since then, which a scan that ends may have missed.
    added_since: i64,
    /// Steps of scans so far, wrapping, by which a scan notices that another one came between its own steps.
    steps: u32,
}

/// A scan in progress, for everything with `before > expiry`.
///
/// It goes through a slot by turning it: an examined entry goes to the back, where new ones go too, so the scan ends however
/// many are added. If another scan's step in between has turned the same slot, it starts the slot again, a bounded number of
/// times, and leaves the bound as it is, so that a later scan finds the entries that both have missed.
pub(super) struct Scan {
    before: i64,
    tick: i64,
    /// Slots to visit, with the present one.
    slots_left: usize,
    /// Entries of the present slot not yet looked at.
    unseen: u32,
    step: u32,
    restarts_left: u32,
    undisturbed: bool,
    /// How many slots the wheel had.
    slots: usize,
}

impl Wheel {
    pub(super) const fn new() -> Self {
        Wheel {
            few: List::EMPTY,
            many: None,
            len: 0,
            earliest_before: i64::MAX,
            added_since: i64::MAX,
            steps: 0,
        }
    }

    /// Called before an entry is added. Changes to many slots when there are enough entries, if there is memory for them.
    pub(super) fn make_ready<V>(&mut self, slab: &mut Slab<V>) {
        if self.len >= FEW && self.many.is_none() {
            self.spread(slab);
        }
    }

    #[cold]
    fn spread<V>(&mut self, slab: &mut Slab<V>) {
        let mut slots = Vec::new();
        if slots.try_reserve_exact(SLOTS).is_err() {
            return;
        }
        slots.resize_with(SLOTS, || List::EMPTY);
        let Ok(mut slots) = Box::<[_; SLOTS]>::try_from(slots) else {
            return;
        };
        while let Some(at) = self.few.front() {
            let links = slab[at].in_wheel;
            self.few.remove(slab, links);
            slots[slot(tick(slab.expiry(at).secs()))].push_back(slab, at);
        }
        self.many = Some(slots);
    }

    fn slots(&self) -> usize {
        if self.many.is_some() { SLOTS } else { 1 }
    }

    fn list(&mut self, tick: i64) -> &mut List<ByExpiry> {
        match &mut self.many {
            Some(slots) => &mut slots[slot(tick)],
            None => &mut self.few,
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.many.as_ref().map_or(0, |slots| size_of_val(&**slots))
    }

    /// Adds an entry by its expiry; one that never expires is in no slot.
    pub(super) fn add<V>(&mut self, slab: &mut Slab<V>, at: u32) {
        let links = self.make_way(slab, at, slab.expiry(at));
        slab[at].in_wheel = links;
    }

    /// Adds an entry that will be at `at`; the caller gives it the returned links.
    #[inline(always)]
    pub(super) fn make_way<V>(&mut self, slab: &mut Slab<V>, at: u32, expiry: Expiry) -> Links {
        if expiry == Expiry::NEVER {
            return Links::NONE;
        }
        self.len += 1;
        self.added_since = self.added_since.min(expiry.secs());
        self.list(tick(expiry.secs())).make_way(slab, at)
    }

    /// Takes out an entry that is tied as `ties` says; its expiry must be the one that it was added with.
    #[inline(always)]
    pub(super) fn withdraw<V>(&mut self, slab: &mut Slab<V>, ties: &Ties) {
        if ties.expiry == Expiry::NEVER {
            return;
        }
        self.list(tick(ties.expiry.secs()))
            .remove(slab, ties.in_wheel);
        self.len -= 1;
        if self.len == 0 {
            self.earliest_before = i64::MAX;
            self.added_since = i64::MAX;
        }
    }

    fn earliest(&self) -> i64 {
        self.earliest_before.min(self.added_since)
    }

    /// Begins a scan for everything with `before > expiry`; `None` if there can be nothing.
    pub(super) fn begin(&mut self, before: i64) -> Option<Scan> {
        let earliest = self.earliest();
        if before <= earliest {
            return None;
        }
        let first = tick(earliest);
        // Neither overflows: `before` is above `earliest`, and ticks are 60 bits wide.
        let ticks = tick(before - 1) - first + 1;
        self.earliest_before = earliest;
        self.added_since = i64::MAX;
        self.steps = self.steps.wrapping_add(1);
        Some(Scan {
            before,
            tick: first,
            slots_left: usize::try_from(ticks).map_or(SLOTS, |ticks| ticks.min(self.slots())),
            unseen: self.list(first).len(),
            step: self.steps,
            restarts_left: RESTARTS_MOST,
            undisturbed: true,
            slots: self.slots(),
        })
    }

    /// Begins another step of a scan.
    pub(super) fn resume(&mut self, scan: &mut Scan) {
        if scan.slots != self.slots() {
            // Nothing is where it was: from the start.
            match self.begin(scan.before) {
                Some(again) => *scan = again,
                None => scan.slots_left = 0,
            }
            return;
        }
        if scan.step != self.steps {
            scan.undisturbed = false;
            if scan.restarts_left > 0 {
                scan.restarts_left -= 1;
                scan.unseen = self.list(scan.tick).len();
            }
        }
        self.steps = self.steps.wrapping_add(1);
        scan.step = self.steps;
    }

    /// The entries of its present slot that a scan comes to next.
    pub(super) fn next_of_slot<V>(&mut self, slab: &Slab<V>, scan: &Scan) -> Positions {
        let most = BATCH.min(scan.unseen as usize);
        self.list(scan.tick).first(slab, most)
    }

    /// The next expired entry, which the caller removes before it asks again; `looks` is what the step may still
    /// examine.
    pub(super) fn next_expired<V>(
        &mut self,
        slab: &mut Slab<V>,
        scan: &mut Scan,
        looks: &mut u32,
    ) -> Progress {
        while scan.slots_left > 0 {
            let list = self.list(scan.tick);
            while scan.unseen > 0
                && let Some(at) = list.front()
            {
                if *looks == 0 {
                    return Progress::Paused;
                }
                *looks -= 1;
                scan.unseen -= 1;
                if slab.expiry(at).has_passed(scan.before) {
                    return Progress::Found(at);
                }
                list.turn(slab);
            }
            scan.slots_left -= 1;
            scan.tick += 1;
            scan.unseen = self.list(scan.tick).len();
        }
        if scan.undisturbed && self.len > 0 {
            self.earliest_before = scan.before;
        }
        Progress::Finished
    }

    /// Follows every slot.
    #[cfg(any(test, fuzzing))]
    pub(super) fn validate<V>(&self, slab: &Slab<V>) {
        let mut met = 0;
        let many = self.many.iter().flat_map(|slots| slots.iter());
        for (number, list) in many.chain([&self.few]).enumerate() {
            for at in list.validate(slab) {
                met += 1;
                let secs = slab.expiry(at).secs();
                assert!(slab.value(at).is_some(), "an entry in a slot is occupied");
                assert!(
                    self.many.is_none() || slot(tick(secs)) == number,
                    "an entry is in the slot of its expiry"
                );
                assert!(
                    self.earliest() <= secs,
                    "nothing is earlier than the earliest"
                );
            }
        }
        assert_eq!(met, self.len);
        let timed = (0..slab.positions())
            .filter(|&at| slab.value(at).is_some() && slab.expiry(at) != Expiry::NEVER);
        assert_eq!(
            timed.count(),
            met as usize,
            "whatever can expire is in a slot"
        );
    }
}

/// The result of a search for the next entry.
pub(super) enum Progress {
    /// The entry at this position.
    Found(u32),
    /// The step has examined as many entries as it may.
    Paused,
    /// Everything has been examined.
    Finished,
}
