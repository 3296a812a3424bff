//! A program that is to be run: which file it is, and whether the cache can be loaded into it.
//!
//! No code of the program is executed. `binary` reads its file.

mod binary;

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use binary::{Binary, loads_later};
pub use binary::{Libssl, Linking, is_sslcache};

/// The longest chain of scripts that are interpreters of each other. The kernel gives up sooner.
const INTERPRETERS_MOST: usize = 5;

/// A file to be executed, and its properties.
pub struct Program {
    /// The file that is executed in the end: for a script, the interpreter.
    pub path: PathBuf,
    /// The script that `path` interprets.
    pub script: Option<PathBuf>,
    pub privilege: Option<Privilege>,
    pub linking: Linking,
    pub libssl: Libssl,
    /// True if the program may load more libraries while it runs.
    pub loads_later: bool,
}

/// Rights that the user who starts the program may lack. The loader then ignores the variables that load the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    SetUser(u32),
    SetGroup(u32),
    Capabilities,
}

/// Finds a program as a shell would.
pub fn find(name: &OsStr) -> Result<PathBuf, Failure> {
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian installs servers in folders that are not in an ordinary user's PATH.
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file));
    found.ok_or_else(|| {
        Failure::new(
            name.display(),
            "no such program in PATH",
            "install it, or give its path",
        )
        .with_code(127)
    })
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

impl Program {
    /// Examines the program of this name or path.
    pub fn read(name: &OsStr) -> Result<Self, Failure> {
        let first = find(name)?;
        let mut path = first.clone();
        for _ in 0..INTERPRETERS_MOST {
            let (about, start) = open(&path)?;
            if let Some(interpreter) = interpreter_of(&start)? {
                path = interpreter;
                continue;
            }
            let bytes = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
            let read = Binary::of(&bytes).ok_or_else(|| {
                Failure::new(
                    path.display(),
                    "neither an ELF program nor a script",
                    "give the program itself",
                )
                .with_code(126)
            })?;
            let loaded = read.libraries(&path);
            return Ok(Self {
                script: (path != first).then_some(first),
                privilege: privilege(&path, &about),
                libssl: read.libssl(&loaded),
                loads_later: read.loads_later || loaded.is_ok_and(|loaded| loads_later(&loaded)),
                linking: read.linking,
                path,
            });
        }
        Err(Failure::new(
            first.display(),
            "a script of too many scripts",
            "give the program that they end at",
        )
        .with_code(126))
    }

    /// True if the loader would ignore the variables that load the cache, if this process executed the program.
    pub fn is_privileged_for_us(&self) -> bool {
        // SAFETY: these functions have no preconditions.
        let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
        match self.privilege {
            Some(Privilege::SetUser(owner)) => owner != user,
            Some(Privilege::SetGroup(owner)) => owner != group,
            Some(Privilege::Capabilities) => user != 0,
            None => false,
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let (remedy, code) = match error.kind() {
        std::io::ErrorKind::NotFound => ("install it, or correct the path", 127),
        _ => ("run this as a user who may read it", 126),
    };
    Failure::new(path.display(), error, remedy).with_code(code)
}

/// The first bytes of a program, enough for the line that names a script's interpreter.
fn open(path: &Path) -> Result<(Metadata, Vec<u8>), Failure> {
    let mut start = Vec::new();
    let about = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !is_executable(path) {
        return Err(
            Failure::new(path.display(), "not an executable file", "give a program").with_code(126),
        );
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(256)
        .read_to_end(&mut start)
        .map_err(|error| unreadable(path, &error))?;
    Ok((about, start))
}

/// The interpreter in the first line of a script. Behind `env`, it is looked up in PATH.
fn interpreter_of(start: &[u8]) -> Result<Option<PathBuf>, Failure> {
    let Some(line) = start.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let Some(interpreter) = words.next() else {
        return Ok(None);
    };
    if interpreter.ends_with(b"/env") {
        let named = words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='));
        if let Some(named) = named {
            return find(OsStr::from_bytes(named)).map(Some);
        }
    }
    Ok(Some(OsString::from_vec(interpreter.to_vec()).into()))
}

fn privilege(path: &Path, about: &Metadata) -> Option<Privilege> {
    const SET_USER: u32 = libc::S_ISUID;
    const SET_GROUP: u32 = libc::S_ISGID | libc::S_IXGRP;
    if about.mode() & SET_USER != 0 {
        return Some(Privilege::SetUser(about.uid()));
    }
    if about.mode() & SET_GROUP == SET_GROUP {
        return Some(Privilege::SetGroup(about.gid()));
    }
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: both names are C strings. With a size of 0 the call writes nothing, and only says whether the attribute exists.
    let size = unsafe {
        libc::getxattr(
            path.as_ptr(),
            c"security.capability".as_ptr(),
            core::ptr::null_mut(),
            0,
        )
    };
    (size > 0).then_some(Privilege::Capabilities)
}
