//! Who may have what: the terms on which connections ask for sessions and make them.

use core::ffi::CStr;

use super::learned::{Learned, was_set_early};
use super::login;
use super::look::Hashes;
use super::names::{self, Name};
use super::rule::{Client, Rule, Tag, Terms, hash};
use super::subject::{Kind, Subject};
use crate::config::{TicketKeys, settings};
use crate::context::{Context, connections, known, unannounced};
use crate::host::abi::*;
use crate::host::connection::QUIC_VERSION;
use crate::host::types::*;
use crate::sys::guard::{attempt, quietly};

/// Whether the tag of a session of this context's connections matters.
#[inline(always)]
pub fn matters(context: &Context) -> bool {
    context.has_forked() || !context.is_plain && matters_by_settings(context)
}

fn matters_by_settings(context: &Context) -> bool {
    context.may_group()
        || context.looks_at_names()
        || quietly(settings).ticket_keys == TicketKeys::Shared
}

/// The terms on which a connection asks for a session, inside the handling of its ClientHello.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `ssl` a connection made from it, both alive; this thread handles its ClientHello.
pub unsafe fn asked(context: &Context, ctx: *mut SSL_CTX, ssl: *mut SSL) -> Terms {
    if !matters(context) {
        return Terms::ALONE;
    }
    connections::note_resumed(ssl, false); // what an earlier ClientHello has led to is over
    // SAFETY: the caller's contract; so for all calls below.
    let client = unsafe { Client::of_connection(context.host, ssl) };
    let doubt = Terms::doubtful(client);
    let terms = attempt(|| {
        let traits = &context.host.traits;
        // SAFETY: the caller's contract.
        context.libssl.without_errors(|| unsafe {
            let (rule, learned) = rule_of(context, ctx, ssl)?;
            let name = names::asked_for(traits, ssl)?;
            let key = key_of(&rule, &name);
            let led_to = if learned.may_switch {
                connections::note_beginning(ssl, key);
                match context.alike.verdicts.get(key) {
                    Some(rule) => rule,
                    // A servername callback has nothing to go by; what it does then it does for everybody.
                    None if name.is_empty() && !learned.has_cert_callback => rule,
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

/// Notes under which rule and name a connection begins: its servername callback is about to run. The ClientHello has
/// been read by then, and the name is told by libssl; but for a resumed connection, for which [`asked`] has noted it.
///
/// # Safety
/// * As for [`asked`].
pub unsafe fn begins(context: &Context, ctx: *mut SSL_CTX, ssl: *mut SSL) {
    // SAFETY: the caller's contract.
    let is_resumed = || unsafe { (context.libssl.SSL_session_reused)(ssl) } == 1;
    if !matters(context) || connections::beginning(ssl).is_some() || is_resumed() {
        return;
    }
    attempt(|| {
        context.libssl.without_errors(|| {
            // SAFETY: the caller's contract.
            unsafe {
                let (rule, _) = rule_of(context, ctx, ssl)?;
                let name = names::made_for(&context.host.traits, ssl)?;
                connections::note_beginning(ssl, key_of(&rule, &name));
            }
            Some(())
        })
    });
}

/// The terms on which a connection has made a session or is making a ticket: its ClientHello has been handled, and what
/// the program's callbacks have made of it is learned.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `ssl` a connection made from it, both alive; this thread is inside its handshake.
pub unsafe fn made(context: &Context, ctx: *mut SSL_CTX, ssl: *mut SSL) -> Terms {
    if !matters(context) {
        return Terms::ALONE;
    }
    // SAFETY: the caller's contract; so for all calls below.
    let client = unsafe { Client::of_connection(context.host, ssl) };
    let doubt = Terms::doubtful(client);
    let terms = attempt(|| {
        let traits = &context.host.traits;
        // SAFETY: the caller's contract.
        context.libssl.without_errors(|| unsafe {
            let (mut rule, learned) = rule_of(context, ctx, ssl)?;
            if learned.may_switch && (context.libssl.SSL_session_reused)(ssl) == 1 {
                // Not all callbacks run where a session is resumed: it goes on under the rule that it was asked for.
                let known =
                    connections::beginning(ssl).and_then(|key| context.alike.verdicts.get(key));
                rule = known.unwrap_or(rule);
            } else if learned.may_switch {
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

/// Whether a connection's session can have been made under the verify mode that the connection has now: the program may
/// have set another one since. A session with a certificate is none of those whose clients are asked for none, and one
/// without is none of those whose clients have to show one.
///
/// # Safety
/// * As for [`made`].
unsafe fn is_made_by(context: &Context, ssl: *mut SSL) -> Option<bool> {
    let traits = &context.host.traits;
    // SAFETY: the caller's contract.
    let (mode, has_certificate) = unsafe {
        let peer = traits.SSL_get0_peer_certificate?(ssl);
        (traits.SSL_get_verify_mode?(ssl), !peer.is_null())
    };
    Some(match has_certificate {
        true => mode & SSL_VERIFY_PEER != 0,
        false => mode & SSL_VERIFY_PEER == 0 || mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT == 0,
    })
}

/// Whether a connection that was resumed on a session of somebody else may go on: the program's callbacks, which have run
/// since, may demand a certificate that the session's client has never shown. It is learned then what the name leads to.
///
/// # Safety
/// * As for [`made`].
pub unsafe fn may_go_on(context: &Context, ctx: *mut SSL_CTX, ssl: *mut SSL) -> bool {
    // SAFETY: the caller's contract.
    if !connections::is_resumed(ssl) || unsafe { (context.libssl.SSL_session_reused)(ssl) } != 1 {
        return true;
    }
    let may = attempt(|| {
        context.libssl.without_errors(|| {
            // SAFETY: the caller's contract.
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

/// The terms of a session that the application adds by itself: those of a connection as the context would make it.
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
            // SAFETY: the caller's contract.
            let name = unsafe { traits.SSL_SESSION_get0_hostname?(session) };
            let name = match name.is_null() {
                true => Name::new(),
                // SAFETY: the session's own C string.
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

/// The rule of a context as its connections begin; `None` where an attribute cannot be told.
pub fn rule_of_context(context: &Context, ctx: *mut SSL_CTX) -> Option<Rule> {
    context
        .alike
        .context
        .rule_of(&subject_of_context(context, ctx))
}

/// What is known of the attributes of a context: of its last connection, or else of itself.
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
        learned: &context.alike.learned,
        ctx,
        switched: None,
    }
}

/// What of a connection's contexts decides whether its rule is final.
struct Switching {
    may_switch: bool,
    has_cert_callback: bool,
}

/// The rule of a connection as it is now.
///
/// # Safety
/// * As for [`asked`].
unsafe fn rule_of(
    context: &Context,
    ctx: *mut SSL_CTX,
    ssl: *mut SSL,
) -> Option<(Rule, Switching)> {
    // SAFETY: the caller's contract.
    if unsafe { (context.libssl.SSL_version)(ssl) } == QUIC_VERSION {
        return None; // its getters take a lock that is held while libssl calls us
    }
    // SAFETY: the caller's contract.
    let current = unsafe { (context.libssl.SSL_get_SSL_CTX)(ssl) };
    let switched = match current == ctx {
        true => None,
        // SAFETY: the connection holds a reference to its context. One that is not ours was never seen being set up.
        false => Some(unsafe { known::met(current) }?),
    };
    let of_current = switched.unwrap_or(context);
    let subject = Subject {
        kind: Kind::Connection(ssl),
        host: context.host,
        libssl: context.libssl,
        origin: &context.origin,
        lineage: context.lineage(),
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

/// Learns what a connection has become.
fn learn(context: &Context, ssl: *mut SSL, rule: Rule) {
    if let Some(key) = connections::beginning(ssl) {
        context.alike.verdicts.learn(key, rule);
        connections::note_beginning(ssl, 0); // the next handshake begins anew
    }
}

/// Of what a connection begins with.
fn key_of(rule: &Rule, name: &Name) -> u64 {
    hash(&[&rule.digest, name])
}

/// Notes what a session was made for, where that matters in its own process.
///
/// # Safety
/// * `session` is a session of the context's host, alive during the call.
pub unsafe fn note_tag_if_strict(context: &Context, session: *mut SSL_SESSION, terms: &Terms) {
    if context.looks_at_names() {
        // SAFETY: the caller's contract.
        unsafe { note_tag(session, terms) };
    }
}

/// Notes what a session was made for.
///
/// # Safety
/// * `session` is a session of the context's host, alive during the call.
pub unsafe fn note_tag(session: *mut SSL_SESSION, terms: &Terms) {
    // What is not noted is not resumed where that matters.
    if let Some(tag) = terms.tag {
        attempt(|| {
            unannounced::note_tag(session.cast(), tag.as_mark());
            Some(())
        });
    }
}

/// Whether a session that the application answers for a ClientHello is for its name, where names are strict.
///
/// # Safety
/// * `session` is a session and `ssl` a connection of the context's host, both alive; the latter's ClientHello is handled.
pub unsafe fn is_named_for(
    context: &Context,
    session: *const SSL_SESSION,
    terms: &Terms,
    ssl: *mut SSL,
) -> bool {
    if !settings().strict_names {
        return true;
    }
    // SAFETY: the caller's contract.
    if unsafe { has_tag(session) } {
        // SAFETY: as above.
        return unsafe { is_for(context, session, terms) };
    }
    let traits = &context.host.traits;
    attempt(|| {
        // SAFETY: as above; the session owns its name.
        unsafe {
            let name = traits.SSL_SESSION_get0_hostname?(session);
            let of_session = match name.is_null() {
                true => return Some(()), // it does not tell
                false => CStr::from_ptr(name).to_bytes(),
            };
            (of_session == &names::asked_for(traits, ssl)?[..]).then_some(())
        }
    })
    .is_some()
}

/// Whether it was noted what a session was made for.
///
/// # Safety
/// * `session` is a session of the context's host, alive during the call.
pub unsafe fn has_tag(session: *const SSL_SESSION) -> bool {
    unannounced::tag(session.cast()) != 0
}

/// Whether a session of this process may be given to a connection with these terms: one that came from another
/// process only on the terms on which it came.
///
/// # Safety
/// * `session` is a session of the context's host, alive during the call.
pub unsafe fn is_for(context: &Context, session: *const SSL_SESSION, terms: &Terms) -> bool {
    let noted = unannounced::tag(session.cast());
    match terms.tag {
        _ if noted == 0 => !context.looks_at_names(),
        Some(tag) => noted == tag.as_mark(),
        None => false,
    }
}
