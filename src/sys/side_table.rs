//! What is kept beside objects of the host, by their addresses, instead of in their ex_data.
//!
//! ex_data is the program's: some write it under numbers that they never registered, and a pointer that is read from
//! there may be anybody's. So nothing of ours lies in it. Only its free functions are used: they tell when an object
//! ends, and with it what is kept here.
//!
//! No lock is taken, so a fork finds the table whole: a thread that it cuts off leaves at most one place that is not used
//! again. Places are linked to the bucket of their address, are used again when their object is gone, and are never
//! given back: a table takes as much as it needed at its fullest.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// No object is there.
const EMPTY: usize = 0;
/// A thread fills the place. No object has this address.
const FILLING: usize = 1;

/// A table of `T` by address. A `T` is made of atomics, as threads that know the same object read it at any time.
pub struct SideTable<T: 'static, const BUCKETS: usize> {
    buckets: [AtomicPtr<Place<T>>; BUCKETS],
    /// How many places are in use.
    len: AtomicUsize,
}

struct Place<T> {
    address: AtomicUsize,
    beside: T,
    /// Set before the place is shown, and not changed.
    next: *mut Place<T>,
}

impl<T: Default + Sync, const BUCKETS: usize> SideTable<T, BUCKETS> {
    /// An empty table.
    pub const fn new() -> Self {
        assert!(BUCKETS.is_power_of_two());
        Self {
            buckets: [const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS],
            len: AtomicUsize::new(0),
        }
    }

    /// Whether nothing is kept. Of a living object the thread that has entered something sees it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // Relaxed: whoever knows an object that was entered by another thread has synchronised with it.
        self.len.load(Ordering::Relaxed) == 0
    }

    fn bucket(&self, address: usize) -> &AtomicPtr<Place<T>> {
        // Multiplied, because objects are allocated, and their addresses differ in the middle.
        let spread = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.buckets[(spread >> 32) as usize & (BUCKETS - 1)]
    }

    #[inline]
    fn places(&self, address: usize) -> impl Iterator<Item = &'static Place<T>> {
        // Acquire: pairs with the Release in `enter`.
        let mut next = self.bucket(address).load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: null, or a place, which is never freed.
            let place: &'static Place<T> = unsafe { next.as_ref() }?;
            next = place.next;
            Some(place)
        })
    }

    /// What is kept beside a living object.
    #[inline]
    pub fn find(&self, address: usize) -> Option<&'static T> {
        // Acquire: pairs with the Release that shows a filled place.
        self.places(address)
            .find(|place| place.address.load(Ordering::Acquire) == address)
            .map(|place| &place.beside)
    }

    /// Makes a place beside a living object and has it filled before it is found. Where there is one already, that is
    /// filled.
    pub fn enter(&self, address: usize, fill: impl FnOnce(&T)) {
        if let Some(known) = self.find(address) {
            return fill(known);
        }
        self.len.fetch_add(1, Ordering::Relaxed);
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        // Acquire: pairs with the Release of the object that had the place before.
        let claimed = self.places(address).find(|place| {
            place.address.load(relaxed) == EMPTY
                && place
                    .address
                    .compare_exchange(EMPTY, FILLING, acquire, relaxed)
                    .is_ok()
        });
        if let Some(place) = claimed {
            fill(&place.beside);
            // Release: whoever finds the object finds what is beside it.
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
        // Release: shows the place as it was made, its successors with it.
        while let Err(other) = bucket.compare_exchange(first, place, Ordering::AcqRel, acquire) {
            first = other;
            // SAFETY: made above, and not yet shown.
            unsafe { (*place).next = first };
        }
    }

    /// Empties the place of an object that ends; `clear` takes out what was there.
    pub fn remove<R>(&self, address: usize, clear: impl Fn(&T) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let mut cleared = None;
        // All, as two threads may have entered the object at once.
        for place in self.places(address) {
            if place.address.load(Ordering::Acquire) == address {
                cleared = Some(clear(&place.beside));
                // Release: the next object finds the place cleared.
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
                    for round in 1..2000 {
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
