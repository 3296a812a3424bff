//! What we keep for each SSL_CTX, found by its address alone: a few loads, no lock.
//!
//! A place is taken when libcrypto tells that a context begins and emptied when it tells that the context dies
//! (`capi::hooks`), so between two calls that have the same living context it never holds another one's.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Arc;

use super::Context;
use crate::host::inside::Inside;
use crate::host::types::SSL_CTX;
use crate::host::{Host, owners};
use crate::sys::side_table::SideTable;

/// Null where the context is not in our care, [`waiting`] where it may come to be; else a reference to what we keep for it.
type Known = AtomicPtr<Context>;

static KNOWN: SideTable<Known, 1024> = SideTable::new();

/// What stands there for a context that waits.
fn waiting() -> *mut Context {
    static WAITING: u8 = 0;
    ptr::from_ref(&WAITING).cast_mut().cast()
}

/// The reference that stood in a place.
fn reference(stood: *mut Context) -> Option<Arc<Context>> {
    let is_reference = !stood.is_null() && stood != waiting();
    // SAFETY: a place holds nothing else but a reference that was put there, and this one was taken out of it.
    is_reference.then(|| unsafe { Arc::from_raw(stood) })
}

fn replace(ctx: *mut SSL_CTX, with: *mut Context) -> Option<Arc<Context>> {
    let mut before = ptr::null_mut();
    // Release: whoever sees it sees it whole.
    KNOWN.enter(ctx.addr(), |known| {
        before = known.swap(with, Ordering::AcqRel);
    });
    reference(before)
}

/// A context begins that is not in our care yet. What is answered belonged to one whose end was not told.
#[must_use]
pub fn begin(ctx: *mut SSL_CTX) -> Option<Arc<Context>> {
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

/// Enters what we keep for a context that nobody else knows.
pub fn enter(ctx: *mut SSL_CTX, context: Arc<Context>) {
    drop(replace(ctx, Arc::into_raw(context).cast_mut()));
}

/// The same for a context that waits; `false` where another thread was first.
pub fn settle(ctx: *mut SSL_CTX, context: Arc<Context>) -> bool {
    let Some(known) = KNOWN.find(ctx.addr()) else {
        return false;
    };
    let raw = Arc::into_raw(context).cast_mut();
    // Release: whoever sees it sees it whole.
    let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
    let settled = known.compare_exchange(waiting(), raw, release, relaxed);
    if settled.is_err() {
        // SAFETY: the reference from above, which the place did not take.
        drop(unsafe { Arc::from_raw(raw) });
    }
    settled.is_ok()
}

/// What we keep for a living context, for as long as the context lives.
#[inline]
pub fn context_of(ctx: *mut SSL_CTX) -> Option<NonNull<Context>> {
    // Acquire: pairs with the Release of the thread that entered it.
    let known = KNOWN.find(ctx.addr())?.load(Ordering::Acquire);
    NonNull::new(known).filter(|context| context.as_ptr() != waiting())
}

/// Forgets a context that dies: the next one may have its address. The reference to what we keep for it is handed out.
pub fn take(ctx: *mut SSL_CTX) -> Option<Arc<Context>> {
    KNOWN
        .remove(ctx.addr(), |known| {
            reference(known.swap(ptr::null_mut(), Ordering::AcqRel))
        })
        .flatten()
}

/// What we keep for a context; `None` for null, for a context that is not in our care or waits, and for a call that the
/// host makes on our behalf.
///
/// # Safety
/// * `ctx` is null or a context, alive for as long as the result is used.
#[inline]
pub unsafe fn met<'a>(ctx: *mut SSL_CTX) -> Option<&'a Context> {
    if ctx.is_null() || Inside::is() {
        return None;
    }
    // SAFETY: what we keep for a context lives as long as the context does.
    context_of(ctx).map(|context| unsafe { context.as_ref() })
}

/// The host that a context belongs to.
pub fn host_of(ctx: *mut SSL_CTX) -> Option<&'static Host> {
    match context_of(ctx) {
        // SAFETY: what we keep for a context lives as long as the context does.
        Some(context) => Some(unsafe { context.as_ref() }.host),
        None => owners::host_of(ctx.cast()),
    }
}
