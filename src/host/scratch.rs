//! Marking a session not resumable.
//!
//! libssl does that whenever a session leaves its cache, and has no function for it alone. Its own
//! `SSL_CTX_remove_session` marks its argument whether it finds it or not; called with an empty context of
//! ours, it touches neither the lock nor the callbacks of the application's context.

use core::cell::Cell;
use core::ffi::{CStr, c_char};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::ffi::CString;

use super::inside::Inside;
use super::session::SessionRef;
use super::table::Libssl;
use super::types::{OSSL_LIB_CTX, SSL_CTX};
use crate::lock::{Lock, this_process};

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
///
/// Each has a lock of ours around the host's call, which takes the context's own lock and calls nobody: in a
/// forked child ours tells which contexts a thread of the parent was using, and those are not touched.
pub struct Scratch {
    contexts: [Lock<Slot>; CONTEXTS],
    /// The process in which the host was found.
    found_in: u32,
}

/// A place for one context.
struct Slot(Option<NonNull<SSL_CTX>>);

// SAFETY: libssl lets any thread use a context.
unsafe impl Send for Slot {}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            contexts: [const { Lock::new(Slot(None)) }; CONTEXTS],
            found_in: this_process(),
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
        let own = this_thread() % CONTEXTS;
        // A child makes do with what it has inherited: making a context takes locks of libcrypto, which may
        // have been held when its parent forked.
        let others = if this_process() == self.found_in {
            0
        } else {
            CONTEXTS
        };
        let slots = (own..=own + others).map(|number| &self.contexts[number % CONTEXTS]);
        if slots
            .into_iter()
            .any(|slot| mark_with(slot, libssl, session))
        {
            return true;
        }
        let Some(made) = make(libssl, origin) else {
            return false;
        };
        let mut spare = Some(made);
        // Into the first place that is not lost; where another thread has filled it meanwhile, ours is spare.
        for number in own..own + CONTEXTS {
            let slot = &self.contexts[number % CONTEXTS];
            if let Some(mut slot) = slot.lock()
                && slot.0.is_none()
            {
                slot.0 = spare.take();
            }
            if mark_with(slot, libssl, session) {
                break;
            }
        }
        if let Some(spare) = spare {
            // SAFETY: it was shown to nobody.
            unsafe { (libssl.SSL_CTX_free)(spare.as_ptr()) };
        }
        true
    }
}

/// Marks `session` with the context of a slot, if it has one.
fn mark_with(slot: &Lock<Slot>, libssl: &Libssl, session: &SessionRef) -> bool {
    let Some(slot) = slot.lock() else {
        return false;
    };
    let Some(ctx) = slot.0 else {
        return false;
    };
    // SAFETY: a context that is never freed, and a session that we hold a reference to.
    unsafe { (libssl.SSL_CTX_remove_session)(ctx.as_ptr(), session.as_ptr()) };
    true
}

fn make(libssl: &Libssl, origin: &Origin) -> Option<NonNull<SSL_CTX>> {
    let made = NonNull::new(libssl.new_empty_context(&Origin::default()));
    made.or_else(|| NonNull::new(libssl.new_empty_context(origin)))
}

impl Libssl {
    /// A context that we do not take over; null where there is no memory. Leaves no error behind.
    pub(super) fn new_empty_context(&self, origin: &Origin) -> *mut SSL_CTX {
        let propq = origin
            .propq
            .as_ref()
            .map_or(ptr::null(), |propq| propq.as_ptr());
        Inside::enter(|| {
            // SAFETY: TLS_method answers a method of the same library; the library context is null, or alive
            // as the context is that it was used for.
            let make =
                || unsafe { (self.SSL_CTX_new_ex)(origin.libctx, propq, (self.TLS_method)()) };
            self.without_errors(make)
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
