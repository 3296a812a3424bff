//! The breaker of a mailbox: processes do not go on asking where no answer comes in time.
//!
//! After [`LATE_MOST`] late answers, one after the other, nobody asks for [`PAUSE`]. Then one asker tries: an answer closes the
//! breaker, none opens it for another pause. All processes of the tree go by one word, so a late answer costs the tree a wait,
//! and not each process.

use core::sync::atomic::Ordering::Relaxed;

use crate::sys::atomic::AtomicU64;

/// Late answers, one after the other, that open the breaker.
const LATE_MOST: u64 = 5;
/// For so many milliseconds nobody asks.
const PAUSE: u64 = 1000;

/// The word: the number of late answers in its lowest bits, above them the millisecond until which nobody asks. Relaxed
/// throughout: it orders nothing, and a count that is lost costs a wait.
pub struct Breaker<'a>(pub &'a AtomicU64);

const COUNT_BITS: u32 = 8;

fn parts(word: u64) -> (u64, u64) {
    (word & ((1 << COUNT_BITS) - 1), word >> COUNT_BITS)
}

/// Whether a pause that ends at `until` is under way. One that is longer than pauses are was written by nobody who keeps to this.
fn is_under_way(until: u64, now: u64) -> bool {
    (1..=PAUSE).contains(&until.saturating_sub(now))
}

impl Breaker<'_> {
    /// Whether nobody is to ask in this millisecond.
    pub fn is_open(&self, now: u64) -> bool {
        is_under_way(parts(self.0.load(Relaxed)).1, now)
    }

    /// Whether the caller may ask. After a pause that is said to one of several callers.
    pub fn may_ask(&self, now: u64) -> bool {
        let word = self.0.load(Relaxed);
        let (late, until) = parts(word);
        if is_under_way(until, now) {
            return false;
        }
        late < LATE_MOST || {
            let tried = LATE_MOST | (now + PAUSE) << COUNT_BITS;
            self.0
                .compare_exchange(word, tried, Relaxed, Relaxed)
                .is_ok()
        }
    }

    /// Notes an answer that came in time.
    pub fn note_answer(&self) {
        if self.0.load(Relaxed) != 0 {
            self.0.store(0, Relaxed);
        }
    }

    /// Notes that there was none.
    pub fn note_late(&self, now: u64) {
        let (late, _) = parts(self.0.load(Relaxed));
        let late = (late + 1).min(LATE_MOST);
        let until = match late < LATE_MOST {
            true => 0,
            false => now + PAUSE,
        };
        self.0.store(late | until << COUNT_BITS, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_late_answers_open_it_for_a_second() {
        let word = AtomicU64::new(0);
        let breaker = Breaker(&word);
        let now = 5_000_000;
        for _ in 0..4 {
            assert!(breaker.may_ask(now));
            breaker.note_late(now);
        }
        assert!(breaker.may_ask(now) && !breaker.is_open(now));
        breaker.note_answer();
        for late in 0..5 {
            assert!(breaker.may_ask(now), "{late}");
            breaker.note_late(now);
        }
        assert!(!breaker.may_ask(now) && breaker.is_open(now + 999));
        // Then one tries.
        assert!(!breaker.is_open(now + 1000) && breaker.may_ask(now + 1000));
        assert!(!breaker.may_ask(now + 1000) && breaker.is_open(now + 1001));
        breaker.note_late(now + 1002);
        assert!(!breaker.may_ask(now + 2001) && breaker.may_ask(now + 2002));
        breaker.note_answer();
        assert!(breaker.may_ask(now + 2003) && breaker.may_ask(now + 2003));
    }

    #[test]
    fn a_word_that_nobody_has_written_so_does_not_stop_it_for_ever() {
        let word = AtomicU64::new(u64::MAX);
        let breaker = Breaker(&word);
        assert!(!breaker.is_open(7) && breaker.may_ask(7) && !breaker.may_ask(7));
        assert!(breaker.may_ask(7 + PAUSE));
    }
}
