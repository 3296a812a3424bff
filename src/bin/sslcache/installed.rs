//! The libraries that were installed with this tool: in `../lib` beside its folder, or in the folder that the installation
//! wrote down.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::hosts;

/// The file with the folder of the libraries if that is not `../lib`, such as a distribution's `LIBDIR`.
const TOLD: &str = "share/sslcache/libdir";

/// The two libraries that bring the cache into a program.
pub struct Installed {
    /// The library to preload.
    pub preload: PathBuf,
    in_front: PathBuf,
}

impl Installed {
    /// True if our libssl is installed in this folder.
    pub fn is_folder_in_front(&self, folder: &Path) -> bool {
        folder.components().eq(self.in_front.components())
    }

    /// The name of the library that stands in front of the host's: the host is this machine's, whichever that is.
    pub fn name_in_front(&self) -> &'static str {
        let mut names = hosts::NAMES.into_iter();
        let found = names.find(|name| self.in_front.join(name).is_file());
        found.unwrap_or(hosts::NAMES[0])
    }

    /// The folder with the library of this name in front of the host's. A package moves that file out of the way when it no
    /// longer fits the host; the library to preload does not depend on it.
    pub fn in_front(&self, name: &str) -> Result<&Path, Failure> {
        let library = self.in_front.join(name);
        if library.is_file() {
            return Ok(&self.in_front);
        }
        Err(Failure::new(
            library.display(),
            "is not there: never installed, or taken away after an update of libssl",
            "install sslcache anew, or use --form preload where a program is linked with libssl",
        ))
    }
}

/// The library to preload, beside or below `lib`.
fn in_folder(lib: &Path) -> Option<Installed> {
    let found = Installed {
        preload: lib.join("libsslcache.so.0"),
        in_front: lib.join("sslcache"),
    };
    found.preload.is_file().then_some(found)
}

/// Finds the libraries. The error says in which folder they are missing.
pub fn libraries() -> Result<Installed, Failure> {
    let us = env::current_exe()
        .map_err(|error| Failure::new("this tool", error, "is /proc mounted?"))?;
    let prefix = us.parent().and_then(Path::parent);
    let beside = prefix.map(|prefix| prefix.join("lib"));
    let told = prefix.and_then(|prefix| fs::read_to_string(prefix.join(TOLD)).ok());
    let told = told.map(|folder| PathBuf::from(folder.trim_end()));
    let folders: Vec<_> = beside.into_iter().chain(told).collect();
    folders.iter().find_map(|folder| in_folder(folder)).ok_or_else(|| {
        let shown: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        Failure::new(
            "libsslcache.so.0",
            format_args!("not in {}", shown.join(" nor ")),
            "install sslcache with its libraries (make install), and call the sslcache in its bin folder",
        )
    })
}
