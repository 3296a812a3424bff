//! What the platform gives: the C library, the kernel and the processor, as the other rooms use them.
//!
//! * `guard`: where panics stop, and whose errno it is.
//! * [`lock`]: a mutex that survives a fork, and the number of this process along its line of forks.
//! * `mapping`: memory from the kernel.
//! * `files`: the limit of file sizes, interrupted calls, reading without allocating.
//! * `entropy`: random numbers of the operating system.
//! * `no_dump`: a value that core dumps leave out.
//! * `side_table`: values that are kept beside objects of the host, by their addresses.
//! * `prefetch`: hints to the processor.
//! * `uncancelled`: keeps pthread_cancel waiting.
//! * `processors`: how many this process may run on.
//! * `privilege`: whether the environment may be believed.
//! * `say`: the few lines that the library may write on stderr.
//!
//! This room knows no other.

pub(crate) mod entropy;
pub(crate) mod files;
pub(crate) mod guard;
pub mod lock;
pub(crate) mod mapping;
pub(crate) mod no_dump;
pub(crate) mod prefetch;
pub(crate) mod privilege;
pub(crate) mod processors;
#[cfg(test)]
pub(crate) mod random;
pub(crate) mod say;
pub(crate) mod side_table;
pub(crate) mod uncancelled;
