//! The agent's store: keyring and sealed values against vectors from elsewhere, and the stores themselves, which are started
//! for each test on ports of 127.0.0.1. The modules under test are the tool's own.
//!
//! `cargo test --features agent --test fleet -- redis` selects tests by name. A test whose engine is not installed is
//! ignored, and the first lines say what is missing.

mod agent;
mod cluster;
mod engines;
#[path = "../../src/bin/sslcache/failure.rs"]
#[allow(dead_code)] // exit codes are the tool's
mod failure;
mod fakes;
mod golden;
#[path = "../../src/bin/sslcache/hexadecimal.rs"]
mod hexadecimal;
mod keyring;
mod memcached;
mod redis;
mod seal;
mod sentinel;
mod sessions;
mod settings;
mod takes;
mod tls;
mod traffic;

use std::error::Error;
use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};

type Outcome = Result<(), Box<dyn Error>>;

/// A test: its name, the programs that it starts, its function.
type Case = (&'static str, &'static [&'static str], fn() -> Outcome);

/// Fails with what was expected unless `$holds`.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err(format!($($words)+).into());
        }
    };
}

fn main() {
    let arguments = Arguments::from_args();
    let cases = [
        cluster::CASES,
        fakes::CASES,
        keyring::CASES,
        memcached::CASES,
        redis::CASES,
        seal::CASES,
        sentinel::CASES,
        sessions::CASES,
        settings::CASES,
        takes::CASES,
        tls::CASES,
        traffic::CASES,
    ]
    .concat();
    let mut missing: Vec<_> = cases.iter().flat_map(|(_, needs, _)| *needs).collect();
    missing.sort_unstable();
    missing.dedup();
    missing.retain(|program| !is_installed(program));
    for program in &missing {
        eprintln!("fleet: {program} is not installed here: its tests are ignored");
    }
    let trials = cases.iter().map(|&(name, needs, test)| {
        let is_ignored = needs.iter().any(|program| missing.contains(&program));
        let test = move || test().map_err(|error| Failed::from(error.to_string()));
        Trial::test(name, test).with_ignored_flag(is_ignored)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// Whether `program` is in a folder of the PATH, or where Debian has servers.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.any(|folder: std::path::PathBuf| Path::new(&folder).join(program).is_file())
}
