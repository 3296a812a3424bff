//! What concerns a session in whichever caches of this process hold it.

use super::registry;
use super::session::key_of;
use super::sharing::operations;
use crate::host::SessionRef;

/// Keeps a session that the application has just given data of its own in this process, whichever context has shared it.
pub fn keep_back(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    for held in registry::held_of(session, |context| context.may_share(&key, session)) {
        operations::keep_back_everywhere(&held.context, held.ctx, session);
    }
}

/// Lets the expiry of a session follow its time and timeout in every cache that holds it.
pub fn follow_expiry(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    // Out of the registry's lock, as a cache that is shared has the session encoded again.
    for context in registry::concerned_by(session) {
        operations::follow_expiry(&context, &key, session);
    }
}
