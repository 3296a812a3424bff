//! Attributes for which libssl has no getter: `capi::setters` intercepts their setters and records the values here.
//!
//! A program that finds the host's own setter by dlsym is not noticed; it finds the host's cache functions there, too.

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

/// Whether the program has set the purpose, the trust or the policies of verification parameters by libcrypto's functions.
/// No function tells which context the parameters belong to, or what was set.
static PARAMETERS_SET: AtomicBool = AtomicBool::new(false);

/// Notes that verification parameters were changed in a way that no getter tells.
pub fn note_parameters_set() {
    PARAMETERS_SET.store(true, Relaxed);
}

/// Whether verification parameters were changed in a way that no getter tells.
pub fn parameters_were_set() -> bool {
    PARAMETERS_SET.load(Relaxed)
}

/// Whether a setter was called from an ex_data function of the program, for a context that was still being made: the value
/// could not be recorded with a context.
static SET_EARLY: AtomicBool = AtomicBool::new(false);

/// Notes a setter's call for a context that is still being made.
pub fn note_set_early() {
    SET_EARLY.store(true, Relaxed);
}

/// Whether a setter was called for a context that was still being made.
pub fn was_set_early() -> bool {
    SET_EARLY.load(Relaxed)
}

/// The attributes that the setters of one context have told. Handshakes of any thread read them. All accesses are relaxed:
/// a program that changes a context while it serves races in libssl itself.
#[derive(Default)]
pub struct Learned {
    /// The callback of SSL_CTX_set_cert_verify_callback, which verifies certificates in place of libssl; null for none.
    pub cert_verify: AtomicPtr<c_void>,
    /// The argument of `cert_verify`.
    pub cert_verify_argument: AtomicPtr<c_void>,
    /// Whether a not-resumable callback is set, by which the program may refuse its own sessions.
    pub may_refuse: AtomicBool,
    /// Whether clients may prove their identity by a key or a password in place of a certificate (PSK, SRP).
    pub knows_secrets: AtomicBool,
    /// The purpose that certificates of clients are checked for; 0 if none was set.
    pub purpose: AtomicI32,
    /// The trust setting of the verification parameters; 0 if none was set.
    pub trust: AtomicI32,
    /// Whether the verification parameters of connections cannot be told: a whole set was copied, or some were changed
    /// after connections may have been made with the old ones.
    pub param_untold: AtomicBool,
    /// Whether a servername callback is set, which may switch a connection to another context or change its attributes.
    pub has_servername_callback: AtomicBool,
    /// Whether a certificate callback is set on the context or on a connection made from it, which may change attributes.
    pub has_cert_callback: AtomicBool,
    /// The lists of groups and signature algorithms, by control command.
    pub lists: Lists,
    /// The directories and stores in which authorities are looked for when a certificate is verified.
    pub places: Lists,
    /// A stamp of the time and process in which the context was last given an object that can only be compared by its
    /// address. Objects that two processes have put at one address since their fork differ by it.
    pub address_stamp: AtomicU64,
    /// A stamp of the process and time of the last SSL_CTX_set_ex_data since other processes have copies of the context; 0
    /// if there was none. A verify callback may depend on the data.
    pub data_stamp: AtomicU64,
    /// To tell whether a setter's call came before all connections of the context.
    begun_before: BegunBefore,
}

/// How many connections this process had made when the context was attached.
struct BegunBefore(u64);

impl Default for BegunBefore {
    fn default() -> Self {
        Self(connections::begun())
    }
}

impl Learned {
    /// Notes the callback that verifies certificates in place of libssl, and its argument.
    pub fn set_cert_verify(&self, function: *const c_void, argument: *mut c_void) {
        self.cert_verify.store(function.cast_mut(), Relaxed);
        self.cert_verify_argument.store(argument, Relaxed);
        if !argument.is_null() {
            self.note_address();
        }
    }

    /// Notes that the context was given an object that can only be compared by its address.
    pub fn note_address(&self) {
        self.address_stamp.store(stamp(), Relaxed);
    }

    /// Notes that this process has given the context other ex_data than its copies in other processes have.
    pub fn note_own_data(&self) {
        self.data_stamp.store(stamp(), Relaxed);
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

    /// Notes that verification parameters were changed. A connection has those that its context had when the connection was
    /// made, so those of earlier connections are no longer known.
    fn note_param_changed(&self) {
        if connections::begun() != self.begun_before.0 {
            self.param_untold.store(true, Relaxed);
        }
    }

    /// Notes a setter of PSK or SRP, by which clients may prove their identity without a certificate.
    pub fn note_secrets(&self) {
        self.knows_secrets.store(true, Relaxed);
    }

    /// Whether the rule of a connection may change after libssl has asked for its session.
    pub fn may_switch(&self) -> bool {
        self.has_servername_callback.load(Relaxed) || self.has_cert_callback.load(Relaxed)
    }

    /// The callback that verifies certificates in place of libssl, and its argument; null for none.
    pub fn cert_verify(&self) -> (*const c_void, *const c_void) {
        let function = self.cert_verify.load(Relaxed);
        let argument = match function.is_null() {
            true => ptr::null_mut(),
            false => self.cert_verify_argument.load(Relaxed),
        };
        (function, argument)
    }
}

/// Values that setters were given, each with the number of its control command or kind, sorted.
#[derive(Default)]
pub struct Lists(Lock<Vec<(c_int, Vec<u8>)>>);

impl Lists {
    /// Notes the list that a command has set, in place of an earlier one.
    pub fn set(&self, command: c_int, list: &[u8]) {
        if let Some(mut lists) = self.0.lock() {
            lists.retain(|(other, _)| *other != command);
            lists.push((command, list.to_vec()));
            lists.sort_unstable();
        }
    }

    /// Notes one more value of a kind of which several are in force together.
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

    /// Visits the values in order; `None` if they were lost in a fork.
    pub fn each(&self, mut visit: impl FnMut(c_int, &[u8])) -> Option<()> {
        for (command, list) in self.0.lock()?.iter() {
            visit(*command, list);
        }
        Some(())
    }
}

/// Notes once if the program's calls of libcrypto's setters do not reach us: as a libssl.so.3 in front, we may be behind a
/// libcrypto that the program was linked with first.
pub fn notice_what_is_unseen() {
    static NOTICED: AtomicBool = AtomicBool::new(false);
    // Relaxed: threads that arrive together find the same answer.
    if !NOTICED.swap(true, Relaxed) && !images::is_bound_to_us(c"X509_VERIFY_PARAM_set_purpose") {
        note_parameters_set();
    }
}

/// A number that no other process of this host draws, and this one only once. In digests it stands beside the
/// [`lineage`](crate::context::Context::lineage), which no other host has.
fn stamp() -> u64 {
    let mut hasher = DefaultHasher::new();
    (process::id(), Instant::now()).hash(&mut hasher);
    hasher.finish()
}
