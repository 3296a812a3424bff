//! Sessions that the application was never told of: made of what another process has put into the memory that they
//! share. Nobody gives back by the remove callback what it has not kept by the new one.

use core::ffi::c_void;

use crate::host::SessionRef;
use crate::side_table::SideTable;

/// Those that are alive: as many as this process has taken from others.
static UNANNOUNCED: SideTable<(), 4096> = SideTable::new();

/// Notes a session that was just made. [`super::hooks`] tells of its end.
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
