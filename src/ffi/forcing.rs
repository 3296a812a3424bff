//! A cache for contexts whose program switched it off: SSLCACHE_FORCE.
//!
//! Off is a mode without sides, or with NO_INTERNAL and no callbacks in its place. The application goes on seeing the
//! mode that it has set, and callbacks that it has set without a side are not called: it does not expect them. Never
//! where client certificates are asked for: such a program may have its reasons.

use core::sync::atomic::{AtomicU32, Ordering};

use super::fingerprint::{self, Client};
use super::store::Store;
use crate::config::settings;
use crate::host::abi::*;
use crate::host::types::{SSL, SSL_CTX, SSL_SESSION};
use crate::lock::Lock;

/// The session id context of a context: what tells the sessions of one application from another's. libssl has no
/// function that asks for it.
pub struct IdContext {
    known: Lock<Vec<u8>>,
    changes: AtomicU32,
}

impl IdContext {
    /// None is set.
    pub const fn new() -> Self {
        Self {
            known: Lock::new(Vec::new()),
            changes: AtomicU32::new(0),
        }
    }

    /// What the application has set, empty where nothing is; `None` where that was lost in a fork.
    pub fn get(&self) -> Option<Vec<u8>> {
        self.known.lock().map(|known| known.clone())
    }

    /// Takes note of what the application sets.
    pub fn set(&self, id_context: &[u8]) {
        if let Some(mut known) = self.known.lock() {
            known.clear();
            known.extend(id_context);
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often it was set.
    pub fn changes(&self) -> u32 {
        self.changes.load(Ordering::Relaxed)
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

    /// Whether the cache of this context is there for a connection of a server: a forced one is not where the client is
    /// asked for a certificate.
    ///
    /// # Safety
    /// * `ssl` is a connection of the store's host, alive during the call.
    pub unsafe fn serves(&self, ssl: *const SSL) -> bool {
        // SAFETY: the caller's contract.
        !self.is_forced() || unsafe { Client::of_connection(self.host, ssl) } == Client::Anybody
    }

    /// Gives a connection of a forced context without a session id context one that is derived from what the context
    /// is, so that its sessions are nobody else's; and a session that was made in it.
    ///
    /// # Safety
    /// * `ctx` is the live context of this store, `ssl` a server's connection of it, `session` null or a session that
    ///   its handshake has made.
    pub unsafe fn give_id_context(
        &self,
        ctx: *mut SSL_CTX,
        ssl: *mut SSL,
        session: *mut SSL_SESSION,
    ) -> Option<()> {
        if !self.is_forced() || !self.id_context.get()?.is_empty() {
            return None;
        }
        let traits = &self.host.traits;
        // SAFETY: the caller's contract.
        let digest = unsafe { fingerprint::digest_of(self, ctx, Client::Anybody, settings()) }?;
        let (bytes, len) = (digest.as_ptr(), digest.len() as u32);
        if session.is_null() {
            // SAFETY: the caller's contract; a digest is as long as a session id context may be.
            unsafe { traits.SSL_set_session_id_context?(ssl, bytes, len) };
            return Some(());
        }
        let mut has = 0;
        // SAFETY: the caller's contract.
        unsafe { traits.SSL_SESSION_get0_id_context?(session, &mut has) };
        if has == 0 {
            // SAFETY: as above.
            unsafe { traits.SSL_SESSION_set1_id_context?(session, bytes, len) };
        }
        Some(())
    }
}
