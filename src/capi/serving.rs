//! The contexts of a connection, as a callback of the host finds them.

use crate::context::Context;
use crate::context::connections::session_context;
use crate::context::known::met;
use crate::host::owners;
use crate::host::types::*;

/// The context whose cache serves a connection, if it is attached.
///
/// # Safety
/// * `ssl` is null or a connection that lives for as long as the result is used.
pub unsafe fn serving<'a>(ssl: *const SSL) -> Option<(*mut SSL_CTX, &'a Context)> {
    // SAFETY: the connection is alive, and holds a reference to the context that it was made from.
    unsafe {
        let ctx = session_context(ssl)?;
        Some((ctx, met(ctx)?))
    }
}

/// The context that a connection has now, which a servername callback may have changed; if it is attached.
///
/// # Safety
/// * `ssl` is a connection that lives for as long as the result is used.
pub unsafe fn current<'a>(ssl: *const SSL) -> Option<&'a Context> {
    let libssl = owners::host_of(ssl.cast())?.libssl.as_ref().ok()?;
    // SAFETY: the connection is alive and of this host. It holds a reference to the context.
    unsafe { met((libssl.SSL_get_SSL_CTX)(ssl)) }
}
