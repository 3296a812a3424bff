//! All contexts of this process: for changes to a session wherever it is cached, and for the stats.
//!
//! Lock order: the registry first, then the locks of a context (its settings, its partitions) and of its shards. No code of
//! the application runs under the registry's lock, and of the host's functions only those that take no lock themselves:
//! counting references, reading a session's times, and reading a context's counters, options and verify mode.

use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::Context;
use super::local::{self, FIRST_LISTED};
use crate::host::types::SSL_CTX;
use crate::host::{Host, SessionRef, locate};
use crate::sys::lock::Lock;

/// The contexts of this process. Those that have ever held a session are also in `asked` or `listed`.
struct Contexts {
    /// All contexts by the address of their SSL_CTX.
    all: BTreeMap<usize, Arc<Context>>,
    /// The first few contexts that have held a session. They are asked about every session.
    asked: [Option<Entered>; ASKED],
    /// The other contexts that have held a session, by the number under which their caches are listed.
    listed: BTreeMap<u32, Entered>,
    /// The number that was given last.
    last_listed: u32,
}

/// The address of an SSL_CTX, and its Context.
type Entered = (usize, Arc<Context>);

/// Two, because many servers have one context that caches and one for their connections as a client.
const ASKED: usize = 2;

static CONTEXTS: Lock<Contexts> = Lock::new(Contexts {
    all: BTreeMap::new(),
    asked: [const { None }; ASKED],
    listed: BTreeMap::new(),
    last_listed: 0,
});

impl Contexts {
    /// Takes out all references to a context, for the caller to drop without the lock.
    fn take_out(&mut self, ctx: *mut SSL_CTX) -> [Option<Arc<Context>>; 3] {
        let context = self.all.remove(&(ctx as usize));
        let number = context
            .as_ref()
            .and_then(|context| context.cache.listed_as());
        let listed = number.and_then(|number| self.listed.remove(&number));
        let is_it = |(of, _): &mut Entered| *of == ctx as usize;
        let asked = self.asked.iter_mut().find_map(|place| place.take_if(is_it));
        let context_of = |(_, context): Entered| context;
        [context, listed.map(context_of), asked.map(context_of)]
    }

    /// The contexts that may hold a session. `holders` are the numbers of the listed ones, as `local` tells them.
    fn concerned(&self, holders: Option<SmallVec<[u32; 4]>>) -> SmallVec<[&Entered; 4]> {
        let asked = self.asked.iter().flatten();
        let mut concerned: SmallVec<[_; 4]> =
            asked.filter(|(_, context)| context.is_in_use()).collect();
        match holders {
            Some(numbers) => {
                concerned.extend(numbers.iter().filter_map(|number| self.listed.get(number)));
            }
            None => concerned.extend(self.listed.values()),
        }
        concerned
    }
}

/// Whether a context was ever entered. Before, no lock is taken: forks are not noticed yet, and a child could wait for a thread
/// that it does not have.
static ANY: AtomicBool = AtomicBool::new(false);

/// Enters a new context.
pub fn enter(ctx: *mut SSL_CTX, context: Arc<Context>) {
    // Relaxed: a thread that has a session of a context has synchronised with the one that made it.
    ANY.store(true, Ordering::Relaxed);
    let left_over = CONTEXTS.lock().map(|mut contexts| {
        // An earlier SSL_CTX at this address, whose end was not told.
        let left_over = contexts.take_out(ctx);
        contexts.all.insert(ctx as usize, context);
        left_over
    });
    drop(left_over);
}

/// Strikes out a context that is being freed.
pub fn strike_out(ctx: *mut SSL_CTX) {
    let gone = CONTEXTS.lock().map(|mut contexts| contexts.take_out(ctx));
    drop(gone);
}

/// Notes that a context will hold sessions from now on. A repeated call does nothing.
pub fn note_sessions_of(ctx: *mut SSL_CTX) {
    let Some(mut contexts) = CONTEXTS.lock() else {
        return;
    };
    let contexts = &mut *contexts;
    let is_it = |asked: &Option<Entered>| asked.as_ref().is_some_and(|(of, _)| *of == ctx as usize);
    let Some(context) = contexts.all.get(&(ctx as usize)).cloned() else {
        return;
    };
    if context.cache.listed_as().is_some() || contexts.asked.iter().any(is_it) {
        return;
    }
    if let Some(place) = contexts.asked.iter_mut().find(|place| place.is_none()) {
        *place = Some((ctx as usize, context));
        return;
    }
    loop {
        contexts.last_listed = contexts.last_listed.wrapping_add(1).max(FIRST_LISTED);
        if !contexts.listed.contains_key(&contexts.last_listed) {
            break;
        }
    }
    for cache in context.caches() {
        cache.list_as(contexts.last_listed);
    }
    contexts
        .listed
        .insert(contexts.last_listed, (ctx as usize, context));
}

/// Visits every context. The lock keeps contexts from being entered or struck out until `visit` has seen all, so each is
/// alive. `false`, without a visit, if contexts may have been freed without our being told.
pub fn each(mut visit: impl FnMut(*mut SSL_CTX, &Context)) -> bool {
    let Some(contexts) = CONTEXTS.lock() else {
        return true; // the lock was lost in a fork: there is no context to visit
    };
    // A thread that calls OPENSSL_cleanup while another uses a context is wrong with plain libssl, too.
    if locate::hosts().any(Host::is_cleaned_up) {
        return false;
    }
    for (&ctx, context) in &contexts.all {
        visit(ptr::with_exposed_provenance_mut(ctx), context);
    }
    true
}

/// All contexts.
pub fn all() -> SmallVec<[Arc<Context>; 4]> {
    let contexts = CONTEXTS.lock();
    let all = contexts.iter().flat_map(|contexts| contexts.all.values());
    all.cloned().collect()
}

/// The contexts that may hold a session.
pub fn concerned_by(session: &SessionRef) -> SmallVec<[Arc<Context>; 4]> {
    if !ANY.load(Ordering::Relaxed) {
        return SmallVec::new();
    }
    let holders = local::holders_of(session);
    let Some(contexts) = CONTEXTS.lock() else {
        return SmallVec::new();
    };
    let concerned = contexts.concerned(holders).into_iter();
    concerned.map(|(_, context)| Arc::clone(context)).collect()
}

/// The contexts that have handed out a table of their sessions.
pub fn with_tables() -> Vec<Arc<Context>> {
    let contexts = CONTEXTS.lock();
    let all = contexts.iter().flat_map(|contexts| contexts.all.values());
    all.filter(|context| context.snapshots.any())
        .cloned()
        .collect()
}
