//! All stores of this process, for what concerns a session wherever it is cached.
//!
//! Lock order: the registry, then what belongs to a store: its settings, its places in the region, shards. Nothing of
//! the application runs under its lock, and of the host what takes no lock of its own: the counting of references, the
//! reading of a session's times, and of a context's counters, options and verify mode.

use core::ptr;
use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::store::{Store, key_of};
use crate::host::types::SSL_CTX;
use crate::host::{Host, SessionRef, locate};
use crate::lock::Lock;

/// By the address of the context.
struct Stores {
    all: BTreeMap<usize, Arc<Store>>,
    /// Those that have ever held a session: few of the many contexts that some servers make.
    with_sessions: BTreeMap<usize, Arc<Store>>,
}

static STORES: Lock<Stores> = Lock::new(Stores {
    all: BTreeMap::new(),
    with_sessions: BTreeMap::new(),
});

/// Enters the store of a new context.
pub fn enter(ctx: *mut SSL_CTX, store: Arc<Store>) {
    // Of a context whose end was not told.
    let left_over = STORES.lock().map(|mut stores| {
        (
            stores.all.insert(ctx as usize, store),
            stores.with_sessions.remove(&(ctx as usize)),
        )
    });
    drop(left_over);
}

/// Strikes out the store of a dying context.
pub fn strike_out(ctx: *mut SSL_CTX) {
    let Some(mut stores) = STORES.lock() else {
        return;
    };
    let noted = stores.with_sessions.remove(&(ctx as usize));
    let store = stores.all.remove(&(ctx as usize));
    drop(stores);
    drop((noted, store));
}

/// Notes that a context has sessions now.
pub fn note_sessions_of(ctx: *mut SSL_CTX) {
    let Some(mut stores) = STORES.lock() else {
        return;
    };
    if let Some(store) = stores.all.get(&(ctx as usize)).cloned() {
        stores.with_sessions.insert(ctx as usize, store);
    }
}

/// Visits the store of the context at an address, if there is one, which is alive meanwhile.
pub fn with<T>(address: usize, visit: impl FnOnce(*mut SSL_CTX, &Store) -> Option<T>) -> Option<T> {
    let stores = STORES.lock()?;
    if locate::hosts().any(Host::is_cleaned_up) {
        return None;
    }
    let store = stores.all.get(&address)?;
    visit(ptr::with_exposed_provenance_mut(address), store)
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
    let Some(stores) = STORES.lock() else {
        return;
    };
    let shared = stores
        .with_sessions
        .iter()
        .filter(|(_, store)| store.may_share(&key, session));
    let held: SmallVec<[_; 1]> = shared
        .filter_map(|(&ctx, store)| {
            // SAFETY: the registry has both, and is locked.
            unsafe { Held::new(ptr::with_exposed_provenance_mut(ctx), store) }
        })
        .collect();
    drop(stores);
    for held in &held {
        held.store.keep_back_everywhere(held.ctx, session);
    }
}

/// Lets the expiry of a session follow its time and timeout in every cache that holds it.
pub fn follow_expiry(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    let Some(stores) = STORES.lock() else {
        return;
    };
    // Out of the lock, as a cache that is shared has the session encoded again.
    let with_sessions: SmallVec<[_; 4]> = stores.with_sessions.values().cloned().collect();
    drop(stores);
    for store in with_sessions {
        store.follow_expiry(&key, session);
    }
}
