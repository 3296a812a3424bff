//! Making contexts, their sessions as a whole, and the lives of connections.

use core::ffi::{c_char, c_int, c_long, c_uchar, c_uint};
use core::{ptr, slice};

use libc::time_t;

use super::attach::{
    Early, attach, attach_or_wait, attached, is_making, prepare, record_session_context,
    while_making,
};
use super::entry::{Object, dispatch, hosts};
use super::hooks;
use crate::config::settings;
use crate::context::connections::{self, session_context};
use crate::context::known;
use crate::context::{clearing, find, freeing, listing};
use crate::host::abi::SSL_MAX_SSL_SESSION_ID_LENGTH;
use crate::host::connection::version_of;
use crate::host::inside::Inside;
use crate::host::locate;
use crate::host::scratch::Origin;
use crate::host::types::*;
use crate::stats::publish;
use crate::sys::guard::{passage, quietly};

/// SSL_CTX_new(3): a context of the host, with a cache of ours.
///
/// # Safety
/// * `method` is null or a method of a host.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_new(method: *const SSL_METHOD) -> *mut SSL_CTX {
    passage(ptr::null_mut(), || {
        let host = locate::host_of_method(method)?;
        let new = host.passthrough.SSL_CTX_new?;
        Early::forget();
        quietly(|| hooks::register(host)); // before, so that this context's beginning is seen
        prepare(host, method, &Origin::default())?;
        // SAFETY: the method is of this host, or null, which libssl refuses.
        let ctx = while_making(host, || unsafe { new(method) });
        // SAFETY: this host has just made the context, and no other thread has its address.
        unsafe { attach(host, ctx, Origin::default()) };
        Some(ctx)
    })
}

/// SSL_CTX_new_ex(3).
///
/// # Safety
/// * `libctx` is null or a library context of the host, `propq` null or a C string, `method` null or a
///   method of the host.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_new_ex(
    libctx: *mut OSSL_LIB_CTX,
    propq: *const c_char,
    method: *const SSL_METHOD,
) -> *mut SSL_CTX {
    passage(ptr::null_mut(), || {
        let host = locate::host_of_method(method)?;
        let new = host.passthrough.SSL_CTX_new_ex?;
        if !is_making() {
            Early::forget();
        }
        if !Inside::is() {
            quietly(|| hooks::register(host)); // before, so that this context's beginning is seen
        }
        // SAFETY: `propq` is null or a C string, and the library context outlives every context made with it.
        let origin = unsafe { Origin::new(libctx, propq) };
        if !is_making() && !locate::is_called_by(host) {
            prepare(host, method, &origin)?;
        }
        // SAFETY: the host's function gets the caller's arguments.
        let ctx = unsafe { new(libctx, propq, method) };
        if !ctx.is_null() {
            // SAFETY: this host has just made the context, and no other thread has its address.
            unsafe { attach_or_wait(host, ctx, origin) };
        }
        Some(ctx)
    })
}

/// SSL_CTX_flush_sessions(3): removes the sessions that had expired at second `tm`, or all of them if `tm` is 0.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_flush_sessions(ctx: *mut SSL_CTX, tm: c_long) {
    // SAFETY: the context outlives the call; the host's function gets the caller's arguments.
    unsafe {
        dispatch(
            ctx,
            (),
            |context| clearing::flush(context, ctx, tm),
            |hosts| {
                note_flush(ctx);
                hosts.SSL_CTX_flush_sessions?(ctx, tm);
                Some(())
            },
        );
    }
}

/// Notes a flush that the host does for sslcache. An ex_data function of the program may flush the context that is being
/// freed, too, which tells nothing of the host.
fn note_flush(ctx: *mut SSL_CTX) {
    if Inside::waits_for(ctx) && ctx.host().is_some_and(locate::is_called_by) {
        Inside::note();
    }
}

/// Removes the expired sessions from the cache of a context. A synonym of SSL_CTX_flush_sessions, documented in
/// SSL_CTX_flush_sessions(3) up to OpenSSL 1.0.2 and missing from every libssl since SSLeay.
///
/// tm is in seconds since the epoch: each session whose time plus timeout lies before it leaves the cache, is marked
/// not resumable, and the remove callback is called with it. If tm is 0, all sessions are removed. If ctx is NULL,
/// nothing happens.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_flush_sessions(ctx: *mut SSL_CTX, tm: c_long) {
    // SAFETY: the two functions have the same requirements.
    unsafe { SSL_CTX_flush_sessions(ctx, tm) }
}

/// SSL_CTX_flush_sessions_ex(3), of OpenSSL 3.4 and later; on an older host it is SSL_CTX_flush_sessions.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_flush_sessions_ex(ctx: *mut SSL_CTX, tm: time_t) {
    // SAFETY: the context outlives the call; the host's function gets the caller's arguments.
    unsafe {
        dispatch(
            ctx,
            (),
            |context| clearing::flush(context, ctx, tm),
            |hosts| {
                note_flush(ctx); // SSL_CTX_free of 3.4 and later calls this function
                let flush = hosts
                    .SSL_CTX_flush_sessions_ex
                    .or(hosts.SSL_CTX_flush_sessions)?;
                flush(ctx, tm);
                Some(())
            },
        );
    }
}

/// SSL_CTX_sessions(3): the sessions that are cached now, as a table that belongs to the context. The module
/// `context::listing` says how long a table lives.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sessions(ctx: *mut SSL_CTX) -> *mut OPENSSL_LHASH {
    // SAFETY: the context outlives the call.
    unsafe {
        dispatch(
            ctx,
            ptr::null_mut(),
            |context| listing::sessions(context, ctx),
            |hosts| Some(hosts.SSL_CTX_sessions?(ctx)),
        )
    }
}

/// SSL_CTX_set_session_id_context(3). The session id context decides which contexts may share, and has no getter.
///
/// # Safety
/// * `ctx` is null or a live context; `id_context` has `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_session_id_context(
    ctx: *mut SSL_CTX,
    id_context: *const c_uchar,
    len: c_uint,
) -> c_int {
    passage(0, || {
        if ctx.is_null() {
            return None;
        }
        let set = hosts(ctx)?.SSL_CTX_set_session_id_context?;
        // SAFETY: the host's function gets the caller's arguments.
        let result = unsafe { set(ctx, id_context, len) };
        if result != 1 {
            return Some(result);
        }
        let id_context = || match len {
            0 => &[],
            // SAFETY: the caller passes `len` bytes, which the host has just read.
            len => unsafe { slice::from_raw_parts(id_context, len as usize) },
        };
        let context = if quietly(settings).compare_contexts() {
            // SAFETY: the context outlives the call.
            unsafe { attached(ctx) }
        } else {
            // The value is only for the statistics: a context that waits need not be attached for it.
            // SAFETY: the context outlives the call, and its Context is freed with it.
            known::context_of(ctx).map(|context| unsafe { context.as_ref() })
        };
        match context {
            Some(context) => context.id_context.set(id_context()),
            None => Early::note(ctx, |early| early.set_id_context(id_context())),
        }
        Some(result)
    })
}

/// SSL_free(3). libssl removes the session of a connection that was not shut down; a group keeps it.
///
/// # Safety
/// * `ssl` is null or a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_free(ssl: *mut SSL) {
    passage((), || {
        let free = hosts(ssl)?.SSL_free?;
        // SAFETY: the host's function gets the caller's argument.
        freeing::while_ending(|| unsafe { free(ssl) });
        publish::leave(); // the host has counted all that it will count of this connection
        Some(())
    });
}

/// SSL_clear(3): ends a connection, whose object is then used for another one. A group keeps the session, as for SSL_free.
///
/// # Safety
/// * `ssl` is null or a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_clear(ssl: *mut SSL) -> c_int {
    passage(0, || {
        let clear = hosts(ssl)?.SSL_clear?;
        if connections::beginning(ssl).is_some() {
            connections::note_beginning(ssl, 0); // the next handshake notes how it begins itself
        }
        // SAFETY: the host's function gets the caller's argument.
        Some(freeing::while_ending(|| unsafe { clear(ssl) }))
    })
}

/// SSL_set_session(3): takes the connection's former session away. A group keeps that session, as for SSL_free.
///
/// # Safety
/// * `ssl` is null or a live connection, `session` null or a live session of the same library.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_set_session(ssl: *mut SSL, session: *mut SSL_SESSION) -> c_int {
    passage(0, || {
        let set = hosts(ssl)?.SSL_set_session?;
        // SAFETY: the host's function gets the caller's arguments.
        Some(freeing::while_ending(|| unsafe { set(ssl, session) }))
    })
}

/// SSL_set_SSL_CTX(3): gives a connection another context, as servername callbacks do. Its sessions stay with
/// the context that it was made from. Returns NULL, and changes nothing, if sslcache has no memory to note that one.
///
/// # Safety
/// * `ssl` is null or a live connection, `ctx` null or a live context of the same library.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_set_SSL_CTX(ssl: *mut SSL, ctx: *mut SSL_CTX) -> *mut SSL_CTX {
    passage(ptr::null_mut(), || {
        if ssl.is_null() {
            return None;
        }
        let host = ssl.host()?;
        // SAFETY: the connection is of this host and outlives the call.
        if !quietly(|| unsafe { record_session_context(host, ssl) }) {
            return None;
        }
        // SAFETY: the host's function gets the caller's arguments.
        Some(unsafe { host.passthrough.SSL_set_SSL_CTX?(ssl, ctx) })
    })
}

/// SSL_has_matching_session_id(3): whether the cache that serves `ssl` has a session with this id.
///
/// # Safety
/// * `ssl` is null or a live connection; `id` has `id_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_has_matching_session_id(
    ssl: *const SSL,
    id: *const c_uchar,
    id_len: c_uint,
) -> c_int {
    passage(0, || {
        if id.is_null() || id_len > SSL_MAX_SSL_SESSION_ID_LENGTH {
            return None;
        }
        // SAFETY: the connection outlives the call.
        let ctx = unsafe { session_context(ssl) }.unwrap_or(ptr::null_mut());
        // SAFETY: the connection holds a reference to the context that it was made from.
        if let Some(context) = unsafe { attached(ctx) } {
            // SAFETY: the connection outlives the call.
            let version = unsafe { version_of(context.libssl, ssl) };
            // SAFETY: the caller passes `id_len` bytes, and `id` is not null.
            let id = unsafe { slice::from_raw_parts(id, id_len as usize) };
            return Some(find::contains(context, ctx, id, version).into());
        }
        if ssl.is_null() {
            return None;
        }
        // SAFETY: the host's function gets the caller's arguments.
        Some(unsafe { hosts(ssl)?.SSL_has_matching_session_id?(ssl, id, id_len) })
    })
}
