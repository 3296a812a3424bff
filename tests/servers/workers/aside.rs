//! Programs without a row, and the reasons. The tests check each reason, so that a change of the program is noticed.

use super::results::Results;
use crate::fixture::{Fixture, is_installed};
use libtest_mimic::Trial;
use std::error::Error;
use std::process::Command;
use std::sync::Arc;

/// A program, the reason why it has no row, and a condition that holds as long as the reason does.
struct Aside {
    name: &'static str,
    version: &'static [&'static str],
    why: &'static str,
    holds: fn(&Fixture) -> Result<(), Box<dyn Error>>,
}

const ASIDES: [Aside; 4] = [
    Aside {
        name: "curl",
        version: &["curl", "--version"],
        why: "not needed: a client of one process, which keeps the sessions of a command itself",
        holds: |fixture| doctor(fixture, "curl", "linked with libssl.so."),
    },
    Aside {
        name: "exim4",
        version: &["apt-cache", "show", EXIM],
        why: "not reached: GnuTLS",
        holds: |_| {
            let needs = said("apt-cache", &["depends", EXIM])?;
            has(&needs, "libgnutls").and(lacks(&needs, "libssl"))
        },
    },
    Aside {
        name: "nodejs",
        version: &["node", "--version"],
        why: "not reached: with libssl inside; linked with it, as Debian's is, it keeps its sessions by callbacks",
        holds: |fixture| {
            let inside = "out of reach: libssl is linked into it";
            doctor(fixture, "node", inside)
                .or_else(|_| doctor(fixture, "node", "linked with libssl.so."))
        },
    },
    Aside {
        name: "wget",
        version: &["wget", "--version"],
        why: "not reached: GnuTLS",
        holds: |fixture| {
            doctor(fixture, "wget", "it has no libssl")?;
            has(&said("ldd", &["/usr/bin/wget"])?, "libgnutls")
        },
    },
];

const EXIM: &str = "exim4-daemon-light";

/// A test for each program.
pub fn trials(fixture: &Arc<Fixture>, results: &Arc<Results>) -> Vec<Trial> {
    let trial = |aside: Aside| {
        let [program, arguments @ ..] = aside.version else {
            unreachable!("{} has a command", aside.name)
        };
        // A machine without package lists, such as a container image, knows no package.
        let is_unknown = || {
            *program == "apt-cache" && said(program, arguments).is_ok_and(|said| said.is_empty())
        };
        let missing = fixture.stage.is_none() || !is_installed(program) || is_unknown();
        let (fixture, results) = (fixture.clone(), results.clone());
        Trial::test(format!("workers: {}, aside", aside.name), move || {
            (aside.holds)(&fixture).map_err(|error| error.to_string())?;
            Ok(results.set_aside(aside.name, aside.version, aside.why)?)
        })
        .with_ignored_flag(missing)
    };
    ASIDES.into_iter().map(trial).collect()
}

/// The names of all programs.
pub fn names() -> impl Iterator<Item = &'static str> {
    ASIDES.iter().map(|aside| aside.name)
}

/// Checks that the report of `sslcache doctor` on the program has these words.
fn doctor(fixture: &Fixture, program: &str, words: &str) -> Result<(), Box<dyn Error>> {
    let stage = fixture.stage.as_deref().ok_or("nothing staged")?;
    let tool = stage.join("bin/sslcache");
    has(&said(tool, &["doctor", "--", program])?, words)
}

fn said(
    program: impl AsRef<std::ffi::OsStr>,
    arguments: &[&str],
) -> Result<String, Box<dyn Error>> {
    let output = Command::new(program)
        .args(arguments)
        .env_remove("LD_LIBRARY_PATH")
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn has(said: &str, words: &str) -> Result<(), Box<dyn Error>> {
    let has = said.contains(words).then_some(());
    Ok(has.ok_or_else(|| format!("no {words:?} in: {said}"))?)
}

fn lacks(said: &str, words: &str) -> Result<(), Box<dyn Error>> {
    match has(said, words) {
        Ok(()) => Err(format!("{words:?} in: {said}").into()),
        Err(_) => Ok(()),
    }
}
