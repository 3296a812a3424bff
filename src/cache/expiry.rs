//! When a session may no longer be resumed.

/// The last second in which a session is still good: it has expired when `now > expiry`, strictly, as in libssl.
///
/// Seconds of whatever clock the caller counts in; the whole range of `i64` is ordinary, also before zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Expiry(i64);

impl Expiry {
    /// Later than any second there is.
    pub const NEVER: Expiry = Expiry(i64::MAX);

    /// Good up to and including the second `secs`.
    pub const fn at(secs: i64) -> Expiry {
        Expiry(secs)
    }

    /// Whether a session with this expiry has expired at `now`.
    pub(super) const fn has_passed(self, now: i64) -> bool {
        now > self.0
    }

    pub(super) const fn secs(self) -> i64 {
        self.0
    }
}
