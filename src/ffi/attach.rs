//! Taking a context over, and finding what we attached to it.
//!
//! The store of a context is its ex_data, so it is found without a lock and dies with the context. The
//! sessions of an `SSL` belong to the context it was made from, also after an SNI switch has given it another
//! one: SSL_set_SSL_CTX records the first one as the connection's ex_data. (A new function of ex_data could
//! not: since 3.2 it runs before the connection has a context.)

use core::ffi::{c_int, c_long, c_void};
use core::ptr;
use std::sync::Arc;

use super::callbacks;
use super::guard::{caught, guard, quietly};
use super::store::Store;
use super::{fork, registry};
use crate::host::abi::*;
use crate::host::inside::Inside;
use crate::host::table::ExIndices;
use crate::host::types::*;
use crate::host::{Host, Libssl, locate};

/// Gives a context that its application has just made a cache of ours. Where that fails the context keeps
/// the host's. A context that has one already is left as it is: hosts that reach SSL_CTX_new_ex through the
/// PLT come by twice.
///
/// # Safety
/// * `ctx` is null or a context of `host`, and no other thread uses it yet.
pub unsafe fn attach(host: &'static Host, ctx: *mut SSL_CTX) {
    if ctx.is_null() || Inside::is() {
        return;
    }
    // SAFETY: the caller's contract.
    quietly(|| caught(|| unsafe { take_over(host, ctx) }));
}

/// # Safety
/// As for [`attach`]; `ctx` is not null.
unsafe fn take_over(host: &'static Host, ctx: *mut SSL_CTX) -> Option<()> {
    let libssl = host.libssl.as_ref().ok()?;
    let indices = host.ex_indices(|| register(host, libssl))?;
    // SAFETY: the caller's contract.
    if !unsafe { (libssl.SSL_CTX_get_ex_data)(ctx, indices.ctx) }.is_null() {
        return None;
    }
    // SAFETY: the caller's contract; the command takes no pointer.
    let ask = |command| unsafe { (libssl.SSL_CTX_ctrl)(ctx, command, 0, ptr::null_mut()) };
    let (mode, size) = (
        ask(SSL_CTRL_GET_SESS_CACHE_MODE),
        ask(SSL_CTRL_GET_SESS_CACHE_SIZE),
    );
    let store = Arc::new(Store::new(
        host,
        libssl,
        mode as u32,
        usize::try_from(size).ok()?,
    ));
    let attached = Arc::into_raw(Arc::clone(&store)); // given to the context; `context_freed` takes it back
    // SAFETY: the caller's contract.
    if unsafe { (libssl.SSL_CTX_set_ex_data)(ctx, indices.ctx, attached.cast_mut().cast()) } != 1 {
        // SAFETY: the context did not take it.
        drop(unsafe { Arc::from_raw(attached) });
        return None;
    }
    fork::prepare_once();
    store.apply_mode(ctx);
    // SAFETY: the caller's contract; the callbacks have the types of their setters.
    unsafe {
        (libssl.SSL_CTX_sess_set_new_cb)(ctx, Some(callbacks::on_new));
        (libssl.SSL_CTX_sess_set_remove_cb)(ctx, Some(callbacks::on_remove));
        (libssl.SSL_CTX_sess_set_get_cb)(ctx, Some(callbacks::on_get));
    }
    registry::enter(ctx, store);
    Some(())
}

fn register(host: &'static Host, libssl: &Libssl) -> Option<ExIndices> {
    // The callbacks are told their host: libcrypto calls them, and may serve several.
    let argument = ptr::from_ref(host).cast_mut().cast::<c_void>();
    // SAFETY: the callbacks have the types of libcrypto's and take the host that they belong to.
    let ctx = unsafe {
        (libssl.CRYPTO_get_ex_new_index)(
            CRYPTO_EX_INDEX_SSL_CTX,
            0,
            argument,
            None,
            None,
            Some(context_freed),
        )
    };
    // SAFETY: as above.
    let ssl = unsafe {
        (libssl.CRYPTO_get_ex_new_index)(
            CRYPTO_EX_INDEX_SSL,
            0,
            argument,
            None,
            Some(connection_copied),
            None,
        )
    };
    (ctx > 0 && ssl > 0).then_some(ExIndices { ctx, ssl })
}

/// What is attached to a context.
pub enum Attached<'a> {
    /// Borrowed from the context.
    Borrowed(&'a Store),
    /// Found in the registry.
    Shared(Arc<Store>),
}

impl core::ops::Deref for Attached<'_> {
    type Target = Store;
    fn deref(&self) -> &Store {
        match self {
            Self::Borrowed(store) => store,
            Self::Shared(store) => store,
        }
    }
}

/// The store of a context; `None` for null, for a context that is not in our care, and for a call that the
/// host makes on our behalf.
///
/// # Safety
/// * `ctx` is null or a context, alive for as long as the result is used.
pub unsafe fn attached<'a>(ctx: *mut SSL_CTX) -> Option<Attached<'a>> {
    if ctx.is_null() || Inside::is() {
        return None;
    }
    if locate::several() {
        return registry::of_context(ctx).map(Attached::Shared);
    }
    let host = locate::host()?;
    let libssl = host.libssl.as_ref().ok()?;
    let indices = host.ex_indices(|| None)?;
    // SAFETY: the caller's contract; the only libssl here is the context's.
    let store = unsafe { (libssl.SSL_CTX_get_ex_data)(ctx, indices.ctx) }.cast::<Store>();
    // SAFETY: the index is ours, so it holds null or the store, which lives as long as the context.
    unsafe { store.as_ref() }.map(Attached::Borrowed)
}

/// The host that a context belongs to.
pub fn host_of(ctx: *mut SSL_CTX) -> Option<&'static Host> {
    let known = if locate::several() {
        registry::of_context(ctx)
    } else {
        None
    };
    known.map(|store| store.host).or_else(locate::host)
}

/// The context whose cache serves a connection: the one it was made from.
///
/// # Safety
/// * `ssl` is null or a connection, alive during the call.
pub unsafe fn session_context(ssl: *const SSL) -> Option<*mut SSL_CTX> {
    if ssl.is_null() {
        return None;
    }
    let libssl = locate::host()?.libssl.as_ref().ok()?;
    // SAFETY: the caller's contract.
    let recorded = unsafe { recorded_context(libssl, ssl) };
    // SAFETY: the caller's contract.
    let ctx = recorded.unwrap_or_else(|| unsafe { (libssl.SSL_get_SSL_CTX)(ssl) });
    (!ctx.is_null()).then_some(ctx)
}

/// # Safety
/// * `ssl` is a connection of this library, alive during the call.
unsafe fn recorded_context(libssl: &Libssl, ssl: *const SSL) -> Option<*mut SSL_CTX> {
    let indices = locate::host()?.ex_indices(|| None)?;
    // SAFETY: the caller's contract.
    let recorded = unsafe { (libssl.SSL_get_ex_data)(ssl, indices.ssl) }.cast::<SSL_CTX>();
    (!recorded.is_null()).then_some(recorded)
}

/// Records the context that a connection was made from, before another one takes its place. `false` where
/// there is no memory to do so: the connection would then look into a cache that is not its own.
///
/// # Safety
/// * `ssl` is a connection, alive during the call.
pub unsafe fn record_session_context(host: &'static Host, ssl: *mut SSL) -> bool {
    let (Ok(libssl), Some(indices)) = (&host.libssl, host.ex_indices(|| None)) else {
        return true; // nothing was ever taken over
    };
    // SAFETY: the caller's contract.
    if unsafe { recorded_context(libssl, ssl) }.is_some() {
        return true;
    }
    // SAFETY: the caller's contract. The connection keeps a reference to this context until it is freed.
    let ctx = unsafe { (libssl.SSL_get_SSL_CTX)(ssl) };
    // SAFETY: the caller's contract.
    unsafe { (libssl.SSL_set_ex_data)(ssl, indices.ssl, ctx.cast()) == 1 }
}

/// # Safety
/// * `host` is the argument that `register` gave.
unsafe fn libssl_of(host: *mut c_void) -> Option<&'static Libssl> {
    // SAFETY: the caller's contract; a host is never freed.
    unsafe { host.cast::<Host>().as_ref() }?
        .libssl
        .as_ref()
        .ok()
}

/// SSL_dup: the copy was made from the context that the original has now, and has switched to no other.
unsafe extern "C" fn connection_copied(
    to: *mut CRYPTO_EX_DATA,
    _: *const CRYPTO_EX_DATA,
    value: *mut *mut c_void,
    index: c_int,
    _: c_long,
    host: *mut c_void,
) -> c_int {
    guard(1, || {
        // SAFETY: the host that registered this callback.
        let libssl = unsafe { libssl_of(host) }?;
        // SAFETY: libcrypto passes the copy's data, and a place for what to put there.
        unsafe { *value = (libssl.CRYPTO_get_ex_data)(to, index) };
        Some(1)
    })
}

/// A context dies. What its cache still holds goes now, where it has not gone before.
unsafe extern "C" fn context_freed(
    ctx: *mut c_void,
    store: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) {
    let ctx = ctx.cast::<SSL_CTX>();
    if store.is_null() {
        return;
    }
    guard((), || {
        // SAFETY: the reference that `take_over` gave to the context.
        let store = unsafe { Arc::from_raw(store.cast::<Store>()) };
        store.drain(ctx);
        store.uproot_sentinel(ctx);
        registry::strike_out(ctx);
        Some(())
    })
}
