//! The layout of the stats page, in words of 64 bits, in the byte order of the machine.
//!
//! A header is followed by the slots. Words are written one by one as they change: a reader sees each word whole, but not
//! all as of one moment. The only words that readers may write are the requests, from [`header::FLUSH`] on.

#![allow(missing_docs)] // most names say what the words are

use super::figures::{ATTRIBUTES_MOST, NUMBER, REGION_FIGURES};

/// "sslcpage".
pub const MAGIC: u64 = u64::from_be_bytes(*b"sslcpage");
pub const VERSION: u64 = 4;

pub mod header {
    use super::*;

    /// Written last, after the rest.
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 1;
    /// The pid namespace of the processes; 0 if it is not known. Then a lock on the file, flock(2), tells whether any of its
    /// processes exists.
    pub const PIDS: usize = 2;
    pub const USER: usize = 3;
    /// When the page was made, in seconds of the epoch.
    pub const MADE: usize = 4;
    /// Processes that found no slot.
    pub const UNSEEN: usize = 5;
    /// Counts requests for a flush. The first of the words that readers write.
    pub const FLUSH: usize = 6;
    /// Counts orders to end the turn of the ticket keys.
    pub const TURN: usize = 7;
    /// Counts orders to forget the ticket keys.
    pub const FORGET: usize = 8;
    /// How many words readers write, from `FLUSH` on.
    pub const REQUESTS_NUMBER: usize = 3;
    /// The last request for a flush that a process has carried out for all.
    pub const FLUSHED: usize = 9;
    /// The sums of processes that have ended.
    pub const DEPARTED: usize = 10;
    pub const REGION: usize = DEPARTED + NUMBER;
    /// The shared ticket keys: `TicketKeys`, word by word.
    pub const KEYS: usize = REGION + REGION_FIGURES.len();
    /// The first epoch whose keys of the fleet may be used after the order to forget keys. Only the processes of the tree go by
    /// it.
    pub const FIRST_EPOCH: usize = 90;
    /// The last orders about ticket keys that a process has carried out for all. Only the processes of the tree go by them.
    pub const TURNED: usize = 91;
    pub const FORGOTTEN: usize = 92;
    /// The tick at which every slot was last found to be of a living process; 0: never. Only the processes of the tree go by
    /// it.
    pub const FULL: usize = 93;
    /// Forks whose children have not yet taken their slots. While there are any, a page is not known to be
    /// abandoned because no slot is taken.
    pub const EXPECTED: usize = 94;
    /// The boot in which ticks are counted; 0 if it is not known.
    pub const BOOT: usize = 95;
    pub const TEXT: usize = 96;
    pub const WORDS: usize = 512;

    const _: () = assert!(KEYS + 4 <= FIRST_EPOCH);
}

pub mod slot {
    use super::*;

    /// The process's id; 0 if the slot is free. A process that died without releasing it keeps it until another process
    /// finds no free slot.
    pub const PID: usize = 0;
    /// The tick at which the process took the slot; 0 until it has written it. A process with this id is the same one if it
    /// began no later.
    pub const TAKEN: usize = 1;
    /// When this was last written, in seconds of the epoch; 0: never.
    pub const PUBLISHED: usize = 2;
    /// The pid namespace of the process; 0 if it is that of the header.
    pub const PIDS: usize = 3;
    pub const CONTEXTS: usize = 4;
    pub const SESSIONS: usize = 5;
    pub const MEMORY: usize = 6;
    pub const FIGURES: usize = 8;
    pub const SHOWN: usize = FIGURES + NUMBER;
    pub const FIRST_CONTEXT: usize = 56;
    pub const WORDS: usize = 256;

    const _: () = assert!(SHOWN < FIRST_CONTEXT);
}

pub mod context {
    use super::*;

    /// Mode, verify mode, length of the session id context, flags, whose ticket keys: 32, 8, 8, 8, 8 bits.
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
    /// Two attributes in a word, the first one in its lower half.
    pub const ATTRIBUTES: usize = 10;
    pub const WORDS: usize = ATTRIBUTES + ATTRIBUTES_MOST / 2;
}

/// Contexts that are published one by one; in a program with more, most are alike.
pub const CONTEXTS_SHOWN: usize = (slot::WORDS - slot::FIRST_CONTEXT) / context::WORDS;
/// Processes of one tree that are published.
pub const SLOTS: usize = 128;
pub const WORDS: usize = header::WORDS + SLOTS * slot::WORDS;
pub const BYTES: usize = WORDS * 8;

/// The first word of a slot.
pub const fn slot_at(number: usize) -> usize {
    header::WORDS + number * slot::WORDS
}
