//! The values of each setting: how they are read, checked and written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::nearest::{mistakes, nearest};
use super::{Agent, Certificates, EarlyData, Group, TicketKeys};

/// The reason why a value is refused, worded to follow "the value is", and what to write instead.
#[derive(Debug)]
pub struct Refusal {
    pub reason: &'static str,
    pub remedy: String,
}

fn refuse<T>(reason: &'static str, remedy: impl Into<String>) -> Result<T, Refusal> {
    let remedy = remedy.into();
    Err(Refusal { reason, remedy })
}

const ON: [&str; 4] = ["1", "yes", "on", "true"];
const OFF: [&str; 4] = ["0", "no", "off", "false"];

const SIZE_LEAST: u64 = 256 << 10;
const SIZE_MOST: u64 = 4 << 30;
const GROUP_LONGEST: usize = 64;

/// The text in lower case and without surrounding blanks. Text that is not UTF-8 never becomes a known word.
fn word(text: &OsStr) -> String {
    text.to_string_lossy().trim().to_ascii_lowercase()
}

/// Reads a switch.
pub fn switch(text: &OsStr) -> Result<bool, Refusal> {
    let word = word(text);
    if ON.contains(&word.as_str()) {
        return Ok(true);
    }
    if OFF.contains(&word.as_str()) {
        return Ok(false);
    }
    let remedy = match nearest(
        &word,
        ON.into_iter().chain(OFF).filter(|known| known.len() > 1),
    ) {
        Some(meant) => format!("did you mean {meant}? Write 0 or 1"),
        None => "write 0 or 1".into(),
    };
    refuse("neither 0 nor 1", remedy)
}

/// Reads a number of bytes.
pub fn size(text: &OsStr) -> Result<usize, Refusal> {
    const REMEDY: &str = "write 256k to 4G, such as 64M";
    let word = word(text);
    let (digits, shift) = match word.as_bytes().last() {
        Some(b'k') => (&word[..word.len() - 1], 10),
        Some(b'm') => (&word[..word.len() - 1], 20),
        Some(b'g') => (&word[..word.len() - 1], 30),
        _ => (&word[..], 0),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return refuse("not a number of bytes", REMEDY);
    }
    // A number that overflows is too large as well.
    let bytes = digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(1 << shift));
    match bytes {
        Some(bytes) if bytes < SIZE_LEAST => refuse("less than 256k", REMEDY),
        Some(bytes) if bytes <= SIZE_MOST => match usize::try_from(bytes) {
            Ok(bytes) => Ok(bytes),
            Err(_) => refuse("more than this machine addresses", REMEDY),
        },
        _ => refuse("more than 4G", REMEDY),
    }
}

/// Reads a group. A switch or a mistyped `certificate` is not accepted as a name, because another group was meant.
pub fn group(text: &OsStr) -> Result<Group, Refusal> {
    const REMEDY: &str = "write none, certificate, or a name of your own";
    let word = word(text);
    match word.as_str() {
        "none" => return Ok(Group::None),
        "certificate" => return Ok(Group::Certificate),
        _ => {}
    }
    if ON.contains(&word.as_str()) || OFF.contains(&word.as_str()) {
        return refuse("a switch and not a group", REMEDY);
    }
    if mistakes(word.as_bytes(), b"certificate") <= 2 {
        return refuse("nearly certificate", "did you mean certificate?");
    }
    match text.to_str() {
        Some(name) if name.len() > GROUP_LONGEST => {
            refuse("longer than 64 bytes", "write a shorter name")
        }
        Some(name) if !name.chars().any(char::is_control) => Ok(Group::Named(name.into())),
        _ => refuse("not printable", REMEDY),
    }
}

/// Reads whether certificates are compared. A switch is not guessed at: `on` could mean either.
pub fn certificates(text: &OsStr) -> Result<Certificates, Refusal> {
    let word = word(text);
    match word.as_str() {
        "compare" => Ok(Certificates::Compare),
        "any" => Ok(Certificates::Any),
        _ => refuse(
            "neither compare nor any",
            match nearest(&word, ["compare", "any"]) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "write compare or any".into(),
            },
        ),
    }
}

/// Reads a time in milliseconds.
pub fn milliseconds(text: &OsStr) -> Result<Duration, Refusal> {
    match word(text).parse() {
        Ok(number @ 1..=1000) => Ok(Duration::from_millis(number)),
        _ => refuse("no number of milliseconds", "write 1 to 1000, such as 2"),
    }
}

/// Reads where sessions for early data may be used.
pub fn early_data(text: &OsStr) -> Result<EarlyData, Refusal> {
    let word = word(text);
    match word.as_str() {
        "home" => Ok(EarlyData::Home),
        "fleet" => Ok(EarlyData::Fleet),
        _ => refuse(
            "neither home nor fleet",
            match nearest(&word, ["home", "fleet"]) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "write home or fleet".into(),
            },
        ),
    }
}

/// Reads the source of ticket keys.
pub fn ticket_keys(text: &OsStr) -> Result<TicketKeys, Refusal> {
    let word = word(text);
    match word.as_str() {
        "own" => Ok(TicketKeys::Own),
        "shared" => Ok(TicketKeys::Shared),
        "fleet" => Ok(TicketKeys::Fleet),
        // Never guessed: `on` is nearer to `own`, and means the other.
        switch if ON.contains(&switch) || OFF.contains(&switch) => refuse(
            "a switch and neither own, shared nor fleet",
            "write shared to have all processes use one set of keys, fleet for all hosts, or own",
        ),
        _ => refuse(
            "neither own, shared nor fleet",
            match nearest(&word, ["own", "shared", "fleet"]) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "write own, shared or fleet".into(),
            },
        ),
    }
}

/// Reads the file of a region, or none.
pub fn region(text: &OsStr) -> Result<Option<PathBuf>, Refusal> {
    match word(text).as_str() {
        "none" => Ok(None),
        _ => path(
            text,
            "write the path of a file from / on, such as /run/myserver/region",
        )
        .map(Some),
    }
}

/// Reads where the agent is.
pub fn agent(text: &OsStr) -> Result<Agent, Refusal> {
    const REMEDY: &str = "write auto, none, or the path of the agent's socket from / on";
    let word = word(text);
    match word.as_str() {
        "auto" => Ok(Agent::Auto),
        "none" => Ok(Agent::None),
        switch if ON.contains(&switch) || OFF.contains(&switch) => refuse("a switch", REMEDY),
        _ => path(text, REMEDY).map(Agent::At),
    }
}

/// Reads the absolute path of a file.
fn path(text: &OsStr, remedy: &str) -> Result<PathBuf, Refusal> {
    let bytes = text.as_bytes();
    if !bytes.starts_with(b"/") {
        return refuse("not an absolute path", remedy);
    }
    if bytes.contains(&0) || bytes.ends_with(b"/") {
        return refuse("not the path of a file", remedy);
    }
    Ok(Path::new(text).to_path_buf())
}

/// Writes a switch, as [`switch`] reads it.
pub fn write_switch(on: bool) -> String {
    u8::from(on).to_string()
}

/// Writes a number of bytes, as [`size`] reads it, in the largest unit that fits.
pub fn write_size(bytes: usize) -> String {
    let units = [(30, "G"), (20, "M"), (10, "k")];
    let fits = units
        .iter()
        .find(|(shift, _)| bytes.trailing_zeros() >= *shift);
    match fits {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

/// Writes a group, as [`group`] reads it.
pub fn write_group(group: &Group) -> String {
    match group {
        Group::None => "none".into(),
        Group::Certificate => "certificate".into(),
        Group::Named(name) => name.clone(),
    }
}

/// Writes whether certificates are compared, as [`certificates`] reads it.
pub fn write_certificates(certificates: Certificates) -> String {
    match certificates {
        Certificates::Compare => "compare".into(),
        Certificates::Any => "any".into(),
    }
}

/// Writes where sessions for early data may be used, as [`early_data`] reads it.
pub fn write_early_data(place: EarlyData) -> String {
    match place {
        EarlyData::Home => "home".into(),
        EarlyData::Fleet => "fleet".into(),
    }
}

/// Writes the source of ticket keys, as [`ticket_keys`] reads it.
pub fn write_ticket_keys(keys: TicketKeys) -> String {
    match keys {
        TicketKeys::Own => "own".into(),
        TicketKeys::Shared => "shared".into(),
        TicketKeys::Fleet => "fleet".into(),
    }
}

/// Writes where the agent is, as [`agent`] reads it.
pub fn write_agent(agent: &Agent) -> String {
    match agent {
        Agent::Auto => "auto".into(),
        Agent::None => "none".into(),
        Agent::At(path) => path.to_string_lossy().into_owned(),
    }
}

/// Writes the file of a region, as [`region`] reads it.
pub fn write_region(region: Option<&Path>) -> String {
    region.map_or("none".into(), |path| path.to_string_lossy().into_owned())
}
