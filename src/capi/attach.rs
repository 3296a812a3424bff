//! Taking a context over, and finding what we attached to it.
//!
//! What we keep for a context is found by its address, and dies with it: see [`known`]. The
//! sessions of an `SSL` belong to the context it was made from, also after an SNI switch has given it another
//! one: SSL_set_SSL_CTX [records](connections) the first one.

use core::cell::{Cell, RefCell};
use core::ptr;
use std::sync::Arc;

use super::{hooks, host_callbacks, init, ticket_callbacks};
use crate::context::alike::learned;
use crate::context::{Context, connections, ending, known, registry};
use crate::host::abi::*;
use crate::host::inside::Inside;
use crate::host::locate::is_called_by;
use crate::host::scratch::Origin;
use crate::host::types::*;
use crate::host::{Host, Libssl, locate, owners};
use crate::stats::publish;
use crate::sys::guard::{attempt, quietly};
use crate::sys::lock::watch_forks;

/// Gives a context that its application has just made a cache of ours. Where that fails the context keeps
/// the host's.
///
/// # Safety
/// * `ctx` is null or a context of `host`, made with `origin`, and no other thread uses it yet.
pub unsafe fn attach(host: &'static Host, ctx: *mut SSL_CTX, origin: Origin) {
    if ctx.is_null() || Inside::is() || locate::position(host).is_none() {
        return;
    }
    // SAFETY: the caller's contract.
    quietly(|| unsafe { take_over(host, ctx, origin, false) });
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
    if Inside::is() || is_called_by(host) {
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
    if locate::position(host).is_some() && quietly(|| hooks::cover(host, ctx)) {
        known::wait(ctx);
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

/// Attaches a context that waits, unless it is the host that calls, or has used it already. Of threads that arrive
/// together one does it.
///
/// # Safety
/// * `ctx` is a live context of `host`.
#[cold]
unsafe fn settle(host: &'static Host, libssl: &Libssl, ctx: *mut SSL_CTX) {
    // SAFETY: the caller's contract; these commands take no pointer.
    let count = |command| unsafe { (libssl.SSL_CTX_ctrl)(ctx, command, 0, ptr::null_mut()) };
    let unused = [
        SSL_CTRL_SESS_NUMBER,
        SSL_CTRL_SESS_ACCEPT,
        SSL_CTRL_SESS_CONNECT,
    ]
    .into_iter()
    .all(|command| count(command) == 0);
    if unused && !is_called_by(host) {
        // SAFETY: the caller's contract.
        quietly(|| unsafe { take_over(host, ctx, Origin::default(), true) });
    }
}

/// # Safety
/// * `ctx` is a context of `host`, made with `origin`;
/// * no other thread uses it yet; or it `waits`, and other threads make their first calls with it, too.
unsafe fn take_over(
    host: &'static Host,
    ctx: *mut SSL_CTX,
    origin: Origin,
    waits: bool,
) -> Option<()> {
    watch_forks();
    let libssl = host.libssl.as_ref().ok()?;
    if !waits && !hooks::cover(host, ctx) {
        return None;
    }
    // SAFETY: the caller's contract; the command takes no pointer.
    let ask = |command| unsafe { (libssl.SSL_CTX_ctrl)(ctx, command, 0, ptr::null_mut()) };
    let (mode, size) = (
        ask(SSL_CTRL_GET_SESS_CACHE_MODE),
        ask(SSL_CTRL_GET_SESS_CACHE_SIZE),
    );
    let context = attempt(|| {
        let size = usize::try_from(size).ok()?;
        Some(Arc::new(Context::new(
            host,
            libssl,
            origin,
            mode as u32,
            size,
            publish::flushes(),
        )))
    })?;
    // Before others find it, and set their own.
    // SAFETY: the caller's contract.
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
    // SAFETY: the caller's contract; the callbacks have the types of their setters.
    unsafe {
        (libssl.SSL_CTX_sess_set_new_cb)(ctx, Some(host_callbacks::on_new));
        (libssl.SSL_CTX_sess_set_remove_cb)(ctx, Some(host_callbacks::on_remove));
        (libssl.SSL_CTX_sess_set_get_cb)(ctx, Some(host_callbacks::on_get));
    }
    if !early.has_ticket_keys {
        // SAFETY: the caller's contract.
        unsafe { ticket_callbacks::share_ticket_keys(&context, ctx) };
    }
    if context.may_group() {
        ending::watch_for_the_end(&context, ctx);
    }
    attempt(|| {
        registry::enter(ctx, context);
        learned::notice_what_is_unseen();
        init::announce(host);
        publish::begin(|| init::form(host));
        Some(())
    })
}

/// Takes over the callbacks that a context has already: those of a program whose new function of ex_data sets them
/// while the host makes it.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, alive.
unsafe fn adopt(context: &Context, ctx: *mut SSL_CTX) {
    let hosts = &context.host.passthrough;
    // SAFETY: the caller's contract.
    unsafe {
        let new = hosts.SSL_CTX_sess_get_new_cb.and_then(|get| get(ctx));
        let remove = hosts.SSL_CTX_sess_get_remove_cb.and_then(|get| get(ctx));
        let get = hosts.SSL_CTX_sess_get_get_cb.and_then(|get| get(ctx));
        context.new_callback.set(new);
        context.remove_callback.set(remove);
        context.get_callback.set(get);
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

/// What we keep for a context; `None` for null, for a context that is not in our care, and for a call that the
/// host makes on our behalf.
///
/// # Safety
/// * `ctx` is null or a context, alive for as long as the result is used.
#[inline]
pub unsafe fn attached<'a>(ctx: *mut SSL_CTX) -> Option<&'a Context> {
    if ctx.is_null() || Inside::is() {
        return None;
    }
    let context = match known::context_of(ctx) {
        Some(context) => context,
        None => {
            // SAFETY: the caller's contract.
            unsafe { settle_if_it_waits(ctx) };
            known::context_of(ctx)?
        }
    };
    // SAFETY: what we keep for a context lives as long as the context does.
    Some(unsafe { context.as_ref() })
}

/// # Safety
/// * `ctx` is a context, alive during the call.
#[cold]
unsafe fn settle_if_it_waits(ctx: *mut SSL_CTX) {
    if known::waits(ctx)
        && let Some(host) = owners::host_of(ctx.cast())
        && let Ok(libssl) = &host.libssl
    {
        // SAFETY: the caller's contract, and the context's own host.
        unsafe { settle(host, libssl, ctx) };
    }
}

/// Records the context that a connection was made from, before another one takes its place. `false` where we would not
/// be told of the connection's end: it would then look into a cache that is not its own.
///
/// # Safety
/// * `ssl` is a connection of this host, alive during the call.
pub unsafe fn record_session_context(host: &'static Host, ssl: *mut SSL) -> bool {
    let Ok(libssl) = &host.libssl else {
        return true; // nothing is ever taken over
    };
    if !host.is_hooked() {
        return true; // nothing was
    }
    // SAFETY: the caller's contract. The connection keeps a reference to this context until it is freed.
    let ctx = unsafe { (libssl.SSL_get_SSL_CTX)(ssl) };
    let told = hooks::register(host);
    if told {
        connections::record_made_from(ssl, ctx);
    }
    told
}
