//! Single sessions: adding, removing, the times that decide when they expire, and what else of them may change.

use core::ffi::{c_char, c_int, c_long, c_uchar, c_uint, c_void};

use libc::time_t;

use super::attach::attached;
use crate::cache::ClientHistory;
use crate::context::alike::decide;
use crate::context::alike::rule::Terms;
use crate::context::known::host_of;
use crate::context::session::now;
use crate::context::sharing::state::{Destination, Scope};
use crate::context::sharing::{any_is_shared, scope};
use crate::context::{add, everywhere, remove};
use crate::host::abi::SSL_SESS_CACHE_SERVER;
use crate::host::types::*;
use crate::host::{Host, SessionRef, owners};
use crate::stats::publish;
use crate::sys::guard::{passage, quietly};

/// SSL_CTX_add_session(3). 1 where the session was added; 0 where this very object was cached already.
///
/// # Safety
/// * `ctx` is null or a live context, `session` null or a live session of the same library.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_add_session(
    ctx: *mut SSL_CTX,
    session: *mut SSL_SESSION,
) -> c_int {
    passage(0, || {
        // divergence: libssl crashes on NULL.
        if ctx.is_null() || session.is_null() {
            return None;
        }
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            let to_all = context.mode_has(SSL_SESS_CACHE_SERVER);
            let destination = if decide::matters(context) {
                // SAFETY: the caller's contract.
                let terms = unsafe { decide::added(context, ctx, session) };
                let scope = scope::of(context, ctx, terms.client);
                Destination {
                    scope,
                    to_all,
                    terms,
                }
            } else {
                Destination {
                    scope: Scope::Own,
                    to_all,
                    terms: Terms::ALONE,
                }
            };
            let now = now();
            // SAFETY: the context and the session are alive during the call.
            let added = publish::tick(context, ctx, now, || unsafe {
                add::add(context, ctx, session, ClientHistory::New, destination, now)
            });
            return Some(added.into());
        }
        // SAFETY: the caller's contract.
        Some(unsafe { host_of(ctx)?.passthrough.SSL_CTX_add_session?(ctx, session) })
    })
}

/// SSL_CTX_remove_session(3). 1 where the session's id was cached, 0 where not; the session is marked not
/// resumable in either case.
///
/// # Safety
/// * `ctx` is null or a live context, `session` null or a live session of the same library.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_remove_session(
    ctx: *mut SSL_CTX,
    session: *mut SSL_SESSION,
) -> c_int {
    passage(0, || {
        if ctx.is_null() || session.is_null() {
            return None;
        }
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            // SAFETY: the caller's contract.
            return Some(unsafe { remove::remove(context, ctx, session) }.into());
        }
        // SAFETY: the caller's contract.
        Some(unsafe { host_of(ctx)?.passthrough.SSL_CTX_remove_session?(ctx, session) })
    })
}

/// Adds a session to the cache of a context. A synonym of SSL_CTX_add_session, documented up to OpenSSL 1.0.1 and
/// missing from every libssl since SSLeay.
///
/// Returns 1 if the session was added; the cache then holds a reference of its own. Returns 0 if the cache already
/// has this very object, the session has no id, or an argument is NULL. The caller keeps its reference either way.
///
/// # Safety
/// * `ctx` is null or a live context, `session` null or a live session of the same library.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_add_session(
    ctx: *mut SSL_CTX,
    session: *mut SSL_SESSION,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { SSL_CTX_add_session(ctx, session) }
}

/// Removes a session from the cache of a context. A synonym of SSL_CTX_remove_session, documented up to OpenSSL 1.0.1
/// and missing from every libssl since SSLeay.
///
/// Returns 1 if a session with this id was cached; the cache releases its reference. Returns 0 if there was none.
/// In both cases the session is marked not resumable and the remove callback is called with it, unless an argument is
/// NULL or the session has no id. The caller keeps its reference either way.
///
/// # Safety
/// * `ctx` is null or a live context, `session` null or a live session of the same library.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_remove_session(
    ctx: *mut SSL_CTX,
    session: *mut SSL_SESSION,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { SSL_CTX_remove_session(ctx, session) }
}

/// SSL_SESSION_set_time(3). The session's expiry in the caches that hold it follows.
///
/// # Safety
/// * `session` is null or a live session.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_SESSION_set_time(
    session: *mut SSL_SESSION,
    time: c_long,
) -> c_long {
    passage(0, || {
        // SAFETY: the caller's contract.
        let result = unsafe {
            owners::host_of(session.cast())?
                .passthrough
                .SSL_SESSION_set_time?(session, time)
        };
        // SAFETY: the caller's contract.
        unsafe { follow_expiry(session) };
        Some(result)
    })
}

/// SSL_SESSION_set_time_ex(3), of OpenSSL 3.3 and later; on an older host SSL_SESSION_set_time.
///
/// # Safety
/// * `session` is null or a live session.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_SESSION_set_time_ex(
    session: *mut SSL_SESSION,
    time: time_t,
) -> time_t {
    passage(0, || {
        let hosts = &owners::host_of(session.cast())?.passthrough;
        let set_time = hosts
            .SSL_SESSION_set_time_ex
            .or(hosts.SSL_SESSION_set_time)?;
        // SAFETY: the caller's contract.
        let result = unsafe { set_time(session, time) };
        // SAFETY: the caller's contract.
        unsafe { follow_expiry(session) };
        Some(result)
    })
}

/// SSL_SESSION_set_timeout(3). The session's expiry in the caches that hold it follows.
///
/// # Safety
/// * `session` is null or a live session.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_SESSION_set_timeout(
    session: *mut SSL_SESSION,
    timeout: c_long,
) -> c_long {
    passage(0, || {
        // SAFETY: the caller's contract.
        let result = unsafe {
            owners::host_of(session.cast())?
                .passthrough
                .SSL_SESSION_set_timeout?(session, timeout)
        };
        // SAFETY: the caller's contract.
        unsafe { follow_expiry(session) };
        Some(result)
    })
}

/// SSL_SESSION_set_ex_data(3). What other processes have of a session would lack the data: from now on it is this
/// process's alone.
///
/// # Safety
/// * `session` is null or a live session.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_SESSION_set_ex_data(
    session: *mut SSL_SESSION,
    index: c_int,
    data: *mut c_void,
) -> c_int {
    passage(0, || {
        let host = owners::host_of(session.cast())?;
        // SAFETY: the caller's contract.
        let result = unsafe { host.passthrough.SSL_SESSION_set_ex_data?(session, index, data) };
        if result == 1 && !data.is_null() {
            // SAFETY: the caller's contract.
            unsafe { keep_back(host, session) };
        }
        Some(result)
    })
}

/// Withdraws a session from what other processes have, and keeps it in this one from now on.
///
/// # Safety
/// * `session` is null or a live session of `host`.
unsafe fn keep_back(host: &'static Host, session: *mut SSL_SESSION) {
    if any_is_shared()
        && let Ok(libssl) = &host.libssl
        // SAFETY: the session is alive during the call.
        && let Some(session) = unsafe { SessionRef::acquire(libssl, session) }
    {
        quietly(|| everywhere::keep_back(&session));
    }
}

/// Exports a setter of what a session consists of. What other processes have is the session as it was, so it is
/// withdrawn from them first.
macro_rules! changes {
    ($($(#[$doc:meta])* $name:ident ($($argument:ident: $type:ty),*);)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `session` is null or a live session, and the other arguments are what the manual says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(
            session: *mut SSL_SESSION,
            $($argument: $type),*
        ) -> c_int {
            passage(0, || {
                let host = owners::host_of(session.cast())?;
                // SAFETY: the session is alive during the call, and the host's.
                unsafe {
                    keep_back(host, session);
                    Some(host.passthrough.$name?(session, $($argument),*))
                }
            })
        }
    )*};
}

changes! {
    /// SSL_SESSION_set1_id(3).
    SSL_SESSION_set1_id(id: *const c_uchar, len: c_uint);
    /// SSL_SESSION_set1_id_context(3).
    SSL_SESSION_set1_id_context(context: *const c_uchar, len: c_uint);
    /// SSL_SESSION_set1_hostname(3).
    SSL_SESSION_set1_hostname(name: *const c_char);
    /// SSL_SESSION_set1_alpn_selected(3).
    SSL_SESSION_set1_alpn_selected(protocol: *const c_uchar, len: usize);
    /// SSL_SESSION_set1_ticket_appdata(3).
    SSL_SESSION_set1_ticket_appdata(data: *const c_void, len: usize);
    /// SSL_SESSION_set1_master_key(3).
    SSL_SESSION_set1_master_key(key: *const c_uchar, len: usize);
    /// SSL_SESSION_set_cipher(3).
    SSL_SESSION_set_cipher(cipher: *const SSL_CIPHER);
    /// SSL_SESSION_set_protocol_version(3).
    SSL_SESSION_set_protocol_version(version: c_int);
    /// SSL_SESSION_set_max_early_data(3).
    SSL_SESSION_set_max_early_data(bytes: u32);
}

/// # Safety
/// * `session` is null or a live session.
unsafe fn follow_expiry(session: *mut SSL_SESSION) {
    let Some(Ok(libssl)) = owners::host_of(session.cast()).map(|host| host.libssl.as_ref()) else {
        return;
    };
    // SAFETY: the caller's contract.
    if let Some(session) = unsafe { SessionRef::lend(libssl, session) } {
        quietly(|| everywhere::follow_expiry(&session));
    }
}
