//! `sslcache enable` and `sslcache disable`: the drop-in by which systemd starts a service with the cache.
//!
//! * `unit` reads the units of systemd, `words` their values, `file` any file of theirs.
//! * `asked` are the settings that were asked for.
//! * `known` are the services with a text of their own; `drop_in` makes the text, and writes and removes the file.
//! * `gain` judges whether the service can gain by it, `environment` what else in the unit sets the same variables, and
//!   `verify` asks systemd about the finished unit.

mod asked;
mod drop_in;
mod environment;
mod file;
mod gain;
mod known;
mod unit;
mod verify;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::StringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use crate::failure::Failure;
use crate::installed;
use crate::offered::Offered;
use asked::{Asked, assignments};
use drop_in::{Found, PRELOAD, Text, is_plain};
use gain::Gain;
use unit::{Name, Unit};

/// The text that stands for the folder of the libraries.
const LIBDIR: &str = "@LIBDIR@";

const LONG_ENABLE: &str = "\
Writes /etc/systemd/system/UNIT.service.d/sslcache.conf, by which systemd starts a service with sslcache preloaded, and \
with these settings. For nginx, apache2, haproxy and dovecot the file has the settings that suit them, and says what else \
their own configuration needs. What the unit itself preloads stays.

Nothing is restarted: the service changes when you restart it.

A service that would gain nothing is refused, with the reason: one whose program has no libssl, or cannot be reached, or \
whose sessions and tickets are kept elsewhere. --force writes the file all the same.

The settings are those of sslcache(7), such as ticket_keys=shared or SSLCACHE_TICKET_KEYS=shared. With region=auto, \
systemd makes a folder for the region, which outlives a restart of the service.

Exit codes: 0 done; 1 refused, there is something to see to; 2 it cannot be done.";

const LONG_DISABLE: &str = "\
Takes the file away that `sslcache enable` wrote, also if it was edited since, and the region that region=auto made.

Nothing is restarted: the service changes when you restart it.";

/// The command line of `enable`.
pub fn enable_command() -> Command {
    Command::new("enable")
        .about("Have systemd start a service with sslcache")
        .long_about(LONG_ENABLE)
        .after_help(
            "Examples:\n  sslcache enable nginx\n  sslcache enable gunicorn@blue group=certificate ticket_keys=shared\n  \
             sslcache enable stunnel4 --region",
        )
        .args(arguments())
        .arg(
            Arg::new("settings")
                .value_name("NAME=VALUE")
                .num_args(0..)
                .value_parser(Offered::new(StringValueParser::new(), assignments()))
                .hide_possible_values(true)
                .help("Settings for the service"),
        )
        .arg(
            Arg::new("region")
                .long("region")
                .action(ArgAction::SetTrue)
                .help("The same as region=auto: a region in a folder that systemd makes"),
        )
        .arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Write the file although the service is not there or gains nothing, and over an older one"),
        )
}

/// The command line of `disable`.
pub fn disable_command() -> Command {
    Command::new("disable")
        .about("Have systemd start a service without sslcache again")
        .long_about(LONG_DISABLE)
        .args(arguments())
}

fn arguments() -> [Arg; 2] {
    [
        Arg::new("unit")
            .value_name("UNIT")
            .required(true)
            .value_parser(Offered::new(
                StringValueParser::new(),
                known::NAMES.iter().copied(),
            ))
            .hide_possible_values(true)
            .help(
                "The service: nginx, nginx.service, gunicorn@blue, or gunicorn@ for all instances",
            ),
        Arg::new("root")
            .long("root")
            .value_name("FOLDER")
            .default_value("/")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::DirPath)
            .help("The system that is meant, such as an image that is mounted there"),
    ]
}

/// The service that is meant.
struct Meant<'a> {
    name: Name,
    root: &'a Path,
    /// The drop-in.
    file: PathBuf,
}

impl<'a> Meant<'a> {
    fn of(arguments: &'a ArgMatches) -> Result<Self, Failure> {
        let written = arguments
            .get_one::<String>("unit")
            .map_or("", String::as_str);
        let root = arguments
            .get_one::<PathBuf>("root")
            .map_or(Path::new("/"), PathBuf::as_path);
        let name = Name::read(known::unit_of(written))?;
        let file = root.join(name.drop_in());
        Ok(Self { name, root, file })
    }

    fn advise(&self) {
        println!(
            "    systemctl daemon-reload && systemctl restart {}",
            self.restarted()
        );
    }

    /// What systemctl(1) is given to restart it.
    fn restarted(&self) -> String {
        match self.name.is_template() {
            true => format!("'{}*'", self.name.bare()),
            false => self.name.bare().to_owned(),
        }
    }

    /// A failure of this service, about which there is something to see to.
    fn refuse<T>(
        &self,
        reason: impl std::fmt::Display,
        remedy: impl std::fmt::Display,
    ) -> Result<T, Failure> {
        Err(Failure::new(self.name.bare(), reason, remedy).with_code(1))
    }
}

/// Writes the drop-in.
pub fn enable(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let meant = Meant::of(arguments)?;
    let is_forced = arguments.get_flag("force");
    let asked = Asked::of(arguments)?;
    let unit = Unit::read(meant.root, &meant.name);
    let known = known::service(&meant.name);
    let mut notes = Vec::new();
    if !is_forced {
        notes.extend(doubts(&meant, unit.as_ref(), known)?);
    }
    let text = text(&meant, &asked, unit.as_ref(), known)?;
    if let Some(unit) = &unit
        && !is_forced
    {
        let variables = text
            .active()
            .filter_map(|line| line.strip_prefix("Environment="));
        let names = variables.filter_map(|line| line.trim_start_matches('"').split('=').next());
        for variable in names {
            if let Some((reason, remedy)) = environment::overruled(meant.root, unit, variable) {
                return meant.refuse(reason, remedy);
            }
        }
    }
    let before = drop_in::look(&meant.file)?;
    let finished = text.finish();
    if let Found::Ours(found) = &before {
        if *found == finished {
            println!(
                "{}: enabled already. If it was not restarted since:",
                meant.name.bare()
            );
            meant.advise();
            return Ok(ExitCode::SUCCESS);
        }
        if !is_forced {
            return Err(Failure::new(
                meant.file.display(),
                "is there, and differs from what was asked for",
                format_args!(
                    "keep it, or write it anew with --force: {}",
                    asked.command(&meant.name)
                ),
            )
            .with_code(1));
        }
    }
    drop_in::write(&meant.file, &finished)?;
    if let Some(finding) = verify::findings(meant.root, &meant.name, &meant.file)
        .into_iter()
        .next()
    {
        match before {
            Found::Nothing => drop_in::remove(&meant.file)?,
            Found::Ours(old) => drop_in::write(&meant.file, &old)?,
        }
        let remedy = "nothing was changed; write a drop-in yourself, and please report this";
        return Err(Failure::new(
            meant.name.bare(),
            format_args!("systemd refuses it: {finding}"),
            remedy,
        ));
    }

    println!(
        "{}: enabled, by {}",
        meant.name.bare(),
        meant.file.display()
    );
    for line in text.active() {
        println!("    {line}");
    }
    for note in notes
        .iter()
        .map(String::as_str)
        .chain(known.and_then(|service| service.note))
    {
        println!("{note}");
    }
    match known {
        Some(_) => println!("The file says what else the service may need. To apply it:"),
        None => println!("To apply it:"),
    }
    meant.advise();
    Ok(ExitCode::SUCCESS)
}

/// Refuses a service that is not there or gains nothing. What is left to be said otherwise is returned.
fn doubts(
    meant: &Meant<'_>,
    unit: Option<&Unit>,
    known: Option<&known::Service>,
) -> Result<Option<String>, Failure> {
    if let Some(reason) = known.and_then(|service| service.gains_nothing) {
        return meant.refuse(
            reason,
            "leave it as it is; --force writes the file all the same",
        );
    }
    let Some(unit) = unit else {
        let remedy = "correct the name (systemctl list-units --type=service), or use --force if it comes later";
        return meant.refuse("there is no such service here", remedy);
    };
    if unit.last("RootDirectory").is_some() || unit.last("RootImage").is_some() {
        let remedy = "bring the library in there (BindReadOnlyPaths=), and use --force";
        return meant.refuse(
            "it runs in a root of its own (RootDirectory=, RootImage=), without the library",
            remedy,
        );
    }
    match gain::judge(meant.root, unit, known.is_some()) {
        Gain::Possible => Ok(None),
        Gain::Unclear(why) => Ok(Some(format!(
            "Whether it gains is not clear: {why}. Once it is restarted: sslcache doctor --pid N"
        ))),
        Gain::None((reason, remedy)) => meant.refuse(reason, remedy),
    }
}

/// The text of the drop-in.
fn text(
    meant: &Meant<'_>,
    asked: &Asked,
    unit: Option<&Unit>,
    known: Option<&known::Service>,
) -> Result<Text, Failure> {
    let ours = installed::libraries()?.preload;
    let Some(ours) = ours.to_str().filter(|path| path.chars().all(is_plain)) else {
        return Err(Failure::new(
            ours.display(),
            "its name cannot be written into LD_PRELOAD",
            "install sslcache in a folder with a plain name",
        ));
    };
    let template = match known {
        Some(service) => service.text.to_owned(),
        None => known::TEXT_OF_OTHERS
            .replace("@UNIT@", meant.name.bare())
            .replace("@RUNTIME@", &meant.name.runtime_folder())
            .replace("@RESTART@", &meant.restarted()),
    };
    let folder = ours.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut text = Text::new(&template.replace(LIBDIR, folder));
    text.set_variable(PRELOAD, &environment::preload_list(unit, ours)?);
    for (setting, value) in &asked.values {
        text.set_variable(&setting.variable(), &value.replace('%', "%%"));
    }
    if asked.has_region {
        text.make_region(&meant.name, unit);
    }
    Ok(text)
}

/// Removes the drop-in.
pub fn disable(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let meant = Meant::of(arguments)?;
    if let Found::Nothing = drop_in::look(&meant.file)? {
        println!("{}: not enabled", meant.name.bare());
        return Ok(ExitCode::SUCCESS);
    }
    drop_in::remove(&meant.file)?;
    drop_in::remove_region(meant.root, &meant.name);
    println!(
        "{}: disabled; {} is gone. To apply it:",
        meant.name.bare(),
        meant.file.display()
    );
    meant.advise();
    Ok(ExitCode::SUCCESS)
}
