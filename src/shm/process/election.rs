//! Which process of a tree does what only one of them may do.

use core::sync::atomic::{AtomicU32, Ordering};
use std::io;

use crate::sys::lock::{Lock, this_process};
use crate::sys::mapping::Mapping;

/// Numbered lots in memory that all descendants of a process share; of each, one process draws the winner.
pub struct Elections {
    words: Mapping,
    /// The numbers that were given back, in the process with this number.
    free: Lock<(u32, Vec<u32>)>,
}

/// The first word counts how many were given out.
const WORDS: usize = 16384;

/// The state of a lot: its two lowest bits.
const OPEN: u32 = 0;
const BEGUN: u32 = 1;
const DONE: u32 = 2;
const STATE: u32 = 0b011;
/// Whether a process looks on that nobody else may know of.
const WATCHED: u32 = 0b100;
/// The rest tells a lot from one that had its number before.
const GENERATION: u32 = 0b1000;

/// One matter to be decided.
#[derive(Clone, Copy)]
pub struct Election {
    number: u32,
    generation: u32,
}

/// Whose turn it is to decide a matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// This process's, now; it says so when it is done.
    Ours,
    /// Another process is at it.
    Theirs,
    /// It is decided.
    Over,
}

impl Elections {
    /// Memory for this process and those that will be forked from it.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            words: Mapping::shared(WORDS * size_of::<AtomicU32>())?,
            free: Lock::new((this_process(), Vec::new())),
        })
    }

    fn word(&self, number: u32) -> &AtomicU32 {
        assert!((number as usize) < WORDS);
        // SAFETY: inside the mapping, which is aligned to a page, all zeros at first, and reached by atomics only.
        unsafe { self.words.base().cast().add(number as usize).as_ref() }
    }

    /// A lot that is open; `None` when there are no more.
    pub fn open(&self) -> Option<Election> {
        let again = self.free.lock().and_then(|mut free| {
            let ours = free.0 == this_process();
            if ours { free.1.pop() } else { None }
        });
        if let Some(number) = again {
            let word = self.word(number);
            // Whoever still has the lot that had this number finds it decided.
            let generation =
                (word.load(Ordering::Relaxed) & !(STATE | WATCHED)).wrapping_add(GENERATION);
            word.store(generation | OPEN, Ordering::SeqCst);
            return Some(Election { number, generation });
        }
        let next = |given: u32| (given as usize + 1 < WORDS).then_some(given + 1);
        // Relaxed: only that the numbers differ counts.
        let given = self
            .word(0)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let number = given.ok()? + 1;
        Some(Election {
            number,
            generation: 0,
        })
    }

    /// Gives a lot back, in the process that asked for it. What its descendants have of it is decided.
    pub fn release(&self, lot: Election) {
        if let Some(mut free) = self.free.lock()
            && free.0 == this_process()
            && free.1.try_reserve(1).is_ok()
        {
            let word = self.word(lot.number);
            word.store(lot.generation | DONE, Ordering::SeqCst);
            free.1.push(lot.number);
        }
    }

    /// Asks whose turn it is; to one process, once, it answers `Ours`.
    pub fn begin(&self, lot: Election) -> Turn {
        let word = self.word(lot.number);
        let mut seen = word.load(Ordering::SeqCst);
        loop {
            if seen & !(STATE | WATCHED) != lot.generation {
                return Turn::Over;
            }
            match seen & STATE {
                OPEN => {}
                BEGUN => return Turn::Theirs,
                _ => return Turn::Over,
            }
            let order = Ordering::SeqCst;
            match word.compare_exchange(seen, seen | BEGUN, order, order) {
                Ok(_) => return Turn::Ours,
                Err(other) => seen = other,
            }
        }
    }

    /// Whether whose turn it was is at it still.
    pub fn is_under_way(&self, lot: Election) -> bool {
        let seen = self.word(lot.number).load(Ordering::SeqCst);
        seen & !WATCHED == lot.generation | BEGUN
    }

    /// Says that the matter is decided: by whose turn it was, or by one who has waited for that one for too long.
    pub fn end(&self, lot: Election) {
        let decide = |seen: u32| {
            let ours = seen & !(STATE | WATCHED) == lot.generation;
            (ours && seen & STATE != DONE).then_some(seen & !STATE | DONE)
        };
        let _ = self
            .word(lot.number)
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, decide);
    }

    /// Notes a process that nobody was told of.
    pub fn note_observer(&self, lot: Election) {
        self.word(lot.number).fetch_or(WATCHED, Ordering::SeqCst);
    }

    /// Whether another process has asked, or looks on.
    pub fn is_known_elsewhere(&self, lot: Election) -> bool {
        // SeqCst: what was taken out before this answer no is seen by whoever asks later.
        self.word(lot.number).load(Ordering::SeqCst) & (STATE | WATCHED) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the exit codes of four children sum up to.
    fn of_four_children(answer: impl Fn() -> usize) -> usize {
        let children: Vec<_> = (0..4)
            .map(|_| {
                // SAFETY: the child touches the shared memory alone, and leaves at once.
                match unsafe { libc::fork() } {
                    // SAFETY: ends the child.
                    0 => unsafe { libc::_exit(answer() as i32) },
                    child => child,
                }
            })
            .collect();
        let ended = children.into_iter().map(|child| {
            let mut status = 0;
            // SAFETY: our child.
            unsafe { libc::waitpid(child, &mut status, 0) };
            libc::WEXITSTATUS(status) as usize
        });
        ended.sum()
    }

    #[test]
    fn one_process_of_a_tree_draws_a_lot() {
        let ballot = Elections::new().unwrap();
        let lots: Vec<_> = (0..60).map(|_| ballot.open().unwrap()).collect();
        let won = of_four_children(|| {
            let ours = lots.iter().filter(|lot| ballot.begin(**lot) == Turn::Ours);
            ours.map(|lot| ballot.end(*lot)).count()
        });
        assert_eq!(won, lots.len());
        assert!(lots.iter().all(|lot| ballot.begin(*lot) == Turn::Over));
    }

    #[test]
    fn a_lot_under_way_is_theirs_until_it_is_over() {
        let ballot = Elections::new().unwrap();
        let lot = ballot.open().unwrap();
        assert!(!ballot.is_known_elsewhere(lot));
        assert_eq!(ballot.begin(lot), Turn::Ours);
        assert!(ballot.is_known_elsewhere(lot));
        assert_eq!(ballot.begin(lot), Turn::Theirs);
        ballot.end(lot);
        assert_eq!(ballot.begin(lot), Turn::Over);
    }

    #[test]
    fn lots_that_were_given_back_are_given_out_again_and_are_others() {
        let ballot = Elections::new().unwrap();
        for _ in 0..3 * WORDS {
            let lot = ballot.open().unwrap();
            assert_eq!(ballot.begin(lot), Turn::Ours);
            ballot.release(lot);
            assert_eq!(ballot.begin(lot), Turn::Over);
        }
        assert_eq!(std::iter::from_fn(|| ballot.open()).count(), WORDS - 1);
    }
}
