//! A number for the functions of each libssl, small enough for the low bits of an address.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::table::Libssl;

/// Further copies of libssl in one process keep their own caches.
pub(super) const MAX_HOSTS: usize = 8;

/// The functions of each libssl whose number was asked for; filled from the front, never emptied.
static FUNCTIONS: [AtomicPtr<Libssl>; MAX_HOSTS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; MAX_HOSTS];

/// The number of these functions; `None` if all numbers are given out, in which case the library's sessions are not kept.
#[inline]
pub(super) fn number_of(libssl: &'static Libssl) -> Option<usize> {
    // Relaxed: compared, not followed.
    if ptr::eq(FUNCTIONS[0].load(Ordering::Relaxed), libssl) {
        return Some(0);
    }
    enter(libssl)
}

#[cold]
fn enter(libssl: &'static Libssl) -> Option<usize> {
    let functions = ptr::from_ref(libssl).cast_mut();
    FUNCTIONS.iter().position(|place| {
        let (free, relaxed) = (ptr::null_mut(), Ordering::Relaxed);
        // Release: publishes the functions.
        match place.compare_exchange(free, functions, Ordering::Release, relaxed) {
            Ok(_) => true,
            Err(known) => ptr::eq(known, functions),
        }
    })
}

/// The functions with a number that `number_of` has returned.
#[inline]
pub(super) fn libssl_of(number: usize) -> Option<&'static Libssl> {
    // Acquire: pairs with the Release in `enter`.
    let functions = FUNCTIONS.get(number)?.load(Ordering::Acquire);
    // SAFETY: the pointer is null, or `enter` has stored a `&'static Libssl` there.
    unsafe { functions.as_ref() }
}
