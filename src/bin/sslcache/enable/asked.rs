//! The settings that were asked for, and those that may be.

use std::ffi::OsStr;

use clap::ArgMatches;

use sslcache::config::{SETTINGS, Setting};

use super::unit::Name;
use crate::failure::Failure;

/// The value of the setting region that has systemd make a folder for it.
const AUTO: &str = "auto";
/// Each setting with the words that may be its value.
pub fn assignments() -> impl Iterator<Item = String> {
    let with_words = |setting: &'static Setting| {
        let auto = (setting.name == "region").then_some(AUTO);
        let words = setting.words.iter().copied().chain(auto);
        words.map(move |word| format!("{}={word}", setting.name))
    };
    SETTINGS.iter().flat_map(with_words)
}

/// The settings that were asked for.
pub struct Asked {
    /// Each with its value, as it is.
    pub values: Vec<(&'static Setting, String)>,
    /// True if systemd is to make a folder for the region.
    pub has_region: bool,
}

impl Asked {
    pub fn of(arguments: &ArgMatches) -> Result<Self, Failure> {
        let mut asked = Self {
            values: Vec::new(),
            has_region: arguments.get_flag("region"),
        };
        for written in arguments
            .get_many::<String>("settings")
            .into_iter()
            .flatten()
        {
            asked.add(written)?;
        }
        let has_two = asked.has_region
            && asked
                .values
                .iter()
                .any(|(setting, _)| setting.name == "region");
        if has_two {
            let reason = "another region is asked for as well";
            return Err(Failure::new("region=auto", reason, "give one of the two"));
        }
        Ok(asked)
    }

    fn add(&mut self, written: &str) -> Result<(), Failure> {
        let shown = written.escape_debug();
        let Some((name, value)) = written.split_once('=') else {
            return Err(Failure::new(
                shown,
                "not a setting with a value",
                "write it like ticket_keys=shared",
            ));
        };
        let setting = Setting::named(name)
            .map_err(|remedy| Failure::new(&shown, "no setting of sslcache", remedy))?;
        if setting.name == "region" && value == AUTO {
            self.has_region = true;
            return Ok(());
        }
        if value.is_empty() || value.chars().any(char::is_control) {
            return Err(Failure::new(
                shown,
                "empty, or not printable",
                format_args!("write {}", setting.unit),
            ));
        }
        setting
            .check(OsStr::new(value))
            .map_err(|(reason, remedy)| Failure::new(shown, reason, remedy))?;
        self.values.retain(|(other, _)| other.name != setting.name);
        self.values.push((setting, value.to_owned()));
        Ok(())
    }

    /// The command that would write the drop-in over an older one.
    pub fn command(&self, name: &Name) -> String {
        let mut command = format!("sslcache enable {} --force", name.bare());
        for (setting, value) in &self.values {
            let is_word = value
                .chars()
                .all(|char| char.is_ascii_alphanumeric() || "/._-".contains(char));
            let value = if is_word {
                value.clone()
            } else {
                format!("'{}'", value.replace('\'', "'\\''"))
            };
            command += &format!(" {}={value}", setting.name);
        }
        if self.has_region {
            command += " --region";
        }
        command
    }
}
