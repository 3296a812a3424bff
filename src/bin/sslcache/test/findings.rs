//! What can be concluded from the returns of a row, and what cannot.

use std::collections::BTreeMap;

use super::row::{Return, Row};
use super::session::Kind;

/// What kept returns from being resumed, as far as it can be told from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Nothing was kept from it.
    AllResumed,
    /// The server has given out nothing that could be offered.
    NothingOffered,
    /// Some were not resumed, and there were too few returns to tell more.
    TooFew,
    /// Sessions are known in some places and not in others, of which there are about so many.
    CachesApart(usize),
    /// Ids are given out, and none is known again.
    NoneKnown,
    /// Sessions that were known are not any more.
    Forgotten,
    /// There are so many ticket keys, and a key that one place has is unknown in another.
    KeysApart(usize),
    /// Tickets are refused although others of the same key are made.
    TicketsRefused,
}

/// The returns from which anything is concluded.
const ENOUGH_TO_TELL: usize = 10;

/// The returns that were resumed.
pub fn resumed(returns: &[Return]) -> usize {
    returns.iter().filter(|it| it.resumed).count()
}

impl Row<'_> {
    /// The ticket keys that were seen before the wait. `None` if the tickets do not name them: each begins with something
    /// else.
    pub fn keys(&self) -> Option<usize> {
        let all = self.key_names.len();
        let is_named = all == 1 || (all > 1 && all < self.tickets);
        let new = self.after_wait.as_ref().map_or(0, |it| it.new_keys);
        is_named.then_some(all - new)
    }

    pub fn finding(&self) -> Finding {
        let resumed = resumed(&self.returns);
        if self.returns.is_empty() {
            return Finding::NothingOffered;
        }
        if resumed == self.returns.len() {
            return Finding::AllResumed;
        }
        if self.returns.len() < ENOUGH_TO_TELL {
            return Finding::TooFew;
        }
        if self.kinds.contains(&Kind::StatelessTicket) {
            return match self.keys() {
                Some(keys) if keys > 1 && !self.returns.iter().any(|it| it.same_key) => {
                    Finding::KeysApart(keys)
                }
                _ => Finding::TicketsRefused,
            };
        }
        match caches(&self.returns) {
            Some(caches) => Finding::CachesApart(caches),
            None if resumed == 0 => Finding::NoneKnown,
            None => Finding::Forgotten,
        }
    }
}

/// The number of caches that resume such a share of returns, if any cache may meet any of them. `None` if that is not the
/// reason. A session that was resumed was made in the cache that knew it, and one that was not was made in another: where both
/// are true of one cache, it has forgotten a session. Where nothing is known again, no cache was seen.
pub fn caches(returns: &[Return]) -> Option<usize> {
    let known = resumed(returns);
    let mut same = Sets::default();
    for it in returns.iter().filter(|it| it.resumed) {
        same.join(it.made_at, it.at);
    }
    let is_contradicted = returns
        .iter()
        .any(|it| !it.resumed && same.root(it.made_at) == same.root(it.at));
    match known {
        0 => None,
        _ if is_contradicted => None,
        _ if known == returns.len() => Some(1),
        // Rounded to the nearest.
        _ => Some(((2 * returns.len() + known) / (2 * known)).max(2)),
    }
}

/// Disjoint sets of visits.
#[derive(Default)]
struct Sets(BTreeMap<usize, usize>);

impl Sets {
    fn root(&self, mut visit: usize) -> usize {
        while let Some(&parent) = self.0.get(&visit) {
            visit = parent;
        }
        visit
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if one != other {
            self.0.insert(one, other);
        }
    }
}
