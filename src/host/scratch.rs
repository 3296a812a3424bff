//! Having the host mark a session not resumable.
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
use crate::sys::forks::this_process;
use crate::sys::guard::quietly;

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
/// before the program makes one of its own. A child makes more only if it makes contexts of its own, too, and so relies
/// on these locks already. Otherwise its threads use the spare one in turn: a context that one of them made would hold these locks
/// while another one forks, and that child, too, may make a context.
pub struct Scratch {
    places: [Place; CONTEXTS],
    /// For the children of the process that has filled it. That process leaves it alone, so that no fork finds it in use.
    spare: Place,
    /// The number of the process that has filled it.
    spare_made_in: AtomicU32,
    /// The number of the last process whose program has made a context.
    used_in: AtomicU32,
    /// The number of the process in which the host was found: it makes contexts at will.
    found_in: u32,
    /// The library context of what is made for a program that has one of its own; null before.
    apart: AtomicPtr<OSSL_LIB_CTX>,
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

    /// Puts a new context here; false if none could be made.
    fn fill(&self, scratch: &Scratch, libssl: &Libssl, origin: &Origin) -> bool {
        match scratch.make(libssl, origin) {
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
            used_in: AtomicU32::new(FREE),
            found_in: this_process(),
            apart: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Makes the context that children of this process may need, unless there is one. Called before the program makes a
    /// context of this origin, which takes the same locks. False, with the error in the queue, if that cannot succeed.
    pub fn provide(&self, libssl: &'static Libssl, origin: &Origin) -> bool {
        let process = this_process();
        // Relaxed, here and below: a thread that does not see it yet gets along without.
        self.used_in.store(process, Ordering::Relaxed);
        if !self.spare.is_empty() {
            return true;
        }
        // The first context of a process reads the configuration, and only that one fails for a mistake there: it must be the
        // program's.
        if !libssl.initialise() {
            return false;
        }
        quietly(|| {
            if let Some(claim) = self.spare.claim(process)
                && claim.0.is_empty()
                && claim.fill(self, libssl, origin)
            {
                self.spare_made_in.store(process, Ordering::Relaxed);
            }
        });
        true
    }

    /// Marks `session` not resumable, and leaves errno as it was; false if there is no context for it. `origin` is that of a
    /// living context, as an application may have left the default library context without any cipher.
    #[inline]
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
        quietly(|| self.mark_elsewhere(libssl, origin, session, own))
    }

    /// Does the same where the thread's own place has no context, or another thread uses it.
    #[cold]
    fn mark_elsewhere(
        &self,
        libssl: &'static Libssl,
        origin: &Origin,
        session: &SessionRef,
        own: usize,
    ) -> bool {
        let process = this_process();
        // A function of the application's ex_data is called for a context that this thread is making: it would be called for
        // another one, too.
        let is_making = Inside::is_making();
        let may_make =
            !is_making && [self.found_in, self.used_in.load(Ordering::Relaxed)].contains(&process);
        // It was stored before the fork; where a thread of this process is storing it now, either answer will do.
        let is_inherited = self.spare_made_in.load(Ordering::Relaxed) != process;
        loop {
            // Whether another thread of this process stands in the way, for a moment.
            let mut is_shared = false;
            if is_making || is_inherited && !may_make {
                match self.spare.claim(process) {
                    Some(claim) if claim.mark(libssl, session) => return true,
                    Some(_) => {}
                    None => is_shared = true,
                }
            }
            for number in own..own + CONTEXTS {
                match self.places[number % CONTEXTS].claim(process) {
                    Some(claim) if claim.mark(libssl, session) => return true,
                    Some(claim) if may_make => {
                        return claim.fill(self, libssl, origin) && claim.mark(libssl, session);
                    }
                    Some(_) => {}
                    None => is_shared = true,
                }
            }
            if !is_shared || is_making {
                return false; // the fork has left none, or this thread itself stands in the way
            }
            thread::yield_now();
        }
    }

    /// Makes a context; `None` without memory. A program that makes contexts with a library context of its own may have left
    /// the default one without any provider, on purpose: in that a context would bring in the default provider, unasked.
    pub(super) fn make(&self, libssl: &Libssl, origin: &Origin) -> Option<NonNull<SSL_CTX>> {
        let neutral = match origin.libctx.is_null() {
            true => Some(Origin::default()),
            false => self.library_context(libssl).map(|libctx| Origin {
                libctx: libctx.as_ptr(),
                propq: None,
            }),
        };
        let make = |origin: &Origin| NonNull::new(libssl.new_empty_context(origin));
        neutral
            .and_then(|neutral| make(&neutral))
            .or_else(|| make(origin))
    }

    /// A library context that no program sees. It is kept, as the contexts are.
    fn library_context(&self, libssl: &Libssl) -> Option<NonNull<OSSL_LIB_CTX>> {
        // Acquire: pairs with the Release below.
        if let Some(known) = NonNull::new(self.apart.load(Ordering::Acquire)) {
            return Some(known);
        }
        let new = libssl.OSSL_LIB_CTX_new?;
        // SAFETY: the function has no preconditions.
        let made = NonNull::new(libssl.without_errors(|| unsafe { new() }))?;
        let (none, release, acquire) = (ptr::null_mut(), Ordering::Release, Ordering::Acquire);
        match self
            .apart
            .compare_exchange(none, made.as_ptr(), release, acquire)
        {
            Ok(_) => Some(made),
            Err(theirs) => {
                if let Some(free) = libssl.OSSL_LIB_CTX_free {
                    // SAFETY: it was made above, and nothing refers to it.
                    unsafe { free(made.as_ptr()) };
                }
                NonNull::new(theirs)
            }
        }
    }
}

impl Libssl {
    /// Makes a context whose cache sslcache does not replace; null if there is no memory. Leaves no error in the queue.
    pub(super) fn new_empty_context(&self, origin: &Origin) -> *mut SSL_CTX {
        let propq = origin
            .propq
            .as_ref()
            .map_or(ptr::null(), |propq| propq.as_ptr());
        Inside::making(|| {
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
