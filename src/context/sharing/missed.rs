//! Sessions of the fleet that were asked for in vain a moment ago. An id that no host has any more, and that a client offers again
//! and again, is one question a second in each process.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::hash::{BuildHasher, RandomState};

use once_cell::race::OnceBox;

use crate::mailbox::SessionName;
use crate::sys::uncancelled::Uncancelled;

/// As many as are remembered. One takes the place of another.
const PLACES: usize = 1024;
/// The bits of an entry that are of the second.
const SECOND_BITS: u32 = 8;

static MISSED: [AtomicU64; PLACES] = [const { AtomicU64::new(0) }; PLACES];

/// The place of a session, and what stands there if it was missed in the second `now`. Nobody outside knows the hash, so nobody
/// can have another's session missed.
fn entry_of(name: &SessionName, now: i64) -> (&'static AtomicU64, u64) {
    static SECRET: OnceBox<RandomState> = OnceBox::new();
    let secret = SECRET.get_or_init(|| {
        let _uncancelled = Uncancelled::new(); // RandomState asks the system for random numbers
        Box::new(RandomState::new())
    });
    let hash = secret.hash_one((name.realm(), name.version(), name.id()));
    let second = now.cast_unsigned() & ((1 << SECOND_BITS) - 1);
    let entry = hash >> SECOND_BITS << SECOND_BITS | second;
    (&MISSED[hash as usize % PLACES], entry)
}

/// Whether it was missed in this second.
pub fn has(name: &SessionName, now: i64) -> bool {
    let (place, entry) = entry_of(name, now);
    // Relaxed, here and below: the word says all of it.
    place.load(Relaxed) == entry
}

/// Notes that no host has the session.
pub fn note(name: &SessionName, now: i64) {
    let (place, entry) = entry_of(name, now);
    place.store(entry, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_missed_for_a_second_and_no_other_is() {
        let name = |id: &[u8]| SessionName::new([1; 32], 0x303, id).unwrap();
        note(&name(b"gone"), 7);
        assert!(has(&name(b"gone"), 7));
        assert!(!has(&name(b"gone"), 8) && !has(&name(b"here"), 7));
        let elsewhere = SessionName::new([2; 32], 0x303, b"gone").unwrap();
        assert!(!has(&elsewhere, 7));
    }
}
