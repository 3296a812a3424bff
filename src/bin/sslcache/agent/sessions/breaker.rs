//! Whether the store is asked at all: not for a second after five answers in a row that were late, and then once. Told the time.

use std::time::{Duration, Instant};

/// So many late answers in a row, and the store is left alone.
const LATE_MOST: u32 = 5;
/// For how long.
const REST: Duration = Duration::from_secs(1);

/// What was seen of the store.
#[derive(Debug, Default)]
pub struct Breaker {
    late: u32,
    until: Option<Instant>,
    /// Since when somebody tries whether it is back.
    tries: Option<Instant>,
}

impl Breaker {
    /// Whether the store may be asked. After a rest, one who asks is let through.
    pub fn lets(&mut self, now: Instant) -> bool {
        let Some(until) = self.until else {
            return true;
        };
        // One that never came back does not keep the others away.
        let is_tried = self.tries.is_some_and(|since| now - since < REST);
        if now < until || is_tried {
            return false;
        }
        self.tries = Some(now);
        true
    }

    /// The store has answered in time.
    pub fn in_time(&mut self) {
        *self = Self::default();
    }

    /// It has answered too late, or not at all. True if it is left alone from now on.
    pub fn late(&mut self, now: Instant) -> bool {
        self.tries = None;
        self.late = self.late.saturating_add(1);
        let rests = self.late >= LATE_MOST && self.until.is_none_or(|until| until <= now);
        if rests {
            self.until = Some(now + REST);
        }
        rests
    }

    /// Until when it is left alone.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_late_answers_in_a_row_are_a_rest_of_a_second() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            for _ in 0..4 {
                assert!(breaker.lets(start) && !breaker.late(start));
            }
            breaker.in_time();
        }
        let rested: Vec<_> = (0..7).map(|_| breaker.late(start)).collect();
        assert_eq!(rested, [false, false, false, false, true, false, false]);
        let nearly = start + REST - Duration::from_millis(1);
        assert!(!breaker.lets(nearly) && breaker.until(nearly).is_some());
        let after = start + REST;
        assert!(breaker.until(after).is_none());
        // One tries, and the others wait for it.
        assert!(breaker.lets(after) && !breaker.lets(after));
        assert!(breaker.late(after) && !breaker.lets(after + REST / 2));
        let later = after + REST;
        assert!(breaker.lets(later) && !breaker.lets(later));
        // It has never come back: another one tries.
        assert!(breaker.lets(later + REST));
        breaker.in_time();
        assert!(breaker.lets(later) && breaker.lets(later) && !breaker.late(later));
    }
}
