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
        // Relaxed: the code of a function was there before the pointer was; ordering the data that it reads is the
        // application's task, as with libssl.
        let function = self.function.load(Ordering::Relaxed);
        // SAFETY: the pointer is null or was stored by `set` from an Option<F>, which has the size of a pointer.
        unsafe { mem::transmute_copy::<*mut c_void, Option<F>>(&function) }
    }

    /// Replaces the callback.
    pub fn set(&self, callback: Option<F>) {
        // SAFETY: IS_A_POINTER asserts that the sizes agree, and a function pointer may be stored as a data pointer on
        // every platform with dlsym.
        let function = unsafe { mem::transmute_copy::<Option<F>, *mut c_void>(&callback) };
        self.function.store(function, Ordering::Relaxed);
    }
}
