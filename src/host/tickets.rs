//! The algorithms of stateless tickets, as libssl uses them: AES-256-CBC, and HMAC with SHA-256 over all of it.

use core::ffi::{CStr, c_int};
use core::ptr;

use zeroize::Zeroizing;

use super::abi::*;
use super::scratch::Origin;
use super::table::Tickets;
use super::types::*;

const CIPHER: &CStr = c"AES-256-CBC";
const DIGEST: &CStr = c"SHA256";
/// OSSL_MAC_PARAM_DIGEST
const DIGEST_PARAMETER: &CStr = c"digest";

/// A key of 256 bits.
pub type Key = [u8; 32];

/// What tells which keys a ticket was made with: its first bytes.
pub type KeyName = [u8; 16];

/// An initialisation vector.
pub type Iv = [u8; EVP_MAX_IV_LENGTH];

/// What a ticket is made or opened with.
pub struct Keys {
    /// What it begins with.
    pub name: KeyName,
    /// Of the code over it.
    pub code: Zeroizing<Key>,
    /// Of the cipher.
    pub cipher: Zeroizing<Key>,
}

/// The host's cipher and code of one ticket.
pub struct Pair {
    /// The cipher.
    pub cipher: *mut EVP_CIPHER_CTX,
    /// The code.
    pub code: *mut EVP_MAC_CTX,
}

/// Calls to the host; `None` where it fails.
impl Tickets {
    /// Fills a place with random bytes that everybody may see.
    pub fn fill(&self, origin: &Origin, place: &mut [u8]) -> Option<()> {
        let (start, len) = (place.as_mut_ptr(), place.len());
        // SAFETY: the library context of a living context, and a place of that length.
        (unsafe { (self.RAND_bytes_ex)(origin.libctx, start, len, 0) } == 1).then_some(())
    }

    /// Fills a place with random bytes that nobody may see.
    pub fn fill_with_secret(&self, origin: &Origin, place: &mut [u8]) -> Option<()> {
        let (start, len) = (place.as_mut_ptr(), place.len());
        // SAFETY: as in `fill`.
        (unsafe { (self.RAND_priv_bytes_ex)(origin.libctx, start, len, 0) } == 1).then_some(())
    }

    /// Derives keys: HKDF-Expand of RFC 5869. Extracting comes before that only where a secret is not random
    /// throughout.
    pub fn derive(&self, name: KeyName, secret: &Key, info: &[&[u8]]) -> Option<Keys> {
        let info = info.concat();
        let code = self.hmac(secret, &[&info, &[1]])?;
        let cipher = self.hmac(secret, &[&*code, &info, &[2]])?;
        Some(Keys { name, code, cipher })
    }

    fn hmac(&self, key: &Key, parts: &[&[u8]]) -> Option<Zeroizing<Key>> {
        let data = Zeroizing::new(parts.concat());
        let mut code = Zeroizing::new(Key::default());
        // SAFETY: key, data, and a place for the code, which is as long as SHA-256 makes it.
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

    /// Makes cipher and code ready for a ticket that is made, or opened.
    ///
    /// # Safety
    /// * `pair` is what the host has given to its ticket-key callback, of a context that was made with `origin`.
    pub unsafe fn prepare(
        &self,
        origin: &Origin,
        pair: &Pair,
        keys: &Keys,
        iv: &Iv,
        makes: bool,
    ) -> Option<()> {
        let query = origin.propq.as_ref();
        let query = query.map_or(ptr::null(), |query| query.as_ptr());
        // SAFETY: what the context was made with.
        let cipher = unsafe { (self.EVP_CIPHER_fetch)(origin.libctx, CIPHER.as_ptr(), query) };
        if cipher.is_null() {
            return None;
        }
        let (key, iv, engine) = (keys.cipher.as_ptr(), iv.as_ptr(), ptr::null_mut());
        // SAFETY: the host's cipher, and key and vector of the lengths that AES-256-CBC has.
        let ready = unsafe {
            (self.EVP_CipherInit_ex)(pair.cipher, cipher, engine, key, iv, c_int::from(makes))
        };
        // SAFETY: fetched above; who goes on using it has a reference of its own.
        unsafe { (self.EVP_CIPHER_free)(cipher) };
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
        // SAFETY: the host's code, a key, and a list with an end.
        let coded = unsafe { (self.EVP_MAC_init)(pair.code, key, len, parameters.as_ptr()) };
        (ready == 1 && coded == 1).then_some(())
    }
}
