//! Elections: which process of a tree does a task that only one of them may do.

use core::sync::atomic::{AtomicU32, Ordering};
use std::io;

use crate::sys::forks::this_process;
use crate::sys::lock::Lock;
use crate::sys::mapping::Mapping;

/// Numbered elections in memory that all descendants of a process share. In each, one process wins.
pub struct Elections {
    words: Mapping,
    /// The numbers that were released, in the process with this number.
    free: Lock<(u32, Vec<u32>)>,
}

/// The first word counts how many numbers were given out.
const WORDS: usize = 16384;

/// The state of an election: its two lowest bits.
const OPEN: u32 = 0;
const BEGUN: u32 = 1;
const DONE: u32 = 2;
const STATE: u32 = 0b011;
/// Set if there is a process that the others may not know of.
const OBSERVED: u32 = 0b100;
/// The other bits tell an election from an earlier one of the same number.
const GENERATION: u32 = 0b1000;

/// One election.
#[derive(Clone, Copy)]
pub struct Election<'a> {
    word: &'a AtomicU32,
    number: u32,
    generation: u32,
}

/// The state of an election, as one process sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// This process has won and does the task; it ends the election afterwards.
    Ours,
    /// Another process does the task.
    Theirs,
    /// The election has ended.
    Over,
}

impl Elections {
    /// Maps memory for this process and those that are forked from it.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            words: Mapping::shared(WORDS * size_of::<AtomicU32>())?,
            free: Lock::new((this_process(), Vec::new())),
        })
    }

    fn word(&self, number: u32) -> &AtomicU32 {
        assert!((number as usize) < WORDS);
        // SAFETY: `number` lies inside the mapping by the check above. The mapping is aligned to a page, zeroed at first, and
        // every process accesses it through atomics only.
        unsafe { self.words.base().cast().add(number as usize).as_ref() }
    }

    /// Opens an election; `None` when no number is left.
    pub fn open(&self) -> Option<Election<'_>> {
        let again = self.free.lock().and_then(|mut free| {
            let ours = free.0 == this_process();
            if ours { free.1.pop() } else { None }
        });
        if let Some(number) = again {
            let word = self.word(number);
            // A process that still has the earlier election of this number finds it ended.
            let generation =
                (word.load(Ordering::Relaxed) & !(STATE | OBSERVED)).wrapping_add(GENERATION);
            word.store(generation | OPEN, Ordering::SeqCst);
            return Some(Election {
                word,
                number,
                generation,
            });
        }
        let next = |given: u32| (given as usize + 1 < WORDS).then_some(given + 1);
        // Relaxed: only that the numbers differ counts.
        let given = self
            .word(0)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let number = given.ok()? + 1;
        Some(Election {
            word: self.word(number),
            number,
            generation: 0,
        })
    }

    /// Releases an election, in the process that opened it. Descendants that still have it find it ended.
    pub fn release(&self, election: Election<'_>) {
        if let Some(mut free) = self.free.lock()
            && free.0 == this_process()
            && free.1.try_reserve(1).is_ok()
        {
            let done = election.generation | DONE;
            election.word.store(done, Ordering::SeqCst);
            free.1.push(election.number);
        }
    }
}

impl Election<'_> {
    /// Takes part in an election. One process, once, gets the answer `Ours`.
    pub fn begin(self) -> Turn {
        let word = self.word;
        let mut seen = word.load(Ordering::SeqCst);
        loop {
            if seen & !(STATE | OBSERVED) != self.generation {
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

    /// True if the winner has not ended the election.
    pub fn is_under_way(self) -> bool {
        let seen = self.word.load(Ordering::SeqCst);
        seen & !OBSERVED == self.generation | BEGUN
    }

    /// Ends an election. Called by the winner, or by a process that has waited for the winner for too long.
    pub fn end(self) {
        let decide = |seen: u32| {
            let ours = seen & !(STATE | OBSERVED) == self.generation;
            (ours && seen & STATE != DONE).then_some(seen & !STATE | DONE)
        };
        let _ = self
            .word
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, decide);
    }

    /// Notes that this process knows the election without taking part.
    pub fn note_observer(self) {
        self.word.fetch_or(OBSERVED, Ordering::SeqCst);
    }

    /// True if another process has taken part, or was noted as an observer.
    #[inline]
    pub fn is_known_elsewhere(self) -> bool {
        // SeqCst: if this answers false, a process that takes part later sees what was taken out before.
        self.word.load(Ordering::SeqCst) & (STATE | OBSERVED) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of the exit codes of four children.
    fn of_four_children(answer: impl Fn() -> usize) -> usize {
        let children: Vec<_> = (0..4)
            .map(|_| {
                // SAFETY: the child only touches the shared memory, and exits at once.
                match unsafe { libc::fork() } {
                    // SAFETY: ends only the child.
                    0 => unsafe { libc::_exit(answer() as i32) },
                    child => child,
                }
            })
            .collect();
        let ended = children.into_iter().map(|child| {
            let mut status = 0;
            // SAFETY: `child` was forked above and not yet waited for; `status` is a place for the answer.
            unsafe { libc::waitpid(child, &mut status, 0) };
            libc::WEXITSTATUS(status) as usize
        });
        ended.sum()
    }

    #[test]
    fn one_process_of_a_tree_wins_an_election() {
        let table = Elections::new().unwrap();
        let elections: Vec<_> = (0..60).map(|_| table.open().unwrap()).collect();
        let won = of_four_children(|| {
            let ours = elections
                .iter()
                .filter(|election| election.begin() == Turn::Ours);
            ours.map(|election| election.end()).count()
        });
        assert_eq!(won, elections.len());
        assert!(
            elections
                .iter()
                .all(|election| election.begin() == Turn::Over)
        );
    }

    #[test]
    fn election_under_way_is_theirs_until_it_is_over() {
        let table = Elections::new().unwrap();
        let election = table.open().unwrap();
        assert!(!election.is_known_elsewhere());
        assert_eq!(election.begin(), Turn::Ours);
        assert!(election.is_known_elsewhere());
        assert_eq!(election.begin(), Turn::Theirs);
        election.end();
        assert_eq!(election.begin(), Turn::Over);
    }

    #[test]
    fn numbers_that_were_released_are_given_out_again_for_other_elections() {
        let table = Elections::new().unwrap();
        for _ in 0..3 * WORDS {
            let election = table.open().unwrap();
            assert_eq!(election.begin(), Turn::Ours);
            table.release(election);
            assert_eq!(election.begin(), Turn::Over);
        }
        assert_eq!(std::iter::from_fn(|| table.open()).count(), WORDS - 1);
    }
}
