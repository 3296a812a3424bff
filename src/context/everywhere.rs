//! Changes to a session that concern every cache of this process which holds it, whatever its context.

use super::registry;
use super::session::key_of;
use super::sharing::operations;
use crate::host::SessionRef;

/// Makes a session private in every context that shares it: the application has just given it ex_data.
pub fn keep_back(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    for held in registry::held_of(session, |context| context.may_share(&key, session)) {
        operations::keep_back_everywhere(&held.context, held.ctx, session);
    }
}

/// Makes the expiry of a session follow its time and timeout in every cache that holds it.
pub fn follow_expiry(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    // Outside the registry's lock: for a shared cache the session is encoded again, which is the host's code.
    for context in registry::concerned_by(session) {
        operations::follow_expiry(&context, &key, session);
    }
}
