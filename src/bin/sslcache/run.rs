//! `sslcache run`: runs a program with the cache.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, ExitCode};

use clap::builder::{OsStringValueParser, PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};

use sslcache::config::{SETTINGS, Setting};

use crate::failure::Failure;
use crate::installed::{self, Installed};
use crate::offered::Offered;
use crate::program::{Libssl, Linking, Privilege, Program};

/// The form in which the cache is loaded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Auto,
    Preload,
    Libssl,
}

/// The forms as they are written, each with its help.
static FORMS: [(&str, Form, &str); 3] = [
    ("auto", Form::Auto, "by what the program is linked with"),
    ("preload", Form::Preload, "libsslcache.so.0, by LD_PRELOAD"),
    (
        "libssl",
        Form::Libssl,
        "a libssl in front of the host's, by LD_LIBRARY_PATH",
    ),
];

/// The exit codes of env(1) and its kind, which leave all others to the program.
const REFUSED: u8 = 125;

const LONG: &str = "\
Runs a program with the cache in it, in place of this process: no other one stays behind.

How the cache comes in is chosen by the program. One that is linked with libssl gets it preloaded: whatever libssl it \
has, there ours stands in front. One that is not, such as an interpreter that loads libssl as it runs, gets a libssl \
that stands in front of the host's, because what is looked up in a library that was loaded by name never comes to a \
preloaded one; programs that it starts itself are reached, too. Of a script, its interpreter counts.

Each setting is also an option. What the environment and /etc/sslcache.toml say holds where no option is given; a \
wrong value is refused before anything is run.

Exit codes: the program's own; 125 it is not run, because a value is wrong or the cache cannot come into it; 126 it \
cannot be executed; 127 it is not there; 2 there is no such option.";

/// The command line.
pub fn command() -> Command {
    let mut command = Command::new("run")
        .about("Run a program with the cache in it")
        .long_about(LONG)
        .override_usage("sslcache run [OPTIONS] [--] PROGRAM [ARGUMENT]...")
        .after_help("Example:\n  sslcache run --group certificate -- nginx -g 'daemon off;'")
        .arg(
            Arg::new("form")
                .long("form")
                .default_value("auto")
                .value_parser(PossibleValuesParser::new(
                    FORMS.map(|(name, _, help)| PossibleValue::new(name).help(help)),
                ))
                .help("How the cache comes in"),
        )
        .arg(
            Arg::new("command")
                .value_name("PROGRAM")
                .required(true)
                .num_args(1..)
                .trailing_var_arg(true)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::CommandWithArguments)
                .help("The program and its arguments, best after --"),
        );
    for setting in &SETTINGS {
        command = command.arg(option_of(setting));
    }
    command
}

fn option_of(setting: &'static Setting) -> Arg {
    let option = Arg::new(setting.name)
        .long(setting.name.replace('_', "-"))
        .value_name("VALUE")
        .help_heading("Settings")
        .help(format!(
            "{} Value: {}; default: {}",
            setting.meaning, setting.unit, setting.default
        ));
    let option = match setting.words {
        [] if setting.unit.contains("path") => option
            .value_parser(OsStringValueParser::new())
            .value_hint(ValueHint::FilePath),
        words => option
            .value_parser(Offered::new(
                OsStringValueParser::new(),
                words.iter().copied(),
            ))
            .hide_possible_values(true),
    };
    if setting.is_switch() {
        option
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("1")
    } else {
        option
    }
}

/// Executes the program. Returns only if that fails.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let asked = arguments.get_one::<String>("form");
    let known = FORMS
        .iter()
        .find(|(name, ..)| asked.is_some_and(|asked| asked == name));
    let form = known.map_or(Form::Auto, |(_, form, _)| *form);
    let mut words = arguments
        .get_many::<OsString>("command")
        .into_iter()
        .flatten();
    let Some(name) = words.next() else {
        return Ok(ExitCode::from(REFUSED));
    };
    let settings = settings(arguments)?;
    let libraries = installed::libraries().map_err(|failure| failure.with_code(REFUSED))?;
    let program = Program::read(name)?;
    refuse_what_cannot_be(&program).map_err(|failure| failure.with_code(REFUSED))?;
    // By its path, so that the file that was examined is the one that is executed.
    let mut command = process::Command::new(program.script.as_ref().unwrap_or(&program.path));
    command.arg0(name).args(words).envs(settings);
    bring_in(&mut command, form_for(form, &program), &libraries, &program)
        .map_err(|failure| failure.with_code(REFUSED))?;
    let error = command.exec();
    Err(Failure::new(name.display(), error, "can it be run without sslcache?").with_code(126))
}

/// The environment variables of the settings that were given as options.
fn settings(arguments: &ArgMatches) -> Result<Vec<(String, OsString)>, Failure> {
    let mut variables = Vec::new();
    for setting in &SETTINGS {
        let Some(text) = arguments.get_one::<OsString>(setting.name) else {
            continue;
        };
        setting.check(text).map_err(|(reason, remedy)| {
            let option = format!("--{}={}", setting.name.replace('_', "-"), text.display());
            Failure::new(option, reason, remedy).with_code(REFUSED)
        })?;
        variables.push((setting.variable(), text.clone()));
    }
    Ok(variables)
}

/// The reason why the cache cannot reach a program, and the remedy.
pub fn obstacle(program: &Program) -> Option<(&'static str, &'static str)> {
    match (&program.linking, &program.libssl) {
        (Linking::OtherMachine, _) => Some((
            "built for another kind of processor than this sslcache",
            "build sslcache for it (CARGO_BUILD_TARGET), or take the program for this machine",
        )),
        (Linking::OtherLoader(_), _) => Some((
            "linked with another C library than glibc",
            "take the program of a distribution with glibc",
        )),
        (_, Libssl::OfGo) => Some((
            "a Go program, with Go's own TLS",
            "let a server that uses libssl, such as nginx or haproxy, do TLS in front of it",
        )),
        (Linking::Static, _) => Some((
            "statically linked, so no library can come into it",
            "take a dynamically linked build of it",
        )),
        (Linking::Dynamic, Libssl::Inside) => Some((
            "libssl is linked into it, where nothing can stand in front of it",
            "take a build that uses the system's libssl (many have --shared-openssl or the like)",
        )),
        _ => None,
    }
}

fn refuse_what_cannot_be(program: &Program) -> Result<(), Failure> {
    let shown = program.path.display();
    if let Some((reason, remedy)) = obstacle(program) {
        return Err(Failure::new(shown, reason, remedy));
    }
    if !program.is_privileged_for_us() {
        return Ok(());
    }
    let reason = match program.privilege {
        Some(Privilege::Capabilities) => {
            "has file capabilities, and the loader lets nothing into such a program"
        }
        _ => {
            "is a set-user-ID or set-group-ID program, and the loader lets nothing into such a program"
        }
    };
    Err(Failure::new(
        shown,
        reason,
        "run it as the user whose rights it takes, or let a service manager give it the rights",
    ))
}

/// The form for a program if no option names one.
fn form_for(asked: Form, program: &Program) -> Form {
    match (asked, &program.libssl) {
        (Form::Auto, Libssl::Linked { .. }) => Form::Preload,
        (Form::Auto, _) => Form::Libssl,
        (asked, _) => asked,
    }
}

fn bring_in(
    command: &mut process::Command,
    form: Form,
    libraries: &Installed,
    program: &Program,
) -> Result<(), Failure> {
    let name = match &program.libssl {
        Libssl::Linked { name, .. } => name,
        _ => libraries.name_in_front(),
    };
    let (variable, value) = match form {
        Form::Preload => ("LD_PRELOAD", libraries.preload.as_path()),
        _ => ("LD_LIBRARY_PATH", libraries.in_front(name)?),
    };
    command.env(variable, before(value, env::var_os(variable).as_deref()));
    Ok(())
}

/// A list of paths: `first`, then the value that the variable had before.
fn before(first: &Path, rest: Option<&OsStr>) -> OsString {
    let mut list = first.as_os_str().to_owned();
    if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
        list.push(":");
        list.push(rest);
    }
    list
}
