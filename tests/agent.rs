//! The pure parts of `sslcache agent`: its schedule of keys, its settings, its breaker and its place in the news, with their unit tests.
//!
//! The agent itself is tested as a process, by tests/tool.

#![allow(dead_code)] // what only the loop uses

#[path = "../src/bin/sslcache/failure.rs"]
mod failure;

#[path = "../src/bin/sslcache/agent"]
mod agent {
    mod config;
    mod schedule;
    pub mod secret;
    mod sessions {
        mod breaker;
        mod place;
        mod realms;
    }
    mod store {
        mod config;
        pub use config::StoreConfig;
    }
}

#[test]
fn secret_of_the_agents_folder_is_read_where_it_is_handed_over() {
    let folder = std::env::temp_dir().join(format!("sslcache-handed-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("secrets_test-keyring"), "handed over").unwrap();
    let read = |path: &str, credentials| {
        let read = agent::secret::read_with(path.as_ref(), credentials);
        read.map(|secret| String::from_utf8_lossy(&secret).into_owned())
    };
    let path = "/etc/sslcache-agent/test-keyring";
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.join("secrets_test-keyring"), mode).unwrap();
    assert_eq!(read(path, Some(&folder)).unwrap(), "handed over");
    // Without credentials, and with others, it is the file itself.
    for credentials in [None, Some(std::path::Path::new("/nowhere"))] {
        let said = read(path, credentials).unwrap_err().to_string();
        assert!(said.starts_with(path), "{said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
