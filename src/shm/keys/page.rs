//! The key page: the keys of TLS tickets, which must be the same in all processes.
//!
//! Callers see a private copy, under a lock of the page's own. The region keeps the page twice: a change is written to the
//! copy that is not valid, which one store then makes the valid one. A process that is killed meanwhile leaves the page
//! unchanged or completely changed.

use core::sync::atomic::Ordering::{Relaxed, Release};

use crate::shm::operations::whole::Region;
use crate::shm::process::lock::{Lock, Wait};
use crate::shm::region::layout::{PAGE, header};

/// Bytes of the key page.
pub const PAGE_BYTES: usize = 4000;

/// Which of the two copies is valid.
const VALID: usize = PAGE + 32;
const COPIES: usize = PAGE + 64;
const COPY_BYTES: usize = 4032;
/// Place of the checksum in a copy.
const CHECK: usize = PAGE_BYTES;

impl Region {
    /// Shows the key page to `act` and stores its changes. The page is all zeros at first, and where it is found damaged.
    /// `None` if its lock is not had in time or lost meanwhile; the changes are then not to be relied on.
    pub fn with_key_page<R>(&self, act: impl FnOnce(&mut [u8; PAGE_BYTES]) -> R) -> Option<R> {
        if !self.is_on() {
            self.count_off();
            return None;
        }
        let wait = Lock::at(&self.memory, PAGE).lock();
        let valid = self.memory.u32(VALID).load(Relaxed) as usize & 1;
        let held = match wait {
            Wait::Had(held) => held,
            // A process that died in here may have left keys in the copy that is not valid.
            Wait::TakenOver(held) => {
                self.wipe_copy(1 - valid);
                held
            }
            Wait::InVain => {
                self.memory.u64(header::TIME_OUTS).fetch_add(1, Relaxed);
                return None;
            }
        };
        let mut page = Page([0; PAGE_BYTES]);
        self.read_copy(valid, &mut page);
        let check = self.check(&page);
        let answer = act(&mut page.0);
        if self.check(&page) != check {
            self.write_copy(1 - valid, &page);
            // Release: publishes the copy.
            self.memory.u32(VALID).store(1 - valid as u32, Release);
            self.wipe_copy(valid);
        }
        held.release().then_some(answer)
    }

    fn read_copy(&self, number: usize, page: &mut Page) {
        let at = COPIES + number * COPY_BYTES;
        for (number, bytes) in page.0.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *bytes = self.memory.u64(at + 8 * number).load(Relaxed).to_ne_bytes();
        }
        if self.check(page) != self.memory.u64(at + CHECK).load(Relaxed) {
            page.wipe();
        }
    }

    fn write_copy(&self, number: usize, page: &Page) {
        let at = COPIES + number * COPY_BYTES;
        self.memory.write(at, &page.0);
        self.memory.u64(at + CHECK).store(self.check(page), Relaxed);
    }

    fn wipe_copy(&self, number: usize) {
        let at = COPIES + number * COPY_BYTES;
        self.memory.wipe(at, at + COPY_BYTES);
    }

    fn check(&self, page: &Page) -> u64 {
        let mut sum = self.digests.sum();
        sum.add_bytes(&page.0);
        sum.whole()
    }
}

/// A copy of the page in this process's memory, wiped when it is dropped.
struct Page([u8; PAGE_BYTES]);

impl Page {
    fn wipe(&mut self) {
        for byte in &mut self.0 {
            // SAFETY: `byte` is a live, writable byte of the array. Volatile, so that the compiler keeps a store whose
            // result is not read.
            unsafe { core::ptr::write_volatile(byte, 0) };
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::process::identity::Identity;

    #[test]
    fn killed_before_the_old_keys_are_wiped_leaves_them_to_the_next() {
        let region = Region::anonymous(64 << 10).expect("memory");
        assert!(region.with_key_page(|page| page.fill(7)).is_some());
        let old = COPIES + (1 - region.memory.u32(VALID).load(Relaxed) as usize) * COPY_BYTES;
        region.memory.write(old, &[6; PAGE_BYTES]);
        let nobody = Identity {
            pid: 1,
            start: 5,
            ..Identity::own()
        };
        Lock::at(&region.memory, PAGE).pretend(nobody);
        assert_eq!(region.with_key_page(|page| page[3999]), Some(7));
        let is_wiped = |at| region.memory.u64(at).load(Relaxed) == 0;
        assert!((old..old + COPY_BYTES).step_by(8).all(is_wiped));
    }
}
