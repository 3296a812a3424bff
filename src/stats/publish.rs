//! The figures of this process, shown in its [`page`](crate::page), and the one thing that is asked of it there: a flush.
//!
//! Nothing is counted twice: each cache counts what it does, and the sums are written down by operations that happen
//! anyway. A handshake does so, unless that would take more than a small part of its time, and is then put off; calls of
//! the application look once a second. There is no thread, and a process that is idle writes nothing.
//!
//! A forked process has inherited its parent's counts: what it finds at its first operation is not its own.

use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::collect;
use crate::config::{SETTINGS, settings};
use crate::context::sharing::common::{common, is_named};
use crate::context::sharing::scope;
use crate::context::sharing::state::Scope;
use crate::context::{Context, clearing};
use crate::host::types::SSL_CTX;
use crate::page::figures::NUMBER;
use crate::page::{self, About};
use crate::sys::guard::attempt;
use crate::sys::lock::this_process;

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
/// The second in which a call of the application last looked.
static LOOKED: AtomicI64 = AtomicI64::new(0);
/// When a handshake may write next, by a clock that never goes back.
static DUE: AtomicI64 = AtomicI64::new(0);
/// Whether a thread is writing; of another process, if it was cut off by a fork.
static WRITING: AtomicU32 = AtomicU32::new(0);

/// Makes the page of this process tree: a context was taken over. `form` tells how we came into the process.
pub fn begin(form: impl FnOnce() -> String) {
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
        form: &form(),
        settings: &lines.collect::<String>(),
    });
    if page::slot().is_some() {
        COUNTED_IN.store(this_process(), Relaxed);
        publish();
    }
}

/// How often a flush was asked for from outside.
pub fn flushes() -> u64 {
    page::flushes()
}

/// Before a handshake turns to a cache.
pub fn enter(context: &Context, ctx: *mut SSL_CTX) {
    if is_counting() {
        obey(context, ctx);
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
pub fn tick<T>(context: &Context, ctx: *mut SSL_CTX, now: i64, call: impl FnOnce() -> T) -> T {
    // Relaxed: of threads that arrive together any number may do it.
    let is_first = LOOKED.load(Relaxed) != now;
    if is_first {
        look(context, ctx, now);
    }
    let result = call();
    if is_first {
        publish();
    }
    result
}

#[cold]
fn look(context: &Context, ctx: *mut SSL_CTX, now: i64) {
    LOOKED.store(now, Relaxed);
    enter(context, ctx);
}

/// Keeps what a dying context has counted.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, and its counters are still there.
pub unsafe fn retire(context: &Context, ctx: *mut SSL_CTX) {
    if COUNTED_IN.load(Relaxed) != 0 {
        // SAFETY: the context is dying, and its counters go with it, later.
        unsafe { collect::retire(context, ctx) };
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
    let Some((sums, _)) = attempt(collect::sums) else {
        return;
    };
    for (inherited, sum) in INHERITED.iter().zip(sums.figures) {
        inherited.store(sum, Relaxed);
    }
}

/// Flushes a context's cache, once for each time that this was asked for: in all processes, where it shares.
fn obey(context: &Context, ctx: *mut SSL_CTX) {
    let asked = page::flushes();
    if context.flushed.load(Relaxed) == asked || context.flushed.swap(asked, Relaxed) == asked {
        return;
    }
    clearing::flush_own(context, ctx, 0);
    if is_named() {
        // Others use it too: only what is this context's.
        for partition in scope::each(context, ctx)
            .into_iter()
            .filter_map(Scope::partition)
        {
            attempt(|| Some(partition.flush(None)));
        }
    } else if page::is_first_to_flush(asked)
        && let Some(common) = common()
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
    let Some((mut sums, contexts)) = collect::sums() else {
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
    let Some(common) = common() else {
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
