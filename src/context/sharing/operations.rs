//! The operations of a context's cache if other processes share it.
//!
//! Each works on the caches of this process and on a partition of the region. If the region cannot answer in time, that is
//! a miss: except for inherited copies before the end of a migration, no session is resumed without its confirmation.

use core::ffi::c_long;
use core::sync::atomic::Ordering;

use super::arrival::session_of;
use super::exchange::{der_of, must_stay, note_shared, tagged};
use super::state::{Destination, Scope};
use super::{abroad, exchange, private, scope};
use crate::cache::{Arrival, ClientHistory, Key};
use crate::context::alike::decide;
use crate::context::alike::rule::{Tag, Terms};
use crate::context::local::Local;
use crate::context::session::{Usage, expiry_of, key_of, now};
use crate::context::{Context, freeing, insert, notify, unannounced};
use crate::host::record::Record;
use crate::host::types::SSL_CTX;
use crate::host::{Host, SessionRef};
use crate::shm::Partition;
use crate::sys::guard::attempt;
use crate::sys::reserve::is_short;

/// Adds a session to the own cache and the region, or to the private sessions; `true` if it was new.
pub fn add_shared(
    context: &Context,
    ctx: *mut SSL_CTX,
    Destination {
        scope,
        to_all,
        terms,
    }: Destination,
    (key, session): (&Key, &SessionRef),
    history: ClientHistory,
) -> bool {
    let now = now();
    if is_short() {
        context.failed();
        return false;
    }
    let (partition, tag) = match (scope.partition(), terms.shared_tag()) {
        (Some(partition), Some(tag)) if to_all && !must_stay(context, session, &terms) => {
            (partition, tag)
        }
        _ => return keep(context, ctx, scope, (key, session), history, now),
    };
    let expiry = expiry_of(session);
    let arrival = Arrival {
        key,
        value: session,
        expiry,
        history,
        now,
    };
    let fresh = insert::insert(context, ctx, &context.cache, &arrival);
    let known = !fresh && attempt(|| partition.holds(key, session.digest(), now)) == Some(true);
    // A session that is known already is put again: its time may be new.
    let put =
        |record: &[u8], expiry| partition.put(key, session.digest(), record, expiry, history, now);
    if exchange::publish(session, Some(tag), put) {
        drop(context.take_private(key));
    } else if let Some(own) = context
        .with_cache(|cache| cache.remove_if_same(key, session))
        .flatten()
    {
        return keep(context, ctx, scope, (key, &own), history, now) && !known;
    }
    !known
}

/// Keeps a session as private; `true` if it was new to this process. Stored as inherited if another process may also hold
/// it and consume it.
fn keep(
    context: &Context,
    ctx: *mut SSL_CTX,
    scope: Scope,
    (key, session): (&Key, &SessionRef),
    history: ClientHistory,
    now: c_long,
) -> bool {
    let (own, inherited) = (
        private::own_private(context, ctx),
        context.inherited_private(),
    );
    let take = |cache: &Local| context.with_cache(|_| cache.take(key)).flatten();
    let cached = take(&context.cache);
    let was_inherited = matches!(scope, Scope::Unsettled(_)) && cached.is_some();
    let known = take(inherited);
    // Another process may have a session under this id.
    let removed = match scope.partition() {
        Some(partition) => exchange::remove_shared(partition, key),
        None => Some(false),
    };
    let is_own = known.is_none() && !was_inherited && removed.is_some();
    let to = if is_own { own } else { inherited };
    let same = cached.or(known).as_ref() == Some(session);
    let arrival = Arrival {
        key,
        value: session,
        expiry: expiry_of(session),
        history,
        now,
    };
    insert::insert(context, ctx, to, &arrival) && !same
}

/// Removes the session of a key from this process and from the region. Returns the session that this process had, and
/// whether this process or the region had one.
///
/// This is where a removal is decided: the caches of this process always lose the session; the region keeps it if the
/// context is ending, or if the host (`by_host`) removes it because a connection ended without a shutdown.
pub fn remove_everywhere(
    context: &Context,
    ctx: *mut SSL_CTX,
    key: &Key,
    by_host: impl FnOnce(&Host) -> bool,
) -> (Option<SessionRef>, bool) {
    // The own cache comes first: `migration` relies on that order.
    let own = context.with_cache(|cache| cache.take(key)).flatten();
    if context.is_alone() {
        let found = own.is_some(); // no other process has the session, and there are no private ones
        return (own, found);
    }
    remove_from_others(context, ctx, key, own, by_host)
}

/// Does the rest of [`remove_everywhere`] after the own cache has given up `own`.
pub fn remove_from_others(
    context: &Context,
    ctx: *mut SSL_CTX,
    key: &Key,
    own: Option<SessionRef>,
    by_host: impl FnOnce(&Host) -> bool,
) -> (Option<SessionRef>, bool) {
    let own = own.or_else(|| context.take_private(key));
    let mut found = own.is_some();
    // A context that is freed releases the sessions of this process only. And some programs never shut a connection
    // down: in a group, that does not take the session from the other members.
    let stays = context.is_ending()
        || context.may_group() && freeing::is_under_way() && by_host(context.host);
    for scope in scope::each(context, ctx) {
        if stays {
            continue;
        }
        let Some(partition) = scope.partition() else {
            continue;
        };
        if let Scope::Unsettled(_) = scope {
            context.end_migration();
        }
        abroad::remove(context, &partition, key);
        found |= exchange::remove_shared(partition, key) == Some(true);
    }
    if !stays {
        for partition in context.former_partitions() {
            abroad::remove(context, &partition, key);
            found |= exchange::remove_shared(partition, key) == Some(true);
        }
    }
    (own, found)
}

/// Makes a session private if no other process has consumed it: the application has just given it ex_data.
pub fn keep_back(context: &Context, ctx: *mut SSL_CTX, scope: Scope, session: &SessionRef) {
    let Some(partition) = scope.partition() else {
        return;
    };
    let Some(key) = key_of(session) else {
        return;
    };
    let mark = session.digest();
    let own = private::own_private(context, ctx); // with what the application has withdrawn itself
    if attempt(|| partition.consume(&key, Some(mark), now(), None)).is_some() {
        private::make_private(context, ctx, session, &context.cache, own);
    } else {
        // Other processes would resume the session without the change.
        exchange::remove_shared(partition, &key);
    }
}

/// Makes a session private wherever the context has shared it, for a caller that holds no reference to the SSL_CTX and may
/// not call the application: the session is pending until the next operation of the context's cache.
pub fn withdraw(context: &Context, key: &Key, session: &SessionRef) {
    let mark = session.digest();
    let is_cached = context.with_cache(|cache| cache.contains_same(key, session)) == Some(true);
    for partition in context.known_partitions() {
        if attempt(|| partition.consume(key, Some(mark), now(), None)).is_some() {
            let is_only_here = abroad::withdraw(context, &partition, key, session);
            if is_cached && is_only_here {
                context.sharing.private.pending.add(session);
            }
        } else {
            // Others would resume the session without the change.
            abroad::withdraw_copies(context, &partition, key, session);
            if is_cached {
                exchange::remove_shared(partition, key);
            }
        }
    }
}

/// Updates the region's record if the application's new callback has changed the session.
pub fn follow_change(scope: Scope, session: &SessionRef) {
    let (Some(partition), Some(key)) = (scope.partition(), key_of(session)) else {
        return;
    };
    attempt(|| {
        let (mark, mut before) = (session.digest(), Record::default());
        let found = partition.get(&key, now(), &mut before)?;
        let tag = before.first_chunk().copied().map(Tag);
        let record = tagged(tag, session.encode())?;
        if found.mark == mark && *record != *before {
            partition.put_over(&key, mark, &record, expiry_of(session), now());
        }
        Some(())
    });
}

/// Looks an id up: among the private sessions, then in the own cache, whose sessions the region has to confirm, then in
/// the region.
pub fn find_shared(
    context: &Context,
    ctx: *mut SSL_CTX,
    scope: Scope,
    key: &Key,
    usage: Usage,
    terms: &Terms,
) -> Option<SessionRef> {
    if let Some(found) = private::find_private(context, ctx, key, usage, terms) {
        return found;
    }
    if is_short() {
        context.failed();
        return None;
    }
    let partition = scope.partition()?;
    let news = abroad::follow_news(context);
    if let Scope::Unsettled(_) = scope
        && let Some(session) = context.look_up(&context.cache, key, usage.without_consuming())
    {
        // SAFETY: the SessionRef holds a session of the context's host.
        let is_for = unsafe { decide::is_for(context, session.as_ptr(), terms) };
        return (!usage.consumes() && is_for).then_some(session);
    }
    let now = now();
    let mut was_here = false;
    // A copy that is marked not resumable says nothing about the region's record: a program that keeps its sessions in
    // shared memory may have marked it in another process. It stays in the own cache, so that the remove callback is
    // called when it leaves.
    let mut is_marked = false;
    let here = context
        .look_up(&context.cache, key, usage)
        .filter(|session| {
            // SAFETY: the SessionRef holds a session of the context's host.
            if !unsafe { decide::is_for(context, session.as_ptr(), terms) } {
                return false; // it came from another process, for connections on other terms
            }
            is_marked = context.host.kind.refuses(session);
            if is_marked && usage.consumes() {
                notify::departed(context, ctx, session);
            }
            !is_marked
        });
    if let Some(session) = here {
        // An expired session is handed to the host, which counts it and has it removed.
        let expired = expiry_of(&session).has_passed(now);
        match counts(partition, key, &session, usage, now) {
            _ if expired && !usage.consumes() => return Some(session),
            Some(true) if usage.consumes() => {
                let may = abroad::may_use(context, &partition, key, &session);
                return Some(session).filter(|_| may);
            }
            Some(true) => return Some(session),
            Some(false) => was_here = true,
            // The region could not be asked in time: a miss, and the own copy stays.
            None => return None,
        }
        let gone = context
            .with_cache(|cache| cache.remove_if_same(key, &session))
            .flatten();
        if gone.is_some() || usage.consumes() {
            notify::departed(context, ctx, &session);
        }
    }
    // What others have made, this context has only if it would have kept it had it made it itself.
    if !context.keeps_sessions() && context.realm_of(&partition).is_some() {
        return None;
    }
    if let Some(session) = find_elsewhere(
        context,
        ctx,
        partition,
        key,
        usage,
        terms,
        (now, !is_marked),
    ) {
        // The fleet is asked once: a session that another host has used is not looked for there.
        if usage.consumes() && !abroad::may_use(context, &partition, key, &session) {
            return None;
        }
        context.counters.hits_region.fetch_add(1, Ordering::Relaxed);
        return Some(session);
    }
    let found = match is_marked {
        true => None,
        false => find_abroad(context, ctx, partition, key, usage, terms, (now, news)),
    };
    if found.is_some() {
        context.counters.hits_fleet.fetch_add(1, Ordering::Relaxed);
    } else if is_marked {
        context
            .counters
            .misses_marked
            .fetch_add(1, Ordering::Relaxed);
    } else if was_here {
        count_gone(context);
    }
    found
}

/// Counts a look-up that found a session in the own cache which another process has removed.
fn count_gone(context: &Context) {
    context.counters.misses_gone.fetch_add(1, Ordering::Relaxed);
}

/// Whether the region still has a session of the own cache, which is consumed there if `usage` says so. `None` if the
/// region could not be asked in time.
fn counts(
    partition: Partition<'static>,
    key: &Key,
    session: &SessionRef,
    usage: Usage,
    now: c_long,
) -> Option<bool> {
    let mark = session.digest();
    if usage.consumes() {
        return Some(attempt(|| partition.consume(key, Some(mark), now, None)).is_some());
    }
    attempt(|| partition.holds(key, mark, now))
}

/// Decodes the session that another process has put into the region. The own cache keeps a reference if it `may_stay`.
fn find_elsewhere(
    context: &Context,
    ctx: *mut SSL_CTX,
    partition: Partition<'static>,
    key: &Key,
    usage: Usage,
    terms: &Terms,
    (now, may_stay): (c_long, bool),
) -> Option<SessionRef> {
    note_shared();
    let tag = terms.shared_tag()?;
    let mut record = Record::default();
    let found = attempt(|| partition.get(key, now, &mut record))?;
    der_of(&record, tag)?;
    if usage.consumes() {
        // The tag was compared before this: a connection that may not have the session must not consume it either.
        attempt(|| partition.consume(key, Some(found.mark), now, Some(&mut record)))?;
    }
    let der = der_of(&record, tag)?;
    let session = session_of(context, ctx, partition, key, der, terms, now)?;
    // A session that is used once will not be asked for again. In a group sessions are decoded each time, so that a context
    // that leaves the group keeps none that another context made.
    if let Usage::Again = usage
        && may_stay
        && !context.may_group()
    {
        let arrival = Arrival {
            key,
            value: &session,
            expiry: expiry_of(&session),
            history: ClientHistory::Proven,
            now,
        };
        insert::insert(context, ctx, &context.cache, &arrival);
    }
    Some(session)
}

/// The session that another host has made. A copy that may be used again stays in the region for a while.
fn find_abroad(
    context: &Context,
    ctx: *mut SSL_CTX,
    partition: Partition<'static>,
    key: &Key,
    usage: Usage,
    terms: &Terms,
    (now, news): (c_long, u64),
) -> Option<SessionRef> {
    let tag = terms.shared_tag()?;
    let mut record = Record::default();
    if !abroad::find(context, &partition, key, usage, &mut record) {
        return None;
    }
    let der = der_of(&record, tag)?;
    let session = session_of(context, ctx, partition, key, der, terms, now)?;
    if let Usage::Again = usage {
        let expiry = abroad::foreign_expiry(&session, now);
        let (mark, proven) = (session.digest(), ClientHistory::Proven);
        attempt(|| Some(partition.put(key, mark, &record, expiry, proven, now)));
        abroad::follow_news_since(context, news); // it may have been removed meanwhile
    }
    Some(session)
}

/// Makes the expiry of a session follow its time and timeout, in this process and, if it is not private, in the region.
pub fn follow_expiry(context: &Context, key: &Key, session: &SessionRef) {
    let expiry = expiry_of(session);
    let follow = |cache: &Local| {
        !cache.is_empty()
            && context.with_cache(|_| cache.set_expiry_if_same(key, session, expiry)) == Some(true)
    };
    // The copies abroad would keep the expiry that they have.
    if abroad::may_have_left(session) {
        for partition in context.known_partitions() {
            abroad::withdraw_copies(context, &partition, key, session);
        }
    }
    if context.sharing.private.caches().into_iter().any(follow) {
        return;
    }
    // A copy that was decoded from the region need not be in the own cache.
    if !follow(&context.cache) && !unannounced::has(session) {
        return;
    }
    let partitions = context.known_partitions();
    if partitions.is_empty() {
        return;
    }
    attempt(|| {
        let mark = session.digest();
        let mut before = Record::default();
        for partition in partitions {
            let found = partition.get(key, now(), &mut before);
            let tag = before.first_chunk().copied().map(Tag);
            if found.is_some_and(|found| found.mark == mark) {
                partition.put_over(key, mark, &tagged(tag, session.encode())?, expiry, now());
            }
        }
        Some(())
    });
}

/// How many sessions the cache holds in all processes of its scopes.
pub fn number(context: &Context, ctx: *mut SSL_CTX) -> usize {
    let of = |scope: &Scope| match scope {
        // In a group, the sessions of this process alone are the private ones, which are counted below.
        Scope::Own if context.may_group() => 0,
        Scope::Own | Scope::Unsettled(_) => context.cache.len(),
        Scope::Shared(partition) => attempt(|| Some(partition.len())).unwrap_or(0),
    };
    // Before the caches are counted: finding the scopes may make sessions private.
    let scopes = scope::each(context, ctx);
    context.while_none_moves(|| {
        let private = context
            .sharing
            .private
            .caches()
            .map(|cache| cache.reachable());
        scopes.iter().map(of).sum::<usize>() + private.iter().sum::<usize>()
    })
}

/// Whether the cache has a session of this key. That does not count as a use.
pub fn contains_key(context: &Context, ctx: *mut SSL_CTX, key: &Key) -> bool {
    let has = |cache: &Local| context.with_cache(|_| cache.contains(key)) == Some(true);
    let scopes = |scope: Scope| match scope {
        Scope::Own | Scope::Unsettled(_) => has(&context.cache),
        Scope::Shared(partition) => attempt(|| partition.contains(key, now())) == Some(true),
    };
    scope::each(context, ctx).into_iter().any(scopes)
        || context.sharing.private.caches().into_iter().any(has)
}

/// Applies the size that the application has set to the private caches and the partitions.
pub fn share_capacity(context: &Context, ctx: *mut SSL_CTX, size: usize) {
    context.sharing.sized.store(true, Ordering::Relaxed);
    for cache in context.sharing.private.caches() {
        cache.set_capacity(size);
    }
    for partition in scope::each(context, ctx)
        .into_iter()
        .filter_map(Scope::partition)
    {
        attempt(|| {
            partition.set_capacity(size);
            Some(())
        });
    }
}
