//! Whether a connection is being freed: libssl then takes the session of one that was not shut down for a bad one.

use core::cell::Cell;

thread_local! {
    static UNDER_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Runs `free`, the host's SSL_free.
pub fn while_freeing(free: impl FnOnce()) {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNDER_WAY.set(self.0);
        }
    }
    let _restore = Restore(UNDER_WAY.replace(true));
    free();
}

/// Whether this thread is inside one.
pub fn is_under_way() -> bool {
    UNDER_WAY.with(Cell::get)
}
