//! What a context remembers about sharing, its scope, and the destination of a session that is added.

use core::hash::{Hash, Hasher};
use core::mem;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::hash::DefaultHasher;
use std::time::Instant;

use once_cell::race::OnceBox;
use smallvec::SmallVec;

use super::common::{ForkPoint, make_common};
use crate::config::Settings;
use crate::context::alike::digest::Digest;
use crate::context::alike::rule::{Rule, Terms};
use crate::context::local::Local;
use crate::host::SessionRef;
use crate::shm::{Election, Partition, PartitionId};
use crate::sys::forks::this_process;
use crate::sys::lock::Lock;

/// How a context shares its sessions.
pub struct Sharing {
    /// When the context was made.
    pub made: ForkPoint,
    /// The number of the partition that only this context uses. It is chosen when the context is made, because a child
    /// must find the same.
    pub id: Option<PartitionId>,
    /// The partition that only this context uses, once it has a place in the region.
    pub alone: OnceBox<Partition<'static>>,
    /// The partitions of the group, as they were last looked up.
    pub in_group: Lock<Option<Grouped>>,
    /// Its partitions as a member of a group under earlier rules.
    pub former: Former,
    /// Decides which process migrates the sessions cached before a fork. Opened with the first session; `None` inside if
    /// no election was left.
    pub election: OnceBox<Option<Election<'static>>>,
    /// Whether this process has dealt with the sessions cached before the fork.
    pub settled: AtomicBool,
    /// When this process began to wait for the migrating one.
    pub waiting_since: OnceBox<Instant>,
    /// The sessions that stay in this process.
    pub private: Private,
    /// Whether the application has set a size.
    pub sized: AtomicBool,
    /// Whether the application has added a session to the cache.
    pub kept_by_program: AtomicBool,
    /// Whether the application makes the session ids: other hosts would not know them.
    pub has_own_ids: AtomicBool,
}

/// The partitions of a context's group, one for each [`Client`](crate::context::alike::rule::Client).
#[derive(Clone, Copy)]
pub struct Grouped {
    /// The rule of the context when they were looked up.
    pub rule: Rule,
    /// With which hosts they were shared then; see [`mode`](super::abroad::mode).
    pub mode: u8,
    /// How often the session id context had been set by then.
    pub id_context: u32,
    /// The outer `None`: not looked up yet. The inner `None`: such sessions are shared with no other context.
    pub partitions: [Option<Option<InGroup>>; 2],
}

/// A partition of a group.
#[derive(Clone, Copy)]
pub struct InGroup {
    /// The partition in this host's region.
    pub partition: Partition<'static>,
    /// The digest of all that its contexts have in common, of which the partition's number is a part: the same on all hosts.
    pub realm: Realm,
}

/// What names a group's partition on all hosts.
pub type Realm = Digest;

/// The number in a region of the partition that a realm names.
pub fn number_of(realm: &Realm) -> PartitionId {
    let (number, _) = realm.split_first_chunk().expect("a digest has 32 bytes");
    PartitionId::named(u128::from_be_bytes(*number))
}

/// Partitions of a group in which the context had sessions under an earlier rule: what is removed or flushed must not be
/// found there when the rule comes back.
#[derive(Default)]
pub struct Former(Lock<Vec<InGroup>>);

/// The most that are remembered, the latest ones. A context seldom changes its rule once it is set up.
const FORMER_MOST: usize = 32;

impl Former {
    /// Remembers the partitions of a rule that is no longer in force. Returns those for which there was no room.
    pub fn add(&self, grouped: &Grouped) -> SmallVec<[InGroup; 2]> {
        let mut forgotten = SmallVec::new();
        let Some(mut former) = self.0.lock() else {
            return forgotten;
        };
        for place in grouped.partitions.into_iter().flatten().flatten() {
            former.retain(|known| !known.partition.is_same(&place.partition));
            if former.len() == FORMER_MOST {
                forgotten.push(former.remove(0));
            }
            if former.try_reserve(1).is_ok() {
                former.push(place);
            } else {
                forgotten.push(place);
            }
        }
        forgotten
    }

    /// The partitions.
    pub fn all(&self) -> Vec<InGroup> {
        self.0.lock().map_or_else(Vec::new, |former| former.clone())
    }
}

impl Sharing {
    /// The state of a new context whose cache holds `size` sessions.
    pub fn new(size: usize, settings: &Settings) -> Self {
        Self {
            made: ForkPoint::now(),
            id: make_common(settings).map(|common| common.region.fresh_id()),
            alone: OnceBox::new(),
            in_group: Lock::new(None),
            former: Former::default(),
            election: OnceBox::new(),
            settled: AtomicBool::new(false),
            waiting_since: OnceBox::new(),
            private: Private::new(size),
            sized: AtomicBool::new(false),
            kept_by_program: AtomicBool::new(false),
            has_own_ids: AtomicBool::new(false),
        }
    }

    /// A number that this context has in all processes that inherited it, and no other context has; 0 without a region.
    pub fn origin(&self) -> u64 {
        self.id.map_or(0, |id| {
            let mut hasher = DefaultHasher::new();
            id.hash(&mut hasher);
            hasher.finish()
        })
    }
}

/// Where a session that is added goes.
#[derive(Clone, Copy)]
pub struct Destination {
    /// The scope of the context for this session.
    pub scope: Scope,
    /// Whether the session is a server's, which other processes may look up.
    pub to_all: bool,
    /// The terms on which other connections may have it.
    pub terms: Terms,
}

/// With which processes a context shares its cache at this moment.
#[derive(Clone, Copy)]
pub enum Scope {
    /// The cache is this process's alone.
    Own,
    /// The cache is shared, but the sessions cached before the fork are not migrated yet.
    Unsettled(Partition<'static>),
    /// The cache is shared, and the region is the authority.
    Shared(Partition<'static>),
}

impl Scope {
    /// The partition of a shared cache.
    pub fn partition(self) -> Option<Partition<'static>> {
        match self {
            Self::Own => None,
            Self::Unsettled(partition) | Self::Shared(partition) => Some(partition),
        }
    }
}

/// The sessions that stay in this process.
pub struct Private {
    /// Sessions that no other process has; they may be consumed.
    pub own: Local,
    /// Sessions that another process may have, too. May be consumed only by a process that has them in `own`.
    pub inherited: Local,
    /// The process that filled `own`. After a fork that is the parent, until its sessions are moved to `inherited`.
    pub owner: AtomicU32,
    /// How many sessions have moved between the caches of this process, wrapping. Locked while a session is in neither.
    pub moves: Lock<u32>,
    /// Sessions of the own cache that are to be moved to `own` by the next call that may tell the application of what
    /// has to leave for them.
    pub pending: Pending,
}

/// Sessions that are to become private.
#[derive(Default)]
pub struct Pending {
    /// Each with the process that withdrew it, counted by forks.
    sessions: Lock<Vec<(u32, SessionRef)>>,
    any: AtomicBool,
}

/// The most sessions that are pending in one context: the region no longer has a further one, so nobody resumes it.
const PENDING_MOST: usize = 1024;

impl Pending {
    /// Adds a session.
    pub fn add(&self, session: &SessionRef) {
        if let Some(mut sessions) = self.sessions.lock()
            && sessions.len() < PENDING_MOST
            && sessions.try_reserve(1).is_ok()
        {
            sessions.extend(session.share().map(|session| (this_process(), session)));
            self.any.store(true, Ordering::Relaxed); // ordered by the lock
        }
    }

    /// Takes all sessions, each with the process that withdrew it.
    pub fn take(&self) -> Vec<(u32, SessionRef)> {
        if !self.any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.any.store(false, Ordering::Relaxed);
        let sessions = self.sessions.lock();
        sessions.map_or_else(Vec::new, |mut sessions| mem::take(&mut *sessions))
    }
}

impl Private {
    /// Empty caches for `size` sessions each.
    pub fn new(size: usize) -> Self {
        Self {
            own: Local::new(size, 1),
            inherited: Local::new(size, 1),
            owner: AtomicU32::new(this_process()),
            moves: Lock::new(0),
            pending: Pending::default(),
        }
    }

    /// Both caches.
    pub fn caches(&self) -> [&Local; 2] {
        [&self.own, &self.inherited]
    }
}
