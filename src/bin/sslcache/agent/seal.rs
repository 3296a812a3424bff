//! What the fleet puts into a store: names that tell nothing, and values that nobody without a master key can read, make,
//! change or move.
//!
//! A name is `sslc:1:`, the letter of the kind, `:`, and 24 bytes in base64url of an HMAC-SHA256 under a key that is derived
//! from the master key. A value is, of fixed widths:
//!
//! | bytes | |
//! |---|---|
//! | 1 | the version, 1 |
//! | 4 | the id of the master key |
//! | 16 | a random salt: HKDF-SHA256 of the master key with it is the key of this value |
//! | 12 | a random nonce |
//! | 8 and more | encrypted by AES-256-GCM: the expiry in seconds since 1970, big endian, and the body |
//! | 16 | the tag |
//!
//! The tag covers the version, the id, the kind, the namespace and the name as well. Wherever fields follow each other under
//! a MAC, each comes with its length, four bytes, big endian.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::keyring::{ID_BYTES, Keyring, MasterKey};
use crate::failure::Failure;
use crate::hexadecimal::hexadecimal;

const VERSION: u8 = 1;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const HEAD_BYTES: usize = 1 + ID_BYTES + SALT_BYTES + NONCE_BYTES;
const EXPIRY_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
/// The bytes of the HMAC that a name has.
const NAME_BYTES: usize = 24;

/// What a value is: a letter in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u8);

impl Kind {
    /// The ticket key of an epoch.
    pub const TICKET_KEY: Self = Self(b'k');
}

/// Why a value is not opened. The reason is for people: all are treated alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// Shorter than the shortest value.
    Short,
    /// Of another version of the format.
    Version(u8),
    /// Sealed with a master key that the keyring lacks.
    UnknownKey([u8; ID_BYTES]),
    /// Changed, or moved from another name, namespace or kind, or made without the key.
    Forged,
    /// Past its end.
    Expired,
}

impl fmt::Display for Unopened {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(out, "is too short to be a sealed value"),
            Self::Version(version) => {
                write!(
                    out,
                    "is of version {version} of the format, this tool knows {VERSION}"
                )
            }
            Self::UnknownKey(id) => write!(
                out,
                "is sealed with the master key {}, which is not in the keyring",
                hexadecimal(id)
            ),
            Self::Forged => write!(out, "is not what was sealed under this name"),
            Self::Expired => write!(out, "is past its end"),
        }
    }
}

/// Where in the store the value that is named by `id` is, under this master key.
pub fn name(key: &MasterKey, kind: Kind, namespace: &[u8], id: &[&[u8]]) -> String {
    let mut fields = vec![namespace, std::slice::from_ref(&kind.0)];
    fields.extend_from_slice(id);
    let tag = hmac::sign(key.names(), &framed(&fields));
    let encoded = Base64UrlUnpadded::encode_string(&tag.as_ref()[..NAME_BYTES]);
    format!("sslc:1:{}:{encoded}", char::from(kind.0))
}

/// Seals `body` with this key for this name, which has to be that under the same key; it opens until `expiry`, in
/// seconds since 1970.
pub fn seal(
    key: &MasterKey,
    kind: Kind,
    namespace: &[u8],
    name: &str,
    expiry: u64,
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    let mut value = vec![0; HEAD_BYTES];
    value[0] = VERSION;
    value[1..=ID_BYTES].copy_from_slice(&key.id());
    SystemRandom::new()
        .fill(&mut value[1 + ID_BYTES..])
        .map_err(|_| Failure::new("sealing", "the kernel gives no random bytes", "try again"))?;
    let (salt, nonce) = value[1 + ID_BYTES..].split_at(SALT_BYTES);
    let nonce = nonce.try_into().expect("the head ends with a nonce");
    let associated = associated(key.id(), kind, namespace, name);
    // With room for the tag, so that no copy in clear is left behind by a buffer that grows.
    let mut sealed = Zeroizing::new(Vec::with_capacity(EXPIRY_BYTES + body.len() + TAG_BYTES));
    sealed.extend_from_slice(&expiry.to_be_bytes());
    sealed.extend_from_slice(body);
    cipher(key, salt)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated),
            &mut *sealed,
        )
        .map_err(|_| Failure::new("sealing", "the value is too large", "report this"))?;
    value.extend_from_slice(&sealed);
    Ok(value)
}

/// The body of `value`, which stood under `name`; `now` is in seconds since 1970.
pub fn open(
    keyring: &Keyring,
    kind: Kind,
    namespace: &[u8],
    name: &str,
    value: &[u8],
    now: u64,
) -> Result<Zeroizing<Vec<u8>>, Unopened> {
    if value.len() < HEAD_BYTES + EXPIRY_BYTES + TAG_BYTES {
        return Err(Unopened::Short);
    }
    if value[0] != VERSION {
        return Err(Unopened::Version(value[0]));
    }
    let (head, sealed) = value.split_at(HEAD_BYTES);
    let (id, rest) = head[1..].split_at(ID_BYTES);
    let (salt, nonce) = rest.split_at(SALT_BYTES);
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().expect("the head ends with a nonce");
    let id: [u8; ID_BYTES] = id.try_into().expect("the head has an id");
    let associated = associated(id, kind, namespace, name);
    let mut outcome = Err(Unopened::UnknownKey(id));
    // Two keys may have the same id, as that is short.
    for key in keyring.all().iter().filter(|key| key.id() == id) {
        let mut clear = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(nonce);
        outcome = match cipher(key, salt).open_in_place(nonce, Aad::from(&associated), &mut clear) {
            Ok(clear) => return unexpired(clear, now),
            Err(_) => Err(Unopened::Forged),
        };
    }
    outcome
}

/// The body behind the expiry.
fn unexpired(clear: &[u8], now: u64) -> Result<Zeroizing<Vec<u8>>, Unopened> {
    let (expiry, body) = clear
        .split_first_chunk::<EXPIRY_BYTES>()
        .ok_or(Unopened::Short)?;
    match u64::from_be_bytes(*expiry) > now {
        true => Ok(Zeroizing::new(body.to_vec())),
        false => Err(Unopened::Expired),
    }
}

fn cipher(key: &MasterKey, salt: &[u8]) -> LessSafeKey {
    let key = key.sealing_key(salt);
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key).expect("the key has 32 bytes"))
}

/// What the tag covers besides the body.
fn associated(id: [u8; ID_BYTES], kind: Kind, namespace: &[u8], name: &str) -> Vec<u8> {
    framed(&[&[VERSION], &id, &[kind.0], namespace, name.as_bytes()])
}

/// The fields one after another, each with its length, so that no two lists of fields read the same.
fn framed(fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(fields.iter().map(|field| 4 + field.len()).sum());
    for field in fields {
        let length = u32::try_from(field.len()).expect("a field is far below 4 GiB");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(field);
    }
    out
}
