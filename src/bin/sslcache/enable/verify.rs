//! What systemd says of the finished unit.

use std::path::Path;
use std::process::{Command, Stdio};

use super::unit::Name;

/// What `systemd-analyze verify` finds in our drop-in; nothing where there is no such program. What it finds elsewhere in the
/// unit was there before.
pub fn findings(root: &Path, name: &Name, file: &Path) -> Vec<String> {
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no"]);
    if root != Path::new("/") {
        command.arg(format!("--root={}", root.display()));
    }
    command
        .arg(format!("{}.service", name.bare()))
        .stdin(Stdio::null());
    let Ok(said) = command.output() else {
        return Vec::new();
    };
    // With a root, the file is named as it is below that.
    let below = Path::new("/").join(file.strip_prefix(root).unwrap_or(file));
    let names = [file, &below].map(|file| format!("{}:", file.display()));
    let text = String::from_utf8_lossy(&said.stderr);
    let ours = text
        .lines()
        .filter(|line| names.iter().any(|name| line.starts_with(name)));
    ours.map(|line| line.chars().filter(|char| !char.is_control()).collect())
        .collect()
}
