//! The secrets of stateless tickets' keys, in a page that all processes have.

pub mod page;
pub mod schedule;
