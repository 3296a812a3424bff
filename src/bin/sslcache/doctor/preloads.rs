//! What the environment of a process has the loader bring in: files that are not there, or that its user may not read. The
//! loader says so once, on stderr, and goes on without them.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sslcache::page::maps::status_of;

use super::Report;

/// Reports on each file of LD_PRELOAD that the loader could not have brought in. Returns true if one has our library's name.
pub fn examine(pid: u32, environment: &[u8], report: &mut Report) -> bool {
    let mut lists = environment
        .split(|&byte| byte == 0)
        .filter_map(|variable| variable.strip_prefix(b"LD_PRELOAD="));
    let list = String::from_utf8_lossy(lists.next().unwrap_or_default());
    let reader = Reader::of(pid);
    let mut is_ours_missing = false;
    // A name alone is looked for in the loader's own folders.
    for path in list.split([':', ' ']).filter(|path| path.starts_with('/')) {
        let shown = path.escape_debug();
        let (reason, remedy) = if !Path::new(&format!("/proc/{pid}/root{path}")).exists() {
            (
                "is not there",
                "correct the path, or install the library there, and restart it",
            )
        } else if !reader.may_read(pid, path) {
            (
                "its user may not read",
                "let others read the file and pass through its folders (chmod a+r FILE, a+x FOLDER), and restart it",
            )
        } else {
            continue;
        };
        report.finding(
            format_args!("its LD_PRELOAD names {shown}, which {reason}"),
            remedy,
        );
        is_ours_missing |= path.contains("/libsslcache.so");
    }
    is_ours_missing
}

/// The rights of a process.
struct Reader {
    user: u32,
    groups: Vec<u32>,
}

impl Reader {
    fn of(pid: u32) -> Self {
        let numbers = |field| {
            let words = status_of(pid, field);
            let numbers = words.iter().filter_map(|word| word.parse().ok());
            numbers.collect::<Vec<u32>>()
        };
        // Real, effective, saved, and that of the file system, which decides.
        let (user, group) = (numbers("Uid"), numbers("Gid"));
        let mut groups = numbers("Groups");
        groups.extend(group.get(3));
        Self {
            user: user.get(3).copied().unwrap_or(0),
            groups,
        }
    }

    /// Whether it may read the file at a path of its own root, by the modes of the file and its folders.
    fn may_read(&self, pid: u32, path: &str) -> bool {
        const READ: u32 = 0o4;
        const PASS: u32 = 0o1;
        let mut parts = Path::new(path).ancestors();
        let about = |part: &Path| fs::metadata(format!("/proc/{pid}/root{}", part.display()));
        let may = |part: &Path, right| about(part).is_ok_and(|about| self.may(&about, right));
        parts.next().is_some_and(|file| may(file, READ))
            && parts
                .filter(|folder| !folder.as_os_str().is_empty())
                .all(|folder| may(folder, PASS))
    }

    fn may(&self, about: &Metadata, right: u32) -> bool {
        let shift = if about.uid() == self.user {
            6
        } else if self.groups.contains(&about.gid()) {
            3
        } else {
            0
        };
        self.user == 0 || about.mode() >> shift & right != 0
    }
}
