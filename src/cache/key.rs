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
    version: u16,
    len: u8,
}

/// A key as an entry keeps it: the id, its length less one (five bits), the version.
pub(super) type Parts = ([u64; ID_WORDS], u8, u16);

impl Key {
    /// The key of the session with this id and protocol version; `None` if the id is empty or longer than TLS allows, or if
    /// the version has more than the 16 bits of TLS.
    pub fn new(id: &[u8], version: i32) -> Option<Key> {
        let version = u16::try_from(version).ok()?;
        // Nearly all ids have the full length, and a copy of a known length is four instructions.
        let bytes = match <[u8; LONGEST_ID]>::try_from(id) {
            Ok(whole) => whole,
            Err(_) => {
                let mut padded = [0; LONGEST_ID];
                padded.get_mut(..id.len())?.copy_from_slice(id);
                padded
            }
        };
        let (words, _) = bytes.as_chunks();
        (!id.is_empty()).then(|| Key {
            id: std::array::from_fn(|number| u64::from_ne_bytes(words[number])),
            version,
            len: id.len() as u8,
        })
    }

    pub(super) fn parts(&self) -> Parts {
        (self.id, self.len - 1, self.version)
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn of_parts((id, len_less_one, version): Parts) -> Key {
        Key {
            id,
            version,
            len: len_less_one + 1,
        }
    }

    /// The protocol version.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Shows the id to `look`.
    pub fn with_id<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        let mut bytes = [0; LONGEST_ID];
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.id) {
            *place = word.to_ne_bytes();
        }
        look(&bytes[..usize::from(self.len)])
    }

    /// The whole key in words; different for different keys.
    pub(crate) fn words(&self) -> [u64; WORDS] {
        let [a, b, c, d] = self.id;
        let rest = u64::from(self.version) << 8 | u64::from(self.len);
        [a, b, c, d, rest]
    }
}

impl fmt::Debug for Key {
    /// Omits the id: a reader of a log could resume the session with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.len)
    }
}
