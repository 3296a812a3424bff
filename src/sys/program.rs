//! Tests that need a process of their own, or more than an emulator has.

use std::env;
use std::io::{self, Write};
use std::process::Command;

/// The command that runs one ignored test of this program, which is a program itself, with what it prints.
pub fn of_test(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    command
}

/// Whether an emulator of the processor runs this, as `make test-cross` has it.
pub fn is_emulated() -> bool {
    env::var_os("QEMU_LD_PREFIX").is_some()
}

/// Whether what a test is about is to be had here: without an emulator of the processor it has to be. A line says what is not
/// tested; it is not printed by a macro, as that is kept back where the test is well.
pub fn is_testable(what: &str, is_had: bool) -> bool {
    if !is_had {
        assert!(is_emulated(), "there is no {what} here");
        let line = format!("not tested, as the emulator does not have it: {what}\n");
        let _ = io::stderr().write_all(line.as_bytes());
    }
    is_had
}

/// Forks, and returns the answer of the child, which is its exit code.
pub fn in_child(answer: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child calls `answer`, which takes no lock of the parent but the ones under test, and exits at once.
    match unsafe { libc::fork() } {
        // SAFETY: ends only the child.
        0 => unsafe { libc::_exit(answer()) },
        child => {
            let mut status = 0;
            // SAFETY: `child` was forked above, and `status` is a place for the answer.
            unsafe { libc::waitpid(child, &mut status, 0) };
            libc::WEXITSTATUS(status)
        }
    }
}
