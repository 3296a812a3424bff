//! The fingerprint of a key, by which it is found, and the checksum of a record, by which it is believed.
//!
//! Both depend on random numbers that never leave the region. The fingerprint is two independent hashes of the kind that
//! the cache uses (vector multiply-shift; `cache/hash.rs` says why it can be trusted) over the whole key and its term:
//! for any two different ones, whoever chose them, all 128 bits agree with a probability of 2^-128. No session id is
//! kept in the region beside the record itself.
//!
//! The checksum finds what a crash or a stray write left, not what somebody made up who can read the region.

use core::sync::atomic::Ordering::Relaxed;

use crate::cache::{Expiry, Key};
use crate::shm::region::layout::header;
use crate::shm::region::memory::Memory;
use crate::shm::region::partitions::Term;
use crate::sys::mapping::uninterrupted;

/// Words of a key, its realm, and the realm's place and generation.
const WORDS: usize = 8;
const FACTORS: usize = 2 * (WORDS + 1);
/// Words of the region that hold the random numbers.
const RANDOM: usize = 2 * FACTORS + 3;

/// The random numbers of a region, in the process's own memory.
pub struct Digests {
    factors: [[u128; WORDS + 1]; 2],
    start: u64,
    multiplier: u64,
    expiry: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    pub first: u64,
    pub second: u64,
}

impl Fingerprint {
    /// The bits that choose a bucket.
    pub fn hash(self) -> u32 {
        self.first as u32
    }

    /// The bits that choose a shard.
    pub fn shard(self) -> u32 {
        (self.first >> 32) as u32
    }
}

/// What a checksum covers beside the body.
pub struct Covered {
    pub fingerprint: Fingerprint,
    pub mark: u32,
    pub realm: u32,
    pub len: usize,
}

impl Digests {
    /// Draws the random numbers of a new region; false if the system has none to give.
    pub fn draw(memory: &Memory) -> bool {
        let mut bytes = [0; RANDOM * 8];
        if !draw(&mut bytes) {
            return false;
        }
        memory.write(header::DIGEST_KEYS, &bytes);
        true
    }

    pub fn of(memory: &Memory) -> Digests {
        let word = |number: usize| memory.u64(header::DIGEST_KEYS + 8 * number).load(Relaxed);
        let wide =
            |number: usize| u128::from(word(2 * number)) << 64 | u128::from(word(2 * number + 1));
        Digests {
            factors: core::array::from_fn(|half| {
                core::array::from_fn(|number| wide(half * (WORDS + 1) + number))
            }),
            start: word(2 * FACTORS),
            multiplier: word(2 * FACTORS + 1) | 1,
            expiry: word(2 * FACTORS + 2),
        }
    }

    pub fn fingerprint(&self, term: Term, key: &Key) -> Fingerprint {
        let [a, b, c, d, e] = key.words();
        let [low, high, generation] = term.words();
        let words: [u64; WORDS] = [a, b, c, d, e, low, high, generation];
        let [first, second] = self.factors.each_ref().map(|factors| {
            let products = factors.iter().zip(words);
            let sum = products.fold(factors[WORDS], |sum, (factor, word)| {
                sum.wrapping_add(factor.wrapping_mul(u128::from(word)))
            });
            mix((sum >> 64) as u64)
        });
        Fingerprint { first, second }
    }

    /// Begins the checksum of a body, which goes on with `Sum::add`.
    pub fn sum(&self) -> Sum {
        Sum {
            state: self.start,
            multiplier: self.multiplier,
        }
    }

    /// The part of a checksum that changes with the expiry: it is combined with the rest by exclusive or.
    pub fn expiry(&self, expiry: Expiry) -> u32 {
        (mix(expiry.secs() as u64 ^ self.expiry) >> 32) as u32
    }
}

/// Fills a buffer with random bytes; false if the system has none to give.
pub fn draw(into: &mut [u8]) -> bool {
    // No request of up to 256 bytes is cut short.
    into.chunks_mut(256).all(|part| {
        let (buffer, len) = (part.as_mut_ptr(), part.len());
        // SAFETY: a buffer of that length.
        let drawn = uninterrupted(|| unsafe { libc::getrandom(buffer.cast(), len, 0) });
        drawn == len as isize
    })
}

/// A checksum in the making, fed with words.
pub struct Sum {
    state: u64,
    multiplier: u64,
}

impl Sum {
    pub fn add(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.multiplier);
        self.state = (product as u64 ^ (product >> 64) as u64).wrapping_add(self.multiplier);
    }

    /// Adds bytes, the last word filled up with zeros: the length is covered by itself.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words
            .iter()
            .for_each(|word| self.add(u64::from_ne_bytes(*word)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.add(u64::from_ne_bytes(last));
        }
    }

    pub fn finish(mut self, covered: &Covered) -> u32 {
        self.add(covered.fingerprint.first);
        self.add(covered.fingerprint.second);
        self.add(u64::from(covered.mark) << 32 | u64::from(covered.realm));
        self.add(covered.len as u64);
        (mix(self.state) >> 32) as u32
    }

    /// The sum of bytes alone.
    pub fn whole(self) -> u64 {
        mix(self.state)
    }
}

/// MurmurHash3's finisher: a permutation in which every bit depends on every other.
pub fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word = (word ^ (word >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ (word >> 33)
}
