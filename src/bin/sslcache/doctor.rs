//! `sslcache doctor`: tells whether the cache reaches a program or is active in a process, and why sessions are not resumed.
//!
//! Each problem comes with a remedy. [`of_program`] examines a file, [`of_process`] a process, [`of_tree`] the process with
//! its relatives, and their [`contexts`]; [`apart`] finds the attributes that keep these from sharing, and [`preloads`] what
//! the loader could not bring in.

mod apart;
mod contexts;
mod nginx;
mod no_figures;
mod of_process;
mod of_program;
mod of_tree;
mod preloads;
mod verdict;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};

use crate::failure::Failure;

/// The findings, line by line.
#[derive(Default)]
pub struct Report {
    lines: Vec<(Kind, String)>,
    verdict: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fine,
    Finding,
    Unknown,
}

impl Report {
    /// Adds something that is as it should be, or is only information.
    pub fn fine(&mut self, what: impl Into<String>) {
        self.lines.push((Kind::Fine, what.into()));
    }

    /// Adds a problem that keeps the cache from working, and the remedy.
    pub fn finding(&mut self, what: impl std::fmt::Display, remedy: impl std::fmt::Display) {
        self.lines
            .push((Kind::Finding, format!("{what}\n    -> {remedy}")));
    }

    /// Adds something that cannot be known, and a way to learn it.
    pub fn unknown(&mut self, what: impl std::fmt::Display, remedy: impl std::fmt::Display) {
        self.lines
            .push((Kind::Unknown, format!("{what}\n    -> {remedy}")));
    }

    /// Sets the last line, which says what sslcache brings and what would bring more.
    pub fn conclude(&mut self, verdict: impl Into<String>) {
        self.verdict = Some(verdict.into());
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
        if let Some(verdict) = &self.verdict {
            println!("verdict: {verdict}");
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

Of an nginx that runs as this user, `nginx -T` tells what its configuration says of sessions.

Each line begins with ok, with ! for what is to be seen to, or with ? for what cannot be told; -> says what to do. \
The last line is the verdict on a process: how many clients were resumed, how many of them by what sslcache shares, and what \
would bring more.

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
                .value_hint(ValueHint::CommandWithArguments)
                .conflicts_with("pid")
                .required_unless_present("pid")
                .help("A program; arguments after it are left alone"),
        )
}

/// Examines, and prints the findings.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let mut report = Report::default();
    if let Some(&pid) = arguments.get_one::<u32>("pid") {
        of_process::examine(pid, &mut report)?;
    } else if let Some(name) = arguments.get_one::<OsString>("command") {
        of_program::examine(name, &mut report)?;
    }
    Ok(report.print())
}
