//! The ticket keys of a region, as its administrator sees and ends them.

use super::schedule::{FreshKey, Orders, Summary, TicketKeys};
use crate::shm::operations::whole::Region;

impl Region {
    /// What may be told of the ticket keys, as of the second `now`; `None` if the key page cannot be reached.
    pub fn ticket_keys(&self, now: i64) -> Option<Summary> {
        let mut keys = TicketKeys::default();
        self.with_key_page(|page| keys.follow(page, now, 0, None))?;
        Some(keys.summary())
    }

    /// Ends the turns of the keys that make tickets: other keys, which `fresh` brings, begin theirs. Returns whether the key
    /// page was reached. Processes follow within a second.
    pub fn turn_ticket_keys(&self, now: i64, mut fresh: impl FnMut() -> Option<FreshKey>) -> bool {
        let next = [fresh(), fresh()]; // there are at most two kinds of keys
        let mut keys = TicketKeys::default();
        let turned = self.with_key_page(|page| {
            keys.follow(page, now, 0, None);
            keys.obey(Orders {
                turned: keys.summary().made.max(now),
                forgotten: 0,
            });
            let lifetimes: Vec<_> = keys.lifetimes().collect();
            for (lifetime, fresh) in lifetimes.into_iter().zip(&next) {
                keys.follow(page, now, lifetime, fresh.as_ref());
            }
        });
        turned.is_some() && next.iter().all(Option::is_some)
    }

    /// Forgets all keys. Returns whether the key page was reached. Processes follow within a second.
    pub fn forget_ticket_keys(&self, now: i64) -> bool {
        let mut keys = TicketKeys::default();
        let forgotten = self.with_key_page(|page| {
            keys.follow(page, now, 0, None);
            keys.obey(Orders {
                turned: 0,
                forgotten: keys.summary().made.max(now),
            });
            keys.follow(page, now, 0, None);
        });
        forgotten.is_some()
    }
}
