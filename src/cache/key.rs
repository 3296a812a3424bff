//! The key of a cached session: its whole id and its protocol version.
//!
//! A key is a snapshot. It is always compared and hashed in full, so that two sessions share an entry only if they are the
//! same session to TLS.

use std::fmt;

/// SSL_MAX_SSL_SESSION_ID_LENGTH
const LONGEST_ID: usize = 32;
/// Words of an id, with zeros up to the longest.
const ID_WORDS: usize = LONGEST_ID / size_of::<u64>();
/// Words of a key: those of its id, and one for length and version.
pub(crate) const WORDS: usize = ID_WORDS + 1;

/// A session id of 1 to 32 bytes together with the protocol version it was made under.
///
/// An id alone is not enough: libssl keeps two sessions of one id and different versions apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The id, filled up with zeros to 32 bytes; in words, so that comparing and hashing take few instructions.
    id: [u64; ID_WORDS],
    /// The version, then the length of the id less one (five bits), then [`FREE_BITS`] zeros.
    rest: u32,
}

/// The lowest bits of a key's rest, in which an entry keeps other things.
pub(super) const FREE_BITS: u32 = 11;
const VERSION_AT: u32 = FREE_BITS + 5;

/// A key as an entry keeps it.
pub(super) type Parts = ([u64; ID_WORDS], u32);

impl Key {
    /// The key of the session with this id and protocol version; `None` if the id is empty or longer than TLS allows, or if
    /// the version has more than the 16 bits of TLS.
    #[inline]
    pub fn new(id: &[u8], version: i32) -> Option<Key> {
        let version = u32::from(u16::try_from(version).ok()?);
        // Nearly all ids have the full length, and a copy of a known length is four instructions.
        let (bytes, len) = match <[u8; LONGEST_ID]>::try_from(id) {
            Ok(whole) => (whole, LONGEST_ID),
            Err(_) => padded(id)?,
        };
        let (words, _) = bytes.as_chunks();
        Some(Key {
            id: std::array::from_fn(|number| u64::from_ne_bytes(words[number])),
            rest: version << VERSION_AT | (len as u32 - 1) << FREE_BITS,
        })
    }

    pub(super) fn parts(&self) -> Parts {
        (self.id, self.rest)
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn of_parts((id, rest): Parts) -> Key {
        Key { id, rest }
    }

    /// The protocol version.
    pub fn version(&self) -> u16 {
        (self.rest >> VERSION_AT) as u16
    }

    fn len(&self) -> usize {
        (self.rest >> FREE_BITS & 0x1f) as usize + 1
    }

    /// Shows the id to `look`.
    pub fn with_id<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        let mut bytes = [0; LONGEST_ID];
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.id) {
            *place = word.to_ne_bytes();
        }
        look(&bytes[..self.len()])
    }

    /// The whole key in words; different for different keys.
    pub(crate) fn words(&self) -> [u64; WORDS] {
        let [a, b, c, d] = self.id;
        [a, b, c, d, u64::from(self.rest)]
    }
}

/// An id of less than the full length, and its length; `None` if it is empty or longer.
#[cold]
fn padded(id: &[u8]) -> Option<([u8; LONGEST_ID], usize)> {
    let mut padded = [0; LONGEST_ID];
    padded.get_mut(..id.len())?.copy_from_slice(id);
    (!id.is_empty()).then_some((padded, id.len()))
}

impl fmt::Debug for Key {
    /// Omits the id: a reader of a log could resume the session with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.len())
    }
}
