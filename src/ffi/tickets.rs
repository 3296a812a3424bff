//! One set of keys for the stateless tickets of all processes: SSLCACHE_TICKET_KEYS=shared.
//!
//! In libssl each context has keys of its own, made with it: of workers that make their contexts after the fork, none
//! opens another's tickets. With the setting, a context gets a ticket-key callback of ours, which does what libssl does
//! without one (AES-256-CBC, HMAC with SHA-256), with keys of all processes: they are derived from a secret in the
//! region, which has its turn and leaves ([`TicketKeys`]), and the context's fingerprint. So contexts that differ in
//! certificate, session id context, protocol settings or options never open each other's tickets.
//!
//! A context's own keys are used as ever where it has no certificate or asks for those of clients (unless the group has
//! a name), and while the region cannot be had. An application that sets keys or a callback, or asks for the keys to give them to others,
//! has the context's tickets to itself from then on.
//!
//! Each process keeps a copy of the keys, which is a second old at most: while somebody else has the region's lock, or
//! has died with it, handshakes go on.

use core::ffi::{c_int, c_long, c_void};
use core::sync::atomic::{AtomicBool, Ordering};

use once_cell::race::OnceBox;
use zeroize::Zeroizing;

use super::attach::{attached, session_context};
use super::callbacks::version_of;
use super::fingerprint::{self, Client, Digest, Traits};
use super::guard::{guard, quietly};
use super::sharing::{Common, common};
use super::store::{Store, now};
use crate::config::{self, settings};
use crate::host::abi::*;
use crate::host::table::Tickets;
use crate::host::tickets::{Iv, Key, KeyName, Keys, Pair};
use crate::host::types::*;
use crate::lock::Lock;
use crate::tier::{
    FreshKey, KEY_PAGE_BYTES, LONGEST_LIFETIME, PAGE_BYTES, TicketKey, TicketKeys, Undumped,
};

/// What the callback answers.
const NO_KEY: c_int = 0;
const READY: c_int = 1;
const READY_AND_RENEW: c_int = 2;

/// Keeps what is derived from a secret here apart from anything else.
const LABEL: &[u8] = b"sslcache ticket keys 1";

/// A fingerprint, if there is one, and the traits by which it was taken.
type Group = (Traits, Option<Digest>);

/// What a context has to do with shared keys.
pub struct TicketSharing {
    /// Whether its ticket-key callback is ours.
    is_ours: AtomicBool,
    /// Its fingerprint for clients who are asked for no certificate, and for others; and by which traits it was taken.
    groups: [Lock<Option<Group>>; 2],
}

impl Default for TicketSharing {
    fn default() -> Self {
        Self {
            is_ours: AtomicBool::new(false),
            groups: [const { Lock::new(None) }; 2],
        }
    }
}

impl Store {
    /// Puts our callback into a context, where that is asked for.
    ///
    /// # Safety
    /// * `ctx` is the context of this store, just made.
    pub unsafe fn share_ticket_keys(&self, ctx: *mut SSL_CTX) {
        if settings().ticket_keys == config::TicketKeys::Shared
            && let Ok(tickets) = &self.host.tickets
        {
            // SAFETY: the caller's contract.
            let set =
                unsafe { (tickets.SSL_CTX_set_tlsext_ticket_key_evp_cb)(ctx, Some(on_ticket)) };
            self.tickets.is_ours.store(set == 1, Ordering::Relaxed);
        }
    }

    /// Leaves the tickets of a context to its application, whose keys or older callback libssl would not ask while
    /// there is ours.
    ///
    /// # Safety
    /// * `ctx` is the live context of this store.
    pub unsafe fn leave_ticket_keys(&self, ctx: *mut SSL_CTX) {
        if self.forget_ticket_keys()
            && let Ok(tickets) = &self.host.tickets
        {
            // SAFETY: the caller's contract.
            unsafe { (tickets.SSL_CTX_set_tlsext_ticket_key_evp_cb)(ctx, None) };
        }
    }

    /// Takes note that the callback of the context is no longer ours; whether it was.
    pub fn forget_ticket_keys(&self) -> bool {
        // Relaxed: whoever sets callbacks while another thread does is as lost with libssl.
        self.tickets.is_ours.swap(false, Ordering::Relaxed)
    }
}

/// The host makes or opens a ticket.
unsafe extern "C-unwind" fn on_ticket(
    ssl: *mut SSL,
    name: *mut u8,
    iv: *mut u8,
    cipher: *mut EVP_CIPHER_CTX,
    code: *mut EVP_MAC_CTX,
    makes: c_int,
) -> c_int {
    guard(NO_KEY, || {
        // SAFETY: the host passes a live connection.
        let ctx = unsafe { session_context(ssl) }?;
        // SAFETY: the connection holds a reference to the context.
        let store = unsafe { attached(ctx) }?;
        let ticket = Ticket {
            store: &store,
            tickets: store.host.tickets.as_ref().ok()?,
            ctx,
            ssl,
            pair: Pair { cipher, code },
        };
        let (name, iv) = (name.cast::<KeyName>(), iv.cast::<Iv>());
        let answer = quietly(|| {
            store.libssl.without_errors(|| match makes {
                // SAFETY: the host passes the beginning of a ticket, which has both.
                0 => ticket.open(unsafe { &*name }, unsafe { &*iv }),
                // SAFETY: the host passes places of these sizes.
                _ => ticket.make(unsafe { &mut *name }, unsafe { &mut *iv }),
            })
        });
        if answer.is_none() {
            store.failed();
        }
        answer
    })
}

/// A ticket that is made or opened.
struct Ticket<'a> {
    store: &'a Store,
    tickets: &'a Tickets,
    ctx: *mut SSL_CTX,
    ssl: *mut SSL,
    pair: Pair,
}

impl Ticket<'_> {
    fn make(&self, name: &mut KeyName, iv: &mut Iv) -> Option<c_int> {
        let keys = match self.shared_keys_for_making() {
            Some(keys) => keys,
            None => self.own_keys()?,
        };
        self.tickets.fill(&self.store.origin, iv)?;
        *name = keys.name;
        self.prepare(&keys, iv, true)?;
        Some(READY)
    }

    fn open(&self, name: &KeyName, iv: &Iv) -> Option<c_int> {
        let own = self.own_keys()?;
        let (keys, has_turn) = if own.name == *name {
            // Made while there was no shared key; where there is one now, the client gets a ticket that all can open.
            let any = Copied::ask(|copied| copied.keys.newest().map(|_| ())).is_some();
            (own, !any || self.group().is_none())
        } else {
            match self.shared_keys_for_opening(name) {
                Some(found) => found,
                None => return Some(NO_KEY),
            }
        };
        self.prepare(&keys, iv, false)?;
        // SAFETY: the host passes a live connection.
        let version = unsafe { version_of(self.store.libssl, self.ssl) };
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
        let got = unsafe { (self.store.libssl.SSL_CTX_ctrl)(self.ctx, command, len, place) };
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
            // If nobody can give it a successor now, one whose turn is over has to do.
            Copied::ask(|copied| copied.keys.newest().map(Secret::of))
        })?;
        self.derive(&secret, &group)
    }

    fn shared_keys_for_opening(&self, name: &KeyName) -> Option<(Keys, bool)> {
        let (common, group) = self.group()?;
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
        let common = common()?;
        // SAFETY: context and connection are alive. What the connection asks counts.
        let (traits, client) = unsafe {
            (
                fingerprint::traits_of(self.store, self.ctx)?,
                Client::of_connection(self.store.host, self.ssl),
            )
        };
        let known = &self.store.tickets.groups[client as usize];
        let mut known = known.lock()?;
        if let Some((of, digest)) = *known
            && of == traits
        {
            return Some((common, digest?));
        }
        // SAFETY: the context of this store, alive.
        let digest = unsafe { fingerprint::digest_of(self.store, self.ctx, client, settings()) };
        *known = Some((traits, digest));
        Some((common, digest?))
    }

    /// Brings the copy of this process up to date; where a ticket is to be made, with a key for it.
    #[cold]
    fn look(&self, common: &Common, now: i64, lifetime: u32, makes: bool) {
        const { assert!(KEY_PAGE_BYTES <= PAGE_BYTES) };
        let tried_in_vain = |copied: &Copied| (copied.is_of(now) && !copied.was_had).then_some(());
        if Copied::ask(tried_in_vain).is_some() {
            return; // it takes time, and so not more than once a second
        }
        let mut keys = TicketKeys::default();
        let mut follow = |fresh: Option<&FreshKey>| {
            let follow = |page: &mut [u8; PAGE_BYTES]| keys.follow(page, now, lifetime, fresh);
            let was_had = common.region.with_page(follow).is_some();
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
    }

    fn fresh_key(&self) -> Option<FreshKey> {
        let mut fresh = FreshKey {
            name: [0; _],
            secret: [0; _],
        };
        let origin = &self.store.origin;
        self.tickets.fill(origin, &mut fresh.name)?;
        self.tickets.fill_with_secret(origin, &mut fresh.secret)?;
        Some(fresh)
    }

    fn derive(&self, secret: &Secret, group: &Digest) -> Option<Keys> {
        let info: [&[u8]; 2] = [LABEL, group];
        self.tickets.derive(secret.name, &secret.secret, &info)
    }

    fn prepare(&self, keys: &Keys, iv: &Iv, makes: bool) -> Option<()> {
        let origin = &self.store.origin;
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
    fn place() -> Option<&'static Lock<Undumped<Self>>> {
        static PLACE: OnceBox<Option<Lock<Undumped<Copied>>>> = OnceBox::new();
        let make = || {
            let empty = Self {
                keys: TicketKeys::default(),
                second: i64::MIN,
                was_had: false,
            };
            Box::new(Undumped::new(empty).ok().map(Lock::new))
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
