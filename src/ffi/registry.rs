//! All stores of this process: for what concerns a session wherever it is cached, and for fork.
//!
//! Lock order: the registry, then shards. Nothing of the application or the host runs under its lock but
//! the counting of references.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::store::{Store, key_of};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;

/// By the address of the context. A std lock, not parking_lot's, whose table of waiters does not survive
/// a fork.
pub(super) type Stores = BTreeMap<usize, Arc<Store>>;
static STORES: RwLock<Stores> = RwLock::new(BTreeMap::new());

fn read() -> RwLockReadGuard<'static, Stores> {
    STORES.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn write() -> RwLockWriteGuard<'static, Stores> {
    STORES.write().unwrap_or_else(PoisonError::into_inner)
}

/// Enters the store of a new context.
pub fn enter(ctx: *mut SSL_CTX, store: Arc<Store>) {
    let left_over = write().insert(ctx as usize, store);
    drop(left_over);
}

/// Strikes out the store of a dying context.
pub fn strike_out(ctx: *mut SSL_CTX) {
    let store = write().remove(&(ctx as usize));
    drop(store);
}

/// The store of a context that may belong to any of several hosts.
pub fn of_context(ctx: *mut SSL_CTX) -> Option<Arc<Store>> {
    read().get(&(ctx as usize)).cloned()
}

/// Lets the expiry of a session follow its time and timeout in every cache that holds it.
pub fn follow_expiry(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    for store in read().values() {
        store.follow_expiry(&key, session);
    }
}
