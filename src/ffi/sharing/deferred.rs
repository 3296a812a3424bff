//! Removals that are made up for.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::cache::Key;
use crate::lock::Lock;
use crate::tier::Share;

/// As many as this are made up for; what is beyond expires.
const MOST: usize = 1024;

/// Removals that the region had no time for, or that another process might undo that is handing over; each with the
/// share that it is made up for in, as a context may have several, and others later.
pub(super) struct Deferred {
    any: AtomicBool,
    removals: Lock<Vec<(Key, Share<'static>)>>,
}

impl Deferred {
    pub(super) fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            removals: Lock::new(Vec::new()),
        }
    }

    pub(super) fn push(&self, key: &Key, share: Share<'static>) {
        if let Some(mut removals) = self.removals.lock()
            && removals.len() < MOST
            && removals.try_reserve(1).is_ok()
        {
            removals.push((key.clone(), share));
            self.any.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        let is = |removals: &Vec<(Key, _)>| removals.iter().any(|(removed, _)| removed == key);
        self.any.load(Ordering::Relaxed) && self.removals.lock().is_some_and(|them| is(&them))
    }

    /// Makes up for those in shares that this may be done in.
    pub(super) fn make_up(&self, may: impl Fn(Share<'static>) -> bool) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        if let Some(mut removals) = self.removals.lock() {
            // The region again has no time at the first one: it would have none for the others.
            let mut has_time = true;
            removals.retain(|(key, share)| {
                if has_time && may(*share) {
                    has_time = share.remove(key).is_some();
                    return !has_time;
                }
                true
            });
            self.any.store(!removals.is_empty(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Expiry, Standing};
    use crate::tier::Region;

    #[test]
    fn removal_is_made_up_for_in_the_share_that_had_no_time() {
        let region: &Region = Box::leak(Box::new(Region::anonymous(1 << 20).expect("memory")));
        let shares = [1, 2].map(|_| region.share(region.fresh_realm(), 0).expect("a slot"));
        let key = Key::new(&[7; 32], 0x0304).expect("an id");
        let never = Expiry::NEVER;
        assert!(shares[0].put(&key, 1, b"record", never, Standing::New, 0));
        let deferred = Deferred::new();
        let locked = shares[0].while_locked(&key, || {
            deferred.push(&key, shares[0]);
            deferred.make_up(|_| true);
            shares[0].remove(&key)
        });
        assert_eq!(locked, Some(None));
        deferred.make_up(|share| share.realm() == shares[1].realm());
        assert!(deferred.has(&key));
        deferred.make_up(|_| true);
        assert!(!deferred.has(&key));
        assert_eq!(shares[0].contains(&key, 0), Some(false));
    }
}
