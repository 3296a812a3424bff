//! The processes that use a region: how they are known, how they wait for each other, and which of them acts.

pub mod election;
pub mod identity;
pub mod lock;
