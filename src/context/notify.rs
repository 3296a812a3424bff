//! The application's remove callback: which departures it is told of.

use super::Context;
use super::session::key_of;
use super::{departing, freeing, unannounced};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;

/// Tells the application of a session that departed without a call: evicted, flushed or expired.
#[inline]
pub fn departed(context: &Context, ctx: *mut SSL_CTX, session: &SessionRef) {
    if context.remove_callback.get().is_some() {
        tell_of_departed(context, ctx, session);
    }
}

#[inline(never)]
fn tell_of_departed(context: &Context, ctx: *mut SSL_CTX, session: &SessionRef) {
    departing::while_told(ctx, key_of(session), || removed(context, ctx, session));
}

/// Tells the application of a session that was removed. A session that the application was never told of, because another
/// process made it or its mode is off and the cache is forced, leaves without a word.
pub fn removed(context: &Context, ctx: *mut SSL_CTX, session: &SessionRef) {
    if let Some(callback) = context.remove_callback.get()
        && !unannounced::has(session)
    {
        // SAFETY: the application set this callback for `ctx`; the caller keeps `ctx` alive, and `session` is a reference.
        freeing::for_good(|| unsafe { callback(ctx, session.as_ptr()) });
    }
}

/// Tells the application of a session that a call has removed. `gone` is the session that this process had under the same
/// id: the application may have been told only of that one.
pub fn removed_by_call(
    context: &Context,
    ctx: *mut SSL_CTX,
    session: &SessionRef,
    gone: Option<&SessionRef>,
) {
    let told = match gone {
        Some(gone) if unannounced::has(session) => gone,
        _ => session,
    };
    removed(context, ctx, told);
}
