//! What decides who may share: a rule, and the tag that a session carries.

use core::ffi::c_int;
use core::hash::Hasher;
use std::hash::DefaultHasher;

use super::names::Name;
use crate::host::Host;
use crate::host::abi::SSL_VERIFY_PEER;
use crate::host::types::SSL;

/// What decides who may resume: the digest of all attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The digest.
    pub digest: [u8; 16],
    /// Whether a client is asked for a certificate.
    pub client: Client,
}

/// Whether a client is asked for a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// Nothing is asked: anybody may come.
    Anybody,
    /// A certificate is asked for.
    Certified,
}

impl Client {
    /// By SSL_VERIFY_*.
    pub fn of(verify_mode: c_int) -> Self {
        if verify_mode & SSL_VERIFY_PEER == 0 {
            Self::Anybody
        } else {
            Self::Certified
        }
    }

    /// What a connection asks now.
    ///
    /// # Safety
    /// * `ssl` is a connection of this host, alive during the call.
    pub unsafe fn of_connection(host: &Host, ssl: *const SSL) -> Self {
        let get = host.traits.SSL_get_verify_mode;
        // SAFETY: the caller's contract. In doubt it is asked for.
        get.map_or(Self::Certified, |get| Self::of(unsafe { get(ssl) }))
    }
}

/// What a session that others may have was made for: a rule, and a server name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(pub [u8; 16]);

impl Tag {
    /// Of a connection under this rule, whose client has sent this name.
    pub fn of(rule: &Rule, name: &Name) -> Self {
        let half = |number: u8| hash(&[&rule.digest, &[number], name]).to_be_bytes();
        let mut tag = [0; 16];
        tag[..8].copy_from_slice(&half(0));
        tag[8..].copy_from_slice(&half(1));
        Self(tag)
    }

    /// Half of it, which is not 0.
    pub fn as_mark(self) -> u64 {
        let [half, _] = [0, 8].map(|at| core::array::from_fn(|byte| self.0[at + byte]));
        u64::from_be_bytes(half) | 1
    }
}

/// What a connection is to the caches of others.
#[derive(Clone, Copy)]
pub struct Terms {
    /// Whether its client is asked for a certificate.
    pub client: Client,
    /// `None` in doubt: then it has to do with its own process alone.
    pub tag: Option<Tag>,
    /// Whether only what its own login has cached counts.
    pub is_of_one_login: bool,
}

impl Terms {
    /// Those of a connection of a cache that nobody shares.
    pub const ALONE: Self = Self {
        client: Client::Anybody,
        tag: None,
        is_of_one_login: false,
    };

    /// In doubt.
    pub fn doubtful(client: Client) -> Self {
        Self {
            client,
            ..Self::ALONE
        }
    }

    /// Those of a session that the application has from elsewhere: nobody knows what its client was asked, so it is no
    /// stranger's where a certificate is asked for.
    pub fn of_a_stranger(self) -> Self {
        match self.client {
            Client::Anybody => self,
            Client::Certified => Self { tag: None, ..self },
        }
    }

    /// With whom else it may have to do; `None`: with its own process alone.
    pub fn shared_tag(&self) -> Option<Tag> {
        self.tag.filter(|_| !self.is_of_one_login)
    }
}

/// A short digest, the same in every process.
pub fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}
