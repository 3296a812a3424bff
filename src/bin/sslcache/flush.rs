//! `sslcache flush`: empties caches.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use sslcache::page::ASKED_EVERY_MS;

use crate::failure::Failure;
use crate::processes::{self, Tree};
use crate::{regions, stat};

const LONG: &str = "\
Empties caches, so that no session is resumed that was cached before: of a process and those that it shares a cache \
with, of all processes that show their figures to this user, or of a shared region in a file.

A process is asked through the file that it shows its figures in, and obeys before it next looks a session up; until \
then its sessions stay in memory, but none of them is resumed. One that shows none (SSLCACHE_STATS=0, or no right to \
the folder) is not asked. A region is emptied at once.

Stateless tickets are in no cache, and go on being accepted.";

/// The command line.
pub fn command() -> Command {
    Command::new("flush")
        .about("Empty the caches of running processes, or a shared region")
        .long_about(LONG)
        .arg(stat::pid())
        .arg(stat::region())
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .help("All processes that show their figures to this user"),
        )
        .group(
            ArgGroup::new("what")
                .args(["pid", "region", "all"])
                .required(true),
        )
}

/// Flushes, and prints what was flushed.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    if let Some(path) = arguments.get_one::<PathBuf>("region") {
        let gone = regions::open(path)?.flush();
        println!("region {}: {gone} sessions removed", stat::shown(path));
        return Ok(ExitCode::SUCCESS);
    }
    let trees = match arguments.get_one::<u32>("pid") {
        Some(&pid) => vec![processes::tree_of(pid)?],
        None => {
            let (trees, closed) = processes::all();
            for folder in &closed {
                eprintln!(
                    "sslcache flush: {}: closed to this user: run this as root",
                    folder.display()
                );
            }
            if !closed.is_empty() && trees.is_empty() {
                return Ok(ExitCode::from(2));
            }
            trees
        }
    };
    for tree in &trees {
        ask(tree)?;
    }
    // From now on each process obeys the request in its next operation.
    thread::sleep(Duration::from_millis(2 * ASKED_EVERY_MS));
    if trees.is_empty() {
        println!("no process shows its figures, so none was asked");
    }
    Ok(ExitCode::from(u8::from(trees.is_empty())))
}

fn ask(tree: &Tree) -> Result<(), Failure> {
    let processes = tree.processes.iter();
    let names: Vec<_> = processes
        .map(|process| format!("{} ({})", process.pid, processes::program_of(process)))
        .collect();
    let names = names.join(", ");
    tree.page.ask_to_flush().map_err(|error| {
        Failure::new(
            format_args!("process {names}"),
            error,
            "run this as root, or as its user",
        )
    })?;
    println!("asked: {names}");
    Ok(())
}
