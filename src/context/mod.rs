//! What sslcache keeps for one `SSL_CTX`: its caches, and the settings of the application.
//!
//! The host's own cache is switched off. Mode, size and callbacks live here as the application set them, and libssl's
//! getters are answered from here. Sessions are added, found and removed by libssl's rules, case by case; each deliberate
//! difference is labelled `divergence:`.
//!
//! No callback runs and no session is freed under a lock: the caches return the sessions that leave them.
//!
//! [`Context`] is the data, with the questions that it can answer from that alone. The operations are functions over it in
//! the other files.
//!
//! The host's version matters through `Host::kind` and the tables of its functions, `Host::traits`, `Host::tickets` and
//! `Host::newer`: a getter that is absent makes an attribute unknown (`alike`), and without the ticket functions no ticket
//! keys are shared (`ticket_keys`).
//!
//! Parts of a context:
//! * `callback`: a callback that any thread may set and read.
//! * `claims`: keys of sessions that handshakes are consuming.
//! * `id_context`: the session id context.
//! * `local`: one cache of this process, and the record of the sessions that it holds.
//! * `state`: counters and other plain data.
//! * `tables`: the hash tables of SSL_CTX_sessions.
//!
//! Kept beside objects of the host, by their addresses:
//! * `connections`: what is known of a connection.
//! * `known`: from an SSL_CTX to its context; `registry` has all contexts.
//! * `unannounced`: which sessions the application was never told of, and the tags of sessions.
//!
//! Steps that several operations take:
//! * `departing` and `freeing`: whether this thread is inside the remove callback, or ending a connection.
//! * `ending`: how the end of a context is noticed.
//! * `insert`: inserting into a cache of this process.
//! * `notify`: the remove callback.
//! * `session`: the key, expiry and usage of a session.
//!
//! Operations:
//! * `add`, `find` and `remove`. A removal is decided in `sharing::operations::remove_everywhere`.
//! * `clearing`: flushes.
//! * `everywhere`: changes to a session in all caches that hold it.
//! * `listing`: SSL_CTX_sessions.
//! * `ticket_keys`: one set of keys for the stateless tickets of all processes; `key_source` says whose keys a ticket has,
//!   `ticket_secrets` keeps what they are derived from.
//!
//! Between contexts and processes:
//! * `alike`: which connections may share sessions; two contexts are compared there and nowhere else.
//! * `sharing`: the path to other processes, and what happens when one of them dies.
//! * `fleet`: the path to other hosts.

pub(crate) mod add;
pub mod alike;
pub(crate) mod callback;
pub(crate) mod claims;
pub(crate) mod clearing;
pub(crate) mod connections;
mod departing;
pub(crate) mod ending;
pub(crate) mod everywhere;
pub(crate) mod find;
pub(crate) mod fleet;
pub(crate) mod freeing;
mod id_context;
mod insert;
pub mod key_source;
pub(crate) mod known;
pub(crate) mod listing;
mod local;
mod notify;
pub(crate) mod registry;
pub(crate) mod remove;
pub(crate) mod session;
pub(crate) mod sharing;
pub(crate) mod state;
mod tables;
pub(crate) mod ticket_keys;
pub(crate) mod ticket_secrets;
pub(crate) mod unannounced;

use core::ffi::{c_int, c_long, c_void};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use core::{mem, ptr};

use smallvec::SmallVec;

use self::alike::Alike;
use self::alike::rule::{Client, Terms};
use self::callback::Callback;
use self::claims::Claims;
use self::id_context::IdContext;
use self::key_source::KeySource;
use self::local::Local;
use self::session::{Usage, key_of, now};
use self::sharing::common::{self, common};
use self::sharing::state::{Realm, Scope, Sharing};
use self::state::{AutoClear, CertCallback, Counters, Ending, TicketSharing};
use self::tables::Snapshots;
use crate::cache::{ClientHistory, Key};
use crate::config::{Group, Settings};
use crate::host::abi::*;
use crate::host::scratch::Origin;
use crate::host::types::*;
use crate::host::{Host, Libssl, SessionRef};
use crate::shm::Partition;
use crate::sys::entropy;
use crate::sys::forks::{FIRST, this_process};
use crate::sys::guard::{attempt, caught_silently, silence};
use crate::sys::lock::Lock;
use crate::sys::processors::processors;

/// Shards per processor: enough that two threads rarely contend for one lock, few enough that an idle cache is small.
const SHARDS_A_PROCESSOR: usize = 4;

/// The caches of one SSL_CTX, and the settings of its application.
pub struct Context {
    /// The libssl that made the SSL_CTX.
    pub host: &'static Host,
    /// The functions of that libssl.
    pub libssl: &'static Libssl,
    /// The library context and property query with which the SSL_CTX was made.
    pub origin: Origin,
    /// The own cache of this process. If the context shares, it holds only sessions that the region has, too; the private
    /// ones are in `sharing`.
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
    /// Every certificate callback that was set. None is dropped: a connection keeps the one that was in force when the
    /// connection was made.
    #[allow(clippy::vec_box)] // the host has the addresses
    cert_callbacks: Lock<Vec<Box<CertCallback>>>,
    /// The counters.
    pub counters: Counters,
    /// The settings in force.
    pub settings: &'static Settings,
    /// True if the settings ask for no more than libssl does; see `Settings::are_plain`.
    pub(crate) is_plain: bool,
    /// The number of flushes that the tool has asked for and that were done.
    pub flushed: AtomicU64,
    /// Set by a panic: from then on this context has no cache.
    broken: AtomicBool,
    /// The automatic clearing of expired sessions.
    pub auto_clear: AutoClear,
    /// Whether a session was ever added. From then on the registry asks this context about sessions.
    populated: AtomicBool,
    /// Whether a session was ever lent to the host's own cache; see [`remove::lend`].
    lends: AtomicBool,
    /// The keys of sessions that handshakes are consuming.
    pub claims: Claims,
    /// How the end of the context is noticed.
    pub ending: Ending,
    /// How the context shares its sessions with other processes.
    pub sharing: Sharing,
    /// The session id context.
    pub id_context: IdContext,
    /// What decides with whom the context shares.
    pub alike: Alike,
    /// A random number that only this context and its copies in other processes have; `None` if none could be drawn.
    lineage: Option<[u8; 16]>,
    /// The ticket-key callbacks.
    pub tickets: TicketSharing,
    /// The tables that SSL_CTX_sessions has handed out.
    pub snapshots: Snapshots,
}

impl Context {
    /// The state for an SSL_CTX of this mode and cache size. The tool has asked for `flushed` flushes before.
    pub fn new(
        host: &'static Host,
        libssl: &'static Libssl,
        origin: Origin,
        settings: &'static Settings,
        mode: u32,
        size: usize,
        flushed: u64,
    ) -> Self {
        silence(); // for `with_cache`
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
            is_plain: settings.are_plain(),
            settings,
            flushed: AtomicU64::new(flushed),
            broken: AtomicBool::new(false),
            auto_clear: AutoClear::default(),
            populated: AtomicBool::new(false),
            lends: AtomicBool::new(false),
            claims: Claims::default(),
            ending: Ending::default(),
            sharing: Sharing::new(size, settings),
            id_context: IdContext::new(),
            alike: Alike::default(),
            lineage: draw_lineage(),
            tickets: TicketSharing::default(),
            snapshots: Snapshots::default(),
        }
    }

    // The mode, and whom the cache serves.

    /// The mode by which the cache works: the application's, or that of a forced cache.
    pub fn working_mode(&self) -> u32 {
        let mode = self.mode.load(Ordering::Relaxed);
        if self.is_forced() {
            (mode | SSL_SESS_CACHE_SERVER) & !SSL_SESS_CACHE_NO_INTERNAL
        } else {
            mode
        }
    }

    /// Whether the working mode has any of `flags`.
    pub fn mode_has(&self, flags: u32) -> bool {
        self.working_mode() & flags != 0
    }

    /// Whether the setting `force` switches the cache on although the application has switched it off.
    pub fn is_forced(&self) -> bool {
        if self.is_plain || !self.settings.force {
            return false;
        }
        let mode = self.mode.load(Ordering::Relaxed);
        let is_off = mode & SSL_SESS_CACHE_BOTH == 0;
        let is_unused = mode & SSL_SESS_CACHE_NO_INTERNAL == SSL_SESS_CACHE_NO_INTERNAL
            && mode & SSL_SESS_CACHE_SERVER != 0
            && self.new_callback.get().is_none()
            && self.get_callback.get().is_none();
        is_off || is_unused
    }

    /// Whether the cache serves a connection on these terms. A forced cache does not if the client is asked for a
    /// certificate, or if the connection has no tag and may yet ask for one.
    pub fn serves(&self, terms: &Terms) -> bool {
        !self.is_forced() || terms.client == Client::Anybody && terms.tag.is_some()
    }

    /// Whether sessions of this process, too, are resumed only by connections with their tag.
    pub fn is_strict(&self) -> bool {
        !self.is_plain && (self.settings.strict_names || self.is_forced())
    }

    /// Whether new sessions, and those of the get callback, are stored without a call of the application.
    pub fn stores_by_itself(&self) -> bool {
        !self.mode_has(SSL_SESS_CACHE_NO_INTERNAL_STORE)
    }

    /// Whether a session that the context makes as a server is kept, by itself or by the application, as far as it has done so.
    pub fn keeps_sessions(&self) -> bool {
        let by_program = || self.sharing.kept_by_program.load(Ordering::Relaxed);
        self.mode_has(SSL_SESS_CACHE_SERVER) && (self.stores_by_itself() || by_program())
    }

    /// Notes that the application adds sessions to the cache.
    pub fn note_that_program_keeps_sessions(&self) {
        let kept = &self.sharing.kept_by_program;
        if !kept.load(Ordering::Relaxed) {
            kept.store(true, Ordering::Relaxed);
        }
    }

    /// Sets the host's mode to the working mode, with the host's own cache switched off.
    pub fn apply_mode(&self, ctx: *mut SSL_CTX) {
        loop {
            let mode = self.working_mode();
            self.apply(ctx, mode);
            // Another thread may have set another mode since, and applied it before this thread applied the older one.
            if self.working_mode() == mode {
                return;
            }
        }
    }

    /// Sets the host's mode to `mode`, with the host's own cache switched off.
    fn apply(&self, ctx: *mut SSL_CTX, mode: u32) {
        // UPDATE_TIME would change the time of a session that is lent to the host's cache.
        let hosts = (mode | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR)
            & !SSL_SESS_CACHE_UPDATE_TIME;
        self.host_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, c_long::from(hosts));
    }

    /// The host's answer to a control command that takes no pointer.
    pub(crate) fn host_ctrl(&self, ctx: *mut SSL_CTX, command: c_int, argument: c_long) -> c_long {
        // SAFETY: the caller keeps `ctx` alive, and passes a command that takes no pointer.
        unsafe { (self.libssl.SSL_CTX_ctrl)(ctx, command, argument, ptr::null_mut::<c_void>()) }
    }

    // The application's callbacks.

    /// Whether the application's new and get callbacks are called. With the cache switched off for both sides libssl calls
    /// neither, so a forced cache does not either.
    pub fn calls_back(&self) -> bool {
        self.mode.load(Ordering::Relaxed) & SSL_SESS_CACHE_BOTH != 0 || !self.settings.force
    }

    /// Whether the get callback is asked for a session that was found. An application with get and remove callbacks keeps
    /// sessions of its own, and would not be told of the removal of an unannounced one.
    pub fn asks_for(&self, session: &SessionRef) -> bool {
        self.get_callback.get().is_some()
            && self.remove_callback.get().is_some()
            && unannounced::has(session)
    }

    /// Keeps a certificate callback for as long as the context lives, and returns its address; `None` if the list was lost
    /// in a fork.
    ///
    /// # Safety
    /// * `callback` has the type of SSL_CTX_set_cert_cb's callback.
    pub unsafe fn keep_cert_callback(
        &self,
        callback: AnyCallback,
        argument: *mut c_void,
    ) -> Option<*mut c_void> {
        type Function = unsafe extern "C-unwind" fn(*mut SSL, *mut c_void) -> c_int;
        // SAFETY: the caller vouches for the function's type.
        let callback = unsafe { mem::transmute::<AnyCallback, Function>(callback) };
        let kept = Box::new(CertCallback { callback, argument });
        let place = ptr::from_ref(&*kept).cast_mut().cast();
        self.cert_callbacks.lock()?.push(kept);
        Some(place)
    }

    /// Keeps the application's ticket-key callback to be called by ours, if names are strict; `true` if ours is to be set.
    pub fn stand_in_front(&self, callback: Option<TicketKeyCallback>) -> bool {
        let may = self.settings.strict_names && self.host.tickets.is_ok();
        if may {
            self.tickets.application.set(callback);
        }
        may
    }

    /// Notes that the application sees to the ticket keys of the context; `true` if they were shared ones.
    pub fn forget_ticket_keys(&self) -> bool {
        self.tickets.source.note(KeySource::Program);
        // Relaxed: libssl orders nothing either between threads that set callbacks at the same time.
        self.tickets.is_ours.swap(false, Ordering::Relaxed)
    }

    // Counting.

    /// Counts an operation that failed for an internal reason.
    pub fn failed(&self) {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a look-up that found no session.
    pub fn count_miss(&self) {
        self.counters.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a look-up of a session that another handshake is consuming.
    pub fn count_used(&self) {
        self.count_miss();
        self.counters.misses_used.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a session that the application's get callback returned.
    pub fn count_callback_hit(&self) {
        self.counters.cb_hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a found session by its age; `made` is the second in which it was made.
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

    // The caches of this process.

    /// Runs `work` on the own cache; `None` if it panics or an earlier one has panicked. errno stays as it was: all that a cache
    /// asks of the system is memory, to wait for a lock, and random numbers once, and each leaves it alone (`sys::reserve`,
    /// `sys::lock`, `cache::hash`).
    #[inline(always)]
    pub fn with_cache<'a, T>(&'a self, work: impl FnOnce(&'a Local) -> T) -> Option<T> {
        // Relaxed: a thread that does not see the flag yet meets the same panic, which is caught as well.
        if self.broken.load(Ordering::Relaxed) {
            return None;
        }
        let result = caught_silently(|| work(&self.cache)); // silent since `new`
        if result.is_none() {
            self.broken.store(true, Ordering::Relaxed);
            self.failed();
        }
        result
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

    /// The history of a client whose session was not found.
    pub fn history_of(&self, key: &Key) -> ClientHistory {
        self.with_cache(|cache| cache.history_of(key))
            .unwrap_or(ClientHistory::New)
    }

    /// Takes a session out of the private caches.
    pub fn take_private(&self, key: &Key) -> Option<SessionRef> {
        let mut caches = self.sharing.private.caches().into_iter();
        caches.find_map(|cache| self.with_cache(|_| cache.take(key)).flatten())
    }

    /// The private sessions that other processes may have, too.
    pub fn inherited_private(&self) -> &Local {
        &self.sharing.private.inherited
    }

    /// All caches of this process: the own cache and the private ones.
    pub fn caches(&self) -> [&Local; 3] {
        let [own, inherited] = self.sharing.private.caches();
        [&self.cache, own, inherited]
    }

    /// Whether any cache of this process holds a session.
    pub fn is_in_use(&self) -> bool {
        self.caches().iter().any(|cache| !cache.is_empty())
    }

    /// How often a session has come into or left a cache of this process.
    pub fn changes(&self) -> u64 {
        let changes = self.caches().map(|cache| cache.counters().changes());
        changes.iter().sum()
    }

    /// Runs `look` over the caches of this process so that it sees each session once, although sessions move between them.
    /// `look` may run twice and under a lock, so it must not drop a session.
    pub fn while_none_moves<T>(&self, look: impl Fn() -> T) -> T {
        let moves = || self.sharing.private.moves.lock().map(|moves| *moves);
        let before = moves();
        let seen = look();
        if moves() == before {
            return seen;
        }
        // `seen` is dropped after the lock is released: it may hold sessions.
        let again = {
            let _still = self.sharing.private.moves.lock();
            look()
        };
        drop(seen);
        again
    }

    /// Marks a session not resumable, as libssl does when it removes one.
    #[inline]
    pub fn mark_not_resumable(&self, session: &SessionRef) {
        let (mark, scratch) = (&self.host.mark, &self.host.scratch);
        if mark.set(session) {
            return;
        }
        let by_host = || scratch.mark_not_resumable(self.libssl, &self.origin, session);
        if !mark.learn(self.libssl, session, by_host) {
            self.failed();
        }
    }

    // Sharing with other processes.

    /// Whether the cache is this process's alone and works as libssl's: no setting asks for more, and no process was forked.
    #[inline]
    pub fn is_alone(&self) -> bool {
        self.is_plain && !self.has_forked()
    }

    /// Whether other processes may have a copy of this context.
    #[inline(always)]
    pub fn has_forked(&self) -> bool {
        let is_known = || {
            let election = self.sharing.election.get().and_then(Option::as_ref);
            election.is_some_and(|election| election.is_known_elsewhere())
        };
        !self.sharing.made.is_now() || is_known()
    }

    /// Whether the context was made in a worker, after the fork: the other workers then have contexts of their own.
    pub fn made_after_fork(&self) -> bool {
        let process = this_process();
        process != FIRST && self.sharing.made.process == process
    }

    /// Whether contexts that are configured alike share: by the setting `group`, or because a named region is in use.
    pub fn may_group(&self) -> bool {
        !self.is_plain && (self.settings.group != Group::None || common::is_named())
    }

    /// A value that this context has in all processes that inherited it, and in no other, on no other host either. It stands
    /// beside the address of an object that cannot be compared by value: two processes with one lineage have the same object
    /// there. `None` if it could not be drawn: such an object is then like no other.
    pub fn lineage(&self) -> Option<[u8; 16]> {
        self.lineage
    }

    /// The partitions of this context that have been looked up so far.
    pub fn known_partitions(&self) -> SmallVec<[Partition<'static>; 2]> {
        let in_group = self.sharing.in_group.lock().and_then(|known| *known);
        let places = in_group.map_or([None; 2], |known| known.partitions);
        let alone = self.sharing.alone.get().copied();
        places
            .into_iter()
            .flatten()
            .flatten()
            .map(|place| place.partition)
            .chain(alone)
            .chain(self.former_partitions())
            .collect()
    }

    /// What names a partition of this context's group on all hosts; `None` for one that is not of a group.
    pub fn realm_of(&self, partition: &Partition<'_>) -> Option<Realm> {
        let in_group = self.sharing.in_group.lock().and_then(|known| *known);
        let present = in_group.map_or([None; 2], |known| known.partitions);
        let mut places = present.into_iter().flatten().flatten();
        let place = places.find(|place| place.partition.is_same(partition));
        let former = || self.sharing.former.all().into_iter();
        place
            .or_else(|| former().find(|place| place.partition.is_same(partition)))
            .map(|place| place.realm)
    }

    /// The partitions in which the context had sessions as a member of a group under earlier rules.
    pub fn former_partitions(&self) -> Vec<Partition<'static>> {
        match self.may_group() {
            true => {
                let former = self.sharing.former.all().into_iter();
                former.map(|place| place.partition).collect()
            }
            false => Vec::new(),
        }
    }

    /// Whether a session of the own cache is still in force: the region has it, or could not be asked in time.
    pub fn is_held(&self, scopes: &[Scope], session: &SessionRef) -> bool {
        scopes.iter().any(|scope| match scope {
            Scope::Own | Scope::Unsettled(_) => true,
            Scope::Shared(partition) => key_of(session)
                .is_some_and(|key| attempt(|| partition.contains(&key, now())) != Some(false)),
        })
    }

    // Migration of the sessions cached before a fork.

    /// Opens the election for the migration when the first session is cached: from now on a child inherits sessions.
    pub fn note_inheritance(&self) {
        self.sharing
            .election
            .get_or_init(|| Box::new(attempt(|| common()?.elections.open())));
    }

    /// Ends a migration, also one that has not begun: no process migrates a session from then on, so a session that is
    /// removed or flushed afterwards does not come back.
    pub fn end_migration(&self) {
        if let Some(Some(election)) = self.sharing.election.get() {
            election.end();
        }
    }

    /// Releases the election and the partition of a context that is being freed.
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

    // The end of the context.

    /// Whether `session` is the sentinel.
    pub fn is_sentinel(&self, session: *mut SSL_SESSION) -> bool {
        let sentinel = self.ending.sentinel.get();
        sentinel.is_some_and(|sentinel| sentinel.as_ptr() == session)
    }

    /// Whether the host has begun to free the context. Removals and flushes then concern this process alone; other
    /// processes go on using their copies of the context.
    pub fn is_ending(&self) -> bool {
        self.ending.has_begun.load(Ordering::Relaxed)
    }

    /// Whether the host's getters may be called on the context, to compare it with others: not once it is being freed.
    pub fn can_be_asked(&self) -> bool {
        !self.is_ending() && !self.ending.is_unseen.load(Ordering::Relaxed)
    }
}

/// A lineage that no other context has, on any host.
fn draw_lineage() -> Option<[u8; 16]> {
    let mut drawn = [0; 16];
    entropy::fill(&mut drawn).then_some(drawn)
}
