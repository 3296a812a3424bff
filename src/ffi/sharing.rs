//! One cache for all worker processes: the way from a context's own cache to the shared region.
//!
//! The region is mapped when the first context is made, so that children inherit it; nothing is written to it before a
//! process forks. From then on it is the authority: a session of the own cache counts only while the region still has
//! it, and spares the decoding. By default one and the same context shares, that is, in all processes that descend
//! from the one that made it: its realm is a number that no other context has. With a group, or a region with a name,
//! contexts of equal [`fingerprint`](super::fingerprint) share.
//!
//! * Only servers share: a client never looks a session up by its id.
//! * A session that the application keeps data with stays in its process: as bytes it would lose them.
//! * What is cached when a process first forks is handed to the region by whichever process comes first, its maker or
//!   a child, and by that one alone: two of them might hand over a session that one has used up.

use core::ffi::c_long;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::collections::BTreeMap;

use once_cell::race::OnceBox;

use super::fingerprint;
use super::guard::quietly;
use super::store::{Store, Usage, expiry_of, key_of, now};
use crate::cache::{Key, Standing};
use crate::config::{Group, settings};
use crate::host::SessionRef;
use crate::host::abi::SSL_SESS_CACHE_SERVER;
use crate::host::record::Record;
use crate::host::types::SSL_CTX;
use crate::lock::{Lock, this_process, watch_forks};
use crate::say::{self, Topic};
use crate::tier::{Ballot, Lot, Realm, Region, Share};

/// How many sessions of before the fork are handed over with each call: a handshake must not pay for all of them.
const HANDED_OVER_AT_ONCE: usize = 64;

/// How often this process, and those that it descends from, have forked since the region was made.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// A point in the life of a process tree.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Point {
    forks: u32,
    process: u32,
}

impl Point {
    /// Forks are counted before they happen, so that no thread takes a session out unseen between the two; one without
    /// fork handlers is told by the number of the process.
    fn now() -> Self {
        Self {
            forks: FORKS.load(Ordering::SeqCst),
            process: this_process(),
        }
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

/// Made by the first call. `None` where it could not be: caches then stay each to its process.
pub fn common() -> Option<&'static Common> {
    static COMMON: OnceBox<Option<Common>> = OnceBox::new();
    COMMON.get_or_init(|| Box::new(make_common())).as_ref()
}

fn make_common() -> Option<Common> {
    let settings = settings();
    let region = match &settings.region {
        Some(path) => {
            Region::named(path, settings.region_size).map_err(|refusal| refusal.to_string())
        }
        None => Region::anonymous(settings.region_size).map_err(|error| error.to_string()),
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
    own_realm: Option<(Realm, Lot)>,
    /// Its place in the region as one context.
    alone: OnceBox<Option<Share<'static>>>,
    /// Its place in the region as one of a group.
    in_group: OnceBox<Option<Share<'static>>>,
    pending: Pending,
    /// Whether a session was ever kept from the region for the application's data.
    keeps_back: AtomicBool,
}

impl Sharing {
    /// For a context that has just been made.
    pub fn new() -> Self {
        Self {
            made: Point::now(),
            own_realm: common()
                .and_then(|common| Some((common.region.fresh_realm(), common.ballot.lot()?))),
            alone: OnceBox::new(),
            in_group: OnceBox::new(),
            pending: Pending::new(),
            keeps_back: AtomicBool::new(false),
        }
    }
}

/// Sessions of before the fork that are still to be handed over.
struct Pending {
    sessions: Lock<PendingSessions>,
    /// Whether there are none, or none any more.
    done: AtomicBool,
}

struct PendingSessions {
    /// The process that has them to hand over, counted by forks; 0 before it is known what there is.
    process: u32,
    /// By address.
    sessions: BTreeMap<usize, SessionRef>,
}

impl Pending {
    const fn new() -> Self {
        let sessions = PendingSessions {
            process: 0,
            sessions: BTreeMap::new(),
        };
        Self {
            sessions: Lock::new(sessions),
            done: AtomicBool::new(false),
        }
    }

    /// The next one to hand over; `find` is asked for all of them, once.
    fn next(&self, find: impl FnOnce() -> BTreeMap<usize, SessionRef>) -> Option<SessionRef> {
        let mut pending = self.sessions.lock()?;
        if pending.process == 0 {
            *pending = PendingSessions {
                process: this_process(),
                sessions: find(),
            };
        }
        let inherited = pending.process != this_process(); // a child leaves them to its parent
        let next = if inherited {
            None
        } else {
            pending.sessions.pop_first()
        };
        drop(pending);
        next.map(|(_, session)| session)
    }

    /// Whether a session is among them.
    fn has(&self, session: &SessionRef) -> bool {
        let address = session.as_ptr() as usize;
        let has = |pending: &PendingSessions| {
            pending.process == this_process() && pending.sessions.contains_key(&address)
        };
        !self.done.load(Ordering::Relaxed)
            && self.sessions.lock().is_some_and(|pending| has(&pending))
    }

    /// Takes a session out; whether it was there, and so nobody else can have it.
    fn claim(&self, session: &SessionRef) -> bool {
        if self.done.load(Ordering::Relaxed) {
            return false;
        }
        let claimed = self.sessions.lock().and_then(|mut pending| {
            let ours = pending.process == this_process();
            let address = session.as_ptr() as usize;
            if ours {
                pending.sessions.remove(&address)
            } else {
                None
            }
        });
        claimed.is_some()
    }
}

/// Where the context's sessions are shared.
impl Store {
    /// Whether other processes may have this context.
    pub fn has_forked(&self) -> bool {
        self.sharing.made != Point::now()
    }

    /// The place of this context in the region; `None` while its sessions are this process's alone.
    pub fn share(&self, ctx: *mut SSL_CTX) -> Option<Share<'static>> {
        if !self.mode_has(SSL_SESS_CACHE_SERVER) {
            return None;
        }
        let common = common()?;
        if let Some(share) = self.share_in_group(ctx, &common.region) {
            return Some(share);
        }
        if !self.has_forked() {
            return None;
        }
        let (realm, lot) = self.sharing.own_realm?;
        let join = || Box::new(common.region.share(realm, self.cache.capacity()));
        let share = (*self.sharing.alone.get_or_init(join))?;
        if !self.sharing.pending.done.load(Ordering::Relaxed) {
            self.hand_over(common, lot, share);
        }
        Some(share)
    }

    /// The place of this context in the region, as far as it is known by now.
    pub fn known_share(&self) -> Option<Share<'static>> {
        let known = |place: &OnceBox<Option<Share<'static>>>| place.get().copied().flatten();
        known(&self.sharing.in_group).or_else(|| known(&self.sharing.alone))
    }

    fn share_in_group(&self, ctx: *mut SSL_CTX, region: &'static Region) -> Option<Share<'static>> {
        let settings = settings();
        if matches!(settings.group, Group::None) && settings.region.is_none() {
            return None;
        }
        if let Some(known) = self.sharing.in_group.get() {
            return *known;
        }
        // Not yet where it has no certificate: it is still being set up.
        // SAFETY: the context of this store, alive while it is called.
        let realm = quietly(|| unsafe { fingerprint::realm_of(self, ctx, settings) })?;
        let join = || Box::new(region.share(realm, self.cache.capacity()));
        *self.sharing.in_group.get_or_init(join)
    }

    /// Hands a part of what was cached before the fork to the region.
    #[cold]
    fn hand_over(&self, common: &Common, lot: Lot, share: Share<'static>) {
        let find = || {
            let own = self.with_cache(|cache| cache.iter());
            let (stays, may_go): (Vec<_>, Vec<_>) = own
                .into_iter()
                .flatten()
                .flatten()
                .partition(SessionRef::has_application_data);
            if !stays.is_empty() {
                self.sharing.keeps_back.store(true, Ordering::Relaxed);
            }
            let ours = common.ballot.draw(lot);
            let pending = may_go.into_iter().filter(|_| ours);
            pending
                .map(|session| (session.as_ptr() as usize, session))
                .collect()
        };
        let mut find = Some(find);
        for _ in 0..HANDED_OVER_AT_ONCE {
            let next = self
                .sharing
                .pending
                .next(|| find.take().map_or_else(BTreeMap::new, |find| find()));
            match next {
                Some(session) => self.hand_over_one(share, &session),
                None => return self.sharing.pending.done.store(true, Ordering::Relaxed),
            }
        }
    }

    fn hand_over_one(&self, share: Share<'static>, session: &SessionRef) {
        let Some(key) = key_of(session) else { return };
        let is_cached = || {
            let expiry = expiry_of(session);
            self.with_cache(|cache| cache.set_expiry_if_same(&key, session, expiry)) == Some(true)
        };
        if is_cached() && self.put(share, &key, session, Standing::New) && !is_cached() {
            share.remove(&key); // it was removed meanwhile
        }
    }

    /// Gives a session to the region, unless it has to stay in this process; whether the region has it now.
    pub fn put(
        &self,
        share: Share<'static>,
        key: &Key,
        session: &SessionRef,
        standing: Standing,
    ) -> bool {
        let record = if session.has_application_data() {
            self.sharing.keeps_back.store(true, Ordering::Relaxed);
            None
        } else {
            session.encode()
        };
        let Some(record) = record else {
            share.remove(key); // what another process may have under this id
            return false;
        };
        share.put(
            key,
            session.digest(),
            &record,
            expiry_of(session),
            standing,
            now(),
        )
    }

    /// Takes a session back that the application has just given data of its own.
    pub fn keep_back(&self, ctx: *mut SSL_CTX, session: &SessionRef) {
        let Some(share) = self.share(ctx) else { return };
        if session.has_application_data()
            && let Some(key) = key_of(session)
        {
            self.sharing.keeps_back.store(true, Ordering::Relaxed);
            share.remove(&key);
        }
    }

    /// Puts a session again that has another time or timeout now, if the region still has it.
    pub fn put_again(&self, share: Share<'static>, key: &Key, session: &SessionRef) {
        let now = now();
        let standing = Standing::Returning;
        if share.holds(key, session.digest(), now) {
            self.put(share, key, session, standing);
        }
    }

    /// Whether the region has a session of the own cache, or no other process can.
    pub fn is_held(&self, share: Share<'static>, session: &SessionRef) -> bool {
        session.has_application_data()
            || self.sharing.pending.has(session)
            || key_of(session).is_some_and(|key| share.contains(&key, now()))
    }

    /// Whether the own cache has a session of this key that stays in this process.
    pub fn keeps_back(&self, key: &Key) -> bool {
        // Which one it is would cost a use.
        self.sharing.keeps_back.load(Ordering::Relaxed)
            && self.with_cache(|cache| cache.contains(key)) == Some(true)
    }

    /// Looks an id up where the region has the last word.
    pub fn find_shared(
        &self,
        ctx: *mut SSL_CTX,
        share: Share<'static>,
        key: &Key,
        usage: Usage,
    ) -> Option<SessionRef> {
        let now = now();
        if let Some(session) = self.find_own(key, usage) {
            // An expired one goes to the host, which counts it and has it removed.
            if self.counts(share, key, &session, usage, now) || expiry_of(&session).has_passed(now)
            {
                return Some(session);
            }
            self.with_cache(|cache| cache.remove_if_same(key, &session));
            self.removed(ctx, session.as_ptr());
        }
        let mut record = Record::default();
        match usage {
            Usage::Taken => share.take(key, None, now, Some(&mut record)),
            Usage::Again | Usage::Once => share.get(key, now, &mut record),
        }?;
        let session = SessionRef::decode(self.libssl, &record)
            .filter(|session| key_of(session).as_ref() == Some(key));
        let Some(session) = session else {
            share.remove(key);
            common()?.region.count_undecodable();
            return None;
        };
        // One that is used once will not be asked for again.
        if let Usage::Again = usage
            && let Some(copy) = session.share()
        {
            let expiry = expiry_of(&copy);
            self.insert(ctx, key.clone(), copy, expiry, Standing::Proven, now);
        }
        Some(session)
    }

    /// Whether a session of the own cache counts: the region has it, or no other process can.
    pub fn counts(
        &self,
        share: Share<'static>,
        key: &Key,
        session: &SessionRef,
        usage: Usage,
        now: c_long,
    ) -> bool {
        if session.has_application_data() {
            return true;
        }
        let taken = matches!(usage, Usage::Taken);
        if self.sharing.pending.claim(session) {
            return taken || self.put(share, key, session, Standing::Proven);
        }
        let mark = session.digest();
        if taken {
            share.take(key, Some(mark), now, None).is_some()
        } else {
            share.holds(key, mark, now)
        }
    }

    /// How many sessions the cache holds, in all processes.
    pub fn number(&self, ctx: *mut SSL_CTX) -> usize {
        let Some(share) = self.share(ctx) else {
            return self.cache.len();
        };
        let kept_back = if self.sharing.keeps_back.load(Ordering::Relaxed) {
            let own = self.with_cache(|cache| cache.iter());
            let sessions = own.into_iter().flatten().flatten();
            sessions.filter(SessionRef::has_application_data).count()
        } else {
            0
        };
        share.len() + kept_back
    }
}
