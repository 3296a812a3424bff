//! `sslcache stat`: prints the stats of running processes.

mod json;
pub mod prometheus;
pub mod services;
mod table;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};

use sslcache::shm::Region;

use crate::failure::Failure;
use crate::processes::{self, Tree};
use crate::regions;
use services::History;

const LONG: &str = "\
Shows what the caches of running processes have done since those began: of all that this user may look at, of one with \
those that it shares a cache with, or of a shared region in a file.

A process writes its figures down with its handshakes, and seldom enough that it costs them nothing to speak of: those of a \
process that rests after much work may lack what was done in its last moments.

With --watch it writes a line for each service again and again: what happened in a second, on average, since the line before.

docs/STATISTICS.md describes each figure, the fields of the JSON and the metrics for Prometheus.";

/// What is said where there are no figures at all.
pub const NONE_SHOWN: &str =
    "no process shows its figures: start one with `sslcache run`, or see `sslcache doctor --pid N`";

/// The command line.
pub fn command() -> Command {
    Command::new("stat")
        .about("Show what the caches of running processes have done")
        .long_about(LONG)
        .after_help(
            "Examples:\n  sslcache stat\n  sslcache stat --watch 5\n  sslcache stat --json --pid $(cat /run/nginx.pid)",
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
        .arg(
            Arg::new("watch")
                .long("watch")
                .value_name("SECONDS")
                .num_args(0..=1)
                .default_missing_value("1")
                .value_parser(value_parser!(u64).range(1..=3600))
                .conflicts_with_all(["format", "region"])
                .help("Again and again: what happens in a second [1 if no number follows]"),
        )
        .arg(
            Arg::new("count")
                .long("count")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .requires("watch")
                .help("With --watch, end after so many times"),
        )
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
    Ok(Subject::Trees(trees(arguments)?))
}

/// The process trees that the options ask for.
fn trees(arguments: &ArgMatches) -> Result<Vec<Tree>, Failure> {
    if let Some(&pid) = arguments.get_one::<u32>("pid") {
        return Ok(vec![processes::tree_of(pid)?]);
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
    Ok(trees)
}

/// Prints the stats.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    if let Some(&seconds) = arguments.get_one::<u64>("watch") {
        let count = arguments.get_one("count").copied();
        return watch::run(Duration::from_secs(seconds), count, || trees(arguments));
    }
    let subject = subject(arguments)?;
    let text = if arguments.get_flag("json") {
        json::write(&subject)
    } else if arguments.get_flag("prometheus") {
        match &subject {
            Subject::Trees(trees) => prometheus::services(&History::default().look(trees)),
            Subject::Region(path, region) => prometheus::region(&shown(path), region),
        }
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

/// A number of bytes in a readable unit.
pub fn bytes(number: u64) -> String {
    match number {
        0..1_024 => format!("{number}"),
        1_024..1_048_576 => format!("{}k", number >> 10),
        1_048_576..10_737_418_240 => format!("{}M", number >> 20),
        _ => format!("{}G", number >> 30),
    }
}

/// A rate per second: with a decimal if it is small.
pub fn rate(number: f64) -> String {
    if number > 0.0 && number < 9.95 {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    }
}

/// A path, made fit for a terminal.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .filter(|char| !char.is_control())
        .collect()
}
