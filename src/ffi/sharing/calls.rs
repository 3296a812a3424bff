//! The calls of a context's cache, where several processes have a say.

use core::ffi::c_long;
use core::sync::atomic::{AtomicBool, Ordering};

use super::{Reach, Way, common};
use crate::cache::{ClientHistory, Expiry, Key};
use crate::ffi::alike::{Client, Tag, Terms};
use crate::ffi::freeing;
use crate::ffi::guard::{attempt, quietly};
use crate::ffi::local::Local;
use crate::ffi::store::{Store, Usage, expiry_of, key_of, now};
use crate::ffi::unannounced;
use crate::host::record::Record;
use crate::host::types::SSL_CTX;
use crate::host::{Host, SessionRef};
use crate::shm::Partition;

/// Whether sessions were ever put where other processes have them, or came from there.
static SHARED: AtomicBool = AtomicBool::new(false);

fn note_shared() {
    // Relaxed: it is asked by threads that have seen such a session.
    if !SHARED.load(Ordering::Relaxed) {
        SHARED.store(true, Ordering::Relaxed);
    }
}

/// Whether any context may have a session that other processes have, too.
pub fn any_is_shared() -> bool {
    SHARED.load(Ordering::Relaxed)
}

/// What is called where a session is to be added, found, removed or counted.
impl Store {
    /// Adds a session; whether it was new.
    pub fn add_shared(
        &self,
        ctx: *mut SSL_CTX,
        Way {
            reach,
            to_all,
            terms,
        }: Way,
        (key, session): (Key, &SessionRef),
        standing: ClientHistory,
    ) -> bool {
        let now = now();
        let Some(own) = session.share() else {
            return false;
        };
        let (share, tag) = match (reach.share(), terms.elsewhere()) {
            (Some(share), Some(tag)) if to_all && !self.has_to_stay(session, &terms) => {
                (share, tag)
            }
            _ => return self.keep(ctx, reach, (key, own), standing, now),
        };
        let expiry = expiry_of(session);
        let fresh = self.insert(ctx, &self.cache, (key.clone(), own), expiry, standing, now);
        let known = !fresh && attempt(|| share.holds(&key, session.digest(), now)) == Some(true);
        // Again, though it is known: its time may be new.
        let put = |record: &[u8], expiry| {
            share.put(&key, session.digest(), record, expiry, standing, now)
        };
        if self.give(session, Some(tag), put) {
            drop(self.take_private(&key));
        } else if let Some(own) = self
            .with_cache(|cache| cache.remove_if_same(&key, session))
            .flatten()
        {
            return self.keep(ctx, reach, (key, own), standing, now) && !known;
        }
        !known
    }

    /// Keeps a session in this process; whether it was new to it. Not as its own where others may have it as well, and
    /// use it up.
    fn keep(
        &self,
        ctx: *mut SSL_CTX,
        reach: Reach,
        (key, session): (Key, SessionRef),
        standing: ClientHistory,
        now: c_long,
    ) -> bool {
        let (own, inherited) = (self.own_private(ctx), self.inherited_private());
        let take = |cache: &Local| self.with_cache(|_| cache.take(&key)).flatten();
        let cached = take(&self.cache);
        let is_handed_over = matches!(reach, Reach::Unsettled(_)) && cached.is_some();
        let known = take(inherited);
        // What another process may have under this id.
        let removed = match reach.share() {
            Some(share) => self.remove_shared(share, &key),
            None => Some(false),
        };
        let is_own = known.is_none() && !is_handed_over && removed.is_some();
        let to = if is_own { own } else { inherited };
        let expiry = expiry_of(&session);
        let same = cached.or(known).as_ref() == Some(&session);
        self.insert(ctx, to, (key, session), expiry, standing, now) && !same
    }

    /// Whether a session stays in its process: the application keeps data with it, or it carries the verdict on a
    /// certificate that connections of these terms are not asked for.
    fn has_to_stay(&self, session: &SessionRef, terms: &Terms) -> bool {
        session.has_application_data()
            || terms.client == Client::Anybody && session.has_peer_certificate(self.host)
    }

    /// Gives a session to the region, by `put`; whether it has it for sure. One without a tag is for those alone who have
    /// a copy already.
    pub(super) fn give(
        &self,
        session: &SessionRef,
        tag: Option<Tag>,
        put: impl FnOnce(&[u8], Expiry) -> bool,
    ) -> bool {
        note_shared();
        attempt(|| {
            let record = tagged(tag, session.encode())?;
            put(&record, expiry_of(session)).then_some(())
        })
        .is_some()
    }

    /// Removes what the region has; whether it had it. `None` where it has no time: nobody finds it from now on, but
    /// another process may be taking it.
    pub(super) fn remove_shared(&self, share: Partition<'static>, key: &Key) -> Option<bool> {
        attempt(|| share.remove(key))
    }

    /// Removes the session of a key, wherever it is: what this process had, and whether anybody did. `by_host` tells
    /// whether it is the host that removes it.
    pub fn remove_everywhere(
        &self,
        ctx: *mut SSL_CTX,
        key: &Key,
        by_host: impl FnOnce(&Host) -> bool,
    ) -> (Option<SessionRef>, bool) {
        // First here: `hand_over` relies on it.
        let own = self.with_cache(|cache| cache.take(key)).flatten();
        let own = own.or_else(|| self.take_private(key));
        let mut found = own.is_some();
        // A dying context lets go of what is this process's own. And what a connection leaves that ends without a word,
        // as some programs always do: a group lets its sessions stay.
        let stays =
            self.is_ending() || self.may_group() && freeing::is_under_way() && by_host(self.host);
        for reach in self.reaches(ctx) {
            if stays {
                continue;
            }
            let Some(share) = reach.share() else { continue };
            if let Reach::Unsettled(_) = reach {
                self.end_handing_over();
            }
            found |= self.remove_shared(share, key) == Some(true);
        }
        (own, found)
    }

    /// Moves a session to those that stay, if nobody else has used it yet: the application has just changed it, or given
    /// it data of its own.
    pub fn keep_back(&self, ctx: *mut SSL_CTX, reach: Reach, session: &SessionRef) {
        let Some(share) = reach.share() else {
            return;
        };
        let Some(key) = key_of(session) else {
            return;
        };
        let mark = session.digest();
        if attempt(|| share.consume(&key, Some(mark), now(), None)).is_some() {
            self.make_private(ctx, session, &self.cache, self.own_private(ctx));
        } else {
            // Others would have it as it was.
            self.remove_shared(share, &key);
        }
    }

    /// Whether this very session is in the own cache, and perhaps in the region.
    pub fn may_share(&self, key: &Key, session: &SessionRef) -> bool {
        let is_same = |cache: &Local| cache.contains_same(key, session);
        !self.cache.is_empty()
            && self.with_cache(is_same) == Some(true)
            && !self.known_shares().is_empty()
    }

    /// Lets the region follow what the application's new callback may have changed in a session.
    pub fn follow_change(&self, reach: Reach, session: &SessionRef) {
        let (Some(share), Some(key)) = (reach.share(), key_of(session)) else {
            return;
        };
        attempt(|| {
            let (mark, mut before) = (session.digest(), Record::default());
            let found = share.get(&key, now(), &mut before)?;
            let tag = before.first_chunk().copied().map(Tag);
            let record = tagged(tag, session.encode())?;
            if found.mark == mark && *record != *before {
                share.put_over(&key, mark, &record, expiry_of(session), now());
            }
            Some(())
        });
    }

    /// The same as `keep_back`, wherever the context shares.
    pub fn keep_back_everywhere(&self, ctx: *mut SSL_CTX, session: &SessionRef) {
        for reach in self.reaches(ctx) {
            self.keep_back(ctx, reach, session);
        }
    }

    /// Looks an id up.
    pub fn find_shared(
        &self,
        ctx: *mut SSL_CTX,
        reach: Reach,
        key: &Key,
        usage: Usage,
        terms: &Terms,
    ) -> Option<SessionRef> {
        if let Some(found) = self.find_private(ctx, key, usage, terms) {
            return found;
        }
        let share = reach.share()?;
        if let Reach::Unsettled(_) = reach
            && let Some(session) = self.look_up(&self.cache, key, usage.leaving())
        {
            // SAFETY: the session is of this host, and held.
            let is_for = unsafe { self.is_for(session.as_ptr(), terms) };
            return (!usage.is_taken() && is_for).then_some(session);
        }
        let now = now();
        let mut was_here = false;
        // One that is marked here, as another process can where a program keeps its sessions in shared memory, says
        // nothing of what the region has. It stays, to be told of when it leaves.
        let mut is_marked = false;
        let here = self.look_up(&self.cache, key, usage).filter(|session| {
            // SAFETY: the session is of this host, and held.
            if !unsafe { self.is_for(session.as_ptr(), terms) } {
                return false; // it came from another process, on other terms
            }
            is_marked = session.is_marked_not_resumable();
            if is_marked && usage.is_taken() {
                self.left(ctx, session);
            }
            !is_marked
        });
        if let Some(session) = here {
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
                self.left(ctx, &session);
            }
        }
        let found = self.find_elsewhere(ctx, share, key, usage, terms, (now, !is_marked));
        if found.is_some() {
            self.counters.hits_region.fetch_add(1, Ordering::Relaxed);
        } else if is_marked {
            self.counters.misses_marked.fetch_add(1, Ordering::Relaxed);
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
        share: Partition<'static>,
        key: &Key,
        session: &SessionRef,
        usage: Usage,
        now: c_long,
    ) -> Option<bool> {
        let mark = session.digest();
        if usage.is_taken() {
            return Some(attempt(|| share.consume(key, Some(mark), now, None)).is_some());
        }
        attempt(|| share.holds(key, mark, now))
    }

    /// Makes a session of what another process has put; for this process to keep, if it `may_stay`.
    fn find_elsewhere(
        &self,
        ctx: *mut SSL_CTX,
        share: Partition<'static>,
        key: &Key,
        usage: Usage,
        terms: &Terms,
        (now, may_stay): (c_long, bool),
    ) -> Option<SessionRef> {
        note_shared();
        let tag = terms.elsewhere()?;
        let mut record = Record::default();
        let found = attempt(|| share.get(key, now, &mut record))?;
        der_of(&record, tag)?;
        if usage.is_taken() {
            // Looked at before it is used up: a connection that may not have it takes it from nobody.
            attempt(|| share.consume(key, Some(found.mark), now, Some(&mut record)))?;
        }
        let der = der_of(&record, tag)?;
        let session = quietly(|| SessionRef::decode(self.host, &self.origin, der))
            .filter(|session| key_of(session).as_ref() == Some(key));
        let Some(session) = session else {
            self.remove_shared(share, key);
            common()?.region.count_undecodable();
            return None;
        };
        if self.has_outlived(ctx, &session, now) {
            return None; // made here, it would have expired
        }
        if terms.client == Client::Certified && session.has_no_id_context(self.host) {
            return None; // libssl would end the handshake: it takes such sessions from nobody
        }
        // SAFETY: the session was decoded for this host, and is ours.
        unsafe { self.note_tag(session.as_ptr(), terms) };
        quietly(|| unannounced::note(&session));
        // One that is used once will not be asked for again; and what another context of a group made is decoded each
        // time, so that a context that leaves the group takes nothing of others along.
        if let Usage::Again = usage
            && may_stay
            && !self.may_group()
            && let Some(copy) = session.share()
        {
            let expiry = expiry_of(&copy);
            self.insert(
                ctx,
                &self.cache,
                (key.clone(), copy),
                expiry,
                ClientHistory::Proven,
                now,
            );
        }
        Some(session)
    }

    /// Whether a session is older than this context lets sessions become.
    fn has_outlived(&self, ctx: *mut SSL_CTX, session: &SessionRef, now: c_long) -> bool {
        let Ok(tickets) = &self.host.tickets else {
            return false;
        };
        // SAFETY: the context is alive while its cache is asked.
        let timeout = unsafe { (tickets.SSL_CTX_get_timeout)(ctx) };
        session.time_and_timeout().0.saturating_add(timeout) < now
    }

    /// Lets a cached session's expiry follow its time and timeout, here and in the region, if it still has it.
    pub fn follow_expiry(&self, key: &Key, session: &SessionRef) {
        let expiry = expiry_of(session);
        let follow = |cache: &Local| {
            !cache.is_empty()
                && self.with_cache(|_| cache.set_expiry_if_same(key, session, expiry)) == Some(true)
        };
        if self.sharing.private.caches().into_iter().any(follow) || !follow(&self.cache) {
            return;
        }
        let shares = self.known_shares();
        if shares.is_empty() {
            return;
        }
        attempt(|| {
            let mark = session.digest();
            let mut before = Record::default();
            for share in shares {
                let found = share.get(key, now(), &mut before);
                let tag = before.first_chunk().copied().map(Tag);
                if found.is_some_and(|found| found.mark == mark) {
                    share.put_over(key, mark, &tagged(tag, session.encode())?, expiry, now());
                }
            }
            Some(())
        });
    }

    /// How many sessions the cache holds, in all processes.
    pub fn number(&self, ctx: *mut SSL_CTX) -> usize {
        let of = |reach: &Reach| match reach {
            // Where groups are asked for, those of this process alone are the private ones.
            Reach::Own if self.may_group() => 0,
            Reach::Own | Reach::Unsettled(_) => self.cache.len(),
            Reach::Shared(share) => attempt(|| Some(share.len())).unwrap_or(0),
        };
        // First: the question may move sessions to the private ones.
        let reaches = self.reaches(ctx);
        self.while_none_moves(|| {
            let private = self.sharing.private.caches().map(|cache| cache.reachable());
            reaches.iter().map(of).sum::<usize>() + private.iter().sum::<usize>()
        })
    }

    /// Whether a session has this key; not a use.
    pub fn contains_key(&self, ctx: *mut SSL_CTX, key: &Key) -> bool {
        let has = |cache: &Local| self.with_cache(|_| cache.contains(key)) == Some(true);
        let reaches = |reach: Reach| match reach {
            Reach::Own | Reach::Unsettled(_) => has(&self.cache),
            Reach::Shared(share) => attempt(|| share.contains(key, now())) == Some(true),
        };
        self.reaches(ctx).into_iter().any(reaches)
            || self.sharing.private.caches().into_iter().any(has)
    }

    /// Whether a session of the own cache still is what it says; also where the region has no time to tell.
    pub fn is_held(&self, reaches: &[Reach], session: &SessionRef) -> bool {
        reaches.iter().any(|reach| match reach {
            Reach::Own | Reach::Unsettled(_) => true,
            Reach::Shared(share) => key_of(session)
                .is_some_and(|key| attempt(|| share.contains(&key, now())) != Some(false)),
        })
    }

    /// Follows a size that the application sets.
    pub fn share_capacity(&self, ctx: *mut SSL_CTX, size: usize) {
        self.sharing.sized.store(true, Ordering::Relaxed);
        for cache in self.sharing.private.caches() {
            cache.set_capacity(size);
        }
        for share in self.reaches(ctx).into_iter().filter_map(Reach::share) {
            attempt(|| {
                share.set_capacity(size);
                Some(())
            });
        }
    }
}

/// The tag of a session that is for those alone who have a copy already.
const OF_NOBODY: Tag = Tag([0; 16]);

/// What the region keeps of a session: for whom it is, and the session.
fn tagged(tag: Option<Tag>, der: Option<Record>) -> Option<Record> {
    let der = der?;
    let mut record = Record::default();
    record
        .try_reserve_exact(size_of::<Tag>() + der.len())
        .ok()?;
    record.extend_from_slice(&tag.unwrap_or(OF_NOBODY).0);
    record.extend_from_slice(&der);
    Some(record)
}

/// The session in a record, if it is for connections of this tag.
fn der_of(record: &[u8], tag: Tag) -> Option<&[u8]> {
    let (&of, der) = record.split_first_chunk()?;
    (Tag(of) == tag && tag != OF_NOBODY).then_some(der)
}
