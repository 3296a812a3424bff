//! Marking a session not resumable.
//!
//! libssl does that whenever a session leaves its cache, and has no function for it alone. Its `SSL_CTX_remove_session` marks
//! its argument whether it finds it or not; called with an empty context, it touches neither the lock nor the callbacks of
//! the application's context.

use core::ffi::{CStr, c_char};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::ffi::CString;
use std::thread;

use super::inside::Inside;
use super::session::SessionRef;
use super::table::Libssl;
use super::types::{OSSL_LIB_CTX, SSL_CTX};
use crate::sys::lock::this_process;

/// Several, so that threads rarely need the same one; a power of two.
const CONTEXTS: usize = 8;

/// The library context and the property query that an application made a context with.
pub struct Origin {
    /// The library context; null for the default one.
    pub libctx: *mut OSSL_LIB_CTX,
    /// The property query.
    pub propq: Option<CString>,
}

impl Origin {
    /// The origin of a context that SSL_CTX_new_ex makes with these arguments.
    ///
    /// # Safety
    /// * `libctx` is null or outlives the context that is made with it, `propq` is null or a C string.
    pub unsafe fn new(libctx: *mut OSSL_LIB_CTX, propq: *const c_char) -> Self {
        let propq = if propq.is_null() {
            None
        } else {
            // SAFETY: `propq` is a C string by the contract above, as it is not null.
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
// SAFETY: the library context is only passed back to libssl, which lets threads share it.
unsafe impl Sync for Origin {}

/// Empty contexts, made when first needed.
///
/// Each is used by one thread at a time, so that no thread waits at the context's own lock: a thread that finds one in use
/// takes another. This also tells a forked child which contexts a thread of the parent was using. These are not touched
/// again, as their locks may be held for ever.
///
/// Making one takes locks of libcrypto, which a thread that the fork has cut off may hold, because it was making one itself
/// or for reasons of the program's. So a child gets along with what it inherits, and a spare context is made for it
/// while the program makes one of its own. A child makes more only once threads of its own want them at the same time.
pub struct Scratch {
    places: [Place; CONTEXTS],
    /// For the children of the process that has filled it. That process leaves it alone, so that no fork finds it in use.
    spare: Place,
    /// The number of the process that has filled it.
    spare_made_in: AtomicU32,
    /// The number of the process in which the host was found.
    found_in: u32,
}

/// A place for one context, on cache lines of its own.
#[repr(align(128))]
struct Place {
    /// The number of the process in which a thread uses the place, or [`FREE`].
    user: AtomicU32,
    /// Null if there is none yet. Only the place's user accesses it.
    ctx: AtomicPtr<SSL_CTX>,
}

/// No process has this number.
const FREE: u32 = 0;

/// A place in use by this thread, until it is dropped.
struct Claim<'a>(&'a Place);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Release: the next user sees the context.
        self.0.user.store(FREE, Ordering::Release);
    }
}

impl Place {
    const fn new() -> Self {
        Self {
            user: AtomicU32::new(FREE),
            ctx: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Claims the place for a thread of the process with the number `process`; `None` if another thread of it uses the place.
    fn claim(&self, process: u32) -> Option<Claim<'_>> {
        // Acquire: pairs with the Release of the last user.
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        let user = match self.user.compare_exchange(FREE, process, acquire, relaxed) {
            Ok(_) => return Some(Claim(self)),
            Err(user) => user,
        };
        if user == process {
            return None;
        }
        // The user is a thread that a fork has cut off: its context is abandoned.
        self.user
            .compare_exchange(user, process, acquire, relaxed)
            .ok()?;
        self.ctx.store(ptr::null_mut(), relaxed);
        Some(Claim(self))
    }

    fn is_empty(&self) -> bool {
        // Relaxed: compared, not followed.
        self.ctx.load(Ordering::Relaxed).is_null()
    }
}

impl Claim<'_> {
    /// Marks `session`; false if there is no context here.
    fn mark(&self, libssl: &Libssl, session: &SessionRef) -> bool {
        // Relaxed: ordered by the claim.
        let ctx = self.0.ctx.load(Ordering::Relaxed);
        if ctx.is_null() {
            return false;
        }
        // SAFETY: a context in a place is never freed, and `session` holds a reference.
        unsafe { (libssl.SSL_CTX_remove_session)(ctx, session.as_ptr()) };
        true
    }

    /// Moves the context of another place here, unless there is one. True if there is one now.
    fn take(&self, other: Claim<'_>) -> bool {
        if self.0.is_empty() {
            // Relaxed: ordered by the two claims.
            let ctx = other.0.ctx.swap(ptr::null_mut(), Ordering::Relaxed);
            self.0.ctx.store(ctx, Ordering::Relaxed);
        }
        !self.0.is_empty()
    }

    /// Puts a new context here; false if none could be made.
    fn fill(&self, libssl: &Libssl, origin: &Origin) -> bool {
        match make(libssl, origin) {
            Some(made) => self.0.ctx.store(made.as_ptr(), Ordering::Relaxed),
            None => return false,
        }
        true
    }
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            places: [const { Place::new() }; CONTEXTS],
            spare: Place::new(),
            spare_made_in: AtomicU32::new(FREE),
            found_in: this_process(),
        }
    }

    /// Makes the context that children of this process may need, unless there is one. Called while the program makes a
    /// context of its own, which takes the same locks.
    pub fn provide(&self, libssl: &'static Libssl, origin: &Origin) {
        let process = this_process();
        if self.spare.is_empty()
            && let Some(claim) = self.spare.claim(process)
            && claim.0.is_empty()
            && claim.fill(libssl, origin)
        {
            // Relaxed: ordered by the claim.
            self.spare_made_in.store(process, Ordering::Relaxed);
        }
    }

    /// Marks `session` not resumable; false if there is no context for it. `origin` is that of a living context, as an
    /// application may have left the default library context without any cipher.
    pub fn mark_not_resumable(
        &self,
        libssl: &'static Libssl,
        origin: &Origin,
        session: &SessionRef,
    ) -> bool {
        let process = this_process();
        let own = place_of_thread();
        if let Some(claim) = self.places[own].claim(process)
            && claim.mark(libssl, session)
        {
            return true;
        }
        self.mark_elsewhere(libssl, origin, session, own)
    }

    #[cold]
    fn mark_elsewhere(
        &self,
        libssl: &'static Libssl,
        origin: &Origin,
        session: &SessionRef,
        own: usize,
    ) -> bool {
        let process = this_process();
        let mut may_make = process == self.found_in;
        loop {
            let mut is_shared = false;
            for number in own..own + CONTEXTS {
                match self.places[number % CONTEXTS].claim(process) {
                    Some(claim) if claim.mark(libssl, session) => return true,
                    Some(claim) if may_make => {
                        return claim.fill(libssl, origin) && claim.mark(libssl, session);
                    }
                    Some(_) => {}
                    None => is_shared = true,
                }
            }
            if let Some(spare) = self.inherited_spare(process)
                && let Some(claim) = self.places[own].claim(process)
                && claim.take(spare)
                && claim.mark(libssl, session)
            {
                return true;
            }
            if !is_shared {
                return false; // the fork has left none
            }
            may_make = true;
            // All are in use, each for a moment.
            thread::yield_now();
        }
    }

    /// The spare context, if it was made in a process that this one was forked from, and has not been taken yet.
    fn inherited_spare(&self, process: u32) -> Option<Claim<'_>> {
        // Relaxed: it was stored before the fork. Where a thread of this process is storing it now, either answer will do.
        let made_in = self.spare_made_in.load(Ordering::Relaxed);
        (made_in != process)
            .then(|| self.spare.claim(process))
            .flatten()
    }
}

fn make(libssl: &Libssl, origin: &Origin) -> Option<NonNull<SSL_CTX>> {
    let made = NonNull::new(libssl.new_empty_context(&Origin::default()));
    made.or_else(|| NonNull::new(libssl.new_empty_context(origin)))
}

impl Libssl {
    /// Makes a context whose cache sslcache does not replace; null if there is no memory. Leaves no error in the queue.
    pub(super) fn new_empty_context(&self, origin: &Origin) -> *mut SSL_CTX {
        let propq = origin
            .propq
            .as_ref()
            .map_or(ptr::null(), |propq| propq.as_ptr());
        Inside::enter(|| {
            // SAFETY: the library context is null, or alive because a context of this origin is; `propq` is null or a C
            // string.
            let make = || unsafe { self.new_context(origin.libctx, propq) };
            let ctx = self.without_errors(make);
            if !ctx.is_null() {
                // SAFETY: `ctx` was made above and is not shared. An ex_data function of the program may have set
                // callbacks, which are removed here.
                unsafe {
                    (self.SSL_CTX_sess_set_new_cb)(ctx, None);
                    (self.SSL_CTX_sess_set_remove_cb)(ctx, None);
                    (self.SSL_CTX_sess_set_get_cb)(ctx, None);
                }
            }
            ctx
        })
    }
}

/// The place that this thread tries first: always the same, and spread over the threads.
fn place_of_thread() -> usize {
    // SAFETY: pthread_self has no preconditions.
    let thread = unsafe { libc::pthread_self() } as u64;
    (thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - CONTEXTS.ilog2())) as usize
}
