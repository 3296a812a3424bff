//! What contexts have in common that may share their sessions, in groups and in a region with a name.
//!
//! Equal are the certificate, the protocol versions, the cipher suites, the security level, the options, the session id
//! context and what is asked of clients. Where client certificates are asked for, a session carries the verdict on one:
//! there only a group with a name shares, and only contexts that trust the same authorities and verify alike. What a
//! connection asks counts, and not what its context says: some servers ask nobody in a context that asks everybody.

use core::ffi::{c_int, c_long, c_uint, c_ulong, c_void};
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
    settings.region.is_some()
        || settings.group != Group::None
        || settings.ticket_keys == TicketKeys::Shared
}

/// What is asked of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// Nothing: anybody may come.
    Anybody,
    /// A certificate.
    Certified,
}

impl Client {
    fn of(verify_mode: c_int) -> Self {
        if verify_mode & SSL_VERIFY_PEER == 0 {
            Self::Anybody
        } else {
            Self::Certified
        }
    }

    /// What a connection asks.
    ///
    /// # Safety
    /// * `ssl` is a connection of this host, alive during the call.
    pub unsafe fn of_connection(host: &Host, ssl: *const SSL) -> Self {
        // SAFETY: the caller's contract. In doubt it is asked for.
        host.traits
            .SSL_get_verify_mode
            .map_or(Self::Certified, |get| Self::of(unsafe { get(ssl) }))
    }

    /// What the connections of a context ask, if they are not told otherwise.
    ///
    /// # Safety
    /// * `ctx` is a context of this host, alive during the call.
    pub unsafe fn of_context(host: &Host, ctx: *mut SSL_CTX) -> Self {
        // SAFETY: as above.
        host.traits
            .SSL_CTX_get_verify_mode
            .map_or(Self::Certified, |get| Self::of(unsafe { get(ctx) }))
    }
}

/// What changes when a context is set up anew: as long as it is the same, so is its realm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    certificate: usize,
    ciphers: usize,
    options: u64,
    versions: [c_long; 2],
    security: c_int,
    flags: c_ulong,
    depth: c_int,
    /// Where the list of what it trusts is, and how long; and that of the authorities that it names to clients.
    trusted: (usize, c_int),
    named: (usize, c_int),
    id_context: u32,
}

/// The traits of a context; `None` while it has no certificate.
///
/// # Safety
/// * `ctx` is the live context of `store`, which [can be asked](Store::can_be_asked).
pub unsafe fn traits_of(store: &Store, ctx: *mut SSL_CTX) -> Option<Traits> {
    let host = &store.host.traits;
    // SAFETY: the caller's contract.
    let certificate = unsafe { host.SSL_CTX_get0_certificate?(ctx) }.addr();
    // SAFETY: the caller's contract.
    let param = unsafe { host.SSL_CTX_get0_param?(ctx) };
    // SAFETY: the caller's contract.
    let names = unsafe { host.SSL_CTX_get_client_CA_list?(ctx) };
    (certificate != 0).then_some(())?;
    Some(Traits {
        certificate,
        // SAFETY: the caller's contract.
        ciphers: unsafe { host.SSL_CTX_get_ciphers?(ctx) }.addr(),
        // SAFETY: the caller's contract.
        options: unsafe { (store.libssl.SSL_CTX_get_options)(ctx) },
        versions: [
            SSL_CTRL_GET_MIN_PROTO_VERSION,
            SSL_CTRL_GET_MAX_PROTO_VERSION,
        ]
        .map(|command| store.host_ctrl(ctx, command, 0)),
        // SAFETY: the caller's contract.
        security: unsafe { host.SSL_CTX_get_security_level?(ctx) },
        // SAFETY: the context holds its parameters.
        flags: unsafe { host.X509_VERIFY_PARAM_get_flags?(param) },
        // SAFETY: as above.
        depth: unsafe { host.X509_VERIFY_PARAM_get_depth?(param) },
        // SAFETY: the caller's contract.
        trusted: unsafe {
            store
                .host
                .with_trusted(ctx, |list| store.host.extent_of(list))
        }?,
        // SAFETY: the context holds its list of names.
        named: unsafe { store.host.extent_of(names) }?,
        id_context: store.id_context.changes(),
    })
}

/// The realm that a context shares with its like, for the sessions of clients of whom this is asked; `None` where it may
/// share them with none, or while it has no certificate.
///
/// # Safety
/// * `ctx` is the live context of `store`.
pub unsafe fn realm_of(
    store: &Store,
    ctx: *mut SSL_CTX,
    client: Client,
    settings: &Settings,
) -> Option<Realm> {
    // SAFETY: the caller's contract.
    let digest = unsafe { digest_of(store, ctx, client, settings) }?;
    let (upper, _) = digest.split_first_chunk()?;
    Some(Realm::named(u128::from_be_bytes(*upper)))
}

/// The digest of all that has to be equal.
///
/// # Safety
/// * `ctx` is the live context of `store`.
pub unsafe fn digest_of(
    store: &Store,
    ctx: *mut SSL_CTX,
    client: Client,
    settings: &Settings,
) -> Option<Digest> {
    let host = store.host;
    // SAFETY: the caller's contract.
    let traits = unsafe { traits_of(store, ctx) }?;
    // SAFETY: the caller's contract.
    let certificate = unsafe { host.traits.SSL_CTX_get0_certificate?(ctx) };

    let mut seen = b"sslcache group 3".to_vec();
    // SAFETY: the context holds its certificate.
    seen.extend(unsafe { host.digest_of_certificate(certificate) }?);
    seen.extend(traits.options.to_ne_bytes());
    seen.extend(traits.versions.map(c_long::to_ne_bytes).as_flattened());
    seen.extend(traits.security.to_ne_bytes());
    seen.push(client as u8);
    // SAFETY: the caller's contract.
    seen.extend(unsafe { host.ciphers_of(ctx) }?);
    let id_context = store.id_context.get()?;
    seen.push(id_context.len() as u8);
    seen.extend(id_context);
    if let Group::Named(name) = &settings.group {
        seen.extend(name.as_bytes());
        seen.push(0);
    }
    if client == Client::Certified {
        if !matches!(settings.group, Group::Named(_)) {
            return None;
        }
        seen.extend(traits.flags.to_ne_bytes());
        seen.extend(traits.depth.to_ne_bytes());
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
        let digest_of_object = |object: *mut c_void| {
            // SAFETY: an entry of that list.
            let certificate = unsafe { traits.X509_OBJECT_get0_X509?(object.cast()) };
            if !certificate.is_null() {
                // SAFETY: the entry holds its certificate.
                return unsafe { self.digest_of_certificate(certificate) };
            }
            // SAFETY: an entry of that list; what is no certificate is a list of revoked ones.
            let revoked = unsafe { traits.X509_OBJECT_get0_X509_CRL?(object.cast()) };
            self.digest_by(|digest, len, sha256| {
                // SAFETY: the entry holds its list, and a place for the digest.
                Some(unsafe { traits.X509_CRL_digest?(revoked, sha256, digest, len) })
            })
        };
        // SAFETY: the caller's contract; the list is held while it is walked.
        let trusted =
            unsafe { self.with_trusted(ctx, |list| self.digests_in(list, digest_of_object)) }?;
        if trusted.is_empty() {
            return None; // its authorities, if any, are in a directory, where we cannot see which
        }
        seen.extend(trusted);
        self.digest(seen.as_flattened())
    }

    /// Shows the list of what a context trusts where it verifies clients, under its lock: handshakes add to it what
    /// they find in directories.
    ///
    /// # Safety
    /// * `ctx` is a live context of this host.
    unsafe fn with_trusted<T>(
        &self,
        ctx: *mut SSL_CTX,
        see: impl FnOnce(*const OPENSSL_STACK) -> Option<T>,
    ) -> Option<T> {
        let traits = &self.traits;
        // SAFETY: the caller's contract.
        let store = unsafe { self.verifying_store(ctx) }?;
        let (unlock, objects) = (traits.X509_STORE_unlock?, traits.X509_STORE_get0_objects?);
        // SAFETY: the context holds its store.
        if unsafe { traits.X509_STORE_lock?(store) } != 1 {
            return None;
        }
        // SAFETY: the context holds its store.
        let seen = see(unsafe { objects(store) });
        // SAFETY: locked above.
        unsafe { unlock(store) };
        seen
    }

    /// What a context verifies clients by: a store for that alone, or else the one for everything.
    ///
    /// # Safety
    /// * `ctx` is a live context of this host.
    unsafe fn verifying_store(&self, ctx: *mut SSL_CTX) -> Option<*mut X509_STORE> {
        let libssl = self.libssl.as_ref().ok()?;
        let mut store = ptr::null_mut::<X509_STORE>();
        let place = (&raw mut store).cast::<c_void>();
        // SAFETY: the caller's contract, and a place for the answer.
        let told = unsafe { (libssl.SSL_CTX_ctrl)(ctx, SSL_CTRL_GET_VERIFY_CERT_STORE, 0, place) };
        if told == 1 && store.is_null() {
            // SAFETY: the caller's contract.
            store = unsafe { self.traits.SSL_CTX_get_cert_store?(ctx) };
        }
        (told == 1 && !store.is_null()).then_some(store)
    }

    /// The cipher suites of a context, in its order.
    ///
    /// # Safety
    /// * `ctx` is a live context of this host.
    unsafe fn ciphers_of(&self, ctx: *mut SSL_CTX) -> Option<Vec<u8>> {
        let traits = &self.traits;
        // SAFETY: the caller's contract.
        let list = unsafe { traits.SSL_CTX_get_ciphers?(ctx) };
        // SAFETY: the context holds its list.
        let number = unsafe { traits.OPENSSL_sk_num?(list) };
        let (value, id) = (traits.OPENSSL_sk_value?, traits.SSL_CIPHER_get_id?);
        // SAFETY: as above; a cipher suite is a constant.
        let ids = (0..number).map(|at| unsafe { id(value(list, at).cast()) });
        Some(ids.flat_map(u32::to_ne_bytes).collect())
    }

    /// Where a list is, and how long.
    ///
    /// # Safety
    /// * `list` is null or alive during the call.
    unsafe fn extent_of(&self, list: *const OPENSSL_STACK) -> Option<(usize, c_int)> {
        // SAFETY: the caller's contract.
        Some((list.addr(), unsafe { self.traits.OPENSSL_sk_num?(list) }))
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
