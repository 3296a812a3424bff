//! The hash table that SSL_CTX_sessions hands out: a copy of the cache as it was, which a program iterates
//! with the functions of libcrypto while the cache goes on.

use core::ffi::{c_int, c_ulong, c_void};

use crate::host::table::{LhCompare, LhHash, LhVisit, LhVisitArg};
use crate::host::types::{OPENSSL_LHASH, SSL_SESSION};
use crate::host::{Host, Libssl, SessionRef, locate};

/// A table, and a reference to each session in it.
pub struct Snapshot {
    table: *mut OPENSSL_LHASH,
    sessions: Vec<SessionRef>,
    libssl: &'static Libssl,
}

// SAFETY: the table is reached only through its owner and, as with libssl, by the application.
unsafe impl Send for Snapshot {}

impl Snapshot {
    /// A table of `sessions`; `None` where there is no memory.
    pub fn new(
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

    /// The table, borrowed.
    pub fn table(&self) -> *mut OPENSSL_LHASH {
        self.table
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

unsafe extern "C" fn hash(entry: *const c_void) -> c_ulong {
    let fold = |sum: c_ulong, &byte: &u8| sum.rotate_left(8).wrapping_mul(31) ^ c_ulong::from(byte);
    identity(entry).map_or(entry as c_ulong >> 4, |(id, _)| id.iter().fold(0, fold))
}

unsafe extern "C" fn compare(a: *const c_void, b: *const c_void) -> c_int {
    let same = a == b || identity(a).is_some_and(|found| Some(found) == identity(b));
    c_int::from(!same)
}

unsafe extern "C" fn hash_thunk(entry: *const c_void, hash: LhHash) -> c_ulong {
    // SAFETY: libcrypto passes the table's own function and one of its entries.
    unsafe { hash(entry) }
}

unsafe extern "C" fn compare_thunk(
    a: *const c_void,
    b: *const c_void,
    compare: LhCompare,
) -> c_int {
    // SAFETY: libcrypto passes the table's own function and two of its entries.
    unsafe { compare(a, b) }
}

unsafe extern "C" fn visit_thunk(entry: *mut c_void, visit: LhVisit) {
    // SAFETY: libcrypto passes one entry of the table and the function of the program that iterates it.
    unsafe { visit(entry) }
}

unsafe extern "C" fn visit_arg_thunk(entry: *mut c_void, argument: *mut c_void, visit: LhVisitArg) {
    // SAFETY: libcrypto passes one entry of the table and the function of the program that iterates it.
    unsafe { visit(entry, argument) }
}
