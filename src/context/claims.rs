//! Single use of early data: a ticket that a handshake is being given is nobody else's.
//!
//! libssl keeps the session of such a ticket in its cache until the handshake has removed it and the application's
//! remove callback has been told. We take it out when it is looked up; so until then its key is claimed here, or
//! another handshake with the same ticket would miss it, ask the application, and be given a copy.

use core::ffi::c_long;
use core::mem;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::cache::Key;
use crate::sys::lock::Lock;

/// Seconds after which a claim lapses that nobody released: a handshake goes from the look-up to the removal
/// in one step.
const LAPSE_SECONDS: c_long = 10;

/// The keys that handshakes are being given, and since when.
pub struct Claims {
    claimed: Lock<Vec<(Key, c_long)>>,
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
    /// Claims a key; `None` where another handshake has it, or in doubt.
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
        // Lazily: what is dropped releases.
        free.then(|| Claim { claims: self, key })
    }

    /// Releases a key, claimed or not.
    pub fn release(&self, key: &Key) {
        // Relaxed: who releases a claim of its own has seen it counted.
        if self.number.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(mut claimed) = self.claimed.lock() {
            claimed.retain(|(other, _)| other != key);
            self.number.store(claimed.len(), Ordering::Relaxed);
        }
    }
}

/// A key that this handshake has claimed: released on drop, also where a callback unwinds the thread.
pub struct Claim<'a> {
    claims: &'a Claims,
    key: &'a Key,
}

impl Claim<'_> {
    /// Leaves the key claimed, for the removal that follows.
    pub fn leave(self) {
        mem::forget(self);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.claims.release(self.key);
    }
}
