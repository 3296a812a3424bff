//! The end of a context: when its sessions go, and how we learn of it.
//!
//! SSL_CTX_free empties the host's own cache, with the remove callback, before it frees the context's ex_data,
//! which those callbacks may use. Where it does so through the PLT, that arrives at our SSL_CTX_flush_sessions,
//! and our cache is emptied at that moment. Elsewhere we are told only if the host's cache holds a session: so
//! there a session of ours stands in it, the sentinel, and its removal is the signal. (Our own ex_data comes too
//! late: the application's may be freed before it.)
//!
//! By then the context's X509_VERIFY_PARAM is freed, and SSL_CTX_get0_param still answers it: whatever calls the cache
//! from there on, nothing is asked that would read it.

use core::ffi::c_long;
use core::sync::atomic::Ordering;

use super::Context;
use crate::cache::Flush;
use crate::host::SessionRef;
use crate::host::abi::{SSL_CTRL_SET_SESS_CACHE_MODE, SSL_CTRL_SET_SESS_CACHE_SIZE};
use crate::host::types::SSL_CTX;
use crate::sys::guard::quietly;

/// Sees to it that we learn of the context's end in time: when the first session is added; of a context that is
/// asked what it has in common with others, when it is made.
pub fn watch_for_the_end(context: &Context, ctx: *mut SSL_CTX) {
    if context.ending.sentinel.get().is_some()
        || quietly(|| context.host.tells_of_the_end(context.libssl))
    {
        return;
    }
    let made = SessionRef::sentinel(context.libssl);
    let is_ours = made.is_some_and(|made| context.ending.sentinel.set(Box::new(made)).is_ok());
    if is_ours && !plant_sentinel(context, ctx) || context.ending.sentinel.get().is_none() {
        context.failed();
        context.ending.is_unseen.store(true, Ordering::Relaxed);
    }
}

/// Puts the sentinel into the host's cache.
fn plant_sentinel(context: &Context, ctx: *mut SSL_CTX) -> bool {
    // SAFETY: our context, and a session that we hold a reference to. The host takes its own.
    let plant = |sentinel: &SessionRef| unsafe {
        quietly(|| context.libssl.add_to_host(ctx, sentinel.as_ptr()))
    };
    context.ending.sentinel.get().is_some_and(plant)
}

/// The context is used: a sentinel that a flush has taken out is put back.
pub fn goes_on(context: &Context, ctx: *mut SSL_CTX) {
    let is_out = &context.ending.sentinel_is_out;
    // Relaxed: of threads that arrive together one does it.
    if is_out.load(Ordering::Relaxed)
        && is_out.swap(false, Ordering::Relaxed)
        && !plant_sentinel(context, ctx)
    {
        is_out.store(true, Ordering::Relaxed); // a flush is still under way
    }
}

/// Takes note that the host frees the context, if it does: everything is flushed, and nobody has a reference to
/// the context any more.
pub fn note_the_end(context: &Context, ctx: *mut SSL_CTX) {
    if context.is_ending() {
        return;
    }
    // SAFETY: our context. Where nobody has a reference, the host answers 0, and the one that it has counted does
    // nothing: the host is past the question.
    let is_alive = unsafe { (context.libssl.SSL_CTX_up_ref)(ctx) } == 1;
    if is_alive {
        // SAFETY: gives the reference back. The caller has another one, by which the context lives.
        unsafe { (context.libssl.SSL_CTX_free)(ctx) };
    } else {
        // Relaxed: the thread that frees a context is the last that uses it.
        context.ending.has_begun.store(true, Ordering::Relaxed);
    }
}

/// Lets go what is left when the context's ex_data is freed. No callback is called any more: the
/// application's own ex_data may be gone.
pub fn release(context: &Context, ctx: *mut SSL_CTX) {
    // What was lent to the host and not taken back, and the sentinel if the host has not come by it.
    // SAFETY: the context still has its cache while its ex_data is freed.
    unsafe { (context.libssl.SSL_CTX_flush_sessions)(ctx, 0) };
    for cache in context.caches() {
        context.with_cache(|_| cache.flush(Flush::Everything).for_each(drop));
    }
    context.end_inheritance();
    drop(context.snapshots.take());
    give_view_back(context, ctx);
}

/// Shows in the host what the application has set, for code that asks while the context dies.
fn give_view_back(context: &Context, ctx: *mut SSL_CTX) {
    let mode = context.mode.load(Ordering::Relaxed);
    context.host_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, c_long::from(mode));
    let size = context.cache.capacity() as c_long;
    context.host_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_SIZE, size);
    let libssl = context.libssl;
    // SAFETY: our context, and the application's own callbacks.
    unsafe { (libssl.SSL_CTX_sess_set_new_cb)(ctx, context.new_callback.get()) };
    // SAFETY: as above.
    unsafe { (libssl.SSL_CTX_sess_set_remove_cb)(ctx, context.remove_callback.get()) };
    // SAFETY: as above.
    unsafe { (libssl.SSL_CTX_sess_set_get_cb)(ctx, context.get_callback.get()) };
}
