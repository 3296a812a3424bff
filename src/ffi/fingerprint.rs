//! What contexts have in common that may share their sessions, in groups and in a region with a name.
//!
//! Equal are the certificate, the protocol versions, the options, the session id context and what is asked of clients. Where
//! client certificates are asked for, a session carries the verdict on one: there only a group with a name shares, and
//! only contexts that trust the same authorities.

use core::ffi::{c_int, c_long, c_uint, c_void};
use core::ptr;

use super::guard::quietly;
use super::store::Store;
use crate::config::{Group, Settings, TicketKeys, settings};
use crate::host::Host;
use crate::host::abi::*;
use crate::host::types::*;
use crate::tier::Realm;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// Whether anything is asked for that needs to know contexts by what they have in common.
pub fn matters() -> bool {
    let settings = quietly(settings);
    settings.force
        || settings.region.is_some()
        || settings.group != Group::None
        || settings.ticket_keys == TicketKeys::Shared
}

/// The realm that a context shares with its like; `None` where it may share with none, or while it has no certificate.
///
/// # Safety
/// * `ctx` is the live context of `store`.
pub unsafe fn realm_of(store: &Store, ctx: *mut SSL_CTX, settings: &Settings) -> Option<Realm> {
    // SAFETY: the caller's contract.
    let digest = unsafe { digest_of(store, ctx, settings) }?;
    let (upper, _) = digest.split_first_chunk()?;
    Some(Realm::named(u128::from_be_bytes(*upper)))
}

/// The digest of all that has to be equal.
///
/// # Safety
/// * `ctx` is the live context of `store`.
pub unsafe fn digest_of(store: &Store, ctx: *mut SSL_CTX, settings: &Settings) -> Option<Digest> {
    let host = store.host;
    // SAFETY: the caller's contract.
    let certificate = unsafe { host.traits.SSL_CTX_get0_certificate?(ctx) };
    // SAFETY: the context holds its certificate.
    let certificate = unsafe { host.digest_of_certificate(certificate) }?;
    // SAFETY: the caller's contract.
    let verify = unsafe { host.traits.SSL_CTX_get_verify_mode?(ctx) };
    // SAFETY: the caller's contract.
    let options = unsafe { (store.libssl.SSL_CTX_get_options)(ctx) };

    let mut seen = b"sslcache group 1".to_vec();
    seen.extend(certificate);
    seen.extend(verify.to_ne_bytes());
    seen.extend(options.to_ne_bytes());
    for command in [
        SSL_CTRL_GET_MIN_PROTO_VERSION,
        SSL_CTRL_GET_MAX_PROTO_VERSION,
    ] {
        let version: c_long = store.host_ctrl(ctx, command, 0);
        seen.extend(version.to_ne_bytes());
    }
    store.with_id_context(|id_context| {
        seen.push(id_context.len() as u8);
        seen.extend(id_context);
    });
    if let Group::Named(name) = &settings.group {
        seen.extend(name.as_bytes());
        seen.push(0);
    }
    if verify & SSL_VERIFY_PEER != 0 {
        if !matches!(settings.group, Group::Named(_)) {
            return None;
        }
        // SAFETY: the caller's contract.
        seen.extend(unsafe { host.trusted_by(ctx) }?);
    }
    host.digest(&seen)
}

impl Host {
    fn digest(&self, bytes: &[u8]) -> Option<Digest> {
        self.digest_by(|digest, len, sha256| {
            let data = bytes.as_ptr().cast::<c_void>();
            // SAFETY: the bytes, and a place for the digest. No engine.
            Some(unsafe {
                self.traits.EVP_Digest?(data, bytes.len(), digest, len, sha256, ptr::null_mut())
            })
        })
    }

    /// # Safety
    /// * `certificate` is null or alive during the call.
    unsafe fn digest_of_certificate(&self, certificate: *mut X509) -> Option<Digest> {
        if certificate.is_null() {
            return None;
        }
        self.digest_by(|digest, len, sha256| {
            // SAFETY: the caller's contract, and a place for the digest.
            Some(unsafe { self.traits.X509_digest?(certificate, sha256, digest, len) })
        })
    }

    fn digest_by(
        &self,
        work: impl FnOnce(*mut u8, *mut c_uint, *const EVP_MD) -> Option<c_int>,
    ) -> Option<Digest> {
        // SAFETY: no arguments; a constant.
        let sha256 = unsafe { self.traits.EVP_sha256?() };
        let mut room = [0; EVP_MAX_MD_SIZE];
        let mut len = 0;
        let libssl = self.libssl.as_ref().ok()?;
        let done = libssl.without_errors(|| work(room.as_mut_ptr(), &mut len, sha256))?;
        let (digest, _) = room.split_first_chunk()?;
        (done == 1 && len as usize == digest.len()).then_some(*digest)
    }

    /// The authorities whose certificates a context accepts, and those it names to clients, in any order.
    ///
    /// # Safety
    /// * `ctx` is a live context of this host.
    unsafe fn trusted_by(&self, ctx: *mut SSL_CTX) -> Option<Digest> {
        let traits = &self.traits;
        // SAFETY: the caller's contract.
        let names = unsafe { traits.SSL_CTX_get_client_CA_list?(ctx) };
        let digest_of_name = |name: *mut c_void| {
            self.digest_by(|digest, len, sha256| {
                // SAFETY: an entry of that list, and a place for the digest.
                Some(unsafe { traits.X509_NAME_digest?(name.cast(), sha256, digest, len) })
            })
        };
        // SAFETY: the context holds its list of names.
        let mut seen = unsafe { self.digests_in(names, digest_of_name) }?;
        seen.push([0; 32]); // between the two lists
        // SAFETY: the caller's contract.
        let store = unsafe { traits.SSL_CTX_get_cert_store?(ctx) };
        if store.is_null() {
            return None;
        }
        // SAFETY: the context holds its store. As long as it is being set up by one thread, nothing is added meanwhile.
        let trusted = unsafe { traits.X509_STORE_get0_objects?(store) };
        let digest_of_object = |object: *mut c_void| {
            // SAFETY: an entry of that list.
            let certificate = unsafe { traits.X509_OBJECT_get0_X509?(object.cast()) };
            if certificate.is_null() {
                return Some([0xff; 32]); // a revocation list: there is one, whichever
            }
            // SAFETY: the entry holds its certificate.
            unsafe { self.digest_of_certificate(certificate) }
        };
        // SAFETY: the store holds its list.
        let trusted = unsafe { self.digests_in(trusted, digest_of_object) }?;
        if trusted.is_empty() {
            return None; // its authorities, if any, are in a directory, where we cannot see which
        }
        seen.extend(trusted);
        self.digest(seen.as_flattened())
    }

    /// The digests of a list's entries, sorted.
    ///
    /// # Safety
    /// * `list` is null or alive during the call.
    unsafe fn digests_in(
        &self,
        list: *const OPENSSL_STACK,
        digest: impl Fn(*mut c_void) -> Option<Digest>,
    ) -> Option<Vec<Digest>> {
        if list.is_null() {
            return Some(Vec::new());
        }
        // SAFETY: the caller's contract.
        let number = unsafe { self.traits.OPENSSL_sk_num?(list) };
        let value = self.traits.OPENSSL_sk_value?;
        // SAFETY: the caller's contract.
        let entries = (0..number).map(|at| unsafe { value(list, at) });
        let mut digests = entries.map(digest).collect::<Option<Vec<_>>>()?;
        digests.sort_unstable();
        Some(digests)
    }
}
