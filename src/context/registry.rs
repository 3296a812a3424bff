//! All contexts of this process, for what concerns a session wherever it is cached.
//!
//! Lock order: the registry, then what belongs to a context: its settings, its places in the region, shards. Nothing of
//! the application runs under its lock, and of the host what takes no lock of its own: the counting of references, the
//! reading of a session's times, and of a context's counters, options and verify mode.

use core::ptr;
use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::Context;
use super::local::{self, FIRST_LISTED};
use crate::host::types::SSL_CTX;
use crate::host::{Host, SessionRef, locate};
use crate::sys::lock::Lock;

/// By the address of the context.
struct Contexts {
    all: BTreeMap<usize, Arc<Context>>,
    /// Of those that have ever held a session, the first few: they are asked about each.
    asked: [Option<Entered>; ASKED],
    /// The others, by the number under which their caches are listed.
    listed: BTreeMap<u32, Entered>,
    last_listed: u32,
}

/// The address of an SSL_CTX, and what we keep for it.
type Entered = (usize, Arc<Context>);

/// Many servers have one context that caches, and a client's.
const ASKED: usize = 2;

static CONTEXTS: Lock<Contexts> = Lock::new(Contexts {
    all: BTreeMap::new(),
    asked: [const { None }; ASKED],
    listed: BTreeMap::new(),
    last_listed: 0,
});

impl Contexts {
    /// Takes out all that is known of a context, for the caller to drop without the lock.
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

    /// Those that may hold a session, of which `local` tells the numbers of the listed ones.
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

/// Enters a new context.
pub fn enter(ctx: *mut SSL_CTX, context: Arc<Context>) {
    let left_over = CONTEXTS.lock().map(|mut contexts| {
        // Of a context whose end was not told.
        let left_over = contexts.take_out(ctx);
        contexts.all.insert(ctx as usize, context);
        left_over
    });
    drop(left_over);
}

/// Strikes out a dying context.
pub fn strike_out(ctx: *mut SSL_CTX) {
    let gone = CONTEXTS.lock().map(|mut contexts| contexts.take_out(ctx));
    drop(gone);
}

/// Notes that a context will have sessions from now on; again, if it was noted before.
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

/// Visits every context, which is alive meanwhile. No context comes or goes until `visit` has seen all.
/// `false`, and nothing is visited, where contexts may have gone without a word.
pub fn each(mut visit: impl FnMut(*mut SSL_CTX, &Context)) -> bool {
    let Some(contexts) = CONTEXTS.lock() else {
        return true; // nothing is known of any
    };
    // A thread that cleans up while this one visits is as lost with libssl.
    if locate::hosts().any(Host::is_cleaned_up) {
        return false;
    }
    for (&ctx, context) in &contexts.all {
        visit(ptr::with_exposed_provenance_mut(ctx), context);
    }
    true
}

/// A context that is kept alive.
pub struct Held {
    /// The context.
    pub ctx: *mut SSL_CTX,
    /// What we keep for it.
    pub context: Arc<Context>,
}

impl Held {
    /// `None` for a context that has no reference left: it is being freed.
    ///
    /// # Safety
    /// * `ctx` is the SSL_CTX of `context`, which does not leave the registry meanwhile.
    unsafe fn new(ctx: *mut SSL_CTX, context: &Arc<Context>) -> Option<Self> {
        // SAFETY: a context in the registry is not freed yet.
        let held = unsafe { (context.libssl.SSL_CTX_up_ref)(ctx) } == 1;
        held.then(|| Self {
            ctx,
            context: Arc::clone(context),
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the reference of `new`.
        unsafe { (self.context.libssl.SSL_CTX_free)(self.ctx) };
    }
}

/// The contexts that may hold a session and are `wanted`, kept alive.
pub fn held_of(session: &SessionRef, wanted: impl Fn(&Context) -> bool) -> SmallVec<[Held; 1]> {
    let holders = local::holders_of(session);
    let Some(contexts) = CONTEXTS.lock() else {
        return SmallVec::new();
    };
    let concerned = contexts.concerned(holders).into_iter();
    concerned
        .filter(|(_, context)| wanted(context))
        .filter_map(|&(ctx, ref context)| {
            // SAFETY: the registry has both, and is locked.
            unsafe { Held::new(ptr::with_exposed_provenance_mut(ctx), context) }
        })
        .collect()
}

/// Those that may hold a session, as they are now.
pub fn concerned_by(session: &SessionRef) -> SmallVec<[Arc<Context>; 4]> {
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
