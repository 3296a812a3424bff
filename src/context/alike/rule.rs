//! The rule of a connection, the tag that a session carries, and the terms on which a connection uses the cache.

use core::ffi::c_int;

use super::digest::{Digest, Fields};
use super::names::Name;
use crate::host::Host;
use crate::host::abi::SSL_VERIFY_PEER;
use crate::host::types::SSL;

/// The rule of a connection or context: what all its attributes together demand. Equal rules may share.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The digest of all attributes that are compared.
    pub digest: Digest,
    /// The digest of the certificates if they are not among these. They are compared nevertheless for connections whose
    /// client sends no server name: nothing else tells then which server the client has verified.
    pub certificates: Option<Digest>,
    /// Whether a client is asked for a certificate.
    pub client: Client,
}

/// Whether a client is asked for a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// No certificate is asked for.
    Anybody,
    /// A certificate is asked for.
    Certified,
}

impl Client {
    /// By the verify mode, SSL_VERIFY_*.
    pub fn of(verify_mode: c_int) -> Self {
        if verify_mode & SSL_VERIFY_PEER == 0 {
            Self::Anybody
        } else {
            Self::Certified
        }
    }

    /// By the verify mode that a connection has now; `Certified` if that cannot be told.
    ///
    /// # Safety
    /// * `ssl` is a connection of this host, alive during the call.
    pub unsafe fn of_connection(host: &Host, ssl: *const SSL) -> Self {
        let get = host.traits.SSL_get_verify_mode;
        // SAFETY: the caller keeps the connection alive, and the getter is of its host.
        get.map_or(Self::Certified, |get| Self::of(unsafe { get(ssl) }))
    }
}

/// The tag of a shared session: a digest of the rule under which it was made and the server name that it was made for. It is
/// the same on every host, and nobody can choose a name that leads to the tag of another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(pub Digest);

impl Tag {
    /// The tag of a connection under `rule` whose client has sent `name`.
    pub fn of(rule: &Rule, name: &Name) -> Self {
        let fields = Fields::new("sslcache tag 1").and(&rule.digest).and(name);
        let fields = match &rule.certificates {
            Some(certificates) if name.is_empty() => fields.and(certificates),
            _ => fields,
        };
        Self(fields.finish())
    }

    /// The first 64 bits of the tag as a number other than 0, which stays in this process.
    pub fn as_mark(self) -> u64 {
        u64::from_be_bytes(core::array::from_fn(|byte| self.0[byte])) | 1
    }
}

/// The terms on which a connection uses the cache.
#[derive(Clone, Copy)]
pub struct Terms {
    /// Whether its client is asked for a certificate.
    pub client: Client,
    /// The tag of the sessions that the connection may have. `None` in doubt: only sessions of its own process.
    pub tag: Option<Tag>,
    /// Whether the connection may have only sessions of its own login; see [`login`](super::login).
    pub is_of_one_login: bool,
}

impl Terms {
    /// The terms of a connection whose cache no other process shares.
    pub const ALONE: Self = Self {
        client: Client::Anybody,
        tag: None,
        is_of_one_login: false,
    };

    /// The terms of a connection whose tag cannot be told.
    pub fn doubtful(client: Client) -> Self {
        Self {
            client,
            ..Self::ALONE
        }
    }

    /// The terms of a session that the application brings from elsewhere. What its client was asked for is not known, so
    /// the session is not shared if a certificate is asked for.
    pub fn of_a_stranger(self) -> Self {
        match self.client {
            Client::Anybody => self,
            Client::Certified => Self { tag: None, ..self },
        }
    }

    /// The tag of sessions of other processes that the connection may have, and of its own session for them; `None` if it
    /// shares with no other process.
    pub fn shared_tag(&self) -> Option<Tag> {
        self.tag.filter(|_| !self.is_of_one_login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_is_the_same_in_every_build_and_on_every_host() {
        let rule = Rule {
            digest: core::array::from_fn(|byte| byte as u8),
            certificates: None,
            client: Client::Anybody,
        };
        let tag = |name: &[u8]| Tag::of(&rule, &name.into());
        // As sha256sum answers for label, digest and name, each after its length.
        let shown: String = tag(b"a.example")
            .0
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            shown,
            "7a1d1eaa500de80afe58a55c253a2b5646ab956d1408267b6a5e4ae2bf574e49"
        );
        assert_eq!(tag(b"a.example").as_mark(), 0x7a1d_1eaa_500d_e80a | 1);
        assert_ne!(tag(b""), tag(b"\0"));
    }

    #[test]
    fn certificates_that_are_left_out_count_where_there_is_no_name() {
        let tag = |certificates, name: &[u8]| {
            let (digest, client) = ([7; 32], Client::Anybody);
            let rule = Rule {
                digest,
                certificates,
                client,
            };
            Tag::of(&rule, &name.into())
        };
        let [one, other] = [[1; 32], [2; 32]].map(Some);
        assert_eq!(tag(one, b"a.example"), tag(other, b"a.example"));
        assert_eq!(tag(one, b""), tag(one, b""));
        assert_ne!(tag(one, b""), tag(other, b""));
        assert_ne!(tag(one, b""), tag(None, b""));
    }
}
