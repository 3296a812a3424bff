//! `sslcache enable` and `sslcache disable`: the drop-in by which systemd starts a service with the cache.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command, value_parser};

use crate::failure::Failure;
use crate::installed;

/// A service that has a drop-in.
struct Service {
    name: &'static str,
    /// The unit, without `.service`.
    unit: &'static str,
    /// The drop-in that packages install as documentation, with [`PRELOAD`] in place of the library's path.
    text: &'static str,
    /// The reason why the drop-in alone does not change where the service keeps its sessions, if there is one.
    note: Option<&'static str>,
}

/// Declares a service: its name, its unit, its note, and the file of [`Service::text`].
macro_rules! service {
    ($name:literal, $unit:literal, $note:expr) => {
        Service {
            name: $name,
            unit: $unit,
            text: include_str!(concat!("../../../packaging/systemd/", $name, ".conf")),
            note: $note,
        }
    };
}

static SERVICES: [Service; 5] = [
    service!("nginx", "nginx", None),
    service!("apache2", "apache2", Some(CACHE_OF_ITS_OWN)),
    service!("haproxy", "haproxy", Some(CACHE_OF_ITS_OWN)),
    service!(
        "postfix",
        "postfix@",
        Some("It keeps its sessions in a database of its own, to which sslcache adds nothing.")
    ),
    service!("dovecot", "dovecot", None),
];

const CACHE_OF_ITS_OWN: &str =
    "It has a cache of its own: sslcache has sessions to keep once that is switched off.";

const PRELOAD: &str = "@LIBDIR@/libsslcache.so.0";

/// The beginning of a file of ours. The purge of the Debian package recognises it by this as well.
const MARK: &[u8] = b"# sslcache for ";

/// The folder in which systemd looks for the units of a machine.
const UNITS: [&str; 4] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

const LONG_ENABLE: &str = "\
Writes /etc/systemd/system/SERVICE.service.d/sslcache.conf, by which systemd starts the service with sslcache \
preloaded. The file says what else the configuration of the service needs, and which settings suit it.

Nothing is restarted: the service changes when you restart it.";

const LONG_DISABLE: &str = "\
Takes the file away that `sslcache enable` wrote, also if it was edited since.

Nothing is restarted: the service changes when you restart it.";

/// The command line of `enable`.
pub fn enable_command() -> Command {
    Command::new("enable")
        .about("Have systemd start a service with sslcache")
        .long_about(LONG_ENABLE)
        .args(arguments())
}

/// The command line of `disable`.
pub fn disable_command() -> Command {
    Command::new("disable")
        .about("Have systemd start a service without sslcache again")
        .long_about(LONG_DISABLE)
        .args(arguments())
}

fn arguments() -> [Arg; 2] {
    let names = SERVICES.iter().map(|service| service.name);
    [
        Arg::new("service")
            .value_name("SERVICE")
            .required(true)
            .value_parser(PossibleValuesParser::new(names))
            .help("The service"),
        Arg::new("root")
            .long("root")
            .value_name("FOLDER")
            .default_value("/")
            .value_parser(value_parser!(PathBuf))
            .help("The system that is meant, such as an image that is mounted there"),
    ]
}

/// The service, its file and the root.
fn meant(arguments: &ArgMatches) -> Option<(&'static Service, PathBuf, &Path)> {
    let name = arguments.get_one::<String>("service")?;
    let root = arguments.get_one::<PathBuf>("root")?;
    let service = SERVICES.iter().find(|service| service.name == name)?;
    let file = format!("{}/{}.service.d/sslcache.conf", UNITS[0], service.unit);
    Some((service, root.join(file), root))
}

/// Writes the drop-in.
pub fn enable(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let Some((service, file, root)) = meant(arguments) else {
        return Ok(ExitCode::from(2));
    };
    let text = text(service, &installed::libraries()?.preload)?;
    match fs::read(&file) {
        Ok(found) if found == text.as_bytes() => {
            println!("{}: enabled already", service.name);
            return Ok(ExitCode::SUCCESS);
        }
        Ok(found) if found.starts_with(MARK) => {
            let remedy = format!(
                "keep it, or begin anew: sslcache disable {} && sslcache enable {0}",
                service.name
            );
            return Err(Failure::new(
                file.display(),
                "differs from what this sslcache writes",
                remedy,
            )
            .with_code(1));
        }
        Ok(_) => return Err(not_ours(&file)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(denied(&file, error)),
    }
    write(&file, &text).map_err(|error| denied(&file, error))?;

    println!("{}: enabled, by {}", service.name, file.display());
    if !has_unit(root, service) {
        println!(
            "There is no {}.service here: the file counts once there is.",
            service.unit
        );
    }
    if let Some(note) = service.note {
        println!("{note}");
    }
    println!("The file says what else the service needs. Then let it count:");
    advise(service);
    Ok(ExitCode::SUCCESS)
}

/// Removes the drop-in.
pub fn disable(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let Some((service, file, _)) = meant(arguments) else {
        return Ok(ExitCode::from(2));
    };
    match fs::read(&file) {
        Ok(found) if found.starts_with(MARK) => {}
        Ok(_) => return Err(not_ours(&file)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("{}: not enabled", service.name);
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => return Err(denied(&file, error)),
    }
    fs::remove_file(&file).map_err(|error| denied(&file, error))?;
    if let Some(folder) = file.parent() {
        // A folder with other drop-ins stays.
        let _ = fs::remove_dir(folder);
    }
    println!(
        "{}: disabled; {} is gone. Let it count:",
        service.name,
        file.display()
    );
    advise(service);
    Ok(ExitCode::SUCCESS)
}

fn advise(service: &Service) {
    println!(
        "    systemctl daemon-reload && systemctl restart {}",
        service.name
    );
}

/// The drop-in for the library at `preload`.
fn text(service: &Service, preload: &Path) -> Result<String, Failure> {
    // A blank or a colon would end the name in LD_PRELOAD; the other characters have a meaning to systemd.
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !":%\"'\\$".contains(c);
    match preload.to_str() {
        Some(path) if path.chars().all(is_plain) => Ok(service.text.replace(PRELOAD, path)),
        _ => Err(Failure::new(
            preload.display(),
            "its name cannot be written into LD_PRELOAD",
            "install sslcache in a folder with a plain name",
        )),
    }
}

fn has_unit(root: &Path, service: &Service) -> bool {
    UNITS
        .iter()
        .map(|folder| root.join(format!("{folder}/{}.service", service.unit)))
        .any(|unit| unit.exists())
}

/// Writes a file, and makes its folder if there is none. systemd sees the whole file or nothing.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let new = file.with_extension("conf.new");
    let written = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&new)
        .and_then(|mut out| out.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, file));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

fn not_ours(file: &Path) -> Failure {
    Failure::new(
        file.display(),
        "was not written by sslcache",
        "look at it, and move it away",
    )
    .with_code(1)
}

fn denied(file: &Path, error: io::Error) -> Failure {
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => "run this as root",
        ErrorKind::ReadOnlyFilesystem => "this system is made elsewhere: copy the file there",
        _ => "see to the folder, and try again",
    };
    Failure::new(file.display(), error, remedy)
}
