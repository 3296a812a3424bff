//! A lock in shared memory that no process can keep for ever.
//!
//! The lock is one word, taken and released by one atomic step, and waited for with a futex on its lower half. A robust
//! pthread mutex would not do: it keeps pointers in the shared memory, which an attacker who writes there could forge.
//!
//! No process waits longer than [`LIMIT`]. After a first part of that time a waiter checks whether the holder still lives.
//! If not, it takes the lock over and has to repair what the lock protects. If the holder lives and the time is over, the
//! waiter flags it as suspect and gives up. While the flag is set other waiters give up at once, unless the holder has died
//! meanwhile. Releasing the lock clears the flag.
//!
//! A waiter cannot always judge a holder: it may be in another pid namespace, or may have replaced its program (exec)
//! while another of its threads held the lock. So a holder that has been suspect for [`FENCED_AFTER`] loses the lock even
//! though it seems to live. It notices by the epoch when it releases the lock, and then discards its result; the next
//! holder is told to repair, as after a death. The same happens after a holder that unwound: only [`Held::release`]
//! states that what the lock protects is whole.
//!
//! # The protocol
//!
//! `word` is the holder's [`Identity`] (no process id: free), two flags, and the epoch, which counts how often the lock was
//! taken from a holder. A free lock keeps its epoch. So every step of a holder that lost the lock compares the word with
//! one of an earlier epoch and fails, even where another thread of its own process, with the same identity, now holds the
//! lock.
//!
//! | step | by | `word` | order | pairs with |
//! |---|---|---|---|---|
//! | take | any process | free, e → own, e | Acquire | release: changes made under the lock are seen |
//! | flag a waiter | a waiter | w → w + WAITERS | Relaxed | nothing: release reads the flag in the same step |
//! | flag a suspect | a waiter, after [`LIMIT`] | w → w + SUSPECT | Release | the load of a waiter that gives up: `since` is seen with the flag |
//! | take over | a waiter, from a dead or fenced holder | w, e → own + WAITERS, e + 1 | Acquire | release |
//! | release | the holder | own, e, any flags → free, e | Release | take, take over |
//!
//! `since`, the time of the latest suspicion, is raised before the flag is set, and never lowered. So a waiter that is
//! suspended between reading the clock and its store cannot make the suspicion of another holder older. It may make one
//! younger, which postpones the fencing.
//!
//! `disturbed` is set (Release) by a holder that finds its epoch over, because its last changes were made without the
//! lock, and by a holder that unwinds, before it releases. The next holder clears it (Acquire) and repairs.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::time::Duration;

use crate::shm::process::identity::{EPOCH_BITS, EPOCH_SHIFT, FLAGS, Identity};
use crate::shm::region::memory::Memory;
use crate::sys::atomic::{AtomicU32, AtomicU64, SPINS, spin_loop};
use crate::sys::{clock, futex};

/// The longest wait for a lock.
const LIMIT: Duration = Duration::from_millis(5);
/// After so long a waiter checks whether the holder lives: longer than any call holds a lock.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// How long a suspect may hold a lock.
pub const FENCED_AFTER: Duration = Duration::from_secs(30);

/// A waiter sleeps and has to be woken.
const WAITERS: u64 = 1 << 31;
/// The holder has kept a waiter for too long.
const SUSPECT: u64 = 1 << 30;
const _: () = assert!(FLAGS == WAITERS | SUSPECT);

const EPOCH: u64 = ((1 << EPOCH_BITS) - 1) << EPOCH_SHIFT;

/// True if no process holds the lock.
fn is_free(word: u64) -> bool {
    word & !EPOCH == 0
}

fn next_epoch(word: u64) -> u64 {
    word.wrapping_add(1 << EPOCH_SHIFT) & EPOCH
}

/// A lock's place: three words in one line of the processor's cache.
#[derive(Clone, Copy)]
pub struct Lock<'a> {
    word: &'a AtomicU64,
    /// When a holder last became suspect, in nanoseconds of the monotonic clock.
    since: &'a AtomicU64,
    /// Not 0 if what the lock protects was left half changed, or was changed without the lock.
    disturbed: &'a AtomicU32,
}

/// The lock, held. If it is dropped without [`release`](Held::release), as by a panic, the next holder has to repair.
#[must_use]
pub struct Held<'a> {
    lock: Lock<'a>,
    /// The word as it was when the lock was taken.
    word: u64,
}

/// The result of waiting.
pub enum Wait<'a> {
    /// The lock is held.
    Had(Held<'a>),
    /// The lock is held, and was taken from a holder that may have been in the middle of a change, or went on with it.
    TakenOver(Held<'a>),
    /// The lock is not held.
    InVain,
}

impl<'a> Lock<'a> {
    pub fn at(memory: &'a Memory, at: usize) -> Lock<'a> {
        Lock {
            word: memory.u64(at),
            since: memory.u64(at + 8),
            disturbed: memory.u32(at + 20),
        }
    }

    pub fn lock(self) -> Wait<'a> {
        let own = Identity::own();
        match self.try_take(own.word()) {
            Some(had) => had,
            None => self.wait(own),
        }
    }

    fn try_take(self, own: u64) -> Option<Wait<'a>> {
        let mut seen = self.word.load(Relaxed);
        let word = loop {
            if !is_free(seen) {
                return None;
            }
            let word = own | seen & EPOCH;
            // Acquire: pairs with the Release of the last holder, whose changes are then seen.
            match self.word.compare_exchange(seen, word, Acquire, Relaxed) {
                Ok(_) => break word,
                Err(other) => seen = other,
            }
        };
        let held = Held { lock: self, word };
        // Acquire: the process that repairs sees what was changed without the lock.
        let disturbed = self.disturbed.load(Relaxed) != 0 && self.disturbed.swap(0, Acquire) != 0;
        Some(match disturbed {
            true => Wait::TakenOver(held),
            false => Wait::Had(held),
        })
    }

    #[cold]
    fn wait(self, own: Identity) -> Wait<'a> {
        for _ in 0..SPINS {
            let seen = self.word.load(Relaxed);
            if seen & SUSPECT != 0 {
                if !is_time_to_look() {
                    return Wait::InVain;
                }
                break;
            }
            if is_free(seen)
                && let Some(had) = self.try_take(own.word())
            {
                return had;
            }
            spin_loop();
        }
        let begun = now();
        let mut looked = false;
        loop {
            // Acquire: pairs with the Release in `suspect`, so that the time is seen with the flag.
            let seen = self.word.load(Acquire);
            let waited = now().saturating_sub(begun);
            if is_free(seen) {
                // Others may sleep, too: a waiter that has slept wakes the next one.
                match self.try_take(own.word() | WAITERS) {
                    Some(had) => return had,
                    None if waited >= LIMIT => return Wait::InVain,
                    None => continue,
                }
            }
            let suspect = seen & SUSPECT != 0;
            if suspect || waited >= LIMIT || (waited >= FIRST_LOOK && !looked) {
                looked = true;
                if Identity::of_word(seen).has_ended(own) || (suspect && self.is_fenced()) {
                    match self.take_over(seen, own.word()) {
                        Some(held) => return Wait::TakenOver(held),
                        None if waited >= LIMIT => return Wait::InVain,
                        None => continue,
                    }
                }
            }
            if suspect {
                return Wait::InVain;
            }
            if waited >= LIMIT {
                self.suspect(seen, now());
                return Wait::InVain;
            }
            // Relaxed: the holder reads the flag by the same step that frees the word.
            let flagged = self
                .word
                .compare_exchange(seen, seen | WAITERS, Relaxed, Relaxed);
            if flagged.is_ok() {
                let until = if looked { LIMIT } else { FIRST_LOOK };
                // The flags are in the lower half.
                futex::wait_for_half(
                    self.word,
                    (seen | WAITERS) as u32,
                    until.saturating_sub(waited),
                );
            }
        }
    }

    /// Flags the holder as suspect from `moment` on, if the word is still as it was seen.
    fn suspect(self, seen: u64, moment: Duration) {
        // Before the flag, so that no process finds the flag with an older time; and never lowered.
        self.since.fetch_max(moment.as_nanos() as u64, Relaxed);
        // Release: publishes the time.
        let _ = self
            .word
            .compare_exchange(seen, seen | SUSPECT, Release, Relaxed);
    }

    /// True if the holder has been suspect for too long.
    fn is_fenced(self) -> bool {
        let (since, now) = (self.since.load(Relaxed), now().as_nanos() as u64);
        if since > now {
            // A time in the future is of another clock: the wait begins anew.
            let _ = self.since.compare_exchange(since, now, Relaxed, Relaxed);
            return false;
        }
        now - since > FENCED_AFTER.as_nanos() as u64
    }

    fn take_over(self, seen: u64, own: u64) -> Option<Held<'a>> {
        let word = own | WAITERS | next_epoch(seen);
        // Acquire: only the changes of a holder that released are sure to be seen. A repair believes nothing but what
        // agrees with its checksum.
        self.word
            .compare_exchange(seen, word, Acquire, Relaxed)
            .ok()?;
        Some(Held { lock: self, word })
    }

    /// For fuzzers: frees the lock, and has the next holder repair.
    #[cfg(fuzzing)]
    pub fn disturb(self) {
        self.word.store(0, Release);
        self.disturbed.store(1, Release);
    }

    /// For tests: makes another process the holder.
    #[cfg(test)]
    pub fn pretend(self, holder: Identity) {
        self.word.store(holder.word(), Release);
    }
}

impl Held<'_> {
    /// Releases the lock and states that what it protects is whole. Returns whether the lock was held all the time.
    pub fn release(self) -> bool {
        let kept = self.unlock();
        core::mem::forget(self);
        kept
    }

    /// True if the lock is still held.
    pub fn is_kept(&self) -> bool {
        self.is_kept_as(self.lock.word.load(Relaxed))
    }

    fn is_kept_as(&self, seen: u64) -> bool {
        seen & !FLAGS == self.word & !FLAGS
    }

    fn unlock(&self) -> bool {
        let word = self.lock.word;
        let mut seen = self.word;
        loop {
            if !self.is_kept_as(seen) {
                // Release: publishes what was changed since.
                self.lock.disturbed.store(1, Release);
                return false;
            }
            // Release: publishes what was changed under the lock.
            match word.compare_exchange(seen, seen & EPOCH, Release, Relaxed) {
                Ok(_) => break,
                Err(flagged) => seen = flagged,
            }
        }
        if seen & WAITERS != 0 {
            futex::wake_for_half(word, 1);
        }
        true
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Relaxed: published by letting go.
        self.lock.disturbed.store(1, Relaxed);
        self.unlock();
    }
}

/// True once in a millisecond in each process: to check a suspect takes system calls.
fn is_time_to_look() -> bool {
    static LAST: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);
    let present = now().as_millis() as u64;
    LAST.swap(present, Relaxed) != present
}

/// The monotonic clock, the same for all processes of a boot.
pub fn now() -> Duration {
    clock::of(libc::CLOCK_MONOTONIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn had(lock: Lock<'_>) -> Held<'_> {
        match lock.lock() {
            Wait::Had(held) => held,
            _ => panic!("the lock is free and whole"),
        }
    }

    fn had_to_repair(lock: Lock<'_>) -> Held<'_> {
        match lock.lock() {
            Wait::TakenOver(held) => held,
            _ => panic!("the lock is free and disturbed"),
        }
    }

    fn memory() -> Memory {
        Memory::anonymous(4096).expect("memory")
    }

    /// Another thread of the holder's process has its identity, too: what tells them apart is in the one word that the
    /// first step of taking over changes.
    #[test]
    fn fenced_holder_does_not_free_the_lock_of_another_thread_of_its_process() {
        let memory = memory();
        let lock = Lock::at(&memory, 0);
        let fenced = had(lock);
        let own = Identity::own().word();
        let taken = lock.word.load(Relaxed);
        let taker = lock.take_over(taken, own).expect("nobody else takes it");
        let word = lock.word.load(Relaxed);
        assert!(!fenced.is_kept() && taker.is_kept());
        assert!(!fenced.release(), "it believes to have kept the lock");
        assert_eq!(lock.word.load(Relaxed), word, "the taker's lock is free");
        assert!(taker.release());
        // It is free, in its epoch, and what the fenced holder did has to be repaired.
        assert!(is_free(lock.word.load(Relaxed)));
        assert!(had_to_repair(lock).release());
        assert!(had(lock).release());
    }

    #[test]
    fn epoch_goes_on_while_the_lock_is_free_and_touches_nothing_else() {
        let memory = memory();
        let lock = Lock::at(&memory, 0);
        let own = Identity::own().word();
        for _ in 0..(1 << EPOCH_BITS) + 3 {
            let before = lock.word.load(Relaxed);
            let held = had(lock);
            let taken = lock.word.load(Relaxed);
            assert_eq!(taken & !EPOCH, own);
            assert_eq!(taken & EPOCH, before & EPOCH);
            let taker = lock.take_over(taken, own).expect("nobody else takes it");
            core::mem::forget(held); // it never comes back
            assert!(taker.release());
            assert_eq!(lock.word.load(Relaxed), next_epoch(before));
        }
    }

    #[test]
    fn old_time_that_comes_late_makes_no_suspicion_older() {
        let memory = memory();
        let lock = Lock::at(&memory, 0);
        let old = now().saturating_sub(2 * FENCED_AFTER);
        let held = had(lock);
        lock.suspect(lock.word.load(Relaxed), now());
        // Of a waiter that looked at the clock long ago, at another holder.
        lock.suspect(5, old);
        assert!(lock.word.load(Relaxed) & SUSPECT != 0 && !lock.is_fenced());
        // A time to come is of another clock.
        lock.since.store(u64::MAX, Relaxed);
        assert!(!lock.is_fenced() && !lock.is_fenced());
        lock.since
            .fetch_sub(FENCED_AFTER.as_nanos() as u64, Relaxed);
        assert!(lock.is_fenced());
        assert!(held.release());
    }

    #[test]
    fn holder_that_panics_leaves_the_next_one_to_repair() {
        let memory = memory();
        let lock = Lock::at(&memory, 0);
        let panicked = std::panic::catch_unwind(|| {
            let _held = had(Lock::at(&memory, 0));
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.is_err());
        assert!(had_to_repair(lock).release());
        assert!(had(lock).release());
    }
}
