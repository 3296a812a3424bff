//! The units of systemd: their names, and what their files and drop-ins say.
//!
//! The files are read as systemd reads them: the first folder that has a unit counts, drop-ins come after it in the order of
//! their names, and an empty value takes back what was said before.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::file;
use super::words::words;
use crate::failure::Failure;

/// The folders of units, the one that takes precedence first. Generators make units from what is no unit, such as scripts
/// in /etc/init.d.
const FOLDERS: [&str; 8] = [
    "etc/systemd/system",
    "run/systemd/system",
    "run/systemd/generator.early",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "run/systemd/generator",
    "run/systemd/generator.late",
];

/// The types of units that start no program themselves.
const OTHER_TYPES: [&str; 10] = [
    "socket",
    "timer",
    "target",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
    "device",
];

/// The most links from one name of a unit to another.
const LINKS_MOST: usize = 8;

/// The name of a service: `nginx`, `gunicorn@blue`, or `gunicorn@` for all instances.
pub struct Name(String);

impl Name {
    /// Reads the name of a service, with or without `.service`.
    pub fn read(text: &str) -> Result<Self, Failure> {
        let refuse = |reason: &str, remedy: String| {
            Err(Failure::new(text.escape_default(), reason, remedy).with_code(1))
        };
        if let Some((stem, suffix)) = text.rsplit_once('.')
            && OTHER_TYPES.contains(&suffix)
        {
            let remedy = format!("name the service that it starts, such as {stem}.service");
            return refuse("not a service: such a unit runs no program itself", remedy);
        }
        let name = text.strip_suffix(".service").unwrap_or(text);
        // What systemd allows; a name with a slash would be another folder.
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let is_odd = name.starts_with('-') || name.chars().all(|c| c == '.');
        if is_odd || text.len() > 240 || !name.chars().all(is_allowed) {
            let remedy =
                "give the name of a service, as `systemctl list-units --type=service` shows it";
            return refuse("not the name of a unit", remedy.into());
        }
        if name.starts_with('@') || name.matches('@').count() > 1 {
            return refuse(
                "not the name of a unit",
                "write it like gunicorn@blue".into(),
            );
        }
        Ok(Self(name.into()))
    }

    /// The name without `.service`.
    pub fn bare(&self) -> &str {
        &self.0
    }

    /// The part that all instances have in common.
    pub fn stem(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }

    /// True if it stands for all instances.
    pub fn is_template(&self) -> bool {
        self.0.ends_with('@')
    }

    /// The folder below /run with the region of the service. An instance has its own.
    pub fn runtime_folder(&self) -> String {
        // A backslash and a colon have a meaning to RuntimeDirectory=.
        let plain = self.0.replace(['\\', ':'], "-");
        let instance = if self.is_template() { "%i" } else { "" };
        format!("sslcache-{plain}{instance}")
    }

    /// The drop-in that this tool writes, below a root.
    pub fn drop_in(&self) -> PathBuf {
        format!("{}/{}.service.d/{OURS}", FOLDERS[0], self.0).into()
    }

    /// The names whose files describe this unit, the most specific one first.
    fn files(&self) -> Vec<String> {
        let mut names = vec![format!("{}.service", self.0)];
        if self.0.contains('@') && !self.is_template() {
            names.push(format!("{}@.service", self.stem()));
        }
        names
    }

    /// The folders with drop-ins for this unit, the most specific one first.
    fn drop_in_folders(&self) -> Vec<String> {
        let mut names = self.files();
        let stem = self.0.trim_end_matches('-');
        let dashes = stem
            .match_indices('-')
            .map(|(at, _)| at)
            .collect::<Vec<_>>();
        names.extend(
            dashes
                .iter()
                .rev()
                .map(|&at| format!("{}.service", &stem[..=at])),
        );
        names.push("service".into());
        names.into_iter().map(|name| format!("{name}.d")).collect()
    }
}

/// The name of the drop-in that this tool writes.
pub const OURS: &str = "sslcache.conf";

/// One line of a unit's files.
struct Line {
    section: String,
    key: String,
    value: String,
    /// The file that has it, with the root.
    file: PathBuf,
    /// True if the file is read after the drop-in of this tool, so that it wins.
    is_later: bool,
}

/// What the files of a service say, without the drop-in of this tool.
pub struct Unit {
    lines: Vec<Line>,
    /// True if it is a link to /dev/null, by which an administrator keeps it from being started.
    pub is_masked: bool,
}

/// A value, and the file that gives it.
pub struct Given {
    pub value: String,
    pub file: PathBuf,
    /// True if the file is read after the drop-in of this tool, so that it wins.
    pub is_later: bool,
}

impl Unit {
    /// Reads a service of the system below `root`; `None` if it has no unit.
    pub fn read(root: &Path, name: &Name) -> Option<Self> {
        let names = name.files();
        let file = names.iter().find_map(|name| {
            let files = FOLDERS.iter().map(|folder| Path::new(folder).join(name));
            files.filter_map(|file| resolve(root, &file)).next()
        })?;
        if file == Path::new("/dev/null") {
            let lines = Vec::new();
            return Some(Self {
                lines,
                is_masked: true,
            });
        }
        let mut lines = lines_of(&file, false);
        for (name, file) in drop_ins(root, name) {
            lines.extend(lines_of(&file, *name > *OsStr::new(OURS)));
        }
        Some(Self {
            lines,
            is_masked: false,
        })
    }

    /// The values of a key of the section Service, of which an empty one takes back those before it.
    pub fn all(&self, key: &str) -> Vec<Given> {
        let mut values = Vec::new();
        for line in &self.lines {
            if line.section != "Service" || line.key != key {
                continue;
            }
            if line.value.is_empty() {
                values.clear();
                continue;
            }
            values.push(Given {
                value: line.value.clone(),
                file: line.file.clone(),
                is_later: line.is_later,
            });
        }
        values
    }

    /// The last value of a key of the section Service.
    pub fn last(&self, key: &str) -> Option<String> {
        self.all(key).pop().map(|given| given.value)
    }

    /// A drop-in that is read after that of this tool, and that takes back the values of `key`.
    pub fn later_reset(&self, key: &str) -> Option<&Path> {
        let is_reset = |line: &&Line| {
            line.section == "Service" && line.key == key && line.value.is_empty() && line.is_later
        };
        self.lines.iter().find(is_reset).map(|line| &*line.file)
    }

    /// The value that the files give a variable of the environment.
    pub fn variable(&self, variable: &str) -> Option<Given> {
        let mut found = None;
        for given in self.all("Environment") {
            for word in words(&given.value).unwrap_or_default() {
                if let Some((name, value)) = word.split_once('=')
                    && name == variable
                {
                    let value = value.to_owned();
                    found = Some(Given {
                        value,
                        file: given.file.clone(),
                        ..given
                    });
                }
            }
        }
        found
    }
}

/// The drop-ins of a unit by their names; one of the same name in a folder that takes precedence hides another.
fn drop_ins(root: &Path, name: &Name) -> BTreeMap<OsString, PathBuf> {
    let mut found = BTreeMap::new();
    for of_name in name.drop_in_folders() {
        for folder in FOLDERS {
            let folder = Path::new(folder).join(&of_name);
            for entry in fs::read_dir(root.join(&folder))
                .into_iter()
                .flatten()
                .flatten()
            {
                let file_name = entry.file_name();
                let is_conf = Path::new(&file_name)
                    .extension()
                    .is_some_and(|end| end == "conf");
                let is_ours = folder.join(&file_name) == name.drop_in();
                if !is_conf || is_ours {
                    continue;
                }
                if let Some(file) = resolve(root, &folder.join(&file_name)) {
                    found.entry(file_name).or_insert(file);
                }
            }
        }
    }
    found
}

/// The file at a path below `root`, behind all links, each of which stays below the root; `None` if there is none.
pub fn resolve(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MOST {
        let file = root.join(path.strip_prefix("/").unwrap_or(&path));
        match fs::read_link(&file) {
            Ok(target) if target == Path::new("/dev/null") => return Some(target),
            Ok(target) => path = flatten(&path.parent().unwrap_or(Path::new("")).join(target)),
            Err(error) if error.kind() == ErrorKind::InvalidInput => return Some(file),
            Err(_) => return None,
        }
    }
    None
}

/// A path without `.` and `..`, relative to the root.
fn flatten(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => flat.push(name),
            Component::ParentDir => {
                flat.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    flat
}

/// The lines of a file: a backslash at the end of one joins the next to it, and comments are left out.
fn lines_of(path: &Path, is_later: bool) -> Vec<Line> {
    let text = file::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let (mut lines, mut section, mut whole) = (Vec::new(), String::new(), String::new());
    for line in text.lines() {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        if let Some(start) = line.strip_suffix('\\') {
            whole += start;
            whole.push(' ');
            continue;
        }
        whole += line;
        let line = std::mem::take(&mut whole);
        let line = line.trim();
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name.to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            lines.push(Line {
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
                file: path.to_path_buf(),
                is_later,
            });
        }
    }
    lines
}
