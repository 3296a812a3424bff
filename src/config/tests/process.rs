//! A whole process: it reads its environment once, and prints each line once.

use std::env;

use super::Folder;
use crate::config::{announce, settings, sharing_in_environment};
use crate::sys::program;

/// Runs as a process of `process_says_each_line_once`: reads its settings and prints them.
#[test]
#[ignore = "a program, not a test"]
fn process_with_settings() {
    println!("sharing in environment: {}", sharing_in_environment());
    for _ in 0..2 {
        announce("tested, in front of nothing");
        println!("settings: {:?}", settings());
    }
}

#[test]
#[cfg_attr(miri, ignore = "no children")]
fn process_says_each_line_once() {
    let run = |environment: &[(&str, &str)]| {
        let output = program::of_test("config::tests::process::process_with_settings")
            .env_clear()
            // Where an emulator of the processor has its libraries from.
            .envs(env::var_os("QEMU_LD_PREFIX").map(|place| ("QEMU_LD_PREFIX", place)))
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        assert!(output.status.success());
        (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let folder = Folder::new();
    let path = folder.write("verbose = true\n");
    let (out, err) = run(&[
        ("SSLCACHE_CONFIG", path.to_str().unwrap()),
        ("SSLCACHE_FORCE", "1"),
        ("SSLCACHE_FROCE", "1"),
        ("SSLCACHE_REGION", "here"),
    ]);
    assert!(out.contains("sharing in environment: false"), "{out}");
    let read = "group: None, certificates: Compare, force: true, ticket_keys: Own, agent: Auto, agent_wait: 2ms, early_data: Home, strict_names: false, verbose: true";
    assert_eq!(out.matches(read).count(), 2, "{out}");
    assert_eq!(
        err,
        format!(
            "sslcache: SSLCACHE_FROCE is no setting and does nothing: did you mean SSLCACHE_FORCE?; \
             SSLCACHE_REGION=here is not an absolute path, so the default none is used: write the path of a file \
             from / on, such as /run/myserver/region\n\
             sslcache {} active, tested, in front of nothing\n",
            env!("CARGO_PKG_VERSION")
        )
    );
    let nothing = folder.write("");
    let (_, err) = run(&[("SSLCACHE_CONFIG", nothing.to_str().unwrap())]);
    assert_eq!(err, "");

    // The settings that make the shared memory when the library is loaded.
    let (out, _) = run(&[("SSLCACHE_GROUP", "web")]);
    assert!(out.contains("sharing in environment: true"), "{out}");
    assert_eq!(
        out.matches("group: Named(\"web\"), certificates: Compare, force: false")
            .count(),
        2,
        "{out}"
    );
    for (keys, shares) in [("Shared", true), ("own", false), ("", false)] {
        let (out, _) = run(&[("SSLCACHE_TICKET_KEYS", keys)]);
        let line = format!("sharing in environment: {shares}");
        assert!(out.contains(&line), "{keys}: {out}");
    }
}
