//! Values kept beside objects of the host, by their addresses, instead of in their ex_data.
//!
//! ex_data belongs to the program: some programs write it under numbers that they never registered, so a pointer that is
//! read from there may be of any origin. So sslcache stores nothing in it, and uses only its free functions, which tell when
//! an object ends.
//!
//! No lock is taken, so a fork finds the table whole: a thread that the fork cuts off leaves at most one place that is not
//! reused. Places are linked to the bucket of their address, are reused when their object is gone, and are never freed: a
//! table keeps the memory that it needed at its fullest.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The address in a place without an object.
const EMPTY: usize = 0;
/// The address in a place that a thread is filling. No object has it.
const FILLING: usize = 1;

/// A table of `T` by address. A `T` consists of atomics, as threads that use the same object access it at any time.
pub struct SideTable<T: 'static, const BUCKETS: usize> {
    buckets: [AtomicPtr<Place<T>>; BUCKETS],
    /// The number of places in use.
    len: AtomicUsize,
}

struct Place<T> {
    address: AtomicUsize,
    beside: T,
    /// Set before the place is published, and not changed afterwards.
    next: *mut Place<T>,
}

impl<T: Default + Sync, const BUCKETS: usize> SideTable<T, BUCKETS> {
    /// Makes an empty table.
    pub const fn new() -> Self {
        assert!(BUCKETS.is_power_of_two());
        Self {
            buckets: [const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS],
            len: AtomicUsize::new(0),
        }
    }

    /// True if the table has no entry. A thread that has entered a living object sees its own entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // Relaxed: a thread that got an object from another one, which had entered it, has synchronised with that one.
        self.len.load(Ordering::Relaxed) == 0
    }

    fn bucket(&self, address: usize) -> &AtomicPtr<Place<T>> {
        // Multiplied, because addresses of allocated objects differ mostly in their middle bits.
        let spread = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.buckets[(spread >> 32) as usize & (BUCKETS - 1)]
    }

    #[inline]
    fn places(&self, address: usize) -> impl Iterator<Item = &'static Place<T>> {
        // Acquire: pairs with the Release in `enter`.
        let mut next = self.bucket(address).load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: the pointer is null, or points to a place that `enter` has published; places are never freed.
            let place: &'static Place<T> = unsafe { next.as_ref() }?;
            next = place.next;
            Some(place)
        })
    }

    /// The value beside a living object, if there is one.
    #[inline]
    pub fn find(&self, address: usize) -> Option<&'static T> {
        // Acquire: pairs with the Release that publishes a filled place.
        self.places(address)
            .find(|place| place.address.load(Ordering::Acquire) == address)
            .map(|place| &place.beside)
    }

    /// Makes a place for a living object and calls `fill` before other threads can find it. If the object has a place
    /// already, `fill` gets that one.
    pub fn enter(&self, address: usize, fill: impl FnOnce(&T)) {
        if let Some(known) = self.find(address) {
            return fill(known);
        }
        self.len.fetch_add(1, Ordering::Relaxed);
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        // Acquire: pairs with the Release in `remove`, by which the last object left the place.
        let claimed = self.places(address).find(|place| {
            place.address.load(relaxed) == EMPTY
                && place
                    .address
                    .compare_exchange(EMPTY, FILLING, acquire, relaxed)
                    .is_ok()
        });
        if let Some(place) = claimed {
            fill(&place.beside);
            // Release: a thread that finds the address finds the value as `fill` left it.
            place.address.store(address, Ordering::Release);
            return;
        }
        let beside = T::default();
        fill(&beside);
        let bucket = self.bucket(address);
        let mut first = bucket.load(relaxed);
        let place = Box::into_raw(Box::new(Place {
            address: AtomicUsize::new(address),
            beside,
            next: first,
        }));
        // Release: publishes the place and the link to its successors.
        while let Err(other) = bucket.compare_exchange(first, place, Ordering::AcqRel, acquire) {
            first = other;
            // SAFETY: `place` was allocated above and is not yet published.
            unsafe { (*place).next = first };
        }
    }

    /// Empties the place of an object that ends; `clear` takes the value out.
    pub fn remove<R>(&self, address: usize, clear: impl Fn(&T) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let mut cleared = None;
        // All places, as two threads may have entered the object at once.
        for place in self.places(address) {
            if place.address.load(Ordering::Acquire) == address {
                cleared = Some(clear(&place.beside));
                // Release: the next object finds the value cleared.
                place.address.store(EMPTY, Ordering::Release);
                self.len.fetch_sub(1, Ordering::Relaxed);
            }
        }
        cleared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    type Table = SideTable<AtomicUsize, 4>;

    fn enter(table: &Table, address: usize, value: usize) {
        table.enter(address, |beside| beside.store(value, Ordering::Relaxed));
    }

    fn find(table: &Table, address: usize) -> Option<usize> {
        table
            .find(address)
            .map(|beside| beside.load(Ordering::Relaxed))
    }

    fn take(table: &Table, address: usize) -> Option<usize> {
        table.remove(address, |beside| beside.swap(0, Ordering::Relaxed))
    }

    #[test]
    fn what_was_entered_is_found_until_it_is_removed() {
        static TABLE: Table = Table::new();
        let addresses = || (1..100).map(|n| n * 0x50);
        for address in addresses() {
            assert_eq!(find(&TABLE, address), None);
            enter(&TABLE, address, address + 1);
        }
        for address in addresses() {
            assert_eq!(find(&TABLE, address), Some(address + 1));
        }
        for address in addresses() {
            assert_eq!(take(&TABLE, address), Some(address + 1));
            assert_eq!((find(&TABLE, address), take(&TABLE, address)), (None, None));
        }
        assert!(TABLE.is_empty());
    }

    #[test]
    fn place_of_an_object_that_is_gone_is_used_again() {
        static TABLE: Table = Table::new();
        enter(&TABLE, 0x100, 1);
        let place = ptr::from_ref(TABLE.find(0x100).unwrap());
        enter(&TABLE, 0x100, 2); // the same object has one place
        assert_eq!(find(&TABLE, 0x100), Some(2));
        take(&TABLE, 0x100);
        let again = (0x101..).find(|&next| ptr::eq(TABLE.bucket(next), TABLE.bucket(0x100)));
        enter(&TABLE, again.unwrap(), 3);
        assert_eq!(ptr::from_ref(TABLE.find(again.unwrap()).unwrap()), place);
    }

    #[test]
    fn threads_find_what_each_has_entered() {
        static TABLE: Table = Table::new();
        thread::scope(|scope| {
            for thread in 1..5 {
                scope.spawn(move || {
                    for round in 1..if cfg!(miri) { 40 } else { 2000 } {
                        let address = thread * 0x1000 + round % 7 * 0x10;
                        enter(&TABLE, address, round);
                        assert_eq!(find(&TABLE, address), Some(round));
                        assert_eq!(take(&TABLE, address), Some(round));
                    }
                });
            }
        });
        assert!(TABLE.is_empty());
    }
}
