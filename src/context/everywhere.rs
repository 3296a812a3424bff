//! Changes to a session that concern every cache of this process which holds it, whatever its context.

use super::session::key_of;
use super::sharing::operations;
use super::{registry, unannounced};
use crate::host::SessionRef;

/// Makes a session private in every context that shares it: the application changes it.
pub fn keep_back(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    // A copy that was decoded from the region need not be in a cache.
    let contexts = match unannounced::has(session) {
        true => registry::all(),
        false => registry::concerned_by(session),
    };
    for context in contexts {
        operations::withdraw(&context, &key, session);
    }
}

/// Makes the expiry of a session follow its time and timeout in every cache that holds it.
pub fn follow_expiry(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    if unannounced::has(session) {
        // A copy that was decoded from the region need not be in a cache.
        for context in registry::all() {
            operations::follow_expiry_in_region(&context, &key, session);
        }
    }
    // Outside the registry's lock: for a shared cache the session is encoded again, which is the host's code.
    for context in registry::concerned_by(session) {
        operations::follow_expiry(&context, &key, session);
    }
}
