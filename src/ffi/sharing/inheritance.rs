//! What was cached before a fork: one process hands it over, the others wait for that one.

use core::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::common::{Common, Point, common};
use crate::cache::ClientHistory;
use crate::ffi::guard::attempt;
use crate::ffi::store::{Store, expiry_of, key_of, now};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;
use crate::shm::{Partition, Turn};
use crate::sys::lock::{FIRST, this_process};

/// How many sessions of before the fork are handed over: a tenth of a second, once in the life of a context. Those
/// beyond stay in each process as it has inherited them.
const HANDED_OVER_MOST: usize = 20_480;

/// After this nobody waits any more for a process that hands over: it has died, or comes too late.
const HANDING_OVER: Duration = Duration::from_secs(2);

/// What a context has from before the fork.
impl Store {
    /// Whether this process has made the context after it was forked by one that had contexts: its siblings have others.
    pub fn made_after_fork(&self) -> bool {
        let process = this_process();
        process != FIRST && self.sharing.made.process == process
    }

    /// Whether other processes may have this context.
    pub fn has_forked(&self) -> bool {
        let lot = self.sharing.lot.get().copied().flatten();
        self.sharing.made != Point::now()
            || lot.is_some_and(|lot| common().is_some_and(|c| c.ballot.is_known_elsewhere(lot)))
    }

    /// Notes the first session that is cached.
    pub fn note_inheritance(&self) {
        self.sharing
            .lot
            .get_or_init(|| Box::new(attempt(|| common()?.ballot.open())));
    }

    /// The context dies.
    pub fn end_inheritance(&self) {
        if let Some(&Some(lot)) = self.sharing.lot.get()
            && !self.has_forked()
            && let Some(common) = common()
        {
            attempt(|| {
                common.ballot.release(lot);
                Some(())
            });
        }
        if let Some(alone) = self.sharing.alone.get() {
            attempt(|| {
                alone.release();
                Some(())
            });
        }
    }

    /// Ends what another process is handing over, or may begin to: from here on it hands over nothing more, so that
    /// what is removed or flushed then does not come back.
    pub fn end_handing_over(&self) {
        if let Some(&Some(lot)) = self.sharing.lot.get()
            && let Some(common) = common()
        {
            common.ballot.end(lot);
        }
    }

    /// Deals with what was cached before the fork; whether that is done.
    #[cold]
    pub(super) fn settle(
        &self,
        ctx: *mut SSL_CTX,
        common: &Common,
        share: Partition<'static>,
    ) -> bool {
        let sharing = &self.sharing;
        let lot = sharing.lot.get().copied().flatten();
        match lot {
            // Its parent goes on by itself until it sees that there is somebody: what the two have in common is used
            // up by neither.
            Some(lot) if sharing.made.was_forked_unseen() => {
                common.ballot.note_observer(lot);
                self.keep_inherited(ctx, |_| true);
            }
            Some(lot) => match common.ballot.begin(lot) {
                Turn::Ours => {
                    self.hand_over(ctx, share, &|| common.ballot.is_under_way(lot));
                    common.ballot.end(lot);
                }
                Turn::Theirs if self.waits() => return false,
                Turn::Theirs | Turn::Over => {
                    // What is removed from now on is not to come back.
                    common.ballot.end(lot);
                    self.keep_inherited(ctx, |session| session.has_application_data());
                }
            },
            None => self.keep_inherited(ctx, |_| true), // nothing, unless there were no lots left
        }
        // Release: whoever sees it sees what was done.
        sharing.settled.store(true, Ordering::Release);
        true
    }

    /// Whether there is time to wait for the process that hands over; it begins with the first question.
    fn waits(&self) -> bool {
        let since = self
            .sharing
            .waits_since
            .get_or_init(|| Box::new(Instant::now()));
        since.elapsed() < HANDING_OVER
    }

    /// Makes those of the inherited sessions private that are `wanted`.
    fn keep_inherited(&self, ctx: *mut SSL_CTX, wanted: impl Fn(&SessionRef) -> bool) {
        let Some(batches) = self.with_cache(|cache| cache.iter()) else {
            return;
        };
        for session in batches.flatten().filter(wanted) {
            self.make_private(ctx, &session, &self.cache, self.inherited_private());
        }
    }

    /// Gives the region what was cached before the fork, while it `may`: nobody has given up waiting.
    fn hand_over(&self, ctx: *mut SSL_CTX, share: Partition<'static>, may: &dyn Fn() -> bool) {
        let Some(batches) = self.with_cache(|cache| cache.iter()) else {
            return;
        };
        let mut left = HANDED_OVER_MOST;
        for session in batches.flatten() {
            let Some(key) = key_of(&session) else {
                continue;
            };
            let is_cached = || {
                let expiry = expiry_of(&session);
                self.with_cache(|cache| cache.set_expiry_if_same(&key, &session, expiry))
                    == Some(true)
            };
            let put = |record: &[u8], expiry| {
                let what = (&key, session.digest(), record);
                share.put_while(what, expiry, ClientHistory::New, may, now())
            };
            if !is_cached() {
                continue;
            }
            let stays = session.has_application_data();
            if left > 0 && !stays && self.give(&session, None, put) {
                left -= 1;
                // A removal takes the session from the own cache first, and from the region then.
                if !is_cached() {
                    self.remove_shared(share, &key);
                }
            } else if !may() {
                return self.keep_inherited(ctx, |session| session.has_application_data());
            } else {
                let to = match self.remove_shared(share, &key) {
                    Some(_) => self.own_private(ctx),
                    None => self.inherited_private(), // others may have it
                };
                self.make_private(ctx, &session, &self.cache, to);
            }
        }
    }
}
