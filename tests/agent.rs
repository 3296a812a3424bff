//! The pure parts of `sslcache agent`: its schedule of keys and its settings, with their unit tests.
//!
//! The agent itself is tested as a process, by tests/tool.

#![allow(dead_code)] // what only the loop uses

#[path = "../src/bin/sslcache/failure.rs"]
mod failure;

#[path = "../src/bin/sslcache/agent"]
mod agent {
    mod config;
    mod schedule;
    mod secret;
    mod store {
        mod config;
        pub use config::StoreConfig;
    }
}
