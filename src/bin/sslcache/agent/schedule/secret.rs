//! The secret of a key, and that of the next one.

use ring::hkdf::{HKDF_SHA256, Salt};
use zeroize::{Zeroize, Zeroizing};

/// The secret of a key. Moving it leaves no copy behind.
pub struct Secret(Box<Zeroizing<[u8; 32]>>);

impl Secret {
    /// Takes the secret from `bytes`, which are wiped.
    pub fn taken_from(bytes: &mut [u8; 32]) -> Self {
        let mut secret = Box::new(Zeroizing::new([0; 32]));
        secret.copy_from_slice(bytes);
        bytes.zeroize();
        Self(secret)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The same secret once more.
    pub fn copy(&self) -> Self {
        Self(self.0.clone())
    }

    /// True if no byte of it is anything but zero.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|&byte| byte == 0)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

/// The key of an epoch, from that of the epoch before.
pub fn ratchet(secret: &Secret, namespace: &str, epoch: u64) -> Secret {
    let epoch = epoch.to_be_bytes();
    let info: [&[u8]; 3] = [b"sslcache fleet ratchet 1", namespace.as_bytes(), &epoch];
    let extracted = Salt::new(HKDF_SHA256, &[]).extract(secret.bytes());
    let mut bytes = [0; 32];
    // HKDF yields up to 255 hashes, and this is one. Were it refused, the key would be all zero, and refused as such.
    let _ = extracted
        .expand(&info, HKDF_SHA256)
        .and_then(|key| key.fill(&mut bytes));
    Secret::taken_from(&mut bytes)
}
