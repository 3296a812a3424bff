//! What sessions, and what is said of them, look like in the store. All of it is named and sealed as [`seal`] does it; the body
//! of a value is here.
//!
//! | letter | under the name of | body |
//! |---|---|---|
//! | `s` | realm, generation, the realm's generation, version, id | `S`, the record; `T` where it was removed or taken |
//! | `r` | realm | its generation, which is another one after a flush |
//! | `g` | | the generation |
//! | `c` | | a number, not sealed: how much news there was |
//! | `n` | the number | who says it, and the changes |
//!
//! A realm's generation is a random number, so that it is never that of before; each master key has its own. A session that may be
//! used once is sealed with the letter `e`, and stands under the same name as another one: who only looks
//! does not open it. Numbers are of eight bytes, big endian.

use ring::rand::{SecureRandom, SystemRandom};
use sslcache::mailbox::SessionName;
use zeroize::Zeroizing;

use super::super::keyring::{Keyring, MasterKey};
use super::super::seal::{self, Kind};
use super::super::store::Put;
use std::time::Duration;

/// A session, and what it is sealed as where it may be used once.
const SESSION: Kind = Kind(b's');
const USED_ONCE: Kind = Kind(b'e');
const REALM: Kind = Kind(b'r');
const GENERATION: Kind = Kind(b'g');
const COUNTER: Kind = Kind(b'c');
const NEWS: Kind = Kind(b'n');

const STANDS: u8 = b'S';
const TOMBSTONE: u8 = b'T';

/// A namespace's names and values, with a keyring.
pub struct Form<'a> {
    pub keyring: &'a Keyring,
    pub namespace: &'a str,
}

/// A session's record.
pub type Record = Zeroizing<Vec<u8>>;

/// What stands under the name of a session.
#[derive(Debug, PartialEq, Eq)]
pub enum Session {
    /// It is there.
    Stands(Record),
    /// It was removed or taken.
    Gone,
}

/// Something that is said to all hosts.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// The session is removed.
    Removed(SessionName),
    /// The realm is flushed.
    Flushed([u8; 32]),
}

/// News as it stands in the store.
#[derive(PartialEq, Eq)]
pub struct Entry {
    /// Which agent says it.
    pub origin: [u8; 16],
    pub changes: Vec<Change>,
}

/// The most changes in an entry: far below the longest value of a store.
pub const MOST_CHANGES: usize = 256;

impl Form<'_> {
    fn name(&self, key: &MasterKey, kind: Kind, id: &[&[u8]]) -> String {
        seal::name(key, kind, self.namespace.as_bytes(), id)
    }

    /// The names of something under all master keys, that of the sealing one first.
    fn names(&self, kind: Kind, id: &[&[u8]]) -> Vec<String> {
        let keys = self.keyring.all().iter();
        keys.map(|key| self.name(key, kind, id)).collect()
    }

    /// The names of a session, under those master keys under which the realm's generation is known; that of the sealing key first.
    pub fn session_names(
        &self,
        generation: u64,
        realm: &[Option<u64>],
        session: &SessionName,
    ) -> Vec<String> {
        let keys = self.keyring.all().iter().zip(realm);
        let name = |(key, of_realm): (&MasterKey, &Option<u64>)| {
            Some(self.session_name(key, generation, (*of_realm)?, session))
        };
        keys.filter_map(name).collect()
    }

    /// The name under which a session is put; `None` if the realm's generation is not known.
    pub fn put_name(
        &self,
        generation: u64,
        realm: &[Option<u64>],
        session: &SessionName,
    ) -> Option<String> {
        let of_realm = (*realm.first()?)?;
        Some(self.session_name(self.keyring.sealing(), generation, of_realm, session))
    }

    fn session_name(
        &self,
        key: &MasterKey,
        generation: u64,
        of_realm: u64,
        session: &SessionName,
    ) -> String {
        let id: [&[u8]; 5] = [
            session.realm(),
            &generation.to_be_bytes(),
            &of_realm.to_be_bytes(),
            &session.version().to_be_bytes(),
            session.id(),
        ];
        self.name(key, SESSION, &id)
    }

    /// The names of a realm's generation, one for each master key.
    pub fn realm_names(&self, realm: &[u8; 32]) -> Vec<String> {
        self.names(REALM, &[realm])
    }

    /// The names of the generation.
    pub fn generation_names(&self) -> Vec<String> {
        self.names(GENERATION, &[])
    }

    /// The names of the counters of news.
    pub fn counter_names(&self) -> Vec<String> {
        self.names(COUNTER, &[])
    }

    /// The name of a piece of news that was counted by the counter of this number.
    pub fn news_name(&self, counter: usize, number: u64) -> Option<String> {
        let key = self.keyring.all().get(counter)?;
        Some(self.name(key, NEWS, &[&number.to_be_bytes()]))
    }

    fn seal(&self, kind: Kind, name: &str, expiry: i64, body: &[u8]) -> Option<Vec<u8>> {
        self.seal_with(self.keyring.sealing(), kind, name, expiry, body)
    }

    fn seal_with(
        &self,
        key: &MasterKey,
        kind: Kind,
        name: &str,
        expiry: i64,
        body: &[u8],
    ) -> Option<Vec<u8>> {
        let expiry = u64::try_from(expiry).ok()?;
        let namespace = self.namespace.as_bytes();
        // Without random bytes from the kernel nothing is put.
        seal::seal(key, kind, namespace, name, expiry, body).ok()
    }

    fn open(&self, kind: Kind, name: &str, value: &[u8], now: i64) -> Option<Zeroizing<Vec<u8>>> {
        let now = u64::try_from(now).ok()?;
        let namespace = self.namespace.as_bytes();
        seal::open(self.keyring, kind, namespace, name, value, now).ok()
    }

    /// A session, sealed for this name.
    pub fn session(
        &self,
        name: &str,
        expiry: i64,
        is_used_once: bool,
        record: &[u8],
    ) -> Option<Vec<u8>> {
        let mut body = Zeroizing::new(Vec::with_capacity(1 + record.len()));
        body.push(STANDS);
        body.extend_from_slice(record);
        let kind = match is_used_once {
            true => USED_ONCE,
            false => SESSION,
        };
        self.seal(kind, name, expiry, &body)
    }

    /// What is put in place of a session, for any of its names.
    pub fn tombstone(&self, name: &str, expiry: i64) -> Option<Vec<u8>> {
        self.seal(SESSION, name, expiry, &[TOMBSTONE])
    }

    /// What stands under the name of a session. One that may be used once is only opened for who `takes` it.
    pub fn open_session(&self, name: &str, value: &[u8], takes: bool, now: i64) -> Option<Session> {
        let once = || match takes {
            true => self.open(USED_ONCE, name, value, now),
            false => None,
        };
        let body = self.open(SESSION, name, value, now).or_else(once)?;
        match body.split_first()? {
            (&TOMBSTONE, []) => Some(Session::Gone),
            (&STANDS, record) => Some(Session::Stands(Zeroizing::new(record.to_vec()))),
            _ => None,
        }
    }

    /// New generations of a realm, each of which it never had: for all of its names, each sealed with the name's own key, so that it
    /// opens when the others are gone.
    pub fn new_realm(&self, realm: &[u8; 32], expiry: i64) -> Option<Vec<(String, Vec<u8>)>> {
        let sealed = self.keyring.all().iter().map(|key| {
            let mut generation = [0; 8];
            SystemRandom::new().fill(&mut generation).ok()?;
            let name = self.name(key, REALM, &[realm]);
            let value = self.seal_with(key, REALM, &name, expiry, &generation)?;
            Some((name, value))
        });
        sealed.collect()
    }

    /// The generation of a realm in a value.
    pub fn open_realm(&self, name: &str, value: &[u8], now: i64) -> Option<u64> {
        let body = self.open(REALM, name, value, now)?;
        Some(u64::from_be_bytes(body.as_slice().try_into().ok()?))
    }

    /// A generation, for all of its names.
    pub fn generation(&self, generation: u64, expiry: i64) -> Option<Vec<(String, Vec<u8>)>> {
        let sealed = self.keyring.all().iter().map(|key| {
            let name = self.name(key, GENERATION, &[]);
            let value =
                self.seal_with(key, GENERATION, &name, expiry, &generation.to_be_bytes())?;
            Some((name, value))
        });
        sealed.collect()
    }

    /// The generation in a value.
    pub fn open_generation(&self, name: &str, value: &[u8], now: i64) -> Option<u64> {
        let body = self.open(GENERATION, name, value, now)?;
        Some(u64::from_be_bytes(body.as_slice().try_into().ok()?))
    }

    /// News, sealed for this name.
    pub fn entry(&self, name: &str, entry: &Entry, expiry: i64) -> Option<Vec<u8>> {
        let mut body = entry.origin.to_vec();
        for change in &entry.changes {
            match change {
                Change::Removed(session) => {
                    body.push(b'R');
                    body.extend_from_slice(session.realm());
                    body.extend_from_slice(&session.version().to_be_bytes());
                    body.push(session.id().len() as u8);
                    body.extend_from_slice(session.id());
                }
                Change::Flushed(realm) => {
                    body.push(b'F');
                    body.extend_from_slice(realm);
                }
            }
        }
        self.seal(NEWS, name, expiry, &body)
    }

    /// The news in a value.
    pub fn open_entry(&self, name: &str, value: &[u8], now: i64) -> Option<Entry> {
        let body = self.open(NEWS, name, value, now)?;
        let (origin, mut rest) = body.split_first_chunk()?;
        let mut changes = Vec::new();
        while let Some((letter, after)) = rest.split_first() {
            let (realm, after) = after.split_first_chunk()?;
            let change;
            (change, rest) = match letter {
                b'R' => {
                    let (version, after) = after.split_first_chunk()?;
                    let (length, after) = after.split_first()?;
                    let (id, after) = after.split_at_checked(usize::from(*length))?;
                    let version = u16::from_be_bytes(*version);
                    let session = SessionName::new(*realm, version, id)?;
                    (Change::Removed(session), after)
                }
                b'F' => (Change::Flushed(*realm), after),
                _ => return None,
            };
            changes.push(change);
        }
        Some(Entry {
            origin: *origin,
            changes,
        })
    }
}

/// These values, to be put for so long.
pub fn puts(values: Vec<(String, Vec<u8>)>, ttl: Duration) -> Vec<Put> {
    let put = |(name, value)| Put { name, value, ttl };
    values.into_iter().map(put).collect()
}
