//! The region and the cache in random orders of the steps of their threads (shuttle): the files are the library's own, and the processes
//! are threads, which stop or end at any access to the memory that they share. What is beneath the files is in `played`.
//!
//! An order is one of sequential steps; tests/loom has what the memory model allows beyond them, of the lock alone.
//!
//! `cargo test --test shuttle -- NAME` runs one model. `SSLCACHE_SHUTTLE_SECONDS=600` has each model explore for so long; the seed of an
//! order that fails is printed, and `SSLCACHE_SHUTTLE_SEED=N` runs that one.

mod board;
mod cache_models;
mod explore;
#[allow(dead_code)] // what other files of the library use
mod played;
mod reclaim;
mod region_models;

#[path = "../../src/cache/mod.rs"]
#[allow(dead_code, unused_imports)] // its unit tests are the library's
mod cache;

/// The rooms of the library that its files name.
#[path = "../../src/sys"]
mod sys {
    pub use crate::played::{atomic, clock, entropy, forks, futex, lock, reserve};
    #[allow(dead_code)]
    pub mod guard;
    pub mod prefetch;
    pub mod random;
    pub mod uncancelled;
}

/// The room of shared memory, without keys, files and elections.
#[path = "../../src/shm"]
#[allow(dead_code, unused_imports)]
mod shm {
    mod mix;
    pub mod operations;
    mod shard;
    pub mod stats;

    pub mod process {
        pub use crate::played::identity;
        pub mod lock;
    }

    pub mod region {
        pub use crate::played::{boot, file, memory};
        pub mod capacity;
        pub mod digest;
        pub mod header;
        pub mod id;
        pub mod layout;
        pub mod partitions;
    }
}

use libtest_mimic::{Arguments, Trial};
pub use shuttle::thread_local; // for models/identity.rs

fn main() {
    let mut arguments = Arguments::from_args();
    // What is played is there once.
    arguments.test_threads = Some(1);
    let models = [region_models::MODELS, reclaim::MODELS, cache_models::MODELS].concat();
    let trials = models.into_iter().map(|(name, model)| {
        Trial::test(name, move || {
            explore::explore(model);
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
