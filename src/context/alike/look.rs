//! Looks at a subject's attributes: a cheap one at each handshake, and a thorough one if the cheap one sees something new.
//!
//! The cheap look notes what the getters return: numbers and names by value, certificates by address. The thorough looks
//! that are kept hold references to the certificates, so an address that is seen again is that of the same certificate, and
//! not of another one at the same place. The thorough look takes the SHA-256 digest of each certificate in place of its
//! address, and for a function the build that it is in and its offset there: the resulting [`Rule`] is the same in every
//! process and on every host.

use core::ffi::c_void;
use core::ptr;

use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;

use super::attributes::ATTRIBUTES;
use super::digest::{Digest, Fields};
use super::rule::{Client, Rule};
use super::sink::Sink;
use super::subject::Subject;
use crate::host::table::Traits;
use crate::host::types::*;
use crate::host::{Host, images};
use crate::sys::lock::Lock;

/// The notes of a cheap look, with room for nearly all contexts.
type Noted = SmallVec<[u64; 256]>;

/// The cheap look.
#[derive(Default)]
struct Cheap {
    noted: Noted,
}

impl Sink for Cheap {
    fn number(&mut self, number: u64) {
        self.noted.push(number);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.noted.push(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.noted.push(u64::from_ne_bytes(word));
        }
    }

    fn certificate(&mut self, certificate: *mut X509) -> Option<()> {
        self.address(certificate.cast())
    }

    fn revoked(&mut self, list: *mut X509_CRL) -> Option<()> {
        self.address(list.cast())
    }

    fn function(&mut self, function: *const c_void) -> Option<()> {
        self.address(function)?;
        if !function.is_null() && !images::is_in_program(function) {
            self.number(images::unloaded()); // by then another plugin may have come to the address
        }
        Some(())
    }

    fn address(&mut self, address: *const c_void) -> Option<()> {
        self.noted.push(address.addr() as u64);
        Some(())
    }

    /// The store's lock is not taken, because a thread of the parent may have held it at the fork. Address and length do: a
    /// store that a kept look holds is the same one, and additions make it longer.
    fn trusted(&mut self, subject: &Subject<'_>, store: *mut X509_STORE) -> Option<()> {
        let traits = subject.traits();
        // SAFETY: the subject keeps the store alive, which owns its list.
        let number = unsafe { traits.OPENSSL_sk_num?(traits.X509_STORE_get0_objects?(store)) };
        self.address(store.cast())?;
        self.number(number as u64);
        Some(())
    }

    fn begin_set(&mut self) {}

    fn end_set(&mut self) {
        self.noted.push(END_OF_SET);
    }
}

/// Ends the members of a set in the notes: no certificate has this address.
const END_OF_SET: u64 = u64::MAX;

/// A reference to an object that a thorough look has seen.
enum Held {
    Certificate(&'static Host, *mut X509),
    Revoked(&'static Host, *mut X509_CRL),
    Store(&'static Host, *mut X509_STORE),
}

// SAFETY: libcrypto counts these references atomically, and any thread may give one back.
unsafe impl Send for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: each owns one reference.
        unsafe {
            match self {
                Self::Certificate(host, certificate) => {
                    host.traits.X509_free.inspect(|free| free(*certificate));
                }
                Self::Revoked(host, list) => {
                    host.traits.X509_CRL_free.inspect(|free| free(*list));
                }
                Self::Store(host, store) => {
                    host.traits.X509_STORE_free.inspect(|free| free(*store));
                }
            }
        }
    }
}

/// The thorough look.
struct Thorough {
    host: &'static Host,
    /// The lineage of the subject's context.
    lineage: Option<[u8; 16]>,
    /// The values of the attribute that is being read.
    seen: Vec<u8>,
    /// The members so far of the set that is being read.
    set: Option<Vec<Digest>>,
    /// References to the objects that were seen.
    held: Vec<Held>,
}

impl Thorough {
    /// Adds a value of some kind, with its length, to the attribute or to the set that is being read.
    fn add(&mut self, kind: u8, bytes: &[u8]) {
        let mut sum = Sha256::new();
        match &mut self.set {
            Some(members) => {
                sum.update([kind]);
                sum.update(bytes);
                members.push(sum.finalize().into());
            }
            None => {
                self.seen.push(kind);
                self.seen.extend((bytes.len() as u64).to_be_bytes());
                self.seen.extend(bytes);
            }
        }
    }

    /// The digest of an object, by the host's function that encodes it.
    fn digest(&self, encode: impl Fn(*mut *mut u8) -> core::ffi::c_int) -> Option<Digest> {
        let len = usize::try_from(encode(ptr::null_mut())).ok()?;
        let mut der = Vec::new();
        der.try_reserve_exact(len).ok()?;
        let mut end = der.as_mut_ptr();
        let written = usize::try_from(encode(&mut end)).ok()?;
        if written == 0 || written > len {
            return None;
        }
        // SAFETY: the host has written `written` bytes, which is not more than was reserved.
        unsafe { der.set_len(written) };
        Some(Sha256::digest(&der).into())
    }
}

impl Sink for Thorough {
    fn number(&mut self, number: u64) {
        self.add(b'n', &number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.add(b'b', bytes);
    }

    fn certificate(&mut self, certificate: *mut X509) -> Option<()> {
        if certificate.is_null() {
            self.add(b'c', b"");
            return Some(());
        }
        let (encode, up_ref) = (
            self.host.traits.i2d_X509_AUX?,
            self.host.traits.X509_up_ref?,
        );
        // SAFETY: the subject keeps the owner of the certificate alive.
        let digest = self.digest(|place| unsafe { encode(certificate, place) })?;
        // SAFETY: as above.
        if unsafe { up_ref(certificate) } != 1 {
            return None;
        }
        self.held.push(Held::Certificate(self.host, certificate));
        self.add(b'c', &digest);
        Some(())
    }

    fn revoked(&mut self, list: *mut X509_CRL) -> Option<()> {
        if list.is_null() {
            self.add(b'r', b"");
            return Some(());
        }
        let (encode, up_ref) = (
            self.host.traits.i2d_X509_CRL?,
            self.host.traits.X509_CRL_up_ref?,
        );
        // SAFETY: the subject keeps the owner of the list alive.
        let digest = self.digest(|place| unsafe { encode(list, place) })?;
        // SAFETY: as above.
        if unsafe { up_ref(list) } != 1 {
            return None;
        }
        self.held.push(Held::Revoked(self.host, list));
        self.add(b'r', &digest);
        Some(())
    }

    fn function(&mut self, function: *const c_void) -> Option<()> {
        if function.is_null() {
            self.add(b'f', b"");
            return Some(());
        }
        match images::place_of(function) {
            Some(place) => {
                self.add(b'f', &place.build);
                self.add(b'o', &(place.offset as u64).to_be_bytes());
            }
            // Generated at run time, or in a file without a build id: only a fork gives it to another process.
            None => self.address(function)?,
        }
        Some(())
    }

    fn address(&mut self, address: *const c_void) -> Option<()> {
        let lineage = self.lineage?;
        self.add(b'k', &lineage);
        self.add(b'a', &(address.addr() as u64).to_be_bytes());
        Some(())
    }

    fn trusted(&mut self, subject: &Subject<'_>, store: *mut X509_STORE) -> Option<()> {
        let traits = subject.traits();
        let (unlock, objects) = (traits.X509_STORE_unlock?, traits.X509_STORE_get0_objects?);
        let number = traits.OPENSSL_sk_num?;
        // SAFETY: the subject keeps the store alive.
        if unsafe { traits.X509_STORE_up_ref?(store) } != 1 {
            return None;
        }
        self.held.push(Held::Store(self.host, store));
        // Under the store's lock, because handshakes add certificates that they find in directories.
        // SAFETY: as above.
        if unsafe { traits.X509_STORE_lock?(store) } != 1 {
            return None;
        }
        self.begin_set();
        // SAFETY: the store is locked, so its list and its objects do not change.
        let seen = unsafe {
            let see = |object: *mut c_void| trusted(traits, object.cast(), self);
            subject.host.each_in(objects(store), see)
        };
        // SAFETY: the store is locked.
        let is_empty = unsafe { number(objects(store)) } == 0;
        self.end_set();
        // SAFETY: this thread has locked the store above.
        unsafe { unlock(store) };
        if is_empty {
            // Its authorities, if any, are in a directory. Only processes that inherited the context are taken to see the
            // same.
            self.address(ptr::without_provenance(1))?;
        }
        seen
    }

    fn begin_set(&mut self) {
        self.set = Some(Vec::new());
    }

    fn end_set(&mut self) {
        let mut members = self.set.take().unwrap_or_default();
        members.sort_unstable();
        self.add(b's', members.as_flattened());
    }
}

/// Reads a certificate or a revocation list of a store.
fn trusted(traits: &Traits, object: *mut X509_OBJECT, sink: &mut dyn Sink) -> Option<()> {
    // SAFETY: the object is in a store that this thread has locked.
    let certificate = unsafe { traits.X509_OBJECT_get0_X509?(object) };
    if !certificate.is_null() {
        return sink.certificate(certificate);
    }
    // SAFETY: as above; an object that is no certificate is a revocation list.
    sink.revoked(unsafe { traits.X509_OBJECT_get0_X509_CRL?(object) })
}

/// A short digest of each attribute, in the order of the table; 0 for one that is left out.
pub type Hashes = [u32; ATTRIBUTES.len()];

/// The result of a thorough look.
struct Seen {
    /// The notes of the cheap look that came before it.
    noted: Box<[u64]>,
    /// The rule.
    rule: Rule,
    /// The short digests of the attributes.
    hashes: Hashes,
    /// References to the objects whose addresses are in `noted`.
    _held: Vec<Held>,
}

/// The last thorough looks at the connections of a context, or at the context itself.
#[derive(Default)]
pub struct Looks(Lock<Vec<Seen>>);

/// How many looks are kept: connections of one context seldom differ in more ways.
const KEPT_MOST: usize = 4;

impl Looks {
    /// The rule of a subject as it is now; `None` if an attribute cannot be told, so that it shares with no other process.
    pub fn rule_of(&self, subject: &Subject<'_>) -> Option<Rule> {
        let libssl = subject.libssl;
        libssl.without_errors(|| self.rule_as_it_is(subject))
    }

    fn rule_as_it_is(&self, subject: &Subject<'_>) -> Option<Rule> {
        let noted = note(subject)?;
        if let Some(rule) = self.find(&noted) {
            return Some(rule);
        }
        let seen = look(subject, noted)?;
        let rule = seen.rule;
        // Dropped without the lock: freeing the last reference to a certificate may run the program's ex_data functions.
        let gone = self.keep(seen);
        drop(gone);
        Some(rule)
    }

    /// The digests of the attributes at the last look, for the tool that shows what sets two contexts apart.
    pub fn hashes(&self) -> Option<Hashes> {
        Some(self.0.lock()?.last()?.hashes)
    }

    fn find(&self, noted: &Noted) -> Option<Rule> {
        let kept = self.0.lock()?;
        let seen = kept.iter().find(|seen| *seen.noted == **noted)?;
        Some(seen.rule)
    }

    fn keep(&self, seen: Seen) -> Option<Seen> {
        let mut kept = self.0.lock()?;
        let gone = (kept.len() == KEPT_MOST).then(|| kept.remove(0));
        kept.push(seen);
        gone
    }
}

/// Takes a cheap look; `None` if an attribute cannot be told.
fn note(subject: &Subject<'_>) -> Option<Noted> {
    let mut cheap = Cheap::default();
    for attribute in &ATTRIBUTES {
        (attribute.read)(subject, &mut cheap)?;
    }
    Some(cheap.noted)
}

/// Takes a thorough look; `None` if an attribute cannot be told.
#[cold]
fn look(subject: &Subject<'_>, noted: Noted) -> Option<Seen> {
    let mut thorough = Thorough {
        host: subject.host,
        lineage: subject.lineage,
        seen: Vec::new(),
        set: None,
        held: Vec::new(),
    };
    let mut all = Fields::new("sslcache rule 2");
    let (mut hashes, mut certificates) = (Hashes::default(), None);
    for (attribute, hash) in ATTRIBUTES.iter().zip(&mut hashes) {
        thorough.seen.clear();
        (attribute.read)(subject, &mut thorough)?;
        let digest: Digest = Sha256::digest(&thorough.seen).into();
        all = all.and(attribute.name.as_bytes());
        if attribute.is_certificates() && subject.leaves_out_certificates {
            all = all.and(b""); // unlike any digest, so nobody shares with contexts that compare them
            certificates = Some(digest);
            continue;
        }
        all = all.and(&digest);
        *hash = u32::from_be_bytes(*digest.first_chunk()?);
    }
    Some(Seen {
        noted: noted.into_vec().into(),
        rule: Rule {
            digest: all.finish(),
            certificates,
            client: Client::of(subject.verify_mode()?),
        },
        hashes,
        _held: thorough.held,
    })
}
