//! Marking a session not resumable.
//!
//! libssl does that whenever a session leaves its cache, and has no function for it alone. Its own
//! `SSL_CTX_remove_session` marks its argument whether it finds it or not; called with an empty context of
//! ours, it touches neither the lock nor the callbacks of the application's context.

use core::cell::Cell;
use core::ffi::{CStr, c_char};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::ffi::CString;

use super::inside::Inside;
use super::session::SessionRef;
use super::table::Libssl;
use super::types::{OSSL_LIB_CTX, SSL_CTX};
use crate::lock::this_process;

/// Several, so that threads rarely meet at the lock inside one.
const CONTEXTS: usize = 8;

/// What an application made a context with: null for the default library context.
pub struct Origin {
    /// The library context.
    pub libctx: *mut OSSL_LIB_CTX,
    /// The property query.
    pub propq: Option<CString>,
}

impl Origin {
    /// What SSL_CTX_new_ex was called with.
    ///
    /// # Safety
    /// * `libctx` is null or outlives the context that is made with it, `propq` is null or a C string.
    pub unsafe fn new(libctx: *mut OSSL_LIB_CTX, propq: *const c_char) -> Self {
        let propq = if propq.is_null() {
            None
        } else {
            // SAFETY: the caller's contract.
            Some(unsafe { CStr::from_ptr(propq) }.to_owned())
        };
        Self { libctx, propq }
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self {
            libctx: ptr::null_mut(),
            propq: None,
        }
    }
}

// SAFETY: the library context is only passed back to libssl, which lets any thread use it.
unsafe impl Send for Origin {}
// SAFETY: as above.
unsafe impl Sync for Origin {}

/// Empty contexts of ours, made when first needed.
pub struct Scratch {
    contexts: [AtomicPtr<SSL_CTX>; CONTEXTS],
    /// The process that made them.
    made_in: AtomicU32,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            contexts: [const { AtomicPtr::new(ptr::null_mut()) }; CONTEXTS],
            made_in: AtomicU32::new(this_process()),
        }
    }

    /// Marks `session` not resumable. `false` where no context could be made to do it with. `origin` is that of
    /// a living context: an application may have left the default library context without any cipher.
    pub fn mark_not_resumable(
        &self,
        libssl: &'static Libssl,
        origin: &Origin,
        session: &SessionRef,
    ) -> bool {
        let Some(ctx) = self.context(libssl, origin) else {
            return false;
        };
        // SAFETY: a context that is never freed, and a session that we hold a reference to.
        unsafe { (libssl.SSL_CTX_remove_session)(ctx, session.as_ptr()) };
        true
    }

    /// In a forked child, lets go of the parent's contexts: a thread of the parent may have held their locks,
    /// and it is not here to unlock them. What they occupied is lost to the child.
    fn forget_parents(&self) {
        let here = this_process();
        // Relaxed: a context that another thread of the child has just made may be forgotten with the others.
        if self.made_in.load(Ordering::Relaxed) != here
            && self.made_in.swap(here, Ordering::Relaxed) != here
        {
            for slot in &self.contexts {
                slot.store(ptr::null_mut(), Ordering::Relaxed);
            }
        }
    }

    fn context(&self, libssl: &'static Libssl, origin: &Origin) -> Option<*mut SSL_CTX> {
        self.forget_parents();
        let slot = &self.contexts[this_thread() % CONTEXTS];
        // Acquire: pairs with the Release that published a finished context.
        let known = slot.load(Ordering::Acquire);
        if !known.is_null() {
            return Some(known);
        }
        let mut made = libssl.new_empty_context(&Origin::default());
        if made.is_null() {
            made = libssl.new_empty_context(origin);
        }
        if made.is_null() {
            return None;
        }
        // AcqRel: publishes the context on success, sees another thread's on failure.
        match slot.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Some(made),
            Err(theirs) => {
                // SAFETY: ours was shown to nobody.
                unsafe { (libssl.SSL_CTX_free)(made) };
                Some(theirs)
            }
        }
    }
}

impl Libssl {
    /// A context that we do not take over; null where there is no memory. Leaves no error behind.
    pub(super) fn new_empty_context(&self, origin: &Origin) -> *mut SSL_CTX {
        let propq = origin
            .propq
            .as_ref()
            .map_or(ptr::null(), |propq| propq.as_ptr());
        Inside::enter(|| {
            // SAFETY: no arguments.
            unsafe { (self.ERR_set_mark)() };
            // SAFETY: TLS_method answers a method of the same library; the library context is null, or alive
            // as the context is that it was used for.
            let made = unsafe { (self.SSL_CTX_new_ex)(origin.libctx, propq, (self.TLS_method)()) };
            // SAFETY: pairs with the mark above.
            unsafe { (self.ERR_pop_to_mark)() };
            made
        })
    }
}

/// A number for each thread, in the order in which they first ask.
fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    NUMBER.with(|number| {
        if number.get() == usize::MAX {
            // Relaxed: the numbers need not be in any order.
            number.set(NEXT.fetch_add(1, Ordering::Relaxed) % CONTEXTS);
        }
        number.get()
    })
}
