//! Where everything stands: in words of 64 bits, in the byte order of the machine.
//!
//! A header, then the slots. Words are written one by one as they change: a reader sees each whole, but not all of one
//! moment. The one word that somebody else may write is [`header::FLUSH`].

#![allow(missing_docs)] // names of words, and what is not plain is said

use super::figures::{ATTRIBUTES_MOST, NUMBER, REGION_FIGURES};

/// "sslcpage".
pub const MAGIC: u64 = u64::from_be_bytes(*b"sslcpage");
pub const VERSION: u64 = 2;

pub mod header {
    use super::*;

    /// Last, when the rest is there.
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 1;
    /// The namespace that process ids are of; 0 where it was not known. Then a lock on the file, flock(2), says whether
    /// any of its processes is there.
    pub const PIDS: usize = 2;
    pub const USER: usize = 3;
    /// When it was made, in seconds of the epoch.
    pub const MADE: usize = 4;
    /// Processes that found no slot.
    pub const UNSEEN: usize = 5;
    /// Counts requests for a flush.
    pub const FLUSH: usize = 6;
    /// The last of them that a process has carried out for all.
    pub const FLUSHED: usize = 7;
    /// The sums of processes that are gone.
    pub const DEPARTED: usize = 8;
    pub const REGION: usize = DEPARTED + NUMBER;
    /// The boot in which ticks are counted; 0 where it was not known.
    pub const BOOT: usize = 63;
    pub const TEXT: usize = 64;
    pub const WORDS: usize = 512;

    const _: () = assert!(REGION + REGION_FIGURES.len() <= BOOT);
}

pub mod slot {
    use super::*;

    /// 0: nobody's. Of a process that died it is until another one has no place else.
    pub const PID: usize = 0;
    /// The tick at which it took the slot; 0 while it has not said. Who has its number now is the same if it began no later.
    pub const TAKEN: usize = 1;
    /// When this was last written, in seconds of the epoch; 0: never.
    pub const PUBLISHED: usize = 2;
    pub const CONTEXTS: usize = 4;
    pub const SESSIONS: usize = 5;
    pub const MEMORY: usize = 6;
    pub const FIGURES: usize = 8;
    pub const SHOWN: usize = FIGURES + NUMBER;
    pub const FIRST_CONTEXT: usize = 40;
    pub const WORDS: usize = 240;

    const _: () = assert!(SHOWN < FIRST_CONTEXT);
}

pub mod context {
    use super::*;

    /// Mode, verify mode, length of the session id context, flags: 32, 8, 8, 8 bits.
    pub const KIND: usize = 0;
    pub const OPTIONS: usize = 1;
    pub const CAPACITY: usize = 2;
    pub const SESSIONS: usize = 3;
    pub const HITS: usize = 4;
    pub const MISSES: usize = 5;
    pub const ACCEPTED: usize = 6;
    pub const RESUMED: usize = 7;
    pub const CONNECTED: usize = 8;
    pub const ORIGIN: usize = 9;
    /// Two to a word, the first one in its lower half.
    pub const ATTRIBUTES: usize = 10;
    pub const WORDS: usize = ATTRIBUTES + ATTRIBUTES_MOST / 2;
}

/// Contexts that are shown one by one; a program with more has most of them alike.
pub const CONTEXTS_SHOWN: usize = (slot::WORDS - slot::FIRST_CONTEXT) / context::WORDS;
/// Processes of one tree that are shown.
pub const SLOTS: usize = 128;
pub const WORDS: usize = header::WORDS + SLOTS * slot::WORDS;
pub const BYTES: usize = WORDS * 8;

/// The first word of a slot.
pub const fn slot_at(number: usize) -> usize {
    header::WORDS + number * slot::WORDS
}
