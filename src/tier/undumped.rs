//! A value that core dumps leave out.

use core::mem;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};
use std::io;

/// A value in a mapping of its own.
pub struct Undumped<T>(NonNull<T>);

// SAFETY: the value is owned, as by a box.
unsafe impl<T: Send> Send for Undumped<T> {}

impl<T> Undumped<T> {
    /// A mapping with this value, which should hold no secret yet: moving it here has left a copy.
    pub fn new(value: T) -> io::Result<Self> {
        const { assert!(mem::align_of::<T>() <= 4096 && mem::size_of::<T>() > 0) };
        let size = mem::size_of::<T>();
        // SAFETY: a fresh private mapping.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let place = NonNull::new(page.cast::<T>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: the mapping just made.
        if unsafe { libc::madvise(page, size, libc::MADV_DONTDUMP) } != 0 {
            let error = io::Error::last_os_error();
            // SAFETY: nobody else knows the mapping.
            unsafe { libc::munmap(page, size) };
            return Err(error);
        }
        // SAFETY: writable, large enough, and aligned to a page.
        unsafe { place.write(value) };
        Ok(Self(place))
    }
}

impl<T> Deref for Undumped<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: written by `new`, and ours.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for Undumped<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for Undumped<T> {
    fn drop(&mut self) {
        // SAFETY: written by `new`; nobody has it after this.
        unsafe { self.0.drop_in_place() };
        // SAFETY: mapped by `new`.
        unsafe { libc::munmap(self.0.as_ptr().cast(), mem::size_of::<T>()) };
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn value_is_kept_out_of_dumps_and_dropped() {
        let alive = Rc::new(());
        let mut kept = Undumped::new((7, Rc::clone(&alive))).unwrap();
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
