//! How sslcache learns that an object of a host begins or ends: an ex_data index of each class, under which nothing is kept.
//!
//! libcrypto calls the new and free functions of an index for every object of the class, whatever the program stores and
//! however the object is made and freed. It does so for the library context in which the index was registered, and takes the
//! one that is the thread's default when an object begins or ends. An index is therefore registered in each library context
//! that is met. After OPENSSL_cleanup no function is called any more.

use core::ffi::{c_int, c_long, c_void};
use core::ptr;

use crate::context::{connections, ending, known, registry, unannounced};
use crate::host::abi::*;
use crate::host::types::*;
use crate::host::{Host, Libssl, owners};
use crate::stats::publish;
use crate::sys::guard::{guard, passage};

/// Registers for the objects of `host` that this thread makes and frees. Returns `false` if libcrypto has no index left, or
/// if there are too many library contexts.
pub fn register(host: &'static Host) -> bool {
    let Ok(libssl) = &host.libssl else {
        return false;
    };
    // SAFETY: null changes nothing and asks for the thread's default.
    let current = unsafe { libssl.set_library_context(ptr::null_mut()) };
    host.hooked.contains(current) || register_in(host, libssl, current)
}

/// Returns whether sslcache will learn of the end of a context that this thread has just made. It does if it has learned of
/// the beginning. If it has not, a library context was freed and the thread's default one has its address: the functions
/// are registered once more.
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

/// Registers in the library context `current`, which is this thread's default, and in the default of threads that have set
/// none.
#[cold]
fn register_in(host: &'static Host, libssl: &Libssl, current: *mut OSSL_LIB_CTX) -> bool {
    let global = libssl.global_library_context();
    [global, current].into_iter().all(|libctx| {
        if host.hooked.contains(libctx) {
            return true;
        }
        // SAFETY: the library context is the global default or this thread's, both of which are alive.
        unsafe { libssl.set_library_context(libctx) };
        let registered = register_here(host, libssl) && host.hooked.note(libctx);
        // SAFETY: `current` was this thread's default until now, and nothing has freed it.
        unsafe { libssl.set_library_context(current) };
        registered
    })
}

/// Registers in the library context that is this thread's default. Threads that race may register twice: the second call
/// for an object then finds nothing to do.
fn register_here(host: &'static Host, libssl: &Libssl) -> bool {
    register_class::<Contexts>(host, libssl)
        && register_class::<Connections>(host, libssl)
        // Before there is a session: the lock that the registration takes may be held for ever in a forked child.
        && register_class::<Sessions>(host, libssl)
}

fn register_class<C: Class>(host: &'static Host, libssl: &Libssl) -> bool {
    // A libcrypto may serve several hosts: the argument says which of them has registered.
    let argument = ptr::from_ref(host).cast_mut().cast::<c_void>();
    let (begins, ends) = (Some(begins::<C> as _), Some(ends::<C> as _));
    // SAFETY: the functions have the types of CRYPTO_EX_new and CRYPTO_EX_free, and the host, which is `argument`, is never
    // freed.
    let index =
        unsafe { (libssl.CRYPTO_get_ex_new_index)(C::INDEX, 0, argument, begins, None, ends) };
    index > 0
}

/// A class of the host's objects.
trait Class {
    /// CRYPTO_EX_INDEX_*.
    const INDEX: c_int;
    /// Takes note of a new object. An earlier object at this address is gone, even if its end was missed.
    fn begin(object: *mut c_void);
    /// Forgets an object that is being freed.
    fn end(object: *mut c_void);
    /// The boundary around both.
    fn run(work: impl FnOnce() -> Option<()>) {
        guard((), work);
    }
}

/// CRYPTO_EX_new of a class.
unsafe extern "C-unwind" fn begins<C: Class>(
    object: *mut c_void,
    _: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    host: *mut c_void,
) {
    C::run(|| {
        C::begin(object);
        // SAFETY: `register_class` has given a host as the argument, and hosts are never freed.
        owners::note(unsafe { host.cast::<Host>().as_ref() }?, object);
        Some(())
    });
}

/// CRYPTO_EX_free of a class.
unsafe extern "C-unwind" fn ends<C: Class>(
    object: *mut c_void,
    _: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) {
    C::run(|| {
        owners::forget(object);
        C::end(object);
        Some(())
    });
}

enum Contexts {}

impl Class for Contexts {
    const INDEX: c_int = CRYPTO_EX_INDEX_SSL_CTX;

    fn begin(object: *mut c_void) {
        drop(known::begin(object.cast()));
    }

    /// The sessions have left before, each with the remove callback. What remains is freed now.
    fn end(object: *mut c_void) {
        let ctx = object.cast::<SSL_CTX>();
        // The application's ex_data may be freed later, by code that still calls the cache: from here on it gets the host's,
        // which is empty and alive.
        let Some(context) = known::take(ctx) else {
            return;
        };
        // SAFETY: the host frees the counters of a context after its ex_data.
        unsafe { publish::retire(&context, ctx) };
        registry::strike_out(ctx);
        ending::release(&context, ctx);
    }

    /// Sessions may be freed here, and with them ex_data of the application, by functions of its own.
    fn run(work: impl FnOnce() -> Option<()>) {
        passage((), work);
    }
}

enum Connections {}

impl Class for Connections {
    const INDEX: c_int = CRYPTO_EX_INDEX_SSL;

    fn begin(object: *mut c_void) {
        connections::begin(object.cast());
    }

    fn end(object: *mut c_void) {
        connections::forget(object.cast());
    }
}

enum Sessions {}

impl Class for Sessions {
    const INDEX: c_int = CRYPTO_EX_INDEX_SSL_SESSION;

    fn begin(object: *mut c_void) {
        unannounced::forget(object);
        unannounced::forget_tag(object);
    }

    fn end(object: *mut c_void) {
        Self::begin(object);
    }
}
