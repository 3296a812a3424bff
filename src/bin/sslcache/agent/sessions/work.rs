//! The thread that serves sessions: it takes orders from the agent and questions from mailboxes, and never waits for the store
//! before it takes the next one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use sslcache::mailbox::Serving;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval};

use super::engine::Engine;
use super::figures::Figures;
use super::hear::{self, Ear, Message};
use super::told::Told;
use super::{Before, Joining, Order, Setup};
use crate::agent::state::log;

/// The most mailboxes that are served, as each has a thread.
const MEMBERS_MOST: usize = 512;
/// The most of all users that the settings do not name and that are not root: they keep nobody else out.
const UNNAMED_MOST: usize = 256;
/// The most questions that wait for this thread; threads that have more wait.
const HEARD_MOST: usize = 1024;
/// How many of them are taken at once.
const AT_ONCE: usize = 128;

/// How often mailboxes that are not served are looked at again.
const TICK: Duration = Duration::from_secs(1);

/// Works until the process ends.
pub fn work(runtime: &Runtime, mut orders: mpsc::UnboundedReceiver<Order>, figures: Arc<Figures>) {
    let (to, mut heard) = mpsc::channel(HEARD_MOST);
    let mut office = Office {
        figures,
        to,
        engine: None,
        told: Rc::default(),
        joined: BTreeMap::new(),
        threads: Arc::default(),
        leaving: BTreeSet::new(),
        spoilt: 0,
    };
    let work = async {
        let mut some = Vec::with_capacity(AT_ONCE);
        let mut seconds = interval(TICK);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => office.obey(order),
                    None => return,
                },
                _ = seconds.tick() => office.tick(),
                _ = heard.recv_many(&mut some, AT_ONCE) => {
                    for message in some.drain(..) {
                        office.hear(message);
                    }
                }
            }
        }
    };
    LocalSet::new().block_on(runtime, work);
}

/// The mailboxes, which stay when settings change.
struct Office {
    figures: Arc<Figures>,
    to: mpsc::Sender<Message>,
    engine: Option<Rc<Engine>>,
    told: Rc<RefCell<Told>>,
    joined: BTreeMap<u64, (Joining, Option<Ear>)>,
    /// As many as there are threads, and one more.
    threads: Arc<()>,
    /// Those whose threads are about to end.
    leaving: BTreeSet<u64>,
    /// How many mailboxes are not heard any more, as they were damaged.
    spoilt: u64,
}

impl Office {
    fn obey(&mut self, order: Order) {
        match order {
            Order::Setup(setup) => self.set_up(*setup),
            Order::GoOn(copies, body) => self.told.borrow_mut().keep(copies, body.as_deref()),
            Order::Join(number, joining) => {
                self.joined.insert(number, (*joining, None));
                self.serve(number);
            }
            Order::Leave(number) => match self.joined.get_mut(&number) {
                // First its thread says what was told last.
                Some((_, ear @ Some(_))) => {
                    self.leaving.insert(number);
                    *ear = None;
                }
                _ => self.leave(number),
            },
        }
        self.count();
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Said(said) => {
                if let Some(engine) = &self.engine {
                    engine.hear(said);
                }
            }
            Message::Spoilt(number) => {
                self.spoilt += 1;
                // Whoever sends one after the other does not fill the log.
                if self.spoilt.is_power_of_two() {
                    log(format_args!(
                        "{} mailboxes were damaged over and over: their processes share no sessions with other hosts any more",
                        self.spoilt
                    ));
                }
                self.leave(number);
            }
            Message::Left(number) => {
                if self.leaving.contains(&number) {
                    self.leave(number);
                }
            }
        }
    }

    /// Serves a mailbox no more.
    fn leave(&mut self, number: u64) {
        self.leaving.remove(&number);
        if let Some((joining, _)) = self.joined.remove(&number) {
            joining.end.serve(Serving::default());
        }
        if let Some(engine) = &self.engine {
            engine.members.borrow_mut().remove(&number);
        }
    }

    /// What is due each second.
    fn tick(&mut self) {
        if let Some(engine) = &self.engine {
            engine.close_unused();
        }
        let is_unserved =
            |(number, (_, ear)): (&u64, &(Joining, Option<Ear>))| ear.is_none().then_some(*number);
        let unserved = self.joined.iter().filter_map(is_unserved);
        let unserved: Vec<_> = unserved
            .filter(|number| !self.leaving.contains(number))
            .collect();
        for number in unserved {
            self.serve(number);
        }
        self.count();
    }

    fn count(&self) {
        let served = self
            .joined
            .values()
            .filter(|(_, ear)| ear.is_some())
            .count();
        self.figures.served.store(served as u64, Relaxed);
        let unserved = self.joined.len() - served;
        self.figures.unserved.store(unserved as u64, Relaxed);
    }

    fn set_up(&mut self, setup: Setup) {
        let waiting = self.engine.take().map(|engine| engine.end());
        self.told.borrow_mut().set_store(setup.store);
        let is_enabled = setup.settings.enabled;
        let figures = self.figures.clone();
        let start = || Engine::start(setup, figures, self.told.clone());
        self.engine = is_enabled.then(start).flatten();
        if let (Some(engine), Some(waiting)) = (&self.engine, waiting) {
            engine.go_on(&waiting);
        }
        let numbers: Vec<_> = self.joined.keys().copied().collect();
        for number in numbers {
            if let Some((joining, _)) = self.joined.get_mut(&number) {
                joining.before = Before::Same;
            }
            self.serve(number);
        }
    }

    /// Serves a mailbox, if there is a thread for it.
    fn serve(&mut self, number: u64) {
        let unnamed = self.joined.values();
        let unnamed = unnamed.filter(|(joining, ear)| !joining.is_named && ear.is_some());
        let unnamed = unnamed.count();
        let Some((joining, ear)) = self.joined.get_mut(&number) else {
            return;
        };
        let Some(engine) = &self.engine else {
            *ear = None;
            joining.end.serve(Serving::default());
            return;
        };
        let is_room = Arc::strong_count(&self.threads) <= MEMBERS_MOST
            && (joining.is_named || unnamed < UNNAMED_MOST);
        if ear.is_none() && is_room {
            *ear = hear::start(&joining.end, number, self.to.clone(), &self.threads).ok();
        }
        match ear {
            Some(ear) => engine.join(number, joining, ear.hearing.clone()),
            None => joining.end.serve(Serving::default()),
        }
    }
}
