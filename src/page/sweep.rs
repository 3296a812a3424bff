//! Removing pages whose processes are all gone.

use std::fs;
use std::io;
use std::path::Path;

use super::folder::{Folder, SUFFIX};
use super::reading::{Reading, was_given_up};

/// The most files that are checked when a new one is made.
const SWEPT_MOST: usize = 64;

/// Removes the pages in a folder whose processes are all gone.
pub fn sweep(folder: &Folder) {
    let entries = fs::read_dir(folder.path()).into_iter().flatten().flatten();
    for entry in entries.take(SWEPT_MOST) {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(SUFFIX)) else {
            continue;
        };
        let stale = match Reading::of(&entry.path()) {
            Ok(page) => page.is_stale(),
            Err(_) => was_given_up(&entry.path()),
        };
        if stale {
            folder.remove(name);
        }
    }
}

impl Reading {
    /// Reads all pages of a folder, after removing those without a process if the folder belongs to this user.
    pub fn all_of(folder: &Path) -> io::Result<Vec<Self>> {
        if let Ok(ours) = Folder::open(folder) {
            sweep(&ours);
        }
        let mut found = Vec::new();
        for entry in folder.read_dir()? {
            let path = entry?.path();
            if path.to_str().is_some_and(|path| path.ends_with(SUFFIX)) {
                // A file that has just gone, or is still being made, is not a page.
                found.extend(Self::of(&path));
            }
        }
        Ok(found)
    }
}
