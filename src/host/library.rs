//! One libssl in this process: its image, its functions, and what is known of it.

use core::ffi::{CStr, c_void};
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use once_cell::race::OnceBox;

use super::images::{Handle, Image};
use super::inside::Inside;
use super::kind::Kind;
use super::mark::Mark;
use super::scratch::{Origin, Scratch};
use super::table::{Libssl, Lookup, Newer, Passthrough, Traits, Verification};
use super::tickets::Tickets;
use super::types::OSSL_LIB_CTX;

/// The library contexts in which sslcache's ex_data indices of a host are registered; filled from the front.
#[derive(Default)]
pub struct Hooked([AtomicPtr<OSSL_LIB_CTX>; 16]);

impl Hooked {
    /// True if they are registered in `libctx`.
    #[inline]
    pub fn contains(&self, libctx: *mut OSSL_LIB_CTX) -> bool {
        // Relaxed: compared, not followed.
        let known = self.0.iter().map(|known| known.load(Ordering::Relaxed));
        known
            .take_while(|known| !known.is_null())
            .any(|known| known == libctx)
    }

    /// Notes that they are registered in `libctx`; false if there is no place to note it.
    pub fn note(&self, libctx: *mut OSSL_LIB_CTX) -> bool {
        let (relaxed, free) = (Ordering::Relaxed, ptr::null_mut());
        self.0.iter().any(|place| {
            place
                .compare_exchange(free, libctx, relaxed, relaxed)
                .is_ok()
                || place.load(relaxed) == libctx
        })
    }

    fn is_empty(&self) -> bool {
        self.0[0].load(Ordering::Relaxed).is_null()
    }
}

/// Why the cache of a library is not replaced.
pub enum Unfit {
    /// It lacks the function of this name.
    Lacks(&'static CStr),
    /// It is LibreSSL's.
    LibreSsl,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacks(name) => write!(
                f,
                "has no {}: OpenSSL 1.1.1 or later is needed",
                name.to_string_lossy()
            ),
            Self::LibreSsl => f.write_str("is LibreSSL's: OpenSSL is needed"),
        }
    }
}

/// One libssl in this process. It is never freed; the handle with which it was resolved keeps the library loaded.
pub struct Host {
    /// Where the library is mapped.
    pub image: Image,
    /// The host's own versions of the functions that sslcache exports.
    pub passthrough: Passthrough,
    /// The functions that replacing a cache needs; or why this host keeps its own.
    pub libssl: Result<Libssl, Unfit>,
    /// The line of releases that it is of.
    pub kind: Kind,
    /// Functions that only newer hosts have.
    pub newer: Newer,
    /// Functions that tell whether two contexts may share their sessions.
    pub traits: Traits,
    /// Functions that verify a certificate, where `traits` cannot tell which names one has to have.
    pub verification: Option<Verification>,
    /// Functions that keys of stateless tickets need.
    pub tickets: Result<Tickets, &'static CStr>,
    /// Where it marks a session not resumable.
    pub mark: Mark,
    /// Empty contexts, for marking sessions where that is not known.
    pub scratch: Scratch,
    handle: Option<Handle>,
    /// The library contexts in which its objects' beginnings and ends are told.
    pub hooked: Hooked,
    /// True if sslcache notices the end of a context; see [`Host::tells_of_the_end`].
    tells: OnceBox<bool>,
}

impl Host {
    /// Resolves the functions of the library mapped at `image`.
    ///
    /// # Safety
    /// * `lookup` answers each name with the function of that name of the libssl mapped at `image` or of the libcrypto that it
    ///   uses.
    /// * Both libraries stay loaded from now on.
    pub(super) unsafe fn resolve(image: Image, lookup: Lookup<'_>) -> Self {
        // A host built without deprecated functions has these under their later names only; the types are the same.
        let by_either_name = |name: &CStr| {
            lookup(name).or_else(|| match name.to_bytes() {
                b"SSL_SESSION_get_time" => lookup(c"SSL_SESSION_get_time_ex"),
                b"SSL_SESSION_set_time" => lookup(c"SSL_SESSION_set_time_ex"),
                b"SSL_CTX_flush_sessions" => lookup(c"SSL_CTX_flush_sessions_ex"),
                _ => None,
            })
        };
        // SAFETY: `lookup` answers with this library's functions by the contract above.
        let passthrough = unsafe { Passthrough::resolve(lookup) };
        // SAFETY: `lookup` answers with this library's functions by the contract above.
        let resolved = unsafe { Libssl::resolve(&by_either_name) };
        let (libssl, kind) = match resolved {
            Err(missing) => (Err(Unfit::Lacks(missing)), Kind::V3),
            Ok(libssl) => match Kind::of(&libssl) {
                Some(kind) => (Ok(libssl), kind),
                None => (Err(Unfit::LibreSsl), Kind::V3),
            },
        };
        // SAFETY: `lookup` answers with this library's functions by the contract above.
        let newer = unsafe { Newer::resolve(lookup) };
        // SAFETY: `lookup` answers with this library's functions by the contract above.
        let traits = unsafe { Traits::resolve(lookup) };
        let verification = match traits.tell_names() {
            true => None,
            // SAFETY: `lookup` answers with this library's functions by the contract above.
            false => unsafe { Verification::resolve(lookup) }.ok(),
        };
        // SAFETY: `lookup` answers with this library's functions by the contract above.
        let tickets = unsafe { Tickets::resolve(lookup) };
        Self {
            image,
            passthrough,
            kind,
            libssl,
            newer,
            traits,
            verification,
            tickets,
            mark: Mark::default(),
            scratch: Scratch::new(),
            handle: None,
            hooked: Hooked::default(),
            tells: OnceBox::new(),
        }
    }

    pub(super) fn keep(&mut self, handle: Handle) {
        self.handle = Some(handle);
    }

    /// A function of this library or of its libcrypto, by name.
    pub fn symbol(&self, name: &CStr) -> Option<NonNull<c_void>> {
        self.handle.as_ref()?.symbol(name)
    }

    /// A function of this library itself, by name; for the few functions that only some libraries have.
    pub fn own(&self, name: &CStr) -> Option<NonNull<c_void>> {
        let found = self.handle.as_ref()?.symbol(name)?;
        self.image.contains(found.as_ptr()).then_some(found)
    }

    /// Notes whether the host's SSL_CTX_new has reached sslcache's SSL_CTX_new_ex, and so whether the host calls its own
    /// functions through the PLT. 1.1.1 has no SSL_CTX_new_ex, so that this tells nothing of it.
    pub fn note_relay(&self, relays: bool) {
        if self.passthrough.SSL_CTX_new_ex.is_some() {
            self.tells.get_or_init(|| Box::new(relays));
        }
    }

    /// True if SSL_CTX_free reaches sslcache's SSL_CTX_flush_sessions: the host then calls its own functions through the PLT,
    /// as Debian's does and upstream's does not. The first SSL_CTX_new tells it; before that it is tried on an empty
    /// context.
    pub fn tells_of_the_end(&self, libssl: &Libssl, origin: &Origin) -> bool {
        *self.tells.get_or_init(|| {
            let made = self.scratch.make(libssl, origin);
            Box::new(made.is_some_and(|ctx| {
                let ctx = ctx.as_ptr();
                // SAFETY: `ctx` was made above; this is its only use.
                Inside::comes_back(ctx, || unsafe { (libssl.SSL_CTX_free)(ctx) })
            }))
        })
    }

    /// True if OPENSSL_cleanup was called for the libcrypto of a host that was taken over. From then on the end of an object
    /// is not told any more.
    pub fn is_cleaned_up(&self) -> bool {
        self.is_hooked() && self.libssl.as_ref().is_ok_and(Libssl::is_cleaned_up)
    }

    /// True if it uses the same libcrypto as another host, which then tells of the objects of both.
    pub(super) fn has_the_libcrypto_of(&self, other: &Self) -> bool {
        let register = |host: &Self| {
            let libssl = host.libssl.as_ref().ok()?;
            Some(libssl.CRYPTO_get_ex_new_index as *const c_void)
        };
        register(self).is_some() && register(self) == register(other)
    }

    /// True if its objects' beginnings and ends are told, at least for threads that have set no library context.
    pub fn is_hooked(&self) -> bool {
        !self.hooked.is_empty()
    }
}
