//! Ways through the whole cache that hold no lock for longer than a batch.
//!
//! Both look at each shard once. A step takes one shard's lock for a bounded number of looks and lets it go; `next`
//! returns what it has; until the next call the cache belongs to the others. What was there before the first call and
//! stays or leaves only through this walk is met once; what others add meanwhile may be met, but never keeps a walk
//! from ending.

use smallvec::SmallVec;

use super::shard::{Shard, Walk};
use super::store::Locked;
use super::wheel::Scan;
use super::{Cache, Flush};

/// Values that one call of `next` returns at most.
/// Few, because a thread may be kept from running while it holds a lock: the shorter it holds it, the seldomer.
pub const BATCH: usize = 16;

/// A batch, on the caller's stack: a walk needs no memory of its own.
pub type Batch<V> = SmallVec<[V; BATCH]>;

/// Shards that a flush works on in turn.
const LANES: usize = 4;

/// A flush under way: each item is a batch of sessions that have left, none of them empty.
///
/// It takes another shard's lock with each step. A std mutex goes to whoever comes first, and a flush that stayed with
/// one shard would come first again and again, before the thread that it has just woken.
///
/// Dropped before its end, it leaves the rest cached.
#[must_use = "a flush removes as it is iterated"]
pub struct Sweep<'a, V> {
    cache: &'a Cache<V>,
    which: Flush,
    lanes: [Lane; LANES],
    /// The lane whose turn it is.
    turn: usize,
    /// The first shard that no lane has come to.
    next_shard: usize,
}

/// One shard under work, or a number beyond the last one.
struct Lane {
    shard: usize,
    /// None: not begun.
    course: Option<Course>,
}

/// How far a lane is in its shard.
enum Course {
    Walk(Walk),
    Scan(Scan),
}

impl<'a, V: Clone + PartialEq> Sweep<'a, V> {
    pub(super) fn new(cache: &'a Cache<V>, which: Flush) -> Self {
        Sweep {
            cache,
            which,
            lanes: std::array::from_fn(Lane::new),
            turn: 0,
            next_shard: LANES,
        }
    }
}

impl Lane {
    fn new(shard: usize) -> Lane {
        Lane {
            shard,
            course: None,
        }
    }

    /// One step; whether there is more to do in this shard.
    fn step<V: Clone + PartialEq>(
        &mut self,
        which: Flush,
        shard: &mut Shard<V>,
        gone: &mut Batch<V>,
    ) -> bool {
        match &mut self.course {
            Some(Course::Scan(scan)) => shard.resume_scan(scan),
            Some(Course::Walk(_)) => {}
            None => {
                self.course = match which {
                    Flush::Everything => Some(Course::Walk(shard.begin_walk())),
                    Flush::ExpiredBefore(t) => shard.begin_scan(t).map(Course::Scan),
                }
            }
        }
        match &mut self.course {
            Some(Course::Scan(scan)) => shard.expire_step(scan, gone),
            Some(Course::Walk(walk)) => shard.flush_step(walk, gone),
            None => false,
        }
    }
}

impl<V: Clone + PartialEq> Iterator for Sweep<'_, V> {
    type Item = Batch<V>;

    fn next(&mut self) -> Option<Batch<V>> {
        let store = self.cache.store.get()?;
        let mut idle = 0;
        while idle < LANES {
            let lane = &mut self.lanes[self.turn];
            self.turn = (self.turn + 1) % LANES;
            if lane.shard >= store.number() {
                idle += 1;
                continue;
            }
            idle = 0;
            let mut gone = Batch::new();
            let mut more = false;
            let mut spent = None;
            if let Some(mut shard) = store.shard(lane.shard).and_then(Locked::lock) {
                more = lane.step(self.which, &mut shard, &mut gone);
                self.cache.seats.give_back(gone.len());
                spent = shard.give_back_memory();
            }
            drop(spent);
            if !more {
                *lane = Lane::new(self.next_shard);
                self.next_shard += 1;
            }
            if !gone.is_empty() {
                return Some(gone);
            }
        }
        None
    }
}

/// The cached sessions, expired ones too: each item is a batch of clones, none of them empty.
pub struct Batches<'a, V> {
    cache: &'a Cache<V>,
    shard: usize,
    walk: Option<Walk>,
}

impl<'a, V: Clone + PartialEq> Batches<'a, V> {
    pub(super) fn new(cache: &'a Cache<V>) -> Self {
        Batches {
            cache,
            shard: 0,
            walk: None,
        }
    }
}

impl<V: Clone + PartialEq> Iterator for Batches<'_, V> {
    type Item = Batch<V>;

    fn next(&mut self) -> Option<Batch<V>> {
        let store = self.cache.store.get()?;
        while self.shard < store.number() {
            let mut met = Batch::new();
            let shard = store.shard(self.shard).and_then(Locked::lock);
            let more = shard.is_some_and(|shard| {
                let walk = self.walk.get_or_insert_with(|| shard.begin_walk());
                shard.clone_step(walk, &mut met)
            });
            if !more {
                self.shard += 1;
                self.walk = None;
            }
            if !met.is_empty() {
                return Some(met);
            }
        }
        None
    }
}
