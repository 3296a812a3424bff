//! The hash of a key: random for each cache, and provably as good as chance.
//!
//! Clients choose session ids, and an attacker who could predict buckets could fill one. So the hash has random keys, one
//! set for all caches of a process, that never leave this module, and no hash leaves the cache. It has three steps:
//!
//! 1. NH (Black, Halevi, Krawczyk, Krovetz and Rogaway, "UMAC", 1999) shortens the key to 128 bits: each word plus a random
//!    one, multiplied in pairs and summed. Two different keys, even chosen by an attacker, get the same sum with a
//!    probability of 2^-64.
//! 2. Multiply-shift in vector form (Dietzfelbinger 1996; Thorup, "High Speed Hashing for Integers and Strings", 2015): each
//!    half of the sum times a random 128-bit number, plus one more modulo 2^128, of which the upper 64 bits are used. For
//!    two different sums the two hashes are independent and uniform. So two keys fall into the same one of n buckets with a
//!    probability of 1/n, plus at most 2^-64, and n keys chosen without knowledge of the numbers are spread as evenly as
//!    random ones.
//! 3. A permutation, which weakens nothing. Without it the difference of two hashes would depend on the difference of the
//!    sums alone: an attacker who learned by patient timing that two keys collide would know of others that do.
//!
//! SipHash is stronger than a table needs, at more than four times the instructions.

use std::hash::{BuildHasher, RandomState};

use once_cell::race::OnceBox;

use super::key::{Key, WORDS};
use crate::sys::guard::quietly;
use crate::sys::uncancelled::Uncancelled;

/// Words that NH takes: those of a key, and a zero to complete the last pair.
const PAIRED: usize = WORDS.next_multiple_of(2);

/// The random numbers of a process.
pub(super) struct Hash {
    added: [u64; PAIRED],
    factors: [u128; 2],
    addend: u128,
}

impl Hash {
    pub(super) fn of_this_process() -> &'static Hash {
        static HASH: OnceBox<Hash> = OnceBox::new();
        HASH.get_or_init(|| Box::new(Hash::new()))
    }

    fn new() -> Hash {
        // Seeded by the operating system; SipHash makes as many words of it as are asked for.
        let _uncancelled = Uncancelled::new(); // RandomState asks the system for random numbers
        let random = quietly(RandomState::new);
        let word = |number: usize| random.hash_one(number);
        let wide = |number| u128::from(word(number)) << 64 | u128::from(word(number + 1));
        Hash {
            added: std::array::from_fn(word),
            factors: [wide(PAIRED), wide(PAIRED + 2)],
            addend: wide(PAIRED + 4),
        }
    }

    #[inline]
    pub(super) fn of(&self, key: &Key) -> u64 {
        let mut words = [0; PAIRED];
        words[..WORDS].copy_from_slice(&key.words());
        let (pairs, added) = (words.as_chunks().0, self.added.as_chunks().0);
        let products = pairs.iter().zip(added).map(|(&[a, b], &[to_a, to_b])| {
            u128::from(a.wrapping_add(to_a)) * u128::from(b.wrapping_add(to_b))
        });
        let sum = products.fold(0, u128::wrapping_add);
        let [lower, upper] = self.factors;
        let hash = (self.addend)
            .wrapping_add(lower.wrapping_mul(u128::from(sum as u64)))
            .wrapping_add(upper.wrapping_mul(sum >> 64));
        mix((hash >> 64) as u64)
    }
}

/// A permutation after which the lower half of the bits depends on all, and the upper half on most.
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 32)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word ^ (word >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many ids that differ in one place only fill the buckets as random ones would.
    #[test]
    fn similar_ids_spread_evenly() {
        const BUCKETS: usize = 1 << 12;
        let hash = Hash::new();
        for place in [0, 7, 8, 19, 31] {
            let mut filled = vec![0_u32; BUCKETS];
            for number in 0..BUCKETS as u16 {
                let mut id = [0xab; 32];
                let place = place.min(30);
                id[place..place + 2].copy_from_slice(&number.to_be_bytes());
                let key = Key::new(&id, 0x0304).unwrap();
                filled[hash.of(&key) as usize % BUCKETS] += 1;
            }
            // Of 4,096 random keys, none of 4,096 buckets gets 20 but once in 10^14 times.
            assert!(filled.into_iter().max() < Some(20));
        }
    }

    #[test]
    fn two_processes_hash_differently() {
        let key = Key::new(&[1; 32], 0x0304).unwrap();
        assert_ne!(Hash::new().of(&key), Hash::new().of(&key));
    }
}
