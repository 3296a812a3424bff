//! A record of another process or host becomes a session of this one, if the connection may have it.

use core::ffi::c_long;

use super::common::common;
use super::exchange;
use crate::cache::Key;
use crate::context::alike::decide;
use crate::context::alike::rule::{Client, Terms};
use crate::context::session::key_of;
use crate::context::{Context, unannounced};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;
use crate::shm::Partition;
use crate::sys::guard::quietly;

/// The session of a record whose tag was compared; `None` if it is not what the region says, or if libssl would not resume it
/// in this context as it is configured now.
pub fn session_of(
    context: &Context,
    ctx: *mut SSL_CTX,
    partition: Partition<'static>,
    key: &Key,
    der: &[u8],
    terms: &Terms,
    now: c_long,
) -> Option<SessionRef> {
    let session = quietly(|| SessionRef::decode(context.host, &context.origin, der))
        .filter(|session| key_of(session).as_ref() == Some(key));
    let Some(session) = session else {
        exchange::remove_shared(partition, key);
        common()?.region.count_undecodable();
        return None;
    };
    if has_outlived(context, ctx, &session, now) {
        return None; // with this context's timeout it would have expired
    }
    if terms.client == Client::Certified && session.has_no_id_context() {
        return None; // libssl verifies clients only with a session id context, and would end the handshake
    }
    // SAFETY: the session was decoded for this host, and `session` holds the only reference.
    unsafe { decide::note_tag(session.as_ptr(), terms) };
    quietly(|| unannounced::note(&session));
    Some(session)
}

/// Whether a session is older than the timeout of this context allows.
fn has_outlived(context: &Context, ctx: *mut SSL_CTX, session: &SessionRef, now: c_long) -> bool {
    let Ok(tickets) = &context.host.tickets else {
        return false;
    };
    // SAFETY: `ctx` is the SSL_CTX of `context`, kept alive by the handshake that looks the session up.
    let timeout = unsafe { (tickets.SSL_CTX_get_timeout)(ctx) };
    session.time_and_timeout().0.saturating_add(timeout) < now
}
