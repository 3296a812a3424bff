//! `sslcache generate`: makes shell completions and manual pages from the command line. For the build, and hidden in the help.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::failure::Failure;

/// The command line.
pub fn command() -> Command {
    Command::new("generate")
        .about("Write shell completions and manual pages")
        .hide(true)
        .arg(
            Arg::new("folder")
                .value_name("FOLDER")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Where they go, as in /usr/share"),
        )
}

/// Writes each file to its usual place below a share folder.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    if let Some(folder) = arguments.get_one::<PathBuf>("folder") {
        let written = write_completions(folder).and_then(|()| write_manuals(folder));
        written.map_err(|error| {
            Failure::new(folder.display(), error, "name a folder that can be written")
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_completions(folder: &Path) -> io::Result<()> {
    for (shell, place) in [
        (Shell::Bash, "bash-completion/completions/sslcache"),
        (Shell::Zsh, "zsh/site-functions/_sslcache"),
        (Shell::Fish, "fish/vendor_completions.d/sslcache.fish"),
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut visible(), "sslcache", &mut text);
        write(&folder.join(place), &text)?;
    }
    Ok(())
}

fn write_manuals(folder: &Path) -> io::Result<()> {
    // `sslcache help` has no page to refer to.
    let mut whole = visible().disable_help_subcommand(true);
    whole.build();
    for command in [&whole].into_iter().chain(whole.get_subcommands()) {
        let (name, also) = match command.get_name() {
            "sslcache" => ("sslcache".to_owned(), "sslcache(7)"),
            name => (format!("sslcache-{name}"), "sslcache(1), sslcache(7)"),
        };
        let mut text = Vec::new();
        // The page has the name by which man(1) finds it.
        let command = command
            .clone()
            .name(name.clone())
            .display_name(name.clone());
        Man::new(command).manual("sslcache").render(&mut text)?;
        writeln!(text, ".SH \"SEE ALSO\"\n{also}")?;
        write(&folder.join(format!("man/man1/{name}.1")), &text)?;
    }
    Ok(())
}

/// The command line without its hidden parts, which completions would show.
fn visible() -> Command {
    let whole = crate::command();
    let shown: Vec<_> = whole
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .cloned()
        .collect();
    crate::without_subcommands().subcommands(shown)
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}
