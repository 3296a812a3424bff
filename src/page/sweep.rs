//! Removing pages whose processes are all gone.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::census::Census;
use super::folder::{Folder, SUFFIX};
use super::reading::{Reading, Use, open};

/// The most files that are checked when a new one is made.
const SWEPT_MOST: usize = 64;

/// The most pages of one folder that a reader looks at: its user may have left any number there.
const READ_MOST: usize = 512;

/// Removes the pages in a folder whose processes are all gone, as far as that can be told at little cost.
pub fn sweep(folder: &Folder) {
    sweep_names(folder, SWEPT_MOST, |_| true, drop);
}

/// Removes the pages of the programs that this process ran before it executed its present one: their other processes may
/// have ended without the right to do so.
pub fn sweep_of(folder: &Folder, pid: u32) {
    let is_its = |name: &str| {
        name.split_once('-')
            .is_some_and(|(number, _)| number.parse() == Ok(pid))
    };
    sweep_names(folder, SWEPT_MOST, is_its, drop);
}

impl Reading {
    /// Reads all pages of a folder, after removing those without a process if this user may.
    pub fn all_of(path: &Path) -> io::Result<Vec<Self>> {
        let mut left = Vec::new();
        if let Ok(folder) = Folder::open_to_sweep(path) {
            sweep_names(&folder, READ_MOST, |_| true, |page| left.push(page));
            remove_hidden(&folder, &mut left);
            return Ok(left);
        }
        for entry in path.read_dir()?.take(READ_MOST) {
            let path = entry?.path();
            if path.to_str().is_some_and(|path| path.ends_with(SUFFIX)) {
                // A file that has just gone, or is still being made, is not a page.
                left.extend(Self::of(&path));
            }
        }
        Ok(left)
    }
}

/// Removes pages of other pid namespaces, if it is certain that no process has them: all processes must be seen.
fn remove_hidden(folder: &Folder, pages: &mut Vec<Reading>) {
    let is_hidden = |page: &Reading| page.in_use() == Use::NotSeen;
    if !pages.iter().any(is_hidden) {
        return;
    }
    // After the pages were read: a process that has one since is in the census.
    let census = Census::take();
    pages.retain(|page| {
        let is_gone = census.is_whole()
            && is_hidden(page)
            && !census.has(page.name())
            // While the census was taken, a process may have ended that had left the page to another one.
            && Reading::of(&page.path).is_ok_and(|now| now.is_as_in(page));
        if is_gone {
            remove(folder, page);
        }
        !is_gone
    });
}

fn remove(folder: &Folder, page: &Reading) {
    if let Some(name) = page.path.file_name().and_then(|name| name.to_str()) {
        folder.remove_if(name, page.inode);
    }
}

/// Sweeps at most so many of the files whose names are `wanted`, and hands over the pages that are left.
fn sweep_names(
    folder: &Folder,
    most: usize,
    wanted: impl Fn(&str) -> bool,
    mut keep: impl FnMut(Reading),
) {
    let mut doubtful = Vec::new();
    // The names are only removed within the folder that is open.
    let entries = fs::read_dir(folder.path()).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let pages = names.filter(|name| name.ends_with(SUFFIX) && wanted(name));
    for name in pages.take(most) {
        let path = folder.path_of(&name);
        match Reading::of(&path) {
            Ok(page) => match page.in_use() {
                Use::Gone => remove(folder, &page),
                Use::GoneUnlessMapped => doubtful.push(page),
                Use::Alive | Use::NotSeen => keep(page),
            },
            Err(_) if was_given_up(&path) => folder.remove(&name),
            Err(_) => {}
        }
    }
    if doubtful.is_empty() {
        return;
    }
    // After the pages were read: a process that has one since is in the census.
    let census = Census::take();
    for page in doubtful {
        if census.has(page.name()) {
            keep(page);
        } else {
            remove(folder, &page);
        }
    }
}

/// True if the file is no page and cannot become one: it was truncated to nothing, or abandoned before its first word was
/// written, at least an hour ago.
pub(super) fn was_given_up(path: &Path) -> bool {
    let Ok(about) = path.symlink_metadata() else {
        return false;
    };
    let is_old = about
        .modified()
        .is_ok_and(|when| when.elapsed().is_ok_and(|age| age.as_secs() >= 3600));
    let is_empty = || {
        let mut first = [0; 8];
        match open(path, false, false) {
            Ok(file) => file.read_exact_at(&mut first, 0).is_ok() && first == [0; 8],
            Err(_) => about.size() == 0,
        }
    };
    about.is_file() && is_old && is_empty()
}
