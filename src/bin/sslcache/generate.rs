//! `sslcache generate`: makes shell completions and manual pages from the command line. For the build, and hidden in the help.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
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

/// Where bash's completions begin to look at the subcommand.
const BASH_CASES: &str = "    case \"${cmd}\" in\n        sslcache)";

fn write_completions(folder: &Path) -> io::Result<()> {
    let whole = without_file_names(visible());
    for (shell, place) in [
        (Shell::Bash, "bash-completion/completions/sslcache"),
        (Shell::Zsh, "zsh/site-functions/_sslcache"),
        (Shell::Fish, "fish/vendor_completions.d/sslcache.fish"),
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut whole.clone(), "sslcache", &mut text);
        match shell {
            Shell::Bash => {
                let known = String::from_utf8_lossy(&text);
                if !known.contains(BASH_CASES) {
                    return Err(io::Error::other(
                        "clap_complete writes bash's completions in another way now",
                    ));
                }
                let own = format!("{}{BASH_CASES}", besides_for_bash(&whole));
                text = known.replacen(BASH_CASES, &own, 1).into_bytes();
            }
            Shell::Fish => text.extend(positionals_for_fish(&whole).bytes()),
            _ => {}
        }
        write(&folder.join(place), &text)?;
    }
    Ok(())
}

/// The same command line with no file names offered, but for an argument that says it is one, or a program with its
/// arguments.
fn without_file_names(command: Command) -> Command {
    let takes_value = |arg: &Arg| {
        let number = arg.get_num_args();
        arg.get_action().takes_values() && number.is_none_or(|number| number.takes_values())
    };
    let command = command.mut_args(|arg| match arg.get_value_hint() {
        ValueHint::Unknown if takes_value(&arg) => arg.value_hint(ValueHint::Other),
        _ => arg,
    });
    command.mut_subcommands(without_file_names)
}

/// True if what is written behind a subcommand may be a file.
fn takes_files(command: &Command) -> bool {
    command
        .get_positionals()
        .any(|arg| arg.get_value_hint() != ValueHint::Other)
}

/// The subcommands below `command`, by bash's names for them, whose arguments may be files.
fn takers_of_files(command: &Command, name: &str) -> Vec<String> {
    let mut takers = Vec::new();
    for below in command.get_subcommands() {
        let name = format!("{name}__subcmd__{}", below.get_name());
        takers.extend(takers_of_files(below, &name));
        if takes_files(below) {
            takers.push(name);
        }
    }
    takers
}

/// What bash has to be told besides. It offers the names of files where a function offers nothing, unless told not to; and to
/// it NAME=VALUE is three words.
fn besides_for_bash(whole: &Command) -> String {
    let name_of = |command: &Command| format!("sslcache__subcmd__{}", command.get_name());
    let takers = takers_of_files(whole, "sslcache");
    let mut text = format!(
        "    if [[ \"${{prev}}\" == \"=\" && ${{COMP_CWORD}} -ge 2 ]]; then\n        prev=\"${{COMP_WORDS[COMP_CWORD-2]}}\"\n    fi\n    \
         case \"${{cmd}}\" in\n        {}) ;;\n        *) compopt +o bashdefault +o default 2>/dev/null ;;\n    esac\n",
        takers.join(" | ")
    );
    for command in whole.get_subcommands() {
        let mut values = BTreeMap::<String, Vec<String>>::new();
        for value in words_of(command) {
            if let Some((name, value)) = value.split_once('=') {
                values.entry(name.into()).or_default().push(value.into());
            }
        }
        for (name, values) in values {
            text += &format!(
                "    if [[ \"${{cmd}},${{prev}}\" == \"{},{name}\" ]]; then\n        COMPREPLY=( $(compgen -W \"{}\" -- \
                 \"${{cur#=}}\") )\n        return 0\n    fi\n",
                name_of(command),
                values.join(" ")
            );
        }
    }
    text
}

/// The words that are offered for what is written behind a subcommand.
fn words_of(command: &Command) -> Vec<String> {
    let values = command
        .get_positionals()
        .flat_map(|arg| arg.get_possible_values());
    values.map(|value| value.get_name().to_owned()).collect()
}

/// What is written behind a subcommand, which clap_complete leaves to fish, and fish to the names of files.
fn positionals_for_fish(whole: &Command) -> String {
    let mut text = String::new();
    for command in whole.get_subcommands() {
        if takes_files(command) {
            continue;
        }
        text += &format!(
            "complete -c sslcache -n \"__fish_sslcache_using_subcommand {}\" -f -a \"{}\"\n",
            command.get_name(),
            words_of(command).join(" ")
        );
    }
    text
}

fn write_manuals(folder: &Path) -> io::Result<()> {
    // `sslcache help` has no page to refer to.
    let mut whole = visible().disable_help_subcommand(true);
    whole.build();
    write_manual(folder, &whole, "sslcache", "sslcache(7)")
}

/// The page of a command, and those of its subcommands.
fn write_manual(folder: &Path, command: &Command, name: &str, also: &str) -> io::Result<()> {
    for below in command.get_subcommands() {
        let name = format!("{name}-{}", below.get_name());
        write_manual(folder, below, &name, "sslcache(1), sslcache(7)")?;
    }
    let mut text = Vec::new();
    // The page has the name by which man(1) finds it.
    let command = command
        .clone()
        .name(name.to_owned())
        .display_name(name.to_owned());
    let examples = command.get_after_help().map(ToString::to_string);
    let command = command.after_help(Resettable::Reset);
    Man::new(command).manual("sslcache").render(&mut text)?;
    if let Some(examples) = examples {
        write_examples(&examples, &mut text)?;
    }
    writeln!(text, ".SH \"SEE ALSO\"\n{also}")?;
    write(&folder.join(format!("man/man1/{name}.1")), &text)
}

/// The end of a command's help, whose lines stay lines. clap_mangen would make one paragraph of them, and call it EXTRA.
fn write_examples(text: &str, out: &mut Vec<u8>) -> io::Result<()> {
    let (heading, lines) = match text.split_once('\n') {
        Some((first, lines)) if first.starts_with("Example") => ("EXAMPLES", lines),
        _ => ("NOTES", text),
    };
    writeln!(out, ".SH {heading}\n.nf")?;
    for line in lines.lines() {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        writeln!(out, "\\&{}", line.replace('\'', "\\(aq"))?;
    }
    writeln!(out, ".fi")
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
