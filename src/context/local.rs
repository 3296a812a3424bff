//! One of the caches of a context, and who is told what it holds.
//!
//! SSL_SESSION_set_time and SSL_SESSION_set_timeout concern a session in whichever caches hold it, and no function of
//! libssl tells which these are. A few contexts are simply asked; the caches of the others are listed: they note what they
//! hold in [`Holders`], for 16 bytes a session. Who has no more than a few contexts pays nothing for it.

use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use smallvec::SmallVec;

use crate::cache::{
    Batch, Cache, ClientHistory, Expiry, Flush, Holders, Inserted, Key, Outcome, Sweep,
};
use crate::host::SessionRef;

static HOLDERS: Holders = Holders::new();
/// Whether there is a listed cache.
static ANY: AtomicBool = AtomicBool::new(false);
/// Whether something could not be noted: then nothing is believed any more.
static INCOMPLETE: AtomicBool = AtomicBool::new(false);

/// The number of a cache that is not listed.
const UNLISTED: u32 = 0;
/// The first number of those that are.
pub const FIRST_LISTED: u32 = 1;

/// A cache of a context. What changes what it holds is here; the rest is the cache's own.
pub struct Local {
    cache: Cache<SessionRef>,
    /// The number of the context, or [`UNLISTED`]. Given before the first session comes.
    listed_as: AtomicU32,
}

impl Local {
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

    /// The number of its context, where it is listed. Relaxed: whoever inserts has seen it given.
    pub fn listed_as(&self) -> Option<u32> {
        let number = self.listed_as.load(Ordering::Relaxed);
        (number != UNLISTED).then_some(number)
    }

    #[inline]
    pub fn insert(
        &self,
        key: Key,
        session: SessionRef,
        expiry: Expiry,
        history: ClientHistory,
        now: i64,
    ) -> Inserted<SessionRef> {
        match self.listed_as() {
            None => self.cache.insert(key, session, expiry, history, now),
            Some(number) => {
                // Before it can be found here: whoever changes its time then asks in vain, and the time is read later.
                note(&session, number);
                let inserted = self.cache.insert(key, session, expiry, history, now);
                match &inserted.outcome {
                    Outcome::Added => {}
                    Outcome::AlreadyCached(gone)
                    | Outcome::Replaced(gone)
                    | Outcome::Refused(gone) => strike_out(gone, number),
                }
                inserted.evicted.each(|gone| strike_out(gone, number));
                inserted
            }
        }
    }

    pub fn take(&self, key: &Key) -> Option<SessionRef> {
        self.without(self.cache.take(key))
    }

    pub fn remove_if_same(&self, key: &Key, session: &SessionRef) -> Option<SessionRef> {
        self.without(self.cache.remove_if_same(key, session))
    }

    fn without(&self, gone: Option<SessionRef>) -> Option<SessionRef> {
        if let (Some(session), Some(number)) = (&gone, self.listed_as()) {
            strike_out(session, number);
        }
        gone
    }

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

#[cold]
fn strike_out(session: &SessionRef, number: u32) {
    HOLDERS.strike_out(session.as_ptr().addr(), number);
}

/// The numbers of the listed contexts that may hold a session; `None` where that cannot be told.
pub fn holders_of(session: &SessionRef) -> Option<SmallVec<[u32; 4]>> {
    if !ANY.load(Ordering::Relaxed) {
        return Some(SmallVec::new());
    }
    if INCOMPLETE.load(Ordering::Relaxed) {
        return None;
    }
    HOLDERS.of(session.as_ptr().addr())
}
