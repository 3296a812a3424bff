//! Which session leaves a full shard: S3-FIFO (Yang et al., SOSP 2023) without its ghost queue.
//!
//! Newcomers wait in a small queue; those that are resumed there move on to the main queue, the others leave first. A
//! flood of clients that never return therefore passes through a tenth of the cache and leaves the rest alone. In the
//! main queue a session that was used since it was last looked at goes round once more for each use.
//!
//! The ghost queue of the original remembers what was evicted, to admit it to the main queue when it comes back. A
//! session id is random: once it is evicted its client makes a full handshake and gets a new one, so it cannot come
//! back, and a ghost would remember nothing that is ever asked for. What takes its place is `Standing::Proven`: a
//! session made in a resumed handshake belongs to a client that did come back.
//!
//! A choice examines a bounded number of entries, so an insert into a full cache costs the same whatever was used.

use super::Standing;
use super::ring::{ByUse, Ring};
use super::slab::{Entry, Slab};

/// Entries that one choice may examine.
const EXAMINED_MOST: u32 = 16;
/// Uses that count: beyond this an entry earns no further round in the main queue.
const USES_MOST: u8 = 0b11;
/// The small queue's share of a shard is one in this many...
const SMALL_SHARE: u32 = 10;
/// ...but at least this long, or half of a shard that is smaller still. A TLS 1.3 handshake brings two sessions: a
/// tenth of a cache of ten would have lost the first before its client could return.
const SMALL_LEAST: u32 = 8;

/// Where an entry stands: its queue, and its uses since it was last passed over.
#[derive(Clone, Copy, Default)]
pub(super) struct Rank {
    uses: u8,
    main: bool,
}

impl Rank {
    /// What `bits` fits into.
    pub(super) const BITS: u32 = 3;

    pub(super) fn bits(self) -> u8 {
        self.uses | u8::from(self.main) << 2
    }

    /// The rank whose bits are the lowest of `bits`.
    pub(super) fn from_bits(bits: u8) -> Rank {
        Rank {
            uses: bits & USES_MOST,
            main: bits & 1 << 2 != 0,
        }
    }
}

pub(super) struct Queues {
    small: Ring<ByUse>,
    main: Ring<ByUse>,
}

impl Queues {
    pub(super) const fn new() -> Self {
        Queues {
            small: Ring::EMPTY,
            main: Ring::EMPTY,
        }
    }

    /// Admits an entry that is about to be at `at`.
    pub(super) fn admit_new<V>(
        &mut self,
        slab: &mut Slab<V>,
        at: u32,
        entry: &mut Entry<V>,
        standing: Standing,
    ) {
        let main = standing == Standing::Proven;
        entry.set_rank(Rank { uses: 0, main });
        entry.in_queue = self.of(main).make_way(slab, at);
    }

    pub(super) fn admit<V>(&mut self, slab: &mut Slab<V>, at: u32, standing: Standing) {
        let main = standing == Standing::Proven;
        slab[at].set_rank(Rank { uses: 0, main });
        self.of(main).push_back(slab, at);
    }

    pub(super) fn withdraw<V>(&mut self, slab: &mut Slab<V>, at: u32) {
        self.of(slab[at].rank().main).remove(slab, at);
    }

    pub(super) fn count_use<V>(slab: &mut Slab<V>, at: u32) {
        let mut rank = slab[at].rank();
        rank.uses = (rank.uses + 1).min(USES_MOST);
        slab[at].set_rank(rank);
    }

    fn of(&mut self, main: bool) -> &mut Ring<ByUse> {
        if main {
            &mut self.main
        } else {
            &mut self.small
        }
    }

    /// The entry that should leave; it stays where it is. None if there is none.
    pub(super) fn victim<V>(&mut self, slab: &mut Slab<V>, now: i64) -> Option<u32> {
        // While newcomers supply the victims nothing else looks into the main queue; its expired must not outlive them.
        if let Some(oldest) = self.main.front()
            && slab[oldest].expiry().has_passed(now)
        {
            return Some(oldest);
        }
        let mut least_used = None;
        for _ in 0..EXAMINED_MOST {
            let Some(at) = self.next_candidate() else {
                break;
            };
            let entry = &slab[at];
            let uses = entry.rank().uses;
            if uses == 0 || entry.expiry().has_passed(now) {
                return Some(at);
            }
            if least_used.is_none_or(|(fewest, _)| uses < fewest) {
                least_used = Some((uses, at));
            }
            self.pass_over(slab, at);
        }
        // All of these have come back. A newcomer has not, if there are more of them than their share.
        let newcomer = self
            .small
            .back(slab)
            .filter(|&at| self.small_is_over() && slab[at].rank().uses == 0);
        newcomer.or(least_used.map(|(_, at)| at))
    }

    fn small_is_over(&self) -> bool {
        let len = self.small.len() + self.main.len();
        self.small.len() > (len / SMALL_SHARE).max(SMALL_LEAST.min(len / 2))
    }

    fn next_candidate(&self) -> Option<u32> {
        if self.small_is_over() {
            self.small.front()
        } else {
            self.main.front().or(self.small.front())
        }
    }

    /// Spends a use of the candidate: from the small queue to the main one, or once more round the main one.
    fn pass_over<V>(&mut self, slab: &mut Slab<V>, at: u32) {
        let mut rank = slab[at].rank();
        if rank.main {
            rank.uses -= 1;
            slab[at].set_rank(rank);
            self.main.turn(slab);
        } else {
            self.small.remove(slab, at);
            self.admit(slab, at, Standing::Proven);
        }
    }

    /// Goes round both queues.
    #[cfg(any(test, fuzzing))]
    pub(super) fn validate<V>(&self, slab: &Slab<V>) {
        for (queue, main) in [(&self.small, false), (&self.main, true)] {
            for at in queue.validate(slab) {
                assert!(slab.value(at).is_some(), "a queued entry is occupied");
                assert_eq!(slab[at].rank().main, main, "an entry knows its queue");
                assert!(slab[at].rank().uses <= USES_MOST);
            }
        }
        assert_eq!(
            self.small.len() + self.main.len(),
            slab.len(),
            "every entry is in a queue"
        );
    }
}
