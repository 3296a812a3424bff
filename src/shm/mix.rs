//! A mixing step that the hashes and digests of this room share.

/// The finisher of MurmurHash3: a permutation in which every bit of the result depends on every bit of `word`.
pub fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word = (word ^ (word >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ (word >> 33)
}
