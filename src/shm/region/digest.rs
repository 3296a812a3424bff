//! The fingerprint of a key, by which it is found, and the checksum of a record, by which it is believed.
//!
//! Both depend on random numbers that never leave the region. The fingerprint is two independent hashes of the kind that
//! the cache uses (vector multiply-shift; `cache/hash.rs` says why it can be trusted) over the whole key and its term.
//! Any two different inputs, even chosen by an attacker, agree in all 128 bits with a probability of 2^-128. The region
//! keeps no session id outside the record itself.
//!
//! The checksum detects what a crash or a stray write left. It does not detect a forgery by a process that can read the
//! region.

use core::sync::atomic::Ordering::Relaxed;

use crate::cache::{Expiry, Key};
use crate::shm::mix::mix;
use crate::shm::region::id::Term;
use crate::shm::region::layout::header;
use crate::shm::region::memory::Memory;
use crate::sys::entropy;

/// Words of a key, of its partition's id, and of the partition's entry and generation.
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

/// The fields that a checksum covers beside the body.
pub struct Covered {
    pub fingerprint: Fingerprint,
    pub mark: u32,
    pub entry: u32,
    pub len: usize,
}

impl Digests {
    /// Draws the random numbers of a new region; false if the system has none to give.
    pub fn draw(memory: &Memory) -> bool {
        let mut bytes = [0; RANDOM * 8];
        if !entropy::fill(&mut bytes) {
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

    /// Begins the checksum of a body, which is then given to `Sum::add`.
    pub fn sum(&self) -> Sum {
        Sum {
            states: [self.start, !self.start],
            multiplier: self.multiplier,
        }
    }

    /// The part of a checksum that changes with the expiry: it is combined with the rest by exclusive or.
    pub fn expiry(&self, expiry: Expiry) -> u32 {
        (mix(expiry.secs() as u64 ^ self.expiry) >> 32) as u32
    }
}

/// A checksum in the making, fed with words.
pub struct Sum {
    /// Words go to them in turn: the multiplication of one goes on while that of the other begins.
    states: [u64; 2],
    multiplier: u64,
}

impl Sum {
    #[inline]
    pub fn add(&mut self, word: u64) {
        let [state, other] = self.states;
        let product = u128::from(state ^ word) * u128::from(self.multiplier);
        let state = (product as u64 ^ (product >> 64) as u64).wrapping_add(self.multiplier);
        self.states = [other, state];
    }

    /// Both states as one.
    fn united(mut self) -> u64 {
        let [state, _] = self.states;
        self.states.swap(0, 1);
        self.add(state);
        mix(self.states[1])
    }

    /// Adds bytes; the last word is filled up with zeros, as `finish` adds the length.
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
        self.add(u64::from(covered.mark) << 32 | u64::from(covered.entry));
        self.add(covered.len as u64);
        (self.united() >> 32) as u32
    }

    /// The sum of bytes alone.
    pub fn whole(self) -> u64 {
        self.united()
    }
}
