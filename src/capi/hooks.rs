//! How we learn that an object of a host begins and ends: an ex_data index of each class, under which nothing is kept.
//!
//! libcrypto calls an index's new and free functions for every object of the class, whatever a program keeps under the
//! number, and whichever way the object is made and freed. It does so for the library context in which the index was
//! registered, and asks for the one that is the thread's default when an object begins or ends; so it is registered in
//! each that is met. After OPENSSL_cleanup nothing is told any more.

use core::ffi::{c_int, c_long, c_void};
use core::ptr;

use crate::context::{connections, ending, known, registry, unannounced};
use crate::host::abi::*;
use crate::host::table::ExDataFunction;
use crate::host::types::*;
use crate::host::{Host, Libssl, owners};
use crate::stats::publish;
use crate::sys::guard::{guard, passage};

/// Sees to it that we are told of the objects of `host` that this thread makes and frees. `false` where libcrypto has
/// no index to give, or there are too many library contexts.
pub fn register(host: &'static Host) -> bool {
    let Ok(libssl) = &host.libssl else {
        return false;
    };
    // SAFETY: null changes nothing, and asks for the thread's default.
    let current = unsafe { (libssl.OSSL_LIB_CTX_set0_default)(ptr::null_mut()) };
    host.hooked.contains(current) || register_in(host, libssl, current)
}

/// Sees to it that we are told of the end of a context that this thread has just made: as we were told of its beginning.
/// Where we were not, its library context has the address of one that is gone.
pub fn cover(host: &'static Host, ctx: *mut SSL_CTX) -> bool {
    let Ok(libssl) = &host.libssl else {
        return false;
    };
    if known::has_begun(ctx) {
        return true;
    }
    owners::note(host, ctx.cast());
    register_here(host, libssl)
}

/// In the library context `current`, which is this thread's default, and in that of threads that have set none.
#[cold]
fn register_in(host: &'static Host, libssl: &Libssl, current: *mut OSSL_LIB_CTX) -> bool {
    // SAFETY: no arguments.
    let global = unsafe { (libssl.OSSL_LIB_CTX_get0_global_default)() };
    [global, current].into_iter().all(|libctx| {
        if host.hooked.contains(libctx) {
            return true;
        }
        // SAFETY: a library context that is somebody's default, and so alive.
        unsafe { (libssl.OSSL_LIB_CTX_set0_default)(libctx) };
        let registered = register_here(host, libssl) && host.hooked.note(libctx);
        // SAFETY: as above.
        unsafe { (libssl.OSSL_LIB_CTX_set0_default)(current) };
        registered
    })
}

/// Threads that race may register twice; what is told twice finds nothing to do.
fn register_here(host: &'static Host, libssl: &Libssl) -> bool {
    // The functions are told their host: libcrypto calls them, and may serve several.
    let argument = ptr::from_ref(host).cast_mut().cast::<c_void>();
    let register = |class, begins: ExDataFunction, ends: ExDataFunction| {
        // SAFETY: the functions have the types of libcrypto's and take the host that they belong to.
        let index = unsafe {
            (libssl.CRYPTO_get_ex_new_index)(class, 0, argument, Some(begins), None, Some(ends))
        };
        index > 0
    };
    register(CRYPTO_EX_INDEX_SSL_CTX, context_begins, context_ends)
        && register(CRYPTO_EX_INDEX_SSL, connection_begins, connection_ends)
        // Now, as the lock that it takes may be held for ever in a child.
        && register(CRYPTO_EX_INDEX_SSL_SESSION, session_begins, session_ends)
}

/// # Safety
/// * `host` is the argument that `register_here` gave.
unsafe fn told<'a>(host: *mut c_void) -> Option<&'a Host> {
    // SAFETY: the caller's contract; a host is never freed.
    unsafe { host.cast::<Host>().as_ref() }
}

unsafe extern "C-unwind" fn context_begins(
    ctx: *mut c_void,
    _: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    host: *mut c_void,
) {
    passage((), || {
        let ctx = ctx.cast::<SSL_CTX>();
        drop(known::begin(ctx));
        // SAFETY: the host that registered this function.
        owners::note(unsafe { told(host) }?, ctx.cast());
        Some(())
    });
}

/// A context dies. Its sessions have gone before, with the remove callback; what is left goes now.
unsafe extern "C-unwind" fn context_ends(
    ctx: *mut c_void,
    _: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) {
    let ctx = ctx.cast::<SSL_CTX>();
    passage((), || {
        owners::forget(ctx.cast());
        // The application's ex_data may be freed after ours, by code that still calls the cache. It finds the
        // host's from here on, empty and alive.
        let context = known::take(ctx)?;
        // SAFETY: the counters of a dying context go with it, later.
        unsafe { publish::retire(&context, ctx) };
        registry::strike_out(ctx);
        ending::release(&context, ctx);
        Some(())
    })
}

unsafe extern "C-unwind" fn connection_begins(
    ssl: *mut c_void,
    _: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    host: *mut c_void,
) {
    guard((), || {
        connections::begin(ssl.cast());
        // SAFETY: the host that registered this function.
        owners::note(unsafe { told(host) }?, ssl);
        Some(())
    });
}

unsafe extern "C-unwind" fn connection_ends(
    ssl: *mut c_void,
    _: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) {
    guard((), || {
        connections::forget(ssl.cast());
        owners::forget(ssl);
        Some(())
    });
}

unsafe extern "C-unwind" fn session_begins(
    session: *mut c_void,
    _: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    host: *mut c_void,
) {
    guard((), || {
        unannounced::forget(session);
        unannounced::forget_tag(session);
        // SAFETY: the host that registered this function.
        owners::note(unsafe { told(host) }?, session);
        Some(())
    });
}

unsafe extern "C-unwind" fn session_ends(
    session: *mut c_void,
    _: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) {
    guard((), || {
        unannounced::forget(session);
        unannounced::forget_tag(session);
        owners::forget(session);
        Some(())
    });
}
