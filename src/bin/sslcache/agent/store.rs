//! The store that the hosts of a fleet share: a Redis, a Valkey or a memcached.

mod config;

pub use config::StoreConfig;
