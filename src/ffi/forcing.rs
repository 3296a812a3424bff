//! A cache for contexts whose program switched it off: SSLCACHE_FORCE.
//!
//! Off is a mode without sides, or with NO_INTERNAL and no callbacks in its place. The application goes on seeing the
//! mode that it has set, and callbacks that it has set without a side are not called: it does not expect them. Never
//! where client certificates are asked for: such a program may have its reasons. Connections and sessions are left as
//! they are: one with another session id context than its ticket's would not resume.

use core::sync::atomic::Ordering;

use super::alike::{Client, Terms};
use super::store::Store;
use crate::config::settings;
use crate::host::abi::*;

impl Store {
    /// Whether the cache is on although the application has switched it off.
    pub fn is_forced(&self) -> bool {
        if !settings().force {
            return false;
        }
        let mode = self.mode.load(Ordering::Relaxed);
        let is_off = mode & SSL_SESS_CACHE_BOTH == 0;
        let is_left_to_nobody = mode & SSL_SESS_CACHE_NO_INTERNAL == SSL_SESS_CACHE_NO_INTERNAL
            && mode & SSL_SESS_CACHE_SERVER != 0
            && self.new_callback.get().is_none()
            && self.get_callback.get().is_none();
        is_off || is_left_to_nobody
    }

    /// The mode by which the cache works: the application's, unless it is forced.
    pub fn working_mode(&self) -> u32 {
        let mode = self.mode.load(Ordering::Relaxed);
        if self.is_forced() {
            (mode | SSL_SESS_CACHE_SERVER) & !SSL_SESS_CACHE_NO_INTERNAL
        } else {
            mode
        }
    }

    /// Whether the application's callbacks are called: in a mode without sides libssl calls none.
    pub fn calls_back(&self) -> bool {
        self.mode.load(Ordering::Relaxed) & SSL_SESS_CACHE_BOTH != 0 || !settings().force
    }

    /// Whether the cache of this context is there for a connection of a server: a forced one is not where the client is
    /// asked for a certificate, or may yet be.
    pub fn serves(&self, terms: &Terms) -> bool {
        !self.is_forced() || terms.client == Client::Anybody && terms.tag.is_some()
    }
}
