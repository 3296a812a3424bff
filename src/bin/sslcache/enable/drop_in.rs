//! The text of a drop-in, its file, and what is left of it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::file;
use super::unit::{Name, Unit};
use super::words::assignment;
use crate::failure::Failure;

pub const PRELOAD: &str = "LD_PRELOAD";
/// The variable of the setting region.
const REGION: &str = "SSLCACHE_REGION";

/// The beginning of a file of ours. The purge of the Debian package recognises it by this as well.
const MARK: &[u8] = b"# sslcache for ";

/// True if a character has no meaning to systemd, nor to the loader, which ends a name at a blank or a colon.
pub fn is_plain(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !":%\"'\\$".contains(c)
}

/// The text of a drop-in, line by line. What is set takes the place of the line that has it, or that offers it in a comment.
pub struct Text(Vec<String>);

impl Text {
    pub fn new(template: &str) -> Self {
        Self(template.lines().map(str::to_owned).collect())
    }

    /// Sets a variable of the environment. A percent sign of `value` is a specifier of systemd.
    pub fn set_variable(&mut self, variable: &str, value: &str) {
        self.set(
            &format!("Environment={variable}="),
            assignment(variable, value),
        );
    }

    /// Has systemd make the folder of a region, for the user of the service, unless the text does something of its own.
    pub fn make_region(&mut self, name: &Name, unit: Option<&Unit>) {
        let own = format!("Environment={REGION}=");
        if self.0.iter().any(|line| line.starts_with(&own)) {
            return;
        }
        let folder = name.runtime_folder();
        self.set_variable(REGION, &format!("/run/{folder}/region"));
        self.set("RuntimeDirectory=", format!("RuntimeDirectory={folder}"));
        // The mode is one for all folders of a unit, and those that it has itself may be others' way to its socket.
        let has_its_own = unit.is_some_and(|unit| !unit.all("RuntimeDirectory").is_empty());
        if !has_its_own {
            self.set("RuntimeDirectoryMode=", "RuntimeDirectoryMode=0700".into());
        }
        self.set(
            "RuntimeDirectoryPreserve=",
            "RuntimeDirectoryPreserve=yes".into(),
        );
    }

    fn set(&mut self, key: &str, line: String) {
        let is_meant = |old: &String| {
            let old = old.strip_prefix('#').unwrap_or(old);
            old.starts_with(key)
        };
        match self.0.iter().position(is_meant) {
            Some(at) => self.0[at] = line,
            // After the last line that counts.
            None => {
                let counts = |old: &String| !old.is_empty() && !old.starts_with('#');
                let at = self
                    .0
                    .iter()
                    .rposition(counts)
                    .map_or(self.0.len(), |at| at + 1);
                self.0.insert(at, line);
            }
        }
    }

    /// The lines that count, without the section.
    pub fn active(&self) -> impl Iterator<Item = &str> {
        let lines = self.0.iter().map(String::as_str);
        lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '[']))
    }

    pub fn finish(&self) -> String {
        self.0.join("\n") + "\n"
    }
}

/// What is at the place of a drop-in.
pub enum Found {
    Nothing,
    /// A file that this tool has begun, and perhaps an administrator has edited.
    Ours(String),
}

/// Reads the file at the place of a drop-in. One that somebody else wrote is an error.
pub fn look(path: &Path) -> Result<Found, Failure> {
    match file::read(path) {
        Ok(found) if found.starts_with(MARK) => {
            Ok(Found::Ours(String::from_utf8_lossy(&found).into_owned()))
        }
        Ok(_) => Err(Failure::new(
            path.display(),
            "was not written by sslcache",
            "look at it, and move it away",
        )
        .with_code(1)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(denied(path, error)),
    }
}

/// Writes a file, and makes its folder if there is none. systemd sees the whole file or nothing.
pub fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let written = || {
        fs::create_dir_all(file.parent().unwrap_or(Path::new("/")))?;
        let new = file.with_extension("conf.new");
        let mut options = File::options();
        let opened = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&new);
        let written = opened
            .and_then(|mut out| out.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&new, file));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
    };
    written().map_err(|error| denied(file, error))
}

/// Removes a drop-in, and its folder unless that has others.
pub fn remove(file: &Path) -> Result<(), Failure> {
    fs::remove_file(file).map_err(|error| denied(file, error))?;
    if let Some(folder) = file.parent() {
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Removes the region that the service had, which nothing else would remove before the next boot. Processes that have it
/// keep it until they end.
pub fn remove_region(root: &Path, name: &Name) {
    if !name.is_template() {
        let folder = root.join("run").join(name.runtime_folder());
        let _ = fs::remove_file(folder.join("region"));
        let _ = fs::remove_dir(folder);
    }
}

fn denied(file: &Path, error: io::Error) -> Failure {
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => "run this as root",
        ErrorKind::ReadOnlyFilesystem => "this system is made elsewhere: copy the file there",
        _ => "see to the folder, and try again",
    };
    Failure::new(file.display(), error, remedy)
}
