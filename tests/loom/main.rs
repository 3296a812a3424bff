//! The locks of the region and of a process, and the slots of the mailbox, in all orders of their steps, as far as the memory model of Rust allows them
//! (loom): the files are the library's own, and the processes are threads. What is beneath it is played: `atomics` has loom's, and `played` the clock, the
//! kernel's wait and the identities of processes, so that a test says when time passes and who has ended.
//!
//! `cargo test --test loom -- NAME` runs one. `LOOM_MAX_PREEMPTIONS=3` makes the longer ones shorter, `LOOM_LOG=trace` tells the steps
//! of the order that has failed.

mod mutex;
mod played;
#[path = "../../src/sys/lock.rs"]
#[allow(dead_code, unused_imports)] // its unit tests are the library's
mod process_lock;
#[path = "../../src/shm/process/lock.rs"]
#[allow(dead_code, unused_imports)] // its unit tests are the library's
mod region_lock;

use libtest_mimic::{Arguments, Trial};
pub use loom::thread_local; // for models/identity.rs

/// The rooms of the library that its file names.
#[path = "../../src/sys"]
mod sys {
    pub use crate::played::{clock, files, forks, futex, guard};

    #[allow(dead_code)]
    pub mod program;

    pub mod atomic {
        pub use crate::played::Early as AtomicU32;
        pub use core::sync::atomic::Ordering;
        pub use loom::sync::atomic::{AtomicU64, AtomicUsize, fence};

        /// Two askers then meet in one slot.
        pub const SLOTS: usize = 1;

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

    pub use crate::played::memory::Memory;
}

/// The mailbox, with requests of one word.
#[path = "../../src/mailbox"]
#[allow(dead_code, unused_imports, clippy::modulo_one)] // there is one slot
mod mailbox {
    mod breaker;
    pub mod hearing;
    pub mod layout;
    use crate::ends as memory;
    pub mod owed;
    use crate::ends::request;
    pub mod slots;
}

mod ends;
mod lock;
mod slots;

fn main() {
    let mut arguments = Arguments::from_args();
    // What is played is there once.
    arguments.test_threads = Some(1);
    let models = [lock::MODELS, mutex::MODELS, slots::MODELS].concat();
    let trials = models.into_iter().map(|(name, model)| {
        Trial::test(name, move || {
            model();
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
