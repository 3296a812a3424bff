//! The shared region's face; what is behind it follows in the next commits.

use std::fmt;
use std::io;
use std::path::Path;

use crate::cache::{Expiry, Key, Standing};

/// Bytes that `Region::with_page` shows.
pub const PAGE_BYTES: usize = 4000;

/// One piece of memory that many processes use at the same time.
pub struct Region(());

/// Those contexts that share sessions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Realm(u128);

impl Realm {
    /// The realm of a group, by a digest of what its members have in common.
    pub const fn named(digest: u128) -> Realm {
        Realm(digest)
    }
}

/// A realm's part of a region.
#[derive(Clone, Copy)]
pub struct Share<'a> {
    _region: &'a Region,
    _realm: Realm,
}

/// Of a record that was found: what the caller told of it when it was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// The caller's digest of the session.
    pub mark: u32,
    /// Its last good second.
    pub expiry: Expiry,
}

/// Why a named region is not used.
#[derive(Debug)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What has happened in a region so far, in all processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls of `get`, `holds` and `take`.
    pub gets: u64,
    /// Of these, how many found the record.
    pub hits: u64,
    /// Of these, how many found none of the key (or, for `holds` and `take`, of the mark).
    pub absent: u64,
    /// Of these, how many found one that had expired.
    pub expired: u64,
    /// Records that were not whole, or that the caller could not decode.
    pub undecodable: u64,
    /// Records put.
    pub puts: u64,
    /// Records not put: too long, no time, no room.
    pub refused: u64,
    /// Records that left to make room.
    pub evictions: u64,
    /// Records taken.
    pub takes: u64,
    /// Calls that missed because a lock was not had in time.
    pub time_outs: u64,
    /// Locks that were taken from a process that had died.
    pub recovered: u64,
    /// Parts of the region in which something made no sense, and which were made anew from their records.
    pub rebuilt: u64,
    /// Calls that missed because the region's file is not what it was.
    pub off: u64,
    /// Records there are.
    pub records: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

impl Region {
    /// A region of anonymous memory, for this process and those that will be forked from it.
    pub fn anonymous(_bytes: usize) -> io::Result<Region> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The region in this file, made if there is none.
    pub fn named(_path: &Path, _bytes: usize) -> Result<Region, Refusal> {
        Err(Refusal("not built yet".into()))
    }

    /// A realm that nobody else has.
    pub fn fresh_realm(&self) -> Realm {
        Realm(0)
    }

    /// The share of a realm. `capacity`, 0 meaning no bound by number, counts only where the realm is new here.
    pub fn share(&self, _realm: Realm, _capacity: usize) -> Option<Share<'_>> {
        None
    }

    /// Notes that several processes use the region.
    pub fn mark_shared(&self) {}

    /// Whether several processes use the region.
    pub fn is_shared(&self) -> bool {
        false
    }

    /// What has happened so far.
    pub fn figures(&self) -> Figures {
        Figures::default()
    }

    /// Counts a record that the caller found and could not decode.
    pub fn count_undecodable(&self) {}

    /// Walks everything, with all locks held.
    pub fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// Shows the page for keys under its lock, and keeps what `act` changed in it; None if the lock is not had in time.
    pub fn with_page<R>(&self, _act: impl FnOnce(&mut [u8; PAGE_BYTES]) -> R) -> Option<R> {
        None
    }
}

impl Share<'_> {
    /// Puts a record, in place of one of the same key.
    pub fn put(
        &self,
        _key: &Key,
        _mark: u32,
        _record: &[u8],
        _expiry: Expiry,
        _standing: Standing,
        _now: i64,
    ) -> bool {
        false
    }

    /// Copies out the record of this key; a use of it. One that has expired is removed.
    pub fn get(&self, _key: &Key, _now: i64, _record: &mut Vec<u8>) -> Option<Found> {
        None
    }

    /// Whether the record of this key has this mark and is still good; a use of it.
    pub fn holds(&self, _key: &Key, _mark: u32, _now: i64) -> bool {
        false
    }

    /// Removes the record of this key (and, if one is given, of this mark). Of all who take it exactly one gets it.
    pub fn take(
        &self,
        _key: &Key,
        _mark: Option<u32>,
        _now: i64,
        _record: Option<&mut Vec<u8>>,
    ) -> Option<Found> {
        None
    }

    /// Removes the record of this key.
    pub fn remove(&self, _key: &Key) -> bool {
        false
    }

    /// Gives the record of this key and mark another expiry; not a use.
    pub fn set_expiry(&self, _key: &Key, _mark: u32, _expiry: Expiry) -> bool {
        false
    }

    /// Whether there is a good record of this key; not a use.
    pub fn contains(&self, _key: &Key, _now: i64) -> bool {
        false
    }

    /// The standing of a client that offered a session of this key, which was not found.
    pub fn standing_of(&self, _key: &Key) -> Standing {
        Standing::Returning
    }

    /// Removes everything, or what has `before > expiry`; how many.
    pub fn flush(&self, _expired_before: Option<i64>) -> usize {
        0
    }

    /// How many records the realm has, expired ones too.
    pub fn len(&self) -> usize {
        0
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many it may have; 0: no bound by number.
    pub fn capacity(&self) -> usize {
        0
    }

    /// Changes that. What is too many leaves with the next put.
    pub fn set_capacity(&self, _capacity: usize) {}
}
