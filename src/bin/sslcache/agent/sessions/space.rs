//! A namespace, as its sessions need it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sslcache::mailbox::{Hearing, SessionName};
use tokio::sync::Notify;

use super::form::{Change, Form};
use super::mark::{Mark, Marks};
use super::realms::{Generations, Realms};
use crate::agent::keyring::Keyring;

/// The most changes that wait for the store. With more, the generation is changed in place of all of them.
const PENDING_MOST: usize = 10_000;

/// For so long no session is put into a generation that has ended all others: as long as a process has to tell of one.
const BEGINS: Duration = Duration::from_secs(3);

/// A namespace.
pub struct Space {
    pub name: String,
    /// Part of the names of all sessions.
    pub generation: Cell<u64>,
    pub realms: RefCell<Realms>,
    /// True once the generation is known, and the place in the news.
    pub is_current: Cell<bool>,
    /// True while its processes are told just what an earlier agent has told them, and this one goes on from there.
    pub is_as_told: Cell<bool>,
    /// The connection to the store, by its number, over which the store was known again last. Another one may be to a store that has
    /// gone back to what it knew earlier.
    pub known_over: Cell<Option<u64>>,
    marks: RefCell<Marks>,
    pending: RefCell<Pending>,
    /// There are changes to be told to the store.
    pub wake: Notify,
    /// When a generation has ended all sessions last.
    begun: Cell<Option<Instant>>,
}

#[derive(Default)]
struct Pending {
    /// Each with the mailbox that it came from, and the number of what is settled when the store has it.
    changes: VecDeque<(Change, Option<Owed>)>,
    /// The sessions among them.
    removed: HashSet<SessionName>,
    /// The realms that are flushed, each with the number of its flushes that wait.
    flushed: HashMap<[u8; 32], usize>,
    is_too_much: bool,
    /// The mailboxes whose processes ask nothing until that is settled, each with the number of its doubt.
    doubts: Vec<(Arc<Hearing>, u64)>,
    /// What is settled when no change is left: a later agent is told of the rest.
    owed: Vec<Owed>,
}

/// A mailbox, and the number up to which what is owed in it is settled.
type Owed = (Arc<Hearing>, u64);

impl Pending {
    /// Notes where a change came from.
    fn owe(&mut self, from: Option<Owed>) {
        let Some((mailbox, number)) = from else {
            return;
        };
        let mut known = self.owed.iter_mut();
        match known.find(|(known, _)| Arc::ptr_eq(known, &mailbox)) {
            Some((_, known)) => *known = number,
            None => self.owed.push((mailbox, number)),
        }
    }

    /// Notes with the mailboxes that the store has all changes.
    fn settle_if_done(&mut self) {
        if self.changes.is_empty() && !self.is_too_much {
            for (mailbox, number) in self.owed.drain(..) {
                mailbox.settle_owed(number);
            }
        }
    }

    /// Notes that the store has a flush.
    fn flush_done(&mut self, realm: &[u8; 32]) {
        if let Some(number) = self.flushed.get_mut(realm) {
            *number -= 1;
            if *number == 0 {
                self.flushed.remove(realm);
            }
        }
    }

    /// Has a new generation take the place of all changes.
    fn give_up(&mut self) {
        self.changes.clear();
        self.removed.clear();
        self.flushed.clear();
        self.is_too_much = true;
    }
}

impl Space {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            generation: Cell::new(0),
            realms: RefCell::default(),
            is_current: Cell::new(false),
            is_as_told: Cell::new(false),
            known_over: Cell::new(None),
            marks: RefCell::default(),
            pending: RefCell::default(),
            wake: Notify::new(),
            begun: Cell::new(None),
        }
    }

    /// News of this counter was put into the store, or found there.
    pub fn note_mark(&self, counter: usize, mark: Mark) {
        self.marks.borrow_mut().note(counter, mark);
    }

    /// What is known to stand in the store by now.
    pub fn marks(&self) -> Marks {
        self.marks.borrow().clone()
    }

    /// Goes on from this generation; and from what is told, if that is so.
    pub fn resume(&self, generation: u64, is_as_told: bool) {
        self.generation.set(generation);
        self.is_as_told.set(is_as_told);
    }

    /// Whether a new generation is to take the place of changes that the store may not know of.
    pub fn owes_generation(&self) -> bool {
        self.pending.borrow().is_too_much
    }

    /// Has what waits for the store in another one wait in this one.
    pub fn inherit(&self, other: &Self) {
        *self.pending.borrow_mut() = other.pending.take();
        self.wake.notify_one();
    }

    pub fn form<'a>(&'a self, keyring: &'a Keyring) -> Form<'a> {
        Form {
            keyring,
            namespace: &self.name,
        }
    }

    /// Notes a change that the store is to be told, and of which mailbox it is.
    pub fn change(&self, change: Change, from: Option<Owed>) {
        let mut pending = self.pending.borrow_mut();
        pending.owe(from.clone());
        match &change {
            Change::Removed(session) if !pending.removed.insert(session.clone()) => return,
            Change::Flushed(realm) => {
                self.realms.borrow_mut().forget_one(realm);
                *pending.flushed.entry(*realm).or_default() += 1;
            }
            Change::Removed(_) => {}
        }
        pending.changes.push_back((change, from));
        if pending.changes.len() > PENDING_MOST {
            pending.give_up();
        }
        self.wake.notify_one();
    }

    /// Notes that a mailbox has not held all changes that its processes had to tell.
    pub fn doubt(&self, mailbox: Arc<Hearing>, doubt: Option<u64>, number: Option<u64>) {
        let mut pending = self.pending.borrow_mut();
        pending.owe(number.map(|number| (mailbox.clone(), number)));
        pending.give_up();
        pending.doubts.extend(doubt.map(|doubt| (mailbox, doubt)));
        self.wake.notify_one();
    }

    /// Has a new generation begin: what the store had been told may be forgotten there.
    pub fn begin_anew(&self) {
        self.marks.borrow_mut().forget();
        self.pending.borrow_mut().give_up();
        self.wake.notify_one();
    }

    /// Whether a generation that has ended all sessions has begun a moment ago. A process may have told of a session just before that
    /// it removed it, and the session come after the removal.
    pub fn has_just_begun(&self) -> bool {
        let begun = self.begun.get();
        begun.is_some_and(|begun| begun.elapsed() < BEGINS)
    }

    /// Whether the session is removed, though the store may not know of it yet.
    pub fn is_removed(&self, session: &SessionName) -> bool {
        let pending = self.pending.borrow();
        pending.is_too_much || pending.removed.contains(session)
    }

    /// The generations of a realm, if they are known and stay.
    pub fn realm(&self, realm: &[u8; 32], now: Instant) -> Option<Generations> {
        self.realms.borrow().get(realm, now)
    }

    /// Whether a flush of the realm waits for the store. What was put before is not found, and nothing is known of what comes.
    pub fn is_being_flushed(&self, realm: &[u8; 32]) -> bool {
        let pending = self.pending.borrow();
        pending.is_too_much || pending.flushed.contains_key(realm)
    }

    /// The first of the changes that wait; `None` if there were too many.
    pub fn first(&self, most: usize) -> Option<Vec<Change>> {
        let pending = self.pending.borrow();
        let first = pending.changes.iter().take(most);
        let first = first.map(|(change, _)| change.clone());
        (!pending.is_too_much).then(|| first.collect())
    }

    /// The store knows of these, which were the first.
    pub fn told(&self, changes: &[Change]) {
        let mut pending = self.pending.borrow_mut();
        for told in changes {
            // What became too much meanwhile has begun anew.
            if pending.changes.front().map(|(first, _)| first) != Some(told) {
                break;
            }
            let from = pending.changes.pop_front().and_then(|(_, from)| from);
            // Those before it, of the same mailbox, are done.
            if let Some((mailbox, number)) = from {
                mailbox.settle_owed(number);
            }
            match told {
                Change::Removed(session) => {
                    pending.removed.remove(session);
                }
                Change::Flushed(realm) => pending.flush_done(realm),
            }
        }
        pending.settle_if_done();
    }

    /// All that was too much is settled by a new generation.
    pub fn settled(&self) {
        let mut pending = self.pending.borrow_mut();
        pending.is_too_much = false;
        self.begun.set(Some(Instant::now()));
        for (mailbox, until) in pending.doubts.drain(..) {
            mailbox.clear_doubt(until);
        }
        pending.settle_if_done();
    }

    /// Whether nothing waits for the store.
    pub fn is_idle(&self) -> bool {
        let pending = self.pending.borrow();
        pending.changes.is_empty() && !pending.is_too_much
    }
}
