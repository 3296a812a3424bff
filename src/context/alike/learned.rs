//! What libssl has no getter for: learned where it is set.
//!
//! A program that finds the host's own setter by dlsym is not seen; it finds the rest of libssl there, too.

use core::ffi::{c_int, c_void};
use core::hash::{Hash, Hasher};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering::Relaxed};
use std::hash::DefaultHasher;
use std::process;
use std::time::Instant;

use crate::context::connections;
use crate::host::images;
use crate::sys::lock::Lock;

/// Whether some code of this process has set the purpose, the trust or the policies of verification parameters itself.
/// libssl's own setters are told apart from it; of which parameters it was, and with what result, nobody can ask.
static PARAMETERS_SET: AtomicBool = AtomicBool::new(false);

/// Takes note that verification parameters were changed in a way that no getter tells.
pub fn note_parameters_set() {
    PARAMETERS_SET.store(true, Relaxed);
}

/// Whether that has happened.
pub fn parameters_were_set() -> bool {
    PARAMETERS_SET.load(Relaxed)
}

/// Whether a setter was called for a context that was only being made, by an ex_data function of the program: it was
/// seen, but not for which context.
static SET_EARLY: AtomicBool = AtomicBool::new(false);

/// Takes note of that.
pub fn note_set_early() {
    SET_EARLY.store(true, Relaxed);
}

/// Whether that has happened.
pub fn was_set_early() -> bool {
    SET_EARLY.load(Relaxed)
}

/// What the setters of one context have told. Read by handshakes of any thread; a program that sets up a context while
/// it serves races with libssl itself.
#[derive(Default)]
pub struct Learned {
    /// What replaces the verification of certificates as a whole, and its argument; null where libssl does it.
    pub cert_verify: AtomicPtr<c_void>,
    /// The argument of `cert_verify`.
    pub cert_verify_argument: AtomicPtr<c_void>,
    /// Whether the program is asked whether it resumes its own sessions.
    pub may_refuse: AtomicBool,
    /// Whether clients may show a key or a password in place of a certificate: PSK, SRP.
    pub knows_secrets: AtomicBool,
    /// The purpose that certificates of clients are checked for; 0 where none was set.
    pub purpose: AtomicI32,
    /// The trust setting, likewise.
    pub trust: AtomicI32,
    /// Whether the parameters of its connections cannot be told: a whole set was taken over, or some were changed when
    /// connections may have been made with those of before.
    pub param_untold: AtomicBool,
    /// Whether a servername callback is set, which may give a connection another context or other rules.
    pub has_servername_callback: AtomicBool,
    /// Whether a certificate callback is set, of the context or of a connection made from it: it may do the same.
    pub has_cert_callback: AtomicBool,
    /// What was set of groups and signature algorithms, by control command.
    pub lists: Lists,
    /// Directories and stores in which authorities are looked for when a certificate is verified.
    pub places: Lists,
    /// When, and in which process, the context was last told of something that can only be compared by its address: what
    /// two processes have put at one address since they were forked has nothing in common.
    pub address_stamp: AtomicU64,
    begun_before: BegunBefore,
}

/// How many connections of this process had begun when the context was first seen.
struct BegunBefore(u64);

impl Default for BegunBefore {
    fn default() -> Self {
        Self(connections::begun())
    }
}

impl Learned {
    /// Notes what replaces the verification of certificates.
    pub fn set_cert_verify(&self, function: *const c_void, argument: *mut c_void) {
        self.cert_verify.store(function.cast_mut(), Relaxed);
        self.cert_verify_argument.store(argument, Relaxed);
        if !argument.is_null() {
            self.note_address();
        }
    }

    /// Notes that the context is told of something that can only be compared by its address.
    pub fn note_address(&self) {
        let mut hasher = DefaultHasher::new();
        (process::id(), Instant::now()).hash(&mut hasher);
        self.address_stamp.store(hasher.finish(), Relaxed);
    }

    /// Notes a place in which authorities are looked for.
    pub fn add_place(&self, kind: c_int, place: &[u8]) {
        self.places.add(kind, place);
        self.note_address();
    }

    /// Notes the purpose that certificates of clients are checked for.
    pub fn set_purpose(&self, purpose: c_int) {
        self.purpose.store(purpose, Relaxed);
        self.note_param_changed();
    }

    /// Notes the trust setting.
    pub fn set_trust(&self, trust: c_int) {
        self.trust.store(trust, Relaxed);
        self.note_param_changed();
    }

    /// A connection has the parameters that its context had when it was made.
    fn note_param_changed(&self) {
        if connections::begun() != self.begun_before.0 {
            self.param_untold.store(true, Relaxed);
        }
    }

    /// Notes a callback or hint by which clients may do without a certificate.
    pub fn note_secrets(&self) {
        self.knows_secrets.store(true, Relaxed);
    }

    /// Whether the rules of a connection may change after libssl has asked for its session.
    pub fn may_switch(&self) -> bool {
        self.has_servername_callback.load(Relaxed) || self.has_cert_callback.load(Relaxed)
    }

    /// The function that replaces the verification, and its argument.
    pub fn cert_verify(&self) -> (*const c_void, *const c_void) {
        let function = self.cert_verify.load(Relaxed);
        let argument = match function.is_null() {
            true => ptr::null_mut(),
            false => self.cert_verify_argument.load(Relaxed),
        };
        (function, argument)
    }
}

/// The lists that control commands have set, as they were given.
#[derive(Default)]
pub struct Lists(Lock<Vec<(c_int, Vec<u8>)>>);

impl Lists {
    /// Notes the list that a command has set.
    pub fn set(&self, command: c_int, list: &[u8]) {
        if let Some(mut lists) = self.0.lock() {
            lists.retain(|(other, _)| *other != command);
            lists.push((command, list.to_vec()));
            lists.sort_unstable();
        }
    }

    /// Notes one more of several that are all in force.
    pub fn add(&self, number: c_int, what: &[u8]) {
        if let Some(mut lists) = self.0.lock()
            && !lists
                .iter()
                .any(|(other, known)| *other == number && known == what)
        {
            lists.push((number, what.to_vec()));
            lists.sort_unstable();
        }
    }

    /// Visits what was set, in the order of the commands; `None` where that was lost in a fork.
    pub fn each(&self, mut visit: impl FnMut(c_int, &[u8])) -> Option<()> {
        for (command, list) in self.0.lock()?.iter() {
            visit(*command, list);
        }
        Some(())
    }
}

/// Takes note, once, where programs reach libcrypto's setters past us: in front of a libssl alone we come behind a
/// libcrypto that they were linked with first.
pub fn notice_what_is_unseen() {
    static NOTICED: AtomicBool = AtomicBool::new(false);
    // Relaxed: threads that arrive together find the same.
    if !NOTICED.swap(true, Relaxed) && !images::is_bound_to_us(c"X509_VERIFY_PARAM_set_purpose") {
        note_parameters_set();
    }
}
