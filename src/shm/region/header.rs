//! The header of a region: written last to be read first.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::shm::region::boot::boot;
use crate::shm::region::digest::Digests;
use crate::shm::region::layout::{FIRST_GRANULE, Layout, MAGIC, VERSION, header, shard as place};
use crate::shm::region::memory::Memory;
use crate::sys::entropy;

/// Makes zeroed memory a region; false if the system has no random numbers.
pub fn initialise(memory: &Memory, layout: &Layout) -> bool {
    // First: a file with this number is ours to begin anew, should this process be killed meanwhile.
    memory.u64(header::MAGIC).store(MAGIC, Relaxed);
    if !Digests::draw(memory) {
        return false;
    }
    let mut salt = [0; 8];
    if !entropy::fill(&mut salt) {
        return false;
    }
    memory
        .u64(header::SALT)
        .store(u64::from_ne_bytes(salt), Relaxed);
    memory.u64(header::BOOT).store(boot().unwrap_or(0), Relaxed);
    memory.u64(header::NEXT_ID).store(1, Relaxed);
    memory.u64(header::SIZE).store(layout.size as u64, Relaxed);
    memory.u32(header::VERSION).store(VERSION, Relaxed);
    // Of an empty shard this is all that is not zero.
    for number in 0..layout.shards {
        let base = layout.shard(number);
        memory.u32(base + place::TOP).store(FIRST_GRANULE, Relaxed);
        memory.u32(base + place::BUCKETS).store(1, Relaxed);
    }
    // Release: publishes everything else.
    memory.u32(header::READY).store(1, Release);
    true
}

/// True if this memory is a region of this version that was made to its end.
pub fn is_ready(memory: &Memory) -> bool {
    // Acquire: pairs with the Release in `initialise`.
    memory.u32(header::READY).load(Acquire) == 1
}
