//! Decisions: the terms on which connections ask for sessions and make them, and whether a session is for a connection.
//!
//! A connection passes through here up to four times: when it offers a session ([`asked`]), before its servername callback
//! runs ([`begins`]), when it was resumed ([`may_go_on`]), and when it has made a session or makes a ticket ([`made`]).

use core::ffi::CStr;
use core::hash::BuildHasher as _;
use std::hash::RandomState;

use once_cell::race::OnceBox;

use super::learned::{Learned, was_set_early};
use super::login;
use super::look::Hashes;
use super::names::{self, Name};
use super::rule::{Client, Rule, Tag, Terms};
use super::subject::{Kind, Subject};
use crate::context::{Context, connections, known, unannounced};
use crate::host::abi::*;
use crate::host::connection::is_quic;
use crate::host::types::*;
use crate::sys::guard::attempt;

/// Whether tags matter to this context: its sessions may leave the process, or are compared inside it, too.
#[inline(always)]
pub fn matters(context: &Context) -> bool {
    context.has_forked() || !context.is_plain && matters_by_settings(context)
}

/// Whether a setting makes tags matter to this context.
fn matters_by_settings(context: &Context) -> bool {
    context.may_group() || context.is_strict() || context.settings.ticket_keys.are_common()
}

/// The terms on which a connection asks for a session, inside the handling of its ClientHello.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `ssl` a connection made from it, both alive; this thread handles its ClientHello.
pub unsafe fn asked(context: &Context, ctx: *mut SSL_CTX, ssl: *mut SSL) -> Terms {
    if !matters(context) {
        return Terms::ALONE;
    }
    connections::note_resumed(ssl, false); // may be left over from an earlier handshake
    // SAFETY: the caller keeps the connection alive.
    let client = unsafe { Client::of_connection(context.host, ssl) };
    let doubt = Terms::doubtful(client);
    let terms = attempt(|| {
        let traits = &context.host.traits;
        // SAFETY: the caller keeps both alive, and this thread handles the ClientHello.
        context.libssl.without_errors(|| unsafe {
            let (rule, switching) = rule_of(context, ctx, ssl)?;
            let name = names::asked_for(traits, ssl)?;
            let key = key_of(&rule, &name);
            let led_to = if switching.may_switch {
                connections::note_beginning(ssl, key);
                match context.alike.verdicts.get(key) {
                    Some(rule) => rule,
                    // Without a name, a servername callback does the same for every client.
                    None if name.is_empty() && !switching.has_cert_callback => rule,
                    None => return None,
                }
            } else {
                rule
            };
            Some(Terms {
                client: led_to.client,
                tag: Some(Tag::of(&led_to, &name)),
                is_of_one_login: login::is_of_one(traits, ssl),
            })
        })
    });
    terms.unwrap_or(doubt)
}

/// Notes under which rule and name a connection begins, when its servername callback is about to run. libssl has read the
/// ClientHello by then and tells the name. For a resumed connection it tells another one, but there [`asked`] has noted it.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `ssl` a connection made from it, both alive; this thread handles its ClientHello.
pub unsafe fn begins(context: &Context, ctx: *mut SSL_CTX, ssl: *mut SSL) {
    // SAFETY: the caller keeps the connection alive.
    let is_resumed = || unsafe { (context.libssl.SSL_session_reused)(ssl) } == 1;
    if !matters(context) || connections::beginning(ssl).is_some() || is_resumed() {
        return;
    }
    attempt(|| {
        context.libssl.without_errors(|| {
            // SAFETY: the caller keeps both alive, and the ClientHello has been read.
            unsafe {
                let (rule, _) = rule_of(context, ctx, ssl)?;
                let name = names::made_for(&context.host.traits, ssl)?;
                connections::note_beginning(ssl, key_of(&rule, &name));
            }
            Some(())
        })
    });
}

/// The terms on which a connection has made a session or is making a ticket. Its ClientHello has been handled, so the rule
/// that the program's callbacks have led to is learned here.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `ssl` a connection made from it, both alive; this thread is inside its handshake.
pub unsafe fn made(context: &Context, ctx: *mut SSL_CTX, ssl: *mut SSL) -> Terms {
    if !matters(context) {
        return Terms::ALONE;
    }
    // SAFETY: the caller keeps the connection alive.
    let client = unsafe { Client::of_connection(context.host, ssl) };
    let doubt = Terms::doubtful(client);
    let terms = attempt(|| {
        let traits = &context.host.traits;
        // SAFETY: the caller keeps both alive, and this thread is inside the handshake.
        context.libssl.without_errors(|| unsafe {
            let (mut rule, switching) = rule_of(context, ctx, ssl)?;
            if switching.may_switch && (context.libssl.SSL_session_reused)(ssl) == 1 {
                // Not all callbacks run in a resumed handshake, so the connection keeps the rule on which it was resumed.
                let known =
                    connections::beginning(ssl).and_then(|key| context.alike.verdicts.get(key));
                rule = known.unwrap_or(rule);
            } else if switching.may_switch {
                learn(context, ssl, rule);
            }
            if !is_made_by(context, ssl)? {
                return None;
            }
            let name = names::made_for(traits, ssl)?;
            Some(Terms {
                client: rule.client,
                tag: Some(Tag::of(&rule, &name)),
                is_of_one_login: login::is_of_one(traits, ssl),
            })
        })
    });
    terms.unwrap_or(doubt)
}

/// Whether a connection's session can have been made under the verify mode that the connection has now, which the program
/// may have changed since. A session with a client's certificate was not made where none is asked for, and one without
/// was not made where the client has to show one.
///
/// # Safety
/// * `ssl` is a connection of the context's host, alive; this thread is inside its handshake.
unsafe fn is_made_by(context: &Context, ssl: *mut SSL) -> Option<bool> {
    let traits = &context.host.traits;
    // SAFETY: the caller keeps the connection alive.
    let (mode, has_certificate) = unsafe {
        (
            traits.SSL_get_verify_mode?(ssl),
            traits.has_peer_certificate(ssl)?,
        )
    };
    Some(match has_certificate {
        true => mode & SSL_VERIFY_PEER != 0,
        false => mode & SSL_VERIFY_PEER == 0 || mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT == 0,
    })
}

/// Whether a connection that was resumed on another process's session may go on. The program's callbacks, which have run
/// since, may demand a certificate that the session's client has never shown. In that case the verdict on the name is
/// learned, so that the next connection is not resumed.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `ssl` a connection made from it, both alive; this thread is inside its handshake.
pub unsafe fn may_go_on(context: &Context, ctx: *mut SSL_CTX, ssl: *mut SSL) -> bool {
    // SAFETY: the caller keeps the connection alive.
    if !connections::is_resumed(ssl) || unsafe { (context.libssl.SSL_session_reused)(ssl) } != 1 {
        return true;
    }
    let may = attempt(|| {
        context.libssl.without_errors(|| {
            // SAFETY: the caller keeps both alive, and this thread is inside the handshake.
            unsafe {
                let may = is_made_by(context, ssl)?;
                if !may && let Some((rule, _)) = rule_of(context, ctx, ssl) {
                    learn(context, ssl, rule);
                }
                Some(may)
            }
        })
    });
    may == Some(true)
}

/// The terms of a session that the application adds by a call: those of a connection as the context would make it now.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `session` a session of its libssl, both alive.
pub unsafe fn added(context: &Context, ctx: *mut SSL_CTX, session: *const SSL_SESSION) -> Terms {
    let doubt = Terms::doubtful(Client::Certified);
    if !matters(context) || !context.can_be_asked() {
        return Terms::ALONE;
    }
    let terms = attempt(|| {
        let traits = &context.host.traits;
        context.libssl.without_errors(|| {
            let rule = rule_of_context(context, ctx)?;
            // SAFETY: the caller keeps the session alive.
            let name = unsafe { traits.SSL_SESSION_get0_hostname?(session) };
            let name = match name.is_null() {
                true => Name::new(),
                // SAFETY: the session owns this C string, which is copied here.
                false => unsafe { CStr::from_ptr(name) }.to_bytes().into(),
            };
            Some(
                Terms {
                    client: rule.client,
                    tag: Some(Tag::of(&rule, &name)),
                    is_of_one_login: false,
                }
                .of_a_stranger(),
            )
        })
    });
    terms.unwrap_or(doubt)
}

/// The rule of a context, under which its connections begin; `None` if an attribute cannot be told.
pub fn rule_of_context(context: &Context, ctx: *mut SSL_CTX) -> Option<Rule> {
    context
        .alike
        .context
        .rule_of(&subject_of_context(context, ctx))
}

/// The short digests of a context's attributes: those of its last connection, or else of the context itself.
pub fn hashes_of(context: &Context) -> Option<Hashes> {
    let alike = &context.alike;
    alike.looks.hashes().or_else(|| alike.context.hashes())
}

fn subject_of_context(context: &Context, ctx: *mut SSL_CTX) -> Subject<'_> {
    Subject {
        kind: Kind::Context,
        host: context.host,
        libssl: context.libssl,
        origin: &context.origin,
        lineage: context.lineage(),
        leaves_out_certificates: context.settings.leave_out_certificates(),
        learned: &context.alike.learned,
        ctx,
        switched: None,
    }
}

/// The callbacks by which a connection's rule may change after libssl has asked for its session.
struct Switching {
    /// Whether there is a servername or certificate callback.
    may_switch: bool,
    /// Whether there is a certificate callback.
    has_cert_callback: bool,
}

/// The rule of a connection as it is now.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `ssl` a connection made from it, both alive; this thread is inside its handshake.
unsafe fn rule_of(
    context: &Context,
    ctx: *mut SSL_CTX,
    ssl: *mut SSL,
) -> Option<(Rule, Switching)> {
    // SAFETY: the caller keeps the connection alive.
    if unsafe { is_quic(context.libssl, ssl) } {
        return None; // the getters of a QUIC connection take a lock that libssl holds while it calls us
    }
    // SAFETY: as above.
    let current = unsafe { (context.libssl.SSL_get_SSL_CTX)(ssl) };
    let switched = match current == ctx {
        true => None,
        // SAFETY: the connection holds a reference to its present context. The setters of a context that sslcache does not
        // serve were not recorded, so `None` ends this.
        false => Some(unsafe { known::met(current) }?),
    };
    let of_current = switched.unwrap_or(context);
    let subject = Subject {
        kind: Kind::Connection(ssl),
        host: context.host,
        libssl: context.libssl,
        origin: &context.origin,
        lineage: context.lineage(),
        leaves_out_certificates: context.settings.leave_out_certificates(),
        learned: &context.alike.learned,
        ctx: current,
        switched: switched.map(|context| &context.alike.learned),
    };
    if connections::is_apart(ssl) || was_set_early() {
        return None;
    }
    let switching = Switching {
        may_switch: subject.all_learned().any(Learned::may_switch),
        has_cert_callback: subject.all_learned().any(|learned| {
            learned
                .has_cert_callback
                .load(core::sync::atomic::Ordering::Relaxed)
        }),
    };
    Some((of_current.alike.looks.rule_of(&subject)?, switching))
}

/// Learns the rule that a connection's beginning has led to.
fn learn(context: &Context, ssl: *mut SSL, rule: Rule) {
    if let Some(key) = connections::beginning(ssl) {
        context.alike.verdicts.learn(key, rule);
        connections::note_beginning(ssl, 0); // a further handshake of this connection notes its own
    }
}

/// The key of the rule and name with which a connection begins. It stays in this process and its children, whose secret it
/// depends on: a client cannot find two names with one key.
fn key_of(rule: &Rule, name: &Name) -> u64 {
    static SECRET: OnceBox<RandomState> = OnceBox::new();
    let secret = SECRET.get_or_init(|| Box::new(RandomState::new()));
    secret.hash_one((rule.digest, rule.certificates, &name[..]))
}

/// Notes the tag of a session if tags are compared inside this process, too.
///
/// # Safety
/// * `session` is a session of the context's host, alive during the call.
pub unsafe fn note_tag_if_strict(context: &Context, session: *mut SSL_SESSION, terms: &Terms) {
    if context.is_strict() {
        // SAFETY: the caller keeps the session alive.
        unsafe { note_tag(session, terms) };
    }
}

/// Notes the tag of a session.
///
/// # Safety
/// * `session` is a session, alive during the call.
pub unsafe fn note_tag(session: *mut SSL_SESSION, terms: &Terms) {
    // Without a noted tag, the session is not resumed where tags are compared.
    if let Some(tag) = terms.tag {
        attempt(|| {
            unannounced::note_tag(session.cast(), tag.as_mark());
            Some(())
        });
    }
}

/// Whether a session that the application's get callback returned may be resumed by this connection: if names are strict,
/// only with the tag, or else the name, that the session was made for.
///
/// # Safety
/// * `session` is a session and `ssl` a connection of the context's host, both alive; the latter's ClientHello is handled.
pub unsafe fn is_named_for(
    context: &Context,
    session: *const SSL_SESSION,
    terms: &Terms,
    ssl: *mut SSL,
) -> bool {
    if !context.settings.strict_names {
        return true;
    }
    // SAFETY: the caller keeps the session alive.
    if unsafe { has_tag(session) } {
        // SAFETY: as above.
        return unsafe { is_for(context, session, terms) };
    }
    let traits = &context.host.traits;
    attempt(|| {
        // SAFETY: the caller keeps both alive, and the session owns its name.
        unsafe {
            let name = traits.SSL_SESSION_get0_hostname?(session);
            let of_session = match name.is_null() {
                true => return Some(()), // the session does not tell its name
                false => CStr::from_ptr(name).to_bytes(),
            };
            (of_session == &names::asked_for(traits, ssl)?[..]).then_some(())
        }
    })
    .is_some()
}

/// Whether a tag was noted for a session.
///
/// # Safety
/// * `session` is a session of the context's host, alive during the call.
pub unsafe fn has_tag(session: *const SSL_SESSION) -> bool {
    unannounced::tag(session.cast()) != 0
}

/// Whether a session of this process may be given to a connection on these terms. A session with a noted tag, such as one
/// that another process made, is only for connections with that tag.
///
/// # Safety
/// * `session` is a session of the context's host, alive during the call.
pub unsafe fn is_for(context: &Context, session: *const SSL_SESSION, terms: &Terms) -> bool {
    let noted = unannounced::tag(session.cast());
    match terms.tag {
        _ if noted == 0 => !context.is_strict(),
        Some(tag) => noted == tag.as_mark(),
        None => false,
    }
}
