//! Whether a service can gain anything by the cache, and if not, why.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::unit::{Unit, resolve};
use super::words::words;
use crate::hosts;
use crate::program::{Libssl, Privilege, Program};
use crate::run::obstacle;

/// A reason, and the remedy.
pub type Reason = (String, String);

/// Programs that run others, of which alone nothing can be told.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "zsh", "ksh"];

/// What can be told of the gain.
pub enum Gain {
    Possible,
    /// It depends on what the program loads or starts.
    Unclear(String),
    None(Reason),
}

/// Judges a unit by its program; `is_known` if it is a service that is known to use libssl, by itself or by what it starts.
pub fn judge(root: &Path, unit: &Unit, is_known: bool) -> Gain {
    if unit.is_masked {
        return none(
            "it is masked: systemd does not start it",
            "systemctl unmask it first",
        );
    }
    let Some(started) = unit.all("ExecStart").into_iter().next() else {
        return none(
            "its unit has no ExecStart=, so it starts no program",
            "name the service that does",
        );
    };
    let Some(command) = Started::read(&started.value) else {
        return Gain::Unclear(format!(
            "what it starts cannot be told from {}",
            started.file.display()
        ));
    };
    if let Some(list) = command.preload {
        return none(
            format!(
                "its ExecStart= sets LD_PRELOAD={list}, which counts for more than the drop-in"
            ),
            "write sslcache's library into that line",
        );
    }
    let path = Path::new(&command.program);
    let Some(file) = find(root, path) else {
        return none(
            format!("there is no {}", path.display()),
            "install it, or see to ExecStart=",
        );
    };
    let program = match Program::read(file.as_os_str()) {
        Ok(program) => program,
        Err(failure) => return Gain::Unclear(format!("what it starts cannot be told: {failure}")),
    };
    let shown = path.display();
    if let Some((reason, remedy)) = obstacle(&program) {
        return none(
            format!("its program {shown} is {}", reason_of(reason)),
            remedy,
        );
    }
    if let Some(reason) = out_of_reach(root, unit, &program) {
        return none(
            format!("its program {shown} {reason}: the loader ignores LD_PRELOAD there"),
            "take these rights from the file, and give them to the unit (User=, AmbientCapabilities=)",
        );
    }
    let is_shell = file
        .file_name()
        .and_then(OsStr::to_str)
        .is_some_and(|name| SHELLS.contains(&name));
    match &program.libssl {
        _ if is_known => Gain::Possible,
        Libssl::Linked { name, .. } if !hosts::is_taken_over(name) => none(
            format!("its program {shown} is linked with {name}, which sslcache leaves alone"),
            hosts::BUILD,
        ),
        Libssl::Linked { .. } => Gain::Possible,
        _ if program.script.is_some() || is_shell => Gain::Unclear(format!(
            "{shown} starts or loads what does TLS, if anything does"
        )),
        _ if program.loads_later => {
            Gain::Unclear(format!("{shown} loads libssl as it runs, or not at all"))
        }
        Libssl::Unknown(reason) => Gain::Unclear(format!(
            "the libraries of {shown} cannot be listed: {reason}"
        )),
        _ => none(
            format!("its program {shown} has no libssl, and loads no libraries as it runs"),
            "if it starts a program that does TLS, write the file all the same: --force",
        ),
    }
}

fn none(reason: impl Into<String>, remedy: impl Into<String>) -> Gain {
    Gain::None((reason.into(), remedy.into()))
}

/// A reason of [`obstacle`], worded to follow "is".
fn reason_of(reason: &str) -> String {
    match reason.split_once(" is linked into it") {
        Some((libssl, rest)) => format!("out of reach: {libssl} is linked into it{rest}"),
        None => reason.to_owned(),
    }
}

/// The beginning of a line of ExecStart=.
struct Started {
    program: String,
    /// The value of LD_PRELOAD that env(1) sets there.
    preload: Option<String>,
}

impl Started {
    /// `None` if the line is one that only systemd understands.
    fn read(line: &str) -> Option<Self> {
        // Each has a meaning to systemd, and none is part of the name.
        let line = line.trim_start_matches(['@', '-', ':', '+', '!', '|']);
        let mut words = words(line)?.into_iter();
        let mut program = words.next()?;
        let mut preload = None;
        if program.rsplit('/').next() == Some("env") {
            let mut rest = words.skip_while(|word| {
                if let Some(list) = word.strip_prefix("LD_PRELOAD=") {
                    preload = Some(list.to_owned());
                }
                word.starts_with('-') || word.contains('=')
            });
            program = rest.next()?;
        }
        (!program.contains(['%', '$'])).then_some(Self { program, preload })
    }
}

/// The file of a program, which systemd looks up in its own folders if it has no path.
fn find(root: &Path, program: &Path) -> Option<PathBuf> {
    if program.is_absolute() {
        return resolve(root, program).filter(|file| file.exists());
    }
    let folders = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin"];
    let files = folders.iter().map(|folder| Path::new(folder).join(program));
    files
        .filter_map(|file| resolve(root, &file))
        .find(|file| file.exists())
}

/// What keeps the loader from reading LD_PRELOAD, in a program that the user of this unit starts: the program gains rights
/// by being started. The rights that a unit gives by User=, AmbientCapabilities= and SecureBits= are there before.
fn out_of_reach(root: &Path, unit: &Unit, program: &Program) -> Option<&'static str> {
    let user = unit.last("User").unwrap_or_else(|| "0".into());
    let account = Account::of(root, &user);
    match program.privilege? {
        Privilege::SetUser(owner)
            if account.as_ref().map(|account| account.user) != Some(owner) =>
        {
            Some("is a set-user-ID program")
        }
        Privilege::SetGroup(owner) => {
            let named = unit.last("Group").and_then(|group| group_of(root, &group));
            let group = named.or(account.map(|account| account.group));
            (group != Some(owner)).then_some("is a set-group-ID program")
        }
        Privilege::Capabilities if account.is_none_or(|account| account.user != 0) => {
            Some("has file capabilities")
        }
        _ => None,
    }
}

struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// The account of this name or number, as the file of the system below `root` has it.
    fn of(root: &Path, user: &str) -> Option<Self> {
        let text = fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
        let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let found =
            lines.find(|fields| fields.len() > 3 && (fields[0] == user || fields[2] == user));
        match found {
            Some(fields) => Some(Self {
                user: fields[2].parse().ok()?,
                group: fields[3].parse().ok()?,
            }),
            None => user.parse().ok().map(|user| Self { user, group: user }),
        }
    }
}

fn group_of(root: &Path, group: &str) -> Option<u32> {
    let text = fs::read_to_string(root.join("etc/group")).unwrap_or_default();
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.find(|fields| fields.len() > 2 && fields[0] == group);
    found.map_or(group, |fields| fields[2]).parse().ok()
}
