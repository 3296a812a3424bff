//! Taking a context over, and finding what we attached to it.
//!
//! The store of a context is its ex_data, so it is found without a lock and dies with the context. The
//! sessions of an `SSL` belong to the context it was made from, also after an SNI switch has given it another
//! one: SSL_set_SSL_CTX records the first one as the connection's ex_data. (A new function of ex_data could
//! not: since 3.2 it runs before the connection has a context.)

use core::cell::{Cell, RefCell};
use core::ffi::{c_int, c_long, c_void};
use core::ptr::{self, NonNull};
use std::sync::Arc;

use super::callbacks;
use super::guard::{attempt, guard, passage, quietly};
use super::known;
use super::live;
use super::presence;
use super::registry;
use super::store::Store;
use crate::cache::Standing;
use crate::host::abi::*;
use crate::host::inside::Inside;
use crate::host::scratch::Origin;
use crate::host::table::ExIndices;
use crate::host::types::*;
use crate::host::{Host, Libssl, images, locate};
use crate::lock::watch_forks;

/// Gives a context that its application has just made a cache of ours. Where that fails the context keeps
/// the host's.
///
/// # Safety
/// * `ctx` is null or a context of `host`, made with `origin`, and no other thread uses it yet.
pub unsafe fn attach(host: &'static Host, ctx: *mut SSL_CTX, origin: Origin) {
    if ctx.is_null() || Inside::is() || !locate::is_known(host) {
        return;
    }
    // SAFETY: the caller's contract.
    quietly(|| unsafe { take_over(host, ctx, origin) });
}

/// Takes note of a context that came by SSL_CTX_new_ex.
///
/// Where the host's own functions call each other through the PLT, its SSL_CTX_new arrives there too. Inside
/// our SSL_CTX_new that is the way to a context which is attached in a moment. Otherwise a program has found the
/// host's functions by dlsym; we see no other call of it, and taking its context over would leave
/// it with half of it. A program that calls SSL_CTX_new_ex itself, with the default library context, looks the
/// same here: so that context waits for the first other call of ours by the program.
///
/// # Safety
/// As for [`attach`].
pub unsafe fn attach_or_wait(host: &'static Host, ctx: *mut SSL_CTX, origin: Origin) {
    if is_making() {
        RELAYED.with(|relayed| relayed.set(true));
        return;
    }
    if Inside::is() || called_by(host) {
        return;
    }
    let Ok(libssl) = &host.libssl else {
        return;
    };
    let looks_like_new = origin.libctx.is_null() && origin.propq.is_none();
    if !looks_like_new || !quietly(|| host.tells_of_the_end(libssl)) {
        // SAFETY: the caller's contract.
        return unsafe { attach(host, ctx, origin) };
    }
    if let Some(indices) = host.ex_indices(|| register(host, libssl)) {
        // SAFETY: the caller's contract. Without memory the context keeps the host's cache.
        unsafe { (libssl.SSL_CTX_set_ex_data)(ctx, indices.ctx, waiting().cast()) };
    }
}

/// Runs `make`, our SSL_CTX_new's call of the host's.
pub fn while_making(host: &Host, make: impl FnOnce() -> *mut SSL_CTX) -> *mut SSL_CTX {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            MAKING.set(self.0);
        }
    }
    let restore = Restore(MAKING.replace(true));
    RELAYED.set(false);
    let made = make();
    drop(restore);
    if !made.is_null() {
        host.note_relay(RELAYED.with(Cell::get));
    }
    made
}

/// Whether this thread is inside our SSL_CTX_new.
pub fn is_making() -> bool {
    MAKING.get()
}

thread_local! {
    /// Whether this thread is inside our SSL_CTX_new.
    static MAKING: Cell<bool> = const { Cell::new(false) };
    /// Whether the host has come by SSL_CTX_new_ex meanwhile.
    static RELAYED: Cell<bool> = const { Cell::new(false) };
}

/// What stands in place of the store of a context that waits.
fn waiting() -> *mut Store {
    static WAITING: u8 = 0;
    ptr::from_ref(&WAITING).cast_mut().cast()
}

/// Attaches a context that waits, unless it is the host that calls, or has used it already.
///
/// # Safety
/// * `ctx` is a live context of `host`.
#[cold]
unsafe fn settle(host: &'static Host, libssl: &Libssl, ctx: *mut SSL_CTX) -> bool {
    // SAFETY: the caller's contract; these commands take no pointer.
    let count = |command| unsafe { (libssl.SSL_CTX_ctrl)(ctx, command, 0, ptr::null_mut()) };
    let unused = [
        SSL_CTRL_SESS_NUMBER,
        SSL_CTRL_SESS_ACCEPT,
        SSL_CTRL_SESS_CONNECT,
    ]
    .into_iter()
    .all(|command| count(command) == 0);
    if called_by(host) || !unused {
        return false;
    }
    // SAFETY: the caller's contract; a context without a handshake is still being set up, by one thread.
    unsafe { attach(host, ctx, Origin::default()) };
    true
}

/// Whether the host itself has called what we export, through the PLT.
pub fn called_by(host: &Host) -> bool {
    images::caller().is_some_and(|address| host.image.contains(address))
}

/// # Safety
/// As for [`attach`]; `ctx` is not null.
unsafe fn take_over(host: &'static Host, ctx: *mut SSL_CTX, origin: Origin) -> Option<()> {
    watch_forks();
    let libssl = host.libssl.as_ref().ok()?;
    let indices = host.ex_indices(|| register(host, libssl))?;
    // SAFETY: the caller's contract.
    let known = unsafe { (libssl.SSL_CTX_get_ex_data)(ctx, indices.ctx) };
    if !known.is_null() && known != waiting().cast() {
        return None;
    }
    // SAFETY: the caller's contract; the command takes no pointer.
    let ask = |command| unsafe { (libssl.SSL_CTX_ctrl)(ctx, command, 0, ptr::null_mut()) };
    let (mode, size) = (
        ask(SSL_CTRL_GET_SESS_CACHE_MODE),
        ask(SSL_CTRL_GET_SESS_CACHE_SIZE),
    );
    let store = attempt(|| {
        let size = usize::try_from(size).ok()?;
        Some(Arc::new(Store::new(
            host,
            libssl,
            origin,
            mode as u32,
            size,
        )))
    })?;
    let attached = Arc::into_raw(Arc::clone(&store)); // given to the context; `context_freed` takes it back
    // SAFETY: the caller's contract.
    if unsafe { (libssl.SSL_CTX_set_ex_data)(ctx, indices.ctx, attached.cast_mut().cast()) } != 1 {
        // SAFETY: the context did not take it.
        drop(unsafe { Arc::from_raw(attached) });
        return None;
    }
    // SAFETY: the caller's contract.
    unsafe { adopt(&store, ctx) };
    store.apply_mode(ctx);
    // SAFETY: the caller's contract; the callbacks have the types of their setters.
    unsafe {
        (libssl.SSL_CTX_sess_set_new_cb)(ctx, Some(callbacks::on_new));
        (libssl.SSL_CTX_sess_set_remove_cb)(ctx, Some(callbacks::on_remove));
        (libssl.SSL_CTX_sess_set_get_cb)(ctx, Some(callbacks::on_get));
    }
    let early = Early::of(ctx);
    if let Some(id_context) = &early.id_context {
        store.id_context.set(id_context);
    }
    if !early.has_ticket_keys {
        // SAFETY: the caller's contract.
        unsafe { store.share_ticket_keys(ctx) };
    }
    if store.may_group() {
        store.watch_for_the_end(ctx);
    }
    attempt(|| {
        registry::enter(ctx, store);
        presence::announce(host);
        live::begin(host);
        Some(())
    })
}

/// Takes over the callbacks that a context has already: those of a program whose new function of ex_data sets them
/// while the host makes it.
///
/// # Safety
/// * `ctx` is the context of `store`, alive.
unsafe fn adopt(store: &Store, ctx: *mut SSL_CTX) {
    let hosts = &store.host.passthrough;
    // SAFETY: the caller's contract.
    unsafe {
        let new = hosts.SSL_CTX_sess_get_new_cb.and_then(|get| get(ctx));
        let remove = hosts.SSL_CTX_sess_get_remove_cb.and_then(|get| get(ctx));
        let get = hosts.SSL_CTX_sess_get_get_cb.and_then(|get| get(ctx));
        store.new_callback.set(new);
        store.remove_callback.set(remove);
        store.get_callback.set(get);
    }
}

/// What a program has set on a context that is not attached yet and that nobody can ask for: also from a new function
/// of ex_data, while the host makes it.
#[derive(Default)]
pub struct Early {
    ctx: usize,
    id_context: Option<Vec<u8>>,
    has_ticket_keys: bool,
}

thread_local! {
    /// Of the last such context. Contexts that are made inside each other's making are a program's own affair.
    static EARLY: RefCell<Early> = RefCell::default();
}

impl Early {
    /// Takes note of what was set on `ctx`; not of contexts of our own.
    pub fn note(ctx: *mut SSL_CTX, note: impl FnOnce(&mut Self)) {
        if Inside::is() {
            return;
        }
        EARLY.with_borrow_mut(|early| {
            if early.ctx != ctx.addr() {
                *early = Self {
                    ctx: ctx.addr(),
                    ..Self::default()
                };
            }
            note(early);
        });
    }

    /// Its session id context was set.
    pub fn set_id_context(&mut self, id_context: &[u8]) {
        self.id_context = Some(id_context.to_vec());
    }

    /// The keys of its tickets are the application's.
    pub fn has_ticket_keys(&mut self) {
        self.has_ticket_keys = true;
    }

    /// Forgets all: a context is going to be made, perhaps where one was before.
    pub fn forget() {
        drop(EARLY.take());
    }

    fn of(ctx: *mut SSL_CTX) -> Self {
        Some(EARLY.take())
            .filter(|early| early.ctx == ctx.addr())
            .unwrap_or_default()
    }
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
    // SAFETY: as above. A number is kept there, which needs no callbacks.
    let standing = unsafe {
        (libssl.CRYPTO_get_ex_new_index)(CRYPTO_EX_INDEX_SSL, 0, argument, None, None, None)
    };
    (ctx > 0 && ssl > 0 && standing > 0).then_some(ExIndices { ctx, ssl, standing })
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
#[inline]
pub unsafe fn attached<'a>(ctx: *mut SSL_CTX) -> Option<Attached<'a>> {
    if ctx.is_null() || Inside::is() {
        return None;
    }
    if let Some(store) = known::store_of(ctx) {
        // SAFETY: the store of this context, which is alive as the context is.
        return Some(Attached::Borrowed(unsafe { store.as_ref() }));
    }
    // SAFETY: the caller's contract.
    unsafe { look_for_store(ctx) }
}

/// # Safety
/// As for [`attached`]; `ctx` is not null.
#[cold]
unsafe fn look_for_store<'a>(ctx: *mut SSL_CTX) -> Option<Attached<'a>> {
    if locate::several() {
        return registry::of_context(ctx).map(Attached::Shared);
    }
    let host = locate::host()?;
    let libssl = host.libssl.as_ref().ok()?;
    let indices = host.ex_indices(|| None)?;
    // SAFETY: the caller's contract; the only libssl here is the context's.
    let find = || unsafe { (libssl.SSL_CTX_get_ex_data)(ctx, indices.ctx) }.cast::<Store>();
    let mut store = find();
    if store == waiting() {
        // SAFETY: the caller's contract.
        if !unsafe { settle(host, libssl, ctx) } {
            return None;
        }
        store = find();
    }
    if store == waiting() {
        return None;
    }
    known::remember(ctx, NonNull::new(store)?);
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
    let host = locate::host()?;
    let libssl = host.libssl.as_ref().ok()?;
    // SAFETY: the caller's contract.
    let recorded = unsafe { recorded_context(host, libssl, ssl) };
    // SAFETY: the caller's contract.
    let ctx = recorded.unwrap_or_else(|| unsafe { (libssl.SSL_get_SSL_CTX)(ssl) });
    (!ctx.is_null()).then_some(ctx)
}

/// # Safety
/// * `ssl` is a connection of this library, alive during the call.
unsafe fn recorded_context(host: &Host, libssl: &Libssl, ssl: *const SSL) -> Option<*mut SSL_CTX> {
    let indices = host.ex_indices(|| None)?;
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
    if unsafe { recorded_context(host, libssl, ssl) }.is_some() {
        return true;
    }
    // SAFETY: the caller's contract. The connection keeps a reference to this context until it is freed.
    let ctx = unsafe { (libssl.SSL_get_SSL_CTX)(ssl) };
    // SAFETY: the caller's contract.
    unsafe { (libssl.SSL_set_ex_data)(ssl, indices.ssl, ctx.cast()) == 1 }
}

/// Notes with a connection what the session says of its client that it offered in vain: the handshake goes on in
/// other calls, perhaps on another thread. Where it cannot be noted the client counts as a new one.
///
/// # Safety
/// * `ssl` is a connection of this host, alive during the call.
pub unsafe fn note_standing(host: &'static Host, ssl: *mut SSL, standing: Standing) {
    let (Ok(libssl), Some(indices)) = (&host.libssl, host.ex_indices(|| None)) else {
        return;
    };
    let noted = ptr::without_provenance_mut(standing as usize);
    // SAFETY: the caller's contract; nobody follows the pointer.
    unsafe { (libssl.SSL_set_ex_data)(ssl, indices.standing, noted) };
}

/// What `note_standing` noted. A connection that is cleared and used again keeps it: at worst one session stays longer
/// than it deserves.
///
/// # Safety
/// * `ssl` is a connection of this host, alive during the call.
pub unsafe fn noted_standing(host: &'static Host, ssl: *const SSL) -> Standing {
    let (Ok(libssl), Some(indices)) = (&host.libssl, host.ex_indices(|| None)) else {
        return Standing::New;
    };
    // SAFETY: the caller's contract.
    let noted = unsafe { (libssl.SSL_get_ex_data)(ssl, indices.standing) }.addr();
    [Standing::Returning, Standing::Proven]
        .into_iter()
        .find(|&standing| standing as usize == noted)
        .unwrap_or(Standing::New)
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
unsafe extern "C-unwind" fn connection_copied(
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

/// A context dies. Its sessions have gone before, with the remove callback; what is left goes now.
unsafe extern "C-unwind" fn context_freed(
    ctx: *mut c_void,
    store: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    index: c_int,
    _: c_long,
    _: *mut c_void,
) {
    let ctx = ctx.cast::<SSL_CTX>();
    if store.is_null() || store == waiting().cast() {
        return;
    }
    passage((), || {
        // SAFETY: the reference that `take_over` gave to the context.
        let store = unsafe { Arc::from_raw(store.cast::<Store>()) };
        // The application's ex_data may be freed after ours, by code that still calls the cache. It finds the
        // host's from here on, empty and alive.
        // SAFETY: libcrypto passes the dying context, whose ex_data is still there.
        unsafe { (store.libssl.SSL_CTX_set_ex_data)(ctx, index, ptr::null_mut()) };
        known::forget(ctx);
        // SAFETY: the counters of a dying context go with it, later.
        unsafe { live::retire(&store, ctx) };
        registry::strike_out(ctx);
        store.let_go(ctx);
        Some(())
    })
}
