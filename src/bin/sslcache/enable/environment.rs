//! What else the unit says of the variables that the drop-in sets.

use std::path::{Path, PathBuf};

use super::drop_in::{PRELOAD, is_plain};
use super::file;
use super::unit::{Unit, resolve};
use super::words::words;
use crate::failure::Failure;

/// The value of LD_PRELOAD with our library last: what the unit has there stays.
pub fn preload_list(unit: Option<&Unit>, ours: &str) -> Result<String, Failure> {
    let Some(given) = unit.and_then(|unit| unit.variable(PRELOAD)) else {
        return Ok(ours.to_owned());
    };
    let file = given.file.display();
    let is_ours = |path: &str| {
        path.rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with("libsslcache.so"))
    };
    if given.value.split([':', ' ']).any(is_ours) {
        let reason = "preloads sslcache already";
        let remedy = "leave it so, or take that line away and enable the service again";
        return Err(Failure::new(file, reason, remedy).with_code(1));
    }
    // Specifiers are left to systemd, which replaces them in our line, too.
    if !given
        .value
        .chars()
        .all(|char| is_plain(char) || ": %".contains(char))
    {
        let reason = "sets LD_PRELOAD to what this tool does not write anew";
        let remedy = format!("append :{ours} to it there");
        return Err(Failure::new(file, reason, remedy).with_code(1));
    }
    match given.value.as_str() {
        "" => Ok(ours.to_owned()),
        list => Ok(format!("{list}:{ours}")),
    }
}

/// The reason why a variable of the drop-in would not count, and the remedy.
pub fn overruled(root: &Path, unit: &Unit, variable: &str) -> Option<(String, String)> {
    if let Some(given) = unit.variable(variable).filter(|given| given.is_later) {
        let file = given.file.display();
        return Some((
            format!("{file} sets {variable}, and is read after the drop-in"),
            "take the line away there, or name that file so that it comes before sslcache.conf"
                .into(),
        ));
    }
    if let Some(file) = unit.later_reset("Environment") {
        return Some((
            format!(
                "{} empties Environment=, and is read after the drop-in",
                file.display()
            ),
            "name that file so that it comes before sslcache.conf".into(),
        ));
    }
    let unset = unit.all("UnsetEnvironment").into_iter().find(|given| {
        let words = words(&given.value).unwrap_or_default();
        words
            .iter()
            .any(|word| word.split('=').next() == Some(variable))
    });
    if let Some(given) = unset {
        return Some((
            format!("{} has UnsetEnvironment={variable}", given.file.display()),
            format!("take {variable} away there"),
        ));
    }
    let file = environment_files(root, unit)
        .into_iter()
        .find(|file| sets(file, variable))?;
    Some((
        format!(
            "{} sets {variable}, and an EnvironmentFile= counts for more than the drop-in",
            file.display()
        ),
        "write the value there".into(),
    ))
}

/// The files of EnvironmentFile= that are there. Of a pattern, and of a name with a specifier, only systemd knows which they
/// are.
fn environment_files(root: &Path, unit: &Unit) -> Vec<PathBuf> {
    let files = unit
        .all("EnvironmentFile")
        .into_iter()
        .map(|given| given.value);
    files
        .filter_map(|file| resolve(root, Path::new(file.strip_prefix('-').unwrap_or(&file))))
        .collect()
}

fn sets(path: &Path, variable: &str) -> bool {
    let text = file::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .filter_map(|line| line.trim().split_once('='))
        .any(|(name, _)| name.trim() == variable)
}
