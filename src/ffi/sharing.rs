//! One cache for all worker processes: the way from a context's own cache to the shared region.
//!
//! The region is mapped when the first context is made, so that children inherit it; nothing is written to it before a
//! process forks. From then on it is the authority: a session of the own cache counts only while the region still has
//! it, and spares the decoding. By default one and the same context shares, that is, in all processes that descend
//! from the one that made it: its realm is a number that no other context has. With a group, or a region with a name,
//! contexts of equal [`fingerprint`] share.
//!
//! * Some sessions stay in their process, in a cache of their own, where nobody else has a say: those that the
//!   application keeps data with (as bytes they would lose it), those of clients (which are never looked up), those with
//!   a peer's certificate where the group has no name, and those for which the region has no room.
//! * What was cached before the first fork is handed to the region by whichever process comes first, and by that one
//!   alone: two might hand over a session that one has used up. Meanwhile the others go on with the copies that
//!   they inherited, but use none of them up.
//! * A removal for which the region had no time is made up for with the next call; until then the session is not found
//!   in this process.

use core::ffi::c_long;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use once_cell::race::OnceBox;
use smallvec::{SmallVec, smallvec};

use super::fingerprint::{self, Client, Traits};
use super::freeing;
use super::guard::quietly;
use super::store::{Store, Usage, expiry_of, key_of, now};
use crate::cache::{Cache, Key, Standing};
use crate::config::{Group, settings};
use crate::host::SessionRef;
use crate::host::record::Record;
use crate::host::types::SSL_CTX;
use crate::lock::{FIRST, Lock, this_process, watch_forks};
use crate::say::{self, Topic};
use crate::tier::{Ballot, Lot, Realm, Region, Share, Turn};

/// How many sessions of before the fork are handed over: a tenth of a second, once in the life of a context. Those
/// beyond stay in each process as it has inherited them.
const HANDED_OVER_MOST: usize = 20_480;

/// After so many seconds nobody waits any more for a process that hands over: it has died.
const HANDING_OVER_SECONDS: c_long = 2;

/// As many removals as this are made up for; what is beyond expires.
const DEFERRED_MOST: usize = 1024;

/// How often this process, and those that it descends from, have forked since the region was made.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// A point in the life of a process tree.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Point {
    forks: u32,
    process: u32,
}

impl Point {
    /// Forks are counted before they happen, so that no thread takes a session out unseen between the two.
    fn now() -> Self {
        Self {
            forks: FORKS.load(Ordering::SeqCst),
            process: this_process(),
        }
    }

    /// Whether this process was forked without fork handlers: its parent does not know.
    fn was_forked_unseen(self) -> bool {
        let now = Self::now();
        now.forks == self.forks && now.process != self.process
    }
}

unsafe extern "C" fn note_fork() {
    FORKS.fetch_add(1, Ordering::SeqCst);
}

/// What a process and those that descend from it have in common.
pub struct Common {
    pub region: Region,
    /// Who hands over what a context had before the fork.
    ballot: Ballot,
}

/// A region that is there before the first context; see [`make_early`].
static EARLY: OnceBox<Lock<Option<Region>>> = OnceBox::new();

/// Makes the region for processes that make their contexts after the fork and find each other nowhere else. Without a
/// word: this may be a program that never uses TLS.
pub fn make_early() {
    EARLY.get_or_init(|| {
        let settings = crate::config::settings_unsaid();
        let unnamed = settings.region.is_none();
        let region = unnamed.then(|| Region::anonymous(settings.region_size).ok());
        Box::new(Lock::new(region.flatten()))
    });
}

/// Made by the first call. `None` where it could not be: caches then stay each to its process.
pub fn common() -> Option<&'static Common> {
    static COMMON: OnceBox<Option<Common>> = OnceBox::new();
    COMMON.get_or_init(|| Box::new(make_common())).as_ref()
}

fn make_common() -> Option<Common> {
    let settings = settings();
    let early = EARLY.get().and_then(|early| early.lock()?.take());
    let region = match (&settings.region, early) {
        (Some(path), _) => {
            Region::named(path, settings.region_size).map_err(|refusal| refusal.to_string())
        }
        (None, Some(early)) => Ok(early),
        (None, None) => Region::anonymous(settings.region_size).map_err(|error| error.to_string()),
    };
    let made = region.and_then(|region| {
        let ballot = Ballot::new().map_err(|error| error.to_string())?;
        Ok(Common { region, ballot })
    });
    match made {
        Ok(common) => {
            watch_forks();
            // SAFETY: the handler is a function of this library, which is never unloaded.
            unsafe { libc::pthread_atfork(Some(note_fork), None, None) };
            Some(common)
        }
        Err(reason) => {
            say::once(
                Topic::Region,
                format_args!(
                    "no memory shared between processes: {reason}; each has a cache of its own"
                ),
            );
            None
        }
    }
}

/// How a context shares its sessions.
pub struct Sharing {
    made: Point,
    /// The realm of this one context, which it has from its beginning: a child must find the same.
    realm: Option<Realm>,
    /// Its place in the region as one context.
    alone: OnceBox<Share<'static>>,
    /// Its places in the region as one of a group, and by which traits.
    in_group: Lock<Option<Grouped>>,
    /// Who hands over what it had before the fork; from the first session on.
    lot: OnceBox<Option<Lot>>,
    /// Whether what it had before the fork is handed over.
    settled: AtomicBool,
    /// Since when it waits for the process that hands over; 0 before.
    waits_since: AtomicI64,
    /// The sessions that stay in this process.
    private: Cache<SessionRef>,
    /// The process that may use private sessions up, as nobody else has them; 0 before there are any.
    private_of: AtomicU32,
    deferred: Deferred,
    /// Whether the application has set a size.
    sized: AtomicBool,
}

/// The places of a context among its like, by what is asked of a client.
#[derive(Clone, Copy)]
struct Grouped {
    traits: Traits,
    /// `None` inside where it may share with none, outside where that is not known yet.
    places: [Option<Option<Share<'static>>>; 2],
}

/// Of private sessions that several processes have inherited.
const OF_NOBODY: u32 = u32::MAX;

impl Sharing {
    /// For a context that has just been made, whose cache holds `size` sessions.
    pub fn new(size: usize) -> Self {
        Self {
            made: Point::now(),
            realm: common().map(|common| common.region.fresh_realm()),
            alone: OnceBox::new(),
            in_group: Lock::new(None),
            lot: OnceBox::new(),
            settled: AtomicBool::new(false),
            waits_since: AtomicI64::new(0),
            private: Cache::new(size, 1),
            private_of: AtomicU32::new(0),
            deferred: Deferred {
                any: AtomicBool::new(false),
                keys: Lock::new(Vec::new()),
            },
            sized: AtomicBool::new(false),
        }
    }
}

/// Removals that the region had no time for, or that another process might undo that is handing over.
struct Deferred {
    any: AtomicBool,
    keys: Lock<Vec<Key>>,
}

impl Deferred {
    fn push(&self, key: &Key) {
        if let Some(mut keys) = self.keys.lock()
            && keys.len() < DEFERRED_MOST
            && keys.try_reserve(1).is_ok()
        {
            keys.push(key.clone());
            self.any.store(true, Ordering::Relaxed);
        }
    }

    fn has(&self, key: &Key) -> bool {
        self.any.load(Ordering::Relaxed) && self.keys.lock().is_some_and(|keys| keys.contains(key))
    }

    /// Makes up for them.
    fn make_up(&self, share: Share<'static>) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        if let Some(mut keys) = self.keys.lock() {
            // The region again has no time at the first one: it would have none for the others.
            while let Some(key) = keys.last()
                && share.remove(key).is_some()
            {
                keys.pop();
            }
            self.any.store(!keys.is_empty(), Ordering::Relaxed);
        }
    }
}

/// How far a context's cache reaches at this moment.
#[derive(Clone, Copy)]
pub enum Reach {
    /// It is this process's alone.
    Own,
    /// Another process is handing over what was cached before the fork.
    Unsettled(Share<'static>),
    /// The region has the last word.
    Shared(Share<'static>),
}

impl Reach {
    /// The place in the region, where there is one.
    pub fn share(self) -> Option<Share<'static>> {
        match self {
            Self::Own => None,
            Self::Unsettled(share) | Self::Shared(share) => Some(share),
        }
    }
}

/// Where the context's sessions are shared.
impl Store {
    /// Whether this process has made the context after it was forked by one that had contexts: its siblings have others.
    pub fn made_after_fork(&self) -> bool {
        let process = this_process();
        process != FIRST && self.sharing.made.process == process
    }

    /// Whether other processes may have this context.
    pub fn has_forked(&self) -> bool {
        let lot = self.sharing.lot.get().copied().flatten();
        self.sharing.made != Point::now()
            || lot.is_some_and(|lot| common().is_some_and(|c| c.ballot.is_known_elsewhere(lot)))
    }

    /// How far the cache of this context reaches now, for sessions of clients of whom this is asked.
    pub fn reach(&self, ctx: *mut SSL_CTX, client: Client) -> Reach {
        let Some(common) = common() else {
            return Reach::Own;
        };
        let reach = quietly(|| match self.share_in_group(ctx, &common.region, client) {
            Some(share) => Reach::Shared(share),
            None => self.reach_alone(common),
        });
        if let Reach::Shared(share) = reach {
            quietly(|| self.sharing.deferred.make_up(share));
        }
        reach
    }

    /// How far it reaches for any session: two ways, where contexts share by what they ask of clients.
    pub fn reaches(&self, ctx: *mut SSL_CTX) -> SmallVec<[Reach; 2]> {
        let Some(common) = common().filter(|_| self.may_group()) else {
            return smallvec![self.reach(ctx, Client::Anybody)];
        };
        let in_group = |client| quietly(|| self.share_in_group(ctx, &common.region, client));
        let both = [Client::Anybody, Client::Certified].map(in_group);
        let mut reaches: SmallVec<[Reach; 2]> =
            both.into_iter().flatten().map(Reach::Shared).collect();
        if reaches.len() < both.len() {
            reaches.push(quietly(|| self.reach_alone(common)));
        }
        reaches
    }

    fn reach_alone(&self, common: &'static Common) -> Reach {
        let Some(realm) = self.sharing.realm.filter(|_| self.has_forked()) else {
            return Reach::Own;
        };
        let join = || {
            common
                .region
                .share(realm, self.cache.capacity())
                .map(Box::new)
        };
        let Ok(&share) = self.sharing.alone.get_or_try_init(|| join().ok_or(())) else {
            return Reach::Own; // no room for one more realm
        };
        if self.sharing.settled.load(Ordering::Acquire) || self.settle(common, share) {
            Reach::Shared(share)
        } else {
            Reach::Unsettled(share)
        }
    }

    /// The places of this context in the region, as far as they are known by now.
    pub(super) fn known_shares(&self) -> SmallVec<[Share<'static>; 2]> {
        let in_group = self.sharing.in_group.lock().and_then(|known| *known);
        let places = in_group.map_or([None; 2], |known| known.places);
        let alone = self.sharing.alone.get().copied();
        places
            .into_iter()
            .flatten()
            .flatten()
            .chain(alone)
            .collect()
    }

    fn share_in_group(
        &self,
        ctx: *mut SSL_CTX,
        region: &'static Region,
        client: Client,
    ) -> Option<Share<'static>> {
        if !self.may_group() {
            return None;
        }
        // SAFETY: the context of this store, alive while it is called.
        let traits = unsafe { fingerprint::traits_of(self, ctx) }?;
        let mut known = self.sharing.in_group.lock()?;
        let mut grouped = known
            .filter(|known| known.traits == traits)
            .unwrap_or(Grouped {
                traits,
                places: [None; 2],
            });
        if let Some(place) = grouped.places[client as usize] {
            return place;
        }
        // SAFETY: as above.
        let realm = unsafe { fingerprint::realm_of(self, ctx, client, settings()) };
        let share = realm.and_then(|realm| region.share(realm, self.cache.capacity()));
        if let Some(share) = share
            && self.sharing.sized.load(Ordering::Relaxed)
        {
            share.set_capacity(self.cache.capacity());
        }
        // One that found no room tries again.
        if share.is_some() || realm.is_none() {
            grouped.places[client as usize] = Some(share);
            *known = Some(grouped);
        }
        share
    }

    /// Whether groups, or a region with a name, are asked for.
    pub fn may_group(&self) -> bool {
        let settings = settings();
        settings.group != Group::None || settings.region.is_some()
    }

    /// Notes the first session that is cached.
    pub fn note_inheritance(&self) {
        self.sharing
            .lot
            .get_or_init(|| Box::new(common().and_then(|common| common.ballot.lot())));
    }

    /// The context dies.
    pub fn end_inheritance(&self) {
        if let Some(&Some(lot)) = self.sharing.lot.get()
            && !self.has_forked()
            && let Some(common) = common()
        {
            common.ballot.give_back(lot);
        }
    }

    /// Deals with what was cached before the fork; whether that is done.
    #[cold]
    fn settle(&self, common: &Common, share: Share<'static>) -> bool {
        let sharing = &self.sharing;
        let lot = sharing.lot.get().copied().flatten();
        match lot {
            // Its parent goes on by itself until it sees that there is somebody: what the two have in common is used
            // up by neither.
            Some(lot) if sharing.made.was_forked_unseen() => {
                common.ballot.watch(lot);
                self.keep_inherited(|_| true, OF_NOBODY);
            }
            Some(lot) => match common.ballot.begin(lot) {
                Turn::Ours => {
                    self.hand_over(share);
                    common.ballot.end(lot);
                }
                Turn::Theirs => {
                    let (now, since) = (now(), &sharing.waits_since);
                    let _ = since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
                    if now.saturating_sub(since.load(Ordering::Relaxed)) < HANDING_OVER_SECONDS {
                        return false;
                    }
                }
                Turn::Over => self.keep_inherited(SessionRef::has_application_data, OF_NOBODY),
            },
            None => self.keep_inherited(|_| true, OF_NOBODY), // nothing, unless there were no lots left
        }
        // Release: whoever sees it sees what was done.
        sharing.settled.store(true, Ordering::Release);
        true
    }

    /// Makes those of the inherited sessions private that are `wanted`.
    fn keep_inherited(&self, wanted: impl Fn(&SessionRef) -> bool, process: u32) {
        let Some(batches) = self.with_cache(|cache| cache.iter()) else {
            return;
        };
        for session in batches.flatten().filter(wanted) {
            self.make_private(&session, process);
        }
    }

    /// Moves a session from the own cache to the private ones, if it is still there.
    fn make_private(&self, session: &SessionRef, process: u32) {
        let Some(key) = key_of(session) else { return };
        let moved = self
            .with_cache(|cache| cache.remove_if_same(&key, session))
            .flatten();
        if let Some(session) = moved {
            let expiry = expiry_of(&session);
            self.note_private(process);
            self.with_cache(|_| {
                self.sharing
                    .private
                    .insert(key, session, expiry, Standing::Returning, now())
            });
        }
    }

    fn note_private(&self, process: u32) {
        let of = &self.sharing.private_of;
        if process == OF_NOBODY {
            return of.store(OF_NOBODY, Ordering::Relaxed);
        }
        let _ = of.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Gives the region what was cached before the fork.
    fn hand_over(&self, share: Share<'static>) {
        let Some(batches) = self.with_cache(|cache| cache.iter()) else {
            return;
        };
        let mut left = HANDED_OVER_MOST;
        for session in batches.flatten() {
            let Some(key) = key_of(&session) else {
                continue;
            };
            let is_cached = || {
                let expiry = expiry_of(&session);
                self.with_cache(|cache| cache.set_expiry_if_same(&key, &session, expiry))
                    == Some(true)
            };
            if left == 0 || !is_cached() || !self.put(share, &key, &session, Standing::New) {
                self.make_private(&session, this_process());
                continue;
            }
            left -= 1;
            // A removal takes the session from the own cache first, and from the region then.
            if !is_cached() {
                self.remove_shared(share, &key);
            }
        }
    }
}

/// The calls, where several processes have a say.
impl Store {
    /// Adds a session; whether it was new. `to_all`: as a server's, which others may look up.
    pub fn add_shared(
        &self,
        ctx: *mut SSL_CTX,
        reach: Reach,
        (key, session): (Key, &SessionRef),
        standing: Standing,
        to_all: bool,
    ) -> bool {
        let now = now();
        let Some(own) = session.share() else {
            return false;
        };
        let share = match reach.share() {
            Some(share) if to_all && !self.has_to_stay(session) => share,
            share => return self.keep(ctx, share, (key, own), standing, now),
        };
        let expiry = expiry_of(session);
        let fresh = self.insert(ctx, &self.cache, (key.clone(), own), expiry, standing, now);
        let known = !fresh && quietly(|| share.holds(&key, session.digest(), now)) == Some(true);
        // Again, though it is known: its time may be new.
        if self.put(share, &key, session, standing) {
            drop(self.with_cache(|_| self.sharing.private.take(&key)));
        } else if let Some(own) = self
            .with_cache(|cache| cache.remove_if_same(&key, session))
            .flatten()
        {
            self.keep(ctx, Some(share), (key, own), standing, now);
        }
        !known
    }

    /// Keeps a session in this process; whether it was new to it.
    fn keep(
        &self,
        ctx: *mut SSL_CTX,
        share: Option<Share<'static>>,
        (key, session): (Key, SessionRef),
        standing: Standing,
        now: c_long,
    ) -> bool {
        // What another process may have under this id.
        share.inspect(|share| {
            self.remove_shared(*share, &key);
        });
        let replaced = self.with_cache(|cache| cache.take(&key)).flatten();
        self.note_private(this_process());
        let expiry = expiry_of(&session);
        let same = replaced.as_ref() == Some(&session);
        self.insert(
            ctx,
            &self.sharing.private,
            (key, session),
            expiry,
            standing,
            now,
        ) && !same
    }

    fn has_to_stay(&self, session: &SessionRef) -> bool {
        session.has_application_data()
            || self.may_group()
                && !matches!(settings().group, Group::Named(_))
                && session.has_peer_certificate(self.host)
    }

    /// Gives a session to the region; whether it has it.
    fn put(
        &self,
        share: Share<'static>,
        key: &Key,
        session: &SessionRef,
        standing: Standing,
    ) -> bool {
        !self.has_to_stay(session)
            && quietly(|| {
                let record = session.encode();
                record.is_some_and(|record| {
                    let expiry = expiry_of(session);
                    share.put(key, session.digest(), &record, expiry, standing, now())
                })
            })
    }

    /// Removes what the region has; whether it had it. Where it has no time, with the next call.
    fn remove_shared(&self, share: Share<'static>, key: &Key) -> bool {
        let removed = quietly(|| share.remove(key));
        if removed.is_none() {
            self.sharing.deferred.push(key);
        }
        removed == Some(true)
    }

    /// Removes the session of a key, wherever it is: what this process had, and whether anybody did.
    pub fn remove_everywhere(&self, ctx: *mut SSL_CTX, key: &Key) -> (Option<SessionRef>, bool) {
        // First here: `hand_over` relies on it.
        let own = self.with_cache(|cache| cache.take(key)).flatten();
        let own = own.or_else(|| {
            self.with_cache(|_| self.sharing.private.take(key))
                .flatten()
        });
        let mut found = own.is_some();
        for reach in self.reaches(ctx) {
            // What a connection leaves that is freed without a word, as some programs always do: a group lets its
            // sessions stay.
            if self.may_group() && freeing::is_under_way() {
                continue;
            }
            found |= reach
                .share()
                .is_some_and(|share| self.remove_shared(share, key));
            if let Reach::Unsettled(_) = reach {
                self.sharing.deferred.push(key);
            }
        }
        (own, found)
    }

    /// Moves a session that the application has just given data of its own to those that stay, if nobody else has
    /// used it yet.
    pub fn keep_back(&self, reach: Reach, session: &SessionRef) {
        let Some(share) = reach.share() else {
            return;
        };
        let Some(key) = key_of(session).filter(|_| session.has_application_data()) else {
            return;
        };
        let mark = session.digest();
        if quietly(|| share.take(&key, Some(mark), now(), None)).is_some() {
            self.make_private(session, this_process());
        }
    }

    /// Looks an id up.
    pub fn find_shared(
        &self,
        ctx: *mut SSL_CTX,
        reach: Reach,
        key: &Key,
        usage: Usage,
    ) -> Option<SessionRef> {
        if let Some(session) = self.look_up(&self.sharing.private, key, usage) {
            let ours = self.sharing.private_of.load(Ordering::Relaxed) == this_process();
            return (ours || !usage.is_taken()).then_some(session);
        }
        let share = reach.share()?;
        if self.sharing.deferred.has(key) {
            self.count_gone();
            return None;
        }
        let now = now();
        let mut was_here = false;
        if let Some(session) = self.look_up(&self.cache, key, usage) {
            if let Reach::Unsettled(_) = reach {
                return (!usage.is_taken()).then_some(session);
            }
            // An expired one goes to the host, which counts it and has it removed.
            let expired = expiry_of(&session).has_passed(now);
            match self.counts(share, key, &session, usage, now) {
                _ if expired && !usage.is_taken() => return Some(session),
                Some(true) => return Some(session),
                Some(false) => was_here = true,
                // The region had no time: that is a miss, and no more.
                None => return None,
            }
            let gone = self
                .with_cache(|cache| cache.remove_if_same(key, &session))
                .flatten();
            if gone.is_some() || usage.is_taken() {
                self.removed(ctx, session.as_ptr());
            }
        }
        let found = self.find_elsewhere(ctx, share, key, usage, now);
        if found.is_some() {
            self.counters.hits_region.fetch_add(1, Ordering::Relaxed);
        } else if was_here {
            self.count_gone();
        }
        found
    }

    /// Counts a look-up of a session that was taken out of the region.
    fn count_gone(&self) {
        self.counters.misses_gone.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the region has a session of the own cache; `None` where it had no time.
    fn counts(
        &self,
        share: Share<'static>,
        key: &Key,
        session: &SessionRef,
        usage: Usage,
        now: c_long,
    ) -> Option<bool> {
        let mark = session.digest();
        if usage.is_taken() {
            return Some(quietly(|| share.take(key, Some(mark), now, None)).is_some());
        }
        quietly(|| share.holds(key, mark, now))
    }

    /// Makes a session of what another process has put.
    fn find_elsewhere(
        &self,
        ctx: *mut SSL_CTX,
        share: Share<'static>,
        key: &Key,
        usage: Usage,
        now: c_long,
    ) -> Option<SessionRef> {
        let mut record = Record::default();
        quietly(|| match usage {
            Usage::Taken => share.take(key, None, now, Some(&mut record)),
            Usage::Again | Usage::Once => share.get(key, now, &mut record),
        })?;
        let session = quietly(|| SessionRef::decode(self.host, &self.origin, &record))
            .filter(|session| key_of(session).as_ref() == Some(key));
        let Some(session) = session else {
            self.remove_shared(share, key);
            common()?.region.count_undecodable();
            return None;
        };
        // One that is used once will not be asked for again; and what another context of a group made is decoded each
        // time, so that a context that leaves the group takes nothing of others along.
        if let Usage::Again = usage
            && !self.may_group()
            && let Some(copy) = session.share()
        {
            let expiry = expiry_of(&copy);
            self.insert(
                ctx,
                &self.cache,
                (key.clone(), copy),
                expiry,
                Standing::Proven,
                now,
            );
        }
        Some(session)
    }

    /// Lets a cached session's expiry follow its time and timeout, here and in the region, if it still has it.
    pub fn follow_expiry(&self, key: &Key, session: &SessionRef) {
        let expiry = expiry_of(session);
        let follow = |cache: &Cache<SessionRef>| {
            !cache.is_empty()
                && self.with_cache(|_| cache.set_expiry_if_same(key, session, expiry)) == Some(true)
        };
        if follow(&self.sharing.private) || !follow(&self.cache) {
            return;
        }
        let shares = self.known_shares();
        if shares.is_empty() {
            return;
        }
        quietly(|| {
            if let Some(record) = session.encode() {
                let mark = session.digest();
                for share in shares {
                    share.put_over(key, mark, &record, expiry, now());
                }
            }
        });
    }

    /// How many sessions the cache holds, in all processes.
    pub fn number(&self, ctx: *mut SSL_CTX) -> usize {
        let of = |reach: Reach| match reach {
            // Where groups are asked for, those of this process alone are the private ones.
            Reach::Own if self.may_group() => 0,
            Reach::Own | Reach::Unsettled(_) => self.cache.len(),
            Reach::Shared(share) => quietly(|| share.len()),
        };
        self.reaches(ctx).into_iter().map(of).sum::<usize>() + self.sharing.private.len()
    }

    /// Whether a session has this key; not a use.
    pub fn contains_key(&self, ctx: *mut SSL_CTX, key: &Key) -> bool {
        let has =
            |cache: &Cache<SessionRef>| self.with_cache(|_| cache.contains(key)) == Some(true);
        let reaches = |reach: Reach| match reach {
            Reach::Own | Reach::Unsettled(_) => has(&self.cache),
            Reach::Shared(share) => quietly(|| share.contains(key, now())) == Some(true),
        };
        self.reaches(ctx).into_iter().any(reaches) || has(&self.sharing.private)
    }

    /// Whether a session of the own cache still is what it says.
    pub fn is_held(&self, reaches: &[Reach], session: &SessionRef) -> bool {
        reaches.iter().any(|reach| match reach {
            Reach::Own | Reach::Unsettled(_) => true,
            Reach::Shared(share) => key_of(session)
                .is_some_and(|key| quietly(|| share.contains(&key, now())) == Some(true)),
        })
    }

    /// The sessions that stay in this process.
    pub fn private(&self) -> &Cache<SessionRef> {
        &self.sharing.private
    }

    /// Follows a size that the application sets.
    pub fn share_capacity(&self, ctx: *mut SSL_CTX, size: usize) {
        self.sharing.sized.store(true, Ordering::Relaxed);
        self.sharing.private.set_capacity(size);
        for share in self.reaches(ctx).into_iter().filter_map(Reach::share) {
            quietly(|| share.set_capacity(size));
        }
    }
}
