//! Runs the programs under valgrind, which must find no error and no leak.

use crate::form::{Form, Host};
use crate::program::{Kind, Program};
use crate::workshop::LONG_LIMIT;
use crate::{Bench, run};
use libtest_mimic::Trial;
use std::process::Command;
use std::sync::Arc;

/// Programs with hundreds of handshakes or tens of thousands of sessions: others do the same on a smaller scale.
const TOO_LONG: [&str; 4] = [
    "auto_flush",
    "auto_flush_resumed",
    "cache_size",
    "which_leaves",
];

/// Programs whose threads are cancelled inside libssl: its allocations are leaked, with and without sslcache.
pub const LEAVES_MEMORY: [&str; 1] = ["callbacks_unwound"];

pub fn trials(bench: &Arc<Bench>, program: &Arc<Program>) -> Vec<Trial> {
    let is_one_of = |names: &[&str]| names.contains(&program.name.as_str());
    if program.kind == Kind::Threads || is_one_of(&TOO_LONG) || is_one_of(&LEAVES_MEMORY) {
        return Vec::new();
    }
    [Form::Preloaded, Form::Replaced]
        .into_iter()
        .map(|form| {
            let program = Arc::clone(program);
            bench.staged(
                format!("valgrind::{form}::{}", program.name),
                move |bench| {
                    let plain = program.command(&bench.workshop, form, Host::System)?;
                    let mut command = Command::new("valgrind");
                    command
                        .args(["--quiet", "--leak-check=full", "--error-exitcode=99"])
                        .args([
                            "--show-leak-kinds=definite,possible",
                            "--errors-for-leak-kinds=definite,possible",
                        ])
                        .args(["--child-silent-after-fork=yes", "--num-callers=30"])
                        .arg(plain.get_program());
                    for (name, value) in plain.get_envs() {
                        match value {
                            Some(value) => command.env(name, value),
                            None => command.env_remove(name),
                        };
                    }
                    let output = run::silent(&mut command, LONG_LIMIT)?;
                    bench.judge(&program, Host::System, &output)
                },
            )
        })
        .collect()
}
