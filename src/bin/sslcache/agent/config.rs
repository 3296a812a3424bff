//! The agent's settings: a TOML file. What is not understood is refused, with its line and, if it looks like a slip of the
//! pen, with the name that was meant.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, mem, ptr};

use serde::Deserialize;
use sslcache::config::{AGENT_SOCKET, nearest};
use toml::Spanned;

use super::secret::shown;
use super::store::StoreConfig;
use crate::failure::Failure;

#[cfg(test)]
mod tests;

/// Where the settings are, unless another place is named.
pub const PLACE: &str = "/etc/sslcache-agent.toml";
/// The longest file, and far more than it needs.
const LONGEST: u64 = 64 * 1024;
/// The most bytes of a namespace's name.
const NAME_MOST: usize = 64;

/// The settings.
#[derive(Debug)]
pub struct Config {
    /// The store.
    pub store: StoreConfig,
    /// The file of the master keys.
    pub ring: PathBuf,
    /// For how long tickets are good, in seconds.
    pub lifetime: u64,
    /// Where to listen for processes.
    pub socket: PathBuf,
    /// Where to answer with figures.
    pub metrics: Option<SocketAddr>,
    /// What is done for sessions.
    pub sessions: Sessions,
    /// The namespace of each user; empty if each user has one.
    users: BTreeMap<u32, String>,
}

/// What is done for sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// Whether anything is.
    pub enabled: bool,
    /// Whether sessions for early data are, too.
    pub early_data: bool,
    /// How many replicas of the store have to confirm that such a session is taken.
    pub replicas: u32,
    /// For how long servers wait for an answer.
    pub look_up: Duration,
    /// The most bytes that wait to be put.
    pub queue: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    store: StoreTable,
    keys: KeysTable,
    sessions: Option<Spanned<SessionsTable>>,
    #[serde(default)]
    namespace: Vec<NamespaceTable>,
    socket: Option<PathBuf>,
    metrics: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreTable {
    url: Spanned<Urls>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    sentinel_password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    connect_timeout_ms: Option<Spanned<u64>>,
    timeout_ms: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an address, or several in brackets")]
enum Urls {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysTable {
    ring: PathBuf,
    lifetime_hours: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionsTable {
    enabled: Option<bool>,
    early_data: Option<bool>,
    replicas: Option<Spanned<u64>>,
    look_up_ms: Option<Spanned<u64>>,
    queue_mib: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamespaceTable {
    name: Spanned<String>,
    users: Vec<Spanned<User>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a user's name or number")]
enum User {
    Number(u32),
    Name(String),
}

impl Config {
    /// The settings in the file at `path`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let unreadable =
            |error| Failure::new(shown(path), error, "make it, or name another with --config");
        let about = fs::metadata(path).map_err(unreadable)?;
        if !about.is_file() || about.len() > LONGEST {
            return Err(Failure::new(
                shown(path),
                format!("is no file of up to {LONGEST} bytes"),
                "name the agent's settings with --config",
            ));
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, path)
    }

    /// The settings in `text`, which is that of the file at `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Failure> {
        let place =
            |span: Range<usize>| format!("{}: line {}", shown(path), line_of(text, span.start));
        let file: File = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or_else(|| shown(path).to_string(), place);
            not_understood(&place, error.message())
        })?;
        let within = |number: Option<Spanned<u64>>, range: Range<u64>, else_: u64| match number {
            Some(number) if !range.contains(number.get_ref()) => Err(Failure::new(
                place(number.span()),
                format!("{} is out of bounds", number.get_ref()),
                format!("write a number from {} to {}", range.start, range.end - 1),
            )),
            number => Ok(number.map_or(else_, Spanned::into_inner)),
        };
        let table = file.sessions;
        let at = table.as_ref().map(|table| place(table.span()));
        let table = table.map(Spanned::into_inner).unwrap_or_default();
        let sessions = Sessions {
            enabled: table.enabled.unwrap_or(true),
            early_data: table.early_data.unwrap_or(false),
            replicas: within(table.replicas, 0..101, 0)? as u32,
            look_up: Duration::from_millis(within(table.look_up_ms, 1..1001, 2)?),
            queue: within(table.queue_mib, 1..1025, 16)? as usize * 1024 * 1024,
        };
        let millis = |number| within(number, 1..60_001, 0).map(Duration::from_millis);
        let urls = match file.store.url.into_inner() {
            Urls::One(url) => vec![url],
            Urls::Several(urls) => urls,
        };
        let mut store = StoreConfig::at(urls);
        if file.store.connect_timeout_ms.is_some() {
            store.connect_timeout = millis(file.store.connect_timeout_ms)?;
        }
        if file.store.timeout_ms.is_some() {
            store.timeout = millis(file.store.timeout_ms)?;
        }
        // Whoever replaces the store may not have what was confirmed by that alone.
        let may_change = |url: &String| {
            let scheme = url.split(':').next().unwrap_or_default();
            scheme.ends_with("+cluster") || scheme.ends_with("+sentinel")
        };
        if sessions.early_data && sessions.replicas == 0 && store.urls.iter().any(may_change) {
            return Err(Failure::new(
                at.unwrap_or_default(),
                "early_data, of a store that a replica may replace",
                "set `replicas` to how many of the replicas have to know of each use: half of them, or more",
            ));
        }
        Ok(Self {
            sessions,
            store: StoreConfig {
                user: file.store.user,
                password_file: file.store.password_file,
                sentinel_password_file: file.store.sentinel_password_file,
                ca_file: file.store.ca_file,
                ..store
            },
            ring: file.keys.ring,
            lifetime: within(file.keys.lifetime_hours, 1..25, 24)? * 3600,
            socket: file.socket.unwrap_or_else(|| AGENT_SOCKET.into()),
            metrics: file.metrics,
            users: users_of(file.namespace, &place)?,
        })
    }

    /// The namespace of a user's processes. Without a table of namespaces, each user has one; with them, who is in none has
    /// none.
    pub fn namespace_of(&self, uid: u32) -> Option<String> {
        match self.users.is_empty() {
            // With a space, which a name in the file cannot have.
            true => Some(format!("uid {uid}")),
            false => self.users.get(&uid).cloned(),
        }
    }

    /// The namespaces of the file, each once.
    pub fn namespaces(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.users.values().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The namespace of each user in the tables.
fn users_of(
    tables: Vec<NamespaceTable>,
    place: &dyn Fn(Range<usize>) -> String,
) -> Result<BTreeMap<u32, String>, Failure> {
    let mut users = BTreeMap::<u32, String>::new();
    let mut names = Vec::new();
    for table in tables {
        let (at, name) = (place(table.name.span()), table.name.into_inner());
        let is_fit = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
        if name.is_empty() || name.len() > NAME_MOST || !name.chars().all(is_fit) {
            return Err(Failure::new(
                at,
                "no name for a namespace",
                format!("use up to {NAME_MOST} letters, digits, dots, dashes and underscores"),
            ));
        }
        if names.contains(&name) {
            let reason = format!("there are two namespaces {name}");
            return Err(Failure::new(at, reason, "put the users of both into one"));
        }
        if table.users.is_empty() {
            let reason = format!("the namespace {name} has no users");
            return Err(Failure::new(
                at,
                reason,
                "name the users of its servers in `users`",
            ));
        }
        names.push(name.clone());
        for user in table.users {
            let at = place(user.span());
            let uid = match user.into_inner() {
                User::Number(uid) => uid,
                User::Name(user) => number_of(&user).ok_or_else(|| {
                    let reason = format!("there is no user {}", user.escape_debug());
                    Failure::new(&at, reason, "make the user, or write its number")
                })?,
            };
            if let Some(other) = users.insert(uid, name.clone()) {
                return Err(Failure::new(
                    at,
                    format!("the user {uid} is in the namespace {other} already"),
                    "leave each user in one, as the agent knows processes by their users",
                ));
            }
        }
    }
    Ok(users)
}

/// The failure to understand a line, from the words of the parser.
fn not_understood(place: &str, message: &str) -> Failure {
    let words: Vec<_> = message.split('`').collect();
    let reason: String = message
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    match (message.starts_with("unknown field"), &words[..]) {
        (true, [_, written, _, known @ ..]) => {
            let known = || known.iter().step_by(2).copied();
            let remedy = match nearest(written, known()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!(
                    "what can stand here: {}",
                    known().collect::<Vec<_>>().join(", ")
                ),
            };
            let reason = format!("there is no setting {}", written.escape_debug());
            Failure::new(place, reason, remedy)
        }
        _ => Failure::new(
            place,
            reason.trim(),
            "the sample in the agent's manual page shows the form",
        ),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// The number of the user of a name.
fn number_of(user: &str) -> Option<u32> {
    let name = CString::new(user).ok()?;
    let mut buffer = vec![0; 16 * 1024];
    // SAFETY: `passwd` has only integers and pointers, for which all zeros is a valid value.
    let mut entry: libc::passwd = unsafe { mem::zeroed() };
    let mut found = ptr::null_mut();
    // SAFETY: the name is a C string, and the other places live during the call, the buffer with its length.
    let asked = unsafe {
        libc::getpwnam_r(
            name.as_ptr(),
            &mut entry,
            buffer.as_mut_ptr(),
            buffer.len(),
            &mut found,
        )
    };
    (asked == 0 && !found.is_null()).then_some(entry.pw_uid)
}
