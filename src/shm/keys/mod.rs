//! The secrets of stateless tickets' keys, in a page that all processes map.

pub mod page;

pub mod schedule;

pub mod codec;

pub mod administration;

#[cfg(test)]
mod tests;
