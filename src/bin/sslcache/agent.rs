//! `sslcache agent`: the ticket keys of a fleet, through a store that all of its hosts reach.
//!
//! * `config` reads the settings, `keyring` the master keys, `secret` the files that hold secrets.
//! * `schedule` says which keys there are to be, without knowing a clock or a store; `seal` is their form in the store, `store`
//!   the way to it, `space` a round there.
//! * `door` is the socket, `peers` has the mailboxes of this host's processes, `notify` speaks to the service manager,
//!   `kept` is what that keeps for the next agent.
//! * `sessions` serves the sessions of the fleet, in a thread of its own.
//! * `serve` is the agent at work, on the `state`, `check` what `--check` says, `status` what an agent at work says, `figures` its numbers.

mod check;
mod config;
mod copies;
mod door;
mod figures;
mod kept;
mod keyring;
mod notify;
mod peers;
mod schedule;
mod seal;
mod secret;
mod serve;
mod sessions;
mod space;
mod state;
mod status;
mod store;

use std::io::{IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use crate::failure::Failure;
use keyring::Change;

const LONG: &str = "\
Gives the servers of all hosts the same keys for stateless tickets, so that a client that comes to another host behind a load \
balancer is resumed there. It runs on each host, and is the only part of sslcache that speaks to a network: to a Redis, a Valkey \
or a memcached that all hosts reach. A server takes part if its setting is SSLCACHE_TICKET_KEYS=fleet.

Sessions that a server keeps itself, because its clients have no tickets, are found by the other hosts, too, if the server has a \
group (SSLCACHE_GROUP).

Each hour has a key, which is in the store two hours before, sealed by a master key that only the hosts have. While the store \
cannot be reached, each host derives the next key from the last one, for a day at most; after that, servers use keys of their \
host. Keys are forgotten when the last ticket of theirs has ended.

The settings are in /etc/sslcache-agent.toml, the master keys in a file of their own. SIGHUP lets the agent read both again.

Exit codes: 0 fine, 1 there is something to see to, 2 it cannot be told or done.";

const KEY_LONG: &str = "\
Makes master keys, which seal what goes into the store. The file is the same on all hosts: its first key seals, all of them open.

To change them without a gap: `key rotate --append FILE` on one host, the file to all hosts, and a restart of each agent; then \
`key rotate --promote FILE`, and the same again; a day later, the old line can go. Without these options, `key rotate` puts a new \
key first at once: hosts that do not have it yet do not share with the others until they do.";

/// The command line.
pub fn command() -> Command {
    Command::new("agent")
        .about("Give the servers of all hosts the same ticket keys and sessions, through a store that all reach")
        .long_about(LONG)
        .after_help(
            "Examples:\n  sslcache agent --check\n  (umask 077 && sslcache agent key new >/etc/sslcache-agent/keyring)\n  \
             sslcache agent status",
        )
        .disable_help_subcommand(true)
        .args_conflicts_with_subcommands(true)
        .arg(config_arg())
        .arg(
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help("Only read the settings and the keyring, reach the store, and say what is found"),
        )
        .subcommand(key_command())
        .subcommand(
            Command::new("flush")
                .about("Let no host find a session any more that is in the store by now")
                .arg(config_arg())
                .arg(
                    Arg::new("namespace")
                        .long("namespace")
                        .value_name("NAME")
                        .help("Only of this namespace; else of all that the settings name"),
                ),
        )
        .subcommand(
            Command::new("status")
                .about("Show what the agent of this host does; its settings must have `metrics`")
                .arg(config_arg())
                .arg(
                    Arg::new("json")
                        .long("json")
                        .action(ArgAction::SetTrue)
                        .help("As JSON"),
                ),
        )
}

fn config_arg() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("PATH")
        .default_value(config::PLACE)
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf))
        .help("The settings")
}

fn key_command() -> Command {
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    Command::new("key")
        .about("Make and change the master keys of the fleet")
        .long_about(KEY_LONG)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand(Command::new("new").about("Print a new key, as a line of a keyring"))
        .subcommand(
            Command::new("rotate")
                .about("Put a new key first into a keyring, and keep the others")
                .long_about(KEY_LONG)
                .arg(
                    Arg::new("file")
                        .value_name("FILE")
                        .required(true)
                        .value_hint(ValueHint::FilePath)
                        .value_parser(value_parser!(PathBuf)),
                )
                .arg(
                    switch(
                        "append",
                        "Put it last: it only opens, until all hosts have it",
                    )
                    .conflicts_with("promote"),
                )
                .arg(switch(
                    "promote",
                    "Make no key, but let the last one be the first",
                )),
        )
}

/// Serves, checks, shows, or makes keys.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    match arguments.subcommand() {
        Some(("key", arguments)) => key(arguments),
        Some(("status", arguments)) => status::show(path_of(arguments), arguments.get_flag("json")),
        Some(("flush", arguments)) => {
            let namespace = arguments.get_one::<String>("namespace");
            sessions::flush(path_of(arguments), namespace.map(String::as_str))
        }
        _ if arguments.get_flag("check") => check::check(path_of(arguments)),
        _ => serve::serve(path_of(arguments)),
    }
}

fn path_of(arguments: &ArgMatches) -> &Path {
    let path = arguments.get_one::<PathBuf>("config");
    path.map_or(Path::new(config::PLACE), PathBuf::as_path)
}

fn key(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let Some(("rotate", arguments)) = arguments.subcommand() else {
        let line = keyring::new_line()?;
        let mut out = stdout();
        // What a terminal shows stays in its memory, and may be seen.
        if out.is_terminal() {
            eprintln!(
                "# This is secret. Put it into a file: (umask 077 && sslcache agent key new >FILE)"
            );
        }
        let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        written
            .map_err(|error| Failure::new("stdout", error, "name a file that can be written"))?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(file) = arguments.get_one::<PathBuf>("file") else {
        return Ok(ExitCode::from(2));
    };
    let next = match (arguments.get_flag("append"), arguments.get_flag("promote")) {
        (true, _) => {
            keyring::change(file, Change::NewLast)?;
            "copy it to all hosts and restart each agent, then: sslcache agent key rotate --promote"
        }
        (_, true) => {
            keyring::change(file, Change::LastToFirst)?;
            "copy it to all hosts and restart each agent; after a day the old key can go"
        }
        _ => {
            keyring::rotate(file)?;
            "copy it to all hosts at once and restart each agent: without the new key they do not share with this one"
        }
    };
    println!("{} is changed: {next}", secret::shown(file));
    Ok(ExitCode::SUCCESS)
}
