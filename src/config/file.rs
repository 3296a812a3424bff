//! The file of the settings: whether it may be believed, and what it says.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::Bare;

/// A file of settings is a few lines; what is longer is something else.
const LONGEST: u64 = 64 << 10;

/// A value, as it is written.
pub enum Written {
    /// In quotes.
    Text(String),
    /// A number, in decimal digits.
    Number(String),
    /// `true` or `false`.
    Switch(bool),
    /// A date, a list, a table.
    Other,
}

impl Written {
    /// The value as the environment would have it; `None` where it had to be in quotes.
    pub fn text(&self, bare: Bare) -> Option<OsString> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Number(digits) if bare != Bare::Nothing => Some(digits.into()),
            Self::Switch(on) if bare == Bare::Switch => Some(on.to_string().into()),
            _ => None,
        }
    }
}

/// Why the file is not used, after its name, and what to do.
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

/// All keys of the file at `path`, with their values. `Ok(None)`: there is no such file.
pub fn load(path: &Path, user: libc::uid_t) -> Result<Option<Vec<(String, Written)>>, Unusable> {
    let text = match read(path, user)? {
        Some(text) => text,
        None => return Ok(None),
    };
    let table = DeTable::parse(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            text.as_bytes()[..span.start.min(text.len())]
                .iter()
                .filter(|&&b| b == b'\n')
                .count()
                + 1
        });
        Unusable::because(
            format!("is not TOML in line {line}: {}", error.message()),
            "mend that line; texts go in quotes",
        )
    })?;
    let entries = table.into_inner().into_iter();
    Ok(Some(
        entries
            .map(|(key, value)| (key.into_inner().into_owned(), written(value.into_inner())))
            .collect(),
    ))
}

fn written(value: DeValue<'_>) -> Written {
    match value {
        DeValue::String(text) => Written::Text(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Written::Number(number.to_string()),
            Err(_) => Written::Number(number.as_str().into()),
        },
        DeValue::Boolean(on) => Written::Switch(on),
        _ => Written::Other,
    }
}

fn read(path: &Path, user: libc::uid_t) -> Result<Option<String>, Unusable> {
    // Not to wait for a writer of what turns out to be a pipe, nor to gain a terminal.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(cannot_be_read(&error)),
    };
    let about = file.metadata().map_err(|error| cannot_be_read(&error))?;
    believe(&about, user)?;
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

/// Whoever may write the file decides whose sessions are shared: that is the administrator, or the user.
fn believe(about: &Metadata, user: libc::uid_t) -> Result<(), Unusable> {
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
