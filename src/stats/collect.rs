//! The sums over all contexts of this process, and a summary of each context.

use core::ffi::c_int;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::context::alike::attributes::ATTRIBUTES;
use crate::context::alike::decide;
use crate::context::{Context, registry};
use crate::host::abi::*;
use crate::host::types::SSL_CTX;
use crate::page::figures::{ATTRIBUTES_MOST, NUMBER};
use crate::page::{self, Figure, Sums};
use crate::sys::lock::lock_waits;

const _: () = assert!(ATTRIBUTES.len() <= ATTRIBUTES_MOST);

/// The sums over the contexts that are gone.
static RETIRED: [AtomicU64; NUMBER] = [const { AtomicU64::new(0) }; NUMBER];

/// Adds the counters of a context that is being freed to those of the contexts that are gone.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, and the host has not freed its counters yet.
pub unsafe fn retire(context: &Context, ctx: *mut SSL_CTX) {
    let mut sums = Sums::default();
    count_into(context, ctx, &mut sums);
    let accepted = sums.get(Figure::Handshakes) - sums.get(Figure::Connects);
    if accepted > 0 {
        sums.add(Figure::ContextsGone, 1);
        sums.add(Figure::HandshakesGone, accepted);
        sums.add(Figure::ResumedGone, sums.get(Figure::Resumed).min(accepted));
        let is_unidentified = verify_mode(context, ctx) & SSL_VERIFY_PEER != 0
            && context.id_context.get().is_some_and(|id| id.is_empty());
        sums.add(Figure::UnidentifiedGone, is_unidentified.into());
    }
    for (retired, sum) in RETIRED.iter().zip(sums.figures) {
        retired.fetch_add(sum, Relaxed);
    }
}

/// The sums of this process, which include those of its parent up to the fork, and the contexts with the most handshakes.
/// `None` after OPENSSL_cleanup, when contexts can no longer be read.
pub fn sums() -> Option<(Sums, Vec<page::Context>)> {
    let mut sums = Sums::default();
    let mut contexts: Vec<page::Context> = Vec::new();
    let asked = registry::each(|ctx, context| {
        let before = sums;
        count_into(context, ctx, &mut sums);
        sums.contexts += 1;
        if contexts.len() == page::contexts_shown() {
            let own = sums.get(Figure::Handshakes) - before.get(Figure::Handshakes);
            let idle = contexts.iter().map(page::Context::handshakes).enumerate();
            match idle.min_by_key(|&(_, done)| done) {
                Some((at, done)) if done < own => drop(contexts.remove(at)),
                _ => return,
            }
        }
        contexts.push(summary(context, ctx, &before, &sums));
    });
    for (sum, retired) in sums.figures.iter_mut().zip(&RETIRED) {
        *sum = sum.wrapping_add(retired.load(Relaxed));
    }
    sums.add(Figure::LockWaits, lock_waits());
    asked.then_some((sums, contexts))
}

fn count_into(context: &Context, ctx: *mut SSL_CTX, sums: &mut Sums) {
    let own = &context.counters;
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    let (gone, marked, used) = (
        count(&own.misses_gone),
        count(&own.misses_marked),
        count(&own.misses_used),
    );
    let absent = count(&own.misses).saturating_sub(gone + marked + used);
    let hosts = |command| context.host_ctrl(ctx, command, 0).try_into().unwrap_or(0);
    let connects = hosts(SSL_CTRL_SESS_CONNECT_GOOD);
    let handshakes = hosts(SSL_CTRL_SESS_ACCEPT_GOOD) + connects;
    let resumed: u64 = hosts(SSL_CTRL_SESS_HIT);
    // libssl counts both kinds in one, and hardly any context is used for both. It counts a server's handshake in the context
    // that a server name has chosen, and its resumption in the first one, which so may have more of these.
    let connects_resumed = resumed.saturating_sub(handshakes - connects).min(connects);
    for (figure, number) in [
        (
            Figure::HitsProcess,
            count(&own.hits).saturating_sub(count(&own.hits_region) + count(&own.hits_fleet)),
        ),
        (Figure::HitsRegion, count(&own.hits_region)),
        (Figure::HitsFleet, count(&own.hits_fleet)),
        (Figure::FleetAnswered, count(&own.fleet_answered)),
        (Figure::FleetUnanswered, count(&own.fleet_unanswered)),
        (Figure::FleetTold, count(&own.fleet_told)),
        (Figure::FleetUntold, count(&own.fleet_untold)),
        (Figure::HitsCallback, count(&own.cb_hits)),
        (Figure::MissesAbsent, absent),
        (Figure::MissesGone, gone),
        (Figure::MissesMarked, marked),
        (Figure::MissesUsed, used),
        (Figure::Failures, count(&own.failures)),
        (Figure::Handshakes, handshakes),
        (Figure::Connects, connects),
        (Figure::Resumed, resumed),
        (Figure::ConnectsResumed, connects_resumed),
        (Figure::Timeouts, hosts(SSL_CTRL_SESS_TIMEOUTS)),
        (Figure::AgeSeconds, count(&own.age_seconds)),
        (Figure::TicketsMadeShared, count(&own.tickets_made_shared)),
        (Figure::TicketsMadeOwn, count(&own.tickets_made_own)),
        (
            Figure::TicketsOpenedShared,
            count(&own.tickets_opened_shared),
        ),
        (Figure::TicketsOpenedOwn, count(&own.tickets_opened_own)),
        (Figure::TicketsUnopened, count(&own.tickets_unopened)),
    ] {
        sums.add(figure, number);
    }
    for (number, ages) in own.ages.iter().enumerate() {
        sums.figures[Figure::AgeMinute as usize + number] += count(ages);
    }
    for cache in context.caches() {
        let counters = cache.counters();
        for (figure, number) in [
            (Figure::Added, counters.inserted),
            (Figure::Replaced, counters.replaced),
            (Figure::Evicted, counters.evicted),
            (Figure::Expired, counters.expired),
            (Figure::Flushed, counters.flushed),
            (Figure::Removed, counters.removed),
            (Figure::Refused, counters.refused),
        ] {
            sums.add(figure, number);
        }
        sums.sessions += cache.len() as u64;
        sums.memory += cache.memory() as u64;
    }
}

/// A short digest of each attribute of the context's last connection; all 0 if no connection was compared yet.
fn attributes(context: &Context) -> [u32; ATTRIBUTES_MOST] {
    let mut shown = [0; ATTRIBUTES_MOST];
    let (known, _) = shown.split_at_mut(ATTRIBUTES.len());
    known.copy_from_slice(&decide::hashes_of(context).unwrap_or_default());
    shown
}

/// SSL_VERIFY_* of the context.
fn verify_mode(context: &Context, ctx: *mut SSL_CTX) -> c_int {
    let get = context.host.traits.SSL_CTX_get_verify_mode;
    // SAFETY: the context is alive: it is in the registry, or is being freed and still has its settings.
    get.map_or(0, |get| unsafe { get(ctx) })
}

/// The summary of a context. Its own counts are the difference between the sums after it and before it.
fn summary(context: &Context, ctx: *mut SSL_CTX, before: &Sums, after: &Sums) -> page::Context {
    let own = |figure| after.get(figure).saturating_sub(before.get(figure));
    // SAFETY: the context is alive, because it is in the registry.
    let options = unsafe { (context.libssl.SSL_CTX_get_options)(ctx) };
    let calls_back = context.new_callback.get().is_some() || context.get_callback.get().is_some();
    let flags = [
        (context.is_forced(), page::Context::FORCED),
        (context.made_after_fork(), page::Context::MADE_AFTER_FORK),
        (
            !context.known_partitions().is_empty(),
            page::Context::SHARED,
        ),
        (calls_back, page::Context::CALLBACKS),
    ];
    page::Context {
        mode: context.mode.load(Relaxed),
        verify: verify_mode(context, ctx) as u8,
        id_context: context.id_context.get().map_or(0, |id| id.len() as u8),
        flags: flags
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, flag)| flag)
            .sum(),
        options,
        capacity: context.cache.capacity() as u64,
        sessions: context
            .caches()
            .iter()
            .map(|cache| cache.len() as u64)
            .sum(),
        hits: after.hits() - before.hits(),
        misses: after.misses() - before.misses(),
        accepted: own(Figure::Handshakes).saturating_sub(own(Figure::Connects)),
        connected: own(Figure::Connects),
        resumed: own(Figure::Resumed),
        keys: context.tickets.source.get() as u8,
        origin: context.sharing.origin(),
        attributes: attributes(context),
    }
}
