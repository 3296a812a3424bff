//! A process: whether the cache is active in it, and what it does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sslcache::page::maps::status_of;

use super::Report;
use super::no_figures;
use super::of_program::version_of;
use super::of_tree;
use super::preloads;
use crate::failure::Failure;
use crate::hosts;
use crate::installed;
use crate::processes::{self, name_of};
use crate::program::is_sslcache;

/// Reports on a process.
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
    if !describe_libraries(pid, &files, report) {
        say_why_not(pid, &files, report);
        return Ok(());
    }
    match processes::tree_of(pid) {
        Ok(tree) => of_tree::examine(&tree, pid, report),
        Err(_) => no_figures::examine(pid, report),
    }
    Ok(())
}

fn describe_state(pid: u32, report: &mut Report) {
    report.fine(format!("process {pid} is {}", name_of(pid)));
    let state = status_of(pid, "State");
    if state
        .first()
        .is_some_and(|state| state.starts_with(['T', 't']))
    {
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

/// The path by which this tool reaches a file of a process, which may have another root.
fn as_seen_by(pid: u32, path: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root{path}"))
}

/// The path by which this tool reaches a file that a process has mapped. Maps are told by paths in the reader's root, so that of
/// another root's file leads nowhere there, unless the process has a mount namespace of its own.
fn of_map(pid: u32, file: &str) -> PathBuf {
    Some(as_seen_by(pid, file))
        .filter(|path| path.exists())
        .unwrap_or_else(|| file.into())
}

/// True if a mapped file is one of our libraries, in whatever folder.
fn is_ours(pid: u32, file: &str) -> bool {
    let is_libssl = name(file).starts_with("libssl.so");
    name(file).starts_with("libsslcache.so")
        || is_libssl && is_sslcache(&of_map(pid, file))
        // The file was removed, so only its name can be compared.
        || is_libssl && file.ends_with("(deleted)") && file.contains("/sslcache/libssl.so")
}

/// True if a folder of an LD_LIBRARY_PATH has our libssl. The folder that was installed with this tool counts even if the
/// library was removed from it.
fn leads_to_ours(pid: u32, folder: &str) -> bool {
    hosts::NAMES
        .iter()
        .any(|name| is_sslcache(&as_seen_by(pid, folder).join(name)))
        || installed::libraries().is_ok_and(|ours| ours.is_folder_in_front(Path::new(folder)))
}

/// Reports the libraries in a process. Returns true if ours is among them.
fn describe_libraries(pid: u32, files: &[&str], report: &mut Report) -> bool {
    let ours = files.iter().copied().find(|file| is_ours(pid, file));
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
        name(file).starts_with("libssl") && name(file).contains(".so") && !is_ours(pid, file)
    });
    for file in libssls {
        let version = version_of(Path::new(file));
        let shown = version
            .as_ref()
            .map_or(String::new(), |version| format!(", {version}"));
        let left_alone = hosts::left_alone(name(file))
            .map_or(String::new(), |why| format!("; it is left alone, {why}"));
        let what = format!("libssl is in it: {file}{shown}{left_alone}");
        if file.ends_with(" (deleted)") {
            report.finding(
                what,
                "it was replaced by an update: restart the server to take the new one",
            );
        } else {
            report.fine(what);
            for lack in hosts::lacks(name(file), version.as_deref()) {
                report.fine(lack);
            }
        }
    }
    ours.is_some()
}

fn say_why_not(pid: u32, files: &[&str], report: &mut Report) {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let is_ours_missing = preloads::examine(pid, &environment, report);
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
    if is_ours_missing {
        return;
    }
    let asked = environment.split(|&byte| byte == 0).any(|variable| {
        let variable = String::from_utf8_lossy(variable);
        let Some((variable, paths)) = variable.split_once('=') else {
            return false;
        };
        let mut paths = paths.split([':', ' ', ';']);
        match variable {
            "LD_PRELOAD" => paths.any(|path| name(path).starts_with("libsslcache.so")),
            "LD_LIBRARY_PATH" => {
                paths.any(|folder| folder.starts_with('/') && leads_to_ours(pid, folder))
            }
            _ => false,
        }
    });
    if asked {
        report.finding(
            "sslcache is not in it although its environment names it: the program had rights of its own, or the file came later",
            "sslcache doctor -- PROGRAM says which",
        );
    } else {
        report.finding(
            "sslcache is not in it",
            "restart it under `sslcache run`; for a service: sslcache enable UNIT, and a restart",
        );
    }
}
