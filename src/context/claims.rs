//! Single use of early data: while one handshake is given the session of a ticket, no other handshake gets it.
//!
//! libssl keeps such a session in its cache until the handshake has removed it and the application's remove callback
//! has returned. Our look-up takes it out at once. From the look-up to the removal its key is therefore claimed here:
//! without the claim, another handshake with the same ticket would miss, ask the application's get callback, and be given
//! a copy.

use core::ffi::c_long;
use core::mem;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::cache::Key;
use crate::sys::lock::Lock;

/// A claim that is not released lapses after this many seconds. A handshake goes from the look-up to the removal within
/// one call.
const LAPSE_SECONDS: c_long = 10;

/// The claimed keys of one context.
pub struct Claims {
    /// Each key, and the second in which it was claimed.
    claimed: Lock<Vec<(Key, c_long)>>,
    /// How many keys are claimed, to be read without the lock.
    number: AtomicUsize,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            claimed: Lock::new(Vec::new()),
            number: AtomicUsize::new(0),
        }
    }
}

impl Claims {
    /// Claims a key; `None` if another handshake has claimed it, and in doubt.
    pub fn claim<'a>(&'a self, key: &'a Key, now: c_long) -> Option<Claim<'a>> {
        let mut claimed = self.claimed.lock()?;
        claimed.retain_mut(|(_, since)| {
            // The clock may have been set back since.
            *since = now.min(*since);
            now.saturating_sub(*since) < LAPSE_SECONDS
        });
        let free = !claimed.iter().any(|(other, _)| other == key) && claimed.try_reserve(1).is_ok();
        if free {
            claimed.push((key.clone(), now));
        }
        self.number.store(claimed.len(), Ordering::Relaxed);
        // `then`, not `then_some`: a Claim that was made and dropped would release the other handshake's claim.
        free.then(|| Claim { claims: self, key })
    }

    /// Whether any key is claimed: if not, there is none to release.
    #[inline]
    pub fn any(&self) -> bool {
        // Relaxed: the claim that is to be released was counted by this thread.
        self.number.load(Ordering::Relaxed) > 0
    }

    /// Releases a key, claimed or not.
    pub fn release(&self, key: &Key) {
        if !self.any() {
            return;
        }
        if let Some(mut claimed) = self.claimed.lock() {
            claimed.retain(|(other, _)| other != key);
            self.number.store(claimed.len(), Ordering::Relaxed);
        }
    }
}

/// A key that this handshake has claimed. Dropping it releases the key, also if a callback unwinds the thread.
pub struct Claim<'a> {
    claims: &'a Claims,
    key: &'a Key,
}

impl Claim<'_> {
    /// Leaves the key claimed until the removal that follows.
    pub fn leave(self) {
        mem::forget(self);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.claims.release(self.key);
    }
}
