//! Taking a context over: attaching a [`Context`] to it, and finding that again.
//!
//! A Context is found by the address of its SSL_CTX and dies with it: see `context::known`. The sessions of an `SSL` belong
//! to the context that it was made from, even after a servername callback has given it another one: SSL_set_SSL_CTX records
//! the first.

use core::cell::{Cell, RefCell};
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;

use super::{hooks, host_callbacks, init, ticket_callbacks};
use crate::config;
use crate::context::alike::learned;
use crate::context::{Context, connections, ending, fleet, known, registry};
use crate::host::abi::*;
use crate::host::inside::Inside;
use crate::host::locate::is_called_by;
use crate::host::scratch::Origin;
use crate::host::types::*;
use crate::host::{Host, Libssl, locate, owners};
use crate::stats::publish;
use crate::sys::forks::watch_forks;
use crate::sys::guard::{attempt, quietly};
use crate::sys::reserve::is_short;

/// Prepares for a context that the application is about to make: makes what its children may need to mark sessions, so that the
/// application's context is the last to be made. `None` if the application's call fails.
pub fn prepare(host: &'static Host, method: *const SSL_METHOD, origin: &Origin) -> Option<()> {
    if let Ok(libssl) = &host.libssl
        && !method.is_null()
        && !Inside::is()
        && locate::position(host).is_some()
        && !is_short()
    {
        watch_forks();
        return host.scratch.provide(libssl, origin).then_some(());
    }
    Some(())
}

/// Gives a context that its application has just made a cache of ours. If that fails, the context keeps the host's.
///
/// # Safety
/// * `ctx` is null or a context of `host`, made with `origin`, and no other thread uses it yet.
pub unsafe fn attach(host: &'static Host, ctx: *mut SSL_CTX, origin: Origin) {
    if ctx.is_null() || Inside::is() || locate::position(host).is_none() {
        return;
    }
    // SAFETY: the context is of this host, and no other thread uses it yet.
    quietly(|| unsafe { take_over(host, ctx, origin, false) });
}

/// Attaches a context that SSL_CTX_new_ex has made, or lets it wait.
///
/// The host's SSL_CTX_new calls SSL_CTX_new_ex, and on hosts that call their own functions through the PLT it reaches ours.
/// If it was called by our SSL_CTX_new, the context is attached in a moment. Otherwise the program has found the host's
/// functions by dlsym: sslcache sees none of its other calls, and would give the context a cache that the program never
/// reaches. A program that calls SSL_CTX_new_ex itself, with the default library context, cannot be told apart from that.
/// Its context waits for the first call of another export.
///
/// # Safety
/// As for [`attach`].
pub unsafe fn attach_or_wait(host: &'static Host, ctx: *mut SSL_CTX, origin: Origin) {
    if is_making() {
        RELAYED.with(|relayed| relayed.set(true));
        return;
    }
    if Inside::is() || is_called_by(host) {
        return;
    }
    let Ok(libssl) = &host.libssl else {
        return;
    };
    let looks_like_new = origin.libctx.is_null() && origin.propq.is_none();
    if !looks_like_new || !quietly(|| host.tells_of_the_end(libssl, &origin)) {
        // SAFETY: the context is of this host, and no other thread uses it yet.
        return unsafe { attach(host, ctx, origin) };
    }
    let is_ours = || libssl.is_own(ctx) && hooks::cover(host, ctx);
    if locate::position(host).is_some() && quietly(is_ours) {
        known::wait(ctx);
    }
}

/// Runs `make`, the call of the host's SSL_CTX_new by ours. Notes with the host whether it came to SSL_CTX_new_ex.
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

/// True if this thread is inside our SSL_CTX_new.
pub fn is_making() -> bool {
    MAKING.get()
}

thread_local! {
    /// True if this thread is inside our SSL_CTX_new.
    static MAKING: Cell<bool> = const { Cell::new(false) };
    /// True if the host has called our SSL_CTX_new_ex meanwhile.
    static RELAYED: Cell<bool> = const { Cell::new(false) };
}

/// Attaches a context that waits, unless the host is the caller, or the context was used without sslcache. If several
/// threads arrive at once, one of them attaches it.
///
/// # Safety
/// * `ctx` is a live context of `host`.
#[cold]
unsafe fn settle(host: &'static Host, libssl: &Libssl, ctx: *mut SSL_CTX) {
    // SAFETY: the context is alive and of this host; these commands take no pointer.
    let count = |command| unsafe { (libssl.SSL_CTX_ctrl)(ctx, command, 0, ptr::null_mut()) };
    let unused = [
        SSL_CTRL_SESS_NUMBER,
        SSL_CTRL_SESS_ACCEPT,
        SSL_CTRL_SESS_CONNECT,
    ]
    .into_iter()
    .all(|command| count(command) == 0);
    if unused && !is_called_by(host) {
        // SAFETY: the context is alive and of this host, and it waits.
        quietly(|| unsafe { take_over(host, ctx, Origin::default(), true) });
    }
}

/// Attaches a Context to `ctx` and sets our callbacks. `None` if that fails, if another thread was first, or if another process can
/// free the context and make another one in its place, of which this one would not learn.
///
/// # Safety
/// * `ctx` is a live context of `host`, made with `origin`;
/// * no other thread uses it yet, or it `waits`.
unsafe fn take_over(
    host: &'static Host,
    ctx: *mut SSL_CTX,
    origin: Origin,
    waits: bool,
) -> Option<()> {
    watch_forks();
    let libssl = host.libssl.as_ref().ok()?;
    // divergence: contexts_in_shared_memory
    if !waits && (!libssl.is_own(ctx) || !hooks::cover(host, ctx)) {
        return None;
    }
    // SAFETY: the context is alive and of this host; these commands take no pointer.
    let ask = |command| unsafe { (libssl.SSL_CTX_ctrl)(ctx, command, 0, ptr::null_mut()) };
    let (mode, size) = (
        ask(SSL_CTRL_GET_SESS_CACHE_MODE),
        ask(SSL_CTRL_GET_SESS_CACHE_SIZE),
    );
    if is_short() {
        return None; // the host's own cache does without our memory
    }
    let settings = quietly(config::settings);
    fleet::join(settings);
    let context = attempt(|| {
        let size = usize::try_from(size).ok()?;
        Some(Arc::new(Context::new(
            host,
            libssl,
            origin,
            settings,
            mode as u32,
            size,
            publish::flushes(),
        )))
    })?;
    // Before other threads find the context and set callbacks of their own.
    // SAFETY: `context` was made for `ctx`, which is alive.
    unsafe { adopt(&context, ctx) };
    let early = Early::of(ctx);
    if let Some(id_context) = &early.id_context {
        context.id_context.set(id_context);
    }
    if !waits {
        known::enter(ctx, Arc::clone(&context));
    } else if !known::settle(ctx, Arc::clone(&context)) {
        return None; // another thread was first, and does the rest
    }
    context.apply_mode(ctx);
    // SAFETY: the context is alive and of this host; the callbacks have the types that the setters take.
    unsafe {
        (libssl.SSL_CTX_sess_set_new_cb)(ctx, Some(host_callbacks::on_new));
        (libssl.SSL_CTX_sess_set_remove_cb)(ctx, Some(host_callbacks::on_remove));
        (libssl.SSL_CTX_sess_set_get_cb)(ctx, Some(host_callbacks::on_get));
    }
    context
        .sharing
        .has_own_ids
        .store(early.has_generator, Relaxed);
    if let Some(generator) = host_callbacks::generator_of(&context)
        && !early.has_generator
    {
        // SAFETY: the context is alive and of this host; the callback has the type that the setter takes.
        unsafe { (libssl.SSL_CTX_set_generate_session_id)(ctx, Some(generator)) };
    }
    if !early.has_ticket_keys {
        // SAFETY: `context` was made for `ctx`, which is alive.
        unsafe { ticket_callbacks::share_ticket_keys(&context, ctx) };
    }
    if context.may_group() {
        ending::watch_for_the_end(&context, ctx);
    }
    attempt(|| {
        registry::enter(ctx, context);
        learned::notice_what_is_unseen();
        init::announce(settings, host);
        publish::begin(settings, || init::form(host));
        Some(())
    })
}

/// Takes over the callbacks that a context has already: the new function of a program's ex_data may have set them while the
/// host made the context.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, alive.
unsafe fn adopt(context: &Context, ctx: *mut SSL_CTX) {
    let hosts = &context.host.passthrough;
    // SAFETY: the context is alive, and these are functions of its host.
    unsafe {
        let new = hosts.SSL_CTX_sess_get_new_cb.and_then(|get| get(ctx));
        let remove = hosts.SSL_CTX_sess_get_remove_cb.and_then(|get| get(ctx));
        let get = hosts.SSL_CTX_sess_get_get_cb.and_then(|get| get(ctx));
        context.new_callback.set(new);
        context.remove_callback.set(remove);
        context.get_callback.set(get);
    }
}

/// Settings without a getter that a program has made on a context before it was attached: while it waits, or from a new
/// function of ex_data while the host makes it.
#[derive(Default)]
pub struct Early {
    ctx: usize,
    id_context: Option<Vec<u8>>,
    has_ticket_keys: bool,
    has_generator: bool,
}

thread_local! {
    /// The settings of the last such context. A program that makes a context while it makes another one loses the first's.
    static EARLY: RefCell<Early> = RefCell::default();
}

impl Early {
    /// Notes a setting of `ctx`, unless sslcache made the context for itself.
    pub fn note(ctx: *mut SSL_CTX, note: impl FnOnce(&mut Self)) {
        if Inside::is() || Inside::is_making() {
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

    /// The session id context was set.
    pub fn set_id_context(&mut self, id_context: &[u8]) {
        self.id_context = Some(id_context.to_vec());
    }

    /// The application has taken the ticket keys into its own hands.
    pub fn has_ticket_keys(&mut self) {
        self.has_ticket_keys = true;
    }

    /// Whether the application makes session ids itself.
    pub fn has_generator(&mut self, has: bool) {
        self.has_generator = has;
    }

    /// Forgets the settings: the next context may get the address of the former.
    pub fn forget() {
        drop(EARLY.take());
    }

    fn of(ctx: *mut SSL_CTX) -> Self {
        Some(EARLY.take())
            .filter(|early| early.ctx == ctx.addr())
            .unwrap_or_default()
    }
}

/// The Context that is attached to `ctx`. `None` for null, for a context that is not attached, and for a call that the
/// host makes on behalf of sslcache. A context that waits is attached first.
///
/// # Safety
/// * `ctx` is null or a context that lives for as long as the result is used.
#[inline]
pub unsafe fn attached<'a>(ctx: *mut SSL_CTX) -> Option<&'a Context> {
    if ctx.is_null() || Inside::is() {
        return None;
    }
    let context = match known::context_of(ctx) {
        Some(context) => context,
        None => {
            // SAFETY: `ctx` is not null, and so a live context.
            unsafe { settle_if_it_waits(ctx) };
            known::context_of(ctx)?
        }
    };
    // SAFETY: the Context lives as long as its SSL_CTX, which outlives the use of the result.
    Some(unsafe { context.as_ref() })
}

/// # Safety
/// * `ctx` is a context that outlives the call.
#[cold]
unsafe fn settle_if_it_waits(ctx: *mut SSL_CTX) {
    if known::waits(ctx)
        && let Some(host) = owners::host_of(ctx.cast())
        && let Ok(libssl) = &host.libssl
    {
        // SAFETY: the context outlives the call, and this is its host.
        unsafe { settle(host, libssl, ctx) };
    }
}

/// Records the context that a connection was made from, before it gets another one. Returns `false` if sslcache would not
/// learn of the connection's end: the next connection at its address would be served by the wrong cache.
///
/// # Safety
/// * `ssl` is a connection of this host that outlives the call.
pub unsafe fn record_session_context(host: &'static Host, ssl: *mut SSL) -> bool {
    let Ok(libssl) = &host.libssl else {
        return true; // contexts of this host are never taken over
    };
    if !host.is_hooked() {
        return true; // none has been taken over yet
    }
    // SAFETY: the connection is alive. It holds a reference to this context until it is freed.
    let ctx = unsafe { (libssl.SSL_get_SSL_CTX)(ssl) };
    let is_seen = hooks::register(host);
    if is_seen {
        connections::record_made_from(ssl, ctx);
    }
    is_seen
}
