//! A process: whether the cache is active in it, and what it does there.

use std::fs;
use std::io;
use std::path::Path;

use sslcache::page::Context;
use sslcache::page::reading::Process;

use super::Report;
use super::contexts;
use super::of_program::version_of;
use crate::failure::Failure;
use crate::processes::{self, Tree, name_of};

/// Says what is known of a process.
pub fn examine(pid: u32, report: &mut Report) -> Result<(), Failure> {
    let thing = format!("process {pid}");
    let folder = format!("/proc/{pid}");
    if !Path::new(&folder).exists() {
        return Err(Failure::new(
            thing,
            "there is no such process",
            "look its number up: pgrep -a NAME",
        ));
    }
    describe_state(pid, report);
    let maps = match fs::read_to_string(format!("{folder}/maps")) {
        Ok(maps) if !maps.is_empty() => maps,
        Ok(_) => {
            return Err(Failure::new(
                thing,
                "it has no memory: a zombie or a thread of the kernel",
                "give another one",
            ));
        }
        Err(error) => {
            let reason = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "another user's, or one that had rights, so it may not be looked into"
                        .to_owned()
                }
                _ => error.to_string(),
            };
            return Err(Failure::new(thing, reason, "run this as root"));
        }
    };
    let files = files_of(&maps);
    let form = describe_libraries(&files, report);
    if form.is_none() {
        say_why_not(pid, &files, report);
        return Ok(());
    }
    match processes::tree_of(pid) {
        Ok(tree) => describe_tree(&tree, pid, report),
        Err(_) => report.unknown(
            "it shows no figures: it has made no context yet, its setting stats is off, or it may not write to \
             XDG_RUNTIME_DIR/sslcache or /run/sslcache",
            "give it such a folder of its own with mode 0700 (systemd: RuntimeDirectory=, and XDG_RUNTIME_DIR to name it)",
        ),
    }
    Ok(())
}

fn describe_state(pid: u32, report: &mut Report) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
            .unwrap_or_default()
    };
    report.fine(format!("process {pid} is {}", name_of(pid)));
    if field("State:").starts_with(['T', 't']) {
        report.finding(
            "it is stopped: it serves nobody, and its figures are of before",
            format_args!("kill -CONT {pid}, or leave it to whoever debugs it"),
        );
    }
}

/// The mapped files, each once.
fn files_of(maps: &str) -> Vec<&str> {
    let paths = maps
        .lines()
        .filter_map(|line| Some(&line[line.find('/')?..]));
    let mut files: Vec<_> = paths.collect();
    files.sort_unstable();
    files.dedup();
    files
}

fn name(file: &str) -> &str {
    let path = file.strip_suffix(" (deleted)").unwrap_or(file);
    path.rsplit('/').next().unwrap_or_default()
}

fn is_ours(file: &str) -> bool {
    name(file).starts_with("libsslcache.so") || file.contains("/sslcache/libssl.so")
}

/// Which libraries are in it; ours, if it is.
fn describe_libraries<'a>(files: &[&'a str], report: &mut Report) -> Option<&'a str> {
    let ours = files.iter().copied().find(|file| is_ours(file));
    if let Some(file) = ours {
        report.fine(format!("sslcache is in it: {file}"));
        if file.ends_with(" (deleted)") {
            report.finding(
                "that file was replaced since, by an update",
                "restart the server to take the new one",
            );
        }
    }
    let libssls = files.iter().filter(|file| {
        name(file).starts_with("libssl") && name(file).contains(".so") && !is_ours(file)
    });
    for file in libssls {
        let version =
            version_of(Path::new(file)).map_or(String::new(), |version| format!(", {version}"));
        let what = format!("libssl is in it: {file}{version}");
        if file.ends_with(" (deleted)") {
            report.finding(
                what,
                "it was replaced by an update: restart the server to take the new one",
            );
        } else if name(file).ends_with(".so.1.1") {
            report.finding(
                what,
                "the cache takes libssl.so.3 and libssl.so.4 over: take a build of the server for OpenSSL 3 or 4",
            );
        } else {
            report.fine(what);
        }
    }
    ours
}

fn say_why_not(pid: u32, files: &[&str], report: &mut Report) {
    let has_libssl = files.iter().any(|file| name(file).starts_with("libssl"));
    if !has_libssl {
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        return report.finding(
            "neither sslcache nor a libssl is in it",
            format_args!(
                "sslcache doctor -- {} says whether the program can have them",
                program.display()
            ),
        );
    }
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let asked = environment.split(|&byte| byte == 0).any(|variable| {
        let variable = String::from_utf8_lossy(variable);
        variable.starts_with("LD_PRELOAD=") && variable.contains("libsslcache")
            || variable.starts_with("LD_LIBRARY_PATH=") && variable.contains("sslcache")
    });
    if asked {
        report.finding(
            "sslcache is not in it although its environment names it: the program had rights of its own, or the file was missing",
            "sslcache doctor -- PROGRAM says which",
        );
    } else {
        report.finding(
            "sslcache is not in it",
            "restart it under `sslcache run`, or set LD_PRELOAD in its unit",
        );
    }
}

fn describe_tree(tree: &Tree, pid: u32, report: &mut Report) {
    let page = &tree.page;
    report.fine(format!(
        "sslcache {} is active, {}",
        page.version(),
        page.form()
    ));
    report.fine(format!("settings in force: {}", page.settings().join(", ")));
    let others = tree.processes.len().saturating_sub(1);
    if others > 0 {
        report.fine(format!("it shares its cache with {others} more processes"));
    }
    let is_busy = |process: &&Process| process.contexts.iter().any(|context| context.accepted > 0);
    let busy: Vec<_> = tree.processes.iter().filter(is_busy).collect();
    // What a program sets comes after its context was made, and is known once there was a handshake.
    let known = busy
        .iter()
        .find(|process| process.pid == pid)
        .or(busy.first());
    let Some(process) = known else {
        return report.unknown(
            "no handshake was done yet, so what its contexts are set to is not known",
            "connect to it twice, and look again",
        );
    };
    if process.pid != pid {
        report.fine(format!(
            "its contexts, as process {} uses them:",
            process.pid
        ));
    }
    let own_keys = page.settings().iter().any(|line| line == "ticket_keys=own");
    for (number, context) in process
        .contexts
        .iter()
        .enumerate()
        .filter(|(_, context)| is_used(context))
    {
        contexts::describe(number + 1, context, own_keys && busy.len() > 1, report);
    }
    let more = process
        .sums
        .contexts
        .saturating_sub(process.contexts.len() as u64);
    if more > 0 {
        report.fine(format!("and {more} more contexts"));
    }
}

fn is_used(context: &Context) -> bool {
    context.accepted > 0
}
