//! The hash table that SSL_CTX_sessions hands out: a copy of the cache as it was, which a program iterates
//! with the functions of libcrypto while the cache goes on.
//!
//! libssl hands out the cache itself, and programs rely on the table to stay where it is. So the same table is
//! handed out for as long as the cache does not change, and one that was superseded stays for a while.

use core::ffi::{c_int, c_long, c_ulong, c_void};
use core::mem;
use core::ptr;
use std::collections::VecDeque;

use super::store::{Store, now};

use crate::cache::BATCH;
use crate::host::table::{LhCompare, LhHash, LhVisit, LhVisitArg};
use crate::host::types::{OPENSSL_LHASH, SSL_CTX, SSL_SESSION};
use crate::host::{Host, Libssl, SessionRef, locate};
use crate::lock::Lock;

/// For how many seconds a superseded table stays at least, ...
const STAY_SECONDS: c_long = 60;
/// ... unless superseded tables hold more sessions than this.
const STAY_SESSIONS: usize = 1_000_000;

/// The tables of one context that programs may be using.
pub struct Snapshots(Lock<Tables>);

#[derive(Default)]
struct Tables {
    /// The latest one, how often the cache had changed when it was made, and the second of that.
    latest: Option<(u64, c_long, Snapshot)>,
    /// Earlier ones, and since when they are superseded; the oldest first.
    superseded: VecDeque<(c_long, Snapshot)>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self(Lock::new(Tables::default()))
    }
}

impl Snapshots {
    /// The table that was made when the cache had changed so often; in `only` that second, if one is given.
    fn made_at(&self, changes: u64, only: Option<c_long>) -> Option<*mut OPENSSL_LHASH> {
        let tables = self.0.lock()?;
        let (made_at, second, snapshot) = tables.latest.as_ref()?;
        (*made_at == changes && only.is_none_or(|only| only == *second)).then_some(snapshot.table)
    }

    /// Makes `snapshot` the latest and returns its table; what may go is dropped without the lock.
    fn supersede(
        &self,
        changes: u64,
        snapshot: Snapshot,
        now: c_long,
    ) -> Option<*mut OPENSSL_LHASH> {
        let table = snapshot.table;
        let gone = self
            .0
            .lock()
            .map(|mut tables| tables.supersede(changes, snapshot, now));
        gone.map(|_| table)
    }

    /// Empties all tables, which stay where they are: a program that empties the cache sees them so.
    pub fn empty(&self) {
        let emptied = self.0.lock().map(|mut tables| tables.empty());
        drop(emptied); // frees sessions, so not under the lock
    }

    /// All tables, when the context dies.
    pub fn take(&self) -> impl Drop + use<> {
        self.0
            .lock()
            .map(|mut tables| mem::take(&mut *tables))
            .unwrap_or_default()
            .into_all()
    }
}

impl Tables {
    fn supersede(&mut self, changes: u64, snapshot: Snapshot, now: c_long) -> Vec<Snapshot> {
        if let Some((_, _, before)) = self.latest.replace((changes, now, snapshot)) {
            self.superseded.push_back((now, before));
        }
        let mut held: usize = self
            .superseded
            .iter()
            .map(|(_, old)| old.sessions.len())
            .sum();
        let mut gone = Vec::new();
        while let Some((since, oldest)) = self.superseded.front_mut() {
            // The clock may have been set back since.
            *since = now.min(*since);
            if now.saturating_sub(*since) < STAY_SECONDS && held <= STAY_SESSIONS {
                break;
            }
            held -= oldest.sessions.len();
            gone.extend(self.superseded.pop_front().map(|(_, old)| old));
        }
        gone
    }

    fn empty(&mut self) -> Vec<Vec<SessionRef>> {
        let latest = self.latest.iter_mut().map(|(_, _, snapshot)| snapshot);
        let superseded = self.superseded.iter_mut().map(|(_, snapshot)| snapshot);
        latest.chain(superseded).map(Snapshot::empty).collect()
    }

    fn into_all(self) -> Vec<Snapshot> {
        let superseded = self.superseded.into_iter().map(|(_, snapshot)| snapshot);
        superseded
            .chain(self.latest.map(|(_, _, snapshot)| snapshot))
            .collect()
    }
}

impl Store {
    /// All sessions as the hash table of SSL_CTX_sessions. It belongs to the context, and stays for at least a
    /// minute after a later call has answered another one. Null where there is no memory.
    pub fn sessions(&self, ctx: *mut SSL_CTX) -> *mut OPENSSL_LHASH {
        let reaches = self.reaches(ctx);
        let is_shared = reaches.iter().any(|reach| reach.share().is_some());
        let changes = self.caches().map(|cache| cache.counters().changes());
        let changes = changes.iter().sum();
        // What other processes remove is not counted here: one that is shared is good for its second.
        let only = is_shared.then(now);
        if let Some(table) = self.snapshots.made_at(changes, only) {
            return table;
        }
        let (listed, complete) = self.while_none_moves(|| self.list());
        if !complete {
            self.failed();
            return ptr::null_mut();
        }
        let held = listed
            .into_iter()
            .filter(|(session, is_private)| *is_private || self.is_held(&reaches, session));
        let sessions = held.map(|(session, _)| session).collect();
        let table = Snapshot::new(self.host, self.libssl, sessions)
            .and_then(|snapshot| self.snapshots.supersede(changes, snapshot, now()));
        table.unwrap_or_else(|| {
            self.failed();
            ptr::null_mut()
        })
    }
}

impl Store {
    /// The sessions of all caches of this process, each with whether it stays here; and whether these are all.
    fn list(&self) -> (Vec<(SessionRef, bool)>, bool) {
        let mut listed = Vec::new();
        for cache in self.caches() {
            let is_private = !ptr::eq(cache, &self.cache);
            let Some(mut batches) = self.with_cache(|_| cache.iter()) else {
                return (listed, false);
            };
            loop {
                // Before there is a batch that would have to be dropped.
                if listed.try_reserve(BATCH).is_err() {
                    return (listed, false);
                }
                let Some(batch) = self.with_cache(|_| batches.next()).flatten() else {
                    break;
                };
                listed.extend(batch.into_iter().map(|session| (session, is_private)));
            }
        }
        (listed, true)
    }
}

/// A table, and a reference to each session in it.
struct Snapshot {
    table: *mut OPENSSL_LHASH,
    sessions: Vec<SessionRef>,
    libssl: &'static Libssl,
}

// SAFETY: the table is reached only through its owner and, as with libssl, by the application.
unsafe impl Send for Snapshot {}

impl Snapshot {
    /// A table of `sessions`; `None` where there is no memory.
    fn new(
        host: &'static Host,
        libssl: &'static Libssl,
        sessions: Vec<SessionRef>,
    ) -> Option<Self> {
        // SAFETY: the functions below treat entries as the sessions they are.
        let table = unsafe { (libssl.OPENSSL_LH_new)(Some(hash), Some(compare)) };
        if table.is_null() {
            return None;
        }
        if let Some(set_thunks) = host.newer.OPENSSL_LH_set_thunks {
            // SAFETY: the thunks call what they are given with the arguments they are given.
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
        for session in &sessions {
            // SAFETY: the session lives as long as the table. An entry that finds no memory is left out.
            unsafe { (libssl.OPENSSL_LH_insert)(table, session.as_ptr().cast()) };
        }
        Some(Self {
            table,
            sessions,
            libssl,
        })
    }
}

impl Snapshot {
    /// Takes all entries out of the table, and hands out the references to them.
    fn empty(&mut self) -> Vec<SessionRef> {
        // SAFETY: made by OPENSSL_LH_new; frees the nodes and leaves the entries to us.
        unsafe { (self.libssl.OPENSSL_LH_flush)(self.table) };
        mem::take(&mut self.sessions)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // SAFETY: made by OPENSSL_LH_new; frees the table and leaves its entries to us.
        unsafe { (self.libssl.OPENSSL_LH_free)(self.table) };
        self.sessions.clear();
    }
}

/// The id and version of an entry, if the libssl it belongs to can be told.
fn identity<'a>(entry: *const c_void) -> Option<(&'a [u8], c_int)> {
    // libcrypto calls, and serves several: nobody can tell whose entry it is.
    let host = if locate::several() {
        None
    } else {
        locate::host()
    };
    let libssl = host?.libssl.as_ref().ok()?;
    let session = entry.cast::<SSL_SESSION>();
    // SAFETY: an entry is a session, alive while it is looked at.
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
