//! A value that core dumps leave out.

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
    /// A mapping with this value, which should hold no secret yet: moving it here has left a copy.
    pub fn new(value: T) -> io::Result<Self> {
        const { assert!(mem::align_of::<T>() <= 4096 && mem::size_of::<T>() > 0) };
        let mapping = Mapping::private(mem::size_of::<T>())?;
        mapping.advise(libc::MADV_DONTDUMP)?;
        // SAFETY: writable, large enough, and aligned to a page.
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
        // SAFETY: written by `new`, and ours.
        unsafe { self.place().as_ref() }
    }
}

impl<T> DerefMut for NoDump<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`.
        unsafe { self.place().as_mut() }
    }
}

impl<T> Drop for NoDump<T> {
    fn drop(&mut self) {
        // SAFETY: written by `new`; nobody has it after this.
        unsafe { self.place().drop_in_place() };
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::ptr;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn value_is_kept_out_of_dumps_and_dropped() {
        let alive = Rc::new(());
        let mut kept = NoDump::new((7, Rc::clone(&alive))).unwrap();
        kept.deref_mut().0 += 1;
        assert_eq!((kept.deref().0, Rc::strong_count(&alive)), (8, 2));
        let start = format!("{:x}-", ptr::from_ref(&*kept).addr());
        let mappings = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = mappings
            .lines()
            .skip_while(|line| !line.starts_with(&start));
        let flags = lines.find(|line| line.starts_with("VmFlags:")).unwrap();
        assert!(flags.split(' ').any(|flag| flag == "dd"), "{flags}");
        drop(kept);
        assert_eq!(Rc::strong_count(&alive), 1);
    }
}
