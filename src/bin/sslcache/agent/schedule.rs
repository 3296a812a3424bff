//! Which keys a namespace has, what to look up and to put into the store, and which key makes tickets.
//!
//! Pure: it knows neither a clock nor a store. `serve` tells it the time, asks which epochs to look up (`wanted`) and what to
//! put where the store has nothing (`offer`), and tells it what stands there (`found`) and how the round ended.
//!
//! An epoch is an hour of the host's own clock, and clocks may be an hour apart. The key of an epoch is put two epochs ahead,
//! so that every host has it before any host makes tickets with it. The first one that is put stands: all adopt it, and who
//! had another keeps that for opening.
//!
//! # While the store cannot be reached
//! The key of the next epoch is derived from the last one, by each host for itself, for up to `RATCHET_EPOCHS` epochs after
//! the last one whose key came from the store. Hosts do not lose the store at the same moment, so one may know a key more than
//! another. The newest key in the store counts as *settled* after `SETTLE` seconds of contact, and the ones before it at
//! once; a host goes on from its newest settled key, and opens what those make that go on from the newest or from the one
//! before. So hosts that lose the store within less than `SETTLE` seconds of each other open each other's tickets.
//!
//! # What this cannot keep
//! * A host that is cut off alone has the keys of two hours to come, less the time between two rounds. After that the others
//!   make tickets with keys that it does not have, and it makes tickets with keys that they do not have, until it is back;
//!   what it has made meanwhile is opened by itself only.
//! * If the store comes back empty, and a host without keys reaches it first, then that host never gets the others' keys of the
//!   present epoch and the next one, if they have derived them: they have been superseded when the others come back.
//! * A store that is reached for less than a minute at a time, again and again, cuts off one host after the other.

use std::collections::BTreeMap;
use std::ptr;

use sslcache::mailbox;

mod chains;
#[cfg(test)]
mod fleet;
mod saved;
mod secret;
#[cfg(test)]
mod tests;

pub use secret::Secret;

/// The seconds of an epoch.
pub const EPOCH_SECONDS: u64 = mailbox::EPOCH_SECONDS as u64;
/// The most that two hosts' clocks may differ, in seconds.
pub const SKEW: u64 = 3600;
/// The keys of so many epochs are derived after the last one whose key came from the store.
pub const RATCHET_EPOCHS: u64 = 24;
/// The newest key in the store is settled after so many seconds of contact.
pub const SETTLE: u64 = 300;
/// The seconds between two rounds at the store.
pub const ROUND: u64 = 60;
/// Contact is lost if no round has succeeded for so long.
const LOST: u64 = 2 * ROUND;
/// All epochs are looked up again after so many seconds, in case the store has lost its data.
const WHOLE: u64 = 600;
/// Keys are put for so many epochs ahead, and looked up for one more: another host's clock may be ahead.
const AHEAD: u64 = mailbox::EPOCHS_AHEAD;
/// The most keys of an epoch that open only.
const OTHERS_MOST: usize = 6;

/// Where a key that makes tickets came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It stands, or stood, in the store.
    Store,
    /// Derived from an older one, as the store could not be reached.
    Ratchet,
}

/// Why a key is not taken from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is all zero.
    Zero,
    /// Another epoch has the same.
    Repeated,
    /// Its end has come, or its time is too far ahead.
    OutOfTime,
}

impl Refused {
    /// The reason, for a log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Zero => "it is all zero",
            Self::Repeated => "another epoch has the same",
            Self::OutOfTime => "its epoch is over or too far ahead",
        }
    }
}

/// A key for processes.
pub struct Published<'a> {
    /// Its epoch.
    pub epoch: u64,
    /// The second in which it is wiped.
    pub until: u64,
    /// Its secret.
    pub secret: &'a Secret,
    /// True of one key of an epoch; the others open only.
    pub makes: bool,
}

/// The key that makes tickets now, without its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present {
    /// Its epoch.
    pub epoch: u64,
    /// Where it came from.
    pub origin: Origin,
}

/// The key of an epoch that stands in the store.
struct Stored {
    secret: Secret,
    seen: u64,
    is_settled: bool,
}

/// A key of an epoch that does not stand in the store.
struct Other {
    secret: Secret,
    /// The epoch from whose key it was derived; `None` if it was superseded.
    anchor: Option<u64>,
}

#[derive(Default)]
struct Epoch {
    stored: Option<Stored>,
    others: Vec<Other>,
}

/// Keys that are derived one from the other.
struct Chain {
    /// The epoch of the key from the store.
    anchor: u64,
    is_settled: bool,
    /// The last epoch that has been derived, and its key.
    at: u64,
    secret: Secret,
}

/// The keys of a namespace.
pub struct Schedule {
    namespace: String,
    lifetime: u64,
    epochs: BTreeMap<u64, Epoch>,
    chains: Vec<Chain>,
    /// When a round last succeeded; without one, nothing is derived.
    last_round: Option<u64>,
    /// Since when every round has succeeded.
    contact_since: Option<u64>,
    last_whole: Option<u64>,
}

/// The epoch of a second since 1970.
pub fn epoch_of(now: u64) -> u64 {
    now / EPOCH_SECONDS
}

impl Schedule {
    /// A schedule without keys. `lifetime` is that of tickets, in seconds.
    pub fn new(namespace: &str, lifetime: u64) -> Self {
        Self {
            namespace: namespace.to_owned(),
            lifetime,
            epochs: BTreeMap::new(),
            chains: Vec::new(),
            last_round: None,
            contact_since: None,
            last_whole: None,
        }
    }

    /// Another lifetime of tickets, from now on.
    pub fn set_lifetime(&mut self, lifetime: u64) {
        self.lifetime = lifetime;
    }

    /// The second in which the key of an epoch is wiped: when the last ticket that a host with a slow clock has made with it
    /// is over.
    pub fn end_of(&self, epoch: u64) -> u64 {
        let made = epoch.saturating_add(1).saturating_mul(EPOCH_SECONDS);
        made.saturating_add(self.lifetime).saturating_add(SKEW)
    }

    /// Wipes what is over and derives what is due. To be called before anything else is asked, with the present second.
    pub fn turn(&mut self, now: u64) {
        self.forget_the_future(now);
        let ended = |epoch: u64| self.end_of(epoch) <= now;
        let over: Vec<_> = self
            .epochs
            .keys()
            .copied()
            .filter(|&epoch| ended(epoch))
            .collect();
        for epoch in over {
            self.epochs.remove(&epoch);
        }
        let last = |chain: &Chain| chain.anchor.saturating_add(RATCHET_EPOCHS);
        self.chains.retain(|chain| epoch_of(now) <= last(chain));
        match self.last_round {
            Some(last) if now.saturating_sub(last) > LOST => {
                self.start_chains();
                self.derive(epoch_of(now) + AHEAD);
            }
            _ => {
                let since = self.contact_since;
                if since.is_some_and(|since| now.saturating_sub(since) >= SETTLE) {
                    self.chains.clear();
                }
            }
        }
    }

    /// Drops what a clock that was ahead has left: keys of epochs that are far off yet, from which nothing can be derived for
    /// the present, and contact that is to come.
    fn forget_the_future(&mut self, now: u64) {
        let last = epoch_of(now) + AHEAD + 1;
        self.epochs.retain(|&epoch, _| epoch <= last);
        self.chains
            .retain(|chain| chain.anchor <= last && chain.at <= last);
        let has_been = |second: &u64| *second <= now;
        self.last_whole = self.last_whole.filter(has_been);
        self.contact_since = self.contact_since.filter(has_been);
        self.last_round = self.last_round.map(|last| last.min(now));
    }

    /// Keeps a key that does not stand in the store.
    fn keep(&mut self, epoch: u64, secret: Secret, anchor: Option<u64>) {
        let others = &mut self.epochs.entry(epoch).or_default().others;
        match others.iter_mut().find(|other| other.secret == secret) {
            Some(other) => other.anchor = anchor.or(other.anchor),
            None => {
                if others.len() >= OTHERS_MOST {
                    others.remove(0);
                }
                others.push(Other { secret, anchor });
            }
        }
    }

    /// Whether a key may be that of an epoch.
    fn is_fit(&self, epoch: u64, secret: &Secret) -> Result<(), Refused> {
        if secret.is_zero() {
            return Err(Refused::Zero);
        }
        let elsewhere = self.epochs.iter().filter(|&(&other, _)| other != epoch);
        let is_repeated = elsewhere
            .flat_map(|(_, held)| held.secrets())
            .any(|other| other == secret);
        match is_repeated {
            true => Err(Refused::Repeated),
            false => Ok(()),
        }
    }

    /// Whether a key from the store may be that of an epoch, now.
    fn is_due(&self, epoch: u64, secret: &Secret, now: u64) -> Result<(), Refused> {
        if self.end_of(epoch) <= now || epoch > epoch_of(now) + AHEAD + 1 {
            return Err(Refused::OutOfTime);
        }
        self.is_fit(epoch, secret)
    }

    /// The epochs to look up in this round, the most urgent first.
    pub fn wanted(&self, now: u64) -> Vec<u64> {
        let present = epoch_of(now);
        let near = (present.saturating_sub(1)..=present + AHEAD + 1).rev();
        let mut wanted = vec![present];
        wanted.extend(near.filter(|&epoch| epoch != present));
        let since = self.last_whole.map(|last| now.saturating_sub(last));
        if since.is_none_or(|since| since >= WHOLE) {
            let past = (0..present.saturating_sub(1)).rev();
            wanted.extend(past.take_while(|&epoch| self.end_of(epoch) > now));
        }
        wanted
    }

    /// What to put where the store has nothing: the key that this host has for the epoch or, if it is for a host like this one
    /// to make one, `fresh`.
    pub fn offer(
        &self,
        epoch: u64,
        now: u64,
        fresh: impl FnOnce() -> Option<Secret>,
    ) -> Option<Secret> {
        let present = epoch_of(now);
        let held = self.epochs.get(&epoch);
        if let Some(stored) = held.and_then(|held| held.stored.as_ref()) {
            return Some(stored.secret.copy());
        }
        // Nobody has made tickets with a key of two epochs ahead, so the chain of derived keys ends there.
        let derived = held.and_then(|held| self.derived(held));
        if let Some((secret, _)) = derived.filter(|_| epoch < present + AHEAD) {
            return Some(secret.copy());
        }
        match (present..=present + AHEAD).contains(&epoch) {
            true => fresh(),
            false => None,
        }
    }

    /// Takes the key that stands in the store for an epoch.
    pub fn found(&mut self, epoch: u64, secret: Secret, now: u64) -> Result<(), Refused> {
        let present = epoch_of(now);
        self.is_due(epoch, &secret, now)?;
        let held = self.epochs.entry(epoch).or_default();
        held.others.retain(|other| other.secret != secret);
        // A key of this epoch is put two epochs before, so it has been there for long.
        let is_settled = epoch <= present;
        let before = held.stored.take_if(|stored| stored.secret != secret);
        let stored = held.stored.get_or_insert(Stored {
            secret,
            seen: now,
            is_settled,
        });
        stored.is_settled |= is_settled || now.saturating_sub(stored.seen) >= SETTLE;
        if let Some(before) = before {
            self.keep(epoch, before.secret, None);
        }
        self.settle();
        Ok(())
    }

    /// Takes a key that stands in the store as well, and that gives way to the one that is `found`: it opens only.
    pub fn also_found(&mut self, epoch: u64, secret: Secret, now: u64) -> Result<(), Refused> {
        self.is_due(epoch, &secret, now)?;
        let held = self.epochs.get(&epoch);
        let stored = held.and_then(|held| held.stored.as_ref());
        if stored.is_none_or(|stored| stored.secret != secret) {
            self.keep(epoch, secret, None);
        }
        Ok(())
    }

    /// Settles the keys that have another one after them: that was put an hour later.
    fn settle(&mut self) {
        let mut is_newest = true;
        for held in self.epochs.values_mut().rev() {
            if let Some(stored) = &mut held.stored {
                stored.is_settled |= !is_newest;
                is_newest = false;
            }
        }
    }

    /// All that was wanted has been looked up, and put.
    pub fn succeeded(&mut self, now: u64) {
        let is_whole = self
            .last_whole
            .is_none_or(|last| now.saturating_sub(last) >= WHOLE);
        if is_whole || self.contact_since.is_none() {
            self.last_whole = Some(now);
        }
        self.last_round = Some(now);
        self.contact_since.get_or_insert(now);
    }

    /// The round has failed; the next one looks up all.
    pub fn failed(&mut self) {
        self.contact_since = None;
        self.last_whole = None;
    }

    /// The key that makes the tickets of an epoch, as things stand.
    fn making(&self, epoch: u64) -> Option<(&Secret, Origin)> {
        let held = self.epochs.get(&epoch)?;
        let stored = held.stored.as_ref();
        match (stored, self.derived(held)) {
            (Some(stored), _) if stored.is_settled => Some((&stored.secret, Origin::Store)),
            (_, Some((secret, true))) => Some((secret, Origin::Ratchet)),
            (Some(stored), _) => Some((&stored.secret, Origin::Store)),
            (None, Some((secret, false))) => Some((secret, Origin::Ratchet)),
            (None, None) => None,
        }
    }

    /// The key that makes tickets.
    pub fn present(&self, now: u64) -> Option<Present> {
        let (_, origin) = self.making(epoch_of(now))?;
        Some(Present {
            epoch: epoch_of(now),
            origin,
        })
    }

    /// True if the key of the next epoch is there.
    pub fn has_next(&self, now: u64) -> bool {
        self.epochs.contains_key(&(epoch_of(now) + 1))
    }

    /// The keys for processes, the nearest epochs first, as there may be more than fit. Of the present epoch and those to come,
    /// one key each makes tickets: processes go on by themselves when an epoch begins.
    pub fn publish(&self, now: u64) -> Vec<Published<'_>> {
        let present = epoch_of(now);
        let mut keys = Vec::new();
        for (&epoch, held) in self.epochs.range(..=present + AHEAD) {
            let until = self.end_of(epoch);
            if until <= now {
                continue;
            }
            let making = self.making(epoch).filter(|_| epoch >= present);
            keys.extend(held.secrets().map(|secret| Published {
                epoch,
                until,
                secret,
                makes: making.is_some_and(|(making, _)| ptr::eq(making, secret)),
            }));
        }
        keys.sort_by_key(|key| (key.epoch.abs_diff(present), !key.makes));
        keys
    }
}

impl Epoch {
    /// The one in the store first, then the latest.
    fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let stored = self.stored.iter().map(|stored| &stored.secret);
        stored.chain(self.others.iter().rev().map(|other| &other.secret))
    }
}
