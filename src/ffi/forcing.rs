//! A cache for contexts whose program switched it off: SSLCACHE_FORCE.
//!
//! Off is a mode without sides, or with NO_INTERNAL and no callbacks in its place. The application goes on seeing the
//! mode that it has set, and callbacks that it has set without a side are not called: it does not expect them. Never
//! where client certificates are asked for: such a program may have its reasons.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use super::fingerprint;
use super::guard::quietly;
use super::store::Store;
use crate::config::settings;
use crate::host::abi::*;
use crate::host::types::{SSL, SSL_CTX};
use crate::lock::Lock;

/// The session id context of a context: what tells the sessions of one application from another's. libssl has no
/// function that asks for it.
pub struct IdContext(Lock<Vec<u8>>);

impl IdContext {
    /// None is set.
    pub const fn new() -> Self {
        Self(Lock::new(Vec::new()))
    }
}

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

    /// Whether the cache of this context is there for a connection: a forced one is not where the client is asked for
    /// a certificate.
    ///
    /// # Safety
    /// * `ssl` is a connection of the store's host, alive during the call.
    pub unsafe fn serves(&self, ssl: *const SSL) -> bool {
        // SAFETY: the caller's contract.
        !self.is_forced() || unsafe { self.asks_for_certificates(ssl) } == Some(false)
    }

    /// # Safety
    /// As for [`Self::serves`].
    unsafe fn asks_for_certificates(&self, ssl: *const SSL) -> Option<bool> {
        // SAFETY: the caller's contract.
        let verify: c_int = unsafe { self.host.traits.SSL_get_verify_mode?(ssl) };
        Some(verify & SSL_VERIFY_PEER != 0)
    }

    /// Takes note of the session id context that the application sets.
    pub fn note_id_context(&self, id_context: &[u8]) {
        if let Some(mut known) = self.id_context.0.lock() {
            known.clear();
            known.extend(id_context);
        }
    }

    /// Shows the session id context; empty where none is set.
    pub fn with_id_context<T>(&self, see: impl FnOnce(&[u8]) -> T) -> T {
        match self.id_context.0.lock() {
            Some(known) => see(&known),
            None => see(&[]),
        }
    }

    /// Before a connection is made: a forced context without a session id context gets one of its own, so that its
    /// sessions are nobody else's.
    ///
    /// # Safety
    /// * `ctx` is the live context of this store.
    pub unsafe fn prepare(&self, ctx: *mut SSL_CTX) {
        if !self.is_forced() || !self.with_id_context(<[u8]>::is_empty) {
            return;
        }
        // SAFETY: the caller's contract.
        let digest = quietly(|| unsafe { fingerprint::digest_of(self, ctx, settings()) });
        let (Some(digest), Some(set)) =
            (digest, self.host.passthrough.SSL_CTX_set_session_id_context)
        else {
            return;
        };
        // SAFETY: the caller's contract; a digest is as long as a session id context may be.
        if unsafe { set(ctx, digest.as_ptr(), digest.len() as u32) } == 1 {
            self.note_id_context(&digest);
        }
    }
}
