//! Tests that need a process of their own.

use std::env;
use std::process::Command;

/// The command that runs one ignored test of this program, which is a program itself, with what it prints.
pub fn of_test(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    command
}
