//! What the shared region costs: calls of one process, calls of eight at once, bytes a session.
//!
//! The eight do what workers of a server do (four look-ups for each put) on a region of many shards, and then on one of a
//! single shard under one process-shared pthread mutex: the scheme of nginx's zone and httpd's shmcb, with the same table
//! beneath. They take turns, round by round; a ratio is taken of each round.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sslcache::cache::{ClientHistory, Expiry, Key};
use sslcache::shm::{Partition, Region};

/// About what a session of TLS 1.2 or 1.3 without client certificate takes as DER.
const RECORD: [u8; 200] = [0x30; 200];
const PROCESSES: usize = 8;
/// libssl's default size of a cache.
const CAPACITY: u64 = 20_480;
/// What fits into a single shard of both.
const SHARED_BY_MANY: u64 = 10_000;
/// Below 8 MiB a region has one shard.
const ONE_SHARD: usize = 7 << 20;
const MANY_SHARDS: usize = 64 << 20;

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let (calls, rounds, time) = match smoke {
        true => (2_000, 1, Duration::from_millis(20)),
        false => (400_000, 7, Duration::from_millis(700)),
    };
    alone(calls);
    together(rounds, time);
    bytes();
}

/// Ids like libssl's: 32 bytes without a pattern.
fn key(number: u64) -> Key {
    let mut id = [0; 32];
    for (word, bytes) in id.chunks_exact_mut(8).enumerate() {
        bytes.copy_from_slice(&scramble(number * 4 + word as u64).to_le_bytes());
    }
    Key::new(&id, 0x0304).expect("32 bytes are an id")
}

/// splitmix64's finisher.
fn scramble(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn put(partition: &Partition<'_>, number: u64) -> bool {
    partition.put(
        &key(number),
        number as u32,
        &RECORD,
        Expiry::at(300),
        ClientHistory::New,
        0,
    )
}

fn partition(region: &Region, capacity: u64) -> Partition<'_> {
    region
        .partition(region.fresh_id(), capacity as usize)
        .expect("a slot")
}

fn region(bytes: usize) -> Region {
    Region::anonymous(bytes).expect("memory")
}

/// The processor time of one call, in nanoseconds.
fn each(calls: u64, mut call: impl FnMut(u64)) -> u64 {
    let begun = processor_time();
    (0..calls).for_each(&mut call);
    (processor_time() - begun).as_nanos() as u64 / calls
}

fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn alone(calls: u64) {
    let region = region(MANY_SHARDS);
    let growing = partition(&region, 0);
    let full = partition(&region, CAPACITY);
    let mut copy = Vec::new();
    (0..CAPACITY).for_each(|number| assert!(put(&full, number)));
    let found = |number: u64| key(scramble(number) % CAPACITY);
    let get = each(calls, |number| {
        assert!(full.get(&found(number), 0, &mut copy).is_some())
    });
    let holds = each(calls, |number| {
        assert_ne!(
            black_box(full.holds(&found(number), 1 << 31, 0)),
            Some(true)
        )
    });
    let miss = each(calls, |number| {
        assert!(full.get(&key(number + CAPACITY), 0, &mut copy).is_none())
    });
    let replace = each(calls, |number| {
        assert!(put(&full, scramble(number) % CAPACITY))
    });
    let evict = each(calls, |number| assert!(put(&full, number + CAPACITY)));
    let grow = each(calls.min(100_000), |number| assert!(put(&growing, number)));
    println!(
        "one process, ns a call, {CAPACITY} records of {} bytes:",
        RECORD.len()
    );
    println!(
        "  get {get}, miss {miss}, holds {holds}; put: growing {grow}, in place of one {replace}, evicting {evict}"
    );
}

/// What all processes see.
struct Shared {
    mutex: libc::pthread_mutex_t,
    go: AtomicU64,
    calls: AtomicU64,
    /// Processor time, in nanoseconds.
    used: AtomicU64,
}

fn shared() -> *mut Shared {
    // SAFETY: a fresh mapping, which is never unmapped, and a mutex in it that is initialised before its use.
    unsafe {
        let (all, anonymous) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        );
        let page = libc::mmap(std::ptr::null_mut(), 4096, all, anonymous, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        let shared = page.cast::<Shared>();
        let mut attributes = std::mem::zeroed();
        libc::pthread_mutexattr_init(&mut attributes);
        libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED);
        libc::pthread_mutex_init(&raw mut (*shared).mutex, &attributes);
        shared
    }
}

/// Calls of all processes together: a second, and a second of processor time.
fn rate(region: &Region, one_mutex: bool, time: Duration) -> (f64, f64) {
    let partition = partition(region, SHARED_BY_MANY);
    (0..SHARED_BY_MANY).for_each(|number| assert!(put(&partition, number)));
    let shared = shared();
    // SAFETY: the page stays mapped.
    let (go, total, used) = unsafe { (&(*shared).go, &(*shared).calls, &(*shared).used) };
    // SAFETY: as above.
    let mutex = unsafe { &raw mut (*shared).mutex };
    let work = |process: u64| {
        while go.load(Relaxed) == 0 {
            std::thread::yield_now();
        }
        let begun = Instant::now();
        let (mut copy, mut calls) = (Vec::new(), 0_u64);
        while !calls.is_multiple_of(64) || begun.elapsed() < time {
            let number = scramble(process << 40 | calls) % SHARED_BY_MANY;
            if one_mutex {
                // SAFETY: initialised, and let go below.
                unsafe { libc::pthread_mutex_lock(mutex) };
            }
            if calls.is_multiple_of(5) {
                put(&partition, number);
            } else {
                black_box(partition.get(&key(number), 0, &mut copy));
            }
            if one_mutex {
                // SAFETY: held by this thread.
                unsafe { libc::pthread_mutex_unlock(mutex) };
            }
            calls += 1;
        }
        total.fetch_add(calls, Relaxed);
        used.fetch_add(processor_time().as_nanos() as u64, Relaxed);
    };
    let children: Vec<_> = (0..PROCESSES as u64)
        // SAFETY: the child works on what it has inherited, and leaves at once.
        .map(|process| match unsafe { libc::fork() } {
            0 => {
                work(process);
                // SAFETY: ends the child.
                unsafe { libc::_exit(0) }
            }
            child => child,
        })
        .collect();
    go.store(1, Relaxed);
    for child in children {
        // SAFETY: our child.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    }
    let calls = total.load(Relaxed) as f64;
    (
        calls / time.as_secs_f64(),
        calls / (used.load(Relaxed) as f64 / 1e9),
    )
}

fn together(rounds: usize, time: Duration) {
    let (many, one) = (region(MANY_SHARDS), region(ONE_SHARD));
    let mut ratios = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let (ours, mutex) = (rate(&many, false, time), rate(&one, true, time));
        println!(
            "  {:.0} calls a second; under one mutex {:.0}",
            ours.0, mutex.0
        );
        ratios[0].push(ours.0 / mutex.0);
        ratios[1].push(ours.1 / mutex.1);
    }
    for (ratio, what) in ratios
        .iter_mut()
        .zip(["a second", "a second of processor time"])
    {
        ratio.sort_by(f64::total_cmp);
        let (least, median, greatest) = (ratio[0], ratio[rounds / 2], ratio[rounds - 1]);
        println!(
            "{PROCESSES} processes, calls {what}: {median:.2} times one mutex ({least:.2} to {greatest:.2})"
        );
    }
    let time_outs = many.stats().time_outs;
    println!("  {time_outs} calls did not have a lock in time");
}

/// How many records fit, so that all of the region counts: tables, blocks that are free, the table of partitions.
fn bytes() {
    let region = region(MANY_SHARDS);
    let partition = partition(&region, 0);
    let wanted = (MANY_SHARDS / RECORD.len()) as u64;
    (0..wanted).for_each(|number| assert!(put(&partition, number)));
    let figures = region.stats();
    let each = figures.size as f64 / figures.records as f64 - RECORD.len() as f64;
    println!("bytes beside the record, of a full region: {each:.1} (at most 64 are to be)");
}
