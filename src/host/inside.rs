//! Calls of ours into the host that may come back to us.

use core::cell::Cell;

/// That this thread is inside a call of ours to the host. On hosts that call their own functions through
/// the PLT, such a call can come back to what we export, and must then get the host's own answer.
pub struct Inside;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static CAME_BACK: Cell<bool> = const { Cell::new(false) };
}

impl Inside {
    /// Runs `call`, a call to the host that runs no code of the application.
    pub fn enter<T>(call: impl FnOnce() -> T) -> T {
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                DEPTH.with(|depth| depth.set(depth.get() - 1));
            }
        }
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        let _leave = Leave;
        call()
    }

    /// Whether this thread is inside one. Asked by what we export.
    pub fn is() -> bool {
        let inside = DEPTH.with(|depth| depth.get() > 0);
        if inside {
            CAME_BACK.with(|came_back| came_back.set(true));
        }
        inside
    }

    /// Runs `call` like [`Self::enter`]; whether it came back to what we export.
    pub fn comes_back(call: impl FnOnce()) -> bool {
        CAME_BACK.with(|came_back| came_back.set(false));
        Self::enter(call);
        CAME_BACK.with(Cell::get)
    }
}
