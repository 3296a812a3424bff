//! A callback that an application may set, read and replace from any thread.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// An `Option` of a C function pointer of type `F`.
pub struct Callback<F: Copy> {
    function: AtomicPtr<c_void>,
    _type: PhantomData<F>,
}

impl<F: Copy> Callback<F> {
    const IS_A_POINTER: () = assert!(mem::size_of::<Option<F>>() == mem::size_of::<*mut c_void>());

    /// No callback.
    pub fn none() -> Self {
        const { Self::IS_A_POINTER };
        Self {
            function: AtomicPtr::new(ptr::null_mut()),
            _type: PhantomData,
        }
    }

    /// The callback in force.
    pub fn get(&self) -> Option<F> {
        // Relaxed: a function is there before the program starts; what it reads is its owner's concern.
        let function = self.function.load(Ordering::Relaxed);
        // SAFETY: only `set` stores, and what it stores is an Option<F> of this size.
        unsafe { mem::transmute_copy::<*mut c_void, Option<F>>(&function) }
    }

    /// Replaces it.
    pub fn set(&self, callback: Option<F>) {
        // SAFETY: IS_A_POINTER says that the sizes agree; a function pointer may be kept as a pointer.
        let function = unsafe { mem::transmute_copy::<Option<F>, *mut c_void>(&callback) };
        self.function.store(function, Ordering::Relaxed);
    }
}
