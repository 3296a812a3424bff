//! Tests of the shared region, with as many processes as it takes.

mod crowd;
mod damage;
mod files;
mod flushes;
mod lengths;
mod locks;
mod model;
mod murder;
mod places;
mod traces;

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::region::memory::Memory;
use super::{Partition, PartitionId, Region};
use crate::cache::{ClientHistory, Expiry, Key};
use crate::sys::forks::watch_forks;
use crate::sys::random::Random;

/// TLS1_3_VERSION
const TLS13: i32 = 0x0304;

fn key(number: u64) -> Key {
    let mut id = [0x5a; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Key::new(&id, TLS13).expect("32 bytes are an id")
}

/// A record from which its key can be checked: its number, a nonce, and bytes that follow from both.
fn record(number: u64, nonce: u64, len: usize) -> Vec<u8> {
    let mut bytes = [number.to_be_bytes(), nonce.to_be_bytes()].concat();
    let mut random = Random(number << 32 ^ nonce ^ 0x9e37_79b9_7f4a_7c15);
    bytes.extend((16..len.max(16)).map(|_| random.below(256) as u8));
    bytes
}

/// Whether these bytes are a record that was put under this number.
fn is_of(number: u64, bytes: &[u8]) -> bool {
    let nonce = bytes
        .get(8..16)
        .map(|nonce| u64::from_be_bytes(nonce.try_into().expect("eight bytes")));
    nonce.is_some_and(|nonce| record(number, nonce, bytes.len()) == bytes)
}

fn put(partition: &Partition<'_>, number: u64, body: &[u8]) -> bool {
    partition.put(
        &key(number),
        number as u32,
        body,
        Expiry::at(1_000),
        ClientHistory::New,
        0,
    )
}

fn put_at(
    partition: &Partition<'_>,
    number: u64,
    standing: ClientHistory,
    expiry: i64,
    now: i64,
) -> bool {
    let (record, expiry) = (record(number, 1, 100), Expiry::at(expiry));
    partition.put(&key(number), number as u32, &record, expiry, standing, now)
}

fn get(partition: &Partition<'_>, number: u64) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    partition.get(&key(number), 0, &mut copy).map(|_| copy)
}

fn region(bytes: usize) -> Region {
    Region::anonymous(bytes).expect("memory")
}

fn partition(region: &Region, capacity: usize) -> Partition<'_> {
    region
        .partition(region.fresh_id(), capacity)
        .expect("an entry")
}

/// Runs `act` while the lock that this key needs is held.
fn while_locked<R>(partition: &Partition<'_>, number: u64, act: impl FnOnce() -> R) -> Option<R> {
    partition.at_home(&key(number), |_, _, _| Ok(act()))
}

/// Numbers that parent and children share.
struct Board(Memory);

impl Board {
    fn new() -> Board {
        Board(Memory::anonymous(4096).expect("memory"))
    }

    fn at(&self, number: usize) -> &AtomicU64 {
        self.0.u64(8 * number)
    }

    fn add(&self, number: usize) {
        self.at(number).fetch_add(1, Relaxed);
    }

    fn read(&self, number: usize) -> u64 {
        self.at(number).load(Relaxed)
    }
}

/// A child process, killed when this is dropped.
struct Child(i32);

impl Child {
    /// Runs `work`, and ends with what it answers.
    fn of(work: impl FnOnce() -> i32) -> Child {
        // As before any region is made: otherwise a child may be taken for this process.
        watch_forks();
        // SAFETY: the child only uses inherited memory, and exits at once.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: so that none is left over, whatever becomes of the test.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                let answer =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(99);
                // SAFETY: ends the child.
                unsafe { libc::_exit(answer) }
            }
            child => {
                assert!(child > 0, "no fork");
                Child(child)
            }
        }
    }

    fn signal(&self, signal: i32) {
        // SAFETY: our child, which is not waited for yet.
        unsafe { libc::kill(self.0, signal) };
    }

    fn wait(self) -> i32 {
        let status = self.reap();
        std::mem::forget(self);
        assert!(
            libc::WIFEXITED(status),
            "the child ended with status {status:#x}"
        );
        libc::WEXITSTATUS(status)
    }

    /// Ends it; whether it was still running.
    fn kill(self) -> bool {
        self.signal(libc::SIGKILL);
        let status = self.reap();
        std::mem::forget(self);
        libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL
    }

    fn reap(&self) -> i32 {
        let mut status = 0;
        // SAFETY: our child, and a place for the answer.
        unsafe { libc::waitpid(self.0, &mut status, 0) };
        status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
        self.reap();
    }
}

/// Waits for something that is sure to come.
fn until(what: &str, mut come: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !come() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "waited in vain: {what}"
        );
        std::thread::yield_now();
    }
}
