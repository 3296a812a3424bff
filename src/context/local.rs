//! One cache of a context in this process, and the list of the sessions that it holds.
//!
//! SSL_SESSION_set_time and SSL_SESSION_set_timeout concern a session in every cache that holds it, and no function of
//! libssl tells which caches do. The first few contexts are simply asked. The caches of all others are listed: they record
//! the sessions that they hold in [`Holders`], which costs 16 bytes a session. A process with few contexts pays nothing.

use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use smallvec::SmallVec;

use crate::cache::{Arrival, Batch, Cache, Evicted, Flush, Holders, Key, Outcome, Sweep};
use crate::host::SessionRef;

/// Which listed contexts hold which sessions.
static HOLDERS: Holders = Holders::new();
/// Whether there is a listed cache.
static ANY: AtomicBool = AtomicBool::new(false);
/// Whether a session could not be recorded. From then on every listed context is asked.
static INCOMPLETE: AtomicBool = AtomicBool::new(false);

/// The number of a cache that is not listed.
const UNLISTED: u32 = 0;
/// The first number of a listed cache.
pub const FIRST_LISTED: u32 = 1;

/// A cache of a context. The functions that add or remove sessions are wrapped here; all others are the cache's own.
pub struct Local {
    cache: Cache<SessionRef>,
    /// The number of the context, or [`UNLISTED`]. It is given before the first session is inserted.
    listed_as: AtomicU32,
}

impl Local {
    /// An empty cache for `size` sessions.
    pub fn new(size: usize, shards: usize) -> Self {
        Self {
            cache: Cache::new(size, shards),
            listed_as: AtomicU32::new(UNLISTED),
        }
    }

    /// Lists the cache under the number of its context.
    pub fn list_as(&self, number: u32) {
        ANY.store(true, Ordering::Relaxed);
        self.listed_as.store(number, Ordering::Relaxed);
    }

    /// The number of the context if the cache is listed.
    pub fn listed_as(&self) -> Option<u32> {
        // Relaxed: a thread that inserts has acquired `Context::populated`, or has the number from the registry's lock.
        let number = self.listed_as.load(Ordering::Relaxed);
        (number != UNLISTED).then_some(number)
    }

    /// Does [`Cache::insert`] and records the change.
    #[inline(always)]
    pub fn insert(
        &self,
        arrival: &Arrival<'_, SessionRef>,
        evicted: &mut Evicted<SessionRef>,
    ) -> Outcome<SessionRef> {
        let listed_as = self.listed_as();
        if let Some(number) = listed_as {
            // Recorded first: a thread that finds the session here and changes its time finds the record, too.
            note(arrival.value, number);
        }
        let outcome = self.cache.insert(arrival, evicted);
        if let Some(number) = listed_as {
            strike_out_all(arrival.value, &outcome, evicted, number);
        }
        outcome
    }

    /// Does [`Cache::take`] and records the change.
    #[inline(always)]
    pub fn take(&self, key: &Key) -> Option<SessionRef> {
        self.without(self.cache.take(key))
    }

    /// Does [`Cache::remove_if_same`] and records the change.
    pub fn remove_if_same(&self, key: &Key, session: &SessionRef) -> Option<SessionRef> {
        self.without(self.cache.remove_if_same(key, session))
    }

    fn without(&self, gone: Option<SessionRef>) -> Option<SessionRef> {
        if let (Some(session), Some(number)) = (&gone, self.listed_as()) {
            strike_out(session, number);
        }
        gone
    }

    /// Does [`Cache::flush`] and records the changes.
    pub fn flush(&self, which: Flush) -> Flushing<'_> {
        Flushing {
            sweep: self.cache.flush(which),
            listed_as: self.listed_as(),
        }
    }
}

impl Deref for Local {
    type Target = Cache<SessionRef>;

    fn deref(&self) -> &Self::Target {
        &self.cache
    }
}

/// A flush under way.
#[must_use = "a flush removes as it is iterated"]
pub struct Flushing<'a> {
    sweep: Sweep<'a, SessionRef>,
    listed_as: Option<u32>,
}

impl Iterator for Flushing<'_> {
    type Item = Batch<SessionRef>;

    fn next(&mut self) -> Option<Self::Item> {
        let gone = self.sweep.next()?;
        if let Some(number) = self.listed_as {
            gone.iter().for_each(|session| strike_out(session, number));
        }
        Some(gone)
    }
}

#[cold]
fn note(session: &SessionRef, number: u32) {
    if !HOLDERS.note(session.as_ptr().addr(), number) {
        INCOMPLETE.store(true, Ordering::Relaxed);
    }
}

/// Records what an insertion has taken out of a listed cache.
#[cold]
fn strike_out_all(
    arrived: &SessionRef,
    outcome: &Outcome<SessionRef>,
    evicted: &Evicted<SessionRef>,
    number: u32,
) {
    match outcome {
        Outcome::Added => {}
        Outcome::AlreadyCached | Outcome::Refused => strike_out(arrived, number),
        Outcome::Replaced(gone) => strike_out(gone, number),
    }
    evicted.each(|gone| strike_out(gone, number));
}

#[cold]
fn strike_out(session: &SessionRef, number: u32) {
    HOLDERS.strike_out(session.as_ptr().addr(), number);
}

/// The numbers of the listed contexts that may hold a session; `None` if that cannot be told.
pub fn holders_of(session: &SessionRef) -> Option<SmallVec<[u32; 4]>> {
    if !ANY.load(Ordering::Relaxed) {
        return Some(SmallVec::new());
    }
    if INCOMPLETE.load(Ordering::Relaxed) {
        return None;
    }
    HOLDERS.of(session.as_ptr().addr())
}
