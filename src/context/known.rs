//! From the address of an SSL_CTX to its [`Context`]: a few loads, no lock.
//!
//! An entry is made when libcrypto calls our ex_data functions for a new SSL_CTX and emptied when it calls them for one
//! that is being freed (`capi::hooks`). So for as long as an SSL_CTX lives, its entry never holds another one's Context.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Arc;

use super::Context;
use crate::host::inside::Inside;
use crate::host::types::SSL_CTX;
use crate::host::{Host, owners};
use crate::sys::side_table::SideTable;

/// An entry: null if sslcache does not serve the SSL_CTX, [`WAITING`] if it may do so later, or else an owned reference
/// to the Context.
type Known = AtomicPtr<Context>;

static KNOWN: SideTable<Known, 1024> = SideTable::new();

/// The entry of an SSL_CTX that waits: it is attached at the first call of its program. No Context has this address.
const WAITING: *mut Context = ptr::without_provenance_mut(1);

/// Whether an entry holds a reference.
#[inline]
fn is_reference(known: *mut Context) -> bool {
    known.addr() > WAITING.addr() // null is below
}

/// The reference that was taken out of an entry, if it held one.
fn reference(stood: *mut Context) -> Option<Arc<Context>> {
    // SAFETY: such an entry is from Arc::into_raw, and the caller has taken it out, so the reference is given up once.
    is_reference(stood).then(|| unsafe { Arc::from_raw(stood) })
}

fn replace(ctx: *mut SSL_CTX, with: *mut Context) -> Option<Arc<Context>> {
    let mut before = ptr::null_mut();
    // Release: pairs with the Acquire in `context_of`, so the Context is seen whole. Acquire: the Context that is taken out
    // was entered by another thread.
    KNOWN.enter(ctx.addr(), |known| {
        before = known.swap(with, Ordering::AcqRel);
    });
    reference(before)
}

/// Makes the entry of a new SSL_CTX. Returns the Context of an earlier SSL_CTX at this address whose end was not told.
#[must_use]
pub fn begin(ctx: *mut SSL_CTX) -> Option<Arc<Context>> {
    replace(ctx, ptr::null_mut())
}

/// Whether a living SSL_CTX has an entry.
pub fn has_begun(ctx: *mut SSL_CTX) -> bool {
    KNOWN.find(ctx.addr()).is_some()
}

/// Lets a new SSL_CTX wait for the first call of its program.
pub fn wait(ctx: *mut SSL_CTX) {
    drop(replace(ctx, WAITING));
}

/// Whether a living SSL_CTX waits.
pub fn waits(ctx: *mut SSL_CTX) -> bool {
    // Relaxed: the pointer is compared, not dereferenced.
    KNOWN
        .find(ctx.addr())
        .is_some_and(|known| known.load(Ordering::Relaxed) == WAITING)
}

/// Enters the Context of an SSL_CTX that no other thread uses yet.
pub fn enter(ctx: *mut SSL_CTX, context: Arc<Context>) {
    drop(replace(ctx, Arc::into_raw(context).cast_mut()));
}

/// Enters the Context of an SSL_CTX that waits; `false` if another thread was first.
pub fn settle(ctx: *mut SSL_CTX, context: Arc<Context>) -> bool {
    let Some(known) = KNOWN.find(ctx.addr()) else {
        return false;
    };
    let raw = Arc::into_raw(context).cast_mut();
    // Release: pairs with the Acquire in `context_of`.
    let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
    let settled = known.compare_exchange(WAITING, raw, release, relaxed);
    if settled.is_err() {
        // SAFETY: `raw` is from Arc::into_raw above, and the failed exchange did not store it.
        drop(unsafe { Arc::from_raw(raw) });
    }
    settled.is_ok()
}

/// The Context of a living SSL_CTX; it lives as long as the SSL_CTX.
#[inline]
pub fn context_of(ctx: *mut SSL_CTX) -> Option<NonNull<Context>> {
    // Acquire: pairs with the Release in `replace` and `settle`.
    let known = KNOWN.find(ctx.addr())?.load(Ordering::Acquire);
    NonNull::new(known).filter(|context| is_reference(context.as_ptr()))
}

/// Removes the entry of an SSL_CTX that is being freed, as the next one may have its address. Returns the reference to its
/// Context.
pub fn take(ctx: *mut SSL_CTX) -> Option<Arc<Context>> {
    KNOWN
        .remove(ctx.addr(), |known| {
            reference(known.swap(ptr::null_mut(), Ordering::AcqRel))
        })
        .flatten()
}

/// The Context of an SSL_CTX. `None` for null, for an SSL_CTX that sslcache does not serve or that waits, and inside a call
/// that the host makes on our behalf.
///
/// # Safety
/// * `ctx` is null or an SSL_CTX, alive for as long as the result is used.
#[inline]
pub unsafe fn met<'a>(ctx: *mut SSL_CTX) -> Option<&'a Context> {
    if ctx.is_null() || Inside::is() {
        return None;
    }
    // SAFETY: the entry holds a reference until the SSL_CTX is freed, and the caller keeps that alive.
    context_of(ctx).map(|context| unsafe { context.as_ref() })
}

/// The host of a living SSL_CTX.
pub fn host_of(ctx: *mut SSL_CTX) -> Option<&'static Host> {
    match context_of(ctx) {
        // SAFETY: the entry holds a reference for as long as the SSL_CTX lives.
        Some(context) => Some(unsafe { context.as_ref() }.host),
        None => owners::host_of(ctx.cast()),
    }
}
