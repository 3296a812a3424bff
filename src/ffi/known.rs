//! The store of each context, found by the context's address alone: a few loads, no lock.
//!
//! A place is taken when libcrypto tells that a context begins and emptied when it tells that the context dies
//! ([`super::hooks`]), so between two calls that have the same living context it never holds another one's store.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Arc;

use super::store::Store;
use crate::host::types::SSL_CTX;
use crate::sys::side_table::SideTable;

/// Null where the context is not in our care, [`waiting`] where it may come to be; else a reference to its store.
type Known = AtomicPtr<Store>;

static KNOWN: SideTable<Known, 1024> = SideTable::new();

/// What stands in place of the store of a context that waits.
fn waiting() -> *mut Store {
    static WAITING: u8 = 0;
    ptr::from_ref(&WAITING).cast_mut().cast()
}

/// The reference that stood in a place.
fn reference(stood: *mut Store) -> Option<Arc<Store>> {
    let is_store = !stood.is_null() && stood != waiting();
    // SAFETY: a place holds nothing else but a reference that was put there, and this one was taken out of it.
    is_store.then(|| unsafe { Arc::from_raw(stood) })
}

fn replace(ctx: *mut SSL_CTX, with: *mut Store) -> Option<Arc<Store>> {
    let mut before = ptr::null_mut();
    // Release: whoever sees the store sees it whole.
    KNOWN.enter(ctx.addr(), |known| {
        before = known.swap(with, Ordering::AcqRel);
    });
    reference(before)
}

/// A context begins that is not in our care yet. What is answered belonged to one whose end was not told.
#[must_use]
pub fn begin(ctx: *mut SSL_CTX) -> Option<Arc<Store>> {
    replace(ctx, ptr::null_mut())
}

/// Whether we were told of the beginning of a living context.
pub fn has_begun(ctx: *mut SSL_CTX) -> bool {
    KNOWN.find(ctx.addr()).is_some()
}

/// A new context waits for the first call of its program.
pub fn wait(ctx: *mut SSL_CTX) {
    drop(replace(ctx, waiting()));
}

/// Whether a living context waits.
pub fn waits(ctx: *mut SSL_CTX) -> bool {
    // Relaxed: compared, not followed.
    KNOWN
        .find(ctx.addr())
        .is_some_and(|known| known.load(Ordering::Relaxed) == waiting())
}

/// Gives a context that nobody else knows its store.
pub fn enter(ctx: *mut SSL_CTX, store: Arc<Store>) {
    drop(replace(ctx, Arc::into_raw(store).cast_mut()));
}

/// Gives a context that waits its store; `false` where another thread was first.
pub fn settle(ctx: *mut SSL_CTX, store: Arc<Store>) -> bool {
    let Some(known) = KNOWN.find(ctx.addr()) else {
        return false;
    };
    let raw = Arc::into_raw(store).cast_mut();
    // Release: whoever sees the store sees it whole.
    let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
    let settled = known.compare_exchange(waiting(), raw, release, relaxed);
    if settled.is_err() {
        // SAFETY: the reference from above, which the place did not take.
        drop(unsafe { Arc::from_raw(raw) });
    }
    settled.is_ok()
}

/// The store of a living context, which lives as long as the context does.
#[inline]
pub fn store_of(ctx: *mut SSL_CTX) -> Option<NonNull<Store>> {
    // Acquire: pairs with the Release of the thread that gave the store.
    let known = KNOWN.find(ctx.addr())?.load(Ordering::Acquire);
    NonNull::new(known).filter(|store| store.as_ptr() != waiting())
}

/// Forgets a context that dies: the next one may have its address. The reference to its store is handed out.
pub fn take(ctx: *mut SSL_CTX) -> Option<Arc<Store>> {
    KNOWN
        .remove(ctx.addr(), |known| {
            reference(known.swap(ptr::null_mut(), Ordering::AcqRel))
        })
        .flatten()
}
