//! Making contexts, and their sessions as a whole: SSL_CTX_new, SSL_CTX_flush_sessions, SSL_CTX_sessions.

use core::ffi::{c_char, c_int, c_long, c_uchar, c_uint};
use core::{ptr, slice};

use libc::time_t;

use super::attach::{
    Early, attach, attach_or_wait, attached, is_making, record_session_context, while_making,
};
use super::hooks;
use crate::context::connections::{self, session_context};
use crate::context::known::{self, host_of};
use crate::context::sharing::scope;
use crate::context::{clearing, find, freeing, listing};
use crate::host::abi::SSL_MAX_SSL_SESSION_ID_LENGTH;
use crate::host::connection::version_of;
use crate::host::inside::Inside;
use crate::host::scratch::Origin;
use crate::host::types::*;
use crate::host::{locate, owners};
use crate::stats::publish;
use crate::sys::guard::{passage, quietly};

/// SSL_CTX_new(3): a context of the host, with a cache of ours.
///
/// # Safety
/// * `method` is null or a method of the host.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_new(method: *const SSL_METHOD) -> *mut SSL_CTX {
    passage(ptr::null_mut(), || {
        let host = locate::host_of_method(method)?;
        let new = host.passthrough.SSL_CTX_new?;
        Early::forget();
        quietly(|| hooks::register(host)); // so that we are told of this one
        // SAFETY: the caller's contract.
        let ctx = while_making(host, || unsafe { new(method) });
        // SAFETY: just made by this host.
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
            quietly(|| hooks::register(host)); // so that we are told of this one
        }
        // SAFETY: the caller's contract.
        let ctx = unsafe { new(libctx, propq, method) };
        if !ctx.is_null() {
            // SAFETY: the caller's contract.
            let origin = unsafe { Origin::new(libctx, propq) };
            // SAFETY: just made by this host.
            unsafe { attach_or_wait(host, ctx, origin) };
        }
        Some(ctx)
    })
}

/// SSL_CTX_flush_sessions(3): removes what had expired at second `tm`; everything where it is 0.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_flush_sessions(ctx: *mut SSL_CTX, tm: c_long) {
    passage((), || {
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            clearing::flush(context, ctx, tm);
        } else if !ctx.is_null() {
            Inside::note(ctx);
            // SAFETY: the caller's contract.
            unsafe { host_of(ctx)?.passthrough.SSL_CTX_flush_sessions?(ctx, tm) };
        }
        Some(())
    });
}

/// Removes the expired sessions from the cache of a context. A synonym of SSL_CTX_flush_sessions, documented up to
/// OpenSSL 1.0.2 and missing from every libssl since SSLeay.
///
/// tm is in seconds since the epoch: each session whose time plus timeout lies before it leaves the cache, is marked
/// not resumable, and the remove callback is called with it. If tm is 0, all sessions are removed. If ctx is NULL,
/// nothing happens.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_flush_sessions(ctx: *mut SSL_CTX, tm: c_long) {
    // SAFETY: the caller's contract.
    unsafe { SSL_CTX_flush_sessions(ctx, tm) }
}

/// SSL_CTX_flush_sessions_ex(3), of OpenSSL 3.4 and later; on an older host SSL_CTX_flush_sessions.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_flush_sessions_ex(ctx: *mut SSL_CTX, tm: time_t) {
    passage((), || {
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            clearing::flush(context, ctx, tm);
        } else if !ctx.is_null() {
            Inside::note(ctx); // what SSL_CTX_free of 3.4 and later calls
            let hosts = &host_of(ctx)?.passthrough;
            let flush = hosts
                .SSL_CTX_flush_sessions_ex
                .or(hosts.SSL_CTX_flush_sessions)?;
            // SAFETY: the caller's contract.
            unsafe { flush(ctx, tm) };
        }
        Some(())
    });
}

/// SSL_CTX_sessions(3): the cached sessions as a table, as they are now; owned by the context. `snapshot`
/// says for how long it stays.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sessions(ctx: *mut SSL_CTX) -> *mut OPENSSL_LHASH {
    passage(ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            return Some(listing::sessions(context, ctx));
        }
        if ctx.is_null() {
            return None;
        }
        // SAFETY: the caller's contract.
        Some(unsafe { host_of(ctx)?.passthrough.SSL_CTX_sessions?(ctx) })
    })
}

/// SSL_CTX_set_session_id_context(3). It decides which contexts may share, and no function tells it.
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
        let set = host_of(ctx)?.passthrough.SSL_CTX_set_session_id_context?;
        // SAFETY: the caller's contract.
        let result = unsafe { set(ctx, id_context, len) };
        if result != 1 {
            return Some(result);
        }
        let id_context = || match len {
            0 => &[],
            // SAFETY: the caller's contract; the host has read as many.
            len => unsafe { slice::from_raw_parts(id_context, len as usize) },
        };
        let context = if scope::asks_for_id_contexts() {
            // SAFETY: the caller's contract.
            unsafe { attached(ctx) }
        } else {
            // It is only shown: the call says nothing of a context that waits.
            // SAFETY: what we keep for a context lives as long as the context does.
            known::context_of(ctx).map(|context| unsafe { context.as_ref() })
        };
        match context {
            Some(context) => context.id_context.set(id_context()),
            None => Early::note(ctx, |early| early.set_id_context(id_context())),
        }
        Some(result)
    })
}

/// SSL_free(3). What libssl removes meanwhile, only because the connection was not shut down, a group keeps.
///
/// # Safety
/// * `ssl` is null or a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_free(ssl: *mut SSL) {
    passage((), || {
        let free = owners::host_of(ssl.cast())?.passthrough.SSL_free?;
        // SAFETY: the caller's contract.
        freeing::while_ending(|| unsafe { free(ssl) });
        publish::leave(); // all that there was to count of it was counted
        Some(())
    });
}

/// SSL_clear(3): the end of a connection, whose object is used for another one. As for SSL_free.
///
/// # Safety
/// * `ssl` is null or a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_clear(ssl: *mut SSL) -> c_int {
    passage(0, || {
        let clear = owners::host_of(ssl.cast())?.passthrough.SSL_clear?;
        if connections::beginning(ssl).is_some() {
            connections::note_beginning(ssl, 0); // what the next handshake teaches is of how that one begins
        }
        // SAFETY: the caller's contract.
        Some(freeing::while_ending(|| unsafe { clear(ssl) }))
    })
}

/// SSL_set_session(3): the end of what the connection did before. As for SSL_free.
///
/// # Safety
/// * `ssl` is null or a live connection, `session` null or a live session of the same library.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_set_session(ssl: *mut SSL, session: *mut SSL_SESSION) -> c_int {
    passage(0, || {
        let set = owners::host_of(ssl.cast())?.passthrough.SSL_set_session?;
        // SAFETY: the caller's contract.
        Some(freeing::while_ending(|| unsafe { set(ssl, session) }))
    })
}

/// SSL_set_SSL_CTX(3): gives a connection another context, as servername callbacks do. Its sessions stay with
/// the one it was made from. Null, and no change, where there is no memory.
///
/// # Safety
/// * `ssl` is null or a live connection, `ctx` null or a live context of the same library.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_set_SSL_CTX(ssl: *mut SSL, ctx: *mut SSL_CTX) -> *mut SSL_CTX {
    passage(ptr::null_mut(), || {
        if ssl.is_null() {
            return None;
        }
        let host = owners::host_of(ssl.cast())?;
        // SAFETY: the caller's contract.
        if !quietly(|| unsafe { record_session_context(host, ssl) }) {
            return None;
        }
        // SAFETY: the caller's contract.
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
        // SAFETY: the caller's contract.
        let ctx = unsafe { session_context(ssl) }.unwrap_or(ptr::null_mut());
        // SAFETY: a connection holds a reference to its context.
        if let Some(context) = unsafe { attached(ctx) } {
            // SAFETY: the caller's contract.
            let version = unsafe { version_of(context.libssl, ssl) };
            // SAFETY: the caller's contract.
            let id = unsafe { slice::from_raw_parts(id, id_len as usize) };
            return Some(find::contains(context, ctx, id, version).into());
        }
        if ssl.is_null() {
            return None;
        }
        // SAFETY: the caller's contract.
        Some(unsafe {
            owners::host_of(ssl.cast())?
                .passthrough
                .SSL_has_matching_session_id?(ssl, id, id_len)
        })
    })
}
