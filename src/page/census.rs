//! Which processes have pages mapped, as far as this process may look into them.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::alive::{namespace_in, sees_all};
use super::folder::SUFFIX;
use super::maps::{about, each_file, status_of};

/// A page in the memory map of a process.
pub struct Holder {
    /// The id of the process, as /proc shows it here.
    pub pid: u32,
    /// Its id in its own pid namespace.
    inner: u32,
    /// Its pid namespace; 0 if it may not be read.
    namespace: u64,
    /// Device and inode of the page, as the memory map has them.
    pub inode: (String, u64),
    /// The path of the page, as the process has mapped it.
    pub path: PathBuf,
    /// True if the page was removed from its folder.
    pub is_deleted: bool,
    /// The range of addresses, which names the page in /proc/PID/map_files.
    range: String,
}

impl Holder {
    /// The path of the page for a reader that may look into the process's map: it leads to the file itself.
    pub fn map_file(&self) -> PathBuf {
        format!("/proc/{}/map_files/{}", self.pid, self.range).into()
    }

    /// The page's path in the root of the process.
    pub fn path_in_its_root(&self) -> PathBuf {
        let mut path = PathBuf::from(format!("/proc/{}/root", self.pid)).into_os_string();
        path.push(&self.path);
        path.into()
    }

    fn has(&self, page: &[u8]) -> bool {
        let name = self.path.file_name().unwrap_or_default();
        name.as_encoded_bytes() == page
    }
}

/// The pages that processes have mapped.
pub struct Census {
    holders: Vec<Holder>,
    is_whole: bool,
}

impl Census {
    /// Looks at every process whose map may be read.
    pub fn take() -> Self {
        let mut census = Self {
            holders: Vec::new(),
            is_whole: sees_all(),
        };
        let Ok(entries) = fs::read_dir("/proc") else {
            census.is_whole = false;
            return census;
        };
        for entry in entries {
            let Ok(entry) = entry else {
                census.is_whole = false;
                continue;
            };
            let name = entry.file_name();
            if let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) {
                census.is_whole &= census.look_at(pid);
            }
        }
        census
    }

    /// The pages of one process.
    pub fn of_process(pid: u32) -> Self {
        let mut census = Self {
            holders: Vec::new(),
            is_whole: false,
        };
        census.look_at(pid);
        census
    }

    /// Adds the pages of a process. Returns false if it may have others, with a slot that no id of /proc tells of.
    fn look_at(&mut self, pid: u32) -> bool {
        let mut is_empty = true;
        let looked = each_file::<()>(pid, |file| {
            is_empty = false;
            if file.name().ends_with(SUFFIX.as_bytes()) {
                self.holders.push(Holder {
                    pid,
                    inner: ids(pid).last().copied().unwrap_or(pid),
                    namespace: namespace_in(&format!("/proc/{pid}/ns/pid")),
                    inode: (
                        String::from_utf8_lossy(file.device).into_owned(),
                        file.inode,
                    ),
                    path: PathBuf::from(std::ffi::OsString::from_vec(file.path.to_vec())),
                    is_deleted: file.is_deleted,
                    range: String::from_utf8_lossy(file.range).into_owned(),
                });
            }
            None
        });
        match looked {
            // Without a map it has ended, unless only its first thread has. A process that is gone had its place there.
            Ok(_) if is_empty => about(pid).is_none_or(|now| now.threads <= 1),
            Ok(_) => true,
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT) => true,
                Some(libc::ESRCH) => about(pid).is_none_or(|now| now.threads <= 1),
                // Its slot would be of the namespace of /proc.
                _ => ids(pid).len() == 1,
            },
        }
    }

    /// All pages of all processes.
    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }

    /// True if a process has a page of this name mapped.
    pub fn has(&self, page: &[u8]) -> bool {
        self.holders.iter().any(|holder| holder.has(page))
    }

    /// The process that has this id in this pid namespace (0: any) and a page of this name
    /// mapped.
    pub fn find(&self, page: &[u8], inner: u32, namespace: u64) -> Option<&Holder> {
        self.holders.iter().find(|holder| {
            let is_there = [0, holder.namespace].contains(&namespace) || holder.namespace == 0;
            holder.inner == inner && is_there && holder.has(page)
        })
    }

    /// True if no process of a pid namespace within the one of /proc, which is the machine's, had a page when the census was
    /// taken but those that it has.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }
}

/// The ids of a process, from the pid namespace of /proc inwards to its own; empty if they cannot be read.
fn ids(pid: u32) -> Vec<u32> {
    let words = status_of(pid, "NSpid");
    words.iter().flat_map(|word| word.parse()).collect()
}
