//! What an add costs, by how much is cached: the figure that has to stay flat.
//!
//! Fills an unlimited cache of mixed expiries to each size and times the next adds, each of a new key; then the same in a
//! full cache, where each add also evicts. The mean is the cost; it grows only as memory gets farther away, from the
//! processor's caches to RAM. The median is one without page faults and other programs; the slowest shows that
//! nothing is rehashed or walked in one go (on a busy machine it is the scheduler's).

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use sslcache::cache::{Arrival, Cache, ClientHistory, Evicted, Expiry, Key};

const SIZES: [u64; 4] = [1_000, 20_000, 100_000, 1_000_000];
const TIMED: u64 = 20_000;
const SHARDS: usize = 8;

fn main() {
    println!("ns per add: mean, median, slowest");
    println!("{:>9}  {:>24}  {:>24}", "cached", "growing", "full");
    for size in SIZES {
        let growing = time_adds(&Cache::new(0, SHARDS), size);
        let full = time_adds(&Cache::new(size as usize, SHARDS), size);
        println!("{size:>9}  {growing:>24}  {full:>24}");
    }
}

/// Fills the cache to `size` and times the adds that follow.
fn time_adds(cache: &Cache<Arc<u64>>, size: u64) -> String {
    for number in 0..size {
        add(cache, number);
    }
    let mut times = Vec::with_capacity(TIMED as usize);
    let mut last = Instant::now();
    for number in size..size + TIMED {
        add(cache, number);
        let now = Instant::now();
        times.push((now - last).as_nanos());
        last = now;
    }
    times.sort_unstable();
    let mean = times.iter().sum::<u128>() / u128::from(TIMED);
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    format!("{mean} {median} {slowest}")
}

/// Ids like libssl's, 32 random bytes, and timeouts from five minutes to a day.
fn add(cache: &Cache<Arc<u64>>, number: u64) {
    let mut id = [0; 32];
    for (word, bytes) in id.chunks_exact_mut(8).enumerate() {
        bytes.copy_from_slice(&scramble(number * 4 + word as u64).to_le_bytes());
    }
    let expiry = Expiry::at(300 + (scramble(number) % 86_100) as i64);
    let key = Key::new(&id, 0x0304).expect("32 bytes are an id");
    let arrival = Arrival {
        key: &key,
        value: &Arc::new(number),
        expiry,
        history: ClientHistory::New,
        now: 0,
    };
    let _ = black_box(cache.insert(&arrival, &mut Evicted::none()));
}

/// splitmix64's finisher.
fn scramble(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
