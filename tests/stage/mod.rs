//! The places of the libraries under test, for every runner that needs them.
//!
//! `make` lays the libraries out in cargo's target directory, where the runners look for them; an environment variable names
//! another place. A runner that finds no library runs the tests that need none, and tells the user what to make.
//!
//! `SSLCACHE_TARGET` names another target than this runner's, one of rustc's: what `make TARGET=` has built for it is tested,
//! and the kernel runs its programs (`make test-cross`).

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The installed layout that `make` stages: `$SSLCACHE_STAGE`, or `target/stage` where that has the library.
pub fn stage() -> Option<PathBuf> {
    found("SSLCACHE_STAGE", "stage", LIBRARY)
}

/// The results of `make openssl4` or the like: the folder of that name in cargo's target directory, or what
/// `$SSLCACHE_OPENSSL4` or the like names. `None` where that OpenSSL could not be built.
#[allow(dead_code)] // not every runner has these hosts
pub fn release(name: &str, libssl: &str) -> Option<PathBuf> {
    let variable = format!("SSLCACHE_{}", name.to_uppercase());
    let file = format!("sslcache/{libssl}");
    found(&variable, name, &file).filter(|folder| folder.join(&file).exists())
}

/// The message that a runner prints before its tests: that there is no stage, or an old one.
pub fn advice() -> Option<String> {
    let Some(stage) = stage() else {
        let missing = target().join("stage").join(LIBRARY);
        return Some(format!(
            "no {}: what needs it is left out; run `make` first",
            missing.display()
        ));
    };
    let made = modified(&stage.join(LIBRARY))?;
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    (newest_in(&sources)? > made).then(|| {
        format!(
            "{} is older than the sources: run `make` to test them",
            stage.display()
        )
    })
}

/// The library, in the stage.
pub const LIBRARY: &str = "lib/libsslcache.so.0";

fn found(variable: &str, folder: &str, file: &str) -> Option<PathBuf> {
    if let Some(named) = env::var_os(variable) {
        return Some(PathBuf::from(named));
    }
    let folder = target().join(folder);
    folder.join(file).exists().then_some(folder)
}

/// Cargo's target directory, wherever CARGO_TARGET_DIR or a configuration has put it.
pub fn target_of_cargo() -> &'static Path {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap_or(tmp)
}

/// Where the libraries are built: cargo's target directory, or the folder of another target in it.
pub fn target() -> PathBuf {
    let folder = target_of_cargo();
    other_target().map_or(folder.into(), |name| folder.join(name))
}

/// The target that is tested, if it is not this runner's.
pub fn other_target() -> Option<OsString> {
    env::var_os("SSLCACHE_TARGET")
}

/// The C compiler for what is tested.
#[allow(dead_code)] // not every runner compiles
pub fn compiler() -> OsString {
    match other_target() {
        Some(_) => target().join("cc").into(),
        None => env::var_os("CC").unwrap_or("cc".into()),
    }
}

fn newest_in(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let times = entries.filter_map(|entry| {
        let path = entry.path();
        match path.is_dir() {
            true => newest_in(&path),
            false => modified(&path),
        }
    });
    times.max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
