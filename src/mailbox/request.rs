//! What processes ask and tell the agent about sessions, and how that is written: fixed widths, the highest byte first.

use zeroize::Zeroizing;

/// The bytes of what names a group's partition on all hosts.
pub type Realm = [u8; 32];

/// The most bytes of a session id.
const ID_MOST: usize = 32;
/// A name as it is written: realm, version, the id's length, the id and zeros.
pub(super) const NAME_BYTES: usize = 32 + 2 + 1 + ID_MOST;

/// What names a session on all hosts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionName {
    realm: Realm,
    version: u16,
    len: u8,
    id: [u8; ID_MOST],
}

impl SessionName {
    #[cfg(test)]
    pub(super) const NONE: Self = Self {
        realm: [9; 32],
        version: 0x303,
        len: 1,
        id: [0; ID_MOST],
    };

    /// The name of the session of this realm, protocol version and id; `None` if TLS has no such id.
    pub fn new(realm: Realm, version: u16, id: &[u8]) -> Option<Self> {
        let mut padded = [0; ID_MOST];
        padded.get_mut(..id.len())?.copy_from_slice(id);
        let len = u8::try_from(id.len()).ok().filter(|len| *len > 0)?;
        Some(Self {
            realm,
            version,
            len,
            id: padded,
        })
    }

    /// The realm.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// The protocol version, as TLS writes it.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The id.
    pub fn id(&self) -> &[u8] {
        &self.id[..usize::from(self.len)]
    }

    pub(super) fn write(&self) -> [u8; NAME_BYTES] {
        let mut bytes = [0; NAME_BYTES];
        bytes[..32].copy_from_slice(&self.realm);
        bytes[32..34].copy_from_slice(&self.version.to_be_bytes());
        bytes[34] = self.len;
        bytes[35..].copy_from_slice(&self.id);
        bytes
    }

    /// The name in bytes that another process wrote.
    pub(super) fn read(bytes: &[u8; NAME_BYTES]) -> Option<Self> {
        let (realm, rest) = bytes.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (&len, id) = rest.split_first()?;
        let name = Self::new(*realm, u16::from_be_bytes(*version), id.get(..len.into())?)?;
        (name.id == *id).then_some(name)
    }
}

/// What a process asks or tells.
pub enum Request<'a> {
    /// Asks for a session.
    Look(&'a SessionName),
    /// Asks for a session that is used once, and uses it.
    Take(&'a SessionName),
    /// Tells of a new session.
    Put {
        /// Its name.
        name: &'a SessionName,
        /// When it was made, in seconds since 1970.
        made: i64,
        /// The last second in which it is good.
        expiry: i64,
        /// Whether it is used once.
        is_used_once: bool,
        /// What other hosts get.
        record: &'a [u8],
    },
    /// Tells that a session is removed.
    Remove(&'a SessionName),
    /// Tells that nothing of a realm is to be found any more.
    Flush {
        /// The realm.
        realm: &'a Realm,
        /// The present second since 1970: what was made up to it on this host, and is told later, does not count either.
        until: i64,
    },
}

/// What a process has asked or told, as the agent reads it.
pub enum OwnedRequest {
    /// See [`Request::Look`].
    Look(SessionName),
    /// See [`Request::Take`].
    Take(SessionName),
    /// See [`Request::Put`].
    Put {
        /// Its name.
        name: SessionName,
        /// When it was made, in seconds since 1970.
        made: i64,
        /// The last second in which it is good.
        expiry: i64,
        /// Whether it is used once.
        is_used_once: bool,
        /// What other hosts get; wiped on drop.
        record: Zeroizing<Vec<u8>>,
    },
    /// See [`Request::Remove`].
    Remove(SessionName),
    /// See [`Request::Flush`].
    Flush {
        /// The realm.
        realm: Realm,
        /// The second, since 1970.
        until: i64,
    },
    /// Sessions are in doubt, as there may have been removals that were not told. [`clear_doubt`] ends that, if it has a number.
    ///
    /// [`clear_doubt`]: super::Hearing::clear_doubt
    Doubt(Option<u64>),
    /// The same, as a removal was told that cannot be read: no process of this library leaves it so, however it ends.
    Damaged,
}

const LOOK: u32 = 1;
const TAKE: u32 = 2;
const PUT: u32 = 3;
const PUT_ONCE: u32 = 4;
const REMOVE: u32 = 5;
const FLUSH: u32 = 6;

/// What is written before a record.
const PUT_HEAD: usize = NAME_BYTES + 8 + 8;

impl Request<'_> {
    /// The number of what is asked.
    pub(super) fn kind(&self) -> u32 {
        match self {
            Self::Look(_) => LOOK,
            Self::Take(_) => TAKE,
            Self::Put { is_used_once, .. } => match is_used_once {
                false => PUT,
                true => PUT_ONCE,
            },
            Self::Remove(_) => REMOVE,
            Self::Flush { .. } => FLUSH,
        }
    }

    /// Whether it has to be read, however late.
    pub(super) fn has_to_arrive(&self) -> bool {
        matches!(self, Self::Remove(_) | Self::Flush { .. })
    }

    /// Gives its bytes, in up to two parts, to `write`.
    pub(super) fn with_bytes<T>(&self, write: impl FnOnce(&[u8], &[u8]) -> T) -> T {
        match self {
            Self::Look(name) | Self::Take(name) | Self::Remove(name) => write(&name.write(), &[]),
            Self::Put {
                name,
                made,
                expiry,
                record,
                ..
            } => {
                let mut head = [0; PUT_HEAD];
                head[..NAME_BYTES].copy_from_slice(&name.write());
                head[NAME_BYTES..][..8].copy_from_slice(&made.to_be_bytes());
                head[NAME_BYTES + 8..].copy_from_slice(&expiry.to_be_bytes());
                write(&head, record)
            }
            Self::Flush { realm, until } => {
                let mut bytes = [0; 40];
                bytes[..32].copy_from_slice(*realm);
                bytes[32..].copy_from_slice(&until.to_be_bytes());
                write(&bytes, &[])
            }
        }
    }
}

impl OwnedRequest {
    /// The request in bytes that another process wrote; `None` if they are none.
    pub(super) fn read(kind: u32, bytes: &[u8]) -> Option<Self> {
        let name = || SessionName::read(bytes.try_into().ok()?);
        match kind {
            LOOK => name().map(Self::Look),
            TAKE => name().map(Self::Take),
            REMOVE => name().map(Self::Remove),
            PUT | PUT_ONCE => {
                let (name, rest) = bytes.split_first_chunk()?;
                let (made, rest) = rest.split_first_chunk()?;
                let (expiry, record) = rest.split_first_chunk()?;
                Some(Self::Put {
                    name: SessionName::read(name)?,
                    made: i64::from_be_bytes(*made),
                    expiry: i64::from_be_bytes(*expiry),
                    is_used_once: kind == PUT_ONCE,
                    record: Zeroizing::new(record.to_vec()),
                })
            }
            FLUSH => {
                let (realm, until) = bytes.split_first_chunk()?;
                Some(Self::Flush {
                    realm: *realm,
                    until: i64::from_be_bytes(until.try_into().ok()?),
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(request: &Request<'_>) -> Option<OwnedRequest> {
        let bytes = request.with_bytes(|one, other| [one, other].concat());
        for cut in 0..bytes.len().min(NAME_BYTES) {
            assert!(OwnedRequest::read(request.kind(), &bytes[..cut]).is_none());
        }
        OwnedRequest::read(request.kind(), &bytes)
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let name = SessionName::new([7; 32], 0x303, b"an id").unwrap();
        let read = there_and_back(&Request::Look(&name));
        assert!(matches!(read, Some(OwnedRequest::Look(read)) if read == name));
        let read = there_and_back(&Request::Take(&name));
        assert!(matches!(read, Some(OwnedRequest::Take(read)) if read == name));
        let read = there_and_back(&Request::Remove(&name));
        assert!(matches!(read, Some(OwnedRequest::Remove(read)) if read == name));
        let (realm, until) = (&[9; 32], -5);
        let read = there_and_back(&Request::Flush { realm, until });
        assert!(matches!(
            read,
            Some(OwnedRequest::Flush {
                realm: [9, ..],
                until: -5
            })
        ));
        for is_used_once in [false, true] {
            let read = there_and_back(&Request::Put {
                name: &name,
                made: 1,
                expiry: i64::MAX,
                is_used_once,
                record: b"a record",
            });
            let Some(OwnedRequest::Put {
                name: read,
                made: 1,
                expiry: i64::MAX,
                is_used_once: once,
                record,
            }) = read
            else {
                panic!("no put");
            };
            assert!(read == name && once == is_used_once && **record == *b"a record");
        }
    }

    #[test]
    fn what_is_no_request_is_not_read() {
        let name = SessionName::new([7; 32], 0x303, &[1; 32]).unwrap();
        let bytes = name.write();
        for kind in [0, FLUSH, 7, u32::MAX] {
            assert!(OwnedRequest::read(kind, &bytes).is_none());
        }
        for len in [0, 33, 255] {
            let mut hostile = bytes;
            hostile[34] = len;
            assert!(OwnedRequest::read(LOOK, &hostile).is_none());
        }
        // Two names that differ in nothing but what follows the id would be one session.
        let mut padded = SessionName::new([7; 32], 0x303, &[1; 31]).unwrap().write();
        padded[NAME_BYTES - 1] = 1;
        assert!(OwnedRequest::read(LOOK, &padded).is_none());
        assert!(OwnedRequest::read(LOOK, &[&bytes[..], &[0]].concat()).is_none());
        assert!(SessionName::new([7; 32], 0x303, &[]).is_none());
        assert!(SessionName::new([7; 32], 0x303, &[1; 33]).is_none());
    }
}
