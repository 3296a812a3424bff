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
