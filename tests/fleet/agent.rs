//! The tool's modules that are under test, as they are in the tool.

#[path = "../../src/bin/sslcache/agent/keyring.rs"]
pub mod keyring;
#[path = "../../src/bin/sslcache/agent/seal.rs"]
pub mod seal;
#[path = "../../src/bin/sslcache/agent/secret.rs"]
pub mod secret;
#[path = "../../src/bin/sslcache/agent/store/mod.rs"]
pub mod store;
