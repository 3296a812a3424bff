//! Plain data of a context besides its sessions: the counters, and what automatic clearing, the context's end and shared
//! ticket keys have to remember.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};

use once_cell::race::OnceBox;

use super::callback::Callback;
use super::key_source::LastSource;
use crate::host::SessionRef;
use crate::host::types::*;

/// The counters of libssl's internal cache, and those that only we have.
#[derive(Default)]
pub struct Counters {
    /// Sessions that the application's get callback returned.
    pub cb_hits: AtomicU64,
    /// Look-ups that found no session.
    pub misses: AtomicU64,
    /// Sessions that were evicted because the cache was full.
    pub cache_full: AtomicU64,
    /// Operations that failed for an internal reason.
    pub failures: AtomicU64,
    /// Look-ups that found a session.
    pub hits: AtomicU64,
    /// Hits that found the session in the region.
    pub hits_region: AtomicU64,
    /// Hits that found the session of another host.
    pub hits_fleet: AtomicU64,
    /// Questions to the agent that it answered, and that it did not.
    pub fleet_answered: AtomicU64,
    pub fleet_unanswered: AtomicU64,
    /// Sessions that the agent was told of, and that it could not be told of.
    pub fleet_told: AtomicU64,
    pub fleet_untold: AtomicU64,
    /// Misses because another process had removed the session.
    pub misses_gone: AtomicU64,
    /// Misses because the session was marked not resumable.
    pub misses_marked: AtomicU64,
    /// Misses because another handshake was consuming the session.
    pub misses_used: AtomicU64,
    /// Hits by the age of the session: up to a minute, ten minutes, an hour, a day, older.
    pub ages: [AtomicU64; 5],
    /// The sum of the ages of all hits.
    pub age_seconds: AtomicU64,
    /// Tickets that our callback made with shared keys, and with the context's own.
    pub tickets_made_shared: AtomicU64,
    pub tickets_made_own: AtomicU64,
    /// Tickets that our callback had the keys of, shared ones and the context's own.
    pub tickets_opened_shared: AtomicU64,
    pub tickets_opened_own: AtomicU64,
    /// Tickets whose keys our callback did not have, or not any more.
    pub tickets_unopened: AtomicU64,
}

/// The state of the automatic clearing of expired sessions.
#[derive(Default)]
pub struct AutoClear {
    /// The number of good handshakes divided by 256 when a clearing last began, for clients and for servers.
    pub epochs: [AtomicU32; 2],
    /// Whether the last clearing stopped before its end.
    pub unfinished: AtomicBool,
    /// The second in which the region was last cleared.
    pub region_cleared: AtomicI64,
}

/// How the end of a context is noticed; see [`ending`](super::ending).
#[derive(Default)]
pub struct Ending {
    /// The session that stands in the host's cache as a signal. We hold a reference, so that no other session gets its
    /// address.
    pub sentinel: OnceBox<SessionRef>,
    /// Whether a flush has taken the sentinel out of the host's cache while the context goes on.
    pub sentinel_is_out: AtomicBool,
    /// Whether the host has begun to free the context.
    pub has_begun: AtomicBool,
    /// True if the beginning of the end cannot be observed.
    pub is_unseen: AtomicBool,
}

/// The ticket-key callbacks of a context.
pub struct TicketSharing {
    /// Whether the context's ticket-key callback is ours, with shared keys.
    pub is_ours: AtomicBool,
    /// Whose keys the last ticket was made with, if our callback made it.
    pub source: LastSource,
    /// The application's callback of SSL_CTX_set_tlsext_ticket_key_evp_cb, if ours runs in front of it.
    pub application: Callback<TicketKeyCallback>,
    /// The application's callback of SSL_CTX_set_tlsext_ticket_key_cb, likewise.
    pub application_hmac: Callback<HmacTicketKeyCallback>,
}

impl Default for TicketSharing {
    fn default() -> Self {
        Self {
            is_ours: AtomicBool::new(false),
            source: LastSource::default(),
            application: Callback::none(),
            application_hmac: Callback::none(),
        }
    }
}

/// A certificate callback of the application, and its argument.
pub struct CertCallback {
    /// The callback.
    pub callback: unsafe extern "C-unwind" fn(ssl: *mut SSL, argument: *mut c_void) -> c_int,
    /// The argument that the application has set with it.
    pub argument: *mut c_void,
}

// SAFETY: the argument is only passed back to the application's callback, from handshakes of any thread, as libssl does.
unsafe impl Send for CertCallback {}
