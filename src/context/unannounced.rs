//! Sessions that the application was never told of: made of what another process has put into the memory that they
//! share. Nobody gives back by the remove callback what it has not kept by the new one.

use core::ffi::c_void;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::host::SessionRef;
use crate::sys::side_table::SideTable;

/// Those that are alive: as many as this process has taken from others.
static UNANNOUNCED: SideTable<(), 4096> = SideTable::new();

/// Notes a session that was just made. `capi::hooks` tells of its end.
pub fn note(session: &SessionRef) {
    UNANNOUNCED.enter(session.as_ptr().addr(), |()| ());
}

/// Whether the application was not told of this session.
#[inline]
pub fn has(session: &SessionRef) -> bool {
    !UNANNOUNCED.is_empty() && UNANNOUNCED.find(session.as_ptr().addr()).is_some()
}

/// Forgets a session that ends, or that the application is told of.
#[inline]
pub fn forget(session: *const c_void) {
    UNANNOUNCED.remove(session.addr(), |()| ());
}

/// For whom sessions of this process are, where that matters: those that came from others, and all where names are
/// looked at.
static TAGS: SideTable<AtomicU64, 4096> = SideTable::new();

/// Notes for whom a living session is.
pub fn note_tag(session: *const c_void, tag: u64) {
    TAGS.enter(session.addr(), |noted| noted.store(tag, Ordering::Relaxed)); // ordered by the table
}

/// For whom it is; 0 where that was not noted.
#[inline]
pub fn tag(session: *const c_void) -> u64 {
    if TAGS.is_empty() {
        return 0;
    }
    let found = TAGS.find(session.addr());
    found.map_or(0, |noted| noted.load(Ordering::Relaxed))
}

/// Forgets that of a session that ends, or begins at the address of one whose end was not told.
#[inline]
pub fn forget_tag(session: *const c_void) {
    TAGS.remove(session.addr(), |noted| noted.store(0, Ordering::Relaxed));
}
