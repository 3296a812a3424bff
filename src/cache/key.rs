//! The key of a cached session: its whole id and its protocol version.
//!
//! A key is a snapshot. It is compared and hashed in full, so that two sessions meet in one entry only if they are the
//! same session to TLS; nothing shorter than the key ever decides.

use std::fmt;
use std::hash::{Hash, Hasher};

/// SSL_MAX_SSL_SESSION_ID_LENGTH
const LONGEST_ID: usize = 32;

/// A session id of 0 to 32 bytes together with the protocol version it was made under.
///
/// An id alone is not enough: libssl keeps two sessions of one id and different versions apart, and so do we.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The id, zeros up to 32 bytes, its length, the version. Bytes throughout: an entry of the cache then has no
    /// padding around its key, and comparing and hashing are one pass over one array.
    bytes: [u8; LONGEST_ID + 1 + size_of::<i32>()],
}

impl Key {
    /// What a vacant entry holds in place of the key it had.
    pub(super) const BLANK: Key = Key {
        bytes: [0; LONGEST_ID + 1 + size_of::<i32>()],
    };

    /// The key of the session with this id and protocol version; `None` if the id is longer than TLS allows.
    pub fn new(id: &[u8], version: i32) -> Option<Key> {
        let mut bytes = Key::BLANK.bytes;
        bytes
            .get_mut(..LONGEST_ID)?
            .get_mut(..id.len())?
            .copy_from_slice(id);
        bytes[LONGEST_ID] = id.len() as u8;
        bytes[LONGEST_ID + 1..].copy_from_slice(&version.to_ne_bytes());
        Some(Key { bytes })
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // All lengths are equal, so the length prefix that an array's own Hash writes would say nothing.
        state.write(&self.bytes);
    }
}

impl fmt::Debug for Key {
    /// Leaves the id out: whoever reads it in a log can resume the session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.bytes[LONGEST_ID])
    }
}
