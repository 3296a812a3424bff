//! `sslcache flush`: empties caches.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use sslcache::context::key_source::KeySource;
use sslcache::page::{ASKED_EVERY_MS, Context};

use crate::failure::Failure;
use crate::processes::{self, Tree};
use crate::{keys, regions, stat};

const LONG: &str = "\
Empties caches, so that no session is resumed that was cached before: of a process and those that it shares a cache \
with, of all processes that show their figures to this user, or of a shared region in a file.

A process is asked through the file that it shows its figures in, and obeys before it next looks a session up; until \
then its sessions stay in memory, but none of them is resumed. One that shows none (SSLCACHE_STATS=0, or no right to \
the folder) is not asked. A region is emptied at once.

Where processes have a group and the fleet's keys, other hosts have their sessions, too, and the store gives them back. These \
processes, and those of a region, tell the other hosts when they obey; one that is idle has told nobody yet, and one that ends \
before never does. What ends the sessions of all hosts at once is: sslcache agent flush

Stateless tickets are in no cache, and go on being accepted. With --ticket-keys, the keys of tickets are forgotten as \
well, so that no ticket is good that was made before: in processes, before they next open one; in a region, within a second. \
Keys that a program has set itself, and those of contexts without SSLCACHE_TICKET_KEYS=shared, end with the program.";

/// After that each process obeys the request in its next operation.
const OBEYED: Duration = Duration::from_millis(2 * ASKED_EVERY_MS);

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
        .arg(
            Arg::new("ticket-keys")
                .long("ticket-keys")
                .action(ArgAction::SetTrue)
                .help("The keys of stateless tickets as well"),
        )
        .group(
            ArgGroup::new("what")
                .args(["pid", "region", "all"])
                .required(true),
        )
}

/// Flushes, and prints what was flushed.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let with_keys = arguments.get_flag("ticket-keys");
    if let Some(path) = arguments.get_one::<PathBuf>("region") {
        let region = regions::open(path)?;
        println!(
            "region {}: {} sessions removed",
            stat::shown(path),
            region.flush()
        );
        if with_keys && !region.forget_ticket_keys(|| true) {
            return Err(keys::unreached(path));
        }
        // What other hosts have of it would come back.
        let its_own = |tree: &Tree| {
            let of_tree = keys::region_of(tree).and_then(|of_tree| of_tree.canonicalize().ok());
            of_tree.is_some() && of_tree == path.canonicalize().ok()
        };
        let (mut trees, _) = processes::all();
        trees.retain(|tree| keys::has_sessions_of_fleet(tree) && its_own(tree));
        for tree in &trees {
            ask(tree)?;
        }
        if !trees.is_empty() {
            thread::sleep(OBEYED);
            tell_of_fleet(&trees);
        }
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
    let mut asked = 0;
    let mut all_asked = true;
    for tree in &trees {
        asked += ask(tree)?;
        if with_keys {
            all_asked &= ask_to_forget_keys(tree)?;
        }
    }
    thread::sleep(OBEYED);
    if trees.is_empty() {
        println!("{}", stat::NONE_SHOWN);
    }
    tell_of_fleet(&trees);
    Ok(ExitCode::from(u8::from(asked == 0 || !all_asked)))
}

/// Says what of these trees is not ended yet.
fn tell_of_fleet(trees: &[Tree]) {
    if trees.iter().any(keys::has_sessions_of_fleet) {
        println!(
            "other hosts find the sessions of these until they have each handled their next handshake\n    \
             -> to end the sessions of all hosts at once: sslcache agent flush"
        );
    }
}

/// Asks the processes of a tree, and returns how many are seen from here.
fn ask(tree: &Tree) -> Result<usize, Failure> {
    let names: Vec<_> = tree
        .known()
        .map(|process| format!("{} ({})", process.pid, processes::program_of(process)))
        .collect();
    let page = stat::shown(&tree.page.path);
    let who = match names.is_empty() {
        true => page.clone(),
        false => format!("{}: {}", tree.service(), names.join(", ")),
    };
    tree.page
        .ask_to_flush()
        .map_err(|error| Failure::new(&who, error, "run this as root, or as its user"))?;
    match tree.processes.len() - names.len() {
        0 if names.is_empty() => println!("{page}: none of its processes is alive"),
        0 => println!("asked: {who}"),
        hidden if names.is_empty() => {
            println!(
                "{page}: asked, but its {hidden} processes are not seen from here, and may be gone"
            );
        }
        hidden => println!("asked: {who}, and {hidden} that are not seen from here"),
    }
    Ok(names.len())
}

/// Asks the processes of a tree to forget their ticket keys; `false` if some of these are not theirs to forget.
fn ask_to_forget_keys(tree: &Tree) -> Result<bool, Failure> {
    let name = keys::name_of(tree);
    tree.page
        .ask_to_forget_keys()
        .map_err(|error| Failure::new(&name, error, "run this as root, or as its user"))?;
    if let Some(path) = keys::region_of(tree) {
        // Processes of other trees use these keys, too, and this one may end before it opens a ticket.
        if !regions::with(&path, |region| region.forget_ticket_keys(|| true))? {
            return Err(keys::unreached(&path));
        }
    }
    if keys::of_fleet(tree) == Some(true) {
        println!(
            "{name}: uses keys of this host alone until the fleet's next ones have come, in three hours at most; other hosts \
             still open the tickets that were made before"
        );
    }
    let of_program = |context: &Context| KeySource::of(context.keys) == Some(KeySource::Program);
    let mut contexts = tree.processes.iter().flat_map(|process| &process.contexts);
    if !keys::answers_for_tickets(tree) {
        println!("{name}: its ticket keys are libssl's, and end with the program");
        println!("    -> restart it; with SSLCACHE_TICKET_KEYS=shared, its keys can be forgotten");
        return Ok(false);
    }
    if contexts.any(of_program) {
        println!("{name}: has contexts whose ticket keys the program has set: these keys stay");
        return Ok(false);
    }
    println!("{name}: tickets that were made until now are refused");
    Ok(true)
}
