//! The settings file: whether it is trusted, and its text.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::toml::{self, Entry, Mistake};

/// A settings file has a few lines; a longer file is something else.
const LONGEST: u64 = 64 << 10;

/// The reason why the file is not used, worded to follow its name, and the remedy.
pub struct Unusable {
    pub reason: String,
    pub remedy: &'static str,
}

impl Unusable {
    fn because(reason: impl Into<String>, remedy: &'static str) -> Self {
        let reason = reason.into();
        Self { reason, remedy }
    }
}

/// All keys of the file at `path`, with their values; `Ok(None)` if there is no such file.
pub fn load(path: &Path, user: libc::uid_t) -> Result<Option<Vec<Entry>>, Unusable> {
    let Some(text) = read(path, user)? else {
        return Ok(None);
    };
    toml::entries(&text)
        .map(Some)
        .map_err(|Mistake { line, what }| {
            Unusable::because(
                format!("is not TOML in line {line}: {what}"),
                "mend that line; texts go in quotes",
            )
        })
}

/// The path may name a pipe, which would wait for a writer, or a terminal, which would become the controlling one. Miri
/// knows neither flag.
const FOR_ANY_FILE: libc::c_int = if cfg!(miri) {
    0
} else {
    libc::O_NONBLOCK | libc::O_NOCTTY
};

fn read(path: &Path, user: libc::uid_t) -> Result<Option<String>, Unusable> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(FOR_ANY_FILE)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(cannot_be_read(&error)),
    };
    let about = file.metadata().map_err(|error| cannot_be_read(&error))?;
    check_owner(&about, user)?;
    contents(file).map(Some)
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR))
}

fn cannot_be_read(error: &io::Error) -> Unusable {
    Unusable::because(
        format!("cannot be read ({error})"),
        "let the program's user read it",
    )
}

/// Checks that only root and the program's own user may write the file: its writer decides whose sessions are shared.
fn check_owner(about: &Metadata, user: libc::uid_t) -> Result<(), Unusable> {
    if !about.is_file() {
        return Err(Unusable::because(
            "is not a regular file",
            "name a regular file",
        ));
    }
    if about.uid() != 0 && about.uid() != user {
        return Err(Unusable::because(
            "belongs to another user",
            "chown it to root or to the program's user",
        ));
    }
    if about.mode() & 0o022 != 0 {
        return Err(Unusable::because(
            "may be written by others than its owner",
            "chmod go-w it",
        ));
    }
    Ok(())
}

fn contents(file: File) -> Result<String, Unusable> {
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| cannot_be_read(&error))?;
    if bytes.len() as u64 > LONGEST {
        return Err(Unusable::because(
            "is longer than 64k",
            "name a file of settings",
        ));
    }
    String::from_utf8(bytes).map_err(|_| Unusable::because("is not UTF-8", "write it in UTF-8"))
}
