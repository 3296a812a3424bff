//! The folder of the files, which belongs to one user and is closed to all others.

use core::ffi::c_int;
use std::env;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::sys::files::uninterrupted;
use crate::sys::privilege::is_privileged;

/// The ending of each file's name.
pub const SUFFIX: &str = ".page";
/// How many names are tried for a new file.
const NAMES_TRIED: u64 = 16;

/// A folder that belongs to this user. It is used through its descriptor, as its name may come to mean another folder.
pub struct Folder {
    file: File,
    path: PathBuf,
}

/// The folder in which a process of this user would make its file.
fn place() -> PathBuf {
    match env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if folder.as_bytes().starts_with(b"/") && !is_privileged() => {
            Path::new(&folder).join("sslcache")
        }
        _ => PathBuf::from("/run/sslcache"),
    }
}

/// The folders in which the files may lie that this user may read.
pub fn folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/run/sslcache")];
    // Folders of users, and of services that have a runtime directory of their own.
    for parent in ["/run/user", "/run"] {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let places = entries.map(|entry| entry.path().join("sslcache"));
        folders.extend(places.filter(|place| place.is_dir()));
    }
    if !folders.contains(&place()) {
        folders.push(place());
    }
    folders
}

impl Folder {
    /// Opens the folder of this user, and makes it if it is missing. A link, or a folder that others may enter, is an error.
    pub fn ours() -> io::Result<Self> {
        let path = place();
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        Self::open(&path)
    }

    /// Opens a folder if it belongs to this user alone.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_of(path, |user, ours| user == ours)
    }

    /// Opens a folder whose stale files this user may remove: its own; as root, that of any one user.
    pub fn open_to_sweep(path: &Path) -> io::Result<Self> {
        Self::open_of(path, |user, ours| user == ours || ours == 0)
    }

    fn open_of(path: &Path, is_fine: impl FnOnce(u32, u32) -> bool) -> io::Result<Self> {
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)?;
        let about = file.metadata()?;
        // SAFETY: geteuid has no preconditions.
        if !is_fine(about.uid(), unsafe { libc::geteuid() }) || about.mode() & 0o077 != 0 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Self {
            file,
            path: path.to_path_buf(),
        })
    }

    /// The path of a file in the folder, by the name that the folder had when it was opened.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a file for a process, under a name that no other file has: another process may have the same id in another
    /// namespace.
    pub fn make(&self, pid: u32, tick: u64) -> io::Result<(String, File)> {
        let mut refused = io::ErrorKind::AlreadyExists.into();
        for number in tick..tick + NAMES_TRIED {
            let name = format!("{pid}-{number}{SUFFIX}");
            match self.open_file(&name, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL) {
                Ok(file) => return Ok((name, file)),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Opens a file of the folder, which is not a link.
    pub fn open_file(&self, name: &str, flags: c_int) -> io::Result<File> {
        let name = CString::new(name)?;
        let flags = flags | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let folder = self.file.as_raw_fd();
        // SAFETY: `self` keeps the folder open, and `name` is a C string.
        let open = || unsafe { libc::openat(folder, name.as_ptr(), flags, 0o600) } as isize;
        let fd = uninterrupted(open);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was opened above and has no other owner.
        Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd as c_int) })
    }

    /// The path of the folder, as it was when the folder was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        if let Ok(name) = CString::new(name) {
            // SAFETY: `self` keeps the folder open, and `name` is a C string. A missing file is no error here.
            unsafe { libc::unlinkat(self.file.as_raw_fd(), name.as_ptr(), 0) };
        }
    }

    /// Removes a file if the name still means that file.
    pub fn remove_if(&self, name: &str, inode: (u64, u64)) {
        let about = self
            .open_file(name, libc::O_PATH)
            .and_then(|file| file.metadata());
        if about.is_ok_and(|about| (about.dev(), about.ino()) == inode) {
            self.remove(name);
        }
    }
}
