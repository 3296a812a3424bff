//! The hash of a key: random for each cache, and provably as good as chance.
//!
//! Clients choose session ids, and an attacker who could predict buckets could fill one. So the hash has a random key, one
//! for all caches of a process, that never leaves this module, and no hash leaves the cache. It is the vector form of
//! multiply-shift (Dietzfelbinger 1996; Thorup, "High Speed Hashing for Integers and Strings", 2015): every word times a
//! random 128-bit number of its own, summed with one more modulo 2^128, of which the upper 64 bits are used. For any two
//! different keys, even chosen by an attacker, the two hashes are independent and uniform: they fall into the same one of n
//! buckets with a probability of exactly 1/n, and n keys chosen without knowledge of the numbers are spread as evenly as
//! random ones.
//!
//! The sum alone is linear: an attacker who learned by patient timing that two keys collide would know of others that do.
//! The final mix is a permutation, so it weakens nothing, and one collision of some bits tells nothing about another.
//!
//! SipHash is stronger than a table needs, at more than twice the instructions.

use std::hash::{BuildHasher, RandomState};

use once_cell::race::OnceBox;

use super::key::{Key, WORDS};
use crate::sys::uncancelled::Uncancelled;

/// The random numbers of a process.
pub(super) struct Hash {
    factors: [u128; WORDS],
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
        let random = RandomState::new();
        let word = |number: usize| u128::from(random.hash_one(number));
        let wide = |number| word(2 * number) << 64 | word(2 * number + 1);
        Hash {
            factors: std::array::from_fn(wide),
            addend: wide(WORDS),
        }
    }

    pub(super) fn of(&self, key: &Key) -> u64 {
        let products = self.factors.iter().zip(key.words());
        let sum = products.fold(self.addend, |sum, (factor, word)| {
            sum.wrapping_add(factor.wrapping_mul(u128::from(word)))
        });
        mix((sum >> 64) as u64)
    }
}

/// MurmurHash3's finisher: a permutation in which every bit depends on every other.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word = (word ^ (word >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ (word >> 33)
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
