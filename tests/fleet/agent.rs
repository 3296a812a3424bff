//! The tool's modules that are under test, as they are in the tool.

#[path = "../../src/bin/sslcache/agent/keyring.rs"]
pub mod keyring;
#[path = "../../src/bin/sslcache/agent/seal.rs"]
pub mod seal;
#[path = "../../src/bin/sslcache/agent/secret.rs"]
pub mod secret;
#[path = "../../src/bin/sslcache/agent/store/mod.rs"]
pub mod store;

/// What is said of sessions, and what waits to be put.
#[path = "../../src/bin/sslcache/agent/sessions"]
pub mod sessions {
    #[allow(dead_code)] // what only the thread uses
    pub mod form;
    #[allow(dead_code)]
    pub mod puts;
}
