//! What was cached before a fork: one process hands it over, the others wait for that one.

use core::ffi::c_long;
use core::sync::atomic::Ordering;

use super::common::{Common, Point, common};
use crate::cache::Standing;
use crate::ffi::guard::quietly;
use crate::ffi::store::{Store, expiry_of, key_of, now};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;
use crate::lock::{FIRST, this_process};
use crate::tier::{Share, Turn};

/// How many sessions of before the fork are handed over: a tenth of a second, once in the life of a context. Those
/// beyond stay in each process as it has inherited them.
const HANDED_OVER_MOST: usize = 20_480;

/// After so many seconds nobody waits any more for a process that hands over: it has died.
const HANDING_OVER_SECONDS: c_long = 2;

/// Of private sessions that several processes have inherited.
const OF_NOBODY: u32 = u32::MAX;

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
            .get_or_init(|| Box::new(quietly(|| common()?.ballot.lot())));
    }

    /// The context dies.
    pub fn end_inheritance(&self) {
        if let Some(&Some(lot)) = self.sharing.lot.get()
            && !self.has_forked()
            && let Some(common) = common()
        {
            quietly(|| common.ballot.give_back(lot));
        }
    }

    /// Deals with what was cached before the fork; whether that is done.
    #[cold]
    pub(super) fn settle(&self, ctx: *mut SSL_CTX, common: &Common, share: Share<'static>) -> bool {
        let sharing = &self.sharing;
        let lot = sharing.lot.get().copied().flatten();
        match lot {
            // Its parent goes on by itself until it sees that there is somebody: what the two have in common is used
            // up by neither.
            Some(lot) if sharing.made.was_forked_unseen() => {
                common.ballot.watch(lot);
                self.keep_inherited(ctx, |_| true, OF_NOBODY);
            }
            Some(lot) => match common.ballot.begin(lot) {
                Turn::Ours => {
                    self.hand_over(ctx, share);
                    common.ballot.end(lot);
                }
                Turn::Theirs => {
                    let (now, since) = (now(), &sharing.waits_since);
                    let _ = since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
                    if now.saturating_sub(since.load(Ordering::Relaxed)) < HANDING_OVER_SECONDS {
                        return false;
                    }
                }
                Turn::Over => self.keep_inherited(ctx, SessionRef::has_application_data, OF_NOBODY),
            },
            None => self.keep_inherited(ctx, |_| true, OF_NOBODY), // nothing, unless there were no lots left
        }
        // Release: whoever sees it sees what was done.
        sharing.settled.store(true, Ordering::Release);
        true
    }

    /// Makes those of the inherited sessions private that are `wanted`.
    fn keep_inherited(
        &self,
        ctx: *mut SSL_CTX,
        wanted: impl Fn(&SessionRef) -> bool,
        process: u32,
    ) {
        let Some(batches) = self.with_cache(|cache| cache.iter()) else {
            return;
        };
        for session in batches.flatten().filter(wanted) {
            self.make_private(ctx, &session, process);
        }
    }

    /// Moves a session from the own cache to the private ones, if it is still there.
    pub(super) fn make_private(&self, ctx: *mut SSL_CTX, session: &SessionRef, process: u32) {
        let Some(key) = key_of(session) else { return };
        let moved = self
            .with_cache(|cache| cache.remove_if_same(&key, session))
            .flatten();
        if let Some(session) = moved {
            let expiry = expiry_of(&session);
            self.note_private(process);
            self.insert(
                ctx,
                &self.sharing.private,
                (key, session),
                expiry,
                Standing::Returning,
                now(),
            );
        }
    }

    pub(super) fn note_private(&self, process: u32) {
        let of = &self.sharing.private_of;
        if process == OF_NOBODY {
            return of.store(OF_NOBODY, Ordering::Relaxed);
        }
        let _ = of.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Gives the region what was cached before the fork.
    fn hand_over(&self, ctx: *mut SSL_CTX, share: Share<'static>) {
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
            if left == 0 || !is_cached() || !self.put(share, &key, &session, Standing::New) {
                self.make_private(ctx, &session, this_process());
                continue;
            }
            left -= 1;
            // A removal takes the session from the own cache first, and from the region then.
            if !is_cached() {
                self.remove_shared(share, &key);
            }
        }
    }
}
