//! The fleet's ticket keys as a process knows them.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::mailbox;
use crate::mailbox::{EPOCHS_AHEAD, FleetKeys, epoch_of};

/// The first epoch whose keys may be used: an administrator has ended the earlier ones on this host.
static FIRST_EPOCH: AtomicU64 = AtomicU64::new(0);

/// The fleet's keys as this process knows them.
#[derive(Default)]
pub struct Known {
    keys: FleetKeys,
    /// The number of the publication that they are of; 0 for none.
    published: u64,
}

impl Known {
    /// The keys as they are published now.
    pub fn up_to_date(&mut self) -> &FleetKeys {
        if let Some(mailbox) = mailbox()
            && mailbox.published() != self.published
        {
            self.published = mailbox.read_keys(&mut self.keys).unwrap_or(0);
        }
        let first = FIRST_EPOCH.load(Relaxed);
        self.keys.drop_where(|key| key.epoch < first);
        &self.keys
    }
}

/// The first epoch whose keys cannot have been published by now.
pub fn first_after(now: i64) -> u64 {
    epoch_of(now) + EPOCHS_AHEAD + 1
}

/// Lets no key of an epoch before `first` be used. Another process has written that number, so it is believed only as far as an
/// order that is carried out now would go.
pub fn begin_at(first: u64, now: i64) {
    FIRST_EPOCH.fetch_max(first.min(first_after(now)), Relaxed);
}

/// The first epoch whose keys are used.
#[cfg(test)]
pub fn first_epoch() -> u64 {
    FIRST_EPOCH.load(Relaxed)
}
