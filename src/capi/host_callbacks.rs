//! The callbacks that the host calls in place of its internal cache (new, get, remove), and those that stand in front of the
//! application's because they decide which rule a connection is under (servername, ALPN, certificate).
//!
//! They hold no lock of ours, and call the application's callbacks in libssl's order and with libssl's arguments.

use core::ffi::{c_int, c_uchar, c_uint, c_void};
use core::sync::atomic::Ordering;
use core::{mem, ptr, slice};

use super::serving::{current, serving};
use super::ticket_callbacks;
use crate::cache::{ClientHistory, Key};
use crate::context::alike::decide;
use crate::context::alike::rule::Terms;
use crate::context::claims::Claim;
use crate::context::connections::{self, guards_replay, options};
use crate::context::fleet::ids;
use crate::context::known::met;
use crate::context::session::{Usage, now};
use crate::context::sharing::state::Destination;
use crate::context::sharing::{abroad, operations, scope};
use crate::context::state::CertCallback;
use crate::context::{Context, add, clearing, ending, find, remove, unannounced};
use crate::host::SessionRef;
use crate::host::abi::*;
use crate::host::connection::version_of;
use crate::host::types::*;
use crate::stats::publish::{self, Tick};
use crate::sys::entropy;
use crate::sys::guard::{attempt, passage, quietly};

/// The host would add a session to its cache, and then offers it to the application with one reference to give away: a
/// handshake is complete, or, in TLS 1.3, a ticket is made or has arrived.
pub unsafe extern "C-unwind" fn on_new(ssl: *mut SSL, session: *mut SSL_SESSION) -> c_int {
    passage(0, || {
        // SAFETY: the host passes a live connection.
        let (ctx, context) = unsafe { serving(ssl) }?;
        ending::goes_on(context, ctx);
        publish::enter(context, ctx);
        let libssl = context.libssl;
        // SAFETY: the host passes a live connection.
        let is_server = unsafe { (libssl.SSL_is_server)(ssl) } == 1;
        let mut added_to = None;
        // SAFETY: the host passes a live connection and its session; `ctx` is the SSL_CTX of `context`.
        let belongs = || unsafe { belongs_in_cache(context, ctx, ssl, session, is_server) };
        let terms = match is_server {
            // SAFETY: the host passes a live connection that was made from `ctx`, inside its handshake.
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
            // SAFETY: the host holds a reference to the session until this function returns.
            let add = || unsafe { add::add(context, ctx, session, history, destination, now) };
            let tick = Tick::begin(context, ctx, now);
            abroad::while_announced(session, add);
            tick.end();
            added_to = Some(destination.scope);
        }
        // Held over the callback, which may give back its own reference and the connection's.
        let added = added_to.and_then(|scope| {
            // SAFETY: the host holds a reference to the session until the callback is called.
            let session = unsafe { SessionRef::acquire(libssl, session) }?;
            Some((scope, session))
        });
        let new_callback = context.new_callback.get().filter(|_| context.calls_back());
        let kept = match new_callback {
            Some(callback) => {
                unannounced::forget(session.cast());
                // SAFETY: the application's callback gets the host's arguments; with 1 it takes over the host's reference.
                abroad::while_announced(session, || unsafe { callback(ssl, session) })
            }
            None => 0,
        };
        if let Some((scope, session)) = added {
            if new_callback.is_some() {
                operations::follow_change(scope, &session);
            }
            if session.has_application_data() {
                operations::keep_back(context, ctx, scope, &session);
            }
            if is_server {
                quietly(|| abroad::export(context, scope, &session, &terms));
            }
            if !context.calls_back() {
                quietly(|| unannounced::note(&session));
            }
        }
        clearing::auto_clear(context, ctx, is_server);
        publish::leave();
        Some(kept)
    })
}

/// What makes the session ids of a context whose sessions go to other hosts.
pub fn generator_of(context: &Context) -> Option<GenerateSessionId> {
    let makes = abroad::goes_abroad(context) && context.host.tickets.is_ok();
    makes.then_some(on_id)
}

/// The host needs an id for a new session. It gets one by which the other hosts of the fleet know that it was made there, or,
/// without the fleet's keys, one as libssl makes it.
unsafe extern "C-unwind" fn on_id(ssl: *mut SSL, id: *mut c_uchar, len: *mut c_uint) -> c_int {
    passage(0, || {
        // SAFETY: the host passes a place of `len` bytes.
        let place = unsafe { slice::from_raw_parts_mut(id, usize::try_from(*len).ok()?) };
        // SAFETY: the host passes a live connection.
        let Some((_, context)) = (unsafe { serving(ssl) }) else {
            // The connection has moved to a context that is not attached, and has taken the generator with it.
            return entropy::fill(place).then_some(1);
        };
        let tickets = context.host.tickets.as_ref().ok()?;
        tickets.fill(&context.origin, place)?;
        if let Ok(whole) = place.try_into() {
            attempt(|| ids::sign(whole, now()).then_some(()));
        }
        Some(1)
    })
}

/// True if libssl would add a new session to its internal cache. It leaves out the TLS 1.3 sessions of a server, whose
/// tickets are stateless, unless something needs them in the cache (ssl_update_cache in libssl).
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
    // SAFETY: the session is alive.
    let version = unsafe { (context.libssl.SSL_SESSION_get_protocol_version)(session) };
    if version != TLS1_3_VERSION || !is_server {
        return true;
    }
    // SAFETY: the context and the connection are alive.
    let stateful = unsafe { options(context.libssl, ctx, ssl) } & SSL_OP_NO_TICKET != 0;
    stateful
        || context.remove_callback.get().is_some()
        // SAFETY: the context and the connection are alive.
        || unsafe { guards_replay(context.libssl, ctx, ssl) }
}

/// A ClientHello names a session. The cache answers first, then the application's get callback.
pub unsafe extern "C-unwind" fn on_get(
    ssl: *mut SSL,
    id: *const c_uchar,
    id_len: c_int,
    copy: *mut c_int,
) -> *mut SSL_SESSION {
    passage(ptr::null_mut(), || {
        // SAFETY: the host passes a live connection.
        let (ctx, context) = unsafe { serving(ssl) }?;
        ending::goes_on(context, ctx);
        publish::enter(context, ctx);
        clearing::auto_clear(context, ctx, true); // before the look-up, as it was due at the end of an earlier handshake
        // SAFETY: the host passes a live connection that was made from `ctx`, and handles its ClientHello.
        let terms = unsafe { decide::asked(context, ctx, ssl) };
        if !context.serves(&terms) {
            return None; // forced contexts have no get callback
        }
        // SAFETY: the host passes a live connection.
        let version = unsafe { version_of(context.libssl, ssl) };
        let single_use =
            // SAFETY: the connection is alive, and `ctx` is the SSL_CTX that it was made from.
            version == TLS1_3_VERSION && unsafe { guards_replay(context.libssl, ctx, ssl) };
        // SAFETY: the host passes an id of `id_len` bytes.
        let id_bytes = unsafe { slice::from_raw_parts(id, usize::try_from(id_len).ok()?) };
        let key = Key::new(id_bytes, version)?;
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
        // SAFETY: the arguments are the host's, and `ctx` is the SSL_CTX of `context`.
        let ask =
            || unsafe { ask_application(context, ctx, ssl, (id, id_len, copy), (version, terms)) };
        let scope = scope::of(context, ctx, terms.client);
        let answer = match find::find(context, ctx, scope, &key, usage, &terms) {
            Some(session) => {
                let theirs = match context.asks_for(&session) {
                    true => ask(),
                    false => ptr::null_mut(),
                };
                if theirs.is_null() {
                    if single_use {
                        // SAFETY: `session` is a reference of ours, to a session of this context's library.
                        unsafe { remove::lend(context, ctx, session.as_ptr()) };
                    }
                    // SAFETY: `session` is a reference of ours.
                    if unsafe { decide::has_tag(session.as_ptr()) } {
                        connections::note_resumed(ssl, true);
                    }
                    // SAFETY: the host passes a writable place. 0: it takes over our reference.
                    unsafe { *copy = 0 };
                    session.into_raw()
                } else {
                    theirs
                }
            }
            None => ask(),
        };
        if !answer.is_null() {
            claim.into_iter().for_each(Claim::leave); // the removal that follows releases it
        } else {
            connections::note_history(ssl, &key, || context.history_of(&key));
        }
        publish::leave();
        Some(answer)
    })
}

/// Asks the application's get callback. The answer goes to the host unchanged, with its `copy`, and into the cache.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`; `ssl` and the arguments are those of the host's get callback.
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
    // SAFETY: the application's callback gets the host's arguments.
    let answer = unsafe { callback(ssl, id, id_len, copy) };
    // SAFETY: a get callback returns null or a live session. The reference keeps it alive through what follows.
    let Some(session) = (unsafe { SessionRef::acquire(context.libssl, answer) }) else {
        return answer;
    };
    if context.host.kind.drops_marked() && session.is_marked_not_resumable() {
        return answer; // the host drops it
    }
    // SAFETY: `session` is a reference of ours; the connection is alive, and its ClientHello is being handled.
    if !unsafe { decide::is_named_for(context, session.as_ptr(), &terms, ssl) } {
        // SAFETY: `copy` is the host's place, which the callback has written.
        if unsafe { *copy } == 0 {
            // SAFETY: with 0 the callback has given a reference away, which is not passed on to the host.
            drop(unsafe { SessionRef::adopt(context.libssl, answer) });
        }
        return ptr::null_mut();
    }
    unannounced::forget(session.as_ptr().cast());
    context.count_callback_hit();
    if !context.stores_by_itself() {
        return answer;
    }
    // Asked again, as the host does after the callback: a session is lent only if the host takes it back at once.
    // SAFETY: the context and the connection are alive.
    if version == TLS1_3_VERSION && unsafe { guards_replay(context.libssl, ctx, ssl) } {
        add::update_time(context, &session, now());
        // SAFETY: `session` is a reference to the answer.
        unsafe { remove::lend(context, ctx, answer) };
    } else {
        let destination = Destination {
            scope: scope::of(context, ctx, terms.client),
            to_all: true,
            terms: terms.of_a_stranger(),
        };
        let now = now();
        let tick = Tick::begin(context, ctx, now);
        // SAFETY: `session` is a reference to the answer.
        unsafe {
            add::add(
                context,
                ctx,
                answer,
                ClientHistory::Proven,
                destination,
                now,
            )
        };
        tick.end();
    }
    answer
}

/// The host has removed a session, by itself or for the application: after a fatal alert, an unclean shutdown or an expiry,
/// because a ticket was used once, or because the context ends.
pub unsafe extern "C-unwind" fn on_remove(ctx: *mut SSL_CTX, session: *mut SSL_SESSION) {
    passage((), || {
        // SAFETY: the host passes a live context.
        let context = unsafe { met(ctx) }?;
        if context.is_sentinel(session) {
            clearing::sentinel_left(context, ctx);
            return Some(());
        }
        // SAFETY: the host passes a live context and a live session of its own.
        unsafe { remove::follow_removal(context, ctx, session) };
        Some(())
    })
}

/// The callback that the host gets in place of one that the application sets by a control command. `None`: the host gets the
/// application's own.
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
            // SAFETY: the host calls it with the type that the command takes.
            let ours = unsafe { mem::transmute::<ServernameCallback, AnyCallback>(ours) };
            Some(callback.map(|_| ours))
        }
        SSL_CTRL_SET_TLS_EXT_SRP_USERNAME_CB if callback.is_some() => {
            context.alike.learned.note_secrets();
            None
        }
        SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB => {
            // SAFETY: the command takes callbacks of this type, and the host calls ours with it; the context is alive.
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

/// The host has read a ClientHello, and the application may choose another context by the name in it. The rule that the
/// connection begins under is noted before, so that sslcache learns which rule the name leads to.
pub unsafe extern "C-unwind" fn on_servername(
    ssl: *mut SSL,
    alert: *mut c_int,
    argument: *mut c_void,
) -> c_int {
    let callback = passage(None, || {
        // SAFETY: the host passes a live connection.
        let (current, first) = unsafe { (current(ssl), serving(ssl)) };
        if let Some((ctx, context)) = first {
            // SAFETY: the connection is alive, was made from `ctx`, and its ClientHello is being handled.
            unsafe { decide::begins(context, ctx, ssl) };
        }
        // As in libssl: the callback of the context that the connection has, or else of the one that it was made from.
        let of_current = current.and_then(|context| context.servername_callback.get());
        Some(of_current.or_else(|| first?.1.servername_callback.get()))
    });
    let Some(callback) = callback else {
        return SSL_TLSEXT_ERR_NOACK;
    };
    // SAFETY: the application's callback gets the host's arguments.
    let answer = unsafe { callback(ssl, alert, argument) };
    // SAFETY: the host passes a live connection, inside its handshake.
    if unsafe { may_go_on(ssl) } {
        return answer;
    }
    // SAFETY: the host passes a writable place for the alert.
    unsafe { *alert = SSL_AD_HANDSHAKE_FAILURE };
    SSL_TLSEXT_ERR_ALERT_FATAL
}

/// The application chooses the protocol of a connection, and may put the connection under another rule.
pub unsafe extern "C-unwind" fn on_alpn(
    ssl: *mut SSL,
    chosen: *mut *const c_uchar,
    chosen_len: *mut c_uchar,
    offered: *const c_uchar,
    offered_len: c_uint,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the host passes a live connection, and has taken the callback from the context that it has now.
    let callback = passage(None, || unsafe { Some(current(ssl)?.alpn_callback.get()) });
    let Some(callback) = callback else {
        return SSL_TLSEXT_ERR_NOACK;
    };
    // SAFETY: the application's callback gets the host's arguments.
    let answer = unsafe { callback(ssl, chosen, chosen_len, offered, offered_len, argument) };
    // SAFETY: the host passes a live connection, inside its handshake.
    match unsafe { may_go_on(ssl) } {
        true => answer,
        false => SSL_TLSEXT_ERR_ALERT_FATAL,
    }
}

/// False if a connection must not go on because it was resumed on a session of another process, and the rule that it is
/// under now would refuse that session.
///
/// # Safety
/// * `ssl` is a live connection inside its handshake.
unsafe fn may_go_on(ssl: *mut SSL) -> bool {
    passage(true, || {
        // SAFETY: the connection is alive.
        let (ctx, context) = unsafe { serving(ssl) }?;
        // SAFETY: the connection is alive, inside its handshake, and was made from `ctx`.
        let may = unsafe { decide::may_go_on(context, ctx, ssl) };
        if !may {
            context.failed();
        }
        Some(may)
    })
}

/// The application chooses the certificates of a connection, and may put the connection under another rule. The rule that it
/// begins under is noted before, as in [`on_servername`].
pub unsafe extern "C-unwind" fn on_cert(ssl: *mut SSL, argument: *mut c_void) -> c_int {
    // SAFETY: `argument` is what SSL_CTX_set_cert_cb gave to the host. Its context keeps it, and the connection that context.
    let CertCallback { callback, argument } = unsafe { &*argument.cast::<CertCallback>() };
    passage((), || {
        // SAFETY: the host passes a live connection.
        let (ctx, context) = unsafe { serving(ssl) }?;
        // SAFETY: the connection is alive, inside its handshake, and was made from `ctx`.
        unsafe { decide::begins(context, ctx, ssl) };
        Some(())
    });
    // SAFETY: the application's callback gets the argument that it was set with.
    unsafe { callback(ssl, *argument) }
}
