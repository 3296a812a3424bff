//! Sessions of the whole fleet: what processes ask of other hosts by their mailboxes, and what the store says to that.
//!
//! It runs in a thread of its own, with connections of its own: keys do not wait for sessions. For each mailbox one more thread
//! waits for questions, as there is no other way to wait for memory.
//!
//! * `form` is what stands in the store, `realms` what is known of flushes, `breaker` whether the store is asked; all are pure.
//! * `space` is a namespace: its generation, its realms, what is still to be told to the store.
//! * `look` answers questions, `puts` has what is to be put, `changes` removals and flushes, `news` hears those of other hosts, from a `place` on,
//!   and knows by a `mark` whether the store is still the one that was told.
//! * `told` is how far processes are told all that.
//! * `members` are the mailboxes, `hear` their threads, `engine` what works with one set of settings,
//!   `work` the thread that has all of it, `figures` its numbers.

mod breaker;
mod changes;
mod engine;
mod figures;
mod flush;
mod form;
mod hear;
mod look;
mod mark;
mod members;
mod news;
mod place;
mod puts;
mod realms;
mod space;
mod times;
mod told;
mod work;

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use sslcache::mailbox::AgentEnd;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::config::{Config, Sessions as Settings};
use super::copies::Copies;
use super::keyring::{Keyring, MasterKey};
use super::notify::Manager;
use super::store::{Cause, Traffic};
use crate::failure::Failure;

pub use figures::Figures;
pub use flush::flush;

/// The name at the service manager of what is kept.
pub const KEPT: &str = "news";

/// An answer of the store is judged by the quickest of so many.
const TRIES: u32 = 20;

/// The form in which it is kept what processes are told: that of another agent is not read.
const TOLD_FORM: &str = "2";

/// With what the thread works.
pub struct Setup {
    settings: Settings,
    keyring: Arc<Keyring>,
    traffic: Traffic,
    /// The longest life of a session, in seconds.
    longest: u64,
    /// Of where the store is.
    store: [u8; 32],
    /// All that it depends on, as text without secrets.
    essence: String,
}

impl Setup {
    /// What the settings say.
    pub fn of(config: &Config, keyring: Arc<Keyring>) -> Result<Self, Failure> {
        let settings = config.sessions.clone();
        let takes = settings.early_data.then_some(settings.replicas);
        let ids: Vec<_> = keyring.all().iter().map(MasterKey::id).collect();
        let longest = config.lifetime;
        Ok(Self {
            essence: format!("{settings:?} {:?} {ids:?} {longest}", config.store),
            store: digest_of(format!("{TOLD_FORM} {:?}", config.store.urls).as_bytes()),
            traffic: Traffic::new(&config.store, takes)?,
            keyring,
            longest,
            settings,
        })
    }
}

fn digest_of(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    sum
}

impl Setup {
    /// Does something with the store, once, when it can be asked.
    fn with_store<T>(
        &self,
        action: impl AsyncFnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime =
            runtime.map_err(|error| Failure::new("this process", error, "raise its limits"))?;
        let connected = async {
            while let Err(trouble) = self.traffic.is_connected() {
                if trouble.cause != Cause::Early {
                    return Err(trouble);
                }
                sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        };
        runtime.block_on(async {
            tokio::select! {
                done = async { connected.await?; action().await } => done,
                () = self.traffic.keep_connected() => unreachable!("it is kept for ever"),
            }
        })
    }

    /// Tries all that is asked of the store, and says what there is to be said of sessions. False if there is something to see to.
    pub fn check(&self) -> Result<bool, Failure> {
        let settings = &self.settings;
        if !settings.enabled {
            println!("sessions  stay on their hosts: enabled = false");
            return Ok(true);
        }
        let took = self.with_store(async || {
            self.traffic.try_all().await?;
            let mut best = Duration::MAX;
            for _ in 0..TRIES {
                let start = Instant::now();
                self.traffic.get_all(&["sslc:1:try".to_owned()]).await?;
                best = best.min(start.elapsed());
            }
            Ok(best)
        })?;
        let early = match (settings.early_data, settings.replicas) {
            (false, _) => "those for early data stay on their hosts".into(),
            (true, 0) => "those for early data are used once in the fleet".to_owned(),
            (true, replicas) => {
                format!("those for early data are used once, as {replicas} replicas confirm")
            }
        };
        let micros = took.as_micros();
        println!("sessions  are found by other hosts; {early}; an answer took {micros} µs");
        if took > settings.look_up {
            let most = settings.look_up.as_millis();
            println!(
                "          servers wait for {most} ms only: set look_up_ms here and in their settings, or have the store nearer"
            );
        }
        Ok(took <= settings.look_up)
    }
}

enum Order {
    /// Work with this from now on.
    Setup(Box<Setup>),
    /// Go on from what is kept there, and keep it there.
    GoOn(Copies, Option<Vec<u8>>),
    /// Serve a mailbox.
    Join(u64, Box<Joining>),
    /// Do not serve it any more.
    Leave(u64),
}

struct Joining {
    namespace: String,
    end: Arc<AgentEnd>,
    is_named: bool,
    before: Before,
}

/// What the processes of a mailbox may have of the fleet already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// Sessions of the same namespace, as far as an earlier agent has told the news.
    Same,
    /// Sessions of another namespace.
    Other,
}

/// The way to the thread, which works until the process ends.
pub struct Sessions {
    orders: mpsc::UnboundedSender<Order>,
    last: Cell<u64>,
    essence: RefCell<String>,
    pub figures: Arc<Figures>,
}

/// A mailbox is served until this is dropped.
pub struct Membership {
    orders: mpsc::UnboundedSender<Order>,
    number: u64,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Leave(self.number));
    }
}

impl Sessions {
    /// Starts the thread.
    pub fn start(setup: Setup) -> Result<Self, Failure> {
        let failed = |error| Failure::new("this process", error, "raise its limits");
        let (orders, received) = mpsc::unbounded_channel();
        let figures = Arc::new(Figures::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let shown = figures.clone();
        thread::Builder::new()
            .name("sessions".into())
            .spawn(move || work::work(&runtime, received, shown))
            .map_err(failed)?;
        let sessions = Self {
            orders,
            last: Cell::new(0),
            essence: RefCell::default(),
            figures,
        };
        sessions.set_up(setup);
        Ok(sessions)
    }

    /// Works with other settings from now on. With the same ones, all stays as it is.
    pub fn set_up(&self, setup: Setup) {
        if self.essence.replace(setup.essence.clone()) == setup.essence {
            return;
        }
        let _ = self.orders.send(Order::Setup(Box::new(setup)));
    }

    /// Goes on from what the service manager has kept, if it has, and has it keep that from now on. To be called before any
    /// mailbox joins.
    pub fn go_on(&self, kept: Option<OwnedFd>, manager: &Manager) {
        let back = kept.and_then(|file| Copies::take_back(file, told::COPY));
        let made = || Some((Copies::make(manager, KEPT, told::COPY)?, None));
        if let Some((copies, body)) = back.or_else(made) {
            let body = body.map(|body| body.to_vec());
            let _ = self.orders.send(Order::GoOn(copies, body));
        }
    }

    /// Serves a mailbox of this namespace. `is_named`: the settings name its user, or it is root.
    pub fn join(
        &self,
        namespace: &str,
        end: Arc<AgentEnd>,
        is_named: bool,
        before: Before,
    ) -> Membership {
        self.last.set(self.last.get() + 1);
        let number = self.last.get();
        let joining = Joining {
            namespace: namespace.to_owned(),
            end,
            is_named,
            before,
        };
        let _ = self.orders.send(Order::Join(number, Box::new(joining)));
        Membership {
            orders: self.orders.clone(),
            number,
        }
    }
}
