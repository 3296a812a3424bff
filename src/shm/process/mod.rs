//! The processes that use a region: their identity, the lock at which they wait for each other, and elections.

pub mod identity;

pub mod lock;

pub mod election;
