//! The algorithms of stateless tickets, as libssl uses them: AES-256-CBC, and HMAC with SHA-256 over all of it.

use core::ffi::{CStr, c_int};
use core::ops::Deref;
use core::ptr;

use zeroize::Zeroizing;

use super::abi::*;
use super::scratch::Origin;
use super::stand_ins::int_of;
use super::table::{BuiltIn, Fetched, Lookup, Ticketing};
use super::types::*;

const CIPHER: &CStr = c"AES-256-CBC";
const DIGEST: &CStr = c"SHA256";
/// OSSL_MAC_PARAM_DIGEST
const DIGEST_PARAMETER: &CStr = c"digest";

/// A key of 256 bits.
pub type Key = [u8; 32];

/// The first bytes of a ticket, which tell with which keys it was made.
pub type KeyName = [u8; 16];

/// An initialisation vector.
pub type Iv = [u8; EVP_MAX_IV_LENGTH];

/// The keys with which a ticket is made or opened.
pub struct Keys {
    /// The first bytes of the ticket.
    pub name: KeyName,
    /// The key of the message authentication code.
    pub code: Zeroizing<Key>,
    /// The key of the cipher.
    pub cipher: Zeroizing<Key>,
}

/// The host's cipher and message authentication code of one ticket.
pub struct Pair {
    /// The cipher.
    pub cipher: *mut EVP_CIPHER_CTX,
    /// The message authentication code.
    pub code: *mut EVP_MAC_CTX,
}

/// The functions that keys of stateless tickets need.
pub struct Tickets {
    of_all: Ticketing,
    algorithms: Algorithms,
}

/// The functions that every host has.
impl Deref for Tickets {
    type Target = Ticketing;

    fn deref(&self) -> &Ticketing {
        &self.of_all
    }
}

/// Where a ticket's algorithms come from.
enum Algorithms {
    Fetched(Fetched),
    BuiltIn(BuiltIn),
}

/// Calls to the host; `None` where it fails.
impl Tickets {
    /// # Safety
    /// * `lookup` answers each name with libssl's or libcrypto's function of that name.
    pub(super) unsafe fn resolve(lookup: Lookup<'_>) -> Result<Self, &'static CStr> {
        // SAFETY: `lookup` answers with functions of one libssl and its libcrypto by the contract above.
        let of_all = unsafe { Ticketing::resolve(lookup) }?;
        // SAFETY: `lookup` answers so.
        let algorithms = match unsafe { Fetched::resolve(lookup) } {
            Ok(fetched) => Algorithms::Fetched(fetched),
            // SAFETY: `lookup` answers so.
            Err(_) => Algorithms::BuiltIn(unsafe { BuiltIn::resolve(lookup) }?),
        };
        Ok(Self { of_all, algorithms })
    }

    /// Sets the ticket-key callback of the newer kind, or of the only kind that a host has; whether it is set.
    ///
    /// # Safety
    /// * `ctx` is a live context of this host.
    pub unsafe fn set_callback(
        &self,
        ctx: *mut SSL_CTX,
        callback: Option<TicketKeyCallback>,
    ) -> bool {
        let set = match &self.algorithms {
            // SAFETY: the context is alive and of this host.
            Algorithms::Fetched(host) => unsafe {
                (host.SSL_CTX_set_tlsext_ticket_key_evp_cb)(ctx, callback).into()
            },
            // SAFETY: the context is alive and of this host. The callback gets an HMAC_CTX, which it passes on to functions of this table only.
            Algorithms::BuiltIn(host) => unsafe {
                (host.SSL_CTX_callback_ctrl)(ctx, SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB, callback)
            },
        };
        set == 1
    }

    /// True if the host keeps the ticket-key callbacks of both kinds in one place.
    pub fn has_one_callback(&self) -> bool {
        matches!(self.algorithms, Algorithms::BuiltIn(_))
    }

    /// Adds `bytes` to what the code of a ticket covers. Returns 1 as libcrypto does.
    ///
    /// # Safety
    /// * `code` is the argument of a ticket-key callback that is running, and is initialised.
    pub unsafe fn cover(&self, code: *mut EVP_MAC_CTX, bytes: &[u8]) -> c_int {
        let update = match &self.algorithms {
            Algorithms::Fetched(host) => host.EVP_MAC_update,
            Algorithms::BuiltIn(host) => host.HMAC_Update,
        };
        // SAFETY: `code` is initialised, and `bytes` is a live slice.
        unsafe { update(code, bytes.as_ptr(), bytes.len()) }
    }

    /// Fills `place` with random bytes that may become public.
    pub fn fill(&self, origin: &Origin, place: &mut [u8]) -> Option<()> {
        let (start, len) = (place.as_mut_ptr(), place.len());
        // SAFETY: `place` is a live slice of `len` bytes; the library context is that of a living context.
        let filled = unsafe {
            match &self.algorithms {
                Algorithms::Fetched(host) => (host.RAND_bytes_ex)(origin.libctx, start, len, 0),
                Algorithms::BuiltIn(host) => (host.RAND_bytes)(start, int_of(len)?),
            }
        };
        (filled == 1).then_some(())
    }

    /// Fills `place` with random bytes that stay secret.
    pub fn fill_with_secret(&self, origin: &Origin, place: &mut [u8]) -> Option<()> {
        let (start, len) = (place.as_mut_ptr(), place.len());
        // SAFETY: `place` is a live slice of `len` bytes; the library context is that of a living context.
        let filled = unsafe {
            match &self.algorithms {
                Algorithms::Fetched(host) => {
                    (host.RAND_priv_bytes_ex)(origin.libctx, start, len, 0)
                }
                Algorithms::BuiltIn(host) => (host.RAND_priv_bytes)(start, int_of(len)?),
            }
        };
        (filled == 1).then_some(())
    }

    /// Derives keys by HKDF-Expand of RFC 5869. The extracting step is only needed for a secret that is not uniformly
    /// random.
    pub fn derive(&self, name: KeyName, secret: &Key, info: &[&[u8]]) -> Option<Keys> {
        let info = info.concat();
        let code = self.hmac(secret, &[&info, &[1]])?;
        let cipher = self.hmac(secret, &[&*code, &info, &[2]])?;
        Some(Keys { name, code, cipher })
    }

    fn hmac(&self, key: &Key, parts: &[&[u8]]) -> Option<Zeroizing<Key>> {
        let data = Zeroizing::new(parts.concat());
        let mut code = Zeroizing::new(Key::default());
        // SAFETY: `key` and `data` are live slices of these lengths; `code` has the 32 bytes that SHA-256 writes.
        let made = unsafe {
            (self.HMAC)(
                (self.EVP_sha256)(),
                key.as_ptr().cast(),
                key.len() as c_int,
                data.as_ptr(),
                data.len(),
                code.as_mut_ptr(),
                ptr::null_mut(),
            )
        };
        (!made.is_null()).then_some(code)
    }

    /// Initialises the cipher and the code for a ticket, which is made if `makes`, else opened.
    ///
    /// # Safety
    /// * `pair` consists of the arguments of a ticket-key callback that is running, of a context made with `origin`.
    pub unsafe fn prepare(
        &self,
        origin: &Origin,
        pair: &Pair,
        keys: &Keys,
        iv: &Iv,
        makes: bool,
    ) -> Option<()> {
        let host = match &self.algorithms {
            Algorithms::Fetched(host) => host,
            Algorithms::BuiltIn(host) => {
                // SAFETY: `pair` has the callback's arguments, as the contract above says.
                return unsafe { self.prepare_built_in(host, pair, keys, iv, makes) };
            }
        };
        let query = origin.propq.as_ref();
        let query = query.map_or(ptr::null(), |query| query.as_ptr());
        // SAFETY: the library context is alive because a context made with it is; name and query are C strings or null.
        let cipher = unsafe { (host.EVP_CIPHER_fetch)(origin.libctx, CIPHER.as_ptr(), query) };
        if cipher.is_null() {
            return None;
        }
        let (key, iv, engine) = (keys.cipher.as_ptr(), iv.as_ptr(), ptr::null_mut());
        // SAFETY: `pair.cipher` is the host's, alive during its callback; key and vector have the lengths of AES-256-CBC.
        let ready = unsafe {
            (self.EVP_CipherInit_ex)(pair.cipher, cipher, engine, key, iv, c_int::from(makes))
        };
        // SAFETY: `cipher` was fetched above; `pair.cipher` has taken its own reference.
        unsafe { (host.EVP_CIPHER_free)(cipher) };
        let parameters = [
            OSSL_PARAM {
                key: DIGEST_PARAMETER.as_ptr(),
                data_type: OSSL_PARAM_UTF8_STRING,
                data: DIGEST.as_ptr().cast_mut().cast(),
                data_size: DIGEST.count_bytes(),
                return_size: 0,
            },
            OSSL_PARAM {
                key: ptr::null(),
                data_type: 0,
                data: ptr::null_mut(),
                data_size: 0,
                return_size: 0,
            },
        ];
        let (key, len) = (keys.code.as_ptr(), keys.code.len());
        // SAFETY: `pair.code` is the host's, alive during its callback; `key` has `len` bytes, and the list ends with null.
        let coded = unsafe { (host.EVP_MAC_init)(pair.code, key, len, parameters.as_ptr()) };
        (ready == 1 && coded == 1).then_some(())
    }

    /// The same with the algorithms of 1.1.1.
    ///
    /// # Safety
    /// * `pair` consists of the arguments of a ticket-key callback that is running; the code is an HMAC_CTX.
    unsafe fn prepare_built_in(
        &self,
        host: &BuiltIn,
        pair: &Pair,
        keys: &Keys,
        iv: &Iv,
        makes: bool,
    ) -> Option<()> {
        let (key, iv, engine) = (keys.cipher.as_ptr(), iv.as_ptr(), ptr::null_mut());
        let len = int_of(keys.code.len())?;
        // SAFETY: cipher and code are the host's, alive during its callback; the algorithms are constants of libcrypto, and
        // keys and vector have their lengths.
        let (ready, coded) = unsafe {
            let cipher = (host.EVP_aes_256_cbc)();
            (
                (self.EVP_CipherInit_ex)(pair.cipher, cipher, engine, key, iv, makes.into()),
                (host.HMAC_Init_ex)(
                    pair.code,
                    keys.code.as_ptr(),
                    len,
                    (self.EVP_sha256)(),
                    engine,
                ),
            )
        };
        (ready == 1 && coded == 1).then_some(())
    }
}
