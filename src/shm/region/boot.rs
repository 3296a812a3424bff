//! Which boot of the machine this is.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::shm::mix::mix;
use crate::sys::files::read_beginning;

/// A digest of the kernel's name for this boot; `None` where it cannot be read.
pub fn boot() -> Option<u64> {
    static BOOT: AtomicU64 = AtomicU64::new(0);
    let known = BOOT.load(Ordering::Relaxed);
    if known != 0 {
        return Some(known);
    }
    let mut text = [0; 64];
    let len = read_beginning(c"/proc/sys/kernel/random/boot_id", &mut text);
    let (words, _) = text.as_chunks::<8>();
    let digest = words
        .iter()
        .fold(1, |sum, word| mix(sum ^ u64::from_ne_bytes(*word)));
    (len > 0).then(|| {
        BOOT.store(digest, Ordering::Relaxed);
        digest
    })
}
