//! `sslcache bench`: measures this machine's libssl with its own cache, and with ours in front of it.
//!
//! This program executes itself once for each. The [`worker`] loads the libssl whose name it is told, and measures.

mod libssl;
mod worker;

use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{self, ExitCode, Stdio};

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::failure::Failure;
use crate::installed;

const LONG: &str = "\
Measures what it costs to add a session to a cache of several sizes, to look one up, and how many are added in a second \
by several threads: with this machine's libssl as it is, and with sslcache in front of it. The sessions have mixed \
timeouts, as those of servers have that let sessions live as long as they are used.

It takes about half a minute, in which nothing else should run. make bench in the sources measures more, and longer.";

/// The hidden argument that makes this program the worker.
const WORKER: &str = "worker";

/// The command line.
pub fn command() -> Command {
    Command::new("bench")
        .about("Measure this machine's libssl, with its own cache and with this one")
        .long_about(LONG)
        .arg(
            Arg::new("seconds")
                .long("seconds")
                .value_name("N")
                .default_value("4")
                .value_parser(value_parser!(u64).range(1..=600))
                .help("The longest time that one measurement may take"),
        )
        .arg(Arg::new(WORKER).long(WORKER).hide(true))
}

/// A measurement: its name in the worker's output, its title, its unit, and whether more is better.
struct Measurement {
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    more_is_better: bool,
}

static MEASUREMENTS: [Measurement; 6] = [
    Measurement {
        name: "add-1000",
        title: "adding to 1,000 sessions",
        unit: "ns",
        more_is_better: false,
    },
    Measurement {
        name: "add-10000",
        title: "adding to 10,000 sessions",
        unit: "ns",
        more_is_better: false,
    },
    Measurement {
        name: "add-50000",
        title: "adding to 50,000 sessions",
        unit: "ns",
        more_is_better: false,
    },
    Measurement {
        name: "find",
        title: "looking one of them up",
        unit: "ns",
        more_is_better: false,
    },
    Measurement {
        name: "remove",
        title: "removing one of them",
        unit: "ns",
        more_is_better: false,
    },
    Measurement {
        name: "threads",
        title: "added by 4 threads",
        unit: "a second",
        more_is_better: true,
    },
];

/// Measures with both caches, and prints a table.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let seconds = arguments.get_one::<u64>("seconds").copied().unwrap_or(4);
    if let Some(name) = arguments.get_one::<String>(WORKER) {
        return worker::run(name, seconds);
    }
    let libraries = installed::libraries()?;
    let name = libraries.name_in_front();
    let mut progress = Progress::default();
    let plain = measure(name, None, seconds, "libssl", &mut progress)?;
    let ours = measure(
        name,
        Some(libraries.in_front(name)?),
        seconds,
        "sslcache",
        &mut progress,
    )?;
    progress.end();
    print!("{}", table(&plain, &ours));
    Ok(ExitCode::SUCCESS)
}

/// The results of a worker, by name.
type Results = BTreeMap<String, String>;

/// Has a worker measure the libssl of this name.
fn measure(
    name: &str,
    in_front: Option<&Path>,
    seconds: u64,
    who: &str,
    progress: &mut Progress,
) -> Result<Results, Failure> {
    let failed = |reason: String| {
        Failure::new(
            format_args!("measuring {who}"),
            reason,
            "sslcache doctor -- openssl says what is there",
        )
    };
    let us = env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = process::Command::new(us);
    command
        .args(["bench", "--worker", name])
        .args(["--seconds", &seconds.to_string()])
        .env_remove("LD_PRELOAD")
        .env_remove("LD_LIBRARY_PATH");
    if let Some(folder) = in_front {
        command.env("LD_LIBRARY_PATH", folder);
    }
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut results = Results::new();
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
        .map_while(Result::ok)
    {
        if let Some((name, value)) = line.split_once(' ') {
            let title = MEASUREMENTS
                .iter()
                .find(|known| known.name == name)
                .map_or("the library", |known| known.title);
            progress.step(who, title);
            results.insert(name.to_owned(), value.to_owned());
        }
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    let is_right = results
        .get("cache")
        .is_some_and(|cache| (cache == "sslcache") == in_front.is_some());
    match status.success() && is_right {
        true => Ok(results),
        false => Err(failed(if status.success() {
            "the wrong library was found".to_owned()
        } else {
            status.to_string()
        })),
    }
}

/// The progress, in one line on the terminal.
#[derive(Default)]
struct Progress {
    done: usize,
}

impl Progress {
    /// The number of steps: for each library its name and every measurement.
    const STEPS: usize = 2 * (MEASUREMENTS.len() + 2);
    const WIDTH: usize = 28;

    fn step(&mut self, who: &str, title: &str) {
        self.done += 1;
        let filled = (self.done * Self::WIDTH / Self::STEPS).min(Self::WIDTH);
        let bar = format!(
            "[{}{}]",
            "#".repeat(filled),
            ".".repeat(Self::WIDTH - filled)
        );
        self.show(&format!("{bar} {who}: {title}"));
    }

    fn end(&self) {
        self.show("");
    }

    fn show(&self, text: &str) {
        if io::stderr().is_terminal() {
            // The sequence returns to the beginning of the line and clears it.
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }
}

fn table(plain: &Results, ours: &Results) -> String {
    let version = plain.get("version").map_or("libssl", String::as_str);
    let mut text = format!(
        "{version}, {} processors\n\n{:<28}{:>20}{:>20}\n",
        processors(),
        "",
        "libssl",
        "sslcache"
    );
    for measurement in &MEASUREMENTS {
        let of = |results: &Results| {
            results
                .get(measurement.name)
                .and_then(|value| value.parse::<f64>().ok())
        };
        let shown = |value: Option<f64>| {
            value.map_or("too slow".to_owned(), |value| {
                format!("{value:.0} {}", measurement.unit)
            })
        };
        let times = match (of(plain), of(ours)) {
            (Some(plain), Some(ours)) if plain > 0.0 && ours > 0.0 => {
                let times = if measurement.more_is_better {
                    ours / plain
                } else {
                    plain / ours
                };
                if times < 9.95 {
                    format!("  {times:.1} times")
                } else {
                    format!("  {times:.0} times")
                }
            }
            _ => String::new(),
        };
        text += &format!(
            "{:<28}{:>20}{:>20}{times}\n",
            measurement.title,
            shown(of(plain)),
            shown(of(ours))
        );
    }
    text + "\nTimes: how much better sslcache is; below 1 libssl is.\n"
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
