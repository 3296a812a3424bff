//! Whether a connection ends: libssl then removes the session of one that was not shut down, as a bad one
//! (ssl_clear_bad_session, in SSL_free, SSL_clear and SSL_set_session).

use core::cell::Cell;

thread_local! {
    static UNDER_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Runs `end`, a function of the host by which a connection ends.
pub fn while_ending<T>(end: impl FnOnce() -> T) -> T {
    with(true, end)
}

/// Runs `call`, in which what is removed is removed for good: code of the application, or for its sake.
pub fn for_good<T>(call: impl FnOnce() -> T) -> T {
    with(false, call)
}

fn with<T>(under_way: bool, call: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNDER_WAY.set(self.0);
        }
    }
    let _restore = Restore(UNDER_WAY.replace(under_way));
    call()
}

/// Whether this thread is inside one of those functions of the host.
pub fn is_under_way() -> bool {
    UNDER_WAY.get()
}
