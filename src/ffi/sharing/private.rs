//! The sessions that stay in a process, where nobody else has a say.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::cache::{ClientHistory, Key};
use crate::ffi::alike::Terms;
use crate::ffi::local::Local;
use crate::ffi::store::{Store, Usage, expiry_of, key_of, now};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;
use crate::sys::lock::{Lock, this_process};

/// What stays, by who may use it up.
pub(super) struct Private {
    /// What this process keeps, and no other one has.
    own: Local,
    /// What other processes have from before a fork, too: that is used up by none that does not have it as its own.
    inherited: Local,
    /// Whose own ones are in `own`.
    of: AtomicU32,
    /// How many sessions have moved from one cache of this process to another, wrapping. Held while one is in neither.
    moves: Lock<u32>,
}

impl Private {
    pub(super) fn new(size: usize) -> Self {
        Self {
            own: Local::new(size, 1),
            inherited: Local::new(size, 1),
            of: AtomicU32::new(this_process()),
            moves: Lock::new(0),
        }
    }

    pub(super) fn caches(&self) -> [&Local; 2] {
        [&self.own, &self.inherited]
    }
}

/// What a context keeps in this process.
impl Store {
    /// All caches of this process.
    pub fn caches(&self) -> [&Local; 3] {
        let [own, inherited] = self.sharing.private.caches();
        [&self.cache, own, inherited]
    }

    /// Whether any of them holds a session.
    pub fn is_in_use(&self) -> bool {
        self.caches().iter().any(|cache| !cache.is_empty())
    }

    /// What this process keeps as its own.
    pub(super) fn own_private(&self, ctx: *mut SSL_CTX) -> &Local {
        let private = &self.sharing.private;
        // Acquire: whoever sees it sees the parent's gone.
        if private.of.load(Ordering::Acquire) != this_process() {
            self.inherit_private(ctx);
        }
        &private.own
    }

    pub(super) fn inherited_private(&self) -> &Local {
        &self.sharing.private.inherited
    }

    /// After a fork: what is there is the parent's own. Of threads that arrive together each does it, and none goes on
    /// before it is done.
    #[cold]
    fn inherit_private(&self, ctx: *mut SSL_CTX) {
        let private = &self.sharing.private;
        if let Some(batches) = self.with_cache(|_| private.own.iter()) {
            for session in batches.flatten() {
                // By now another thread may have put what is this process's own.
                if private.of.load(Ordering::Acquire) == this_process() {
                    return;
                }
                self.make_private(ctx, &session, &private.own, &private.inherited);
            }
        }
        private.of.store(this_process(), Ordering::Release);
    }

    /// Moves a session to one of the private caches, if it is still there.
    pub(super) fn make_private(
        &self,
        ctx: *mut SSL_CTX,
        session: &SessionRef,
        from: &Local,
        to: &Local,
    ) {
        let Some(key) = key_of(session) else { return };
        let (expiry, now) = (expiry_of(session), now());
        let inserted = {
            let mut moves = self.sharing.private.moves.lock();
            let moved = self.with_cache(|_| from.remove_if_same(&key, session));
            let Some(session) = moved.flatten() else {
                return;
            };
            if let Some(moves) = &mut moves {
                **moves = moves.wrapping_add(1);
            }
            self.with_cache(|_| to.insert(key, session, expiry, ClientHistory::Returning, now))
        };
        self.see_to(ctx, inserted); // which calls back, so not under the lock
    }

    /// Looks at all caches of this process as if no session moved from one to another meanwhile. `look` may run several
    /// times and under a lock: it drops no session.
    pub(in crate::ffi) fn while_none_moves<T>(&self, look: impl Fn() -> T) -> T {
        let moves = || self.sharing.private.moves.lock().map(|moves| *moves);
        let before = moves();
        let seen = look();
        if moves() == before {
            return seen;
        }
        // What was seen goes after the lock.
        let again = {
            let _still = self.sharing.private.moves.lock();
            look()
        };
        drop(seen);
        again
    }

    /// Looks an id up among those that stay; nothing inside where it is here, but not to be used up.
    pub(super) fn find_private(
        &self,
        ctx: *mut SSL_CTX,
        key: &Key,
        usage: Usage,
        terms: &Terms,
    ) -> Option<Option<SessionRef>> {
        // SAFETY: the session is of this host, and held.
        let is_for = |session: &SessionRef| unsafe { self.is_for(session.as_ptr(), terms) };
        if let Some(session) = self.look_up(self.own_private(ctx), key, usage) {
            return Some(Some(session).filter(is_for));
        }
        let session = self.look_up(self.inherited_private(), key, usage.leaving())?;
        Some(Some(session).filter(|session| !usage.is_taken() && is_for(session)))
    }

    /// Takes a session out of those that stay.
    pub(super) fn take_private(&self, key: &Key) -> Option<SessionRef> {
        let mut caches = self.sharing.private.caches().into_iter();
        caches.find_map(|cache| self.with_cache(|_| cache.take(key)).flatten())
    }
}
