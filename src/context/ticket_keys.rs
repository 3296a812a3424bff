//! One set of keys for the stateless tickets of all processes: SSLCACHE_TICKET_KEYS=shared, or =fleet for all hosts.
//!
//! In libssl each context has keys of its own, made with the context: workers that make their contexts after the fork
//! cannot open each other's tickets. With the setting, a context gets a ticket-key callback of ours. It does what libssl
//! does without a callback (AES-256-CBC, HMAC with SHA-256), but with keys that all processes have: they are derived from
//! a secret in the region, which is replaced on a schedule ([`TicketKeys`]), and from the tag of the connection
//! ([`alike`](super::alike)). So connections that differ in an attribute or in the server name never open each other's
//! tickets.
//!
//! With SSLCACHE_TICKET_KEYS=fleet the secret is the fleet's, which the agent of this host publishes ([`fleet`](super::fleet)).
//! While there is none, tickets are made with the secret in the region; either opens the tickets that it has made.
//!
//! The context's own keys are used if clients are asked for certificates (unless the group has a name), if the connection
//! has no tag, and if there is no region. An application that sets keys or a callback, or reads the keys to give them to
//! others, ends the sharing of this context's keys.
//!
//! With SSLCACHE_STRICT_NAMES the MAC of each ticket also covers the tag, whatever the keys: a ticket that comes with
//! another name, or under another rule, does not open.
//!
//! An administrator may end the turn of the keys, or all keys ([`ticket_secrets`](super::ticket_secrets)). The context's own
//! keys are then followed by keys that are derived from them and from the number of the order: the same ones in all processes
//! that had the same keys.
//!
//! Each process keeps a copy of the secrets that is at most a second old, so handshakes go on while another process holds
//! the region's lock or has died with it. If the region cannot be reached for longer, each process replaces its secrets
//! on schedule by itself.

use core::ffi::{c_int, c_long, c_void};
use core::sync::atomic::Ordering::Relaxed;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::alike::rule::{Client, Tag, Terms};
use super::alike::{decide, login};
use super::key_source::KeySource;
use super::session::now;
use super::sharing::common::{Common, common};
use super::ticket_secrets::{LocalCopy, Orders, Secret, obey};
use super::{Context, connections, known};
use crate::config::{self, Group};
use crate::host::abi::*;
use crate::host::connection::version_of;
use crate::host::tickets::{Iv, Key, KeyName, Keys, Pair, Tickets};
use crate::host::types::*;
use crate::mailbox::FleetKeys;
use crate::shm::{FreshKey, KEY_PAGE_BYTES, LONGEST_LIFETIME, PAGE_BYTES, TicketKeys};
use crate::sys::guard::quietly;

/// The callback's answer for a ticket whose key is not known.
pub const NO_KEY: c_int = 0;
/// The callback's answer for a ticket that can be opened or made.
pub const READY: c_int = 1;
/// The callback's answer for a ticket that can be opened and is to be replaced by a new one.
pub const READY_AND_RENEW: c_int = 2;

/// The label under which a context's own keys are followed by others.
const OWN_LABEL: &[u8] = b"sslcache own ticket keys";

/// A SHA-256 digest.
type Digest = [u8; 32];

/// The tag that the MAC covers if a connection without a tag makes a ticket.
const MADE_IN_DOUBT: Tag = Tag([0; 32]);
/// The tag that the MAC covers if a connection without a tag opens a ticket. It differs from [`MADE_IN_DOUBT`], so that the
/// ticket does not open.
const OPENED_IN_DOUBT: Tag = Tag([0xff; 32]);

/// The tag that the MAC of a ticket covers.
fn covered(terms: &Terms, makes: bool) -> Tag {
    terms.tag.unwrap_or(match makes {
        true => MADE_IN_DOUBT,
        false => OPENED_IN_DOUBT,
    })
}

/// The tag that the MAC of a ticket covers, and the context of the connection. The inner `None`: names are not strict, so
/// the MAC covers no tag. The outer `None`: sslcache does not serve the connection's context.
///
/// # Safety
/// * `ssl` is a live connection inside its handshake.
pub unsafe fn tag_to_cover<'a>(ssl: *mut SSL, makes: c_int) -> Option<Option<(&'a Context, Tag)>> {
    // SAFETY: the caller keeps the connection alive.
    let ctx = unsafe { connections::session_context(ssl) }?;
    // SAFETY: the connection holds a reference to its context.
    let context = unsafe { known::met(ctx) }?;
    if !context.settings.strict_names {
        return Some(None);
    }
    // SAFETY: `ctx` is the SSL_CTX of `context`; the caller says that `ssl` is inside its handshake.
    let terms = unsafe { terms_of(context, ctx, ssl, makes != 0) };
    if makes == 0 {
        connections::note_resumed(ssl, true);
    }
    let tag = covered(&terms, makes != 0);
    Some(Some((context, tag)))
}

/// The terms of a connection that makes or opens a ticket.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `ssl` a live connection made from it, inside its handshake.
unsafe fn terms_of(context: &Context, ctx: *mut SSL_CTX, ssl: *mut SSL, makes: bool) -> Terms {
    // SAFETY: both are alive and the handshake is under way. libssl opens a ticket while it handles the ClientHello, as
    // `asked` requires, and makes one afterwards, as `made` requires.
    unsafe {
        match makes {
            true => decide::made(context, ctx, ssl),
            false => decide::asked(context, ctx, ssl),
        }
    }
}

/// The answer of the ticket-key callback, with shared keys or the context's own. `None` if the handshake has to go on
/// without a ticket.
///
/// # Safety
/// * The arguments are those of the host's ticket-key callback.
pub unsafe fn answer(
    ssl: *mut SSL,
    name: *mut u8,
    iv: *mut u8,
    pair: Pair,
    makes: c_int,
    orders: Option<Orders<'_>>,
) -> Option<c_int> {
    // SAFETY: the host passes a live connection.
    let ctx = unsafe { connections::session_context(ssl) }?;
    // SAFETY: the connection holds a reference to its context.
    let context = unsafe { known::met(ctx) }?;
    // SAFETY: `ctx` is the SSL_CTX of `context`, and the host calls from inside the handshake of `ssl`.
    let terms = unsafe { terms_of(context, ctx, ssl, makes != 0) };
    let ticket = Ticket {
        context,
        tickets: context.host.tickets.as_ref().ok()?,
        ctx,
        ssl,
        terms,
        pair,
        forgotten: orders.map_or(0, |orders| orders.forget.asked),
        may_share: orders.is_none_or(|orders| {
            quietly(|| {
                context
                    .libssl
                    .without_errors(|| obey(&orders, || fresh_key(context)))
            })
        }),
    };
    let (name, iv) = (name.cast::<KeyName>(), iv.cast::<Iv>());
    let answer = quietly(|| {
        context.libssl.without_errors(|| match makes {
            // SAFETY: the host passes the key name and the IV of a ticket, of these sizes.
            0 => ticket.open(unsafe { &*name }, unsafe { &*iv }),
            // SAFETY: the host passes buffers of these sizes, which nothing else uses during the call.
            _ => ticket.make(unsafe { &mut *name }, unsafe { &mut *iv }),
        })
    });
    if answer.is_none() {
        context.failed();
    }
    answer
}

/// A ticket that is being made or opened.
struct Ticket<'a> {
    context: &'a Context,
    tickets: &'a Tickets,
    ctx: *mut SSL_CTX,
    ssl: *mut SSL,
    terms: Terms,
    pair: Pair,
    /// The number of the last order to forget keys; 0 for none.
    forgotten: u64,
    /// False while keys that are to be forgotten cannot be: then only the context's own are used.
    may_share: bool,
}

impl Ticket<'_> {
    fn make(&self, name: &mut KeyName, iv: &mut Iv) -> Option<c_int> {
        let shared = self.shared_keys_for_making();
        self.tickets.fill(&self.context.origin, iv)?;
        let counters = &self.context.counters;
        let keys = match shared {
            Ok((keys, source)) => {
                login::note_ticket(iv);
                self.context.tickets.source.note(source);
                counters.tickets_made_shared.fetch_add(1, Relaxed);
                keys
            }
            Err(source) => {
                self.context.tickets.source.note(source);
                counters.tickets_made_own.fetch_add(1, Relaxed);
                self.own_keys()?
            }
        };
        *name = keys.name;
        self.prepare(&keys, iv, true)?;
        Some(READY)
    }

    fn open(&self, name: &KeyName, iv: &Iv) -> Option<c_int> {
        let own = self.own_keys()?;
        let counters = &self.context.counters;
        let (keys, is_current) = if own.name == *name {
            counters.tickets_opened_own.fetch_add(1, Relaxed);
            // The ticket was made while there was no shared key. If there is one now, the client gets a ticket that all
            // processes can open.
            let any = LocalCopy::change(|copy| {
                !copy.keys.is_empty() || copy.fleet.up_to_date().making(now()).is_some()
            }) == Some(true);
            (own, !any || self.group().is_err())
        } else {
            match self.shared_keys_for_opening(name, iv) {
                Some(found) => {
                    counters.tickets_opened_shared.fetch_add(1, Relaxed);
                    connections::note_resumed(self.ssl, true);
                    found
                }
                None => {
                    counters.tickets_unopened.fetch_add(1, Relaxed);
                    return Some(NO_KEY);
                }
            }
        };
        self.prepare(&keys, iv, false)?;
        // SAFETY: the host passes a live connection.
        let version = unsafe { version_of(self.context.libssl, self.ssl) };
        // In TLS 1.3 each connection gets a new ticket, as with libssl's own keys.
        Some(if is_current && version != TLS1_3_VERSION {
            READY
        } else {
            READY_AND_RENEW
        })
    }

    /// The context's own keys: those that libssl has made for it, or what follows them by an order.
    fn own_keys(&self) -> Option<Keys> {
        let made = self.keys_of_libssl()?;
        if self.forgotten == 0 {
            return Some(made);
        }
        let mut sum = Sha256::new();
        sum.update(OWN_LABEL);
        sum.update(made.name);
        sum.update(self.forgotten.to_be_bytes());
        let digest: Digest = sum.finalize().into();
        let name = *digest.first_chunk()?;
        self.tickets.derive(name, &made.code, &[OWN_LABEL, &digest])
    }

    /// The keys that libssl has made for this context.
    fn keys_of_libssl(&self) -> Option<Keys> {
        let mut all = Zeroizing::new([0_u8; size_of::<KeyName>() + 2 * size_of::<Key>()]);
        let (command, len) = (SSL_CTRL_GET_TLSEXT_TICKET_KEYS, all.len() as c_long);
        let place = all.as_mut_ptr().cast::<c_void>();
        // SAFETY: the connection holds a reference to `ctx`, and `place` has `len` bytes.
        let got = unsafe { (self.context.libssl.SSL_CTX_ctrl)(self.ctx, command, len, place) };
        let (name, keys) = all.split_first_chunk()?;
        let (code, cipher) = keys.split_first_chunk()?;
        (got == 1).then_some(Keys {
            name: *name,
            code: Zeroizing::new(*code),
            cipher: Zeroizing::new(*cipher.first_chunk()?),
        })
    }

    /// The shared keys for a ticket that is being made, and their source; where there are none, the source of the keys in
    /// their place.
    fn shared_keys_for_making(&self) -> Result<(Keys, KeySource), KeySource> {
        let (common, group) = self.group()?;
        let fleet = self.of_fleet(|keys| keys.making(now()).map(Secret::of_fleet));
        if let Some(keys) = fleet.and_then(|secret| self.derive(&secret, &group)) {
            return Ok((keys, KeySource::Fleet));
        }
        // SAFETY: the connection holds a reference to `ctx`.
        let timeout = unsafe { (self.tickets.SSL_CTX_get_timeout)(self.ctx) };
        let lifetime = timeout.clamp(0, c_long::from(LONGEST_LIFETIME)) as u32;
        let now = now();
        let known = LocalCopy::read(|copy| match copy.keys.making(now, lifetime) {
            Some(key) if copy.is_of(now) => Some(Secret::of(key)),
            _ => None,
        });
        let secret = known.or_else(|| {
            self.refresh(common, now, lifetime, true);
            LocalCopy::read(|copy| {
                let key = copy.keys.making(now, lifetime);
                let key = key.or_else(|| copy.keys.making_late(now, lifetime));
                key.map(Secret::of)
            })
        });
        let keys = secret.and_then(|secret| self.derive(&secret, &group));
        keys.map(|keys| (keys, KeySource::Shared))
            .ok_or(KeySource::Failed)
    }

    /// The answer to a question about the fleet's keys, if the setting asks for these.
    fn of_fleet<T>(&self, question: impl FnOnce(&FleetKeys) -> Option<T>) -> Option<T> {
        if self.context.settings.ticket_keys != config::TicketKeys::Fleet {
            return None;
        }
        LocalCopy::change(|copy| {
            copy.was_asked_for = true;
            question(copy.fleet.up_to_date())
        })
        .flatten()
    }

    fn shared_keys_for_opening(&self, name: &KeyName, iv: &Iv) -> Option<(Keys, bool)> {
        let (common, group) = self.group().ok()?;
        if self.terms.is_of_one_login && !login::has_made(iv) {
            return None;
        }
        let now = now();
        let of_fleet = self.of_fleet(|keys| {
            let key = keys.opening(name, now)?;
            let making = keys.making(now);
            let is_current = making.is_some_and(|making| making.name == key.name);
            Some((Secret::of_fleet(key), is_current))
        });
        if let Some((secret, is_current)) = of_fleet {
            return Some((self.derive(&secret, &group)?, is_current));
        }
        let find = |copy: &LocalCopy| {
            let (key, is_current) = copy.keys.opening(name, now)?;
            Some((Secret::of(key), is_current))
        };
        let known = LocalCopy::read(|copy| copy.is_of(now).then(|| find(copy))?);
        let (secret, is_current) = known.or_else(|| {
            self.refresh(common, now, 0, false);
            LocalCopy::read(find)
        })?;
        Some((self.derive(&secret, &group)?, is_current))
    }

    /// A digest of what connections must have in common to share ticket keys with this one; if it uses the keys of its
    /// context, the reason.
    fn group(&self) -> Result<(&'static Common, Digest), KeySource> {
        let settings = self.context.settings;
        if !settings.ticket_keys.are_common() {
            return Err(KeySource::Setting);
        }
        if !self.context.tickets.is_ours.load(Relaxed) {
            return Err(KeySource::Program);
        }
        if !self.may_share {
            return Err(KeySource::Failed);
        }
        let common = common().ok_or(KeySource::NoMemory)?;
        let name = match &settings.group {
            Group::Named(name) => name.as_bytes(),
            _ if self.terms.client == Client::Certified => return Err(KeySource::Certificates),
            _ => b"",
        };
        let tag = self.terms.tag.ok_or(KeySource::Untellable)?;
        let mut sum = Sha256::new();
        sum.update(tag.0);
        sum.update(name);
        Ok((common, sum.finalize().into()))
    }

    /// Brings the copy of this process up to date. If a ticket is to be made, the page gets a key for it if it has none.
    #[cold]
    fn refresh(&self, common: &Common, now: i64, lifetime: u32, makes: bool) {
        const { assert!(KEY_PAGE_BYTES <= PAGE_BYTES) };
        let failed_this_second =
            |copy: &LocalCopy| (copy.is_of(now) && !copy.was_reached).then_some(());
        if LocalCopy::read(failed_this_second).is_some() {
            // The region is tried only once a second: each attempt waits for its lock.
            return self.continue_alone(now, lifetime, makes);
        }
        let generation = LocalCopy::read(|copy| Some(copy.generation));
        let mut keys = TicketKeys::default();
        let mut follow = |fresh: Option<&FreshKey>| {
            let follow = |page: &mut [u8; PAGE_BYTES]| keys.follow(page, now, lifetime, fresh);
            let was_reached = common.region.with_key_page(follow).is_some();
            (
                was_reached,
                was_reached && keys.making(now, lifetime).is_none(),
            )
        };
        let (mut was_reached, lacks_key) = follow(None);
        // The key is made without the page's lock. Of two processes that make one at the same time, the second uses the
        // first one's.
        if makes
            && lacks_key
            && let Some(fresh) = fresh_key(self.context)
        {
            (was_reached, _) = follow(Some(&fresh));
        }
        LocalCopy::change(|copy| {
            copy.was_asked_for = true;
            if generation != Some(copy.generation) {
                return; // the keys were forgotten meanwhile
            }
            if was_reached {
                copy.keys.copy(&keys);
            }
            (copy.second, copy.was_reached) = (now, was_reached);
        });
        if !was_reached {
            self.continue_alone(now, lifetime, makes);
        }
    }

    /// Follows the schedule while the page cannot be reached: the next key is this process's alone. The present key is used
    /// for another minute first, because the page may be reached again by then.
    fn continue_alone(&self, now: i64, lifetime: u32, makes: bool) {
        let does = |copy: &LocalCopy| copy.keys.making_late(now, lifetime).map(|_| ());
        let fresh = match makes && LocalCopy::read(does).is_none() {
            true => fresh_key(self.context),
            false => None,
        };
        LocalCopy::change(|copy| copy.keys.go_on(now, lifetime, fresh.as_ref()));
    }

    fn derive(&self, secret: &Secret, group: &Digest) -> Option<Keys> {
        let info: [&[u8]; 2] = [secret.label, group];
        self.tickets.derive(secret.name, &secret.secret, &info)
    }

    fn prepare(&self, keys: &Keys, iv: &Iv, makes: bool) -> Option<()> {
        let origin = &self.context.origin;
        // SAFETY: `pair` has the host's own arguments, of the library context in `origin`.
        unsafe { self.tickets.prepare(origin, &self.pair, keys, iv, makes) }
    }
}

/// A key that was never used.
fn fresh_key(context: &Context) -> Option<FreshKey> {
    let mut fresh = FreshKey {
        name: Default::default(),
        secret: Default::default(),
    };
    let tickets = context.host.tickets.as_ref().ok()?;
    tickets.fill(&context.origin, &mut fresh.name)?;
    tickets.fill_with_secret(&context.origin, &mut fresh.secret)?;
    Some(fresh)
}
