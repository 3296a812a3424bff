//! What the agent knows: its settings, the namespaces with their keys, the mailboxes, the figures.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sslcache::mailbox::{FleetKeys, Peer};
use sslcache::sys::no_dump::NoDump;
use tokio::sync::Notify;

use super::config::Config;
use super::figures::{Figures, OfNamespace};
use super::kept::{self, Kept};
use super::keyring::Keyring;
use super::notify::{self, Manager};
use super::peers::{Answered, Asked, Owner, Peers, Refused};
use super::sessions::{self, Sessions, Setup};
use super::space::Space;
use super::store::{Store, Trouble};
use crate::failure::Failure;

/// A namespace that is not in the settings is forgotten when it has had no mailbox for so long, in seconds.
const UNUSED: u64 = 3600;
/// The most mailboxes that wait for others to be given up.
const PENDING_MOST: usize = 256;
/// The most lines of the log in a minute that others can cause.
const LINES_MOST: u32 = 20;

/// The present second since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// A line in the log. Where nobody reads it any more it is lost: `eprintln` would end the agent.
pub fn log(what: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "sslcache agent: {what}");
}

pub struct State {
    path: PathBuf,
    pub config: Config,
    pub keyring: Arc<Keyring>,
    /// What serves sessions.
    sessions: Sessions,
    pub store: Rc<Store>,
    pub manager: Manager,
    pub spaces: BTreeMap<String, Space>,
    peers: Peers,
    /// Mailboxes for which there is no room until others are given up.
    pending: Vec<(OwnedFd, Peer)>,
    /// Has the mailboxes asked for that no process has any more.
    pub sweep_now: Rc<Notify>,
    pub figures: Figures,
    /// The keys that are being published.
    keys: NoDump<FleetKeys>,
    /// What a later agent goes on from, and whether it is to be written.
    kept: Option<Kept>,
    is_changed: bool,
    /// What is answered to those who ask for figures.
    pages: Arc<Mutex<Pages>>,
    status: String,
    /// The minute, and the lines that others have caused in it.
    lines: (u64, u32),
}

/// What is answered to those who ask for figures.
#[derive(Default)]
pub struct Pages {
    /// For Prometheus.
    pub prometheus: String,
    /// For `sslcache agent status`.
    pub json: String,
}

/// Whose the mailbox of a process of this user is; `None` if the user is in no namespace.
fn owner(config: &Config, uid: u32) -> Option<Owner> {
    let namespace = config.namespace_of(uid)?;
    let is_named = uid == 0 || config.namespaces().contains(&&*namespace);
    Some(Owner {
        uid,
        namespace,
        is_named,
    })
}

/// The state, which is borrowed only between two waits.
pub type Shared = Rc<RefCell<State>>;

impl State {
    /// The state with the settings in the file at `path`.
    pub fn new(path: &Path, manager: Manager) -> Result<Self, Failure> {
        let config = Config::read(path)?;
        let keyring = Arc::new(Keyring::read(&config.ring)?);
        let store = Store::new(&config.store)?;
        let sessions = Sessions::start(Setup::of(&config, keyring.clone())?)?;
        let mut figures = Figures::of(store.shown());
        figures.sessions = sessions.figures.clone();
        let no_memory =
            |error| Failure::new("memory for keys", error, "raise the limits of this service");
        Ok(Self {
            path: path.to_owned(),
            figures,
            sessions,
            config,
            keyring,
            store: Rc::new(store),
            manager,
            spaces: BTreeMap::new(),
            peers: Peers::default(),
            pending: Vec::new(),
            sweep_now: Rc::default(),
            keys: NoDump::new(FleetKeys::default()).map_err(no_memory)?,
            kept: None,
            is_changed: false,
            pages: Arc::default(),
            status: String::new(),
            lines: (0, 0),
        })
    }

    /// The figures, which stay up to date.
    pub fn pages(&self) -> Arc<Mutex<Pages>> {
        self.pages.clone()
    }

    /// Takes back the mailboxes that the service manager has handed over; the socket, if that is there, too.
    pub fn take_over(&mut self, handed_over: Vec<(String, OwnedFd)>) -> Option<OwnedFd> {
        let mut socket = None;
        let mut keys = None;
        let mut told = None;
        let mut mailboxes = Vec::new();
        for (name, file) in handed_over {
            match &*name {
                kept::NAME => keys = Some(file),
                sessions::KEPT => told = Some(file),
                _ if notify::is_listening(&file) => socket = Some(file),
                _ => mailboxes.push((name, file)),
            }
        }
        self.sessions.go_on(told, &self.manager);
        for (name, file) in mailboxes {
            let judge = |uid| owner(&self.config, uid);
            // What is no mailbox of a namespace any more is no news.
            let _ = self
                .peers
                .take_back(&name, file, judge, &self.manager, &self.sessions);
        }
        // Some may be abandoned.
        self.sweep_now.notify_one();
        self.open_spaces();
        let back = keys.and_then(|file| Kept::take_back(file, &mut self.spaces, now()));
        self.kept = back.or_else(|| Kept::make(&self.manager));
        socket
    }

    /// Has a schedule for each namespace of the settings and of the mailboxes.
    fn open_spaces(&mut self) {
        for name in [self.config.namespaces(), self.peers.namespaces()].concat() {
            let space = || Space::new(name, self.config.lifetime);
            self.spaces.entry(name.to_owned()).or_insert_with(space);
        }
    }

    /// Publishes the keys of a namespace if they are not those that were published last.
    pub fn publish(&mut self, namespace: &str, now: u64) {
        if let Some(space) = self.spaces.get_mut(namespace) {
            space.fill(&mut self.keys, now);
            if space.is_news(&self.keys) {
                self.is_changed = true;
                self.peers.publish(namespace, &self.keys);
            }
            self.keys.clear();
        }
    }

    /// Takes the mailbox of a process. True if its namespace is new. Where there is no room it waits once for others to be
    /// given up.
    pub fn attach(&mut self, file: OwnedFd, peer: Peer, may_wait: bool) -> bool {
        let who = || format!("process {} of user {}", peer.pid, peer.uid);
        let Some(owner) = owner(&self.config, peer.uid) else {
            self.refused(&who(), "its user is in no namespace of the settings");
            return false;
        };
        match self
            .peers
            .attach(file, &owner, &self.manager, &self.sessions)
        {
            Ok(()) => {}
            Err(Refused::Full(file)) if may_wait && self.pending.len() < PENDING_MOST => {
                self.pending.push((file, peer));
                self.sweep_now.notify_one();
                return false;
            }
            Err(Refused::Full(_)) => {
                self.refused(&who(), "there are as many mailboxes as may be");
                return false;
            }
            Err(Refused::For(reason)) => {
                self.refused(&who(), &reason);
                return false;
            }
        }
        let namespace = owner.namespace;
        self.figures.attached += 1;
        let is_new = !self.spaces.contains_key(&namespace);
        let space = || Space::new(&namespace, self.config.lifetime);
        let space = self.spaces.entry(namespace.clone()).or_insert_with(space);
        if space.fill(&mut self.keys, now()) {
            self.peers.publish_in_last(&self.keys);
        }
        self.keys.clear();
        is_new
    }

    /// Notes that a process was refused.
    pub fn refused(&mut self, who: &str, reason: &str) {
        self.figures.refused_peers += 1;
        self.log_of_others(format_args!("refused the mailbox of {who}: {reason}"));
    }

    /// A line that others can cause as often as they like.
    pub fn log_of_others(&mut self, what: std::fmt::Arguments<'_>) {
        let minute = now() / 60;
        if self.lines.0 != minute {
            self.lines = (minute, 0);
        }
        self.lines.1 += 1;
        match self.lines.1 {
            ..LINES_MOST => log(what),
            LINES_MOST => log("there is more of this kind, which is not said in this minute"),
            _ => {}
        }
    }

    /// What is due each second.
    pub fn tick(&mut self, now: u64) {
        let names: Vec<_> = self.spaces.keys().cloned().collect();
        for name in names {
            if let Some(space) = self.spaces.get_mut(&name) {
                space.schedule.turn(now);
            }
            self.publish(&name, now);
        }
        if std::mem::take(&mut self.is_changed)
            && let Some(kept) = &mut self.kept
        {
            // Without it, a later agent begins without keys, as on another host.
            let _ = kept.save(&self.spaces);
        }
        self.peers.beat(i64::try_from(now).unwrap_or(i64::MAX));
        self.show(now);
    }

    /// Brings the figures up to date.
    fn show(&mut self, now: u64) {
        let of = |(name, space): (&String, &Space)| OfNamespace {
            name: name.clone(),
            present: space.schedule.present(now),
            has_next: space.schedule.has_next(now),
            keys: space.keys(),
            mailboxes: self.peers.count(name),
        };
        let namespaces: Vec<_> = self.spaces.iter().map(of).collect();
        let fresh = Pages {
            prometheus: self.figures.prometheus(&namespaces, now),
            json: format!("{:#}\n", self.figures.json(&namespaces, now)),
        };
        *self.pages.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        let status = self.figures.status(&namespaces);
        if status != self.status {
            self.manager.tell(&format!("STATUS={status}"));
            self.status = status;
        }
    }

    /// The question of each mailbox, whether any process still has it.
    pub fn questions(&self) -> Vec<Asked> {
        self.peers.questions()
    }

    /// Gives up what nobody has any more, and takes what has waited for that. True if there is a new namespace.
    pub fn sweep(&mut self, answers: &[Answered], now: u64) -> bool {
        self.peers.sweep(answers, &self.manager);
        let mut is_new = false;
        for (file, peer) in std::mem::take(&mut self.pending) {
            is_new |= self.attach(file, peer, false);
        }
        let named = self.config.namespaces();
        self.spaces.retain(|name, space| {
            let is_used = named.contains(&&**name) || self.peers.count(name) > 0;
            space.unused_since = (!is_used).then(|| space.unused_since.unwrap_or(now));
            space
                .unused_since
                .is_none_or(|since| now.saturating_sub(since) < UNUSED)
        });
        is_new
    }

    /// Reads the settings and the keyring anew. With a failure, all stays as it was.
    pub fn reload(&mut self) -> Result<(), Failure> {
        let config = Config::read(&self.path)?;
        let keyring = Arc::new(Keyring::read(&config.ring)?);
        let store = Store::new(&config.store)?;
        let setup = Setup::of(&config, keyring.clone())?;
        if (&config.socket, config.metrics) != (&self.config.socket, self.config.metrics) {
            log("`socket` and `metrics` are what they were: they change by a restart only");
        }
        self.figures.now_of(store.shown());
        (self.keyring, self.store) = (keyring, Rc::new(store));
        self.sessions.set_up(setup);
        self.sweep_now.notify_one();
        self.peers
            .judge(|uid| owner(&config, uid), &self.manager, &self.sessions);
        self.spaces.retain(|name, space| {
            space.schedule.set_lifetime(config.lifetime);
            config.namespaces().contains(&&**name) || self.peers.count(name) > 0
        });
        self.config = config;
        self.open_spaces();
        // A process that has come to another namespace needs that one's keys at once.
        for (name, space) in &self.spaces {
            if space.fill(&mut self.keys, now()) {
                self.peers.publish(name, &self.keys);
            }
            self.keys.clear();
        }
        Ok(())
    }

    /// Notes how a round has ended, and says so if that is news.
    pub fn note(&mut self, trouble: Option<&Trouble>) {
        self.is_changed |= trouble.is_none();
        match trouble {
            // Without a namespace, the store was not asked.
            None if self.spaces.is_empty() => {}
            None => {
                if self.figures.reached(now()) {
                    log(format_args!("{} answers", self.store.shown()));
                }
            }
            Some(trouble) => {
                if self.figures.failed(trouble, now()) {
                    log(format_args!("no keys from the store: {trouble}"));
                }
            }
        }
    }
}
