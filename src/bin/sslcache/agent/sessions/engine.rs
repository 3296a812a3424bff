//! All that works with one set of settings: what it is told goes to the queues, what it is asked to the store, and nothing waits
//! for anything else.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use sslcache::mailbox::{Hearing, OwnedRequest, SessionName, Slot};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use super::breaker::Breaker;
use super::figures::Figures;
use super::form::{Change, Record};
use super::hear::Said;
use super::members::Member;
use super::puts::Puts;
use super::realms::Generations;
use super::space::Space;
use super::times::seconds;
use super::told::Told;
use super::{Joining, Setup};
use crate::agent::state::log;
use crate::agent::store::{Put, Where};

/// The most questions that wait for the store.
const ASKED_MOST: usize = 2048;
/// A flush is in the store by then, unless that is away.
const FLUSH_TAKES: Duration = Duration::from_millis(200);
/// A namespace is closed that has had no mailbox for so long.
const UNUSED: Duration = Duration::from_secs(60);

/// All that works with one set of settings.
pub struct Engine {
    pub setup: Setup,
    pub figures: Arc<Figures>,
    /// What this agent's news is known by.
    pub origin: [u8; 16],
    pub told: Rc<RefCell<Told>>,
    puts: Puts,
    breaker: RefCell<Breaker>,
    pub members: RefCell<BTreeMap<u64, Rc<Member>>>,
    spaces: RefCell<BTreeMap<String, Open>>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
    asked: Cell<usize>,
}

/// A session that a process has told.
struct ToPut {
    name: SessionName,
    made: i64,
    expiry: i64,
    is_used_once: bool,
    record: Record,
}

/// A namespace, and what works for it.
struct Open {
    space: Rc<Space>,
    tasks: [JoinHandle<()>; 2],
    /// Since when it has had no mailbox.
    unused: Option<Instant>,
}

impl Drop for Open {
    fn drop(&mut self) {
        // They hold the engine.
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Engine {
    pub fn start(setup: Setup, figures: Arc<Figures>, told: Rc<RefCell<Told>>) -> Option<Rc<Self>> {
        let mut origin = [0; 16];
        if SystemRandom::new().fill(&mut origin).is_err() {
            log("no sessions: the kernel gives no random bytes");
            return None;
        }
        let engine = Rc::new(Self {
            puts: Puts::new(setup.settings.queue),
            setup,
            figures,
            origin,
            told,
            breaker: RefCell::default(),
            members: RefCell::default(),
            spaces: RefCell::default(),
            tasks: RefCell::default(),
            asked: Cell::new(0),
        });
        let of = engine.clone();
        engine.run(async move { of.setup.traffic.keep_connected().await });
        let of = engine.clone();
        engine.run(async move { of.put_batches().await });
        Some(engine)
    }

    /// Runs something until the settings change.
    fn run(&self, task: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().push(spawn_local(task));
    }

    /// Ends it. Returns the namespaces in which changes wait for the store.
    pub fn end(&self) -> Vec<Rc<Space>> {
        // They hold the engine.
        self.tasks.take().iter().for_each(JoinHandle::abort);
        let spaces = self.spaces.take().into_values();
        let spaces = spaces.map(|open| open.space.clone());
        spaces.filter(|space| !space.is_idle()).collect()
    }

    /// Goes on with what has waited for the store when another one has ended.
    pub fn go_on(self: &Rc<Self>, spaces: &[Rc<Space>]) {
        for space in spaces {
            self.open_space(&space.name).inherit(space);
        }
    }

    pub fn join(self: &Rc<Self>, number: u64, joining: &Joining, hearing: Arc<Hearing>) {
        let known = self
            .spaces
            .borrow()
            .get(&joining.namespace)
            .map(|open| open.space.clone());
        let space = known.unwrap_or_else(|| self.open_space(&joining.namespace));
        let member = Member::new(space, joining.end.clone(), hearing, joining.before);
        let member = Rc::new(member);
        self.serve_one(&member);
        self.members.borrow_mut().insert(number, member);
    }

    fn open_space(self: &Rc<Self>, name: &str) -> Rc<Space> {
        let space = Rc::new(Space::new(name));
        let (of, its) = (self.clone(), space.clone());
        let tells = spawn_local(async move { of.tell_changes(&its).await });
        let (of, its) = (self.clone(), space.clone());
        let places = self.places_of(&space);
        let hears = spawn_local(async move { of.hear_news(&its, places).await });
        let open = Open {
            space: space.clone(),
            tasks: [tells, hears],
            unused: None,
        };
        self.spaces.borrow_mut().insert(name.to_owned(), open);
        space
    }

    /// Closes the namespaces that have had no mailbox for a while, and nothing to tell.
    pub fn close_unused(&self) {
        let members = self.members.borrow();
        let used: BTreeSet<_> = members.values().map(|member| &*member.space.name).collect();
        self.spaces.borrow_mut().retain(|name, open| {
            let is_used = used.contains(&**name) || !open.space.is_idle();
            open.unused = (!is_used).then(|| open.unused.unwrap_or_else(Instant::now));
            let stays = open.unused.is_none_or(|since| since.elapsed() < UNUSED);
            if !stays {
                self.told.borrow_mut().forget(name);
            }
            stays
        });
    }

    /// The mailboxes of a namespace.
    pub fn members_of(&self, space: &Space) -> Vec<Rc<Member>> {
        let members = self.members.borrow();
        let of = members
            .values()
            .filter(|member| member.space.name == space.name);
        of.cloned().collect()
    }

    /// Tells the mailboxes of a namespace whether they are served.
    pub fn serve(&self, space: &Space) {
        for member in self.members_of(space) {
            self.serve_one(&member);
        }
    }

    fn serve_one(&self, member: &Member) {
        let now = Instant::now();
        let rests = self.breaker.borrow().until(now).map(|until| until - now);
        member.serve(self.setup.settings.early_data, rests);
    }

    /// The store has answered, in time or not.
    pub fn judge(&self, is_in_time: bool) {
        if is_in_time {
            self.breaker.borrow_mut().in_time();
            self.figures.rests.store(0, Relaxed);
            return;
        }
        self.figures.late.fetch_add(1, Relaxed);
        if self.breaker.borrow_mut().late(Instant::now()) {
            self.figures.breaks.fetch_add(1, Relaxed);
            self.figures.rests.store(1, Relaxed);
            let members = self.members.borrow();
            members.values().for_each(|member| self.serve_one(member));
        }
    }

    /// Whether the store was known again over the connection that is asked now. Until then, it may have gone back to what it knew
    /// earlier, and have sessions again that were removed.
    pub fn is_known(&self, space: &Space) -> bool {
        space.known_over.get() == Some(self.setup.traffic.connection())
    }

    pub fn hear(self: &Rc<Self>, said: Said) {
        let member = self.members.borrow().get(&said.member).cloned();
        let Some(member) = member else {
            return;
        };
        match said.request {
            OwnedRequest::Look(session) => self.ask(member, said.slot, session, false),
            OwnedRequest::Take(session) => self.ask(member, said.slot, session, true),
            OwnedRequest::Put {
                name,
                made,
                expiry,
                is_used_once,
                record,
            } => {
                let put = ToPut {
                    name,
                    made,
                    expiry,
                    is_used_once,
                    record,
                };
                self.put(&member.space, put);
            }
            OwnedRequest::Remove(session) => {
                self.figures.removals.fetch_add(1, Relaxed);
                self.change(&member, said.slot, Change::Removed(session));
            }
            OwnedRequest::Flush { realm, until } => {
                self.figures.flushes.fetch_add(1, Relaxed);
                // What is made from now on counts, whatever is said.
                let until = until.min(seconds());
                member.space.realms.borrow_mut().flush_here(&realm, until);
                self.change(&member, said.slot, Change::Flushed(realm));
            }
            OwnedRequest::Doubt(number) => {
                self.figures.flushes.fetch_add(1, Relaxed);
                member
                    .space
                    .doubt(member.hearing(), number, said.slot.owed());
            }
            OwnedRequest::Damaged => {
                self.figures.flushes.fetch_add(1, Relaxed);
                member.space.doubt(member.hearing(), None, said.slot.owed());
            }
        }
    }

    /// Changes something: for this host at once, for the others by the store.
    fn change(self: &Rc<Self>, member: &Member, slot: Slot, change: Change) {
        let space = &member.space;
        let from = slot.owed().map(|number| (member.hearing(), number));
        space.change(change.clone(), from);
        let (of, its) = (self.clone(), space.clone());
        spawn_local(async move { of.tell_members(&its, &[change]).await });
    }

    /// Puts a session, unless it stays on this host.
    fn put(self: &Rc<Self>, space: &Rc<Space>, put: ToPut) {
        let realm = space.realm(put.name.realm(), Instant::now());
        let is_wanted = self.is_wanted(space, &put);
        match realm {
            Some(realm) if is_wanted => self.queue(self.sealed(space, &put, &realm)),
            None if is_wanted && self.asked.get() < ASKED_MOST => {
                self.asked.set(self.asked.get() + 1);
                let (of, space) = (self.clone(), space.clone());
                spawn_local(async move {
                    let realm = of.realm_for_put(&space, put.name.realm()).await;
                    let is_wanted = of.is_wanted(&space, &put);
                    let realm = realm.filter(|_| is_wanted);
                    of.queue(realm.and_then(|realm| of.sealed(&space, &put, &realm)));
                    of.asked.set(of.asked.get() - 1);
                });
            }
            _ => self.queue(None),
        }
    }

    fn queue(&self, put: Option<Put>) {
        if !put.is_some_and(|put| self.puts.push(put)) {
            self.figures.puts_dropped.fetch_add(1, Relaxed);
        }
    }

    /// The generations of a realm. A flush that is on its way to the store is waited for, a little.
    async fn realm_for_put(&self, space: &Space, realm: &[u8; 32]) -> Option<Generations> {
        let end = Instant::now() + FLUSH_TAKES;
        while space.is_being_flushed(realm) && Instant::now() < end {
            sleep(FLUSH_TAKES / 100).await;
        }
        match self.realm(space, realm).await {
            Ok(realm) => realm,
            Err(trouble) => {
                self.figures.trouble(&trouble);
                None
            }
        }
    }

    fn is_wanted(&self, space: &Space, put: &ToPut) -> bool {
        let now = seconds();
        let is_for_others = !put.is_used_once || self.setup.settings.early_data;
        // One that is made in the future would outlast a flush.
        let made = put.made.min(now);
        // What has no room is not sealed in vain.
        is_for_others
            && self.puts.has_room()
            && !space.has_just_begun()
            && put.expiry > now
            && space.is_current.get()
            && !space.is_removed(&put.name)
            && !space
                .realms
                .borrow()
                .is_flushed_here(put.name.realm(), made)
    }

    /// A session as it is put; `None` if it cannot be sealed.
    fn sealed(&self, space: &Space, put: &ToPut, realm: &[Option<u64>]) -> Option<Put> {
        let form = space.form(&self.setup.keyring);
        let name = form.put_name(space.generation.get(), realm, &put.name)?;
        let value = form.session(&name, put.expiry, put.is_used_once, &put.record)?;
        let life = put.expiry.saturating_sub(seconds()).max(1);
        let ttl = Duration::from_secs(life.cast_unsigned()).min(self.longest());
        Some(Put { name, value, ttl })
    }

    /// Puts what waits for that, for ever.
    async fn put_batches(&self) {
        loop {
            self.puts.wait().await;
            let batch = self.puts.batch();
            let lost = match self.setup.traffic.put_all(&batch, Where::NothingIs).await {
                Err(trouble) => {
                    self.figures.trouble(&trouble);
                    batch.len()
                }
                Ok(said) => {
                    let troubles = said.iter().filter_map(|said| said.as_ref().err());
                    troubles
                        .inspect(|trouble| self.figures.trouble(trouble))
                        .count()
                }
            };
            let put = (batch.len() - lost) as u64;
            self.figures.puts.fetch_add(put, Relaxed);
            self.figures.puts_dropped.fetch_add(lost as u64, Relaxed);
        }
    }

    fn ask(self: &Rc<Self>, member: Rc<Member>, slot: Slot, session: SessionName, takes: bool) {
        let is_late = slot.age() > self.setup.settings.look_up;
        if is_late && !takes {
            self.figures.late.fetch_add(1, Relaxed);
            // Some wait for longer than that.
            member.answer(slot, None);
            return;
        }
        let is_allowed = member.space.is_current.get()
            && self.is_known(&member.space)
            && (!takes || self.setup.settings.early_data)
            && self.asked.get() < ASKED_MOST
            && self.breaker.borrow_mut().lets(Instant::now());
        if !is_allowed {
            self.figures.rested.fetch_add(1, Relaxed);
            member.answer(slot, None);
            return;
        }
        self.asked.set(self.asked.get() + 1);
        let of = self.clone();
        spawn_local(async move {
            let space = &member.space;
            let record = match takes {
                // Nobody waits for it any more, but it is spent.
                true => of.take(space, &session).await.filter(|_| !is_late),
                false if space.is_removed(&session) => None,
                false => of.look(space, &session).await,
            };
            let count = match (&record, takes) {
                (None, _) => &of.figures.none,
                (Some(_), false) => &of.figures.found,
                (Some(_), true) => &of.figures.taken,
            };
            count.fetch_add(1, Relaxed);
            member.answer(slot, record.as_deref().map(Vec::as_slice));
            of.asked.set(of.asked.get() - 1);
        });
    }
}
