//! A checksum that tells bytes that were written to their end from bytes that were not: FNV-1a, 64 bits.

/// The checksum.
pub fn sum_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
