//! The table of statistics: the name of each figure, and what it counts.

#![allow(missing_docs)] // the table says what each figure is

/// A number that only grows while its process lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Figure {
    HitsProcess,
    HitsRegion,
    HitsCallback,
    MissesAbsent,
    MissesGone,
    MissesMarked,
    MissesUsed,
    Added,
    Replaced,
    Evicted,
    Expired,
    Flushed,
    Removed,
    Refused,
    Failures,
    LockWaits,
    AgeMinute,
    AgeTenMinutes,
    AgeHour,
    AgeDay,
    AgeMore,
    AgeSeconds,
    Handshakes,
    Resumed,
    Timeouts,
    Connects,
    ContextsGone,
    HandshakesGone,
    ResumedGone,
    UnidentifiedGone,
    TicketsMadeShared,
    TicketsMadeOwn,
    TicketsOpenedShared,
    TicketsOpenedOwn,
    TicketsUnopened,
    ConnectsResumed,
    HitsFleet,
    FleetAnswered,
    FleetUnanswered,
    FleetTold,
    FleetUntold,
}

/// The number of figures.
pub const NUMBER: usize = 41;

/// Each figure by its number: its name, and what it counts.
pub static FIGURES: [(Figure, &str, &str); NUMBER] = [
    (
        Figure::HitsProcess,
        "hits_process",
        "Look-ups that found a session in the cache of the process",
    ),
    (
        Figure::HitsRegion,
        "hits_region",
        "Look-ups that found a session in the memory that processes share",
    ),
    (
        Figure::HitsCallback,
        "hits_callback",
        "Look-ups that the program's own callback answered",
    ),
    (
        Figure::MissesAbsent,
        "misses_absent",
        "Look-ups of a session that is nowhere",
    ),
    (
        Figure::MissesGone,
        "misses_gone",
        "Look-ups of a session that another process had removed or used up",
    ),
    (
        Figure::MissesMarked,
        "misses_marked",
        "Look-ups of a session that was marked not resumable",
    ),
    (
        Figure::MissesUsed,
        "misses_used",
        "Look-ups of a session that is good for one use and is being used",
    ),
    (Figure::Added, "added", "Sessions added under a new id"),
    (
        Figure::Replaced,
        "replaced",
        "Sessions that took the place of another one with their id",
    ),
    (
        Figure::Evicted,
        "evicted",
        "Sessions that left because the cache was full",
    ),
    (
        Figure::Expired,
        "expired",
        "Sessions that were cleared away because they had expired",
    ),
    (
        Figure::Flushed,
        "flushed",
        "Sessions that left by a flush of everything",
    ),
    (
        Figure::Removed,
        "removed",
        "Sessions taken out by id: removed, or used once",
    ),
    (
        Figure::Refused,
        "refused",
        "Sessions not added because memory was short",
    ),
    (
        Figure::Failures,
        "failures",
        "Anything that went wrong in sslcache; each was a miss, and nothing worse",
    ),
    (
        Figure::LockWaits,
        "lock_waits",
        "Times that a thread had to wait for a lock of the cache",
    ),
    (
        Figure::AgeMinute,
        "age_60",
        "Hits of sessions no older than a minute",
    ),
    (
        Figure::AgeTenMinutes,
        "age_600",
        "Hits of sessions no older than ten minutes",
    ),
    (
        Figure::AgeHour,
        "age_3600",
        "Hits of sessions no older than an hour",
    ),
    (
        Figure::AgeDay,
        "age_86400",
        "Hits of sessions no older than a day",
    ),
    (
        Figure::AgeMore,
        "age_more",
        "Hits of sessions older than a day",
    ),
    (
        Figure::AgeSeconds,
        "age_seconds",
        "The ages of all sessions that were hit, in seconds",
    ),
    (
        Figure::Handshakes,
        "handshakes",
        "Handshakes done, full and resumed",
    ),
    (
        Figure::Resumed,
        "resumed",
        "Handshakes that resumed a session, by the cache or by a ticket",
    ),
    (
        Figure::Timeouts,
        "timeouts",
        "Sessions that were offered after they had expired",
    ),
    (
        Figure::Connects,
        "connects",
        "Of the handshakes, those done as a client",
    ),
    (
        Figure::ContextsGone,
        "contexts_gone",
        "Contexts that did handshakes as a server and are gone",
    ),
    (
        Figure::HandshakesGone,
        "handshakes_gone",
        "Handshakes that these did as a server",
    ),
    (
        Figure::ResumedGone,
        "resumed_gone",
        "Of these handshakes, those that resumed a session",
    ),
    (
        Figure::UnidentifiedGone,
        "unidentified_gone",
        "Contexts among these that asked for client certificates and had no session id context",
    ),
    (
        Figure::TicketsMadeShared,
        "tickets_made_shared",
        "Stateless tickets made with the keys of all processes",
    ),
    (
        Figure::TicketsMadeOwn,
        "tickets_made_own",
        "Stateless tickets made with the keys of one context by sslcache, where ticket_keys asks for shared ones",
    ),
    (
        Figure::TicketsOpenedShared,
        "tickets_opened_shared",
        "Stateless tickets opened with the keys of all processes",
    ),
    (
        Figure::TicketsOpenedOwn,
        "tickets_opened_own",
        "Stateless tickets opened with the keys of one context by sslcache",
    ),
    (
        Figure::TicketsUnopened,
        "tickets_unopened",
        "Stateless tickets that sslcache had no key for, or none any more",
    ),
    (
        Figure::ConnectsResumed,
        "connects_resumed",
        "Of the resumed handshakes, those done as a client",
    ),
    (
        Figure::HitsFleet,
        "hits_fleet",
        "Look-ups that found the session of another host",
    ),
    (
        Figure::FleetAnswered,
        "fleet_answered",
        "Questions to the agent of this host that it answered",
    ),
    (
        Figure::FleetUnanswered,
        "fleet_unanswered",
        "Questions to the agent that had no answer in time; each was a miss",
    ),
    (
        Figure::FleetTold,
        "fleet_told",
        "Sessions that the agent was told of, for the other hosts",
    ),
    (
        Figure::FleetUntold,
        "fleet_untold",
        "Sessions that it could not be told of",
    ),
];

/// The figures of the shared region: the name of each, and what it counts.
pub static REGION_FIGURES: [(&str, &str); 12] = [
    ("gets", "Look-ups in the memory that processes share"),
    ("hits", "Of these, those that found the session"),
    ("absent", "Of these, those that found none"),
    ("expired", "Of these, those that found one that had expired"),
    ("puts", "Sessions put there"),
    ("refused", "Sessions not put: too long, no time, or no room"),
    ("evictions", "Sessions that left it to make room"),
    ("takes", "Sessions taken out by the one who uses them"),
    (
        "time_outs",
        "Calls that missed because a lock was not had in time",
    ),
    ("recovered", "Locks taken over from a process that had died"),
    ("records", "Sessions there now"),
    ("bytes", "Bytes that they take now"),
];

/// All statistics of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    pub figures: [u64; NUMBER],
    /// Contexts of the process.
    pub contexts: u64,
    /// Sessions cached in the process.
    pub sessions: u64,
    /// Bytes that its caches take, beyond the sessions themselves.
    pub memory: u64,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            figures: [0; NUMBER],
            contexts: 0,
            sessions: 0,
            memory: 0,
        }
    }
}

impl Sums {
    /// The value of one figure.
    pub fn get(&self, figure: Figure) -> u64 {
        self.figures[figure as usize]
    }

    /// Adds `number` to a figure.
    pub fn add(&mut self, figure: Figure, number: u64) {
        let sum = &mut self.figures[figure as usize];
        *sum = sum.wrapping_add(number);
    }

    /// Adds what another process holds now; the figures stay.
    pub fn hold(&mut self, other: &Self) {
        self.contexts = self.contexts.saturating_add(other.contexts);
        self.sessions = self.sessions.saturating_add(other.sessions);
        self.memory = self.memory.saturating_add(other.memory);
    }

    /// Adds the figures of another, and what it holds now.
    pub fn include(&mut self, other: &Self) {
        for (sum, figure) in self.figures.iter_mut().zip(other.figures) {
            *sum = sum.saturating_add(figure);
        }
        self.hold(other);
    }

    /// Handshakes done as a server.
    pub fn accepted(&self) -> u64 {
        self.get(Figure::Handshakes)
            .saturating_sub(self.get(Figure::Connects))
    }

    /// Of these, the resumed ones.
    pub fn accepted_resumed(&self) -> u64 {
        self.get(Figure::Resumed)
            .saturating_sub(self.get(Figure::ConnectsResumed))
    }

    /// Look-ups that found a session.
    pub fn hits(&self) -> u64 {
        self.sum_of(&[
            Figure::HitsProcess,
            Figure::HitsRegion,
            Figure::HitsCallback,
        ])
    }

    /// Look-ups that found no session.
    pub fn misses(&self) -> u64 {
        self.sum_of(&[
            Figure::MissesAbsent,
            Figure::MissesGone,
            Figure::MissesMarked,
            Figure::MissesUsed,
        ])
    }

    /// The sum of some figures, which may be any numbers: another process wrote them.
    fn sum_of(&self, figures: &[Figure]) -> u64 {
        let figures = figures.iter().map(|figure| self.get(*figure));
        figures.fold(0, u64::saturating_add)
    }
}

/// The shared ticket keys, as far as they may be told; all 0 if there are none. Times are seconds of the epoch.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct TicketKeys {
    /// When the turn of the key that makes tickets began.
    pub made: u64,
    /// When its turn ends.
    pub turn_ends: u64,
    /// How many keys open tickets.
    pub number: u64,
    /// When the last of them ends, if no key follows.
    pub until: u64,
}

/// A context, as far as it matters for which clients can resume sessions.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Context {
    /// SSL_SESS_CACHE_*, as the program has set it.
    pub mode: u32,
    /// SSL_VERIFY_*.
    pub verify: u8,
    /// Bytes of the session id context.
    pub id_context: u8,
    pub flags: u8,
    /// SSL_OP_*.
    pub options: u64,
    /// Sessions that it may hold; 0 for no limit.
    pub capacity: u64,
    /// Sessions that it holds in this process.
    pub sessions: u64,
    pub hits: u64,
    pub misses: u64,
    /// Handshakes done as a server.
    pub accepted: u64,
    /// Handshakes done as a client.
    pub connected: u64,
    /// Resumed handshakes, as a server and as a client.
    pub resumed: u64,
    /// Whose keys its tickets are made with, a number of `KeySource`.
    pub keys: u8,
    /// A number that a context has in all processes that were forked with it, and that no other context has.
    pub origin: u64,
    /// A short digest of each attribute that contexts must have in common to share; all 0 if they are not known.
    pub attributes: [u32; ATTRIBUTES_MOST],
}

/// The most attributes that there are.
pub const ATTRIBUTES_MOST: usize = 16;

impl Context {
    /// The program has switched its cache off; SSLCACHE_FORCE gives it one for connections without client certificates.
    pub const FORCED: u8 = 1;
    /// Made after a fork, so that no other process has it.
    pub const MADE_AFTER_FORK: u8 = 2;
    /// Its sessions go to the shared region.
    pub const SHARED: u8 = 4;
    /// The program has callbacks that store sessions.
    pub const CALLBACKS: u8 = 8;

    /// Handshakes done.
    pub fn handshakes(&self) -> u64 {
        self.accepted.saturating_add(self.connected)
    }

    /// True if the context has this flag.
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}
