//! The platform: the parts of the C library, the kernel and the processor that the other rooms use.
//!
//! * `guard`: the boundary at which panics stop and errno is restored.
//! * [`forks`]: the number of this process along its line of forks.
//! * [`lock`]: a mutex that survives a fork.
//! * `mapping`: memory from the kernel.
//! * `memory_map`: what is mapped where.
//! * `files`: the limit of file sizes, interrupted calls, reading without allocating, writing at a place.
//! * `clock`: the clocks of the system.
//! * `futex`: waiting for a word in shared memory to change.
//! * `atomic`: the atomics of memory that processes share.
//! * `checksum`: whether bytes were written to their end.
//! * `environment`: the variables that the process was given.
//! * `entropy`: random numbers of the operating system.
//! * `no_dump`: a value that core dumps leave out.
//! * `side_table`: values that are kept beside objects of the host, by their addresses.
//! * `prefetch`: hints to the processor.
//! * `uncancelled`: keeps pthread_cancel waiting.
//! * `reserve`: memory of last resort.
//! * `processors`: the number of processors that this process may use.
//! * `privilege`: whether the environment can be trusted.
//! * [`rights`]: descriptors that are sent over a socket.
//! * `sanitizer`: what ThreadSanitizer cannot see by itself.
//! * `say`: the few lines that the library may write on stderr.
//! * `played`, for fuzzers: a clock and waits that take no time.
//! * `program` and `random`, for unit tests: a process of a test's own, and random numbers that repeat.
//!
//! This room knows no other.

pub(crate) mod atomic;
pub(crate) mod checksum;
pub(crate) mod clock;
pub(crate) mod entropy;
pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod forks;
pub(crate) mod futex;
pub(crate) mod guard;
pub mod lock;
pub(crate) mod mapping;
pub(crate) mod memory_map;
pub mod no_dump;
#[cfg(fuzzing)]
pub mod played;
pub(crate) mod prefetch;
pub(crate) mod privilege;
pub(crate) mod processors;
#[cfg(test)]
pub(crate) mod program;
#[cfg(any(test, fuzzing))]
pub mod random;
pub(crate) mod reserve;
pub mod rights;
pub(crate) mod sanitizer;
pub(crate) mod say;
pub(crate) mod side_table;
pub(crate) mod uncancelled;
