//! A value that the kernel leaves out of core dumps.

use core::marker::PhantomData;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use std::io;

use crate::sys::mapping::Mapping;

/// A value in a mapping of its own.
pub struct NoDump<T> {
    mapping: Mapping,
    value: PhantomData<T>,
}

impl<T> NoDump<T> {
    /// Moves `value` into a mapping. It should hold no secret yet, as moving it leaves a copy behind.
    pub fn new(value: T) -> io::Result<Self> {
        const { assert!(mem::align_of::<T>() <= 4096 && mem::size_of::<T>() > 0) };
        let mapping = Mapping::private(mem::size_of::<T>())?;
        mapping.advise(libc::MADV_DONTDUMP)?;
        // SAFETY: the mapping is writable, as large as a `T`, and aligned to a page, which suffices by the assertion.
        unsafe { mapping.base().cast::<T>().write(value) };
        Ok(Self {
            mapping,
            value: PhantomData,
        })
    }

    fn place(&self) -> NonNull<T> {
        self.mapping.base().cast()
    }
}

impl<T> Deref for NoDump<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: `new` has written a `T` there, and `&self` keeps it from being changed or dropped.
        unsafe { self.place().as_ref() }
    }
}

impl<T> DerefMut for NoDump<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: `new` has written a `T` there, and `&mut self` is the only access to it.
        unsafe { self.place().as_mut() }
    }
}

impl<T> Drop for NoDump<T> {
    fn drop(&mut self) {
        // SAFETY: `new` has written a `T` there, which is not accessible after this drop.
        unsafe { self.place().drop_in_place() };
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::ptr;
    use std::rc::Rc;

    use super::*;
    use crate::sys::program::is_testable;

    #[test]
    fn value_is_kept_out_of_dumps_and_dropped() {
        let alive = Rc::new(());
        let mut kept = NoDump::new((7, Rc::clone(&alive))).unwrap();
        kept.deref_mut().0 += 1;
        assert_eq!((kept.deref().0, Rc::strong_count(&alive)), (8, 2));
        let is_heeded = kept.mapping.is_advice_heeded();
        if is_testable("memory that core dumps leave out", is_heeded) {
            let start = format!("{:x}-", ptr::from_ref(&*kept).addr());
            let mappings = fs::read_to_string("/proc/self/smaps").unwrap();
            let mut lines = mappings
                .lines()
                .skip_while(|line| !line.starts_with(&start));
            let flags = lines.find(|line| line.starts_with("VmFlags:")).unwrap();
            assert!(flags.split(' ').any(|flag| flag == "dd"), "{flags}");
        }
        drop(kept);
        assert_eq!(Rc::strong_count(&alive), 1);
    }
}
