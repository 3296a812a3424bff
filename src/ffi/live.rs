//! The figures of this process, shown in its [`page`](crate::page), and the one thing that is asked of it there: a flush.
//!
//! Nothing is counted twice: each cache counts what it does, and the sums are written down by operations that happen
//! anyway. A handshake does so, unless that would take more than a small part of its time, and is then put off; calls of
//! the application look once a second. There is no thread, and a process that is idle writes nothing.
//!
//! A forked process has inherited its parent's counts: what it finds at its first operation is not its own.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::alike::{self, attributes::ATTRIBUTES};
use super::guard::attempt;
use super::presence;
use super::registry;
use super::sharing::{self, Reach};
use super::store::{Store, now};
use crate::config::{SETTINGS, settings};
use crate::host::Host;
use crate::host::abi::*;
use crate::host::types::SSL_CTX;
use crate::page::figures::{ATTRIBUTES_MOST, NUMBER};
use crate::page::{self, About, Context, Figure, Sums};
use crate::sys::lock::{lock_waits, this_process};

const _: () = assert!(ATTRIBUTES.len() <= ATTRIBUTES_MOST);

/// Writing the figures may take one part in so many of the time that passes.
const SPARED: i64 = 100;
/// What was spared before may be spent at once: so only a process that never rests leaves its last moments unsaid.
const SAVED_NS: i64 = 200_000_000;
/// However long it took, they are not older than a second where something happens.
const OLDEST_NS: i64 = 1_000_000_000;

/// The process, counted by forks, that `INHERITED` is of; 0: there is no page.
static COUNTED_IN: AtomicU32 = AtomicU32::new(0);
/// What was counted when this process began.
static INHERITED: [AtomicU64; NUMBER] = [const { AtomicU64::new(0) }; NUMBER];
/// What contexts that are gone have counted.
static RETIRED: [AtomicU64; NUMBER] = [const { AtomicU64::new(0) }; NUMBER];
/// The second in which a call of the application last looked.
static LOOKED: AtomicI64 = AtomicI64::new(0);
/// When a handshake may write next, by a clock that never goes back.
static DUE: AtomicI64 = AtomicI64::new(0);
/// Whether a thread is writing; of another process, if it was cut off by a fork.
static WRITING: AtomicU32 = AtomicU32::new(0);

/// Makes the page of this process tree: a context was taken over.
pub fn begin(host: &Host) {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    // Relaxed: of threads that arrive together one does it.
    if BEGUN.load(Relaxed) || BEGUN.swap(true, Relaxed) || !settings().stats {
        return;
    }
    let lines = SETTINGS.iter().filter_map(|setting| {
        Some(format!(
            "{}={}\n",
            setting.name,
            setting.value_in(settings())?
        ))
    });
    page::make(&About {
        version: env!("CARGO_PKG_VERSION"),
        form: &presence::form(host),
        settings: &lines.collect::<String>(),
    });
    if page::slot().is_some() {
        COUNTED_IN.store(this_process(), Relaxed);
        publish();
    }
}

/// Before a handshake turns to a cache.
pub fn enter(store: &Store, ctx: *mut SSL_CTX) {
    if is_counting() {
        obey(store, ctx);
    }
}

/// After that; and when a connection is freed, as a handshake need not come to a cache.
pub fn leave() {
    if COUNTED_IN.load(Relaxed) != 0 && clock(libc::CLOCK_MONOTONIC) >= DUE.load(Relaxed) {
        publish();
    }
}

/// Runs a call of the application that turns to a cache. The first one of a second is written down: afterwards, for
/// others may wait for what it does.
#[inline]
pub fn tick<T>(store: &Store, ctx: *mut SSL_CTX, now: i64, call: impl FnOnce() -> T) -> T {
    // Relaxed: of threads that arrive together any number may do it.
    let is_first = LOOKED.load(Relaxed) != now;
    if is_first {
        look(store, ctx, now);
    }
    let result = call();
    if is_first {
        publish();
    }
    result
}

#[cold]
fn look(store: &Store, ctx: *mut SSL_CTX, now: i64) {
    LOOKED.store(now, Relaxed);
    enter(store, ctx);
}

/// Keeps what a dying context has counted.
///
/// # Safety
/// * `ctx` is the context of `store`, and its counters are still there.
pub unsafe fn retire(store: &Store, ctx: *mut SSL_CTX) {
    if COUNTED_IN.load(Relaxed) == 0 {
        return;
    }
    let mut sums = Sums::default();
    store.count_into(ctx, &mut sums);
    let accepted = sums.get(Figure::Handshakes) - sums.get(Figure::Connects);
    if accepted > 0 {
        sums.add(Figure::ContextsGone, 1);
        sums.add(Figure::HandshakesGone, accepted);
        sums.add(Figure::ResumedGone, sums.get(Figure::Resumed).min(accepted));
        let is_unidentified = store.verify_mode(ctx) & SSL_VERIFY_PEER != 0
            && store.id_context.get().is_some_and(|id| id.is_empty());
        sums.add(Figure::UnidentifiedGone, is_unidentified.into());
    }
    for (retired, sum) in RETIRED.iter().zip(sums.figures) {
        retired.fetch_add(sum, Relaxed);
    }
}

/// Whether there is a page. What this process has inherited is known from here on.
fn is_counting() -> bool {
    let process = COUNTED_IN.load(Relaxed);
    if process == 0 {
        return false;
    }
    if process != this_process() {
        inherit();
    }
    true
}

#[cold]
fn inherit() {
    COUNTED_IN.store(this_process(), Relaxed);
    DUE.store(0, Relaxed);
    let Some((sums, _)) = attempt(sums) else {
        return;
    };
    for (inherited, sum) in INHERITED.iter().zip(sums.figures) {
        inherited.store(sum, Relaxed);
    }
}

/// Flushes a context's cache, once for each time that this was asked for: in all processes, where it shares.
fn obey(store: &Store, ctx: *mut SSL_CTX) {
    let asked = page::flushes();
    if store.flushed.load(Relaxed) == asked || store.flushed.swap(asked, Relaxed) == asked {
        return;
    }
    store.flush_own(ctx, 0);
    if sharing::is_named() {
        // Others use it too: only what is this context's.
        for share in store.reaches(ctx).into_iter().filter_map(Reach::share) {
            attempt(|| Some(share.flush(None)));
        }
    } else if page::is_first_to_flush(asked)
        && let Some(common) = sharing::common()
    {
        // By one process alone: a second one would empty it of what has come since.
        attempt(|| {
            common.region.flush();
            Some(())
        });
    }
}

fn publish() {
    let this = this_process();
    let writing = WRITING.load(Relaxed);
    // Relaxed: a thread that finds another one at it leaves the rest to the next operation.
    if writing == this
        || WRITING
            .compare_exchange(writing, this, Relaxed, Relaxed)
            .is_err()
    {
        return;
    }
    attempt(|| {
        write();
        Some(())
    });
    WRITING.store(0, Relaxed);
}

fn write() {
    if !is_counting() {
        return;
    }
    let began = clock(libc::CLOCK_THREAD_CPUTIME_ID);
    let Some(slot) = page::slot() else { return };
    let Some((mut sums, contexts)) = sums() else {
        return; // the process is about to end
    };
    for (sum, inherited) in sums.figures.iter_mut().zip(&INHERITED) {
        *sum = sum.saturating_sub(inherited.load(Relaxed));
    }
    slot.publish(&sums, &contexts);
    publish_region();
    // What it took of the processor: on a busy machine others had their turn meanwhile.
    let taken = clock(libc::CLOCK_THREAD_CPUTIME_ID).saturating_sub(began);
    let pause = taken.saturating_mul(SPARED).min(OLDEST_NS);
    let saved = clock(libc::CLOCK_MONOTONIC).saturating_sub(SAVED_NS);
    DUE.store(DUE.load(Relaxed).max(saved).saturating_add(pause), Relaxed);
}

fn publish_region() {
    let Some(common) = sharing::common() else {
        return;
    };
    let known = common.region.stats();
    page::publish_region(&[
        known.gets,
        known.hits,
        known.absent,
        known.expired,
        known.puts,
        known.refused,
        known.evictions,
        known.takes,
        known.time_outs,
        known.recovered,
        known.records,
        known.bytes,
    ]);
}

/// All that was counted in this process and, up to the fork, in those that it descends from; and the contexts that did
/// the most handshakes. `None` where contexts cannot be asked any more.
fn sums() -> Option<(Sums, Vec<Context>)> {
    let mut sums = Sums::default();
    let mut contexts: Vec<Context> = Vec::new();
    let asked = registry::each(|ctx, store| {
        let before = sums;
        store.count_into(ctx, &mut sums);
        sums.contexts += 1;
        if contexts.len() == page::contexts_shown() {
            let own = sums.get(Figure::Handshakes) - before.get(Figure::Handshakes);
            let idle = contexts.iter().map(Context::handshakes).enumerate();
            match idle.min_by_key(|&(_, done)| done) {
                Some((at, done)) if done < own => drop(contexts.remove(at)),
                _ => return,
            }
        }
        contexts.push(store.show(ctx, &before, &sums));
    });
    for (sum, retired) in sums.figures.iter_mut().zip(&RETIRED) {
        *sum = sum.wrapping_add(retired.load(Relaxed));
    }
    sums.add(Figure::LockWaits, lock_waits());
    asked.then_some((sums, contexts))
}

impl Store {
    fn count_into(&self, ctx: *mut SSL_CTX, sums: &mut Sums) {
        let own = &self.counters;
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let (gone, marked, used) = (
            count(&own.misses_gone),
            count(&own.misses_marked),
            count(&own.misses_used),
        );
        let absent = count(&own.misses).saturating_sub(gone + marked + used);
        let hosts = |command| self.host_ctrl(ctx, command, 0).try_into().unwrap_or(0);
        let connects = hosts(SSL_CTRL_SESS_CONNECT_GOOD);
        let handshakes = hosts(SSL_CTRL_SESS_ACCEPT_GOOD) + connects;
        for (figure, number) in [
            (
                Figure::HitsProcess,
                count(&own.hits).saturating_sub(count(&own.hits_region)),
            ),
            (Figure::HitsRegion, count(&own.hits_region)),
            (Figure::HitsCallback, count(&own.cb_hits)),
            (Figure::MissesAbsent, absent),
            (Figure::MissesGone, gone),
            (Figure::MissesMarked, marked),
            (Figure::MissesUsed, used),
            (Figure::Failures, count(&own.failures)),
            (Figure::Handshakes, handshakes),
            (Figure::Connects, connects),
            (Figure::Resumed, hosts(SSL_CTRL_SESS_HIT)),
            (Figure::Timeouts, hosts(SSL_CTRL_SESS_TIMEOUTS)),
            (Figure::AgeSeconds, count(&own.age_seconds)),
        ] {
            sums.add(figure, number);
        }
        for (number, ages) in own.ages.iter().enumerate() {
            sums.figures[Figure::AgeMinute as usize + number] += count(ages);
        }
        for cache in self.caches() {
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

    /// A short digest of each attribute, as the last connection had it; all 0 where nobody has asked for them.
    fn attributes(&self) -> [u32; ATTRIBUTES_MOST] {
        let mut shown = [0; ATTRIBUTES_MOST];
        let (known, _) = shown.split_at_mut(ATTRIBUTES.len());
        known.copy_from_slice(&alike::hashes_of(self).unwrap_or_default());
        shown
    }

    /// SSL_VERIFY_*, as the context has it.
    fn verify_mode(&self, ctx: *mut SSL_CTX) -> c_int {
        let get = self.host.traits.SSL_CTX_get_verify_mode;
        // SAFETY: the context is in the registry, and so alive.
        get.map_or(0, |get| unsafe { get(ctx) })
    }

    /// What is to be known of the context, whose own counts are the difference of two sums.
    fn show(&self, ctx: *mut SSL_CTX, before: &Sums, after: &Sums) -> Context {
        let own = |figure| after.get(figure).saturating_sub(before.get(figure));
        // SAFETY: the context is in the registry, and so alive.
        let options = unsafe { (self.libssl.SSL_CTX_get_options)(ctx) };
        let calls_back = self.new_callback.get().is_some() || self.get_callback.get().is_some();
        let flags = [
            (self.is_forced(), Context::FORCED),
            (self.made_after_fork(), Context::MADE_AFTER_FORK),
            (!self.known_shares().is_empty(), Context::SHARED),
            (calls_back, Context::CALLBACKS),
        ];
        Context {
            mode: self.mode.load(Relaxed),
            verify: self.verify_mode(ctx) as u8,
            id_context: self.id_context.get().map_or(0, |id| id.len() as u8),
            flags: flags
                .iter()
                .filter(|(is, _)| *is)
                .map(|(_, flag)| flag)
                .sum(),
            options,
            capacity: self.cache.capacity() as u64,
            sessions: self.caches().iter().map(|cache| cache.len() as u64).sum(),
            hits: after.hits() - before.hits(),
            misses: after.misses() - before.misses(),
            accepted: own(Figure::Handshakes).saturating_sub(own(Figure::Connects)),
            connected: own(Figure::Connects),
            resumed: own(Figure::Resumed),
            origin: self.sharing.origin(),
            attributes: self.attributes(),
        }
    }

    /// Counts how old a session is that was found.
    pub(super) fn count_age(&self, made: i64) {
        let age = now().saturating_sub(made).max(0);
        let part = [60, 600, 3600, 86400]
            .iter()
            .filter(|&&bound| age > bound)
            .count();
        self.counters.ages[part].fetch_add(1, Relaxed);
        self.counters.age_seconds.fetch_add(age as u64, Relaxed);
    }
}

/// Nanoseconds, by a clock of the kernel's.
fn clock(which: libc::clockid_t) -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for the answer.
    unsafe { libc::clock_gettime(which, &mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
