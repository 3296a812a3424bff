//! The lock of the region in all orders of its steps, as far as the memory model of Rust allows them (loom): the file is the
//! library's own, and the processes are threads. What is beneath it is played: `atomics` has loom's, and `played` the clock, the
//! kernel's wait and the identities of processes, so that a test says when time passes and who has ended.
//!
//! `cargo test --test loom -- NAME` runs one. `LOOM_MAX_PREEMPTIONS=3` makes the longer ones shorter, `LOOM_LOG=trace` tells the steps
//! of the order that has failed.

mod played;
#[path = "../../src/shm/process/lock.rs"]
#[allow(dead_code, unused_imports)] // its unit tests are the library's
mod region_lock;

use libtest_mimic::{Arguments, Trial};

/// The rooms of the library that its file names.
mod sys {
    pub use crate::played::{clock, futex};

    pub mod atomic {
        pub use loom::sync::atomic::{AtomicU32, AtomicU64};

        /// Every read is a step to be put in order with all others.
        pub const SPINS: u32 = 1;

        /// No turn for the others, as loom's is: a waiter may also find its time over at once.
        pub fn spin_loop() {}
    }
}

mod shm {
    pub mod process {
        pub use crate::played::identity;
    }

    pub mod region {
        pub use crate::played::memory;
    }
}

mod lock;

fn main() {
    let mut arguments = Arguments::from_args();
    // What is played is there once.
    arguments.test_threads = Some(1);
    let trials = lock::MODELS.iter().map(|(name, model)| {
        Trial::test(*name, move || {
            model();
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
