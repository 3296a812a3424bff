//! Which session leaves a full shard: S3-FIFO (Yang et al., SOSP 2023), for objects that come back under other names.
//!
//! New sessions wait in a small queue; those that are resumed there move on to the main queue, and the others leave first.
//! A flood of clients that never return therefore passes through a twentieth of the cache and leaves the rest alone. In the
//! main queue a session goes round once more for each use since it was last examined.
//!
//! S3-FIFO remembers what it evicted, and admits it to the main queue when it comes back. A session id is random: after an
//! eviction the client gets a new one. But first it offers the old one in vain, by which it is recognised
//! (`Index::recall`). Its new session goes to the main queue if the client stayed away for clearly less time than the main
//! queue's oldest session has been unused, as in LIRS (Jiang and Zhang, SIGMETRICS 2002). So if more clients return in turn
//! than there is room for, they do not push out each other: those that are in stay in. A session made in a resumed handshake
//! always goes to the main queue, as it takes the place of the one that was resumed. While the small queue is twice as long
//! as its share, because the main queue does not need the rest, any client that offers a session may enter.
//!
//! A TLS 1.3 ticket is used once, because its use brings the client a new one. A used ticket is worth no more than a new
//! session, and goes back to the small queue.
//!
//! A choice examines a bounded number of entries, so an insert into a full cache costs the same whatever was used.

use super::history::ClientHistory;
use super::list::{ByUse, List};
use super::rank::{Moment, Rank, Remembered, USES_MOST};
use super::slab::{Links, Slab, Ties};

/// Entries that one choice may examine.
const EXAMINED_MOST: u32 = 16;
/// The small queue's share of a shard is one in this many...
const SMALL_SHARE: u32 = 20;
/// ...but at least this long, or half of a shard that is smaller still. A TLS 1.3 handshake brings two sessions: a
/// twentieth of a cache of ten would have lost the first before its client could return.
const SMALL_LEAST: u32 = 8;
/// Moments in the time in which as many sessions arrive as the shard holds.
const MOMENTS_A_TURNOVER: u32 = 16;

pub(super) struct Queues {
    small: List<ByUse>,
    main: List<ByUse>,
    now: Moment,
    /// Since `now` began.
    arrivals: u32,
}

impl Queues {
    pub(super) const fn new() -> Self {
        Queues {
            small: List::EMPTY,
            main: List::EMPTY,
            now: Moment::FIRST,
            arrivals: 0,
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// Admits an entry that will be at `at`: its rank and its links. The caller notes that it was used `now`.
    #[inline(always)]
    pub(super) fn make_way<V>(
        &mut self,
        slab: &mut Slab<V>,
        at: u32,
        history: ClientHistory,
    ) -> (Rank, Links) {
        let main = self.arrive(history);
        (Rank { uses: 0, main }, self.of(main).make_way(slab, at))
    }

    pub(super) fn admit<V>(&mut self, slab: &mut Slab<V>, at: u32, history: ClientHistory) {
        let main = self.arrive(history);
        slab.hook_mut(at).set_used(self.now);
        self.enter(slab, at, main);
    }

    /// Counts an arrival. Returns whether it goes to the main queue.
    fn arrive(&mut self, history: ClientHistory) -> bool {
        self.arrivals += 1;
        if self.arrivals > self.len() / MOMENTS_A_TURNOVER {
            self.arrivals = 0;
            self.now = self.now.next();
        }
        match history {
            ClientHistory::New => false,
            ClientHistory::Returning => self.main_has_room(),
            ClientHistory::Proven => true,
        }
    }

    fn enter<V>(&mut self, slab: &mut Slab<V>, at: u32, main: bool) {
        slab[at].set_rank(Rank { uses: 0, main });
        self.of(main).push_back(slab, at);
    }

    /// Takes out an entry that is tied as `ties` says.
    #[inline(always)]
    pub(super) fn withdraw<V>(&mut self, slab: &mut Slab<V>, ties: &Ties) {
        self.of(ties.rank.main).remove(slab, ties.in_queue);
    }

    pub(super) fn count_use<V>(&self, slab: &mut Slab<V>, at: u32) {
        slab.hook_mut(at).set_used(self.now);
        let mut rank = slab[at].rank();
        rank.uses = (rank.uses + 1).min(USES_MOST);
        slab[at].set_rank(rank);
    }

    /// Counts a use after which no other is expected.
    pub(super) fn retire<V>(&mut self, slab: &mut Slab<V>, at: u32) {
        slab.hook_mut(at).set_used(self.now);
        let ties = slab.ties(at);
        self.withdraw(slab, &ties);
        self.enter(slab, at, false);
    }

    /// True if the client of a session that was last used at that moment, and that comes back, deserves a place in the main
    /// queue more than the oldest session there.
    pub(super) fn outranks_oldest<V>(&mut self, slab: &mut Slab<V>, used: Remembered) -> bool {
        if self.main_is_short() {
            return true;
        }
        for _ in 0..EXAMINED_MOST {
            let Some(oldest) = self.main.front() else {
                return true;
            };
            if slab[oldest].rank().uses == 0 {
                // A client that comes in turn, a little early or late, would only change places with another.
                let away = u16::from(self.now.since_remembered(used));
                return away + away / 4 < u16::from(self.now.since(slab.hook(oldest).used()));
            }
            self.pass_over(slab, oldest);
        }
        false
    }

    fn of(&mut self, main: bool) -> &mut List<ByUse> {
        if main {
            &mut self.main
        } else {
            &mut self.small
        }
    }

    /// The entry that should leave; it is not removed. `None` if there is no entry.
    pub(super) fn victim<V>(&mut self, slab: &mut Slab<V>, now: i64) -> Option<u32> {
        // While new sessions supply the victims nothing else looks into the main queue; its expired sessions must leave first.
        if let Some(oldest) = self.main.front()
            && slab.expiry(oldest).has_passed(now)
        {
            return Some(oldest);
        }
        let mut least_used = None;
        for _ in 0..EXAMINED_MOST {
            let Some(at) = self.next_candidate() else {
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
        // All of these were used. A new session was not, if the small queue has more than its share.
        let newest = self
            .small
            .back()
            .filter(|&at| self.small_is_over() && slab[at].rank().uses == 0);
        newest.or(least_used.map(|(_, at)| at))
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

    /// True if the small queue is so long that the main one cannot have claimed its share.
    fn main_has_room(&self) -> bool {
        self.small.len() > 2 * self.small_share()
    }

    /// True if the main queue lacks entries that the small one has beyond its share. Less than `main_has_room` asks for, as this
    /// is for clients that are known to have come back, and not for any that offers an id.
    fn main_is_short(&self) -> bool {
        let share = self.small_share();
        self.small.len() > share + share / 4 + 1
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
            let links = slab[at].in_queue;
            self.small.remove(slab, links);
            self.enter(slab, at, true);
        }
    }

    /// Follows both queues.
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
