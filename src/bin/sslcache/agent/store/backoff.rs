//! When a store that failed is asked again: after a second, then after twice as long each time, up to 30 s. Told the time.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How often it failed, and until when it is left alone.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// It failed. `dice` spreads the hosts of a fleet, which all see the same failure: the wait is from one half of the
    /// step to the whole of it.
    pub fn failed(&mut self, now: Instant, dice: u8) {
        let step = FIRST.saturating_mul(1 << self.failures.min(5)).min(LONGEST);
        let wait = step / 2 + step / 2 * u32::from(dice) / 255;
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + wait);
    }

    /// It answered.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// How long it is still left alone; `None` if it may be asked.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        let rest = self.until?.saturating_duration_since(now);
        (!rest.is_zero()).then_some(rest)
    }
}
