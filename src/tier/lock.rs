//! A lock in shared memory that no process can keep for ever.
//!
//! It is one word: who holds it ([`Identity`]), and two flags; 0 is free. It is taken and let go by one atomic step, and
//! waited for with a futex on its lower half. A pthread mutex would not do: a robust one keeps pointers in the shared
//! memory, which whoever writes there could turn against us.
//!
//! Nobody waits longer than [`LIMIT`]. After a first part of it the waiter looks whether the holder still lives. If
//! not, it takes the lock over, and has to mend what the lock protects. If the holder lives and the time is over, the
//! waiter flags it as suspect and gives up; while the flag is there others give up at once, unless the holder has died
//! meanwhile. The holder takes the flag away by letting go.
//!
//! A holder cannot always be judged: it may be in another namespace of process ids, or may have replaced its program
//! (exec) while another of its threads held the lock. So one that has been suspect for [`FENCED_AFTER`] loses the lock
//! even though it seems to live. It notices when it lets go, by the epoch, and does not believe what it did; whoever has
//! the lock next is told to mend, as after a death.

use core::hint;
use core::ptr;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};
use core::time::Duration;

use super::identity::{FLAGS, Identity};
use super::memory::Memory;

/// How long a lock is waited for.
const LIMIT: Duration = Duration::from_millis(5);
/// After so long the waiter looks whether the holder lives: longer than any call holds a lock.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// How long a suspect may hold a lock.
pub(super) const FENCED_AFTER: Duration = Duration::from_secs(30);
/// Looks at the word before sleeping. A call holds a lock for less than a microsecond.
const SPINS: u32 = 64;

/// Somebody sleeps, and has to be woken.
const WAITERS: u64 = 1 << 31;
/// The holder has kept somebody waiting for too long.
const SUSPECT: u64 = 1 << 30;

/// A lock's place: four words in one line of the processor's cache.
#[derive(Clone, Copy)]
pub(super) struct Lock<'a> {
    word: &'a AtomicU64,
    /// When the holder became suspect, in nanoseconds of the monotonic clock.
    since: &'a AtomicU64,
    /// How often it was taken from its holder.
    epoch: &'a AtomicU32,
    /// Whether one from whom it was taken has gone on for a while.
    disturbed: &'a AtomicU32,
}

/// The lock, held. Dropped, it is let go.
#[must_use]
pub(super) struct Held<'a> {
    lock: Lock<'a>,
    word: u64,
    epoch: u32,
}

/// What became of waiting.
pub(super) enum Wait<'a> {
    /// The lock is had.
    Had(Held<'a>),
    /// It is had, and was taken from one who may have been in the middle of a change, or went on with it.
    TakenOver(Held<'a>),
    /// It is not had.
    InVain,
}

impl<'a> Lock<'a> {
    pub(super) fn at(memory: &'a Memory, at: usize) -> Lock<'a> {
        Lock {
            word: memory.u64(at),
            since: memory.u64(at + 8),
            epoch: memory.u32(at + 16),
            disturbed: memory.u32(at + 20),
        }
    }

    pub(super) fn lock(self) -> Wait<'a> {
        let own = Identity::own();
        match self.try_take(own.word()) {
            Some(had) => had,
            None => self.wait(own),
        }
    }

    fn held(self, word: u64) -> Held<'a> {
        Held {
            lock: self,
            word,
            epoch: self.epoch.load(Relaxed),
        }
    }

    fn try_take(self, word: u64) -> Option<Wait<'a>> {
        // Acquire: pairs with the Release of who let go, whose changes are then seen.
        self.word.compare_exchange(0, word, Acquire, Relaxed).ok()?;
        let held = self.held(word);
        // Acquire: what was changed without the lock is seen by who mends it.
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
            if seen == 0
                && let Some(had) = self.try_take(own.word())
            {
                return had;
            }
            hint::spin_loop();
        }
        let begun = now();
        let mut looked = false;
        loop {
            let seen = self.word.load(Relaxed);
            let waited = now().saturating_sub(begun);
            if seen == 0 {
                // Others may sleep, too: whoever has slept wakes the next one.
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
                self.flag(seen, SUSPECT);
                return Wait::InVain;
            }
            if self.flag(seen, WAITERS) {
                let until = if looked { LIMIT } else { FIRST_LOOK };
                sleep(
                    self.word,
                    (seen | WAITERS) as u32,
                    until.saturating_sub(waited),
                );
            }
        }
    }

    /// Sets a flag, if the word is still as it was seen.
    fn flag(self, seen: u64, flag: u64) -> bool {
        if flag == SUSPECT {
            // Before the flag, so that nobody finds the flag and an old time.
            self.since.store(now().as_nanos() as u64, Relaxed);
        }
        // Release: publishes the time.
        self.word
            .compare_exchange(seen, seen | flag, Release, Relaxed)
            .is_ok()
    }

    fn is_fenced(self) -> bool {
        let since = self.since.load(Acquire);
        // A time to come is of another boot.
        let passed = (now().as_nanos() as u64).checked_sub(since);
        passed.is_none_or(|passed| passed > FENCED_AFTER.as_nanos() as u64)
    }

    fn take_over(self, seen: u64, own: u64) -> Option<Held<'a>> {
        // Acquire: what the former holder changed is to be seen.
        self.word
            .compare_exchange(seen, own | WAITERS, Acquire, Relaxed)
            .ok()?;
        self.epoch.fetch_add(1, Relaxed);
        Some(self.held(own | WAITERS))
    }

    /// For tests: puts somebody else there as the holder.
    #[cfg(test)]
    pub(super) fn pretend(self, holder: Identity) {
        self.word.store(holder.word(), Release);
    }
}

impl Held<'_> {
    /// Lets go; whether the lock had been held all the time.
    pub(super) fn release(self) -> bool {
        let kept = self.let_go();
        core::mem::forget(self);
        kept
    }

    /// Whether the lock is held still.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept_as(self.lock.word.load(Relaxed))
    }

    fn is_kept_as(&self, seen: u64) -> bool {
        seen & !FLAGS == self.word & !FLAGS && self.lock.epoch.load(Relaxed) == self.epoch
    }

    fn let_go(&self) -> bool {
        let word = self.lock.word;
        let mut seen = self.word;
        loop {
            if !self.is_kept_as(seen) {
                // Release: publishes what was changed since.
                self.lock.disturbed.store(1, Release);
                return false;
            }
            // Release: publishes what was changed under the lock.
            match word.compare_exchange(seen, 0, Release, Relaxed) {
                Ok(_) => break,
                Err(flagged) => seen = flagged,
            }
        }
        if seen & WAITERS != 0 {
            wake_one(word);
        }
        true
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Whether a suspect may be looked after: once in a millisecond in each process, because it takes system calls.
fn is_time_to_look() -> bool {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let present = now().as_millis() as u64;
    LAST.swap(present, Relaxed) != present
}

/// The monotonic clock, the same for all processes of a boot.
pub(super) fn now() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The half of the word that has the flags.
fn lower_half(word: &AtomicU64) -> *mut u32 {
    let half = if cfg!(target_endian = "big") { 1 } else { 0 };
    // SAFETY: a word has two halves.
    unsafe { word.as_ptr().cast::<u32>().add(half) }
}

/// Sleeps while the word's lower half is `seen`, until somebody wakes one, for so long at most.
fn sleep(word: &AtomicU64, seen: u32, most: Duration) {
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: most.subsec_nanos() as libc::c_long,
    };
    // SAFETY: an address in mapped memory and a time. Not FUTEX_PRIVATE: the word is shared by processes.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            lower_half(word),
            libc::FUTEX_WAIT,
            seen,
            &raw const time,
        )
    };
}

fn wake_one(word: &AtomicU64) {
    let nothing = ptr::null::<libc::timespec>();
    // SAFETY: an address in mapped memory.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            lower_half(word),
            libc::FUTEX_WAKE,
            1,
            nothing,
        )
    };
}
