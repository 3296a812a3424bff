//! The processes that write a stats page, by tree.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use sslcache::page::census::Census;
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
    fn of(page: Reading, census: &Census) -> Self {
        let processes = page.processes(census);
        Self { page, processes }
    }

    /// Its processes that are seen from here.
    pub fn known(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| process.is_known)
    }

    /// The service of its processes; empty if none of them is seen from here.
    pub fn service(&self) -> String {
        let mut names = self.known().map(|process| service_of(process.pid));
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

/// All trees whose stats pages may be read, and the folders that may not. Pages are found in the folders in which they are
/// made by default, and by the processes that have them mapped, whose folders may be anywhere.
pub fn all() -> (Vec<Tree>, Vec<PathBuf>) {
    let mut pages = Vec::new();
    let mut closed = Vec::new();
    for folder in folders() {
        match Reading::all_of(&folder) {
            Ok(found) => pages.extend(found),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                closed.push(folder)
            }
            Err(_) => {} // there is no such folder
        }
    }
    let census = Census::take();
    let mut known = HashSet::new();
    pages.retain(|page| known.insert(page.inode));
    let mut opened = HashSet::new();
    for holder in census.holders() {
        // By one of the processes that have it.
        if !opened.contains(&holder.inode)
            && let Ok(page) = Reading::of_holder(holder)
        {
            opened.insert(&holder.inode);
            if known.insert(page.inode) {
                pages.push(page);
            }
        }
    }
    let trees = pages.into_iter().map(|page| Tree::of(page, &census));
    let mut trees: Vec<_> = trees.collect();
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
    let its = Census::of_process(pid);
    if let Some(page) = its
        .holders()
        .iter()
        .find_map(|holder| Reading::of_holder(holder).ok())
    {
        return Ok(Tree::of(page, &Census::take()));
    }
    let (trees, closed) = all();
    trees
        .into_iter()
        .find(|tree| tree.known().any(|process| process.pid == pid))
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
