//! The stores that calls have found before, by context: two loads in place of the way through a context's ex_data.
//!
//! A place is filled when it is empty and emptied when its context dies, so between two calls that have the same living
//! context it never holds another one's store. Contexts for which there is no place go the long way.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::store::Store;
use crate::host::types::SSL_CTX;

/// Servers have a context a name or so; those of clients that make one for each connection find no place.
const PLACES: usize = 64;

/// Written only when a context comes or goes.
struct Place {
    /// Null where the place is empty; [`filling`] while a thread fills it, and for good where that thread was cut off by
    /// a fork.
    ctx: AtomicPtr<SSL_CTX>,
    store: AtomicPtr<Store>,
}

static KNOWN: [Place; PLACES] = [const {
    Place {
        ctx: AtomicPtr::new(ptr::null_mut()),
        store: AtomicPtr::new(ptr::null_mut()),
    }
}; PLACES];

/// No context is there.
fn filling() -> *mut SSL_CTX {
    ptr::without_provenance_mut(1)
}

fn place_of(ctx: *mut SSL_CTX) -> &'static Place {
    // Multiplied, because contexts are allocated, and their addresses differ in the middle.
    let spread = (ctx.addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    &KNOWN[(spread >> 58) as usize]
}

/// The store of a living context, if a call has found it before.
#[inline]
pub fn store_of(ctx: *mut SSL_CTX) -> Option<NonNull<Store>> {
    let place = place_of(ctx);
    // Acquire: pairs with the Release in `remember`.
    if place.ctx.load(Ordering::Acquire) != ctx {
        return None;
    }
    // Relaxed: written before the context was, and not again before it dies.
    NonNull::new(place.store.load(Ordering::Relaxed))
}

/// Remembers the store of a living context, if there is a place.
pub fn remember(ctx: *mut SSL_CTX, store: NonNull<Store>) {
    let place = place_of(ctx);
    let (relaxed, empty) = (Ordering::Relaxed, ptr::null_mut());
    if place.ctx.load(relaxed).is_null()
        && place
            .ctx
            .compare_exchange(empty, filling(), relaxed, relaxed)
            .is_ok()
    {
        place.store.store(store.as_ptr(), relaxed);
        // Release: whoever sees the context sees its store.
        place.ctx.store(ctx, Ordering::Release);
    }
}

/// Forgets a context that dies: the next one may have its address.
pub fn forget(ctx: *mut SSL_CTX) {
    let place = place_of(ctx);
    // Relaxed: whoever made another context of this address has synchronised with its end by the allocator.
    let relaxed = Ordering::Relaxed;
    let _ = place
        .ctx
        .compare_exchange(ctx, ptr::null_mut(), relaxed, relaxed);
}
