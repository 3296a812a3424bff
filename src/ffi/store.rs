//! What we keep with an `SSL_CTX`: its cache, and the application's view of it.
//!
//! The host is told that its own cache is off; mode, size and callbacks as the application set them live
//! here, and its getters are answered from here. The rules by which libssl adds, finds and removes sessions
//! are applied here too, case by case as libssl does; a departure is labelled.
//!
//! No callback runs, and no session is freed, under a lock: the cache hands out what leaves it.

use core::ffi::{c_int, c_long, c_void};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use core::{mem, ptr};

use super::alike::{Alike, Terms};
use super::attach::called_by;
use super::callback::Callback;
use super::callbacks::CertCallback;
use super::claims::Claims;
use super::clearing::AutoClear;
use super::ending::Ending;
use super::freeing;
use super::guard::{caught, quietly};
use super::id_context::IdContext;
use super::leaving;
use super::live;
use super::local::Local;
use super::registry;
use super::sharing::{Reach, Sharing, Way};
use super::snapshot::{self, Snapshots};
use super::tickets::TicketSharing;
use super::unannounced;
use crate::cache::{ClientHistory, Expiry, Inserted, Key, Outcome};
use crate::host::abi::*;
use crate::host::scratch::Origin;
use crate::host::types::*;
use crate::host::{Host, Libssl, SessionRef};
use crate::page;
use crate::sys::lock::Lock;

/// Enough that two threads rarely meet at one lock, few enough that an idle cache is small.
const SHARDS_A_PROCESSOR: usize = 4;

/// The cache of one context, and what its application asked of it.
pub struct Store {
    pub host: &'static Host,
    pub libssl: &'static Libssl,
    /// What the context was made with.
    pub(super) origin: Origin,
    pub(super) cache: Local,
    /// The mode as the application set it: SSL_SESS_CACHE_*.
    pub(super) mode: AtomicU32,
    pub new_callback: Callback<NewSessionCallback>,
    pub remove_callback: Callback<RemoveSessionCallback>,
    pub get_callback: Callback<GetSessionCallback>,
    pub servername_callback: Callback<ServernameCallback>,
    pub alpn_callback: Callback<AlpnCallback>,
    /// Every certificate callback that was set: connections keep the one that was in force when they were made.
    #[allow(clippy::vec_box)] // the host has their addresses
    cert_callbacks: Lock<Vec<Box<CertCallback>>>,
    pub(super) counters: Counters,
    /// How often a flush was asked for from outside, and done.
    pub(super) flushed: AtomicU64,
    /// Set by a panic: from then on this context has no cache.
    broken: AtomicBool,
    pub(super) auto_clear: AutoClear,
    /// Whether a session was ever added: then the context is noted in the registry.
    populated: AtomicBool,
    /// Whether a session was ever lent to the host's own cache; see `lend`.
    lends: AtomicBool,
    pub(super) claims: Claims,
    pub(super) ending: Ending,
    pub(super) sharing: Sharing,
    pub id_context: IdContext,
    /// What decides with whom it shares.
    pub(super) alike: Alike,
    /// The number of this store, which no other one of this process or of those forked from it has.
    pub(super) serial: u64,
    pub(super) tickets: TicketSharing,
    pub(super) snapshots: Snapshots,
}

/// What libssl counts of its internal cache, and what only we count.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) cb_hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) cache_full: AtomicU64,
    pub(super) failures: AtomicU64,
    /// Look-ups that found a session; and of these, those that found it in the memory that processes share.
    pub(super) hits: AtomicU64,
    pub(super) hits_region: AtomicU64,
    /// Of the misses: what another process had removed, what was marked, what is good for one use and is being used.
    pub(super) misses_gone: AtomicU64,
    pub(super) misses_marked: AtomicU64,
    pub(super) misses_used: AtomicU64,
    /// Of what was found: up to a minute old, ten minutes, an hour, a day, older; and their ages in all.
    pub(super) ages: [AtomicU64; 5],
    pub(super) age_seconds: AtomicU64,
}

impl Store {
    /// A store for a context with this mode and cache size.
    pub fn new(
        host: &'static Host,
        libssl: &'static Libssl,
        origin: Origin,
        mode: u32,
        size: usize,
    ) -> Self {
        Self {
            host,
            libssl,
            origin,
            cache: Local::new(size, super::processors().saturating_mul(SHARDS_A_PROCESSOR)),
            mode: AtomicU32::new(mode),
            new_callback: Callback::none(),
            remove_callback: Callback::none(),
            get_callback: Callback::none(),
            servername_callback: Callback::none(),
            alpn_callback: Callback::none(),
            cert_callbacks: Lock::new(Vec::new()),
            counters: Counters::default(),
            flushed: AtomicU64::new(page::flushes()),
            broken: AtomicBool::new(false),
            auto_clear: AutoClear::default(),
            populated: AtomicBool::new(false),
            lends: AtomicBool::new(false),
            claims: Claims::default(),
            ending: Ending::default(),
            sharing: Sharing::new(size),
            id_context: IdContext::new(),
            alike: Alike::default(),
            serial: next_serial(),
            tickets: TicketSharing::default(),
            snapshots: Snapshots::default(),
        }
    }

    /// Works on the cache; `None` where a panic broke it, now or before.
    pub(super) fn with_cache<'a, T>(&'a self, work: impl FnOnce(&'a Local) -> T) -> Option<T> {
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

    /// Keeps a certificate callback for as long as the context lives; `None` where that cannot be.
    ///
    /// # Safety
    /// * `callback` is a function of the type of SSL_CTX_set_cert_cb's.
    pub unsafe fn keep_cert_callback(
        &self,
        callback: AnyCallback,
        argument: *mut c_void,
    ) -> Option<*mut c_void> {
        type Function = unsafe extern "C-unwind" fn(*mut SSL, *mut c_void) -> c_int;
        // SAFETY: the caller's contract.
        let callback = unsafe { mem::transmute::<AnyCallback, Function>(callback) };
        let kept = Box::new(CertCallback { callback, argument });
        let place = ptr::from_ref(&*kept).cast_mut().cast();
        self.cert_callbacks.lock()?.push(kept);
        Some(place)
    }

    pub(super) fn failed(&self) {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn mode_has(&self, flags: u32) -> bool {
        self.working_mode() & flags != 0
    }
}

/// Adding and removing.
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
        standing: ClientHistory,
        way: Way,
    ) -> bool {
        // SAFETY: the caller's contract.
        let Some(lent) = (unsafe { SessionRef::lend(self.libssl, session) }) else {
            return false;
        };
        // divergence: libssl stores a session without an id, which can then never be found or removed and
        // blocks eviction for ever.
        let Some(key) = key_of(&lent) else {
            return false;
        };
        unannounced::forget(lent.as_ptr().cast());
        snapshot::let_go_in_time();
        let now = now();
        self.update_time(&lent, now);
        live::tick(self, ctx, now, || {
            self.put_in(ctx, (key, &lent), standing, way, now)
        })
    }

    fn put_in(
        &self,
        ctx: *mut SSL_CTX,
        (key, lent): (Key, &SessionRef),
        standing: ClientHistory,
        way: Way,
        now: c_long,
    ) -> bool {
        // SAFETY: a session of this host, which the caller keeps alive.
        unsafe { self.note_tag_if_strict(lent.as_ptr(), &way.terms) };
        if !matches!(way.reach, Reach::Own) || self.may_group() {
            return self.add_shared(ctx, way, (key, lent), standing);
        }
        // After all reading, which waits for the session's memory in one go: nothing overtakes the counting.
        let expiry = expiry_of(lent);
        let Some(session) = lent.share() else {
            return false;
        };
        self.insert(ctx, &self.cache, (key, session), expiry, standing, now)
    }

    /// Puts a session into one of the caches of this process; whether it was new to it.
    #[inline]
    pub(super) fn insert(
        &self,
        ctx: *mut SSL_CTX,
        cache: &Local,
        (key, session): (Key, SessionRef),
        expiry: Expiry,
        standing: ClientHistory,
        now: c_long,
    ) -> bool {
        // Acquire: whoever sees that it has sessions sees how they are listed.
        if !self.populated.load(Ordering::Acquire) {
            registry::note_sessions_of(ctx);
        }
        let inserted = self.with_cache(|_| cache.insert(key, session, expiry, standing, now));
        self.see_to(ctx, inserted)
    }

    /// What is to be done about an insert, without a lock; whether the session was new to that cache.
    #[inline]
    pub(super) fn see_to(&self, ctx: *mut SSL_CTX, inserted: Option<Inserted<SessionRef>>) -> bool {
        let Some(inserted) = inserted else {
            return false;
        };
        inserted.evicted.for_each(|victim| {
            self.counters.cache_full.fetch_add(1, Ordering::Relaxed);
            // divergence: libssl marks an evicted session not resumable, although somebody may hold it and
            // be resuming it. It is only out of room, so it is not marked.
            self.left(ctx, &victim);
        });
        // Of threads that arrive together one does it.
        if !self.populated.load(Ordering::Relaxed) && !self.populated.swap(true, Ordering::AcqRel) {
            self.note_inheritance();
            self.watch_for_the_end(ctx);
        }
        self.goes_on(ctx);
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
    /// resumable and the application told, in either case; but nothing happens while the application is being told
    /// that this session leaves by itself.
    ///
    /// # Safety
    /// As for [`Self::add`].
    pub unsafe fn remove(&self, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) -> bool {
        // The caller's own reference will do, as it does for libssl: after the callback it is not touched.
        // SAFETY: the caller's contract.
        let Some(session) = (unsafe { SessionRef::lend(self.libssl, session) }) else {
            return false;
        };
        let Some(key) = key_of(&session).filter(|key| !leaving::is_told(ctx, key)) else {
            return false;
        };
        snapshot::let_go_in_time();
        let (gone, found) = self.remove_everywhere(ctx, &key, called_by);
        // Relaxed: a removal that matters follows the lending in one thread, or races with it anyway.
        if !found && self.lends.load(Ordering::Relaxed) {
            // It may be lent to the host's cache. The host marks it, and tells our remove callback.
            // SAFETY: the caller's contract.
            let remove = || unsafe { (self.libssl.SSL_CTX_remove_session)(ctx, session.as_ptr()) };
            return freeing::for_good(remove) == 1;
        }
        self.mark(&session);
        self.tell_of_removal(ctx, &session, gone.as_ref());
        self.claims.release(&key);
        drop(gone); // after the callback, as libssl does
        found
    }

    /// Puts a session into the host's own cache. With early data and anti-replay the host accepts a ticket
    /// only if its SSL_CTX_remove_session finds the session there, right after the look-up.
    ///
    /// # Safety
    /// As for [`Self::add`].
    pub unsafe fn lend(&self, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) {
        self.lends.store(true, Ordering::Relaxed);
        // SAFETY: the caller's contract.
        let lent = unsafe { SessionRef::lend(self.libssl, session) };
        // Nothing of its id stays here, where the removal would find that and leave the host alone.
        let gone = lent
            .and_then(|session| key_of(&session))
            .map(|key| self.remove_everywhere(ctx, &key, |_| false));
        // SAFETY: the caller's contract.
        quietly(|| unsafe { self.libssl.add_to_host(ctx, session) });
        drop(gone);
    }

    /// Makes a session new, where the mode asks for that whenever one is added.
    pub fn update_time(&self, session: &SessionRef, now: c_long) {
        if self.mode_has(SSL_SESS_CACHE_UPDATE_TIME) {
            session.set_time(now);
            registry::follow_expiry(session);
        }
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
        let Some(key) = key_of(&session).filter(|key| !leaving::is_told(ctx, key)) else {
            return;
        };
        snapshot::let_go_in_time();
        let (gone, _) = self.remove_everywhere(ctx, &key, |_| true);
        self.tell_of_removal(ctx, &session, gone.as_ref());
        self.claims.release(&key);
        drop(gone); // after the callback, as libssl does
    }

    pub(super) fn mark(&self, session: &SessionRef) {
        let scratch = &self.host.scratch;
        if !quietly(|| scratch.mark_not_resumable(self.libssl, &self.origin, session)) {
            self.failed();
        }
    }

    /// Tells the application of a session that nobody removed.
    pub(super) fn left(&self, ctx: *mut SSL_CTX, session: &SessionRef) {
        if self.remove_callback.get().is_some() {
            leaving::while_told(ctx, key_of(session), || self.removed(ctx, session));
        }
    }

    /// Tells the application of a session that was removed, if it was told of it before.
    pub(super) fn removed(&self, ctx: *mut SSL_CTX, session: &SessionRef) {
        if let Some(callback) = self.remove_callback.get().filter(|_| self.calls_back())
            && !unannounced::has(session)
        {
            // SAFETY: the application's callback, with a context and a session that live through the call.
            freeing::for_good(|| unsafe { callback(ctx, session.as_ptr()) });
        }
    }

    /// The same of a session that somebody has removed. `gone` is what this process had of its id: the application
    /// may have been told of that one alone.
    fn tell_of_removal(&self, ctx: *mut SSL_CTX, session: &SessionRef, gone: Option<&SessionRef>) {
        let told = match gone {
            Some(gone) if unannounced::has(session) => gone,
            _ => session,
        };
        self.removed(ctx, told);
    }

    /// Whether the application is asked for a session although another process has put it here: one that has sessions
    /// elsewhere, too, and is told of removals, would otherwise not be told of this one's.
    pub fn asks_for(&self, session: &SessionRef) -> bool {
        self.get_callback.get().is_some()
            && self.remove_callback.get().is_some()
            && unannounced::has(session)
    }
}

/// How a session that a client offers is used.
#[derive(Clone, Copy)]
pub enum Usage {
    /// Time and again.
    Again,
    /// Once, for the handshake brings the client another one; but the session stays.
    Once,
    /// Once and never again: it leaves the cache.
    Taken,
}

impl Usage {
    /// Whether it leaves the cache.
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Taken)
    }

    /// The same, but it stays.
    pub(super) fn leaving(self) -> Self {
        match self {
            Self::Taken => Self::Once,
            stays => stays,
        }
    }
}

/// Finding.
impl Store {
    /// Looks an id up for a ClientHello, where the mode allows it. Of all who offer a session that is taken,
    /// one gets it.
    pub fn find(
        &self,
        ctx: *mut SSL_CTX,
        reach: Reach,
        key: &Key,
        usage: Usage,
        terms: &Terms,
    ) -> Option<SessionRef> {
        if self.mode_has(SSL_SESS_CACHE_NO_INTERNAL_LOOKUP) {
            return None;
        }
        if self.looks_at_names() && !self.has_for(key, terms) {
            self.count_miss();
            return None;
        }
        snapshot::let_go_in_time();
        let found = if !matches!(reach, Reach::Own) || self.may_group() {
            self.find_shared(ctx, reach, key, usage, terms)
        } else {
            let found = self.look_up(&self.cache, key, usage);
            // A fork since the question: a child may have inherited what was just taken out, and give it away, too.
            let lost = usage.is_taken() && self.has_forked();
            found.filter(|session| {
                if lost {
                    self.removed(ctx, session);
                }
                !lost
            })
        };
        // divergence: libssl resumes a session that was removed and then added again, though the removal
        // marked it not resumable. The host refuses a marked session from a callback.
        let Some(session) = found else {
            self.count_miss();
            return None;
        };
        if session.is_marked_not_resumable() {
            self.count_miss();
            self.counters.misses_marked.fetch_add(1, Ordering::Relaxed);
            if usage.is_taken() {
                self.removed(ctx, &session);
            }
            return None;
        }
        self.counters.hits.fetch_add(1, Ordering::Relaxed);
        self.count_age(session.time_and_timeout().0);
        Some(session)
    }

    /// Whether what this process has under an id, if anything, is for a connection of these terms.
    fn has_for(&self, key: &Key, terms: &Terms) -> bool {
        let found = |cache: &'_ _| self.look_up(cache, key, Usage::Once);
        let mut own = self.caches().into_iter().filter_map(found);
        // SAFETY: the session is of this host, and held.
        own.all(|session| unsafe { self.is_for(session.as_ptr(), terms) })
    }

    /// Looks an id up in one of the caches of this process.
    pub(super) fn look_up(&self, cache: &Local, key: &Key, usage: Usage) -> Option<SessionRef> {
        self.with_cache(|_| match usage {
            Usage::Again => cache.get(key),
            Usage::Once => cache.get_once(key),
            Usage::Taken => cache.take(key),
        })
        .flatten()
    }

    /// What it says of a client that `find` did not find its session.
    pub fn standing_of(&self, key: &Key) -> ClientHistory {
        self.with_cache(|cache| cache.history_of(key))
            .unwrap_or(ClientHistory::New)
    }

    /// Whether a session has this id.
    pub fn contains(&self, ctx: *mut SSL_CTX, id: &[u8], version: c_int) -> bool {
        Key::new(id, version).is_some_and(|key| self.contains_key(ctx, &key))
    }

    /// Counts a look-up that found nothing.
    pub fn count_miss(&self) {
        self.counters.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a look-up of a session that is good for one use, and is being used.
    pub fn count_used(&self) {
        self.count_miss();
        self.counters.misses_used.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a session that the application's get callback had.
    pub fn count_callback_hit(&self) {
        self.counters.cb_hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether new and found sessions go into the cache by themselves.
    pub fn stores_by_itself(&self) -> bool {
        !self.mode_has(SSL_SESS_CACHE_NO_INTERNAL_STORE)
    }
}

fn next_serial() -> u64 {
    static SERIALS: AtomicU64 = AtomicU64::new(1);
    SERIALS.fetch_add(1, Ordering::Relaxed)
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
pub(super) fn expiry_of(session: &SessionRef) -> Expiry {
    let (time, timeout) = session.time_and_timeout();
    match time.checked_add(timeout) {
        Some(second) if time >= 0 => Expiry::at(second),
        _ => Expiry::NEVER,
    }
}

/// The time in seconds, by the clock libssl uses.
pub(super) fn now() -> c_long {
    // SAFETY: a null argument only asks for the result.
    unsafe { libc::time(ptr::null_mut()) }
}
