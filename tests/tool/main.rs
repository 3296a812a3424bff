//! The command-line tool, end to end: the output of each subcommand for real programs and live servers.
//!
//! The tool and its libraries are those that `make` has staged (`stage`); without them no test runs.
//! `cargo test --test tool -- doctor` selects tests by name.

mod agent;
mod apart;
mod bench;
mod daemons;
mod doctor;
mod elsewhere;
mod enable;
mod exporter;
mod flush;
mod generated;
mod keys;
mod page;
mod prometheus;
mod relay;
mod run;
mod s_server;
mod server;
#[path = "../stage/mod.rs"]
mod stage;
mod starttls;
mod stat;
mod test;
mod tool;
mod top;
#[path = "../../src/bin/sslcache/unit.rs"]
mod unit;
mod verdict;
mod version;

use apart::Place;
use libtest_mimic::{Arguments, Failed, Trial};
use tool::{Outcome, Tool};

/// A test: its name and its function.
type Case = (&'static str, fn(&Tool) -> Outcome);

fn main() {
    let mut arguments = Arguments::from_args();
    // Before there are other threads.
    let place = Place::find();
    // Debian installs servers and ldconfig in folders that are not in an ordinary user's PATH. A shell complains about a
    // locale that this machine lacks.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    // SAFETY: there is no second thread yet.
    unsafe {
        std::env::set_var("PATH", path);
        std::env::set_var("LC_ALL", "C.UTF-8");
    }
    if place == Place::Among {
        eprintln!(
            "tool: one after another, as the tests see each other's processes; flush --all is left out, as other processes \
             of this machine would be flushed, too: root runs each test in a pid namespace"
        );
        arguments.test_threads = Some(1);
    }
    if let Some(advice) = stage::advice() {
        eprintln!("tool: {advice}");
    }
    let tool = Tool::of_stage(place == Place::Within);
    let is_missing = tool.is_none();
    if is_missing {
        eprintln!("tool: left out: `make` has staged no sslcache; run it first");
    }
    let cases = [
        agent::CASES,
        bench::CASES,
        daemons::CASES,
        doctor::CASES,
        elsewhere::CASES,
        enable::CASES,
        exporter::CASES,
        flush::CASES,
        generated::CASES,
        keys::CASES,
        page::CASES,
        run::CASES,
        starttls::CASES,
        stat::CASES,
        test::CASES,
        top::CASES,
        verdict::CASES,
        version::CASES,
    ];
    let apart = cases.concat().into_iter().map(|case| (case, true));
    let of_machine = elsewhere::CASES_OF_THE_MACHINE.iter();
    let cases = apart.chain(of_machine.map(|&case| (case, false)));
    let trials = cases.map(|((name, test), is_apart): (Case, bool)| {
        let tool = tool.clone();
        let test = move || match &tool {
            Some(_) if is_apart && place == Place::Each => {
                apart::run(name).map_err(|error| error.to_string().into())
            }
            Some(tool) => test(tool).map_err(|error| Failed::from(error.to_string())),
            None => Ok(()),
        };
        Trial::test(name, test).with_ignored_flag(is_missing)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
