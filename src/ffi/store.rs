//! What we keep with an `SSL_CTX`: its cache, and the application's view of it.
//!
//! The host is told that its own cache is off; mode, size and callbacks as the application set them live
//! here, and its getters are answered from here. The rules by which libssl adds, finds and removes sessions
//! are applied here too, case by case as libssl does; a departure is labelled.
//!
//! No callback runs, and no session is freed, under a lock: the cache hands out what leaves it.

use core::ffi::{c_int, c_long, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::Mutex;

use super::callback::Callback;
use super::guard::{caught, quietly};
use super::snapshot::Snapshot;
use crate::cache::{Cache, Expiry, Flush, Held, Key, Outcome, Standing, Sweep};
use crate::host::abi::*;
use crate::host::types::*;
use crate::host::{Host, Libssl, SessionRef};

/// How many expired sessions one handshake may clear away, give or take a batch; the rest waits for the next
/// one, so that no handshake pays for a crowd that expired at once.
const AUTO_CLEAR_MOST: usize = 1024;

/// Enough that two threads rarely meet at one lock, few enough that an idle cache is small.
const SHARDS_A_PROCESSOR: usize = 4;

/// The cache of one context, and what its application asked of it.
pub struct Store {
    pub host: &'static Host,
    pub libssl: &'static Libssl,
    cache: Cache<SessionRef>,
    /// The mode as the application set it: SSL_SESS_CACHE_*.
    mode: AtomicU32,
    pub new_callback: Callback<NewSessionCallback>,
    pub remove_callback: Callback<RemoveSessionCallback>,
    pub get_callback: Callback<GetSessionCallback>,
    counters: Counters,
    /// Set by a panic: from then on this context has no cache.
    broken: AtomicBool,
    auto_clear: AutoClear,
    /// The session that stands in the host's own cache to tell us when the context dies; see `drain`.
    sentinel: AtomicPtr<SSL_SESSION>,
    snapshot: Mutex<Option<Snapshot>>,
}

/// What libssl counts of its internal cache, and what only we count.
#[derive(Default)]
struct Counters {
    cb_hits: AtomicU64,
    misses: AtomicU64,
    cache_full: AtomicU64,
    failures: AtomicU64,
}

/// When expired sessions are cleared away by themselves.
#[derive(Default)]
struct AutoClear {
    /// How many times 256 handshakes were done when it last began, for clients and for servers.
    epochs: [AtomicU32; 2],
    /// Whether it has more to do.
    unfinished: AtomicBool,
}

impl Store {
    /// A store for a context with this mode and cache size.
    pub fn new(host: &'static Host, libssl: &'static Libssl, mode: u32, size: usize) -> Self {
        Self {
            host,
            libssl,
            cache: Cache::new(size, super::processors().saturating_mul(SHARDS_A_PROCESSOR)),
            mode: AtomicU32::new(mode),
            new_callback: Callback::none(),
            remove_callback: Callback::none(),
            get_callback: Callback::none(),
            counters: Counters::default(),
            broken: AtomicBool::new(false),
            auto_clear: AutoClear::default(),
            sentinel: AtomicPtr::new(ptr::null_mut()),
            snapshot: Mutex::new(None),
        }
    }

    /// Works on the cache; `None` where a panic broke it, now or before.
    fn with_cache<'a, T>(&'a self, work: impl FnOnce(&'a Cache<SessionRef>) -> T) -> Option<T> {
        // Relaxed: whoever does not see it yet runs into the same trouble and is caught likewise.
        if self.broken.load(Ordering::Relaxed) {
            return None;
        }
        let result = quietly(|| caught(|| work(&self.cache)));
        if result.is_none() {
            self.broken.store(true, Ordering::Relaxed);
            self.failed();
        }
        result
    }

    fn failed(&self) {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn mode_has(&self, flags: u32) -> bool {
        self.mode.load(Ordering::Relaxed) & flags != 0
    }
}

/// Adding, removing, flushing.
impl Store {
    /// Adds a session as SSL_CTX_add_session does; whether it was new to the cache. Of a handshake that
    /// resumed an earlier session, `standing` says so.
    ///
    /// # Safety
    /// * `ctx` is the context of this store;
    /// * `session` is a session of the same library, alive during the call.
    pub unsafe fn add(
        &self,
        ctx: *mut SSL_CTX,
        session: *mut SSL_SESSION,
        standing: Standing,
    ) -> bool {
        // SAFETY: the caller's contract.
        let Some(session) = (unsafe { SessionRef::acquire(self.libssl, session) }) else {
            return false;
        };
        // divergence: libssl stores a session without an id, which can then never be found or removed and
        // blocks eviction for ever.
        let Some(key) = key_of(&session) else {
            return false;
        };
        let now = now();
        if self.mode_has(SSL_SESS_CACHE_UPDATE_TIME) {
            session.set_time(now);
            super::registry::follow_expiry(&session);
        }
        let expiry = expiry_of(&session);
        let inserted = self.with_cache(|cache| cache.insert(key, session, expiry, standing, now));
        let Some(inserted) = inserted else {
            return false;
        };
        for victim in inserted.evicted {
            self.counters.cache_full.fetch_add(1, Ordering::Relaxed);
            // divergence: libssl marks an evicted session not resumable, although somebody may hold it and
            // be resuming it. It is only out of room, so it is not marked.
            self.removed(ctx, victim.as_ptr());
        }
        match inserted.outcome {
            // The replaced session is let go, without a callback and still resumable.
            Outcome::Added | Outcome::Replaced(_) => true,
            Outcome::AlreadyCached(_) => false,
            Outcome::Refused(_) => {
                self.failed();
                false
            }
        }
    }

    /// Removes a session as SSL_CTX_remove_session does; whether its id was in the cache. It is marked not
    /// resumable and the application told, in either case.
    ///
    /// # Safety
    /// As for [`Self::add`].
    pub unsafe fn remove(&self, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) -> bool {
        // SAFETY: the caller's contract.
        let Some(session) = (unsafe { SessionRef::acquire(self.libssl, session) }) else {
            return false;
        };
        let Some(key) = key_of(&session) else {
            return false;
        };
        let gone = self.with_cache(|cache| cache.take(&key)).flatten();
        self.mark(&session);
        self.removed(ctx, session.as_ptr());
        gone.is_some()
    }

    /// Follows a removal that the host has done itself: it has marked the session.
    ///
    /// # Safety
    /// As for [`Self::add`].
    pub unsafe fn follow_removal(&self, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) {
        // SAFETY: the caller's contract.
        let Some(session) = (unsafe { SessionRef::acquire(self.libssl, session) }) else {
            return;
        };
        let gone =
            key_of(&session).and_then(|key| self.with_cache(|cache| cache.take(&key)).flatten());
        self.removed(ctx, session.as_ptr());
        drop(gone); // after the callback, as libssl does
    }

    /// Removes what had expired at second `t`; everything where `t` is 0.
    pub fn flush(&self, ctx: *mut SSL_CTX, t: c_long) {
        let which = if t == 0 {
            Flush::Everything
        } else {
            Flush::ExpiredBefore(t)
        };
        let Some(mut sweep) = self.with_cache(|cache| cache.flush(which)) else {
            return;
        };
        while self.flush_batch(ctx, &mut sweep).is_some() {}
    }

    /// One batch of a flush: how many left, or `None` at its end.
    fn flush_batch(&self, ctx: *mut SSL_CTX, sweep: &mut Sweep<'_, SessionRef>) -> Option<usize> {
        let batch = self.with_cache(|_| sweep.next()).flatten()?;
        let left = batch.len();
        for session in batch {
            self.mark(&session);
            self.removed(ctx, session.as_ptr());
        }
        Some(left)
    }

    /// Clears away expired sessions at every 255th good handshake, unless NO_AUTO_CLEAR.
    ///
    /// divergence: libssl flushes when exactly 255 modulo 256 are done, all at once. We are not called at
    /// each handshake, so it happens at the first chance from then on, and in slices.
    pub fn auto_clear(&self, ctx: *mut SSL_CTX, is_server: bool) {
        let (side, good) = if is_server {
            (SSL_SESS_CACHE_SERVER, SSL_CTRL_SESS_ACCEPT_GOOD)
        } else {
            (SSL_SESS_CACHE_CLIENT, SSL_CTRL_SESS_CONNECT_GOOD)
        };
        if self.mode_has(SSL_SESS_CACHE_NO_AUTO_CLEAR) || !self.mode_has(side) {
            return;
        }
        let epoch = (self.host_ctrl(ctx, good, 0) as u32).wrapping_add(1) >> 8;
        // Relaxed: of threads that arrive together one does it; nothing else is ordered by it.
        let begun = self.auto_clear.epochs[usize::from(is_server)].swap(epoch, Ordering::Relaxed);
        if begun == epoch && !self.auto_clear.unfinished.load(Ordering::Relaxed) {
            return;
        }
        self.auto_clear.unfinished.store(false, Ordering::Relaxed);
        let Some(mut sweep) = self.with_cache(|cache| cache.flush(Flush::ExpiredBefore(now())))
        else {
            return;
        };
        let mut cleared = 0;
        while cleared < AUTO_CLEAR_MOST {
            match self.flush_batch(ctx, &mut sweep) {
                Some(left) => cleared += left,
                None => return,
            }
        }
        self.auto_clear.unfinished.store(true, Ordering::Relaxed);
    }

    /// Lets every session go, telling the application, as SSL_CTX_free does.
    pub fn drain(&self, ctx: *mut SSL_CTX) {
        self.flush(ctx, 0);
        drop(self.replace_snapshot(None));
    }

    fn mark(&self, session: &SessionRef) {
        if !quietly(|| self.host.scratch.mark_not_resumable(self.libssl, session)) {
            self.failed();
        }
    }

    fn removed(&self, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) {
        if let Some(callback) = self.remove_callback.get() {
            // SAFETY: the application's callback, with a context and a session that live through the call.
            unsafe { callback(ctx, session) };
        }
    }
}

/// Finding.
impl Store {
    /// Looks an id up for a ClientHello, where the mode allows it. A `single_use` session is taken out: of
    /// all who offer it, one gets it.
    pub fn find(&self, id: &[u8], version: c_int, single_use: bool) -> Option<SessionRef> {
        if self.mode_has(SSL_SESS_CACHE_NO_INTERNAL_LOOKUP) {
            return None;
        }
        let found = Key::new(id, version).and_then(|key| {
            self.with_cache(|cache| {
                if single_use {
                    cache.take(&key)
                } else {
                    cache.get(&key)
                }
            })
            .flatten()
        });
        // divergence: libssl resumes a session that was removed and then added again, though the removal
        // marked it not resumable. The host refuses a marked session from a callback.
        let found = found.filter(|session| !session.is_marked_not_resumable());
        if found.is_none() {
            self.counters.misses.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Whether a session has this id.
    pub fn contains(&self, id: &[u8], version: c_int) -> bool {
        let Some(key) = Key::new(id, version) else {
            return false;
        };
        self.with_cache(|cache| cache.contains(&key))
            .unwrap_or(false)
    }

    /// Counts a session that the application's get callback had.
    pub fn count_callback_hit(&self) {
        self.counters.cb_hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether new and found sessions go into the cache by themselves.
    pub fn stores_by_itself(&self) -> bool {
        !self.mode_has(SSL_SESS_CACHE_NO_INTERNAL_STORE)
    }

    /// Gives a cached session the expiry that its time and timeout now say.
    pub fn follow_expiry(&self, key: &Key, session: &SessionRef) {
        if !self.cache.is_empty() {
            self.with_cache(|cache| cache.set_expiry_if_same(key, session, expiry_of(session)));
        }
    }
}

/// The application's view.
impl Store {
    /// Answers a session command of SSL_CTX_ctrl.
    pub fn ctrl(&self, ctx: *mut SSL_CTX, command: c_int, argument: c_long) -> c_long {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as c_long;
        match command {
            SSL_CTRL_SET_SESS_CACHE_SIZE => {
                let Ok(size) = usize::try_from(argument) else {
                    return 0;
                };
                let before = self.cache.capacity();
                self.cache.set_capacity(size);
                before as c_long
            }
            SSL_CTRL_GET_SESS_CACHE_SIZE => self.cache.capacity() as c_long,
            SSL_CTRL_SET_SESS_CACHE_MODE => {
                // libssl keeps the low 32 bits, unknown ones too.
                let before = self.mode.swap(argument as u32, Ordering::Relaxed);
                self.apply_mode(ctx);
                c_long::from(before)
            }
            SSL_CTRL_GET_SESS_CACHE_MODE => c_long::from(self.mode.load(Ordering::Relaxed)),
            SSL_CTRL_SESS_NUMBER => self.cache.len() as c_long,
            SSL_CTRL_SESS_CB_HIT => count(&self.counters.cb_hits),
            // The host counts what a server refused to a client, and no look-ups, as it makes none.
            SSL_CTRL_SESS_MISSES => count(&self.counters.misses) + self.host_ctrl(ctx, command, 0),
            SSL_CTRL_SESS_CACHE_FULL => count(&self.counters.cache_full),
            // Handshakes, hits and timeouts are counted by the host as ever.
            _ => self.host_ctrl(ctx, command, argument),
        }
    }

    /// Sets the host's mode to the application's, less its own cache.
    pub fn apply_mode(&self, ctx: *mut SSL_CTX) {
        let mode = self.mode.load(Ordering::Relaxed);
        // UPDATE_TIME would change the time of a session lent to the host's cache for early data.
        let hosts = (mode | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR)
            & !SSL_SESS_CACHE_UPDATE_TIME;
        self.host_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, c_long::from(hosts));
    }

    fn host_ctrl(&self, ctx: *mut SSL_CTX, command: c_int, argument: c_long) -> c_long {
        // SAFETY: the context is alive, and the commands used here take no pointer.
        unsafe { (self.libssl.SSL_CTX_ctrl)(ctx, command, argument, ptr::null_mut::<c_void>()) }
    }

    /// All sessions as the hash table of SSL_CTX_sessions; valid until the next call, or until the context
    /// is freed. Null where there is no memory.
    pub fn sessions(&self) -> *mut OPENSSL_LHASH {
        let Some(mut batches) = self.with_cache(|cache| cache.iter()) else {
            return ptr::null_mut();
        };
        let mut sessions = Vec::new();
        while let Some(batch) = self.with_cache(|_| batches.next()).flatten() {
            sessions.extend(batch);
        }
        let snapshot = Snapshot::new(self.host, self.libssl, sessions);
        let table = snapshot.as_ref().map_or(ptr::null_mut(), Snapshot::table);
        drop(self.replace_snapshot(snapshot));
        table
    }

    fn replace_snapshot(&self, snapshot: Option<Snapshot>) -> Option<Snapshot> {
        let mut current = self
            .snapshot
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        core::mem::replace(&mut *current, snapshot)
    }

    /// What sslcache_stats tells.
    pub fn stats(&self) -> super::stats::sslcache_stats {
        let cache = self.cache.counters();
        super::stats::sslcache_stats {
            sessions: self.cache.len() as u64,
            capacity: self.cache.capacity() as u64,
            hits: cache.hits,
            misses: cache.misses,
            added: cache.inserted,
            replaced: cache.replaced,
            evicted: cache.evicted,
            expired: cache.expired,
            removed: cache.removed,
            refused: cache.refused,
            failures: self.counters.failures.load(Ordering::Relaxed),
        }
    }

    /// Takes every lock of this store, to be held over a fork.
    pub fn hold(&self) -> Held<'_, SessionRef> {
        self.cache.hold()
    }
}

/// The sentinel.
///
/// SSL_CTX_free empties the host's own cache, with the remove callback, before it frees the context's
/// ex_data. Where it does so through the PLT, that arrives at our SSL_CTX_flush_sessions, and our cache is
/// emptied at that moment. Elsewhere we are told only if the host's cache holds a session: so where the
/// application has a remove callback, one session of ours stands there, and its removal is the signal.
impl Store {
    /// Puts the sentinel into the host's cache, once.
    pub fn plant_sentinel(&self, ctx: *mut SSL_CTX) {
        let planted = !self.sentinel.load(Ordering::Acquire).is_null();
        if planted || quietly(|| self.host.tells_of_the_end(self.libssl)) {
            return;
        }
        let Some(session) = SessionRef::sentinel(self.libssl) else {
            return self.failed();
        };
        let ours = session.into_raw(); // given to `self.sentinel`; `uproot_sentinel` frees it
        let planted = self.sentinel.compare_exchange(
            ptr::null_mut(),
            ours,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        if planted.is_err() {
            // SAFETY: another thread was first; the reference is ours.
            drop(unsafe { SessionRef::adopt(self.libssl, ours) });
            return;
        }
        // SAFETY: our context, and a session that we hold a reference to.
        let stands = quietly(|| unsafe { self.libssl.add_to_host(ctx, ours) });
        if !stands {
            self.failed();
        }
    }

    /// Whether `session` is the sentinel.
    pub fn is_sentinel(&self, session: *mut SSL_SESSION) -> bool {
        !session.is_null() && self.sentinel.load(Ordering::Acquire) == session
    }

    /// Takes the sentinel back, when the context is dying.
    pub fn uproot_sentinel(&self, ctx: *mut SSL_CTX) {
        let planted = self.sentinel.load(Ordering::Acquire);
        // SAFETY: null, or the reference that `plant_sentinel` gave to the field.
        let Some(session) = (unsafe { SessionRef::adopt(self.libssl, planted) }) else {
            return;
        };
        // The host calls our remove callback once more, which knows the sentinel and does nothing.
        // SAFETY: the context still has its cache while its ex_data is freed.
        unsafe { (self.libssl.SSL_CTX_remove_session)(ctx, session.as_ptr()) };
        self.sentinel.store(ptr::null_mut(), Ordering::Release);
    }
}

/// The key of a session; `None` where it has no id.
pub fn key_of(session: &SessionRef) -> Option<Key> {
    let (id, version) = session.identity();
    if id.is_empty() {
        None
    } else {
        Key::new(id, version)
    }
}

/// The second after which libssl takes a session for expired: its time plus its timeout, or never where
/// that sum has no room in a time_t.
fn expiry_of(session: &SessionRef) -> Expiry {
    let (time, timeout) = session.time_and_timeout();
    match time.checked_add(timeout) {
        Some(second) if time >= 0 => Expiry::at(second),
        _ => Expiry::NEVER,
    }
}

/// The time in seconds, by the clock libssl uses.
fn now() -> c_long {
    // SAFETY: a null argument only asks for the result.
    unsafe { libc::time(ptr::null_mut()) }
}
