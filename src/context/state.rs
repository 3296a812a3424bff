//! What is kept with a context besides its sessions: counters, and what each of its subjects has to remember.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};

use once_cell::race::OnceBox;

use super::callback::Callback;
use crate::host::SessionRef;
use crate::host::types::*;

/// What libssl counts of its internal cache, and what only we count.
#[derive(Default)]
pub struct Counters {
    /// Sessions that the application's get callback had.
    pub cb_hits: AtomicU64,
    /// Look-ups that found nothing.
    pub misses: AtomicU64,
    /// Sessions that left because the cache was full.
    pub cache_full: AtomicU64,
    /// What could not be done.
    pub failures: AtomicU64,
    /// Look-ups that found a session.
    pub hits: AtomicU64,
    /// Of these, those that found it in the memory that processes share.
    pub hits_region: AtomicU64,
    /// Of the misses, those of sessions that another process had removed.
    pub misses_gone: AtomicU64,
    /// Of the misses, those of sessions that were marked not resumable.
    pub misses_marked: AtomicU64,
    /// Of the misses, those of tickets that are good for one use, and are being used.
    pub misses_used: AtomicU64,
    /// Of what was found: up to a minute old, ten minutes, an hour, a day, older.
    pub ages: [AtomicU64; 5],
    /// The ages of what was found, in all.
    pub age_seconds: AtomicU64,
}

/// When expired sessions are cleared away by themselves.
#[derive(Default)]
pub struct AutoClear {
    /// How many times 256 handshakes were done when it last began, for clients and for servers.
    pub epochs: [AtomicU32; 2],
    /// Whether it has more to do.
    pub unfinished: AtomicBool,
    /// The second in which the region was last cleared.
    pub region_cleared: AtomicI64,
}

/// What is known of a context's end.
#[derive(Default)]
pub struct Ending {
    /// Held by us as well as by the host: while it lives, no other session has its address.
    pub sentinel: OnceBox<SessionRef>,
    /// Whether a flush has taken it out of the host's cache, and the context goes on.
    pub sentinel_is_out: AtomicBool,
    /// Whether the host has begun to free the context.
    pub has_begun: AtomicBool,
    /// Whether it would come unseen.
    pub is_unseen: AtomicBool,
}

/// What a context has to do with shared keys.
pub struct TicketSharing {
    /// Whether its tickets are made with keys of ours.
    pub is_ours: AtomicBool,
    /// The application's own ticket-key callback where ours stands in front of it: the kind that is given a message
    /// authentication code.
    pub application: Callback<TicketKeyCallback>,
    /// The same of the older kind, which is given an HMAC.
    pub application_hmac: Callback<HmacTicketKeyCallback>,
}

impl Default for TicketSharing {
    fn default() -> Self {
        Self {
            is_ours: AtomicBool::new(false),
            application: Callback::none(),
            application_hmac: Callback::none(),
        }
    }
}

/// A certificate callback of the application, and its argument.
pub struct CertCallback {
    /// The callback.
    pub callback: unsafe extern "C-unwind" fn(ssl: *mut SSL, argument: *mut c_void) -> c_int,
    /// What it is told.
    pub argument: *mut c_void,
}

// SAFETY: both are only handed back to the application, in handshakes of any thread, as libssl does.
unsafe impl Send for CertCallback {}
