//! This process's copy of the secrets from which shared ticket keys are derived, and the orders that an administrator has
//! given for them.
//!
//! The copy is at most a second old where the region's page can be reached.

use core::sync::atomic::{AtomicI64, Ordering::Relaxed};

use once_cell::race::OnceBox;
use zeroize::Zeroizing;

use super::session::now;
use crate::host::tickets::{Key, KeyName};
use crate::shm::{Orders, Summary, TicketKey, TicketKeys};
use crate::sys::lock::Lock;
use crate::sys::no_dump::NoDump;

/// An order may lie so many seconds ahead of this process's clock; one that lies further ahead is none.
const ORDER_AHEAD: i64 = 60;

static TURNED: AtomicI64 = AtomicI64::new(0);
static FORGOTTEN: AtomicI64 = AtomicI64::new(0);

/// Heeds the orders of an administrator: keys made up to the second `turned` make no more tickets, and keys made up to the
/// second `forgotten` open none, either; 0 for no order.
pub fn obey(turned: i64, forgotten: i64) {
    // Relaxed: a thread that goes on before the copy has heeded the orders belongs to the moment before them.
    if TURNED.load(Relaxed) == turned && FORGOTTEN.load(Relaxed) == forgotten {
        return;
    }
    let latest = now().saturating_add(ORDER_AHEAD);
    if turned > latest || forgotten > latest {
        return;
    }
    FORGOTTEN.store(forgotten, Relaxed);
    TURNED.store(turned, Relaxed);
    LocalCopy::change_if_any(|copy| {
        copy.keys.obey(orders());
        copy.keys.go_on(now(), 0, None);
        copy.second = i64::MIN; // the page is asked anew
    });
}

/// The orders that this process heeds.
pub fn orders() -> Orders {
    Orders {
        turned: TURNED.load(Relaxed),
        forgotten: FORGOTTEN.load(Relaxed),
    }
}

/// What may be told of the shared keys; `None` if this process has needed none so far.
pub fn summary() -> Option<Summary> {
    LocalCopy::change_if_any(|copy| copy.was_asked_for.then(|| copy.keys.summary())).flatten()
}

/// A secret from which the keys of all groups are derived.
pub struct Secret {
    /// The name of the keys.
    pub name: KeyName,
    /// What they are derived from.
    pub secret: Zeroizing<Key>,
}

impl Secret {
    /// The secret of this key.
    pub fn of(key: &TicketKey) -> Self {
        Self {
            name: key.name,
            secret: Zeroizing::new(key.secret),
        }
    }
}

/// This process's copy of the secrets in the region.
pub struct LocalCopy {
    /// The keys.
    pub keys: TicketKeys,
    /// When the region's page was last asked for.
    pub second: i64,
    /// Whether it was reached then.
    pub was_reached: bool,
    /// Whether a ticket has needed the copy so far.
    pub was_asked_for: bool,
}

static LOCAL_COPY: OnceBox<Option<Lock<NoDump<LocalCopy>>>> = OnceBox::new();

impl LocalCopy {
    /// True if the page was last asked for in this second.
    pub fn is_of(&self, second: i64) -> bool {
        self.second == second
    }

    /// The copy, kept out of core dumps; `None` without memory.
    fn place() -> Option<&'static Lock<NoDump<Self>>> {
        let make = || {
            let mut empty = Self {
                keys: TicketKeys::default(),
                second: i64::MIN,
                was_reached: false,
                was_asked_for: false,
            };
            empty.keys.obey(orders());
            Box::new(NoDump::new(empty).ok().map(Lock::new))
        };
        LOCAL_COPY.get_or_init(make).as_ref()
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
