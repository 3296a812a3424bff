//! sslcache, the command-line tool: it runs programs with the cache, tells whether the cache reaches them, and shows what the
//! cache does.
//!
//! Each subcommand has a file: `run`, `doctor`, `test`, `stat`, `top`, `exporter`, `agent`, `flush`, `keys`, `bench`, `enable`,
//! `generate`. `version` is the text of `--version`. They share these:
//! * `http` serves pages of text. `failure` is a failure: the thing that failed, the reason, the remedy.
//! * `processes` finds the processes that write a stats page, `unit` the services that they belong to, `regions` opens a shared
//!   region.
//! * `offered` takes any text, and offers words for it to shells.
//! * `installed` finds the libraries that were installed with this tool, `program` examines a program that is to be run.
//! * `libssl` loads a libssl, whose functions `bench` and `test` call.
//!
//! Exit codes: 0 all is well, 1 something needs attention, 2 the question cannot be answered or the action failed. `run`
//! leaves them to the program.

#[cfg(feature = "agent")]
mod agent;
mod bench;
mod doctor;
mod enable;
mod exporter;
mod failure;
mod flush;
mod generate;
mod hexadecimal;
mod hosts;
mod http;
mod installed;
mod keys;
mod libssl;
mod offered;
mod processes;
mod program;
mod regions;
mod run;
mod stat;
mod test;
mod top;
mod unit;
mod version;

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use failure::Failure;

/// A subcommand: its command line and its function.
struct Subcommand {
    command: fn() -> Command,
    run: fn(&ArgMatches) -> Result<ExitCode, Failure>,
}

static SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        command: run::command,
        run: run::run,
    },
    Subcommand {
        command: doctor::command,
        run: doctor::run,
    },
    Subcommand {
        command: test::command,
        run: test::run,
    },
    Subcommand {
        command: stat::command,
        run: stat::run,
    },
    Subcommand {
        command: top::command,
        run: top::run,
    },
    Subcommand {
        command: exporter::command,
        run: exporter::run,
    },
    #[cfg(feature = "agent")]
    Subcommand {
        command: agent::command,
        run: agent::run,
    },
    Subcommand {
        command: flush::command,
        run: flush::run,
    },
    Subcommand {
        command: keys::command,
        run: keys::run,
    },
    Subcommand {
        command: bench::command,
        run: bench::run,
    },
    Subcommand {
        command: enable::enable_command,
        run: enable::enable,
    },
    Subcommand {
        command: enable::disable_command,
        run: enable::disable,
    },
    Subcommand {
        command: generate::command,
        run: generate::run,
    },
];

/// The whole command line, from which help, completions and manual pages are generated.
fn command() -> Command {
    without_subcommands().subcommands(SUBCOMMANDS.iter().map(|subcommand| (subcommand.command)()))
}

fn without_subcommands() -> Command {
    Command::new("sslcache")
        // Not clap's own option, which ends before it sees that there is another one.
        .disable_version_flag(true)
        .args_conflicts_with_subcommands(true)
        .arg(
            Arg::new("version")
                .short('V')
                .long("version")
                .action(ArgAction::SetTrue)
                .help("Print the version"),
        )
        .arg(
            Arg::new("verbose")
                .short('v')
                .long("verbose")
                .requires("version")
                .action(ArgAction::SetTrue)
                .help("With --version: also the libraries, the settings file and the folders that are found"),
        )
        .about("A session cache in place of libssl's own: run programs with it, and see what it does")
        .long_about(
            "A session cache in place of libssl's own: run programs with it, and see what it does.\n\n\
             Exit codes: 0 fine, 1 there is something to see to, 2 it cannot be told or done. Those of `sslcache run` \
             are in its own help.",
        )
        .arg_required_else_help(true)
        .max_term_width(100)
}

fn main() -> ExitCode {
    // A reader that closes the pipe, as `head` does, ends this tool like any other.
    // SAFETY: there is no other thread yet, and SIG_DFL is no function.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let matches = command().get_matches();
    let Some((name, arguments)) = matches.subcommand() else {
        // Without a subcommand there is an option, and this one is the only one that can stand alone.
        match matches.get_flag("verbose") {
            true => print!("{}", version::long()),
            false => print!("{}", version::short()),
        }
        return ExitCode::SUCCESS;
    };
    let wanted = SUBCOMMANDS
        .iter()
        .find(|subcommand| (subcommand.command)().get_name() == name);
    match wanted.map(|subcommand| (subcommand.run)(arguments)) {
        Some(Ok(code)) => code,
        Some(Err(failure)) => {
            eprintln!("sslcache {name}: {failure}");
            ExitCode::from(failure.code())
        }
        None => ExitCode::from(2),
    }
}
