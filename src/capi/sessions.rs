//! Single sessions: adding and removing them, and changing what they hold.

use core::ffi::{c_char, c_int, c_long, c_uchar, c_uint, c_void};

use libc::time_t;

use super::entry::{Object, dispatch, hosts};
use crate::cache::ClientHistory;
use crate::context::alike::decide;
use crate::context::session::now;
use crate::context::sharing::state::Destination;
use crate::context::sharing::{any_is_shared, scope};
use crate::context::{Context, add, everywhere, remove};
use crate::host::SessionRef;
use crate::host::abi::SSL_SESS_CACHE_SERVER;
use crate::host::table::Passthrough;
use crate::host::types::*;
use crate::stats::publish::Tick;
use crate::sys::guard::{passage, quietly};

/// SSL_CTX_add_session(3). Returns 1 if the session was added, 0 if this very object was cached already.
///
/// # Safety
/// * `ctx` is null or a live context, `session` null or a live session of the same library.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_add_session(
    ctx: *mut SSL_CTX,
    session: *mut SSL_SESSION,
) -> c_int {
    // divergence: libssl crashes on NULL.
    if session.is_null() {
        return 0;
    }
    // SAFETY: the context and the session, which are of one library, outlive the call.
    unsafe {
        dispatch(
            ctx,
            0,
            |context| add_to(context, ctx, session).into(),
            |hosts| Some(hosts.SSL_CTX_add_session?(ctx, session)),
        )
    }
}

/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `session` a live session of the same library.
#[inline(always)]
unsafe fn add_to(context: &Context, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) -> bool {
    if decide::matters(context) {
        // SAFETY: the context and the session outlive the call.
        return unsafe { add_where_tags_matter(context, ctx, session) };
    }
    let now = now();
    let tick = Tick::begin(context, ctx, now);
    // SAFETY: the context and the session outlive the call.
    let is_new = unsafe { add::add_alone(context, ctx, session, now) };
    tick.end();
    is_new
}

/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `session` a live session of the same library.
#[inline(never)]
unsafe fn add_where_tags_matter(
    context: &Context,
    ctx: *mut SSL_CTX,
    session: *mut SSL_SESSION,
) -> bool {
    context.note_that_program_keeps_sessions();
    // SAFETY: the context and the session outlive the call.
    let terms = unsafe { decide::added(context, ctx, session) };
    let destination = Destination {
        scope: scope::of(context, ctx, terms.client),
        to_all: context.mode_has(SSL_SESS_CACHE_SERVER),
        terms,
    };
    let now = now();
    let tick = Tick::begin(context, ctx, now);
    // SAFETY: the context and the session outlive the call.
    let is_new = unsafe { add::add(context, ctx, session, ClientHistory::New, destination, now) };
    tick.end();
    is_new
}

/// SSL_CTX_remove_session(3). Returns 1 if the session's id was cached, 0 otherwise; the session is marked not resumable
/// in either case.
///
/// # Safety
/// * `ctx` is null or a live context, `session` null or a live session of the same library.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_remove_session(
    ctx: *mut SSL_CTX,
    session: *mut SSL_SESSION,
) -> c_int {
    if session.is_null() {
        return 0;
    }
    // SAFETY: the context and the session, which are of one library, outlive the call.
    unsafe {
        dispatch(
            ctx,
            0,
            |context| remove::remove(context, ctx, session).into(),
            |hosts| Some(hosts.SSL_CTX_remove_session?(ctx, session)),
        )
    }
}

/// Adds a session to the cache of a context. A synonym of SSL_CTX_add_session, documented in SSL_CTX_add_session(3) up
/// to OpenSSL 1.0.1 and missing from every libssl since SSLeay.
///
/// Returns 1 if the session was added; the cache then holds a reference of its own. Returns 0 if the cache already
/// has this very object, the session has no id, or an argument is NULL. The caller keeps its reference either way.
///
/// If the cache is full, sessions leave it, and the remove callback is called with each.
///
/// # Safety
/// * `ctx` is null or a live context, `session` null or a live session of the same library.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_add_session(
    ctx: *mut SSL_CTX,
    session: *mut SSL_SESSION,
) -> c_int {
    // SAFETY: the two functions have the same requirements.
    unsafe { SSL_CTX_add_session(ctx, session) }
}

/// Removes a session from the cache of a context. A synonym of SSL_CTX_remove_session, documented in
/// SSL_CTX_add_session(3) up to OpenSSL 1.0.1 and missing from every libssl since SSLeay.
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
    // SAFETY: the two functions have the same requirements.
    unsafe { SSL_CTX_remove_session(ctx, session) }
}

/// SSL_SESSION_set_time(3). The caches that hold the session take over its new expiry.
///
/// # Safety
/// * `session` is null or a live session.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_SESSION_set_time(
    session: *mut SSL_SESSION,
    time: c_long,
) -> c_long {
    // SAFETY: the session outlives the call; the host's function gets the caller's arguments.
    unsafe {
        set_expiry(session, |hosts| {
            Some(hosts.SSL_SESSION_set_time?(session, time))
        })
    }
}

/// SSL_SESSION_set_time_ex(3), of OpenSSL 3.3 and later; on an older host it is SSL_SESSION_set_time.
///
/// # Safety
/// * `session` is null or a live session.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_SESSION_set_time_ex(
    session: *mut SSL_SESSION,
    time: time_t,
) -> time_t {
    // SAFETY: the session outlives the call; the host's function gets the caller's arguments.
    unsafe {
        set_expiry(session, |hosts| {
            let set = hosts
                .SSL_SESSION_set_time_ex
                .or(hosts.SSL_SESSION_set_time)?;
            Some(set(session, time))
        })
    }
}

/// SSL_SESSION_set_timeout(3). The caches that hold the session take over its new expiry.
///
/// # Safety
/// * `session` is null or a live session.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_SESSION_set_timeout(
    session: *mut SSL_SESSION,
    timeout: c_long,
) -> c_long {
    // SAFETY: the session outlives the call; the host's function gets the caller's arguments.
    unsafe {
        set_expiry(session, |hosts| {
            Some(hosts.SSL_SESSION_set_timeout?(session, timeout))
        })
    }
}

/// Runs `set`, the host's setter of a time, and then moves `session` to its new expiry in the caches that hold it.
///
/// # Safety
/// * `session` is null or a session that outlives the call.
unsafe fn set_expiry(
    session: *mut SSL_SESSION,
    set: impl FnOnce(&Passthrough) -> Option<c_long>,
) -> c_long {
    passage(0, || {
        let host = session.host()?;
        let result = set(&host.passthrough)?;
        if let Ok(libssl) = &host.libssl
            // SAFETY: the session outlives the call, and is of this host.
            && let Some(session) = unsafe { SessionRef::lend(libssl, session) }
        {
            quietly(|| everywhere::follow_expiry(&session));
        }
        Some(result)
    })
}

/// SSL_SESSION_set_ex_data(3). The copies of other processes would lack the data, so the session is this process's alone
/// from now on.
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
        let set = hosts(session)?.SSL_SESSION_set_ex_data?;
        // SAFETY: the host's function gets the caller's arguments.
        let result = unsafe { set(session, index, data) };
        if result == 1 && !data.is_null() {
            // SAFETY: the session outlives the call.
            unsafe { keep_back(session) };
        }
        Some(result)
    })
}

/// Withdraws a session from the memory that processes share, and keeps it in this process from now on.
///
/// # Safety
/// * `session` is null or a session that outlives the call.
unsafe fn keep_back(session: *mut SSL_SESSION) {
    if any_is_shared()
        && let Some(host) = session.host()
        && let Ok(libssl) = &host.libssl
        // SAFETY: the session outlives the call, and is of this host.
        && let Some(session) = unsafe { SessionRef::acquire(libssl, session) }
    {
        quietly(|| everywhere::keep_back(&session));
    }
}

/// Exports setters of what a session consists of. The shared memory holds the session as it was, so it is withdrawn from
/// there first.
macro_rules! changes {
    ($($(#[$doc:meta])* $name:ident ($($argument:ident: $type:ty),*);)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `session` is null or a live session, and the other arguments are as the manual requires.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(
            session: *mut SSL_SESSION,
            $($argument: $type),*
        ) -> c_int {
            passage(0, || {
                let set = hosts(session)?.$name?;
                // SAFETY: the session outlives the call; the host's function gets the caller's arguments.
                unsafe {
                    keep_back(session);
                    Some(set(session, $($argument),*))
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
