//! The hash tables that SSL_CTX_sessions hands out. A table is a snapshot of the cache, which a program iterates with
//! libcrypto's functions while the cache changes.
//!
//! libssl hands out the cache itself, and programs rely on the table's address. So the same table is handed out for as
//! long as the cache does not change, and a superseded table stays for a while.
//!
//! A table keeps its sessions alive, also those that have left the cache, because a program may be iterating it. A minute
//! after the last call that returned it, a superseded table is freed, and the latest table, to which a program may still
//! have a pointer, releases the sessions that have left the cache. There is no timer: the first operation on any
//! context's cache after that minute does a slice of this work ([`listing`](super::listing)).

use core::ffi::{c_int, c_long, c_ulong, c_void};
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicI64, Ordering};
use std::collections::VecDeque;

use once_cell::race::OnceBox;

use crate::host::table::{LhCompare, LhHash, LhVisit, LhVisitArg};
use crate::host::types::{OPENSSL_LHASH, SSL_SESSION};
use crate::host::{Host, Libssl, SessionRef, locate};
use crate::sys::lock::Lock;

/// A superseded table stays for this many seconds, unless one of the bounds below is exceeded.
const STAY_SECONDS: c_long = 60;
/// The superseded tables of a context hold at most this many sessions.
const STAY_SESSIONS: usize = 1_000_000;
/// More than [`MANY`] superseded tables hold at most this many sessions: the program asks after each change.
const STAY_SESSIONS_OF_MANY: usize = 16_384;
/// See [`STAY_SESSIONS_OF_MANY`].
const MANY: usize = 16;
/// One call releases at most this many sessions.
const SLICE: usize = 512;

/// The second in which a table of any context may have something to release; `i64::MAX` for none.
pub static DUE: AtomicI64 = AtomicI64::new(i64::MAX);

/// The tables of one context, made when the first is asked for.
#[derive(Default)]
pub struct Snapshots(pub OnceBox<Lock<Tables>>);

/// The tables that programs may be using.
#[derive(Default)]
pub struct Tables {
    /// The table that was handed out last.
    latest: Option<Latest>,
    /// Earlier tables, each with the second in which it was superseded; the oldest first.
    superseded: VecDeque<(c_long, Snapshot)>,
    /// The sum of the weights of the superseded tables.
    held: usize,
    /// Sessions of freed tables, still to be released.
    going: Vec<Vec<SessionRef>>,
}

/// The table that was handed out last.
struct Latest {
    /// The table and its sessions.
    snapshot: Snapshot,
    /// How often the cache had changed when the table was made.
    changes: u64,
    /// When the table was made.
    made: c_long,
    /// When the table was last handed out.
    asked: c_long,
    /// When the table was last tidied: rid of the sessions that had left the cache.
    tidied: c_long,
    /// How often the cache had changed when it was last tidied.
    tidied_changes: u64,
    /// Whether tidying is under way.
    is_being_tidied: bool,
    /// The session at which tidying goes on.
    next: usize,
}

impl Snapshots {
    /// Whether a table was ever made.
    pub fn any(&self) -> bool {
        self.0.get().is_some()
    }

    fn tables(&self) -> &Lock<Tables> {
        self.0
            .get_or_init(|| Box::new(Lock::new(Tables::default())))
    }

    /// The latest table, if it was made when the cache had changed `changes` times and, with `only_now`, in this second.
    pub fn made_at(&self, changes: u64, now: c_long, only_now: bool) -> Option<*mut OPENSSL_LHASH> {
        let mut tables = self.0.get()?.lock()?;
        let latest = tables.latest.as_mut()?;
        (latest.changes == changes && (!only_now || latest.made == now)).then(|| {
            latest.asked = now;
            latest.snapshot.table
        })
    }

    /// Makes `snapshot` the latest and returns its table. Tables that need not stay are dropped without the lock.
    pub fn supersede(
        &self,
        changes: u64,
        snapshot: Snapshot,
        now: c_long,
    ) -> Option<*mut OPENSSL_LHASH> {
        let table = snapshot.table;
        let gone = self
            .tables()
            .lock()
            .map(|mut tables| tables.supersede(changes, snapshot, now));
        DUE.fetch_min(now.saturating_add(STAY_SECONDS), Ordering::Relaxed);
        gone.map(|_| table)
    }

    /// Empties all tables without freeing them: a program that flushes the cache finds its table empty, as with libssl.
    pub fn empty(&self) {
        let tables = self.0.get().and_then(Lock::lock);
        let emptied = tables.map(|mut tables| tables.empty());
        drop(emptied); // frees sessions, so not under the lock
    }

    /// Takes all tables out, for a context that is being freed.
    pub fn take(&self) -> impl Sized + use<> {
        let tables = self.0.get().and_then(Lock::lock);
        tables
            .map(|mut tables| mem::take(&mut *tables))
            .unwrap_or_default()
            .into_all()
    }
}

impl Tables {
    /// Makes `snapshot` the latest table, and returns the superseded tables that need not stay.
    pub fn supersede(&mut self, changes: u64, snapshot: Snapshot, now: c_long) -> Vec<Snapshot> {
        let latest = Latest {
            snapshot,
            changes,
            made: now,
            asked: now,
            tidied: now,
            tidied_changes: changes,
            is_being_tidied: false,
            next: 0,
        };
        if let Some(before) = self.latest.replace(latest) {
            self.held += before.snapshot.weight();
            self.superseded.push_back((now, before.snapshot));
        }
        let mut gone = Vec::new();
        while self.held > STAY_SESSIONS
            || self.held > STAY_SESSIONS_OF_MANY && self.superseded.len() > MANY
            || self.has_stayed(now)
        {
            gone.extend(self.pop_superseded());
        }
        gone
    }

    /// Whether the oldest superseded table has stayed for long enough.
    fn has_stayed(&mut self, now: c_long) -> bool {
        self.superseded.front_mut().is_some_and(|(since, _)| {
            // The clock may have been set back since.
            *since = now.min(*since);
            now.saturating_sub(*since) >= STAY_SECONDS
        })
    }

    fn pop_superseded(&mut self) -> Option<Snapshot> {
        let (_, oldest) = self.superseded.pop_front()?;
        self.held -= oldest.weight();
        Some(oldest)
    }

    /// Takes out a slice of the sessions that need not stay, and tells the second in which there may be more.
    pub fn tidy(
        &mut self,
        changes: u64,
        is_cached: impl Fn(&SessionRef) -> bool,
        now: c_long,
    ) -> (Vec<SessionRef>, c_long) {
        while self.has_stayed(now) {
            let sessions = self.pop_superseded().map(|mut table| table.empty());
            self.going.extend(sessions);
        }
        let mut gone = Vec::new();
        while gone.len() < SLICE
            && let Some(sessions) = self.going.last_mut()
        {
            let most = SLICE - gone.len();
            gone.extend(sessions.drain(sessions.len().saturating_sub(most)..));
            if sessions.is_empty() {
                self.going.pop();
            }
        }
        if let Some(latest) = &mut self.latest {
            latest.asked = latest.asked.min(now);
            latest.tidied = latest.tidied.min(now);
        }
        if gone.is_empty()
            && let Some(latest) = &mut self.latest
            && latest.wants_tidying(changes, now)
        {
            latest.tidy(changes, is_cached, now, &mut gone);
        }
        let latest = self.latest.as_ref();
        let is_under_way = !self.going.is_empty() || latest.is_some_and(|l| l.is_being_tidied);
        if is_under_way {
            return (gone, now);
        }
        let later = |second: c_long| second.saturating_add(STAY_SECONDS);
        let superseded = self.superseded.front().map(|(since, _)| later(*since));
        let latest = self
            .latest
            .as_ref()
            .filter(|latest| !latest.snapshot.sessions.is_empty());
        let latest = latest.map(|latest| match latest.asked.max(latest.tidied) {
            then if later(then) > now => later(then),
            _ => later(now), // due, but the cache has not changed since it was tidied
        });
        (
            gone,
            superseded
                .into_iter()
                .chain(latest)
                .min()
                .unwrap_or(i64::MAX),
        )
    }

    fn empty(&mut self) -> Vec<Vec<SessionRef>> {
        self.held = self.superseded.len();
        let latest = self.latest.iter_mut().map(|latest| &mut latest.snapshot);
        let superseded = self.superseded.iter_mut().map(|(_, snapshot)| snapshot);
        let emptied = latest.chain(superseded).map(Snapshot::empty);
        emptied.chain(mem::take(&mut self.going)).collect()
    }

    fn into_all(self) -> (Vec<Snapshot>, Vec<Vec<SessionRef>>) {
        let superseded = self.superseded.into_iter().map(|(_, snapshot)| snapshot);
        let latest = self.latest.map(|latest| latest.snapshot);
        (superseded.chain(latest).collect(), self.going)
    }
}

impl Latest {
    fn wants_tidying(&self, changes: u64, now: c_long) -> bool {
        let last = self.asked.max(self.tidied);
        self.is_being_tidied
            || self.tidied_changes != changes && now.saturating_sub(last) >= STAY_SECONDS
    }

    /// Takes sessions that are no longer cached out of the table; one call looks at a slice of it.
    pub fn tidy(
        &mut self,
        changes: u64,
        is_cached: impl Fn(&SessionRef) -> bool,
        now: c_long,
        gone: &mut Vec<SessionRef>,
    ) {
        if !self.is_being_tidied {
            self.is_being_tidied = true;
            self.next = 0;
            self.tidied_changes = changes;
        }
        let sessions = &self.snapshot.sessions;
        let mut left = SLICE.min(sessions.len().saturating_sub(self.next));
        while left > 0 {
            left -= 1;
            let session = &self.snapshot.sessions[self.next];
            if is_cached(session) || !self.snapshot.take_out(session) {
                self.next += 1;
            } else {
                gone.push(self.snapshot.sessions.swap_remove(self.next));
            }
        }
        if self.next >= self.snapshot.sessions.len() {
            self.is_being_tidied = false;
            self.tidied = now;
            self.snapshot.sessions.shrink_to_fit();
        }
    }
}

/// A table, and a reference to each session in it.
pub struct Snapshot {
    table: *mut OPENSSL_LHASH,
    sessions: Vec<SessionRef>,
    libssl: &'static Libssl,
}

// SAFETY: only the thread that holds the lock of `Tables` changes the table; the application may read it at the same time,
// as it may read libssl's own.
unsafe impl Send for Snapshot {}

impl Snapshot {
    /// Makes a table of `sessions`; `None` without memory.
    pub fn new(
        host: &'static Host,
        libssl: &'static Libssl,
        mut sessions: Vec<SessionRef>,
    ) -> Option<Self> {
        // SAFETY: `hash` and `compare` treat the entries as sessions, and only sessions are inserted.
        let table = unsafe { (libssl.OPENSSL_LH_new)(Some(hash), Some(compare)) };
        if table.is_null() {
            return None;
        }
        if let Some(set_thunks) = host.newer.OPENSSL_LH_set_thunks {
            // SAFETY: `table` was just made; the thunks have the types that libcrypto calls them by.
            unsafe {
                set_thunks(
                    table,
                    hash_thunk,
                    compare_thunk,
                    visit_thunk,
                    visit_arg_thunk,
                )
            };
        }
        let mut replaced = Vec::new();
        for session in &sessions {
            // SAFETY: the Snapshot holds a reference to the session for as long as the table has it. Without memory the
            // entry is left out.
            let other = unsafe { (libssl.OPENSSL_LH_insert)(table, session.as_ptr().cast()) };
            replaced.extend(ptr::NonNull::new(other));
        }
        if !replaced.is_empty() {
            // Two caches may have sessions of one id and version. The table has the later one.
            let is_replaced = |session: &SessionRef| {
                replaced
                    .iter()
                    .any(|other| other.as_ptr() == session.as_ptr().cast())
            };
            sessions.retain(|session| !is_replaced(session));
        }
        Some(Self {
            table,
            sessions,
            libssl,
        })
    }

    /// The number of sessions, and one for the table itself.
    fn weight(&self) -> usize {
        self.sessions.len() + 1
    }

    /// Takes one entry out of the table; `true` if it was there. A session whose id was changed is not found, and stays.
    fn take_out(&self, session: &SessionRef) -> bool {
        let entry = session.as_ptr().cast::<c_void>();
        // SAFETY: the table is from OPENSSL_LH_new and owned by `self`, which holds references to all entries.
        let found = unsafe { (self.libssl.OPENSSL_LH_retrieve)(self.table, entry) };
        // SAFETY: as above.
        found == entry && unsafe { (self.libssl.OPENSSL_LH_delete)(self.table, entry) } == entry
    }

    /// Takes all entries out of the table and returns the references to them. A host without OPENSSL_LH_flush (1.1.1) takes
    /// them out one by one: those whose id was changed stay until the table is freed.
    fn empty(&mut self) -> Vec<SessionRef> {
        let sessions = mem::take(&mut self.sessions);
        if let Some(flush) = self.libssl.OPENSSL_LH_flush {
            // SAFETY: the table is from OPENSSL_LH_new and owned by `self`; the function frees the nodes, not the entries.
            unsafe { flush(self.table) };
            return sessions;
        }
        let (out, stay) = sessions
            .into_iter()
            .partition(|session| self.take_out(session));
        self.sessions = stay;
        out
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // SAFETY: the table is from OPENSSL_LH_new and not used again; the function does not free the entries.
        unsafe { (self.libssl.OPENSSL_LH_free)(self.table) };
        self.sessions.clear();
    }
}

/// The id and version of an entry, if there is only one libssl that it may belong to.
fn identity<'a>(entry: *const c_void) -> Option<(&'a [u8], c_int)> {
    // The caller is libcrypto, which several libssls may share, so the session does not tell which of them made it.
    let host = if locate::several() {
        None
    } else {
        locate::host()
    };
    let libssl = host?.libssl.as_ref().ok()?;
    let session = entry.cast::<SSL_SESSION>();
    // SAFETY: every entry is a session to which the Snapshot holds a reference.
    Some(unsafe { libssl.identity(session) })
}

unsafe extern "C-unwind" fn hash(entry: *const c_void) -> c_ulong {
    let fold = |sum: c_ulong, &byte: &u8| sum.rotate_left(8).wrapping_mul(31) ^ c_ulong::from(byte);
    identity(entry).map_or(entry as c_ulong >> 4, |(id, _)| id.iter().fold(0, fold))
}

unsafe extern "C-unwind" fn compare(a: *const c_void, b: *const c_void) -> c_int {
    let same = a == b || identity(a).is_some_and(|found| Some(found) == identity(b));
    c_int::from(!same)
}

unsafe extern "C-unwind" fn hash_thunk(entry: *const c_void, hash: LhHash) -> c_ulong {
    // SAFETY: libcrypto passes the table's own function and one of its entries.
    unsafe { hash(entry) }
}

unsafe extern "C-unwind" fn compare_thunk(
    a: *const c_void,
    b: *const c_void,
    compare: LhCompare,
) -> c_int {
    // SAFETY: libcrypto passes the table's own function and two of its entries.
    unsafe { compare(a, b) }
}

unsafe extern "C-unwind" fn visit_thunk(entry: *mut c_void, visit: LhVisit) {
    // SAFETY: libcrypto passes one entry of the table and the function of the program that iterates it.
    unsafe { visit(entry) }
}

unsafe extern "C-unwind" fn visit_arg_thunk(
    entry: *mut c_void,
    argument: *mut c_void,
    visit: LhVisitArg,
) {
    // SAFETY: libcrypto passes one entry of the table and the function of the program that iterates it.
    unsafe { visit(entry, argument) }
}
