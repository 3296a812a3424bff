//! `sslcache stat`: prints the stats of running processes.

mod json;
mod prometheus;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};

use sslcache::shm::Region;

use crate::failure::Failure;
use crate::processes::{self, Tree};
use crate::regions;

pub use table::bytes;

const LONG: &str = "\
Shows what the caches of running processes have done since those began: of all that this user may look at, of one with \
those that it shares a cache with, or of a shared region in a file.

A process writes its figures down with its handshakes, and seldom enough that it costs them nothing to speak of: those of a \
process that rests after much work may lack what was done in its last moments.";

/// The command line.
pub fn command() -> Command {
    Command::new("stat")
        .about("Show what the caches of running processes have done")
        .long_about(LONG)
        .after_help(
            "Examples:\n  sslcache stat\n  sslcache stat --json --pid $(cat /run/nginx.pid)",
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("As JSON"),
        )
        .arg(
            Arg::new("prometheus")
                .long("prometheus")
                .action(ArgAction::SetTrue)
                .help("In the text format that Prometheus reads"),
        )
        .group(ArgGroup::new("format").args(["json", "prometheus"]))
        .arg(pid())
        .arg(region())
        .group(ArgGroup::new("what").args(["pid", "region"]))
}

/// The option `--pid` of several subcommands.
pub fn pid() -> Arg {
    Arg::new("pid")
        .long("pid")
        .value_name("N")
        .value_parser(value_parser!(u32).range(1..))
        .help("One process, and those that it shares a cache with")
}

/// The option `--region` of several subcommands.
pub fn region() -> Arg {
    Arg::new("region")
        .long("region")
        .value_name("PATH")
        .value_parser(value_parser!(PathBuf))
        .help("A shared region in a file, as the setting region names it")
}

/// The stats to print.
pub enum Subject {
    Trees(Vec<Tree>),
    Region(PathBuf, Box<Region>),
}

/// The stats that the options ask for.
fn subject(arguments: &ArgMatches) -> Result<Subject, Failure> {
    if let Some(path) = arguments.get_one::<PathBuf>("region") {
        return Ok(Subject::Region(
            path.clone(),
            Box::new(regions::open(path)?),
        ));
    }
    if let Some(&pid) = arguments.get_one::<u32>("pid") {
        return Ok(Subject::Trees(vec![processes::tree_of(pid)?]));
    }
    let (trees, closed) = processes::all();
    if trees.is_empty() && !closed.is_empty() {
        let shown: Vec<_> = closed
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        return Err(Failure::new(
            shown.join(", "),
            "closed to this user",
            "run this as root, or as the user of the server",
        ));
    }
    Ok(Subject::Trees(trees))
}

/// Prints the stats.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let subject = subject(arguments)?;
    let text = if arguments.get_flag("json") {
        json::write(&subject)
    } else if arguments.get_flag("prometheus") {
        prometheus::write(&subject)
    } else {
        table::write(&subject)
    };
    print!("{text}");
    let is_empty = matches!(&subject, Subject::Trees(trees) if trees.is_empty());
    Ok(ExitCode::from(u8::from(is_empty)))
}

/// The stats of a region by name, in the order in which they are printed.
pub fn region_figures(region: &Region) -> [(&'static str, u64); 13] {
    let known = region.stats();
    [
        ("gets", known.gets),
        ("hits", known.hits),
        ("absent", known.absent),
        ("expired", known.expired),
        ("undecodable", known.undecodable),
        ("puts", known.puts),
        ("refused", known.refused),
        ("evictions", known.evictions),
        ("takes", known.takes),
        ("time_outs", known.time_outs),
        ("recovered", known.recovered),
        ("records", known.records),
        ("bytes", known.bytes),
    ]
}

/// A path, made fit for a terminal.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .filter(|char| !char.is_control())
        .collect()
}
