//! What a context remembers of sharing, and how far it reaches.

use core::hash::{Hash, Hasher};
use core::sync::atomic::{AtomicBool, AtomicU32};
use std::hash::DefaultHasher;
use std::time::Instant;

use once_cell::race::OnceBox;

use super::common::{ForkPoint, common};
use crate::context::alike::rule::{Rule, Terms};
use crate::context::local::Local;
use crate::shm::{Election, Partition, PartitionId};
use crate::sys::lock::{Lock, this_process};

/// How a context shares its sessions.
pub struct Sharing {
    /// When it was made.
    pub made: ForkPoint,
    /// The partition of this one context, which it has from its beginning: a child must find the same.
    pub id: Option<PartitionId>,
    /// Its place in the region as one context.
    pub alone: OnceBox<Partition<'static>>,
    /// Its places in the region as one of a group, and by which traits.
    pub in_group: Lock<Option<Grouped>>,
    /// Who hands over what it had before the fork; from the first session on.
    pub election: OnceBox<Option<Election>>,
    /// Whether what it had before the fork is handed over.
    pub settled: AtomicBool,
    /// Since when it waits for the process that hands over.
    pub waiting_since: OnceBox<Instant>,
    /// The sessions that stay in this process.
    pub private: Private,
    /// Whether the application has set a size.
    pub sized: AtomicBool,
}

/// The places of a context among its like, by what is asked of a client.
#[derive(Clone, Copy)]
pub struct Grouped {
    /// What the context looked like.
    pub rule: Rule,
    /// How often its session id context had been set.
    pub id_context: u32,
    /// `None` inside where it may share with none, outside where that is not known yet.
    pub partitions: [Option<Option<Partition<'static>>>; 2],
}

impl Sharing {
    /// For a context that has just been made, whose cache holds `size` sessions.
    pub fn new(size: usize) -> Self {
        Self {
            made: ForkPoint::now(),
            id: common().map(|common| common.region.fresh_id()),
            alone: OnceBox::new(),
            in_group: Lock::new(None),
            election: OnceBox::new(),
            settled: AtomicBool::new(false),
            waiting_since: OnceBox::new(),
            private: Private::new(size),
            sized: AtomicBool::new(false),
        }
    }
}

impl Sharing {
    /// The same for this context in all processes that were forked with it, and for no other context; 0 where there is
    /// no memory that processes share.
    pub fn origin(&self) -> u64 {
        self.id.map_or(0, |id| {
            let mut hasher = DefaultHasher::new();
            id.hash(&mut hasher);
            hasher.finish()
        })
    }
}

/// Where a session goes that is added.
#[derive(Clone, Copy)]
pub struct Destination {
    /// How far the cache reaches for it.
    pub scope: Scope,
    /// Whether it is a server's, which others may look up.
    pub to_all: bool,
    /// On which terms they may have it.
    pub terms: Terms,
}

/// How far a context's cache reaches at this moment.
#[derive(Clone, Copy)]
pub enum Scope {
    /// It is this process's alone.
    Own,
    /// Another process is handing over what was cached before the fork, or begins just now.
    Unsettled(Partition<'static>),
    /// The region has the last word.
    Shared(Partition<'static>),
}

impl Scope {
    /// The place in the region, where there is one.
    pub fn partition(self) -> Option<Partition<'static>> {
        match self {
            Self::Own => None,
            Self::Unsettled(partition) | Self::Shared(partition) => Some(partition),
        }
    }
}

/// What stays, by who may use it up.
pub struct Private {
    /// What this process keeps, and no other one has.
    pub own: Local,
    /// What other processes have from before a fork, too: that is used up by none that does not have it as its own.
    pub inherited: Local,
    /// Whose own ones are in `own`.
    pub owner: AtomicU32,
    /// How many sessions have moved from one cache of this process to another, wrapping. Held while one is in neither.
    pub moves: Lock<u32>,
}

impl Private {
    /// None, for a context whose cache holds `size` sessions.
    pub fn new(size: usize) -> Self {
        Self {
            own: Local::new(size, 1),
            inherited: Local::new(size, 1),
            owner: AtomicU32::new(this_process()),
            moves: Lock::new(0),
        }
    }

    /// Both.
    pub fn caches(&self) -> [&Local; 2] {
        [&self.own, &self.inherited]
    }
}
