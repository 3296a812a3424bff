//! Marking a session not resumable.
//!
//! libssl does that whenever a session leaves its cache, and has no function for it alone. Its own
//! `SSL_CTX_remove_session` marks its argument whether it finds it or not; called with an empty context of
//! ours, it touches neither the lock nor the callbacks of the application's context.

use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::inside::Inside;
use super::session::SessionRef;
use super::table::Libssl;
use super::types::SSL_CTX;

/// Several, so that threads rarely meet at the lock inside one.
const CONTEXTS: usize = 8;

/// Empty contexts of ours, made when first needed.
pub struct Scratch {
    contexts: [AtomicPtr<SSL_CTX>; CONTEXTS],
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            contexts: [const { AtomicPtr::new(ptr::null_mut()) }; CONTEXTS],
        }
    }

    /// Marks `session` not resumable. `false` when there was no memory for a context to do it with.
    pub fn mark_not_resumable(&self, libssl: &'static Libssl, session: &SessionRef) -> bool {
        let Some(ctx) = self.context(libssl) else {
            return false;
        };
        // SAFETY: a context that is never freed, and a session that we hold a reference to.
        unsafe { (libssl.SSL_CTX_remove_session)(ctx, session.as_ptr()) };
        true
    }

    /// Lets go of all contexts, in a forked child: a thread of the parent may have held their locks, and
    /// that thread is not here to unlock them. What they occupied is lost to the child.
    pub fn forget(&self) {
        for slot in &self.contexts {
            // Relaxed: the child has one thread.
            slot.store(ptr::null_mut(), Ordering::Relaxed);
        }
    }

    fn context(&self, libssl: &'static Libssl) -> Option<*mut SSL_CTX> {
        let slot = &self.contexts[this_thread() % CONTEXTS];
        // Acquire: pairs with the Release that published a finished context.
        let known = slot.load(Ordering::Acquire);
        if !known.is_null() {
            return Some(known);
        }
        let made = libssl.new_empty_context();
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
    pub(super) fn new_empty_context(&self) -> *mut SSL_CTX {
        Inside::enter(|| {
            // SAFETY: no arguments.
            unsafe { (self.ERR_set_mark)() };
            // SAFETY: TLS_method answers a method of the same library.
            let made = unsafe { (self.SSL_CTX_new)((self.TLS_method)()) };
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
