//! A shared region in a file, opened as its owner would.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sslcache::shm::Region;

use crate::failure::Failure;

/// Does something with the region in this file, as its owner would, and takes this tool's rights back.
pub fn with<T>(path: &Path, act: impl FnOnce(&Region) -> T) -> Result<T, Failure> {
    // SAFETY: these system calls take numbers, and change the rights of this process alone, which has one thread. Giving
    // rights back that it began with cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let done = open(path).map(|region| act(&region));
    // SAFETY: as above.
    unsafe {
        libc::seteuid(user);
        libc::setegid(group);
    }
    done
}

/// Opens the region in this file, which must exist. Root opens it as the file's owner: a region refuses every other user,
/// and a server without root's rights could not use locks that belong to root.
pub fn open(path: &Path) -> Result<Region, Failure> {
    let shown = path.display().to_string();
    let about = fs::symlink_metadata(path).map_err(|error| {
        Failure::new(&shown, error, "give the path that the setting region names")
    })?;
    if !about.is_file() {
        return Err(Failure::new(
            &shown,
            "not a regular file",
            "give the path that the setting region names",
        ));
    }
    if about.len() == 0 {
        return Err(Failure::new(
            &shown,
            "empty, and so no region yet",
            "start the server that uses it",
        ));
    }
    // SAFETY: these system calls take numbers, and change the rights of this process alone, which has one thread. If one
    // fails, the region refuses this user below.
    unsafe {
        if libc::geteuid() == 0 && about.uid() != 0 {
            libc::setegid(about.gid());
            libc::seteuid(about.uid());
        }
    }
    let size = usize::try_from(about.len()).unwrap_or(usize::MAX);
    Region::named(path, size)
        .map_err(|refusal| Failure::new(shown, refusal, "is it the file of a region, and yours?"))
}
