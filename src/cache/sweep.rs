//! Flushing and iterating over the whole cache, without holding a lock for longer than a batch.
//!
//! Both go through each shard once. A step holds one shard's lock for a bounded number of entries, and `next` returns what
//! the step found; between calls no lock is held. A session that was cached before the first call and leaves only through
//! this walk is met once. A session that is added meanwhile may be met, but cannot keep a walk from ending.

use super::batch::Batch;
use super::shard::{Shard, Walk};
use super::store::Locked;
use super::wheel::Scan;
use super::whole::Cache;

/// Which sessions a flush removes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flush {
    /// All that are cached when it begins.
    Everything,
    /// Those whose expiry lies before this second: all with `t > expiry`.
    ExpiredBefore(i64),
}

/// Shards that a flush works on in turn.
const LANES: usize = 4;

/// A flush under way: each item is a batch of sessions that have left, none of them empty.
///
/// Each step locks another shard. A lock goes to the thread that comes first, and a flush that stayed with one shard
/// would come first again and again, before the thread that it has just woken.
///
/// If it is dropped before its end, the other sessions stay cached.
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

impl<V: Clone + PartialEq> Cache<V> {
    /// Begins to remove many sessions. Each step of the iterator removes a batch and returns it.
    pub fn flush(&self, which: Flush) -> Sweep<'_, V> {
        Sweep {
            cache: self,
            which,
            lanes: std::array::from_fn(Lane::new),
            turn: 0,
            next_shard: LANES,
        }
    }

    /// All sessions, in batches of clones; not a use.
    pub fn iter(&self) -> Batches<'_, V> {
        Batches {
            cache: self,
            shard: 0,
            walk: None,
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

    /// Makes one step. Returns whether there is more to do in this shard.
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
                self.cache.slots.release(gone.len());
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
