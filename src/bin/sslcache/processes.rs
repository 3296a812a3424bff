//! The processes that write a stats page, by tree.

use std::fs;
use std::path::PathBuf;

use sslcache::page::reading::{Process, Reading};
use sslcache::page::{Sums, folders};

use crate::failure::Failure;
use crate::unit;

/// A process tree.
pub struct Tree {
    pub page: Reading,
    pub processes: Vec<Process>,
}

impl Tree {
    fn of(page: Reading) -> Self {
        let processes = page.processes().collect();
        Self { page, processes }
    }

    /// The service of its processes; empty if none is there whose id is of our pid namespace.
    pub fn service(&self) -> String {
        let known = self.processes.iter().filter(|process| process.is_known);
        let mut names = known.map(|process| service_of(process.pid));
        names.find(|name| !name.is_empty()).unwrap_or_default()
    }

    /// What all its processes have done, the gone ones included, and what those that are there hold.
    pub fn total(&self) -> Sums {
        let mut sums = self.page.total();
        for process in &self.processes {
            sums.hold(&process.sums);
        }
        sums
    }

    /// What its processes have done that are gone.
    pub fn gone(&self) -> Sums {
        let mut sums = self.page.total();
        for process in &self.processes {
            for (left, figure) in sums.figures.iter_mut().zip(process.sums.figures) {
                *left = left.saturating_sub(figure);
            }
        }
        sums
    }
}

/// The name of a process; empty if it cannot be read, or if another process may have its id now.
pub fn program_of(process: &Process) -> String {
    match process.is_known {
        true => name_of(process.pid),
        false => String::new(),
    }
}

/// The name of the process with this id; empty if it cannot be read.
pub fn name_of(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim()
        .chars()
        .filter(|char| !char.is_control())
        .collect()
}

/// The service that a process belongs to: its systemd unit, or else the name of its program; empty if neither can be read.
pub fn service_of(pid: u32) -> String {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    unit::in_groups(&groups).unwrap_or_else(|| name_of(pid))
}

/// All trees whose stats pages may be read, and the folders that may not.
pub fn all() -> (Vec<Tree>, Vec<PathBuf>) {
    let mut trees = Vec::new();
    let mut closed = Vec::new();
    for folder in folders() {
        match Reading::all_of(&folder) {
            Ok(pages) => trees.extend(pages.into_iter().map(Tree::of)),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                closed.push(folder)
            }
            Err(_) => {} // there is no such folder
        }
    }
    trees.sort_by_key(|tree| tree.processes.first().map(|process| process.pid));
    (trees, closed)
}

/// The tree of a process. Its stats page is the one that it has mapped, in whatever folder. If its map may not be read, it
/// is the page that has a slot of this process.
pub fn tree_of(pid: u32) -> Result<Tree, Failure> {
    let thing = format!("process {pid}");
    if !PathBuf::from(format!("/proc/{pid}")).exists() {
        return Err(Failure::new(
            thing,
            "there is no such process",
            "look its number up: pgrep -a NAME",
        ));
    }
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let mapped = maps
        .lines()
        .filter_map(|line| Some(&line[line.find('/')?..]))
        .find(|path| path.ends_with(".page"));
    if let Some(path) = mapped {
        // The path as the process sees it in its root, and as it was before the process changed its root.
        for path in [format!("/proc/{pid}/root{path}"), path.to_owned()] {
            if let Ok(page) = Reading::of(path.as_ref()) {
                return Ok(Tree::of(page));
            }
        }
    }
    let (trees, closed) = all();
    let has_it = |tree: &Tree| {
        let mut processes = tree.processes.iter();
        processes.any(|process| process.is_known && process.pid == pid)
    };
    trees
        .into_iter()
        .find(has_it)
        .ok_or_else(|| match closed.first() {
            Some(folder) => Failure::new(
                thing,
                format_args!(
                    "its figures may be in {}, which is closed to this user",
                    folder.display()
                ),
                "run this as root, or as the user of the process",
            ),
            None => Failure::new(
                thing,
                "it shows no figures",
                format_args!("sslcache doctor --pid {pid} says why"),
            ),
        })
}
