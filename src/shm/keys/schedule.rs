//! The schedule of ticket keys: when a key makes tickets, and how long it opens them.
//!
//! A key makes tickets during its turn, and opens them for as long as one of them may be good. An attacker who obtains the
//! key can read every TLS 1.2 connection in which its tickets were made, so a key should not exist for long. But a ticket
//! lives for two hours, unless the program says otherwise, and its key with it: a turn of an hour adds half of that, and a
//! shorter one would gain little and renew more tickets. Tickets that live for longer than half a day have keys of their
//! own, so that they do not prolong the life of other keys. These have turns of 4 hours and 40 minutes, so that the key
//! page has room for every key that still opens a ticket. The end of a key follows from its beginning and needs neither a
//! successor nor a process that watches.

use zeroize::Zeroize;

/// A ticket is good for no longer than TLS 1.3 allows: seven days.
pub const LONGEST_LIFETIME: u32 = 7 * 24 * 60 * 60;

pub(super) const NAME_BYTES: usize = 16;
pub(super) const SECRET_BYTES: usize = 32;

/// How long a key makes tickets with a lifetime of up to `SHORT`, in seconds.
const TURN: i64 = 60 * 60;
pub(super) const SHORT: u32 = 12 * 60 * 60;
/// How long a key makes tickets with a longer lifetime: 4 hours and 40 minutes.
pub(super) const LONG_TURN: i64 = LONGEST_LIFETIME as i64 / 36;
/// A key may make tickets for so many seconds after its turn: processes that have not looked at the page since, or that
/// did not get its lock in time, still use it.
pub(super) const LAG: i64 = 60;
/// The most keys that can open tickets at one time: of each kind those whose turn is over, and the one that has the turn.
pub(super) const MOST_KEYS: usize = {
    let short = (SHORT as i64 + LAG) / TURN + 2;
    let long = (LONGEST_LIFETIME as i64 + LAG) / LONG_TURN + 2;
    (short + long) as usize
};
/// Keys stay plausible if the clock is set back by up to so many seconds.
const SET_BACK: i64 = 60 * 60;

/// Identifies the key that a ticket was made with; sent in the clear.
pub type KeyName = [u8; NAME_BYTES];

/// A key that has not been used yet: random bytes.
pub struct FreshKey {
    /// The name that it will have.
    pub name: KeyName,
    /// The secret that the keys of tickets are derived from.
    pub secret: [u8; SECRET_BYTES],
}

impl Drop for FreshKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// A key that makes or opens tickets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TicketKey {
    /// The first bytes of its tickets.
    pub name: KeyName,
    /// The secret that the keys of tickets are derived from.
    pub secret: [u8; SECRET_BYTES],
    /// The second in which its turn began.
    pub(super) made: i64,
    /// The longest lifetime of its tickets, in seconds.
    pub(super) lifetime: u32,
}

impl TicketKey {
    const NONE: Self = Self {
        name: [0; NAME_BYTES],
        secret: [0; SECRET_BYTES],
        made: 0,
        lifetime: 0,
    };

    /// True if it makes tickets with a lifetime over `SHORT`.
    fn is_long(&self) -> bool {
        self.lifetime > SHORT
    }

    /// The second in which its turn is over.
    fn end_of_turn(&self) -> i64 {
        let turn = if self.is_long() { LONG_TURN } else { TURN };
        self.made.saturating_add(turn)
    }

    fn has_turn(&self, now: i64) -> bool {
        (self.made.saturating_sub(SET_BACK)..self.end_of_turn()).contains(&now)
    }

    /// The last second in which one of its tickets may be good.
    fn until(&self) -> i64 {
        self.end_of_turn()
            .saturating_add(LAG + i64::from(self.lifetime))
    }
}

/// What may be told of the keys to anybody.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The second in which the turn of the key that makes tickets began; 0 if there is no key.
    pub made: i64,
    /// The second in which its turn ends.
    pub turn_ends: i64,
    /// How many keys open tickets.
    pub number: u64,
    /// The second in which the last of them ends, if no key follows.
    pub until: i64,
}

/// All keys that make or open tickets, the newest first. Wiped on drop; it should not be moved, as moving leaves a copy
/// behind.
pub struct TicketKeys {
    pub(super) keys: [TicketKey; MOST_KEYS],
    pub(super) number: usize,
}

impl Drop for TicketKeys {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Default for TicketKeys {
    /// No key.
    fn default() -> Self {
        Self {
            keys: [TicketKey::NONE; MOST_KEYS],
            number: 0,
        }
    }
}

impl TicketKeys {
    /// What may be told of the keys.
    pub fn summary(&self) -> Summary {
        let newest = self.used().iter().max_by_key(|key| key.made);
        newest.map_or_else(Summary::default, |newest| Summary {
            made: newest.made,
            turn_ends: newest.end_of_turn(),
            number: self.number as u64,
            until: self.used().iter().map(TicketKey::until).max().unwrap_or(0),
        })
    }

    /// The longest lifetimes of the newest keys: of the key for short-lived tickets and, if there is one, of that for others.
    pub fn lifetimes(&self) -> impl Iterator<Item = u32> {
        let of = |lifetime| self.newest_for(lifetime).map(|key| key.lifetime);
        [Some(of(0).unwrap_or(0)), of(LONGEST_LIFETIME)]
            .into_iter()
            .flatten()
    }

    /// Drops keys whose tickets have all expired, and lets `fresh` begin its turn if no key has one for tickets of this
    /// `lifetime`. Called without the key page, where that is not available, it begins keys that only this process has.
    /// True if the keys have changed.
    pub fn go_on(&mut self, now: i64, lifetime: u32, fresh: Option<&FreshKey>) -> bool {
        let lifetime = lifetime.min(LONGEST_LIFETIME);
        let mut changed = self.drop_ended(now);
        if let Some(fresh) = fresh
            && !self
                .newest_for(lifetime)
                .is_some_and(|newest| newest.has_turn(now))
        {
            self.begin(fresh, now, lifetime);
            changed = true;
        }
        let is_long = lifetime > SHORT;
        let mut used = self.used_mut().iter_mut();
        if let Some(newest) = used.find(|key| key.is_long() == is_long)
            && newest.has_turn(now)
            && newest.lifetime < lifetime
        {
            newest.lifetime = lifetime;
            changed = true;
        }
        changed
    }

    /// Copies the keys of another set.
    pub fn copy(&mut self, other: &Self) {
        self.clear();
        self.keys = other.keys;
        self.number = other.number;
    }

    /// The key that makes tickets of this lifetime now; `None` if the key page has to be read.
    pub fn making(&self, now: i64, lifetime: u32) -> Option<&TicketKey> {
        self.newest_for(lifetime).filter(|newest| {
            newest.has_turn(now) && newest.lifetime >= lifetime.min(LONGEST_LIFETIME)
        })
    }

    /// As `making`, but accepts a key whose turn has been over for less than a minute.
    pub fn making_late(&self, now: i64, lifetime: u32) -> Option<&TicketKey> {
        self.making(now.saturating_sub(LAG), lifetime)
    }

    /// True if there is no key.
    pub fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// The newest key for tickets of this lifetime, even if its turn is over.
    fn newest_for(&self, lifetime: u32) -> Option<&TicketKey> {
        let is_long = lifetime > SHORT;
        self.used().iter().find(|key| key.is_long() == is_long)
    }

    /// The key that a ticket was made with, if the ticket may still be good; and true if that key has its turn.
    pub fn opening(&self, name: &KeyName, now: i64) -> Option<(&TicketKey, bool)> {
        let key = self.used().iter().find(|key| key.name == *name)?;
        let is_newest = self.newest_for(key.lifetime) == Some(key);
        (now <= key.until()).then_some((key, is_newest && key.has_turn(now)))
    }

    pub(super) fn used(&self) -> &[TicketKey] {
        &self.keys[..self.number]
    }

    fn used_mut(&mut self) -> &mut [TicketKey] {
        &mut self.keys[..self.number]
    }

    fn drop_ended(&mut self, now: i64) -> bool {
        let before = self.number;
        let mut kept = 0;
        for at in 0..before {
            if now <= self.keys[at].until() {
                self.keys.swap(kept, at);
                kept += 1;
            }
        }
        self.wipe_from(kept);
        kept < before
    }

    pub(super) fn begin(&mut self, fresh: &FreshKey, now: i64, lifetime: u32) {
        self.keys.rotate_right(1); // if all places are taken, the oldest comes to the front and is overwritten
        self.keys[0] = TicketKey {
            name: fresh.name,
            secret: fresh.secret,
            made: now,
            lifetime,
        };
        self.number = (self.number + 1).min(MOST_KEYS);
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.wipe_from(0);
    }

    fn wipe_from(&mut self, first: usize) {
        for key in &mut self.keys[first..] {
            key.secret.zeroize();
            *key = TicketKey::NONE;
        }
        self.number = self.number.min(first);
    }

    /// True if keys like these can have been made: none in the future, none with an impossible lifetime or secret.
    pub(super) fn is_plausible(&self, now: i64) -> bool {
        let latest = now.saturating_add(SET_BACK);
        self.used().iter().all(|key| {
            (0..=latest).contains(&key.made)
                && key.lifetime <= LONGEST_LIFETIME
                && key.secret != [0; SECRET_BYTES]
        })
    }
}
