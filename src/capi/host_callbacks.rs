//! What the host calls: our new, get and remove callbacks, which take the place of its internal cache.
//!
//! They run without a lock of ours, and call the application's callbacks in libssl's order and with
//! libssl's arguments.

use core::ffi::{c_int, c_uchar, c_uint, c_void};
use core::sync::atomic::Ordering;
use core::{mem, ptr, slice};

use super::ticket_callbacks;
use crate::cache::{ClientHistory, Key};
use crate::context::alike::decide;
use crate::context::alike::rule::Terms;
use crate::context::claims::Claim;
use crate::context::connections::{self, session_context};
use crate::context::known::met;
use crate::context::session::{Usage, now};
use crate::context::sharing::state::Destination;
use crate::context::sharing::{operations, scope};
use crate::context::state::CertCallback;
use crate::context::{Context, add, clearing, ending, find, remove, unannounced};
use crate::host::abi::*;
use crate::host::connection::{guards_replay, options, version_of};
use crate::host::types::*;
use crate::host::{SessionRef, owners};
use crate::stats::publish;
use crate::sys::guard::passage;

/// A handshake is done (for TLS 1.3: a ticket is made or has come) and the host would add the session to its
/// cache, then offer it to the application with one reference to give away.
pub unsafe extern "C-unwind" fn on_new(ssl: *mut SSL, session: *mut SSL_SESSION) -> c_int {
    passage(0, || {
        // SAFETY: the host passes a live connection.
        let ctx = unsafe { session_context(ssl) }?;
        // SAFETY: the connection holds a reference to the context.
        let context = unsafe { met(ctx) }?;
        ending::goes_on(context, ctx);
        publish::enter(context, ctx);
        let libssl = context.libssl;
        // SAFETY: the host passes a live connection.
        let is_server = unsafe { (libssl.SSL_is_server)(ssl) } == 1;
        let mut added_to = None;
        // SAFETY: the host passes live objects.
        let belongs = || unsafe { belongs_in_cache(context, ctx, ssl, session, is_server) };
        let terms = match is_server {
            // SAFETY: the host passes live objects, inside the handshake.
            true => unsafe { decide::made(context, ctx, ssl) },
            false => Terms::ALONE,
        };
        let serves = || !is_server || context.serves(&terms);
        if context.stores_by_itself() && serves() && belongs() {
            // SAFETY: the host passes a live connection.
            let returned = unsafe { (libssl.SSL_session_reused)(ssl) } == 1;
            let history = if returned {
                ClientHistory::Proven
            } else {
                connections::history(ssl)
            };
            let destination = Destination {
                scope: scope::of(context, ctx, terms.client),
                to_all: is_server,
                terms,
            };
            let now = now();
            // SAFETY: the host passes a live session.
            publish::tick(context, ctx, now, || unsafe {
                add::add(context, ctx, session, history, destination, now)
            });
            added_to = Some(destination.scope);
        }
        let new_callback = context.new_callback.get().filter(|_| context.calls_back());
        let kept = match new_callback {
            Some(callback) => {
                unannounced::forget(session.cast());
                // SAFETY: the application's callback; it takes the host's reference over by answering 1.
                unsafe { callback(ssl, session) }
            }
            None => 0,
        };
        if let Some(scope) = added_to {
            // SAFETY: the host holds a reference, also to what the callback kept.
            let session = unsafe { SessionRef::lend(libssl, session) };
            session.inspect(|session| {
                if new_callback.is_some() {
                    operations::follow_change(scope, session);
                }
                if session.has_application_data() {
                    operations::keep_back(context, ctx, scope, session);
                }
            });
        }
        clearing::auto_clear(context, ctx, is_server);
        publish::leave();
        Some(kept)
    })
}

/// Whether libssl adds a new session to its internal cache: not the TLS 1.3 sessions of a server, whose
/// tickets are stateless, unless something needs them there (ssl_update_cache).
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`; `ssl` and `session` are alive.
unsafe fn belongs_in_cache(
    context: &Context,
    ctx: *mut SSL_CTX,
    ssl: *mut SSL,
    session: *mut SSL_SESSION,
    is_server: bool,
) -> bool {
    // SAFETY: the caller's contract.
    let version = unsafe { (context.libssl.SSL_SESSION_get_protocol_version)(session) };
    if version != TLS1_3_VERSION || !is_server {
        return true;
    }
    // SAFETY: the caller's contract.
    let stateful = unsafe { options(context.libssl, ctx, ssl) } & SSL_OP_NO_TICKET != 0;
    // SAFETY: the caller's contract.
    stateful
        || context.remove_callback.get().is_some()
        || unsafe { guards_replay(context.libssl, ctx, ssl) }
}

/// A ClientHello names a session: ours first, then the application's get callback.
pub unsafe extern "C-unwind" fn on_get(
    ssl: *mut SSL,
    id: *const c_uchar,
    id_len: c_int,
    copy: *mut c_int,
) -> *mut SSL_SESSION {
    passage(ptr::null_mut(), || {
        // SAFETY: the host passes a live connection.
        let ctx = unsafe { session_context(ssl) }?;
        // SAFETY: the connection holds a reference to the context.
        let context = unsafe { met(ctx) }?;
        ending::goes_on(context, ctx);
        publish::enter(context, ctx);
        clearing::auto_clear(context, ctx, true); // before the look-up, as it was due at the end of an earlier handshake
        // SAFETY: the host passes a live connection, whose ClientHello it handles.
        let terms = unsafe { decide::asked(context, ctx, ssl) };
        if !context.serves(&terms) {
            return None; // a forced context has no get callback to be asked
        }
        // SAFETY: the host passes a live connection.
        let version = unsafe { version_of(context.libssl, ssl) };
        // SAFETY: the host passes live objects.
        let single_use =
            version == TLS1_3_VERSION && unsafe { guards_replay(context.libssl, ctx, ssl) };
        // SAFETY: the host passes `id_len` bytes.
        let key = Key::new(
            unsafe { slice::from_raw_parts(id, usize::try_from(id_len).ok()?) },
            version,
        )?;
        let claim = if single_use {
            let Some(claim) = context.claims.claim(&key, now()) else {
                context.count_used();
                return None;
            };
            Some(claim)
        } else {
            None
        };
        let usage = match version {
            _ if single_use => Usage::Consumed,
            TLS1_3_VERSION => Usage::Once,
            _ => Usage::Again,
        };
        let scope = scope::of(context, ctx, terms.client);
        let found = match find::find(context, ctx, scope, &key, usage, &terms) {
            Some(session) => {
                let its_own = if context.asks_for(&session) {
                    // SAFETY: the host's own arguments.
                    unsafe {
                        ask_application(context, ctx, ssl, (id, id_len, copy), (version, terms))
                    }
                } else {
                    ptr::null_mut()
                };
                if its_own.is_null() {
                    if single_use {
                        // SAFETY: our context and a session that we hold.
                        unsafe { remove::lend(context, ctx, session.as_ptr()) };
                    }
                    // SAFETY: we hold the session.
                    if unsafe { decide::has_tag(session.as_ptr()) } {
                        connections::note_resumed(ssl, true);
                    }
                    // SAFETY: the host passes a place for it. The reference is handed over.
                    unsafe { *copy = 0 };
                    session.into_raw()
                } else {
                    its_own
                }
            }
            // SAFETY: the host's own arguments.
            None => unsafe {
                ask_application(context, ctx, ssl, (id, id_len, copy), (version, terms))
            },
        };
        if !found.is_null() {
            claim.into_iter().for_each(Claim::leave); // the removal that follows releases it
        } else {
            connections::note_history(ssl, context.history_of(&key));
        }
        publish::leave();
        Some(found)
    })
}

/// Asks the application's get callback. Its answer goes to the host as it is, with its `copy`, and into the
/// cache.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`; `ssl` and the arguments are the host's.
unsafe fn ask_application(
    context: &Context,
    ctx: *mut SSL_CTX,
    ssl: *mut SSL,
    (id, id_len, copy): (*const c_uchar, c_int, *mut c_int),
    (version, terms): (c_int, Terms),
) -> *mut SSL_SESSION {
    let Some(callback) = context.get_callback.get().filter(|_| context.calls_back()) else {
        return ptr::null_mut();
    };
    // SAFETY: the application's callback with the host's arguments.
    let answer = unsafe { callback(ssl, id, id_len, copy) };
    // SAFETY: null, or alive by the callback's contract. Held, so that it lives through what follows.
    let Some(session) = (unsafe { SessionRef::acquire(context.libssl, answer) }) else {
        return answer;
    };
    if session.is_marked_not_resumable() {
        return answer; // the host drops it
    }
    // SAFETY: null, or alive by the callback's contract.
    if !unsafe { decide::is_named_for(context, session.as_ptr(), &terms, ssl) } {
        // SAFETY: the callback has written it; where it is 0, the reference is ours to give back.
        if unsafe { *copy } == 0 {
            // SAFETY: as above.
            drop(unsafe { SessionRef::adopt(context.libssl, answer) });
        }
        return ptr::null_mut();
    }
    unannounced::forget(session.as_ptr().cast());
    context.count_callback_hit();
    if !context.stores_by_itself() {
        return answer;
    }
    // Asked again, as the host does after the callback: a session is lent only to be taken back at once.
    // SAFETY: the caller's contract.
    if version == TLS1_3_VERSION && unsafe { guards_replay(context.libssl, ctx, ssl) } {
        add::update_time(context, &session, now());
        // SAFETY: the caller's contract.
        unsafe { remove::lend(context, ctx, answer) };
    } else {
        let destination = Destination {
            scope: scope::of(context, ctx, terms.client),
            to_all: true,
            terms: terms.of_a_stranger(),
        };
        let now = now();
        // SAFETY: null, or alive by the callback's contract, and held.
        publish::tick(context, ctx, now, || unsafe {
            add::add(
                context,
                ctx,
                answer,
                ClientHistory::Proven,
                destination,
                now,
            )
        });
    }
    answer
}

/// The host, or the application by way of the host, has removed a session: a fatal alert, an unclean end, an
/// expired ticket, a ticket used once, the end of the context.
pub unsafe extern "C-unwind" fn on_remove(ctx: *mut SSL_CTX, session: *mut SSL_SESSION) {
    passage((), || {
        // SAFETY: the host passes a live context.
        let context = unsafe { met(ctx) }?;
        if context.is_sentinel(session) {
            clearing::sentinel_left(context, ctx);
            return Some(());
        }
        // SAFETY: the host passes live objects.
        unsafe { remove::follow_removal(context, ctx, session) };
        Some(())
    })
}

/// What the host is given in place of a callback that the application sets by a control command, if anything.
///
/// # Safety
/// * `ctx` is the live SSL_CTX of `context`; `callback` is null or of the type that the command takes.
pub unsafe fn in_place_of(
    context: &Context,
    ctx: *mut SSL_CTX,
    command: c_int,
    callback: Option<AnyCallback>,
) -> Option<Option<AnyCallback>> {
    match command {
        SSL_CTRL_SET_TLSEXT_SERVERNAME_CB => {
            // SAFETY: the command takes callbacks of this type.
            let callback = unsafe {
                mem::transmute::<Option<AnyCallback>, Option<ServernameCallback>>(callback)
            };
            context.servername_callback.set(callback);
            let learned = &context.alike.learned;
            learned
                .has_servername_callback
                .store(callback.is_some(), Ordering::Relaxed);
            let ours: ServernameCallback = on_servername;
            // SAFETY: the host calls it as what the command takes.
            Some(
                callback
                    .map(|_| unsafe { mem::transmute::<ServernameCallback, AnyCallback>(ours) }),
            )
        }
        SSL_CTRL_SET_TLS_EXT_SRP_USERNAME_CB if callback.is_some() => {
            context.alike.learned.note_secrets();
            None
        }
        SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB => {
            // SAFETY: the command takes callbacks of this type; the caller's contract.
            unsafe {
                let callback =
                    mem::transmute::<Option<AnyCallback>, Option<HmacTicketKeyCallback>>(callback);
                let ours = ticket_callbacks::stand_in_front_of_hmac(context, ctx, callback)?;
                Some(mem::transmute::<
                    Option<HmacTicketKeyCallback>,
                    Option<AnyCallback>,
                >(ours))
            }
        }
        _ => None,
    }
}

/// A ClientHello was handled so far that the application may choose another context by the name in it: under which rule
/// the connection begins is noted before, so that it is learned what the application makes of it.
pub unsafe extern "C-unwind" fn on_servername(
    ssl: *mut SSL,
    alert: *mut c_int,
    argument: *mut c_void,
) -> c_int {
    let callback = passage(None, || {
        let libssl = owners::host_of(ssl.cast())?.libssl.as_ref().ok()?;
        // SAFETY: the host passes a live connection, which holds references to its contexts.
        let (current, first) = unsafe {
            let current = met((libssl.SSL_get_SSL_CTX)(ssl));
            let ctx = session_context(ssl);
            (current, ctx.and_then(|ctx| Some((ctx, met(ctx)?))))
        };
        if let Some((ctx, context)) = first {
            // SAFETY: as above; its ClientHello is being handled.
            unsafe { decide::begins(context, ctx, ssl) };
        }
        // As libssl: the callback of the context that the connection has, or else of the one that it was made from.
        let of_current = current.and_then(|context| context.servername_callback.get());
        Some(of_current.or_else(|| first?.1.servername_callback.get()))
    });
    let Some(callback) = callback else {
        return SSL_TLSEXT_ERR_NOACK;
    };
    // SAFETY: the application's callback, with the host's arguments.
    let answer = unsafe { callback(ssl, alert, argument) };
    // SAFETY: the host passes a live connection, inside its handshake.
    if unsafe { may_go_on(ssl) } {
        return answer;
    }
    // SAFETY: the host passes a place for the alert.
    unsafe { *alert = SSL_AD_HANDSHAKE_FAILURE };
    SSL_TLSEXT_ERR_ALERT_FATAL
}

/// The application chooses the protocol of a connection, and may give it other rules.
pub unsafe extern "C-unwind" fn on_alpn(
    ssl: *mut SSL,
    chosen: *mut *const c_uchar,
    chosen_len: *mut c_uchar,
    offered: *const c_uchar,
    offered_len: c_uint,
    argument: *mut c_void,
) -> c_int {
    let callback = passage(None, || {
        // SAFETY: the host passes a live connection, and calls what its context has now.
        let current = unsafe {
            (owners::host_of(ssl.cast())?
                .libssl
                .as_ref()
                .ok()?
                .SSL_get_SSL_CTX)(ssl)
        };
        // SAFETY: the connection holds a reference to the context.
        Some(unsafe { met(current) }?.alpn_callback.get())
    });
    let Some(callback) = callback else {
        return SSL_TLSEXT_ERR_NOACK;
    };
    // SAFETY: the application's callback, with the host's arguments.
    let answer = unsafe { callback(ssl, chosen, chosen_len, offered, offered_len, argument) };
    // SAFETY: the host passes a live connection, inside its handshake.
    match unsafe { may_go_on(ssl) } {
        true => answer,
        false => SSL_TLSEXT_ERR_ALERT_FATAL,
    }
}

/// Whether a connection may go on, if it is resumed on a session of somebody else.
///
/// # Safety
/// * `ssl` is a live connection inside its handshake.
unsafe fn may_go_on(ssl: *mut SSL) -> bool {
    passage(true, || {
        // SAFETY: the caller's contract.
        let ctx = unsafe { session_context(ssl) }?;
        // SAFETY: the connection holds a reference to the context.
        let context = unsafe { met(ctx) }?;
        // SAFETY: as above.
        let may = unsafe { decide::may_go_on(context, ctx, ssl) };
        if !may {
            context.failed();
        }
        Some(may)
    })
}

/// The application chooses certificates for a connection, and may give it other rules: under which rule it begins is noted
/// before, so that it is learned what the application makes of it.
pub unsafe extern "C-unwind" fn on_cert(ssl: *mut SSL, argument: *mut c_void) -> c_int {
    // SAFETY: what SSL_CTX_set_cert_cb has given to the host; its context keeps it, and the connection its context.
    let CertCallback { callback, argument } = unsafe { &*argument.cast::<CertCallback>() };
    passage((), || {
        // SAFETY: the host passes a live connection.
        let ctx = unsafe { session_context(ssl) }?;
        // SAFETY: the connection holds a reference to the context; this thread is inside its handshake.
        unsafe { decide::begins(met(ctx)?, ctx, ssl) };
        Some(())
    });
    // SAFETY: the application's callback, with its own argument.
    unsafe { callback(ssl, *argument) }
}
