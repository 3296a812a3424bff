//! The places in a mailbox. Another process wrote what stands there, perhaps with another version of this library.

/// A number that another layout, or other meanings in it, change.
pub const VERSION: u32 = 1;
pub const MAGIC: u64 = u64::from_be_bytes(*b"sslcmail");

/// Places in the header; the word at 8 is [`NOWHERE`](crate::shm::Memory).
pub mod header {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 16;
    /// The second, since 1970, in which the agent was last at work.
    pub const BEAT: usize = 32;
    /// How often keys were published; its lowest bit is the number of the valid copy.
    pub const PUBLISHED: usize = 40;
}

/// The two copies of the keys: the number of keys, the keys, and a checksum at the end.
pub const COPIES: usize = 4096;
pub const COPY_BYTES: usize = 8192;

/// The size of a mailbox.
pub const BYTES: usize = COPIES + 2 * COPY_BYTES;
