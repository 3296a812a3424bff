//! What is kept beside a session of this process: whether the application was never told of it, and its tag.
//!
//! A session that was decoded from the region is unannounced: the application's new callback did not see it, so the remove
//! callback must not see it either, as it may release what the new callback has kept.

use core::ffi::c_void;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::host::SessionRef;
use crate::sys::side_table::SideTable;

/// The unannounced sessions that are alive.
static UNANNOUNCED: SideTable<(), 4096> = SideTable::new();

/// Notes that a session which was just decoded is unannounced. `capi::hooks` calls [`forget`] when it ends.
pub fn note(session: &SessionRef) {
    UNANNOUNCED.enter(session.as_ptr().addr(), |()| ());
}

/// Whether the application was never told of this session.
#[inline]
pub fn has(session: &SessionRef) -> bool {
    !UNANNOUNCED.is_empty() && UNANNOUNCED.find(session.as_ptr().addr()).is_some()
}

/// Forgets a session that ends, or that the application is being told of.
#[inline]
pub fn forget(session: *const c_void) {
    UNANNOUNCED.remove(session.addr(), |()| ());
}

/// The tags of sessions, as [`Tag::as_mark`](super::alike::rule::Tag::as_mark) shortens them: of those that other processes
/// made, and of all if names are strict.
static TAGS: SideTable<AtomicU64, 4096> = SideTable::new();

/// Notes the tag of a living session.
pub fn note_tag(session: *const c_void, tag: u64) {
    TAGS.enter(session.addr(), |noted| noted.store(tag, Ordering::Relaxed)); // ordered by the table
}

/// The tag of a session; 0 if none was noted.
#[inline]
pub fn tag(session: *const c_void) -> u64 {
    if TAGS.is_empty() {
        return 0;
    }
    let found = TAGS.find(session.addr());
    found.map_or(0, |noted| noted.load(Ordering::Relaxed))
}

/// Forgets the tag of a session that ends. Also called when a session begins: its address may be that of an earlier one
/// whose end was not told.
#[inline]
pub fn forget_tag(session: *const c_void) {
    TAGS.remove(session.addr(), |noted| noted.store(0, Ordering::Relaxed));
}
