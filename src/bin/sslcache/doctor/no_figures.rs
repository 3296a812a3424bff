//! Why a process with the cache in it shows no figures. Only what is found is given as the reason: a page that may not be
//! read, a setting, or a folder in which none can be made.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sslcache::page::census::Census;
use sslcache::page::maps::status_of;
use sslcache::page::reading::Reading;

use super::Report;
use crate::stat::shown;

/// The words of a switch that turn it off.
const OFF: [&str; 4] = ["0", "no", "off", "false"];

/// Reports on a process whose page is not found.
pub fn examine(pid: u32, report: &mut Report) {
    if let Some(holder) = Census::of_process(pid).holders().first() {
        let page = shown(&holder.path);
        return match Reading::of_holder(holder) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => report.unknown(
                format_args!("its figures in {page} are of another version of sslcache"),
                "use the sslcache of that version, or restart the server to take the new one",
            ),
            _ if holder.is_deleted => report.unknown(
                format_args!("its figures are in {page}, which was removed from its folder"),
                "run this as root, who can read it still, or restart the server",
            ),
            _ => report.unknown(
                format_args!("its figures are in {page}, which this user may not read"),
                "run this as root, or as the user of the process",
            ),
        };
    }
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    if !environment.contains(&b'=') {
        // nginx writes its title over it.
        return report.unknown(
            "it shows no figures, and has written over its environment, so that the reason cannot be told: it has made no \
             context yet, its setting stats is off, or it may not write to its runtime folder",
            "connect to it, and look again; see SSLCACHE_STATS and XDG_RUNTIME_DIR where it is started",
        );
    }
    let variable = |name: &str| {
        let mut variables = environment.split(|&byte| byte == 0);
        let value = variables.find_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    if variable("SSLCACHE_STATS").is_some_and(|value| OFF.contains(&&*value)) {
        return report.unknown(
            "it shows no figures: its setting stats is off, by SSLCACHE_STATS in its environment",
            "remove that variable, and restart it",
        );
    }
    let runtime = variable("XDG_RUNTIME_DIR").filter(|path| path.starts_with('/'));
    let runtime = PathBuf::from(runtime.unwrap_or_else(|| "/run".to_owned()));
    if let Err(reason) = may_make_page(pid, &runtime) {
        return report.finding(
            format_args!("it shows no figures, as it may make none: {reason}"),
            "give it a folder of its own with mode 0700 (systemd: RuntimeDirectory=, and XDG_RUNTIME_DIR to name it), and \
             restart it",
        );
    }
    report.unknown(
        format_args!(
            "it shows no figures: it has made no context yet; or a settings file has stats off, or a sandbox keeps it from \
             writing to {}/sslcache",
            shown(&runtime)
        ),
        "connect to it, and look again",
    );
}

/// Whether the process may make a page in its runtime folder, as far as owners and modes tell; the reason if not.
fn may_make_page(pid: u32, runtime: &Path) -> Result<(), String> {
    let user = user_of(pid).unwrap_or(0);
    let about = |path: &Path| {
        let there = format!("/proc/{pid}/root{}", path.display());
        fs::symlink_metadata(there)
    };
    let folder = runtime.join("sslcache");
    let name = shown(&folder);
    match about(&folder) {
        Ok(about) if !about.is_dir() => Err(format!("{name} is no folder")),
        Ok(about) if about.uid() != user => {
            let owner = about.uid();
            Err(format!(
                "{name} belongs to user {owner}, and it runs as {user}"
            ))
        }
        Ok(about) if about.mode() & 0o077 != 0 => Err(format!("{name} is open to other users")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match about(runtime) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(format!("there is no {}", shown(runtime)))
            }
            Ok(about) if user != 0 && about.uid() != user && about.mode() & 0o022 == 0 => Err(
                format!("there is no {name}, and it may not make that as user {user}"),
            ),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The effective user of a process.
fn user_of(pid: u32) -> Option<u32> {
    status_of(pid, "Uid").get(1)?.parse().ok()
}
