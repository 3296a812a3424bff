//! `sslcache doctor`: whether the cache reaches a program, is active in a process, and what keeps sessions from being resumed.
//!
//! Each finding says what to do. [`of_program`] looks at a file, [`of_process`] at a process, [`of_tree`] at those that it
//! shares with, and their [`contexts`],
//! [`apart`] at what keeps these from sharing.

mod apart;
mod contexts;
mod of_process;
mod of_program;
mod of_tree;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::failure::Failure;

/// What was looked at, line by line.
#[derive(Default)]
pub struct Report {
    lines: Vec<(Kind, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fine,
    Finding,
    Unknown,
}

impl Report {
    /// Something is as it should be, or only to be known.
    pub fn fine(&mut self, what: impl Into<String>) {
        self.lines.push((Kind::Fine, what.into()));
    }

    /// Something keeps the cache from its work, and what to do about it.
    pub fn finding(&mut self, what: impl std::fmt::Display, remedy: impl std::fmt::Display) {
        self.lines
            .push((Kind::Finding, format!("{what}\n    -> {remedy}")));
    }

    /// Something cannot be told, and how to learn it.
    pub fn unknown(&mut self, what: impl std::fmt::Display, remedy: impl std::fmt::Display) {
        self.lines
            .push((Kind::Unknown, format!("{what}\n    -> {remedy}")));
    }

    fn print(&self) -> ExitCode {
        for (kind, what) in &self.lines {
            let mark = match kind {
                Kind::Fine => "  ok",
                Kind::Finding => "   !",
                Kind::Unknown => "   ?",
            };
            println!("{mark}  {}", what.replace('\n', "\n  "));
        }
        let has = |kind| self.lines.iter().any(|(other, _)| *other == kind);
        ExitCode::from(if has(Kind::Finding) {
            1
        } else if has(Kind::Unknown) {
            2
        } else {
            0
        })
    }
}

const LONG: &str = "\
Says whether the cache reaches a program, or whether it is active in a process and what it does there.

Of a program: whether it is dynamically linked, with which libssl, and whether something keeps libraries from coming \
into it. Nothing of the program is executed. Of a process: in which form the cache is in it, which settings are in \
force, which contexts it has, and what keeps their sessions from being resumed.

Each line begins with ok, with ! for what is to be seen to, or with ? for what cannot be told; -> says what to do.

Exit codes: 0 fine, 1 there is something to see to, 2 it cannot be told.";

/// The command line.
pub fn command() -> Command {
    Command::new("doctor")
        .about("Say whether the cache reaches a program, or what it does in a process")
        .long_about(LONG)
        .override_usage("sslcache doctor [--] PROGRAM\n       sslcache doctor --pid N")
        .after_help(
            "Examples:\n  sslcache doctor -- nginx\n  sslcache doctor --pid $(cat /run/nginx.pid)",
        )
        .arg(
            Arg::new("pid")
                .long("pid")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..))
                .help("A process"),
        )
        .arg(
            Arg::new("command")
                .value_name("PROGRAM")
                .num_args(1..)
                .trailing_var_arg(true)
                .value_parser(value_parser!(OsString))
                .conflicts_with("pid")
                .required_unless_present("pid")
                .help("A program; arguments after it are left alone"),
        )
}

/// Looks, and prints what it sees.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let mut report = Report::default();
    if let Some(&pid) = arguments.get_one::<u32>("pid") {
        of_process::examine(pid, &mut report)?;
    } else if let Some(name) = arguments.get_one::<OsString>("command") {
        of_program::examine(name, &mut report)?;
    }
    Ok(report.print())
}
