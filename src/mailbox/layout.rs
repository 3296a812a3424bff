//! The places in a mailbox. Another process wrote what stands there, perhaps with another version of this library.

/// A number that another layout, or other meanings in it, change.
pub const VERSION: u32 = 2;
pub const MAGIC: u64 = u64::from_be_bytes(*b"sslcmail");

/// Places in the header; the word at 8 is [`NOWHERE`](crate::shm::Memory). Askers and the agent write into lines of their own.
pub mod header {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 16;
    /// The second, since 1970, in which the agent was last at work.
    pub const BEAT: usize = 32;
    /// How often keys were published; its lowest bit is the number of the valid copy.
    pub const PUBLISHED: usize = 40;
    /// What the agent serves: [`SESSIONS`](super::SESSIONS), [`EARLY_DATA`](super::EARLY_DATA).
    pub const SERVES: usize = 64;
    /// The millisecond until which the agent leaves the store alone.
    pub const RESTS_UNTIL: usize = 72;
    /// The number of the latest news.
    pub const NEWS: usize = 80;
    /// How much of what is owed the agent has done.
    pub const OWED_TAKEN: usize = 88;
    /// The number of the last doubt that the agent has seen to.
    pub const CLEARED: usize = 96;
    /// Changes whenever something is asked or told; the agent waits for that. Written by askers, as is what follows.
    pub const BELL: usize = 128;
    /// The breaker: see `breaker`.
    pub const BREAKER: usize = 192;
    /// How much was ever owed: see `owed`.
    pub const OWED_NEXT: usize = 256;
    /// How often all sessions were in doubt.
    pub const DOUBT: usize = 264;
    /// The number of the last news that the processes have applied.
    pub const APPLIED: usize = 320;
}

/// Bits of what the agent serves.
pub const SESSIONS: u64 = 1;
pub const EARLY_DATA: u64 = 2;

/// The two copies of the keys: the number of keys, the keys, and a checksum at the end.
pub const COPIES: usize = 4096;
pub const COPY_BYTES: usize = 8192;

pub use crate::sys::atomic::SLOTS;
pub const SLOT_BYTES: usize = 16384;
pub const SLOTS_AT: usize = ANSWERED_AT + 4096;
/// Of each slot, the number of the request, when it was begun, and its step: written by askers alone. These lie together, in a
/// line each, so that whoever looks for requests touches no page of a slot that is not used.
pub const WORDS_AT: usize = COPIES + 2 * COPY_BYTES;
/// Of each slot, the number of the request that the agent has answered last: written by the agent alone.
pub const ANSWERED_AT: usize = WORDS_AT + 4096;
/// The bytes of such a line.
pub const LINE_BYTES: usize = 64;
const _: () = assert!(SLOTS * LINE_BYTES <= 4096);

/// Places in a slot. What the asker writes and what the agent writes lie apart: neither has to put right what the other left.
pub mod slot {
    /// What is asked, and the length of the request.
    pub const ABOUT: usize = 0;
    /// A checksum over the number, what is asked and the request.
    pub const SUM: usize = 8;
    pub const REQUEST: usize = 16;
    pub const REQUEST_MOST: usize = REPLY_ABOUT - REQUEST;
    /// What the reply is, and its length: written by the agent alone, as is what follows.
    pub const REPLY_ABOUT: usize = 8192;
    pub const REPLY_SUM: usize = REPLY_ABOUT + 8;
    pub const REPLY: usize = REPLY_ABOUT + 16;
    pub const REPLY_MOST: usize = super::SLOT_BYTES - REPLY;
}

/// The ring of news.
pub const NEWS_AT: usize = SLOTS_AT + SLOTS * SLOT_BYTES;
/// The most news that are kept: whoever has missed more has lost some.
pub const NEWS_MOST: usize = 1024;
/// The bytes of one: its number, what it says, and a checksum.
pub const NEWS_BYTES: usize = 128;

/// The ring of what is owed to the agent.
pub const OWED_AT: usize = NEWS_AT + NEWS_MOST * NEWS_BYTES;
/// The most that is owed.
pub const OWED_MOST: u64 = 4096;
pub const OWED_BYTES: usize = 96;

/// The size of a mailbox.
pub const BYTES: usize = OWED_AT + OWED_MOST as usize * OWED_BYTES;
