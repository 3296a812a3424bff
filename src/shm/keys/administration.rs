//! The ticket keys of a region, as its administrator sees and ends them.
//!
//! What ends keys does not go by the clock, which may have been set back since they were made.

use super::page::PAGE_BYTES;
use super::schedule::{FreshKey, Summary, TicketKeys};
use crate::shm::operations::whole::Region;

impl Region {
    /// What may be told of the ticket keys, as of the second `now`; `None` if the key page cannot be reached.
    pub fn ticket_keys(&self, now: i64) -> Option<Summary> {
        let mut keys = TicketKeys::default();
        self.with_key_page(|page| keys.follow(page, now, 0, None))?;
        Some(keys.summary())
    }

    /// Ends the turns of the keys that make tickets, if that `is_wanted` still once the page's lock is had: the keys of
    /// `fresh` begin theirs. Returns whether the key page was reached. Processes follow within a second.
    pub fn turn_ticket_keys(
        &self,
        now: i64,
        fresh: &[FreshKey; 2],
        is_wanted: impl FnOnce() -> bool,
    ) -> bool {
        let mut keys = TicketKeys::default();
        let turn = |page: &mut [u8; PAGE_BYTES]| {
            if is_wanted() {
                keys.turn(page, now, fresh);
            }
        };
        self.with_key_page(turn).is_some()
    }

    /// Forgets all keys, if that `is_wanted` still once the page's lock is had. Returns whether the key page was reached.
    /// Processes follow within a second.
    pub fn forget_ticket_keys(&self, is_wanted: impl FnOnce() -> bool) -> bool {
        let forget = |page: &mut [u8; PAGE_BYTES]| {
            if is_wanted() {
                page.fill(0);
            }
        };
        self.with_key_page(forget).is_some()
    }
}
