//! The end of a context: when its sessions leave, and how we learn that SSL_CTX_free has begun.
//!
//! SSL_CTX_free empties the host's own cache, calling the remove callback, before it frees the context's ex_data,
//! which those callbacks may use. If it does so through the PLT, our SSL_CTX_flush_sessions is called, and our cache is
//! emptied at that moment. Otherwise we are called only if the host's cache holds a session: there we put a session of
//! our own, the sentinel, whose removal is the signal. The end of our own ex_data would come too late, because the
//! application's may be freed before it.
//!
//! At that moment the context's X509_VERIFY_PARAM is freed already, and SSL_CTX_get0_param still returns it. From there on
//! nothing is asked of the context that would read it; see [`Context::can_be_asked`].

use core::ffi::c_long;
use core::sync::atomic::Ordering;

use super::Context;
use crate::cache::Flush;
use crate::host::SessionRef;
use crate::host::abi::{SSL_CTRL_SET_SESS_CACHE_MODE, SSL_CTRL_SET_SESS_CACHE_SIZE};
use crate::host::types::SSL_CTX;
use crate::sys::guard::quietly;

/// Makes sure that we learn of the context's end in time. Called when the first session is added; for a context that is
/// compared with others, when it is made.
pub fn watch_for_the_end(context: &Context, ctx: *mut SSL_CTX) {
    if context.ending.sentinel.get().is_some()
        || quietly(|| {
            context
                .host
                .tells_of_the_end(context.libssl, &context.origin)
        })
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
    // SAFETY: the caller keeps `ctx` alive, `sentinel` is a reference, and the host's cache takes one of its own.
    let plant = |sentinel: &SessionRef| unsafe {
        quietly(|| context.libssl.add_to_host(ctx, sentinel.as_ptr()))
    };
    context.ending.sentinel.get().is_some_and(plant)
}

/// Puts back the sentinel if a flush has taken it out: the context is being used, so it was not freed.
pub fn goes_on(context: &Context, ctx: *mut SSL_CTX) {
    let is_out = &context.ending.sentinel_is_out;
    // Relaxed: the swap picks one of several threads that arrive together.
    if is_out.load(Ordering::Relaxed)
        && is_out.swap(false, Ordering::Relaxed)
        && !plant_sentinel(context, ctx)
    {
        is_out.store(true, Ordering::Relaxed); // a flush is still under way
    }
}

/// Notes whether the host is freeing the context: it is if everything is flushed and no reference to the context is left.
pub fn note_the_end(context: &Context, ctx: *mut SSL_CTX) {
    if context.is_ending() {
        return;
    }
    // SAFETY: `ctx` is not freed before the flush under way returns. Without a reference left, SSL_CTX_up_ref returns 0,
    // and the reference that it has counted has no effect: the host looked at the count before it began to free.
    let is_alive = unsafe { (context.libssl.SSL_CTX_up_ref)(ctx) } == 1;
    if is_alive {
        // SAFETY: releases the reference from above. The caller of the flush holds another one.
        unsafe { (context.libssl.SSL_CTX_free)(ctx) };
    } else {
        // Relaxed: the thread that frees a context is the last one that uses it.
        context.ending.has_begun.store(true, Ordering::Relaxed);
    }
}

/// Releases what is left when the context's ex_data is freed. No callback is called any more, because the application's own
/// ex_data may be gone.
pub fn release(context: &Context, ctx: *mut SSL_CTX) {
    // Removes sessions that were lent to the host, and the sentinel if the host has not removed it yet.
    // SAFETY: libssl frees the cache of `ctx` after its ex_data, so the cache is still there.
    unsafe { (context.libssl.SSL_CTX_flush_sessions)(ctx, 0) };
    drop_sessions(context);
    context.end_inheritance();
    drop(context.snapshots.take());
    give_view_back(context, ctx);
}

/// Drops all sessions of this process without a word to the application.
pub fn drop_sessions(context: &Context) {
    drop(context.sharing.private.pending.take());
    for cache in context.caches() {
        let Some(mut sweep) = context.with_cache(|_| cache.flush(Flush::Everything)) else {
            return;
        };
        while let Some(batch) = context.with_cache(|_| sweep.next()).flatten() {
            drop(batch); // not while panics are caught: it runs ex_data functions of the application
        }
    }
}

/// Sets in the host what the application has set, for code that calls the getters while the context is being freed.
fn give_view_back(context: &Context, ctx: *mut SSL_CTX) {
    let mode = context.mode.load(Ordering::Relaxed);
    context.host_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, c_long::from(mode));
    let size = context.cache.capacity() as c_long;
    context.host_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_SIZE, size);
    let libssl = context.libssl;
    // SAFETY: `ctx` is alive while its ex_data is freed, and the application set these callbacks for it.
    unsafe { (libssl.SSL_CTX_sess_set_new_cb)(ctx, context.new_callback.get()) };
    // SAFETY: as above.
    unsafe { (libssl.SSL_CTX_sess_set_remove_cb)(ctx, context.remove_callback.get()) };
    // SAFETY: as above.
    unsafe { (libssl.SSL_CTX_sess_set_get_cb)(ctx, context.get_callback.get()) };
}
