//! Hides other processes: the tool sees every process that shows its figures, and flushes all of them if told to. So each
//! test runs in a pid namespace of its own, in which this program is executed again for the one test.

use std::env;
use std::io;
use std::process::Command;

use crate::tool::{Outcome, said};

/// Set in the program that runs one test.
const WITHIN: &str = "SSLCACHE_TEST_IS_APART";

/// Where this program's tests run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In this program, in namespaces of its own.
    Within,
    /// In programs of their own.
    Each,
    /// In this program, among the processes of this machine: one after another.
    Among,
}

impl Place {
    /// Finds out, before there are other threads.
    pub fn find() -> Self {
        if env::var_os(WITHIN).is_some() {
            return match keep_run_apart() {
                true => Self::Within,
                false => Self::Among,
            };
        }
        let mut tried = Command::new("unshare");
        tried.args(NAMESPACES).arg("true");
        match tried.output().is_ok_and(|tried| tried.status.success()) {
            true => Self::Each,
            false => Self::Among,
        }
    }
}

/// What `unshare` is given for a program in pid and mount namespaces of its own.
pub const NAMESPACES: [&str; 6] = [
    "--mount",
    "--pid",
    "--fork",
    "--mount-proc",
    "--kill-child",
    "--",
];

/// Runs one test in a pid namespace of its own, whose processes end with it.
pub fn run(name: &str) -> Outcome {
    let program = env::current_exe()?;
    let mut command = Command::new("unshare");
    // The first process of a namespace has to wait for those that lose their parent.
    command
        .args(NAMESPACES)
        .args(["sh", "-c", "\"$@\" & wait $!", "sh"])
        .arg(program)
        .args(["--exact", "--", name])
        .env(WITHIN, "1");
    let test = said(&mut command)?;
    match test.code {
        0 => Ok(()),
        _ => Err(format!("{}{}", test.err, test.out).into()),
    }
}

/// Gives this process and its children a /run of their own, in the mount namespace that they have. Returns whether it
/// succeeded.
fn keep_run_apart() -> bool {
    // SAFETY: the strings are C strings.
    let mounted = unsafe {
        libc::mount(
            c"none".as_ptr(),
            c"/run".as_ptr(),
            c"tmpfs".as_ptr(),
            0,
            c"mode=755".as_ptr().cast(),
        )
    };
    if mounted != 0 {
        eprintln!("tool: /run: {}", io::Error::last_os_error());
    }
    mounted == 0
}
