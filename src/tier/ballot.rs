//! Which process of a tree does what only one of them may do.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, Ordering};
use std::io;

/// Numbered lots in a page that all descendants of a process share; of each, one process draws the winner.
pub struct Ballot(NonNull<AtomicU32>);

// SAFETY: the page is never unmapped, and is reached by atomics only.
unsafe impl Send for Ballot {}
// SAFETY: as above.
unsafe impl Sync for Ballot {}

/// Lots of 32 to a word. The first word counts how many were given out.
const WORDS: usize = 4096;
const LOTS: u32 = (WORDS as u32 - 1) * u32::BITS;

/// One matter to be decided.
#[derive(Clone, Copy)]
pub struct Lot(u32);

impl Ballot {
    /// A page for this process and those that will be forked from it.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a fresh mapping; its bytes are zero.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                WORDS * size_of::<AtomicU32>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(page.cast())
            .map(Self)
            .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        debug_assert!(at < WORDS);
        // SAFETY: inside the mapping, which is aligned to a page.
        unsafe { self.0.add(at).as_ref() }
    }

    /// A lot that nobody has drawn; `None` when there are no more.
    pub fn lot(&self) -> Option<Lot> {
        let given = self.word(0);
        let next = |given| (given < LOTS).then(|| given + 1);
        // Relaxed: only that the numbers differ counts.
        let lot = given.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        lot.ok().map(Lot)
    }

    /// Whether nobody has drawn this lot before.
    pub fn draw(&self, lot: Lot) -> bool {
        let (word, bit) = (1 + (lot.0 / u32::BITS) as usize, 1 << (lot.0 % u32::BITS));
        // Relaxed: one process alone acts on it, and the others on nothing that it wrote before.
        self.word(word).fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_of_a_tree_draws_a_lot() {
        let ballot = Ballot::new().unwrap();
        let lots: Vec<_> = (0..100).map(|_| ballot.lot().unwrap()).collect();
        let children: Vec<_> = (0..4)
            .map(|_| {
                // SAFETY: the child touches the shared page alone, and leaves at once.
                match unsafe { libc::fork() } {
                    0 => {
                        let won = lots.iter().filter(|lot| ballot.draw(**lot)).count();
                        // SAFETY: ends the child.
                        unsafe { libc::_exit(won as i32) }
                    }
                    child => child,
                }
            })
            .collect();
        let won: i32 = children
            .into_iter()
            .map(|child| {
                let mut status = 0;
                // SAFETY: our child.
                unsafe { libc::waitpid(child, &mut status, 0) };
                libc::WEXITSTATUS(status)
            })
            .sum();
        assert_eq!(won, 100);
        assert!(lots.iter().all(|lot| !ballot.draw(*lot)));
    }

    #[test]
    fn lots_come_to_an_end() {
        let ballot = Ballot::new().unwrap();
        assert_eq!(std::iter::from_fn(|| ballot.lot()).count(), LOTS as usize);
        let last = Lot(LOTS - 1);
        assert!(ballot.draw(last) && !ballot.draw(last));
    }
}
