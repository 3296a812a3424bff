//! Whether this thread is ending a connection: SSL_free, SSL_clear and SSL_set_session remove the session of a connection
//! that was not shut down (ssl_clear_bad_session). Many programs never shut a connection down, so in a group such a removal
//! is not passed on to other processes.

use core::cell::Cell;

thread_local! {
    static UNDER_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Runs `end`, a function of the host that ends a connection.
pub fn while_ending<T>(end: impl FnOnce() -> T) -> T {
    with(true, end)
}

/// Runs `call` as if no connection were ending: code of the application, whose removals count in every process.
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

/// Whether this thread is inside [`while_ending`], and not in code of the application that runs from there.
pub fn is_under_way() -> bool {
    UNDER_WAY.get()
}
