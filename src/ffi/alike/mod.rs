//! Who may share with whom. The rule above all others: a session is resumed only where plain libssl would have resumed
//! it, had it been made and kept in this very context, as the context is configured now.
//!
//! [`attributes`] is the table of what is compared. A session that others may have goes to them with a [`Tag`]: the
//! digest of all attributes of the connection that made it, and the server name that its client sent. A connection that
//! asks for a session has a tag, too, and gets none with another one. A connection whose tag cannot be told shares with
//! nobody: it finds what its own process has cached in its context, as libssl would, and what it caches stays there.
//!
//! * [`subject`] is a connection or a context as its getters show it; [`learned`] what only setters tell;
//!   [`look`] makes a digest of it.
//! * [`names`] reads the name in a ClientHello, [`verdicts`] remembers what the program's callbacks make of it.
//! * [`login`] keeps the data connections of FTP servers to the sessions of their own login.

pub mod attributes;
pub mod learned;
pub mod login;
mod look;
mod names;
mod subject;
mod verdicts;

use core::ffi::{CStr, c_int};
use core::hash::Hasher;
use std::hash::DefaultHasher;

use self::learned::{Learned, was_set_early};
use self::look::Looks;
pub use self::look::{Hashes, Rule};
use self::names::Name;
use self::subject::{Kind, Subject};
use self::verdicts::Verdicts;
use super::attach::attached;
use super::connections;
use super::guard::{attempt, quietly};
use super::store::Store;
use super::unannounced;
use crate::config::{TicketKeys, settings};
use crate::host::Host;
use crate::host::abi::*;
use crate::host::types::*;

/// What a context has to do with comparing.
#[derive(Default)]
pub struct Alike {
    /// What its setters have told.
    pub learned: Learned,
    looks: Looks,
    context: Looks,
    verdicts: Verdicts,
}

/// Whether a client is asked for a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// Nothing is asked: anybody may come.
    Anybody,
    /// A certificate is asked for.
    Certified,
}

impl Client {
    fn of(verify_mode: c_int) -> Self {
        if verify_mode & SSL_VERIFY_PEER == 0 {
            Self::Anybody
        } else {
            Self::Certified
        }
    }

    /// What a connection asks now.
    ///
    /// # Safety
    /// * `ssl` is a connection of this host, alive during the call.
    pub unsafe fn of_connection(host: &Host, ssl: *const SSL) -> Self {
        let get = host.traits.SSL_get_verify_mode;
        // SAFETY: the caller's contract. In doubt it is asked for.
        get.map_or(Self::Certified, |get| Self::of(unsafe { get(ssl) }))
    }
}

/// What a session that others may have was made for: a rule, and a server name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(pub [u8; 16]);

impl Tag {
    fn of(rule: &Rule, name: &Name) -> Self {
        let half = |number: u8| hash(&[&rule.digest, &[number], name]).to_be_bytes();
        let mut tag = [0; 16];
        tag[..8].copy_from_slice(&half(0));
        tag[8..].copy_from_slice(&half(1));
        Self(tag)
    }

    /// Half of it, which is not 0.
    fn as_mark(self) -> u64 {
        let [half, _] = [0, 8].map(|at| core::array::from_fn(|byte| self.0[at + byte]));
        u64::from_be_bytes(half) | 1
    }
}

/// What a connection is to the caches of others.
#[derive(Clone, Copy)]
pub struct Terms {
    /// Whether its client is asked for a certificate.
    pub client: Client,
    /// `None` in doubt: then it has to do with its own process alone.
    pub tag: Option<Tag>,
    /// Whether only what its own login has cached counts.
    pub is_of_one_login: bool,
}

impl Terms {
    /// Those of a connection of a cache that nobody shares.
    pub const ALONE: Self = Self {
        client: Client::Anybody,
        tag: None,
        is_of_one_login: false,
    };

    /// In doubt.
    fn doubtful(client: Client) -> Self {
        Self {
            client,
            ..Self::ALONE
        }
    }

    /// Those of a session that the application has from elsewhere: nobody knows what its client was asked, so it is no
    /// stranger's where a certificate is asked for.
    pub fn of_a_stranger(self) -> Self {
        match self.client {
            Client::Anybody => self,
            Client::Certified => Self { tag: None, ..self },
        }
    }

    /// With whom else it may have to do; `None`: with its own process alone.
    pub fn elsewhere(&self) -> Option<Tag> {
        self.tag.filter(|_| !self.is_of_one_login)
    }
}

fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}

/// Whether the tag of a session of this context's connections matters.
fn matters(store: &Store) -> bool {
    store.has_forked()
        || store.may_group()
        || store.looks_at_names()
        || quietly(settings).ticket_keys == TicketKeys::Shared
}

/// The terms on which a connection asks for a session, inside the handling of its ClientHello.
///
/// # Safety
/// * `ctx` is the context of `store`, `ssl` a connection made from it, both alive; this thread handles its ClientHello.
pub unsafe fn asked(store: &Store, ctx: *mut SSL_CTX, ssl: *mut SSL) -> Terms {
    if !matters(store) {
        return Terms::ALONE;
    }
    connections::note_resumed(ssl, false); // what an earlier ClientHello has led to is over
    // SAFETY: the caller's contract; so for all calls below.
    let client = unsafe { Client::of_connection(store.host, ssl) };
    let doubt = Terms::doubtful(client);
    let terms = attempt(|| {
        let traits = &store.host.traits;
        // SAFETY: the caller's contract.
        store.libssl.without_errors(|| unsafe {
            let (rule, learned) = rule_of(store, ctx, ssl)?;
            let name = names::asked_for(traits, ssl)?;
            let key = key_of(&rule, &name);
            let led_to = if learned.may_switch {
                connections::note_beginning(ssl, key);
                match store.alike.verdicts.get(key) {
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
pub unsafe fn begins(store: &Store, ctx: *mut SSL_CTX, ssl: *mut SSL) {
    // SAFETY: the caller's contract.
    let is_resumed = || unsafe { (store.libssl.SSL_session_reused)(ssl) } == 1;
    if !matters(store) || connections::beginning(ssl).is_some() || is_resumed() {
        return;
    }
    attempt(|| {
        store.libssl.without_errors(|| {
            // SAFETY: the caller's contract.
            unsafe {
                let (rule, _) = rule_of(store, ctx, ssl)?;
                let name = names::made_for(&store.host.traits, ssl)?;
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
/// * `ctx` is the context of `store`, `ssl` a connection made from it, both alive; this thread is inside its handshake.
pub unsafe fn made(store: &Store, ctx: *mut SSL_CTX, ssl: *mut SSL) -> Terms {
    if !matters(store) {
        return Terms::ALONE;
    }
    // SAFETY: the caller's contract; so for all calls below.
    let client = unsafe { Client::of_connection(store.host, ssl) };
    let doubt = Terms::doubtful(client);
    let terms = attempt(|| {
        let traits = &store.host.traits;
        // SAFETY: the caller's contract.
        store.libssl.without_errors(|| unsafe {
            let (mut rule, learned) = rule_of(store, ctx, ssl)?;
            if learned.may_switch && (store.libssl.SSL_session_reused)(ssl) == 1 {
                // Not all callbacks run where a session is resumed: it goes on under the rule that it was asked for.
                let known =
                    connections::beginning(ssl).and_then(|key| store.alike.verdicts.get(key));
                rule = known.unwrap_or(rule);
            } else if learned.may_switch {
                learn(store, ssl, rule);
            }
            if !is_made_by(store, ssl)? {
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
unsafe fn is_made_by(store: &Store, ssl: *mut SSL) -> Option<bool> {
    let traits = &store.host.traits;
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
pub unsafe fn may_go_on(store: &Store, ctx: *mut SSL_CTX, ssl: *mut SSL) -> bool {
    // SAFETY: the caller's contract.
    if !connections::is_resumed(ssl) || unsafe { (store.libssl.SSL_session_reused)(ssl) } != 1 {
        return true;
    }
    let may = attempt(|| {
        store.libssl.without_errors(|| {
            // SAFETY: the caller's contract.
            unsafe {
                let may = is_made_by(store, ssl)?;
                if !may && let Some((rule, _)) = rule_of(store, ctx, ssl) {
                    learn(store, ssl, rule);
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
/// * `ctx` is the context of `store`, `session` a session of its libssl, both alive.
pub unsafe fn added(store: &Store, ctx: *mut SSL_CTX, session: *const SSL_SESSION) -> Terms {
    let doubt = Terms::doubtful(Client::Certified);
    if !matters(store) || !store.can_be_asked() {
        return Terms::ALONE;
    }
    let terms = attempt(|| {
        let traits = &store.host.traits;
        store.libssl.without_errors(|| {
            let rule = rule_of_context(store, ctx)?;
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
pub fn rule_of_context(store: &Store, ctx: *mut SSL_CTX) -> Option<Rule> {
    store.alike.context.rule_of(&subject_of_context(store, ctx))
}

/// What is known of the attributes of a context: of its last connection, or else of itself.
pub fn hashes_of(store: &Store) -> Option<Hashes> {
    let alike = &store.alike;
    alike.looks.hashes().or_else(|| alike.context.hashes())
}

fn subject_of_context(store: &Store, ctx: *mut SSL_CTX) -> Subject<'_> {
    Subject {
        kind: Kind::Context,
        store,
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
unsafe fn rule_of(store: &Store, ctx: *mut SSL_CTX, ssl: *mut SSL) -> Option<(Rule, Switching)> {
    // SAFETY: the caller's contract.
    if unsafe { (store.libssl.SSL_version)(ssl) } == super::callbacks::QUIC_VERSION {
        return None; // its getters take a lock that is held while libssl calls us
    }
    // SAFETY: the caller's contract.
    let current = unsafe { (store.libssl.SSL_get_SSL_CTX)(ssl) };
    let switched = match current == ctx {
        true => None,
        // SAFETY: the connection holds a reference to its context. One that is not ours was never seen being set up.
        false => Some(unsafe { attached(current) }?),
    };
    let of_current = switched.unwrap_or(store);
    let subject = Subject {
        kind: Kind::Connection(ssl),
        store,
        ctx: current,
        switched: switched.map(|store| &store.alike.learned),
    };
    if connections::is_apart(ssl) || was_set_early() {
        return None;
    }
    let switching = Switching {
        may_switch: subject.learned().any(Learned::may_switch),
        has_cert_callback: subject.learned().any(|learned| {
            learned
                .has_cert_callback
                .load(core::sync::atomic::Ordering::Relaxed)
        }),
    };
    Some((of_current.alike.looks.rule_of(&subject)?, switching))
}

/// Learns what a connection has become.
fn learn(store: &Store, ssl: *mut SSL, rule: Rule) {
    if let Some(key) = connections::beginning(ssl) {
        store.alike.verdicts.learn(key, rule);
        connections::note_beginning(ssl, 0); // the next handshake begins anew
    }
}

/// Of what a connection begins with.
fn key_of(rule: &Rule, name: &Name) -> u64 {
    hash(&[&rule.digest, name])
}

/// Names on sessions of this process, where they are looked at: in a forced cache, which libssl would not have had, and
/// where names are strict.
impl Store {
    /// Whether sessions of this process, too, are resumed only for the name and under the rule that they were made for.
    pub fn looks_at_names(&self) -> bool {
        settings().strict_names || self.is_forced()
    }

    /// Notes what a session was made for, where that matters in its own process.
    ///
    /// # Safety
    /// * `session` is a session of the store's host, alive during the call.
    pub unsafe fn note_tag_if_strict(&self, session: *mut SSL_SESSION, terms: &Terms) {
        if self.looks_at_names() {
            // SAFETY: the caller's contract.
            unsafe { self.note_tag(session, terms) };
        }
    }

    /// Notes what a session was made for.
    ///
    /// # Safety
    /// * `session` is a session of the store's host, alive during the call.
    pub unsafe fn note_tag(&self, session: *mut SSL_SESSION, terms: &Terms) {
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
    /// * `session` is a session and `ssl` a connection of the store's host, both alive; the latter's ClientHello is handled.
    pub unsafe fn is_named_for(
        &self,
        session: *const SSL_SESSION,
        terms: &Terms,
        ssl: *mut SSL,
    ) -> bool {
        if !settings().strict_names {
            return true;
        }
        // SAFETY: the caller's contract.
        if unsafe { self.has_tag(session) } {
            // SAFETY: as above.
            return unsafe { self.is_for(session, terms) };
        }
        let traits = &self.host.traits;
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
    /// * `session` is a session of the store's host, alive during the call.
    pub unsafe fn has_tag(&self, session: *const SSL_SESSION) -> bool {
        unannounced::tag(session.cast()) != 0
    }

    /// Whether a session of this process may be given to a connection with these terms: one that came from another
    /// process only on the terms on which it came.
    ///
    /// # Safety
    /// * `session` is a session of the store's host, alive during the call.
    pub unsafe fn is_for(&self, session: *const SSL_SESSION, terms: &Terms) -> bool {
        let noted = unannounced::tag(session.cast());
        match terms.tag {
            _ if noted == 0 => !self.looks_at_names(),
            Some(tag) => noted == tag.as_mark(),
            None => false,
        }
    }
}
