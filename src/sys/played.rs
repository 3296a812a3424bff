//! For fuzzers: a clock and waits that are played, so that an input always does the same and no wait takes time.

use core::cell::{Cell, RefCell};
use core::time::Duration;

/// How far the clock goes on whenever it is read: a wait for a lock then ends after a few looks.
const STEP: Duration = Duration::from_micros(500);
/// What the clock shows first.
const FIRST: Duration = Duration::from_secs(1000);

type Meanwhile = Box<dyn FnMut()>;

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(FIRST) };
    static MEANWHILE: RefCell<Option<Meanwhile>> = const { RefCell::new(None) };
}

/// The time, which goes on by that.
pub fn time() -> Duration {
    NOW.with(|now| now.replace(now.get() + STEP))
}

/// Lets time pass.
pub fn pass(time: Duration) {
    NOW.with(|now| now.set(now.get() + time));
}

/// Sets the clock to what it shows first.
pub fn begin() {
    NOW.with(|now| now.set(FIRST));
}

/// Has `other` run whenever this thread waits: as the other process, for which it waits.
pub fn meanwhile(other: Option<Meanwhile>) {
    MEANWHILE.with(|place| *place.borrow_mut() = other);
}

/// Waits: what others do meanwhile is done, and the time is over. Always true.
pub(super) fn waits(most: Duration) -> bool {
    MEANWHILE.with(|place| {
        // What runs meanwhile may wait, too.
        if let Ok(mut other) = place.try_borrow_mut()
            && let Some(other) = other.as_mut()
        {
            other();
        }
    });
    pass(most);
    true
}
