//! Reads the settings from environment and file, and decides which of the two counts.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::complaints::{Complaints, Shown};
use super::file::{self, Unusable};
use super::nearest::nearest;
use super::toml::Entry;
use super::values::Refusal;
use super::{Certificates, PREFIX, SETTINGS, Setting, Settings};
use crate::sys::environment;
use crate::sys::privilege::is_privileged;

/// Where settings come from.
pub struct Sources {
    /// True if the program is privileged: neither environment nor file is read then.
    pub privileged: bool,
    /// The variables of the environment with the prefix. If two have the same name, the first counts.
    pub environment: Vec<(OsString, OsString)>,
    /// The default file, which need not exist.
    pub file: PathBuf,
    /// The user who may own the file, besides root.
    pub user: libc::uid_t,
}

/// Values by the name of the setting.
type InEnvironment = BTreeMap<&'static str, OsString>;

impl Sources {
    pub fn of_this_process() -> Self {
        let privileged = is_privileged();
        let environment = if privileged {
            Vec::new()
        } else {
            environment::beginning_with(PREFIX)
        };
        Self {
            privileged,
            environment,
            file: known("config").map_or("", |config| config.default).into(),
            // SAFETY: geteuid has no preconditions and cannot fail.
            user: unsafe { libc::geteuid() },
        }
    }

    /// The values, and complaints about what was not understood.
    pub fn read(&self) -> (Settings, Complaints) {
        let mut settings = Settings::default();
        let mut complaints = Complaints::default();
        if !self.privileged {
            let environment = self.sort_environment(&mut complaints);
            self.read_file(&environment, &mut settings, &mut complaints);
            for (name, text) in &environment {
                let Some(setting) = known(name) else { continue };
                if let Err(refusal) = put(setting, text, &mut settings) {
                    let written = format!("{}={}", setting.variable(), Shown(text));
                    complaints.add(refused(&written, setting, &refusal));
                }
            }
            if settings.certificates == Certificates::Any && !settings.leave_out_certificates() {
                complaints.add(
                    "certificates = any does nothing, as no group has a name: set group to a name of your own".into(),
                );
            }
        }
        (settings, complaints)
    }

    fn sort_environment(&self, complaints: &mut Complaints) -> InEnvironment {
        let mut found = InEnvironment::new();
        for (variable, value) in &self.environment {
            match SETTINGS
                .iter()
                .find(|setting| *setting.variable() == **variable)
            {
                Some(setting) => {
                    found.entry(setting.name).or_insert_with(|| value.clone());
                }
                // The complaint leaves the value out, because it may be a secret.
                None => complaints.add(unknown(
                    variable,
                    "",
                    &SETTINGS.each_ref().map(Setting::variable),
                )),
            }
        }
        found
    }

    /// Reads the file. A value that the environment overrides is checked as well, because it may be wrong.
    fn read_file(
        &self,
        environment: &InEnvironment,
        settings: &mut Settings,
        complaints: &mut Complaints,
    ) {
        let named = environment
            .get("config")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        let path = named.as_ref().unwrap_or(&self.file);
        let shown = Shown(path.as_os_str());
        let loaded = file::load(path, self.user).and_then(|found| match found {
            None if named.is_some() => Err(Unusable {
                reason: "does not exist".into(),
                remedy: "make it, or correct SSLCACHE_CONFIG",
            }),
            found => Ok(found.unwrap_or_default()),
        });
        let entries = loaded.unwrap_or_else(|Unusable { reason, remedy }| {
            complaints.add(format!("{shown} {reason}, so it is not used: {remedy}"));
            Vec::new()
        });
        for entry in &entries {
            if let Err(complaint) = put_entry(entry, &shown, settings) {
                complaints.add(complaint);
            }
        }
    }
}

/// For fuzzers: the settings of a file's text, the complaints, and the entries.
#[cfg(fuzzing)]
pub fn of_text(text: &str) -> Option<(Settings, Complaints, Vec<Entry>)> {
    let entries = super::toml::entries(text).ok()?;
    let (mut settings, mut complaints) = (Settings::default(), Complaints::default());
    for entry in &entries {
        if let Err(complaint) = put_entry(entry, &Shown(OsStr::new("file")), &mut settings) {
            complaints.add(complaint);
        }
    }
    Some((settings, complaints, entries))
}

pub fn known(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// Applies one entry of the file; the error says what is wrong with it.
fn put_entry(
    Entry { key, value }: &Entry,
    file: &Shown<'_>,
    settings: &mut Settings,
) -> Result<(), String> {
    let place = format!(" in {file}");
    let found = known(key).and_then(|setting| Some((setting, setting.takes.as_ref()?)));
    let Some((setting, takes)) = found else {
        let keys = SETTINGS.iter().filter(|setting| setting.takes.is_some());
        let keys: Vec<_> = keys.map(|setting| setting.name.to_owned()).collect();
        return Err(unknown(OsStr::new(key), &place, &keys));
    };
    let text = value.text(takes.bare).ok_or_else(|| {
        let default = setting.default;
        format!(
            "{key}{place} is of the wrong kind, so the default {default} is used: \
             write it like {key} = \"{default}\""
        )
    })?;
    put(setting, &text, settings).map_err(|refusal| {
        refused(
            &format!("{key} = {}{place}", Shown(&text)),
            setting,
            &refusal,
        )
    })
}

/// Sets the value as written, or the default if the text is empty or refused.
fn put(setting: &Setting, text: &OsStr, settings: &mut Settings) -> Result<(), Refusal> {
    let Some(takes) = &setting.takes else {
        return Ok(());
    };
    let default = OsStr::new(setting.default);
    if text.is_empty() {
        return (takes.set)(settings, default);
    }
    let taken = (takes.set)(settings, text);
    if taken.is_err() {
        // The value of the file, which was set before, does not count either.
        (takes.set)(settings, default)?;
    }
    taken
}

fn refused(written: &str, setting: &Setting, refusal: &Refusal) -> String {
    let Refusal { reason, remedy } = refusal;
    let default = setting.default;
    format!("{written} is {reason}, so the default {default} is used: {remedy}")
}

fn unknown(name: &OsStr, place: &str, names: &[String]) -> String {
    format!(
        "{}{place} is no setting and does nothing: {}",
        Shown(name),
        meant(&name.to_string_lossy(), names)
    )
}

/// Which of `names` was probably meant by another one, or all of them.
pub fn meant(name: &str, names: &[String]) -> String {
    let names = names.iter().map(String::as_str);
    // Compared without the prefix, which would make all names similar.
    let bare = |name: &str| {
        name.strip_prefix(PREFIX)
            .unwrap_or(name)
            .to_ascii_lowercase()
    };
    let bares: Vec<_> = names.clone().map(bare).collect();
    let meant = nearest(&bare(name), bares.iter().map(String::as_str))
        .and_then(|meant| names.clone().find(|name| bare(name) == meant));
    match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
    }
}
