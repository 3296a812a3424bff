//! Telling the application of what has left: its remove callback.

use super::Context;
use super::session::key_of;
use super::{departing, freeing, unannounced};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;

/// Tells the application of a session that nobody removed.
pub fn departed(context: &Context, ctx: *mut SSL_CTX, session: &SessionRef) {
    if context.remove_callback.get().is_some() {
        departing::while_told(ctx, key_of(session), || removed(context, ctx, session));
    }
}

/// Tells the application of a session that was removed, if it was told of it before.
pub fn removed(context: &Context, ctx: *mut SSL_CTX, session: &SessionRef) {
    if let Some(callback) = context
        .remove_callback
        .get()
        .filter(|_| context.calls_back())
        && !unannounced::has(session)
    {
        // SAFETY: the application's callback, with a context and a session that live through the call.
        freeing::for_good(|| unsafe { callback(ctx, session.as_ptr()) });
    }
}

/// The same of a session that somebody has removed. `gone` is what this process had of its id: the application
/// may have been told of that one alone.
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
