//! A program that is not running: whether the cache can reach it.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::Report;
use crate::failure::Failure;
use crate::hosts;
use crate::installed;
use crate::program::{Libssl, Linking, Privilege, Program};
use crate::run::obstacle;

/// Reports on the program of this name.
pub fn examine(name: &OsStr, report: &mut Report) -> Result<(), Failure> {
    let program = Program::read(name).map_err(|failure| failure.with_code(2))?;
    match &program.script {
        Some(script) => report.fine(format!(
            "{} is a script of {}",
            script.display(),
            program.path.display()
        )),
        None => report.fine(format!("{} is the program", program.path.display())),
    }
    if let Some((reason, remedy)) = obstacle(&program) {
        let loader = match &program.linking {
            Linking::OtherLoader(loader) => format!(" ({loader})"),
            _ => String::new(),
        };
        report.finding(format_args!("out of reach: {reason}{loader}"), remedy);
    } else {
        describe_libssl(&program, report);
    }
    describe_privilege(&program, report);
    match installed::libraries() {
        Ok(libraries) => report.fine(format!(
            "the libraries are installed beside {}",
            libraries.preload.display()
        )),
        Err(failure) => report.unknown(failure, "sslcache run cannot bring them in"),
    }
    Ok(())
}

fn describe_libssl(program: &Program, report: &mut Report) {
    match &program.libssl {
        Libssl::Linked { name, file: None } => report.finding(
            format_args!("linked with {name}, which the loader does not find"),
            "install it, or set LD_LIBRARY_PATH as the program expects it",
        ),
        Libssl::Linked {
            name,
            file: Some(file),
        } => {
            let version = version_of(file);
            let shown = version
                .as_ref()
                .map_or(String::new(), |version| format!(", {version}"));
            let what = format!("linked with {name}: {}{shown}", file.display());
            if let Some(why) = hosts::left_alone(name) {
                report.finding(
                    format_args!(
                        "{what}; the cache takes {} over, and leaves this one alone, {why}",
                        hosts::NAMES.join(", ")
                    ),
                    hosts::BUILD,
                );
                return;
            }
            report.fine(what);
            for lack in hosts::lacks(name, version.as_deref()) {
                report.fine(lack);
            }
        }
        Libssl::Unknown(reason) => report.unknown(
            format_args!("its libraries cannot be listed: {reason}"),
            "start it under `sslcache run`, and look at it with `sslcache doctor --pid`",
        ),
        Libssl::Inside | Libssl::OfGo | Libssl::None
            if program.loads_later || program.script.is_some() =>
        {
            report.unknown(
                "not linked with libssl, but it can load it as it runs",
                "start it under `sslcache run`, and look at it with `sslcache doctor --pid`",
            )
        }
        Libssl::Inside | Libssl::OfGo | Libssl::None => {
            report.finding(
                "it has no libssl, so there is nothing to take over",
                "if it does TLS, take a build of it that uses OpenSSL; if not, it needs no cache",
            );
        }
    }
}

fn describe_privilege(program: &Program, report: &mut Report) {
    let what = match program.privilege {
        None => return,
        Some(Privilege::SetUser(user)) => format!("set-user-ID, of user {user}"),
        Some(Privilege::SetGroup(group)) => format!("set-group-ID, of group {group}"),
        Some(Privilege::Capabilities) => "with file capabilities".to_owned(),
    };
    report.finding(
        format_args!("{what}: for other users the loader ignores LD_PRELOAD and LD_LIBRARY_PATH"),
        "start it as the user whose rights it takes, or have a service manager give it the rights",
    );
}

/// The version of a libssl, as the libcrypto beside it states it.
pub fn version_of(libssl: &Path) -> Option<String> {
    let libssl = libssl.canonicalize().ok()?;
    let name = libssl
        .file_name()?
        .to_str()?
        .replacen("libssl", "libcrypto", 1);
    let bytes = fs::read(libssl.with_file_name(name)).ok()?;
    let start = b"OpenSSL ";
    let mut places = bytes.windows(start.len() + 1).enumerate();
    let is_version = |part: &[u8]| part.starts_with(start) && part[start.len()].is_ascii_digit();
    let at = places.find_map(|(at, part)| is_version(part).then_some(at))?;
    let text = bytes[at..].split(|&byte| byte == 0).next()?;
    let words: Vec<_> = std::str::from_utf8(text).ok()?.split(' ').take(2).collect();
    Some(words.join(" "))
}
