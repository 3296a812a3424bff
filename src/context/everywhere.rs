//! Changes to a session that concern every cache of this process which holds it, whatever its context.

use std::sync::Arc;

use smallvec::SmallVec;

use super::session::key_of;
use super::sharing::{abroad, operations};
use super::{Context, registry, unannounced};
use crate::host::SessionRef;

/// Makes a session private in every context that shares it: the application changes it.
pub fn keep_back(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    for context in sharers(session) {
        operations::withdraw(&context, &key, session);
    }
}

/// Makes the expiry of a session follow its time and timeout in every cache that holds it.
pub fn follow_expiry(session: &SessionRef) {
    let Some(key) = key_of(session) else { return };
    // Outside the registry's lock: for a shared cache the session is encoded again, which is the host's code.
    for context in sharers(session) {
        operations::follow_expiry(&context, &key, session);
    }
}

/// The contexts that may hold a session or share it: any, if it is a copy that was decoded from the region, which need not
/// be in a cache, or if other hosts may have it, which need not be in a cache here.
fn sharers(session: &SessionRef) -> SmallVec<[Arc<Context>; 4]> {
    match unannounced::has(session) || abroad::may_have_left(session) {
        true => registry::all(),
        false => registry::concerned_by(session),
    }
}
