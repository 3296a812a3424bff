//! One cache for all worker processes: the way from a context's own cache to the shared region.
//!
//! The region is mapped when the first context is made, so that children inherit it; nothing is written to it before a
//! process forks. From then on it is the authority: a session of the own cache counts only while the region still has
//! it, and spares the decoding. By default one and the same context shares, that is, in all processes that descend
//! from the one that made it: its realm is a number that no other context has. With a group, or a region with a name,
//! contexts of equal [`fingerprint`] share.
//!
//! * Some sessions stay in their process, in a cache of their own, where nobody else has a say: those that the
//!   application keeps data with (as bytes they would lose it), those of clients (which are never looked up), those with
//!   a peer's certificate where the group has no name, and those for which the region has no room. What the region may
//!   have all the same is not kept: it could be used up twice.
//! * What was cached before the first fork is handed to the region by whichever process comes first, and by that one
//!   alone: two might hand over a session that one has used up. Meanwhile the others go on with the copies that
//!   they inherited, but use none of them up. Whoever has waited for too long ends it: what is removed then stays so.
//! * A removal for which the region had no time is made up for with the next call; until then the session is not found
//!   in this process.

mod calls;
mod common;
mod deferred;
mod inheritance;
mod private;

use core::hash::{Hash, Hasher};
use core::sync::atomic::{AtomicBool, Ordering};
use std::hash::DefaultHasher;
use std::time::Instant;

use once_cell::race::OnceBox;
use smallvec::{SmallVec, smallvec};

use super::fingerprint::{self, Client, Traits};
use super::guard::attempt;
use super::store::Store;
use crate::config::{Group, settings};
use crate::host::types::SSL_CTX;
use crate::lock::Lock;
use crate::tier::{Lot, Realm, Region, Share};
pub use calls::any_is_shared;
use common::Point;
pub use common::{Common, common, is_named, make_early};
use deferred::Deferred;
use private::Private;

/// How a context shares its sessions.
pub struct Sharing {
    made: Point,
    /// The realm of this one context, which it has from its beginning: a child must find the same.
    realm: Option<Realm>,
    /// Its place in the region as one context.
    alone: OnceBox<Share<'static>>,
    /// Its places in the region as one of a group, and by which traits.
    in_group: Lock<Option<Grouped>>,
    /// Who hands over what it had before the fork; from the first session on.
    lot: OnceBox<Option<Lot>>,
    /// Whether what it had before the fork is handed over.
    settled: AtomicBool,
    /// Since when it waits for the process that hands over.
    waits_since: OnceBox<Instant>,
    private: Private,
    deferred: Deferred,
    /// Whether the application has set a size.
    sized: AtomicBool,
}

/// The places of a context among its like, by what is asked of a client.
#[derive(Clone, Copy)]
struct Grouped {
    traits: Traits,
    /// `None` inside where it may share with none, outside where that is not known yet.
    places: [Option<Option<Share<'static>>>; 2],
}

impl Sharing {
    /// For a context that has just been made, whose cache holds `size` sessions.
    pub fn new(size: usize) -> Self {
        Self {
            made: Point::now(),
            realm: common().map(|common| common.region.fresh_realm()),
            alone: OnceBox::new(),
            in_group: Lock::new(None),
            lot: OnceBox::new(),
            settled: AtomicBool::new(false),
            waits_since: OnceBox::new(),
            private: Private::new(size),
            deferred: Deferred::new(),
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

/// How far a context's cache reaches at this moment.
#[derive(Clone, Copy)]
pub enum Reach {
    /// It is this process's alone.
    Own,
    /// Another process is handing over what was cached before the fork, or begins just now.
    Unsettled(Share<'static>),
    /// The region has the last word.
    Shared(Share<'static>),
}

impl Reach {
    /// The place in the region, where there is one.
    pub fn share(self) -> Option<Share<'static>> {
        match self {
            Self::Own => None,
            Self::Unsettled(share) | Self::Shared(share) => Some(share),
        }
    }
}

/// Where the context's sessions are shared.
impl Store {
    /// How far the cache of this context reaches now, for sessions of clients of whom this is asked.
    pub fn reach(&self, ctx: *mut SSL_CTX, client: Client) -> Reach {
        let Some(common) = common() else {
            return Reach::Own;
        };
        match attempt(|| self.share_in_group(ctx, &common.region, client)) {
            Some(share) => self.shared(share),
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
        let mut reaches: SmallVec<[Reach; 2]> = shares.map(|share| self.shared(share)).collect();
        if reaches.len() < both.len() {
            reaches.push(self.reach_alone(ctx, common));
        }
        reaches
    }

    fn shared(&self, share: Share<'static>) -> Reach {
        // What is being handed over would come back.
        let settled = self.sharing.settled.load(Ordering::Acquire);
        let may = |share: Share<'_>| settled || self.sharing.realm != Some(share.realm());
        attempt(|| {
            self.sharing.deferred.make_up(may);
            Some(())
        });
        Reach::Shared(share)
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
            self.shared(share)
        } else {
            Reach::Unsettled(share)
        }
    }

    fn share_alone(&self, region: &'static Region, realm: Realm) -> Option<Share<'static>> {
        let alone = &self.sharing.alone;
        if let Some(&share) = alone.get() {
            return Some(share);
        }
        let share = region.share(realm, self.cache.capacity())?;
        if share.is_placed() {
            let _ = alone.set(Box::new(share)); // another thread has set the same
        }
        Some(share)
    }

    /// The places of this context in the region, as far as they are known by now.
    pub(super) fn known_shares(&self) -> SmallVec<[Share<'static>; 2]> {
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
    ) -> Option<Share<'static>> {
        if !self.may_group() {
            return None;
        }
        if !self.can_be_asked() {
            return (*self.sharing.in_group.lock()?)?.places[client as usize]?;
        }
        // SAFETY: the context of this store, alive while it is called, which can be asked.
        let traits = unsafe { fingerprint::traits_of(self, ctx) }?;
        let mut known = self.sharing.in_group.lock()?;
        let mut grouped = known
            .filter(|known| known.traits == traits)
            .unwrap_or(Grouped {
                traits,
                places: [None; 2],
            });
        if let Some(place) = grouped.places[client as usize] {
            return place;
        }
        // SAFETY: as above.
        let realm = unsafe { fingerprint::realm_of(self, ctx, client, settings()) };
        let share = realm.and_then(|realm| region.share(realm, self.cache.capacity()));
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

    /// Whether groups are asked for, or a region with a name that can be used.
    pub fn may_group(&self) -> bool {
        settings().group != Group::None || common::is_named()
    }
}
