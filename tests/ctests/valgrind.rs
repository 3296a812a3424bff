//! Runs the programs under valgrind, which must find no error and no leak.
//!
//! Each program runs in one form: what valgrind looks at, the library's code and how it treats libssl's objects, is the same
//! in all. The two forms take turns from program to program, because each meets the host's functions in its own way. One run
//! takes as long as all the others of a program together: most of it is the translation of libcrypto's beginning.

use crate::form::{Form, Host};
use crate::program::{Kind, Program};
use crate::workshop::LONG_LIMIT;
use crate::{Bench, run};
use libtest_mimic::Trial;
use std::process::Command;
use std::sync::Arc;

/// Programs with hundreds of handshakes, tens of thousands of sessions or dozens of processes: others do the same on a smaller
/// scale.
const TOO_LONG: [&str; 7] = [
    "fleet_rules",
    "auto_flush",
    "auto_flush_resumed",
    "cache_size",
    "rules_by_callback",
    "which_leaves",
    "workers_flush_beside_traffic",
];

/// Programs whose threads are cancelled inside libssl: its allocations are leaked, with and without sslcache.
pub const LEAVES_MEMORY: [&str; 1] = ["callbacks_unwound"];

/// The form whose turn it is. A program keeps its form when others come and go.
fn form(name: &str) -> Form {
    let sum: u32 = name.bytes().map(u32::from).sum();
    if (sum / 2).is_multiple_of(2) {
        Form::Preloaded
    } else {
        Form::Replaced
    }
}

pub fn trial(bench: &Arc<Bench>, program: &Arc<Program>) -> Option<Trial> {
    let is_one_of = |names: &[&str]| names.contains(&program.name.as_str());
    let is_left_out = !program.has_turn(2);
    if is_left_out
        || program.kind == Kind::Threads
        || is_one_of(&TOO_LONG)
        || is_one_of(&LEAVES_MEMORY)
    {
        return None;
    }
    let form = form(&program.name);
    if !program.is_run(form, Host::System) {
        return None;
    }
    let name = format!("valgrind::{form}::{}", program.name);
    let program = Arc::clone(program);
    Some(bench.staged(name, move |bench| {
        let (plain, _agent) = program.command(&bench.workshop, form, Host::System)?;
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
    }))
}
