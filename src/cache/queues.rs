//! Which session leaves a full shard: S3-FIFO (Yang et al., SOSP 2023), for objects that come back under other names.
//!
//! Newcomers wait in a small queue; those that are resumed there move on to the main queue, the others leave first. A
//! flood of clients that never return therefore passes through a twentieth of the cache and leaves the rest alone. In the
//! main queue a session that was used since it was last looked at goes round once more for each use.
//!
//! S3-FIFO remembers what it evicted, and admits it to the main queue when it comes back. A session id is random: once
//! it is evicted its client gets a new one. But first the client offers the old one, in vain, and by that it is known
//! (`Index::recall`). Its new session goes to the main queue if the client stayed away for less long than the main
//! queue's oldest has been unused, as in LIRS (Jiang and Zhang, SIGMETRICS 2002): clients that return in turn, more of
//! them than there is room for, then do not push out each other, but those that are in stay in. A session made in a
//! resumed handshake goes there without a question: it takes the place of the one that was resumed. While the small queue
//! is twice as long as its share, because nobody claims the rest, everybody who offers a session may enter.
//!
//! A ticket of TLS 1.3 is used once, because its use brings the client a new one. A used one is no better than a
//! newcomer, and goes where those are.
//!
//! A choice examines a bounded number of entries, so an insert into a full cache costs the same whatever was used.

use super::ClientHistory;
use super::ring::{ByUse, Ring};
use super::slab::{Entry, Slab};

/// Entries that one choice may examine.
const EXAMINED_MOST: u32 = 16;
/// Uses that count: beyond this an entry earns no further round in the main queue.
const USES_MOST: u8 = 0b11;
/// The small queue's share of a shard is one in this many...
const SMALL_SHARE: u32 = 20;
/// ...but at least this long, or half of a shard that is smaller still. A TLS 1.3 handshake brings two sessions: a
/// twentieth of a cache of ten would have lost the first before its client could return.
const SMALL_LEAST: u32 = 8;
/// Moments in the time in which as many sessions arrive as the shard holds.
const MOMENTS_A_TURNOVER: u32 = 16;

/// When something was used, in a count that arrivals advance: a sixteenth of the shard's entries make a moment. The
/// count wraps after sixteen turnovers; what was not used for so long seems fresh to some comparisons.
#[derive(Clone, Copy, Default)]
pub(super) struct Moment(u8);

impl Moment {
    pub(super) fn bits(self) -> u8 {
        self.0
    }

    pub(super) fn from_bits(bits: u8) -> Moment {
        Moment(bits)
    }

    fn next(self) -> Moment {
        Moment(self.0.wrapping_add(1))
    }

    fn since(self, earlier: Moment) -> u8 {
        self.0.wrapping_sub(earlier.0)
    }
}

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
    now: Moment,
    /// Since `now` began.
    arrivals: u32,
}

impl Queues {
    pub(super) const fn new() -> Self {
        Queues {
            small: Ring::EMPTY,
            main: Ring::EMPTY,
            now: Moment(0),
            arrivals: 0,
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// Admits an entry that is about to be at `at`; the caller notes that it was used `now`.
    pub(super) fn admit_new<V>(
        &mut self,
        slab: &mut Slab<V>,
        at: u32,
        entry: &mut Entry<V>,
        standing: ClientHistory,
    ) {
        let main = self.arrive(standing);
        entry.set_rank(Rank { uses: 0, main });
        entry.in_queue = self.of(main).make_way(slab, at);
    }

    pub(super) fn admit<V>(&mut self, slab: &mut Slab<V>, at: u32, standing: ClientHistory) {
        let main = self.arrive(standing);
        slab.hook_mut(at).set_used(self.now);
        self.enter(slab, at, main);
    }

    /// Counts an arrival; whether it goes to the main queue.
    fn arrive(&mut self, standing: ClientHistory) -> bool {
        self.arrivals += 1;
        if self.arrivals > self.len() / MOMENTS_A_TURNOVER {
            self.arrivals = 0;
            self.now = self.now.next();
        }
        match standing {
            ClientHistory::New => false,
            ClientHistory::Returning => self.main_has_room(),
            ClientHistory::Proven => true,
        }
    }

    fn enter<V>(&mut self, slab: &mut Slab<V>, at: u32, main: bool) {
        slab[at].set_rank(Rank { uses: 0, main });
        self.of(main).push_back(slab, at);
    }

    pub(super) fn withdraw<V>(&mut self, slab: &mut Slab<V>, at: u32) {
        self.of(slab[at].rank().main).remove(slab, at);
    }

    pub(super) fn count_use<V>(&self, slab: &mut Slab<V>, at: u32) {
        slab.hook_mut(at).set_used(self.now);
        let mut rank = slab[at].rank();
        rank.uses = (rank.uses + 1).min(USES_MOST);
        slab[at].set_rank(rank);
    }

    /// Counts the use after which none is expected.
    pub(super) fn use_up<V>(&mut self, slab: &mut Slab<V>, at: u32) {
        slab.hook_mut(at).set_used(self.now);
        self.withdraw(slab, at);
        self.enter(slab, at, false);
    }

    /// Whether one who was last here at that moment, and has come back, deserves a place in the main queue more than
    /// the oldest who is there.
    pub(super) fn outranks_oldest<V>(&mut self, slab: &mut Slab<V>, used: Moment) -> bool {
        if self.main_has_room() {
            return true;
        }
        for _ in 0..EXAMINED_MOST {
            let Some(oldest) = self.main.front(slab) else {
                return true;
            };
            if slab[oldest].rank().uses == 0 {
                return self.now.since(used) < self.now.since(slab.hook(oldest).used());
            }
            self.pass_over(slab, oldest);
        }
        false
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
        if let Some(oldest) = self.main.front(slab)
            && slab.expiry(oldest).has_passed(now)
        {
            return Some(oldest);
        }
        let mut least_used = None;
        for _ in 0..EXAMINED_MOST {
            let Some(at) = self.next_candidate(slab) else {
                break;
            };
            let uses = slab[at].rank().uses;
            if uses == 0 || slab.expiry(at).has_passed(now) {
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
            .back()
            .filter(|&at| self.small_is_over() && slab[at].rank().uses == 0);
        newcomer.or(least_used.map(|(_, at)| at))
    }

    fn len(&self) -> u32 {
        self.small.len() + self.main.len()
    }

    fn small_share(&self) -> u32 {
        let len = self.len();
        (len / SMALL_SHARE).max(SMALL_LEAST.min(len / 2))
    }

    fn small_is_over(&self) -> bool {
        self.small.len() > self.small_share()
    }

    /// Whether the small queue is so long that the main one cannot have claimed its share.
    fn main_has_room(&self) -> bool {
        self.small.len() > 2 * self.small_share()
    }

    fn next_candidate<V>(&self, slab: &Slab<V>) -> Option<u32> {
        if self.small_is_over() {
            self.small.front(slab)
        } else {
            self.main.front(slab).or(self.small.front(slab))
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
            self.enter(slab, at, true);
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
        assert_eq!(self.len(), slab.len(), "every entry is in a queue");
    }
}
