//! What we keep for one `SSL_CTX`: its cache, and the application's view of it.
//!
//! The host is told that its own cache is off; mode, size and callbacks as the application set them live
//! here, and its getters are answered from here. The rules by which libssl adds, finds and removes sessions
//! are applied here too, case by case as libssl does; a departure is labelled.
//!
//! No callback runs, and no session is freed, under a lock: the cache hands out what leaves it.
//!
//! [`Context`] has what is kept, and the questions that it answers from that alone. What is done with it are functions of
//! the other files, from the bottom:
//!
//! * [`state`], [`local`], [`claims`], [`id_context`], [`callback`] and [`tables`] are its parts; [`session`] is what a cache
//!   needs to know of a session; [`connections`] and [`unannounced`] are kept beside objects of the host.
//! * [`known`] finds a context by its address, [`registry`] knows all.
//! * [`notify`], [`ending`] and [`insert`] are steps that several operations have in common; [`freeing`] and [`departing`] tell
//!   during which of them this thread is.
//! * [`alike`] decides who may share with whom, [`sharing`] is the way to other processes.
//! * [`add`], [`find`], [`remove`], [`clearing`], [`listing`] and [`everywhere`] are the operations.
//! * [`ticket_keys`] gives all processes one set of keys for stateless tickets.

pub mod add;
pub mod alike;
pub mod callback;
pub mod claims;
pub mod clearing;
pub mod connections;
mod departing;
pub mod ending;
pub mod everywhere;
pub mod find;
pub mod freeing;
mod id_context;
mod insert;
pub mod known;
pub mod listing;
mod local;
mod notify;
pub mod registry;
pub mod remove;
pub mod session;
pub mod sharing;
pub mod state;
mod tables;
pub mod ticket_keys;
pub mod unannounced;

use core::ffi::{c_int, c_long, c_void};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use core::{mem, ptr};

use smallvec::SmallVec;

use self::alike::Alike;
use self::alike::rule::{Client, Terms};
use self::callback::Callback;
use self::claims::Claims;
use self::id_context::IdContext;
use self::local::Local;
use self::session::{Usage, key_of, now};
use self::sharing::common::{self, ForkPoint, common};
use self::sharing::state::{Scope, Sharing};
use self::state::{AutoClear, CertCallback, Counters, Ending, TicketSharing};
use self::tables::Snapshots;
use crate::cache::{ClientHistory, Key};
use crate::config::{Group, settings};
use crate::host::abi::*;
use crate::host::scratch::Origin;
use crate::host::types::*;
use crate::host::{Host, Libssl, SessionRef};
use crate::shm::{Partition, PartitionId};
use crate::sys::guard::{attempt, caught, quietly};
use crate::sys::lock::{FIRST, Lock, this_process};
use crate::sys::processors::processors;

/// Enough that two threads rarely meet at one lock, few enough that an idle cache is small.
const SHARDS_A_PROCESSOR: usize = 4;

/// The cache of one context, and what its application asked of it.
pub struct Context {
    /// The libssl that made it.
    pub host: &'static Host,
    /// The functions of that libssl.
    pub libssl: &'static Libssl,
    /// What the context was made with.
    pub origin: Origin,
    /// Its sessions, but for those that stay in this process where it shares.
    pub cache: Local,
    /// The mode as the application set it: SSL_SESS_CACHE_*.
    pub mode: AtomicU32,
    /// SSL_CTX_sess_set_new_cb.
    pub new_callback: Callback<NewSessionCallback>,
    /// SSL_CTX_sess_set_remove_cb.
    pub remove_callback: Callback<RemoveSessionCallback>,
    /// SSL_CTX_sess_set_get_cb.
    pub get_callback: Callback<GetSessionCallback>,
    /// SSL_CTX_set_tlsext_servername_callback.
    pub servername_callback: Callback<ServernameCallback>,
    /// SSL_CTX_set_alpn_select_cb.
    pub alpn_callback: Callback<AlpnCallback>,
    /// Every certificate callback that was set: connections keep the one that was in force when they were made.
    #[allow(clippy::vec_box)] // the host has their addresses
    cert_callbacks: Lock<Vec<Box<CertCallback>>>,
    /// What has been counted.
    pub counters: Counters,
    /// How often a flush was asked for from outside, and done.
    pub flushed: AtomicU64,
    /// Set by a panic: from then on this context has no cache.
    broken: AtomicBool,
    /// When expired sessions are cleared away by themselves.
    pub auto_clear: AutoClear,
    /// Whether a session was ever added: then the context is noted in the registry.
    populated: AtomicBool,
    /// Whether a session was ever lent to the host's own cache; see `lend`.
    lends: AtomicBool,
    /// Tickets that are good for one use, and are being used.
    pub claims: Claims,
    /// What is known of its end.
    pub ending: Ending,
    /// How it shares its sessions with other processes.
    pub sharing: Sharing,
    /// Its session id context.
    pub id_context: IdContext,
    /// What decides with whom it shares.
    pub alike: Alike,
    /// Its number, which no other one of this process or of those forked from it has.
    pub serial: u64,
    /// What it has to do with shared ticket keys.
    pub tickets: TicketSharing,
    /// The tables that SSL_CTX_sessions has handed out.
    pub snapshots: Snapshots,
}

impl Context {
    /// For an SSL_CTX with this mode and cache size; a flush was asked for from outside `flushed` times before.
    pub fn new(
        host: &'static Host,
        libssl: &'static Libssl,
        origin: Origin,
        mode: u32,
        size: usize,
        flushed: u64,
    ) -> Self {
        Self {
            host,
            libssl,
            origin,
            cache: Local::new(size, processors().saturating_mul(SHARDS_A_PROCESSOR)),
            mode: AtomicU32::new(mode),
            new_callback: Callback::none(),
            remove_callback: Callback::none(),
            get_callback: Callback::none(),
            servername_callback: Callback::none(),
            alpn_callback: Callback::none(),
            cert_callbacks: Lock::new(Vec::new()),
            counters: Counters::default(),
            flushed: AtomicU64::new(flushed),
            broken: AtomicBool::new(false),
            auto_clear: AutoClear::default(),
            populated: AtomicBool::new(false),
            lends: AtomicBool::new(false),
            claims: Claims::default(),
            ending: Ending::default(),
            sharing: Sharing::new(size),
            id_context: IdContext::new(),
            alike: Alike::default(),
            serial: next_serial(),
            tickets: TicketSharing::default(),
            snapshots: Snapshots::default(),
        }
    }

    /// Works on the cache; `None` where a panic broke it, now or before.
    pub fn with_cache<'a, T>(&'a self, work: impl FnOnce(&'a Local) -> T) -> Option<T> {
        // Relaxed: whoever does not see it yet runs into the same trouble and is caught likewise.
        if self.broken.load(Ordering::Relaxed) {
            return None;
        }
        let result = quietly(|| caught(|| work(&self.cache)));
        if result.is_none() {
            self.broken.store(true, Ordering::Relaxed);
            self.failed();
        }
        result
    }

    /// Keeps a certificate callback for as long as the context lives; `None` where that cannot be.
    ///
    /// # Safety
    /// * `callback` is a function of the type of SSL_CTX_set_cert_cb's.
    pub unsafe fn keep_cert_callback(
        &self,
        callback: AnyCallback,
        argument: *mut c_void,
    ) -> Option<*mut c_void> {
        type Function = unsafe extern "C-unwind" fn(*mut SSL, *mut c_void) -> c_int;
        // SAFETY: the caller's contract.
        let callback = unsafe { mem::transmute::<AnyCallback, Function>(callback) };
        let kept = Box::new(CertCallback { callback, argument });
        let place = ptr::from_ref(&*kept).cast_mut().cast();
        self.cert_callbacks.lock()?.push(kept);
        Some(place)
    }

    /// Counts something that could not be done.
    pub fn failed(&self) {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a look-up that found nothing.
    pub fn count_miss(&self) {
        self.counters.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a look-up of a session that is good for one use, and is being used.
    pub fn count_used(&self) {
        self.count_miss();
        self.counters.misses_used.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a session that the application's get callback had.
    pub fn count_callback_hit(&self) {
        self.counters.cb_hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts how old a session is that was found.
    pub fn count_age(&self, made: i64) {
        let age = now().saturating_sub(made).max(0);
        let part = [60, 600, 3600, 86400]
            .iter()
            .filter(|&&bound| age > bound)
            .count();
        self.counters.ages[part].fetch_add(1, Ordering::Relaxed);
        self.counters
            .age_seconds
            .fetch_add(age as u64, Ordering::Relaxed);
    }

    /// Whether the working mode has any of these flags.
    pub fn mode_has(&self, flags: u32) -> bool {
        self.working_mode() & flags != 0
    }

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

    /// Whether sessions of this process, too, are resumed only for the name and under the rule that they were made for.
    pub fn looks_at_names(&self) -> bool {
        settings().strict_names || self.is_forced()
    }

    /// Whether new and found sessions go into the cache by themselves.
    pub fn stores_by_itself(&self) -> bool {
        !self.mode_has(SSL_SESS_CACHE_NO_INTERNAL_STORE)
    }

    /// Whether the application is asked for a session although another process has put it here: one that has sessions
    /// elsewhere, too, and is told of removals, would otherwise not be told of this one's.
    pub fn asks_for(&self, session: &SessionRef) -> bool {
        self.get_callback.get().is_some()
            && self.remove_callback.get().is_some()
            && unannounced::has(session)
    }

    /// The host's answer to a control command that takes no pointer.
    pub fn host_ctrl(&self, ctx: *mut SSL_CTX, command: c_int, argument: c_long) -> c_long {
        // SAFETY: the context is alive, and the commands used here take no pointer.
        unsafe { (self.libssl.SSL_CTX_ctrl)(ctx, command, argument, ptr::null_mut::<c_void>()) }
    }

    /// Sets the host's mode to the application's, less its own cache.
    pub fn apply_mode(&self, ctx: *mut SSL_CTX) {
        loop {
            let mode = self.working_mode();
            self.apply(ctx, mode);
            // Another thread may have set another mode, and applied it before us.
            if self.working_mode() == mode {
                return;
            }
        }
    }

    /// The same, for one mode.
    fn apply(&self, ctx: *mut SSL_CTX, mode: u32) {
        // UPDATE_TIME would change the time of a session lent to the host's cache for early data.
        let hosts = (mode | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR)
            & !SSL_SESS_CACHE_UPDATE_TIME;
        self.host_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, c_long::from(hosts));
    }

    /// Stands in front of the application's ticket-key callback, where names are strict; whether it does.
    pub fn stand_in_front(&self, callback: Option<TicketKeyCallback>) -> bool {
        let may = settings().strict_names && self.host.tickets.is_ok();
        if may {
            self.tickets.application.set(callback);
        }
        may
    }

    /// Takes note that the callback of the context is no longer ours; whether it was.
    pub fn forget_ticket_keys(&self) -> bool {
        // Relaxed: whoever sets callbacks while another thread does is as lost with libssl.
        self.tickets.is_ours.swap(false, Ordering::Relaxed)
    }

    /// All caches of this process.
    pub fn caches(&self) -> [&Local; 3] {
        let [own, inherited] = self.sharing.private.caches();
        [&self.cache, own, inherited]
    }

    /// Whether any of them holds a session.
    pub fn is_in_use(&self) -> bool {
        self.caches().iter().any(|cache| !cache.is_empty())
    }

    /// What processes of before the fork keep, too.
    pub fn inherited_private(&self) -> &Local {
        &self.sharing.private.inherited
    }

    /// Takes a session out of those that stay.
    pub fn take_private(&self, key: &Key) -> Option<SessionRef> {
        let mut caches = self.sharing.private.caches().into_iter();
        caches.find_map(|cache| self.with_cache(|_| cache.take(key)).flatten())
    }

    /// Looks at all caches of this process as if no session moved from one to another meanwhile. `look` may run several
    /// times and under a lock: it drops no session.
    pub fn while_none_moves<T>(&self, look: impl Fn() -> T) -> T {
        let moves = || self.sharing.private.moves.lock().map(|moves| *moves);
        let before = moves();
        let seen = look();
        if moves() == before {
            return seen;
        }
        // What was seen goes after the lock.
        let again = {
            let _still = self.sharing.private.moves.lock();
            look()
        };
        drop(seen);
        again
    }

    /// How often what the caches of this process hold has changed.
    pub fn changes(&self) -> u64 {
        let changes = self.caches().map(|cache| cache.counters().changes());
        changes.iter().sum()
    }

    /// Looks an id up in one of the caches of this process.
    pub fn look_up(&self, cache: &Local, key: &Key, usage: Usage) -> Option<SessionRef> {
        self.with_cache(|_| match usage {
            Usage::Again => cache.get(key),
            Usage::Once => cache.get_once(key),
            Usage::Consumed => cache.take(key),
        })
        .flatten()
    }

    /// What it says of a client that `find` did not find its session.
    pub fn history_of(&self, key: &Key) -> ClientHistory {
        self.with_cache(|cache| cache.history_of(key))
            .unwrap_or(ClientHistory::New)
    }

    /// Whether this very session is in the own cache, and perhaps in the region.
    pub fn may_share(&self, key: &Key, session: &SessionRef) -> bool {
        let is_same = |cache: &Local| cache.contains_same(key, session);
        !self.cache.is_empty()
            && self.with_cache(is_same) == Some(true)
            && !self.known_partitions().is_empty()
    }

    /// The places of this context in the region, as far as they are known by now.
    pub fn known_partitions(&self) -> SmallVec<[Partition<'static>; 2]> {
        let in_group = self.sharing.in_group.lock().and_then(|known| *known);
        let places = in_group.map_or([None; 2], |known| known.partitions);
        let alone = self.sharing.alone.get().copied();
        places
            .into_iter()
            .flatten()
            .flatten()
            .chain(alone)
            .collect()
    }

    /// Whether a session of the own cache still is what it says; also where the region has no time to tell.
    pub fn is_held(&self, scopes: &[Scope], session: &SessionRef) -> bool {
        scopes.iter().any(|scope| match scope {
            Scope::Own | Scope::Unsettled(_) => true,
            Scope::Shared(partition) => key_of(session)
                .is_some_and(|key| attempt(|| partition.contains(&key, now())) != Some(false)),
        })
    }

    /// What tells the processes that were forked with this context from all others.
    pub fn lineage(&self) -> [u8; 16] {
        let (low, high) = self
            .sharing
            .id
            .map_or((self.serial, 0_u64), PartitionId::words);
        let mut lineage = [0; 16];
        lineage[..8].copy_from_slice(&low.to_be_bytes());
        lineage[8..].copy_from_slice(&high.to_be_bytes());
        lineage
    }

    /// Whether groups are asked for, or a region with a name that can be used.
    pub fn may_group(&self) -> bool {
        settings().group != Group::None || common::is_named()
    }

    /// Whether this process has made the context after it was forked by one that had contexts: its siblings have others.
    pub fn made_after_fork(&self) -> bool {
        let process = this_process();
        process != FIRST && self.sharing.made.process == process
    }

    /// Whether other processes may have this context.
    pub fn has_forked(&self) -> bool {
        let election = self.sharing.election.get().copied().flatten();
        self.sharing.made != ForkPoint::now()
            || election.is_some_and(|election| {
                common().is_some_and(|c| c.elections.is_known_elsewhere(election))
            })
    }

    /// Notes the first session that is cached.
    pub fn note_inheritance(&self) {
        self.sharing
            .election
            .get_or_init(|| Box::new(attempt(|| common()?.elections.open())));
    }

    /// The context dies.
    pub fn end_inheritance(&self) {
        if let Some(&Some(election)) = self.sharing.election.get()
            && !self.has_forked()
            && let Some(common) = common()
        {
            attempt(|| {
                common.elections.release(election);
                Some(())
            });
        }
        if let Some(alone) = self.sharing.alone.get() {
            attempt(|| {
                alone.release();
                Some(())
            });
        }
    }

    /// Ends what another process is handing over, or may begin to: from here on it hands over nothing more, so that
    /// what is removed or flushed then does not come back.
    pub fn end_migration(&self) {
        if let Some(&Some(election)) = self.sharing.election.get()
            && let Some(common) = common()
        {
            common.elections.end(election);
        }
    }

    /// Whether `session` is the sentinel.
    pub fn is_sentinel(&self, session: *mut SSL_SESSION) -> bool {
        let sentinel = self.ending.sentinel.get();
        sentinel.is_some_and(|sentinel| sentinel.as_ptr() == session)
    }

    /// Whether the host has begun to free the context: then this process lets go of what is its own, and others have
    /// theirs still, whatever the application's functions remove or flush meanwhile.
    pub fn is_ending(&self) -> bool {
        self.ending.has_begun.load(Ordering::Relaxed)
    }

    /// Whether the context can be asked what it has in common with others.
    pub fn can_be_asked(&self) -> bool {
        !self.is_ending() && !self.ending.is_unseen.load(Ordering::Relaxed)
    }

    /// Marks a session not resumable.
    pub fn mark(&self, session: &SessionRef) {
        let scratch = &self.host.scratch;
        if !quietly(|| scratch.mark_not_resumable(self.libssl, &self.origin, session)) {
            self.failed();
        }
    }
}

fn next_serial() -> u64 {
    static SERIALS: AtomicU64 = AtomicU64::new(1);
    SERIALS.fetch_add(1, Ordering::Relaxed)
}
