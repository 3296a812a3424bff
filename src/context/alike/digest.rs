//! Digests of several fields that are the same on every host, in every build and version of Rust, and in either byte order.

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// A digest that is being taken of a label and of fields. The label tells digests of one kind from those of another; each
/// field is preceded by its length as eight bytes, the highest first, so that no two sequences of fields look the same.
pub struct Fields(Sha256);

impl Fields {
    /// A digest of no field yet.
    pub fn new(label: &str) -> Self {
        Self(Sha256::new()).and(label.as_bytes())
    }

    /// The digest of one more field.
    pub fn and(mut self, field: &[u8]) -> Self {
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field);
        self
    }

    /// The digest.
    pub fn finish(self) -> Digest {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_of_label_and_fields_with_their_lengths() {
        // printf '\0\0\0\0\0\0\0\5label\0\0\0\0\0\0\0\1a\0\0\0\0\0\0\0\0' | sha256sum
        let digest = Fields::new("label").and(b"a").and(b"").finish();
        let shown: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            shown,
            "cb8d9d0f54722c33e88c23005d3c61b231b3b41a130ca8112112b9de4b0b3eb7"
        );
        assert_ne!(Fields::new("label").and(b"").and(b"a").finish(), digest);
    }
}
