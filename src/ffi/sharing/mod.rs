//! One cache for all worker processes: the way from a context's own cache to the shared region.
//!
//! The region is mapped when the first context is made, so that children inherit it; nothing is written to it before a
//! process forks. From then on it is the authority: a session of the own cache counts only while the region still has
//! it, and spares the decoding. By default one and the same context shares, that is, in all processes that descend
//! from the one that made it: its realm is a number that no other context has. With a group, or a region with a name,
//! contexts share that are configured alike. In either case a session goes only to connections that are [`alike`](super::alike)
//! to the one that made it.
//!
//! * Some sessions stay in their process, in a cache of their own, where nobody else has a say: those that the
//!   application keeps data with (as bytes they would lose it), those of clients (which are never looked up), those with
//!   a peer's certificate where the group has no name, and those for which the region has no room. What the region may
//!   have all the same is not kept: it could be used up twice.
//! * What was cached before the first fork is handed to the region by whichever process comes first, and by that one
//!   alone: two might hand over a session that one has used up. Meanwhile the others go on with the copies that
//!   they inherited, but use none of them up. Whoever has waited for too long ends it: what is removed then stays so.
//! * A removal or a flush is final when its call returns: the region sees to that where a lock is not had, and what is
//!   being handed over meanwhile stays where it is.

mod calls;
mod common;
mod inheritance;
mod private;

use core::hash::{Hash, Hasher};
use core::sync::atomic::{AtomicBool, Ordering};
use std::hash::DefaultHasher;
use std::time::Instant;

use once_cell::race::OnceBox;
use sha2::{Digest as _, Sha256};
use smallvec::{SmallVec, smallvec};

use super::alike::{Client, Rule, Terms, rule_of_context};
use super::guard::{attempt, quietly};
use super::store::Store;
use crate::config::{Group, Settings, TicketKeys, settings};
use crate::host::types::SSL_CTX;
use crate::shm::{Election, Partition, PartitionId, Region};
use crate::sys::lock::Lock;
pub use calls::any_is_shared;
pub use common::{Common, common, is_named, make_early};
use common::{Point, place};
use private::Private;

/// How a context shares its sessions.
pub struct Sharing {
    made: Point,
    /// The realm of this one context, which it has from its beginning: a child must find the same.
    realm: Option<PartitionId>,
    /// Its place in the region as one context.
    alone: OnceBox<Partition<'static>>,
    /// Its places in the region as one of a group, and by which traits.
    in_group: Lock<Option<Grouped>>,
    /// Who hands over what it had before the fork; from the first session on.
    lot: OnceBox<Option<Election>>,
    /// Whether what it had before the fork is handed over.
    settled: AtomicBool,
    /// Since when it waits for the process that hands over.
    waits_since: OnceBox<Instant>,
    private: Private,
    /// Whether the application has set a size.
    sized: AtomicBool,
}

/// The places of a context among its like, by what is asked of a client.
#[derive(Clone, Copy)]
struct Grouped {
    rule: Rule,
    /// How often its session id context had been set.
    id_context: u32,
    /// `None` inside where it may share with none, outside where that is not known yet.
    places: [Option<Option<Partition<'static>>>; 2],
}

impl Sharing {
    /// For a context that has just been made, whose cache holds `size` sessions.
    pub fn new(size: usize) -> Self {
        Self {
            made: Point::now(),
            realm: common().map(|common| common.region.fresh_id()),
            alone: OnceBox::new(),
            in_group: Lock::new(None),
            lot: OnceBox::new(),
            settled: AtomicBool::new(false),
            waits_since: OnceBox::new(),
            private: Private::new(size),
            sized: AtomicBool::new(false),
        }
    }
}

impl Sharing {
    /// The same for this context in all processes that were forked with it, and for no other context; 0 where there is
    /// no memory that processes share.
    pub fn origin(&self) -> u64 {
        self.realm.map_or(0, |realm| {
            let mut hasher = DefaultHasher::new();
            realm.hash(&mut hasher);
            hasher.finish()
        })
    }
}

/// Where a session goes that is added.
#[derive(Clone, Copy)]
pub struct Way {
    /// How far the cache reaches for it.
    pub reach: Reach,
    /// Whether it is a server's, which others may look up.
    pub to_all: bool,
    /// On which terms they may have it.
    pub terms: Terms,
}

/// How far a context's cache reaches at this moment.
#[derive(Clone, Copy)]
pub enum Reach {
    /// It is this process's alone.
    Own,
    /// Another process is handing over what was cached before the fork, or begins just now.
    Unsettled(Partition<'static>),
    /// The region has the last word.
    Shared(Partition<'static>),
}

impl Reach {
    /// The place in the region, where there is one.
    pub fn share(self) -> Option<Partition<'static>> {
        match self {
            Self::Own => None,
            Self::Unsettled(share) | Self::Shared(share) => Some(share),
        }
    }
}

/// Whether anything is asked for that needs to know contexts by what they have in common.
pub fn asks_for_id_contexts() -> bool {
    let settings = quietly(settings);
    settings.region.is_some()
        || settings.group != Group::None
        || settings.ticket_keys == TicketKeys::Shared
}

/// Where the context's sessions are shared.
impl Store {
    /// How far the cache of this context reaches now, for sessions of clients of whom this is asked.
    pub fn reach(&self, ctx: *mut SSL_CTX, client: Client) -> Reach {
        let Some(common) = common() else {
            return Reach::Own;
        };
        match attempt(|| self.share_in_group(ctx, &common.region, client)) {
            Some(share) => Reach::Shared(share),
            None => self.reach_alone(ctx, common),
        }
    }

    /// How far it reaches for any session: two ways, where contexts share by what they ask of clients.
    pub fn reaches(&self, ctx: *mut SSL_CTX) -> SmallVec<[Reach; 2]> {
        let Some(common) = common().filter(|_| self.may_group()) else {
            return smallvec![self.reach(ctx, Client::Anybody)];
        };
        let in_group = |client| attempt(|| self.share_in_group(ctx, &common.region, client));
        let both = [Client::Anybody, Client::Certified].map(in_group);
        let shares = both.into_iter().flatten();
        let mut reaches: SmallVec<[Reach; 2]> = shares.map(Reach::Shared).collect();
        if reaches.len() < both.len() {
            reaches.push(self.reach_alone(ctx, common));
        }
        reaches
    }

    fn reach_alone(&self, ctx: *mut SSL_CTX, common: &'static Common) -> Reach {
        let Some(realm) = self.sharing.realm.filter(|_| self.has_forked()) else {
            return Reach::Own;
        };
        let Some(share) = attempt(|| self.share_alone(&common.region, realm)) else {
            return Reach::Own; // no room for one more realm
        };
        let is_settled = || {
            self.sharing.settled.load(Ordering::Acquire)
                || share.is_placed() && self.settle(ctx, common, share)
        };
        if is_settled() {
            Reach::Shared(share)
        } else {
            Reach::Unsettled(share)
        }
    }

    fn share_alone(
        &self,
        region: &'static Region,
        realm: PartitionId,
    ) -> Option<Partition<'static>> {
        let alone = &self.sharing.alone;
        if let Some(&share) = alone.get() {
            return Some(share);
        }
        let share = place(region, realm, self.cache.capacity())?;
        if share.is_placed() {
            let _ = alone.set(Box::new(share)); // another thread has set the same
        }
        Some(share)
    }

    /// The places of this context in the region, as far as they are known by now.
    pub(super) fn known_shares(&self) -> SmallVec<[Partition<'static>; 2]> {
        let in_group = self.sharing.in_group.lock().and_then(|known| *known);
        let places = in_group.map_or([None; 2], |known| known.places);
        let alone = self.sharing.alone.get().copied();
        places
            .into_iter()
            .flatten()
            .flatten()
            .chain(alone)
            .collect()
    }

    fn share_in_group(
        &self,
        ctx: *mut SSL_CTX,
        region: &'static Region,
        client: Client,
    ) -> Option<Partition<'static>> {
        if !self.may_group() {
            return None;
        }
        if !self.can_be_asked() {
            return (*self.sharing.in_group.lock()?)?.places[client as usize]?;
        }
        let has_certificate = self.host.traits.SSL_CTX_get0_certificate?;
        // SAFETY: the context of this store, alive while it is called, which can be asked.
        if unsafe { has_certificate(ctx) }.is_null() {
            return None; // it is being set up, or a client's
        }
        let rule = rule_of_context(self, ctx)?;
        let id_context = self.id_context.changes();
        let mut known = self.sharing.in_group.lock()?;
        let mut grouped = known
            .filter(|known| known.rule == rule && known.id_context == id_context)
            .unwrap_or(Grouped {
                rule,
                id_context,
                places: [None; 2],
            });
        if let Some(place) = grouped.places[client as usize] {
            return place;
        }
        let realm = self.realm_in_group(&rule, client, settings());
        let share = realm.and_then(|realm| place(region, realm, self.cache.capacity()));
        if let Some(share) = share
            && self.sharing.sized.load(Ordering::Relaxed)
        {
            share.set_capacity(self.cache.capacity());
        }
        // One that found no room, or no time, tries again.
        let is_known = share.map_or(realm.is_none(), |share| share.is_placed());
        if is_known {
            grouped.places[client as usize] = Some(share);
            *known = Some(grouped);
        }
        share
    }

    /// The realm that the context shares with its like, for the sessions of clients of whom this is asked; `None` where
    /// it may share them with none: where client certificates are asked for, only a group with a name shares.
    fn realm_in_group(
        &self,
        rule: &Rule,
        client: Client,
        settings: &Settings,
    ) -> Option<PartitionId> {
        let name = match &settings.group {
            Group::Named(name) => name.as_bytes(),
            _ if client == Client::Certified => return None,
            _ => b"",
        };
        let id_context = self.id_context.get()?;
        let mut sum = Sha256::new();
        sum.update(b"sslcache group 4");
        sum.update(rule.digest);
        sum.update([client as u8, id_context.len() as u8]);
        sum.update(id_context);
        sum.update(name);
        let digest: [u8; 32] = sum.finalize().into();
        Some(PartitionId::named(u128::from_be_bytes(
            *digest.first_chunk()?,
        )))
    }

    /// What tells the processes that were forked with this context from all others.
    pub fn kin(&self) -> [u8; 16] {
        let (low, high) = self
            .sharing
            .realm
            .map_or((self.serial, 0_u64), PartitionId::words);
        let mut kin = [0; 16];
        kin[..8].copy_from_slice(&low.to_be_bytes());
        kin[8..].copy_from_slice(&high.to_be_bytes());
        kin
    }

    /// Whether groups are asked for, or a region with a name that can be used.
    pub fn may_group(&self) -> bool {
        settings().group != Group::None || common::is_named()
    }
}
