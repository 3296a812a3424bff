//! All stores of this process, for what concerns a session wherever it is cached.
//!
//! Lock order: the registry, then what belongs to a store: its settings, its places in the region, shards. Nothing of
//! the application runs under its lock, and of the host what takes no lock of its own: the counting of references, the
//! reading of a session's times, and of a context's counters, options and verify mode.

use core::ptr;
use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::local::{self, FIRST_LISTED};
use super::store::{Store, key_of};
use crate::host::types::SSL_CTX;
use crate::host::{Host, SessionRef, locate};
use crate::sys::lock::Lock;

/// By the address of the context.
struct Stores {
    all: BTreeMap<usize, Arc<Store>>,
    /// Of those that have ever held a session, the first few: they are asked about each.
    asked: [Option<Entered>; ASKED],
    /// The others, by the number under which their caches are listed.
    listed: BTreeMap<u32, Entered>,
    last_listed: u32,
}

/// A context, and its store.
type Entered = (usize, Arc<Store>);

/// Many servers have one context that caches, and a client's.
const ASKED: usize = 2;

static STORES: Lock<Stores> = Lock::new(Stores {
    all: BTreeMap::new(),
    asked: [const { None }; ASKED],
    listed: BTreeMap::new(),
    last_listed: 0,
});

impl Stores {
    /// Takes out all that is known of a context, for the caller to drop without the lock.
    fn take_out(&mut self, ctx: *mut SSL_CTX) -> [Option<Arc<Store>>; 3] {
        let store = self.all.remove(&(ctx as usize));
        let number = store.as_ref().and_then(|store| store.cache.listed_as());
        let listed = number.and_then(|number| self.listed.remove(&number));
        let is_it = |(of, _): &mut Entered| *of == ctx as usize;
        let asked = self.asked.iter_mut().find_map(|place| place.take_if(is_it));
        let store_of = |(_, store): Entered| store;
        [store, listed.map(store_of), asked.map(store_of)]
    }

    /// Those that may hold a session, of which `local` tells the numbers of the listed ones.
    fn concerned(&self, holders: Option<SmallVec<[u32; 4]>>) -> SmallVec<[&Entered; 4]> {
        let asked = self.asked.iter().flatten();
        let mut concerned: SmallVec<[_; 4]> =
            asked.filter(|(_, store)| store.is_in_use()).collect();
        match holders {
            Some(numbers) => {
                concerned.extend(numbers.iter().filter_map(|number| self.listed.get(number)));
            }
            None => concerned.extend(self.listed.values()),
        }
        concerned
    }
}

/// Enters the store of a new context.
pub fn enter(ctx: *mut SSL_CTX, store: Arc<Store>) {
    let left_over = STORES.lock().map(|mut stores| {
        // Of a context whose end was not told.
        let left_over = stores.take_out(ctx);
        stores.all.insert(ctx as usize, store);
        left_over
    });
    drop(left_over);
}

/// Strikes out the store of a dying context.
pub fn strike_out(ctx: *mut SSL_CTX) {
    let gone = STORES.lock().map(|mut stores| stores.take_out(ctx));
    drop(gone);
}

/// Notes that a context will have sessions from now on; again, if it was noted before.
pub fn note_sessions_of(ctx: *mut SSL_CTX) {
    let Some(mut stores) = STORES.lock() else {
        return;
    };
    let stores = &mut *stores;
    let is_it = |asked: &Option<Entered>| asked.as_ref().is_some_and(|(of, _)| *of == ctx as usize);
    let Some(store) = stores.all.get(&(ctx as usize)).cloned() else {
        return;
    };
    if store.cache.listed_as().is_some() || stores.asked.iter().any(is_it) {
        return;
    }
    if let Some(place) = stores.asked.iter_mut().find(|place| place.is_none()) {
        *place = Some((ctx as usize, store));
        return;
    }
    loop {
        stores.last_listed = stores.last_listed.wrapping_add(1).max(FIRST_LISTED);
        if !stores.listed.contains_key(&stores.last_listed) {
            break;
        }
    }
    for cache in store.caches() {
        cache.list_as(stores.last_listed);
    }
    stores
        .listed
        .insert(stores.last_listed, (ctx as usize, store));
}

/// Visits every store, and its context, which is alive meanwhile. No context comes or goes until `visit` has seen all.
/// `false`, and nothing is visited, where contexts may have gone without a word.
pub fn each(mut visit: impl FnMut(*mut SSL_CTX, &Store)) -> bool {
    let Some(stores) = STORES.lock() else {
        return true; // nothing is known of any
    };
    // A thread that cleans up while this one visits is as lost with libssl.
    if locate::hosts().any(Host::is_cleaned_up) {
        return false;
    }
    for (&ctx, store) in &stores.all {
        visit(ptr::with_exposed_provenance_mut(ctx), store);
    }
    true
}

/// A context that is kept alive, and its store.
struct Held {
    ctx: *mut SSL_CTX,
    store: Arc<Store>,
}

impl Held {
    /// `None` for a context that has no reference left: it is being freed.
    ///
    /// # Safety
    /// * `ctx` is the context of `store`, which does not leave the registry meanwhile.
    unsafe fn new(ctx: *mut SSL_CTX, store: &Arc<Store>) -> Option<Self> {
        // SAFETY: a context in the registry is not freed yet.
        let held = unsafe { (store.libssl.SSL_CTX_up_ref)(ctx) } == 1;
        held.then(|| Self {
            ctx,
            store: Arc::clone(store),
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the reference of `new`.
        unsafe { (self.store.libssl.SSL_CTX_free)(self.ctx) };
    }
}

/// Keeps a session that the application has just given data of its own in this process, whichever context has shared it.
pub fn keep_back(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    let holders = local::holders_of(session);
    let Some(stores) = STORES.lock() else {
        return;
    };
    let concerned = stores.concerned(holders).into_iter();
    let shared = concerned.filter(|(_, store)| store.may_share(&key, session));
    let held: SmallVec<[_; 1]> = shared
        .filter_map(|&(ctx, ref store)| {
            // SAFETY: the registry has both, and is locked.
            unsafe { Held::new(ptr::with_exposed_provenance_mut(ctx), store) }
        })
        .collect();
    drop(stores);
    for held in &held {
        held.store.keep_back_everywhere(held.ctx, session);
    }
}

/// The stores that have handed out a table of their sessions.
pub fn with_tables() -> Vec<Arc<Store>> {
    let stores = STORES.lock();
    let all = stores.iter().flat_map(|stores| stores.all.values());
    all.filter(|store| store.snapshots.any()).cloned().collect()
}

/// Lets the expiry of a session follow its time and timeout in every cache that holds it.
pub fn follow_expiry(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    let holders = local::holders_of(session);
    let Some(stores) = STORES.lock() else {
        return;
    };
    // Out of the lock, as a cache that is shared has the session encoded again.
    let concerned = stores.concerned(holders).into_iter();
    let concerned: SmallVec<[_; 4]> = concerned.map(|(_, store)| Arc::clone(store)).collect();
    drop(stores);
    for store in concerned {
        store.follow_expiry(&key, session);
    }
}
