//! Writes the stats of this process to its [`page`](crate::page), and obeys the requests that come from there: to
//! flush the caches, and to end the ticket keys.
//!
//! No event is counted twice: each cache counts what it does, and operations that happen anyway write the sums. Handshakes
//! write them, but not so often that it takes more than a small part of their time; calls of the application write them once
//! a second. There is no thread, and an idle process writes nothing.
//!
//! A forked process has inherited its parent's counters. The sums that it finds at its first operation are subtracted from
//! its own.

use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::collect;
use crate::config::{SETTINGS, Settings};
use crate::context::sharing::abroad;
use crate::context::sharing::common::{common, is_named};
use crate::context::sharing::scope;
use crate::context::sharing::state::Scope;
use crate::context::ticket_secrets::{self, Order, Orders};
use crate::context::{Context, clearing};
use crate::host::types::SSL_CTX;
use crate::page::figures::NUMBER;
use crate::page::{self, About};
use crate::sys::clock;
use crate::sys::forks::this_process;
use crate::sys::guard::attempt;

/// Writing the sums may take one part in so many of the time that passes.
const SPARED: i64 = 100;
/// Unused time may be spent later, up to this much: only a process that never rests leaves its last moments unwritten.
const SAVED_NS: i64 = 200_000_000;
/// However long writing takes, the next handshake after this time writes again.
const OLDEST_NS: i64 = 1_000_000_000;

/// The process, numbered by forks, whose inherited sums are in `INHERITED`; 0 if there is no stats page.
static COUNTED_IN: AtomicU32 = AtomicU32::new(0);
/// The sums when this process began.
static INHERITED: [AtomicU64; NUMBER] = [const { AtomicU64::new(0) }; NUMBER];
/// The second in which a call of the application last wrote the sums.
static LOOKED: AtomicI64 = AtomicI64::new(0);
/// When a handshake may write the sums next, by CLOCK_MONOTONIC.
static DUE: AtomicI64 = AtomicI64::new(0);
/// The process, numbered by forks, of which a thread is writing; 0 for none. Another process's number was left by a fork.
static WRITING: AtomicU32 = AtomicU32::new(0);

/// Makes the stats page of this process tree when the first context is attached. `form` says how sslcache was loaded.
pub fn begin(settings: &Settings, form: impl FnOnce() -> String) {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    // Relaxed: the swap lets one thread pass, and nothing else is ordered by it.
    if BEGUN.load(Relaxed) || BEGUN.swap(true, Relaxed) || !settings.stats {
        return;
    }
    let lines = SETTINGS.iter().filter_map(|setting| {
        Some(format!(
            "{}={}\n",
            setting.name,
            setting.value_in(settings)?
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

/// The number of flushes that the tool has requested.
pub fn flushes() -> u64 {
    page::flushes()
}

/// Begins the work of a handshake on a cache: obeys a flush that was requested.
pub fn enter(context: &Context, ctx: *mut SSL_CTX) {
    if is_counting() {
        obey(context, ctx);
    }
}

/// Begins the work on a ticket: what the tool has ordered of the ticket keys.
pub fn enter_ticket() -> Option<Orders<'static>> {
    if COUNTED_IN.load(Relaxed) == 0 {
        return None;
    }
    let (orders, first_epoch) = page::orders()?;
    let [turn, forget] = orders.map(|(asked, done)| Order { asked, done });
    Some(Orders {
        turn,
        forget,
        first_epoch,
    })
}

/// Ends the work of a handshake on a cache: writes the sums if it is time. Freeing a connection does the same, because not
/// every handshake uses a cache.
pub fn leave() {
    if COUNTED_IN.load(Relaxed) != 0 && nanoseconds(libc::CLOCK_MONOTONIC) >= DUE.load(Relaxed) {
        publish();
    }
}

/// A call of the application that uses a cache. The first one of each second writes the sums, after the call: other
/// processes may be waiting for its effect.
#[must_use]
pub struct Tick {
    is_first: bool,
}

impl Tick {
    /// Begins a call in the second `now`.
    #[inline(always)]
    pub fn begin(context: &Context, ctx: *mut SSL_CTX, now: i64) -> Self {
        // Relaxed: if several threads find the second new, each may write.
        let is_first = LOOKED.load(Relaxed) != now;
        if is_first {
            look(context, ctx, now);
        }
        Self { is_first }
    }

    /// Ends the call.
    #[inline(always)]
    pub fn end(self) {
        if self.is_first {
            publish();
        }
    }
}

#[cold]
fn look(context: &Context, ctx: *mut SSL_CTX, now: i64) {
    LOOKED.store(now, Relaxed);
    enter(context, ctx);
}

/// Keeps the counters of a context that is being freed.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, and the host has not freed its counters yet.
pub unsafe fn retire(context: &Context, ctx: *mut SSL_CTX) {
    if COUNTED_IN.load(Relaxed) != 0 {
        // SAFETY: `ctx` is the SSL_CTX of `context`, and its counters are still there.
        unsafe { collect::retire(context, ctx) };
    }
}

/// True if there is a stats page. Notes what a new process has inherited.
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

/// Flushes the cache of a context once for each request; if it shares, in all processes.
fn obey(context: &Context, ctx: *mut SSL_CTX) {
    let asked = page::flushes();
    if context.flushed.load(Relaxed) == asked || context.flushed.swap(asked, Relaxed) == asked {
        return;
    }
    clearing::flush_own(context, ctx, 0);
    let partitions = || {
        scope::each(context, ctx)
            .into_iter()
            .filter_map(Scope::partition)
    };
    partitions().for_each(|partition| abroad::flush(context, &partition));
    if is_named() {
        // Contexts of unrelated programs use a named region, too: only this context's partitions are flushed.
        for partition in partitions() {
            attempt(|| Some(partition.flush(None)));
        }
    } else if page::is_first_to_flush(asked)
        && let Some(common) = common()
    {
        // By one process alone: a second flush would remove the sessions that were added since.
        attempt(|| {
            common.region.flush();
            Some(())
        });
    }
}

fn publish() {
    let this = this_process();
    let writing = WRITING.load(Relaxed);
    // Relaxed: a thread that finds another one writing leaves its counts to the next operation.
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
    let began = nanoseconds(libc::CLOCK_THREAD_CPUTIME_ID);
    let Some(slot) = page::slot() else { return };
    let Some((mut sums, contexts)) = collect::sums() else {
        return; // the process is about to end
    };
    for (sum, inherited) in sums.figures.iter_mut().zip(&INHERITED) {
        *sum = sum.saturating_sub(inherited.load(Relaxed));
    }
    slot.publish(&sums, &contexts);
    publish_region();
    // Processor time, because on a busy machine other threads have run meanwhile.
    let taken = nanoseconds(libc::CLOCK_THREAD_CPUTIME_ID).saturating_sub(began);
    let pause = taken.saturating_mul(SPARED).min(OLDEST_NS);
    let saved = nanoseconds(libc::CLOCK_MONOTONIC).saturating_sub(SAVED_NS);
    DUE.store(DUE.load(Relaxed).max(saved).saturating_add(pause), Relaxed);
}

fn publish_region() {
    let Some(common) = common() else {
        return;
    };
    let known = common.region.stats();
    let figures = [
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
    ];
    page::publish_region(&figures, ticket_keys().as_ref());
}

/// What may be told of the shared ticket keys, if this process has needed any.
fn ticket_keys() -> Option<page::TicketKeys> {
    let known = ticket_secrets::summary()?;
    let second = |time: i64| u64::try_from(time).unwrap_or(0);
    Some(page::TicketKeys {
        made: second(known.made),
        turn_ends: second(known.turn_ends),
        number: known.number,
        until: second(known.until),
    })
}

/// The time of a clock, in nanoseconds.
fn nanoseconds(which: libc::clockid_t) -> i64 {
    clock::of(which).as_nanos() as i64
}
