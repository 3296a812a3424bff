//! One set of keys for the stateless tickets of all processes: SSLCACHE_TICKET_KEYS=shared.
//!
//! In libssl each context has keys of its own, made with it: of workers that make their contexts after the fork, none
//! opens another's tickets. With the setting, a context gets a ticket-key callback of ours, which does what libssl does
//! without one (AES-256-CBC, HMAC with SHA-256), with keys of all processes: they are derived from a secret in the
//! region, which has its turn and leaves ([`TicketKeys`]), and from the tag of the connection ([`alike`]). So connections
//! that differ in an access rule or in the server name never open each other's tickets.
//!
//! A context's own keys are used as ever where clients are asked for certificates (unless the group has a name), where
//! the tag of a connection cannot be told, and where there is no region. An application that sets keys or a
//! callback, or asks for the keys to give them to others, has the context's tickets to itself from then on.
//!
//! With SSLCACHE_STRICT_NAMES the tag is part of what the code over each ticket covers, whoever has made the keys: a
//! ticket that comes with another name, or under other rules, does not open.
//!
//! Each process keeps a copy of the keys, which is a second old at most: while somebody else has the region's lock, or
//! has died with it, handshakes go on. Where the region is not had for longer than that, keys have their turns all the
//! same, in each process for itself.

use core::ffi::{c_int, c_long, c_void};
use core::sync::atomic::Ordering;

use once_cell::race::OnceBox;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::alike::rule::{Client, Tag, Terms};
use super::alike::{decide, login};
use super::session::now;
use super::sharing::common::{Common, common};
use super::{Context, connections, known};
use crate::config::{self, Group, settings};
use crate::host::abi::*;
use crate::host::connection::version_of;
use crate::host::table::Tickets;
use crate::host::tickets::{Iv, Key, KeyName, Keys, Pair};
use crate::host::types::*;
use crate::shm::{FreshKey, KEY_PAGE_BYTES, LONGEST_LIFETIME, PAGE_BYTES, TicketKey, TicketKeys};
use crate::sys::guard::quietly;
use crate::sys::lock::Lock;
use crate::sys::no_dump::NoDump;

/// What the callback answers.
pub const NO_KEY: c_int = 0;
/// A ticket is opened, or made.
pub const READY: c_int = 1;
/// It is opened, and its client gets a new one.
pub const READY_AND_RENEW: c_int = 2;

/// Keeps what is derived from a secret here apart from anything else.
const LABEL: &[u8] = b"sslcache ticket keys 2";

/// A SHA-256 digest.
type Digest = [u8; 32];

/// What a code covers whose connection has no tag: of a ticket that is made, and of one that is to be opened, which is
/// another, so that it does not open.
const MADE_IN_DOUBT: Tag = Tag([0; 16]);
const OPENED_IN_DOUBT: Tag = Tag([0xff; 16]);

/// The tag that the code over a ticket covers.
fn covered(terms: &Terms, makes: bool) -> Tag {
    terms.tag.unwrap_or(match makes {
        true => MADE_IN_DOUBT,
        false => OPENED_IN_DOUBT,
    })
}

/// What the code over a ticket covers besides, where names are strict. `None` where the connection's context is not ours.
///
/// # Safety
/// * `ssl` is a live connection inside its handshake.
pub unsafe fn tag_to_cover<'a>(ssl: *mut SSL, makes: c_int) -> Option<Option<(&'a Context, Tag)>> {
    // SAFETY: the caller's contract.
    let ctx = unsafe { connections::session_context(ssl) }?;
    // SAFETY: the connection holds a reference to the context.
    let context = unsafe { known::met(ctx) }?;
    if !settings().strict_names {
        return Some(None);
    }
    // SAFETY: as above.
    let terms = unsafe { terms_of(context, ctx, ssl, makes != 0) };
    if makes == 0 {
        connections::note_resumed(ssl, true);
    }
    let tag = covered(&terms, makes != 0);
    Some(Some((context, tag)))
}

/// # Safety
/// * `ctx` is the SSL_CTX of `context`, `ssl` a live connection made from it, inside its handshake.
unsafe fn terms_of(context: &Context, ctx: *mut SSL_CTX, ssl: *mut SSL, makes: bool) -> Terms {
    // SAFETY: the caller's contract. A ticket is opened while the ClientHello is handled, and made after that.
    unsafe {
        match makes {
            true => decide::made(context, ctx, ssl),
            false => decide::asked(context, ctx, ssl),
        }
    }
}

/// Answers for a ticket whose keys are ours or libssl's own.
///
/// # Safety
/// * The arguments are those of the host's ticket-key callback.
pub unsafe fn answer(
    ssl: *mut SSL,
    name: *mut u8,
    iv: *mut u8,
    pair: Pair,
    makes: c_int,
) -> Option<c_int> {
    // SAFETY: the host passes a live connection.
    let ctx = unsafe { connections::session_context(ssl) }?;
    // SAFETY: the connection holds a reference to the context.
    let context = unsafe { known::met(ctx) }?;
    // SAFETY: as above.
    let terms = unsafe { terms_of(context, ctx, ssl, makes != 0) };
    let ticket = Ticket {
        context,
        tickets: context.host.tickets.as_ref().ok()?,
        ctx,
        ssl,
        terms,
        pair,
    };
    let (name, iv) = (name.cast::<KeyName>(), iv.cast::<Iv>());
    let answer = quietly(|| {
        context.libssl.without_errors(|| match makes {
            // SAFETY: the host passes the beginning of a ticket, which has both.
            0 => ticket.open(unsafe { &*name }, unsafe { &*iv }),
            // SAFETY: the host passes places of these sizes.
            _ => ticket.make(unsafe { &mut *name }, unsafe { &mut *iv }),
        })
    });
    if answer.is_none() {
        context.failed();
    }
    answer
}

/// A ticket that is made or opened.
struct Ticket<'a> {
    context: &'a Context,
    tickets: &'a Tickets,
    ctx: *mut SSL_CTX,
    ssl: *mut SSL,
    terms: Terms,
    pair: Pair,
}

impl Ticket<'_> {
    fn make(&self, name: &mut KeyName, iv: &mut Iv) -> Option<c_int> {
        let shared = self.shared_keys_for_making();
        self.tickets.fill(&self.context.origin, iv)?;
        if shared.is_some() {
            login::note_ticket(iv);
        }
        let keys = match shared {
            Some(keys) => keys,
            None => self.own_keys()?,
        };
        *name = keys.name;
        self.prepare(&keys, iv, true)?;
        Some(READY)
    }

    fn open(&self, name: &KeyName, iv: &Iv) -> Option<c_int> {
        let own = self.own_keys()?;
        let (keys, has_turn) = if own.name == *name {
            // Made while there was no shared key; where there is one now, the client gets a ticket that all can open.
            let any = Copied::ask(|copied| Some(!copied.keys.is_empty())) == Some(true);
            (own, !any || self.group().is_none())
        } else {
            match self.shared_keys_for_opening(name, iv) {
                Some(found) => {
                    connections::note_resumed(self.ssl, true);
                    found
                }
                None => return Some(NO_KEY),
            }
        };
        self.prepare(&keys, iv, false)?;
        // SAFETY: the host passes a live connection.
        let version = unsafe { version_of(self.context.libssl, self.ssl) };
        // TLS 1.3 has a new ticket for each connection: so libssl does with its own keys.
        Some(if has_turn && version != TLS1_3_VERSION {
            READY
        } else {
            READY_AND_RENEW
        })
    }

    /// The keys that libssl has made for this context.
    fn own_keys(&self) -> Option<Keys> {
        let mut all = Zeroizing::new([0_u8; size_of::<KeyName>() + 2 * size_of::<Key>()]);
        let (command, len) = (SSL_CTRL_GET_TLSEXT_TICKET_KEYS, all.len() as c_long);
        let place = all.as_mut_ptr().cast::<c_void>();
        // SAFETY: the context is alive, and the place is as large as said.
        let got = unsafe { (self.context.libssl.SSL_CTX_ctrl)(self.ctx, command, len, place) };
        let (name, keys) = all.split_first_chunk()?;
        let (code, cipher) = keys.split_first_chunk()?;
        (got == 1).then_some(Keys {
            name: *name,
            code: Zeroizing::new(*code),
            cipher: Zeroizing::new(*cipher.first_chunk()?),
        })
    }

    fn shared_keys_for_making(&self) -> Option<Keys> {
        let (common, group) = self.group()?;
        // SAFETY: the context is alive.
        let timeout = unsafe { (self.tickets.SSL_CTX_get_timeout)(self.ctx) };
        let lifetime = timeout.clamp(0, c_long::from(LONGEST_LIFETIME)) as u32;
        let now = now();
        let known = Copied::ask(|copied| match copied.keys.making(now, lifetime) {
            Some(key) if copied.is_of(now) => Some(Secret::of(key)),
            _ => None,
        });
        let secret = known.or_else(|| {
            self.look(common, now, lifetime, true);
            Copied::ask(|copied| {
                let key = copied.keys.making(now, lifetime);
                let key = key.or_else(|| copied.keys.making_late(now, lifetime));
                key.map(Secret::of)
            })
        })?;
        self.derive(&secret, &group)
    }

    fn shared_keys_for_opening(&self, name: &KeyName, iv: &Iv) -> Option<(Keys, bool)> {
        let (common, group) = self.group()?;
        if self.terms.is_of_one_login && !login::has_made(iv) {
            return None;
        }
        let now = now();
        let find = |copied: &Copied| {
            let (key, has_turn) = copied.keys.opening(name, now)?;
            Some((Secret::of(key), has_turn))
        };
        let known = Copied::ask(|copied| copied.is_of(now).then(|| find(copied))?);
        let (secret, has_turn) = known.or_else(|| {
            self.look(common, now, 0, false);
            Copied::ask(find)
        })?;
        Some((self.derive(&secret, &group)?, has_turn))
    }

    /// With whom this connection shares the keys of its tickets, if with anybody.
    fn group(&self) -> Option<(&'static Common, Digest)> {
        let settings = settings();
        let is_ours = self.context.tickets.is_ours.load(Ordering::Relaxed);
        if !is_ours || settings.ticket_keys != config::TicketKeys::Shared {
            return None;
        }
        let (common, tag) = (common()?, self.terms.tag?);
        let name = match &settings.group {
            Group::Named(name) => name.as_bytes(),
            _ if self.terms.client == Client::Certified => return None,
            _ => b"",
        };
        let mut sum = Sha256::new();
        sum.update(tag.0);
        sum.update(name);
        Some((common, sum.finalize().into()))
    }

    /// Brings the copy of this process up to date; where a ticket is to be made, with a key for it.
    #[cold]
    fn look(&self, common: &Common, now: i64, lifetime: u32, makes: bool) {
        const { assert!(KEY_PAGE_BYTES <= PAGE_BYTES) };
        let tried_in_vain = |copied: &Copied| (copied.is_of(now) && !copied.was_had).then_some(());
        if Copied::ask(tried_in_vain).is_some() {
            // It takes time, and so not more than once a second.
            return self.go_on_alone(now, lifetime, makes);
        }
        let mut keys = TicketKeys::default();
        let mut follow = |fresh: Option<&FreshKey>| {
            let follow = |page: &mut [u8; PAGE_BYTES]| keys.follow(page, now, lifetime, fresh);
            let was_had = common.region.with_key_page(follow).is_some();
            (was_had, was_had && keys.making(now, lifetime).is_none())
        };
        let (mut was_had, lacks_key) = follow(None);
        // Made while nobody waits for the page; two who make one at the same time use the one that comes first.
        if makes
            && lacks_key
            && let Some(fresh) = self.fresh_key()
        {
            (was_had, _) = follow(Some(&fresh));
        }
        Copied::change(|copied| {
            if was_had {
                copied.keys.copy(&keys);
            }
            (copied.second, copied.was_had) = (now, was_had);
        });
        if !was_had {
            self.go_on_alone(now, lifetime, makes);
        }
    }

    /// Keeps to the turns of keys while the page cannot be had: the next key is this process's alone. For a minute the
    /// present one does, as the page may be had again then.
    fn go_on_alone(&self, now: i64, lifetime: u32, makes: bool) {
        let does = |copied: &Copied| copied.keys.making_late(now, lifetime).map(|_| ());
        let fresh = match makes && Copied::ask(does).is_none() {
            true => self.fresh_key(),
            false => None,
        };
        Copied::change(|copied| copied.keys.go_on(now, lifetime, fresh.as_ref()));
    }

    fn fresh_key(&self) -> Option<FreshKey> {
        let mut fresh = FreshKey {
            name: Default::default(),
            secret: Default::default(),
        };
        let origin = &self.context.origin;
        self.tickets.fill(origin, &mut fresh.name)?;
        self.tickets.fill_with_secret(origin, &mut fresh.secret)?;
        Some(fresh)
    }

    fn derive(&self, secret: &Secret, group: &Digest) -> Option<Keys> {
        let info: [&[u8]; 2] = [LABEL, group];
        self.tickets.derive(secret.name, &secret.secret, &info)
    }

    fn prepare(&self, keys: &Keys, iv: &Iv, makes: bool) -> Option<()> {
        let origin = &self.context.origin;
        // SAFETY: the host's own arguments, and what its context was made with.
        unsafe { self.tickets.prepare(origin, &self.pair, keys, iv, makes) }
    }
}

/// What the keys of all groups are derived from.
struct Secret {
    name: KeyName,
    secret: Zeroizing<Key>,
}

impl Secret {
    fn of(key: &TicketKey) -> Self {
        Self {
            name: key.name,
            secret: Zeroizing::new(key.secret),
        }
    }
}

/// The copy of this process.
struct Copied {
    keys: TicketKeys,
    /// When the page was last asked for.
    second: i64,
    /// Whether it was had then.
    was_had: bool,
}

impl Copied {
    fn is_of(&self, second: i64) -> bool {
        self.second == second
    }

    /// `None` without memory.
    fn place() -> Option<&'static Lock<NoDump<Self>>> {
        static PLACE: OnceBox<Option<Lock<NoDump<Copied>>>> = OnceBox::new();
        let make = || {
            let empty = Self {
                keys: TicketKeys::default(),
                second: i64::MIN,
                was_had: false,
            };
            Box::new(NoDump::new(empty).ok().map(Lock::new))
        };
        PLACE.get_or_init(make).as_ref()
    }

    fn change<T>(change: impl FnOnce(&mut Self) -> T) -> Option<T> {
        Some(change(&mut **Self::place()?.lock()?))
    }

    fn ask<T>(question: impl FnOnce(&Self) -> Option<T>) -> Option<T> {
        Self::change(|copied| question(copied)).flatten()
    }
}
