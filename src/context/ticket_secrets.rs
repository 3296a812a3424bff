//! This process's copy of the secrets from which shared ticket keys are derived, and the orders that an administrator has
//! given for them.
//!
//! The copy is at most a second old where the region's page can be reached.

use core::sync::atomic::{
    AtomicI64, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use once_cell::race::OnceBox;
use zeroize::Zeroizing;

use super::fleet::keys as fleet;
use super::session::now;
use super::sharing::common::common;
use crate::host::tickets::{Key, KeyName};
use crate::mailbox::{EPOCH_SECONDS, FleetKey};
use crate::shm::{FreshKey, Summary, TicketKey, TicketKeys};
use crate::sys::lock::Lock;
use crate::sys::no_dump::NoDump;

/// An order of an administrator, by its number: a new one has another number than the last.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// The number.
    pub asked: u64,
    /// The last order that a process of the tree has carried out for all.
    pub done: &'a AtomicU64,
}

/// The orders about ticket keys.
#[derive(Clone, Copy)]
pub struct Orders<'a> {
    /// To end the turn of the keys: they make no more tickets.
    pub turn: Order<'a>,
    /// To forget the keys: they open no more tickets, either.
    pub forget: Order<'a>,
    /// The first epoch whose keys of the fleet may be used after that, as the process has noted that carried the order out.
    pub first_epoch: &'a AtomicU64,
}

impl Order<'_> {
    fn is_done(&self) -> bool {
        // Acquire: the region is seen as the process has left it that carried the order out.
        self.done.load(Acquire) == self.asked
    }

    /// Notes that the order was carried out in the region. A process that dies before leaves it to the next one, which
    /// carries it out again: that ends keys that have just begun, and does no other harm.
    fn note_done(&self) {
        // Release: pairs with the Acquire in `is_done`.
        self.done.store(self.asked, Release);
    }
}

/// The last orders that this process has obeyed. Relaxed: whoever finds an order new obeys it, and threads that do so at once
/// do no harm.
static TURNED: AtomicU64 = AtomicU64::new(0);
static FORGOTTEN: AtomicU64 = AtomicU64::new(0);
/// The second in which the region was last not to be reached for an order: it is tried once a second, as each attempt waits
/// for its lock.
static FAILED: AtomicI64 = AtomicI64::new(i64::MIN);

/// Obeys orders, which this process may have obeyed already. `fresh` makes keys that were never used. Returns false if keys
/// could not be forgotten, as the region was not to be reached: then this process must not use any of it.
pub fn obey(orders: &Orders<'_>, fresh: impl Fn() -> Option<FreshKey>) -> bool {
    let (turn, forget) = (orders.turn, orders.forget);
    if forget.asked != FORGOTTEN.load(Relaxed) {
        let is_done = carry_out(&forget, |is_wanted| {
            // Before the order is noted as carried out: processes that begin later go by this.
            orders.first_epoch.store(fleet::first_after(now()), Relaxed);
            common().is_none_or(|common| common.region.forget_ticket_keys(is_wanted))
        });
        fleet::begin_at(orders.first_epoch.load(Relaxed), now());
        // After the region's are gone: a thread that has read these before finds another copy, and does not change it.
        LocalCopy::change_if_any(LocalCopy::begin_anew);
        if !is_done {
            return false;
        }
        FORGOTTEN.store(forget.asked, Relaxed);
    }
    if turn.asked != TURNED.load(Relaxed) {
        let is_done = carry_out(&turn, |is_wanted| {
            let fresh = fresh().zip(fresh()).map(|(one, other)| [one, other]);
            let turn_keys = |fresh: [FreshKey; 2]| {
                common()
                    .is_none_or(|common| common.region.turn_ticket_keys(now(), &fresh, is_wanted))
            };
            fresh.is_some_and(turn_keys)
        });
        if is_done {
            TURNED.store(turn.asked, Relaxed);
            LocalCopy::change_if_any(LocalCopy::begin_anew);
        }
    }
    true
}

/// Carries an order out in the region, unless another process has done so. `act` is given the question whether the order is
/// still to be carried out, and returns whether the region was reached.
fn carry_out(order: &Order<'_>, act: impl FnOnce(&dyn Fn() -> bool) -> bool) -> bool {
    if order.is_done() {
        return true;
    }
    let second = now();
    if FAILED.load(Relaxed) == second {
        return false;
    }
    let is_done = act(&|| !order.is_done());
    match is_done {
        true => order.note_done(),
        false => FAILED.store(second, Relaxed),
    }
    is_done
}

/// What may be told of the keys that others have, too: the fleet's if they make tickets now, or else the host's. `None` if
/// this process has needed none so far.
pub fn summary() -> Option<Summary> {
    let tell = |copy: &mut LocalCopy| copy.was_asked_for.then(|| copy.summary(now()));
    LocalCopy::change_if_any(tell).flatten()
}

/// A secret from which the keys of all groups are derived.
pub struct Secret {
    /// The name of the keys.
    pub name: KeyName,
    /// What they are derived from.
    pub secret: Zeroizing<Key>,
    /// The label of the derivation, which separates these keys from anything else derived from the same secret.
    pub label: &'static [u8],
}

const LABEL: &[u8] = b"sslcache ticket keys 2";
const FLEET_LABEL: &[u8] = b"sslcache fleet ticket keys 1";

impl Secret {
    /// The secret of a key that the processes of this host share.
    pub fn of(key: &TicketKey) -> Self {
        Self {
            name: key.name,
            secret: Zeroizing::new(key.secret),
            label: LABEL,
        }
    }

    /// The secret of a key of the fleet.
    pub fn of_fleet(key: &FleetKey) -> Self {
        Self {
            name: key.name,
            secret: Zeroizing::new(key.secret),
            label: FLEET_LABEL,
        }
    }
}

/// This process's copy of the secrets in the region, and of the fleet's.
pub struct LocalCopy {
    /// The keys in the region.
    pub keys: TicketKeys,
    /// The fleet's keys.
    pub fleet: fleet::Known,
    /// When the region's page was last asked for.
    pub second: i64,
    /// Whether it was reached then.
    pub was_reached: bool,
    /// Whether a ticket has needed the copy so far.
    pub was_asked_for: bool,
    /// Counts how often the copy began anew.
    pub generation: u64,
}

static LOCAL_COPY: OnceBox<Option<Lock<NoDump<LocalCopy>>>> = OnceBox::new();

impl LocalCopy {
    /// True if the page was last asked for in this second.
    pub fn is_of(&self, second: i64) -> bool {
        self.second == second
    }

    /// Forgets all keys, so that the page is asked anew.
    fn begin_anew(&mut self) {
        self.keys.clear();
        self.second = i64::MIN;
        self.generation = self.generation.wrapping_add(1);
    }

    /// The copy, kept out of core dumps; `None` without memory.
    fn place() -> Option<&'static Lock<NoDump<Self>>> {
        let make = || {
            let empty = Self {
                keys: TicketKeys::default(),
                fleet: fleet::Known::default(),
                second: i64::MIN,
                was_reached: false,
                was_asked_for: false,
                generation: 0,
            };
            Box::new(NoDump::new(empty).ok().map(Lock::new))
        };
        LOCAL_COPY.get_or_init(make).as_ref()
    }

    fn summary(&mut self, now: i64) -> Summary {
        let fleet = self.fleet.up_to_date();
        let Some(making) = fleet.making(now) else {
            return self.keys.summary();
        };
        let made = making.epoch as i64 * EPOCH_SECONDS;
        Summary {
            made,
            turn_ends: made + EPOCH_SECONDS,
            number: fleet.iter().count() as u64,
            until: fleet.iter().map(|key| key.until).max().unwrap_or(0),
        }
    }

    /// Changes the copy, which is made if there is none; `None` without memory.
    pub fn change<T>(change: impl FnOnce(&mut Self) -> T) -> Option<T> {
        Some(change(&mut **Self::place()?.lock()?))
    }

    /// Changes the copy if there is one.
    fn change_if_any<T>(change: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let place = LOCAL_COPY.get()?.as_ref()?;
        Some(change(&mut **place.lock()?))
    }

    /// The answer to a question about the copy.
    pub fn read<T>(question: impl FnOnce(&Self) -> Option<T>) -> Option<T> {
        Self::change(|copy| question(copy)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::program;

    /// Obeys order 1 to forget keys, of which `done` says whether another process has carried it out, and returns the first
    /// epoch in the page.
    fn obey_forgetting(done: u64, first_epoch: u64) -> u64 {
        let (done, none, first_epoch) = (
            AtomicU64::new(done),
            AtomicU64::new(0),
            AtomicU64::new(first_epoch),
        );
        let order = |asked, done| Order { asked, done };
        let orders = Orders {
            turn: order(0, &none),
            forget: order(1, &done),
            first_epoch: &first_epoch,
        };
        assert!(obey(&orders, || None));
        assert_eq!(done.load(Relaxed), 1);
        first_epoch.load(Relaxed)
    }

    #[test]
    fn keys_of_the_fleet_are_forgotten_as_of_the_order() {
        for name in ["carries_the_order_out", "begins_later", "finds_a_far_epoch"] {
            let name = format!("context::ticket_secrets::tests::process_that_{name}");
            let output = program::of_test(&name).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
    }

    #[test]
    #[ignore = "a process of its own, for the test above"]
    fn process_that_carries_the_order_out() {
        let next = fleet::first_after(now());
        assert_eq!(obey_forgetting(0, 0), next);
        assert_eq!(fleet::first_epoch(), next);
    }

    #[test]
    #[ignore = "a process of its own, for the test above"]
    fn process_that_begins_later() {
        let long_ago = fleet::first_after(now()) - 9;
        assert_eq!(obey_forgetting(1, long_ago), long_ago);
        assert_eq!(fleet::first_epoch(), long_ago);
    }

    #[test]
    #[ignore = "a process of its own, for the test above"]
    fn process_that_finds_a_far_epoch() {
        obey_forgetting(1, u64::MAX);
        assert_eq!(fleet::first_epoch(), fleet::first_after(now()));
    }
}
