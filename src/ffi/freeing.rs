//! Whether a connection is being freed: libssl then takes the session of one that was not shut down for a bad one.

use core::cell::Cell;

thread_local! {
    static UNDER_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Runs `free`, the host's SSL_free.
pub fn while_freeing(free: impl FnOnce()) {
    let before = UNDER_WAY.with(|under_way| under_way.replace(true));
    free();
    UNDER_WAY.with(|under_way| under_way.set(before));
}

/// Whether this thread is inside one.
pub fn is_under_way() -> bool {
    UNDER_WAY.with(Cell::get)
}
