//! The settings: all of them in one table, read once, handed down as values.
//!
//! Settings come from the environment and from a TOML file; the environment takes precedence. The first process that makes
//! a context reads them, because servers empty the environment of their workers. The processes that it forks inherit them,
//! and never read them again. One line on stderr lists the names and values that are not understood; defaults replace them.
//! A set-user-ID program uses the defaults and prints nothing: the user who starts it is not responsible for it.
//!
//! * `read` decides which source counts, `file` and `toml` read the file, `values` reads and writes each value.
//! * `nearest` guesses the word that was meant, `complaints` makes the line for stderr.

mod complaints;
mod file;
mod nearest;
mod read;
#[cfg(test)]
mod tests;
mod toml;
mod values;

use core::ffi::CStr;
use core::time::Duration;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use once_cell::race::OnceBox;

use crate::sys::privilege::is_privileged;
use crate::sys::say::{self, Topic};
use crate::sys::uncancelled::Uncancelled;
pub use nearest::nearest;
use values::Refusal;
pub use values::write_size;

/// The prefix of the environment variables.
const PREFIX: &str = "SSLCACHE_";

/// A setting, as docs/SETTINGS.md and sslcache(7) describe it.
pub struct Setting {
    /// The key in the file. In upper case and after `SSLCACHE_`, it is the variable of the environment.
    pub name: &'static str,
    /// The default value, as it would be written.
    pub default: &'static str,
    /// The values that may be written.
    pub unit: &'static str,
    /// The values that are words, to be offered where a value is typed.
    pub words: &'static [&'static str],
    /// What the setting does.
    pub meaning: &'static str,
    /// How the value is read and written; `None` if only the environment can give it.
    takes: Option<Takes>,
}

/// How the value of a setting is read and written.
struct Takes {
    bare: Bare,
    set: fn(&mut Settings, &OsStr) -> Result<(), Refusal>,
    get: fn(&Settings) -> String,
}

/// The kind of value that needs no quotes in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bare {
    Nothing,
    Number,
    Switch,
}

impl Setting {
    /// The setting of this name, or with this variable of the environment. The error says which was probably meant.
    pub fn named(written: &str) -> Result<&'static Self, String> {
        let lower = written.to_ascii_lowercase();
        let bare = lower.strip_prefix("sslcache_").unwrap_or(&lower);
        let name = bare.replace('-', "_");
        read::known(&name).ok_or_else(|| {
            let names = SETTINGS.each_ref().map(|setting| setting.name.to_owned());
            read::meant(&name, &names)
        })
    }

    /// The name of the environment variable.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_ascii_uppercase())
    }

    /// True if the value is on or off.
    pub fn is_switch(&self) -> bool {
        let takes = self.takes.as_ref();
        takes.is_some_and(|takes| takes.bare == Bare::Switch)
    }

    /// Checks that `text` may be written as the value. The error says what `text` is instead, and what to write.
    pub fn check(&self, text: &OsStr) -> Result<(), (&'static str, String)> {
        let mut ignored = Settings::default();
        let taken = self
            .takes
            .as_ref()
            .map(|takes| (takes.set)(&mut ignored, text));
        taken
            .unwrap_or(Ok(()))
            .map_err(|Refusal { reason, remedy }| (reason, remedy))
    }

    /// The value in `settings`, as it would be written; `None` if only the environment can give it.
    pub fn value_in(&self, settings: &Settings) -> Option<String> {
        self.takes.as_ref().map(|takes| (takes.get)(settings))
    }
}

/// The values that may be written for a switch.
const SWITCH: &str = "0 or 1, no or yes, off or on, false or true";
const SWITCH_WORDS: [&str; 2] = ["0", "1"];

/// How a switch is read and written, whose value is this field of the settings.
macro_rules! switch {
    ($field:ident) => {
        Some(Takes {
            bare: Bare::Switch,
            set: |to, text| values::switch(text).map(|on| to.$field = on),
            get: |of| values::write_switch(of.$field),
        })
    };
}

/// Every setting.
pub static SETTINGS: [Setting; 13] = [
    Setting {
        name: "region",
        default: "none",
        unit: "absolute path, or none",
        words: &[],
        meaning: "The file in which processes without a common parent share their sessions; it is made with mode 0600.",
        takes: Some(Takes {
            bare: Bare::Nothing,
            set: |to, text| values::region(text).map(|region| to.region = region),
            get: |of| values::write_region(of.region.as_deref()),
        }),
    },
    Setting {
        name: "region_size",
        default: "64M",
        unit: "bytes, or with k, M or G; 256k to 4G",
        words: &["64M", "256M", "1G"],
        meaning: "The size of the shared memory, of which pages are used only as they are filled; a region in a file \
                  takes all of it at once.",
        takes: Some(Takes {
            bare: Bare::Number,
            set: |to, text| values::size(text).map(|size| to.region_size = size),
            get: |of| values::write_size(of.region_size),
        }),
    },
    Setting {
        name: "group",
        default: "none",
        unit: "none, certificate, or a name of up to 64 bytes",
        words: &["none", "certificate"],
        meaning: "With certificate, contexts with the same certificate, session id context and protocol settings share \
                  their sessions; with a name, those among them whose process has the same name here.",
        takes: Some(Takes {
            bare: Bare::Nothing,
            set: |to, text| values::group(text).map(|group| to.group = group),
            get: |of| values::write_group(&of.group),
        }),
    },
    Setting {
        name: "certificates",
        default: "compare",
        unit: "compare or any",
        words: &["compare", "any"],
        meaning: "With any, and only if group has a name, certificates are not compared: for hosts with certificates of their own for \
                  the same names. A client that returns is not shown the certificate that it meets.",
        takes: Some(Takes {
            bare: Bare::Nothing,
            set: |to, text| {
                values::certificates(text).map(|certificates| to.certificates = certificates)
            },
            get: |of| values::write_certificates(of.certificates),
        }),
    },
    Setting {
        name: "force",
        default: "0",
        unit: SWITCH,
        words: &SWITCH_WORDS,
        meaning: "Contexts whose program switched the cache off get one all the same, but not for connections that ask \
                  for client certificates.",
        takes: switch!(force),
    },
    Setting {
        name: "ticket_keys",
        default: "own",
        unit: "own, shared or fleet",
        words: &["own", "shared", "fleet"],
        meaning: "With shared, all processes use one set of keys for stateless tickets, which is rotated; with fleet, those \
                  of all hosts whose agent is at the same store, and without an agent as with shared.",
        takes: Some(Takes {
            bare: Bare::Nothing,
            set: |to, text| values::ticket_keys(text).map(|keys| to.ticket_keys = keys),
            get: |of| values::write_ticket_keys(of.ticket_keys),
        }),
    },
    Setting {
        name: "agent",
        default: "auto",
        unit: "auto, none, or an absolute path",
        words: &["auto", "none"],
        meaning: "The socket of the agent that has the fleet's keys. With auto it is /run/sslcache-agent/agent.sock, and nothing \
                  is said if it is not there.",
        takes: Some(Takes {
            bare: Bare::Nothing,
            set: |to, text| values::agent(text).map(|agent| to.agent = agent),
            get: |of| values::write_agent(&of.agent),
        }),
    },
    Setting {
        name: "agent_wait",
        default: "2",
        unit: "milliseconds; 1 to 1000",
        words: &[],
        meaning: "How long a handshake waits at most for the agent's answer about a session of another host. Only where group \
                  is set, and only for sessions that the fleet has made.",
        takes: Some(Takes {
            bare: Bare::Number,
            set: |to, text| values::milliseconds(text).map(|wait| to.agent_wait = wait),
            get: |of| of.agent_wait.as_millis().to_string(),
        }),
    },
    Setting {
        name: "early_data",
        default: "home",
        unit: "home or fleet",
        words: &["home", "fleet"],
        meaning: "With home, sessions for early data stay on their host; with fleet, where group is set, each use of one is \
                  agreed upon at the store, so that it is used once on all hosts, and not at all in doubt.",
        takes: Some(Takes {
            bare: Bare::Nothing,
            set: |to, text| values::early_data(text).map(|place| to.early_data = place),
            get: |of| values::write_early_data(of.early_data),
        }),
    },
    Setting {
        name: "strict_names",
        default: "0",
        unit: SWITCH,
        words: &SWITCH_WORDS,
        meaning: "A session or ticket is resumed only for the server name (RFC 6066, section 3), and under the access \
                  rules, that it was made for; in one process, too.",
        takes: switch!(strict_names),
    },
    Setting {
        name: "verbose",
        default: "0",
        unit: SWITCH,
        words: &SWITCH_WORDS,
        meaning: "One line on stderr, once a process, proves that sslcache is active and says in which form.",
        takes: switch!(verbose),
    },
    Setting {
        name: "stats",
        default: "1",
        unit: SWITCH,
        words: &SWITCH_WORDS,
        meaning: "The figures of the process are shown to sslcache stat, top and doctor, in a file that its user alone \
                  may read.",
        takes: switch!(stats),
    },
    Setting {
        name: "config",
        default: "/etc/sslcache.toml",
        unit: "path",
        words: &[],
        meaning: "The file with the settings; one that is named here must exist.",
        takes: None,
    },
];

/// The settings in force.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The file in which processes without a common parent share their sessions.
    pub region: Option<PathBuf>,
    /// The size of the shared memory, in bytes.
    pub region_size: usize,
    /// Which contexts share.
    pub group: Group,
    /// Whether contexts with different certificates share in a group with a name.
    pub certificates: Certificates,
    /// True if contexts whose program switched the cache off get one.
    pub force: bool,
    /// The keys that stateless tickets are made with.
    pub ticket_keys: TicketKeys,
    /// The socket of this host's agent.
    pub agent: Agent,
    /// How long a handshake waits at most for the agent's answer.
    pub agent_wait: Duration,
    /// Where sessions for early data may be used.
    pub early_data: EarlyData,
    /// True if sessions and tickets are valid for one server name only.
    pub strict_names: bool,
    /// True if a line on stderr says that sslcache is active.
    pub verbose: bool,
    /// True if the process writes a stats page.
    pub stats: bool,
}

/// Which contexts share their sessions.
#[derive(Debug, PartialEq, Eq)]
pub enum Group {
    /// Only a context with itself, in processes that were forked after it was made.
    None,
    /// Contexts with the same certificate, session id context and protocol settings.
    Certificate,
    /// Such contexts in processes whose settings have the same name.
    Named(String),
}

/// Whether contexts with different certificates share in a group with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificates {
    /// They do not.
    Compare,
    /// They do, for clients that send a server name.
    Any,
}

/// The keys that stateless tickets are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketKeys {
    /// Keys of each context's own.
    Own,
    /// Keys that all processes share.
    Shared,
    /// Keys that all hosts of the fleet share; keys that all processes of this host share while there are none.
    Fleet,
}

impl TicketKeys {
    /// Whether contexts use keys that others have, too.
    pub fn are_common(self) -> bool {
        self != Self::Own
    }
}

/// The socket of the agent, which has the fleet's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// At the usual place, if it is there.
    Auto,
    /// No agent is asked.
    None,
    /// At this path.
    At(PathBuf),
}

impl Agent {
    /// The path of the socket; `None` if no agent is to be asked.
    pub fn socket(&self) -> Option<&Path> {
        match self {
            Self::Auto => Some(Path::new(AGENT_SOCKET)),
            Self::None => None,
            Self::At(path) => Some(path),
        }
    }
}

/// Where sessions for early data may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyData {
    /// On the host that made them.
    Home,
    /// On each host of the fleet, once in all.
    Fleet,
}

/// The usual place of the agent's socket.
pub const AGENT_SOCKET: &str = "/run/sslcache-agent/agent.sock";

impl Settings {
    /// Whether contexts share by what they have in common, for which session id contexts must be known.
    pub fn compare_contexts(&self) -> bool {
        self.region.is_some() || self.group != Group::None || self.ticket_keys.are_common()
    }

    /// Whether sessions are shared with other hosts, if an agent is there.
    pub fn share_with_hosts(&self) -> bool {
        self.group != Group::None
    }

    /// Whether contexts with different certificates share.
    pub fn leave_out_certificates(&self) -> bool {
        self.certificates == Certificates::Any && matches!(self.group, Group::Named(_))
    }

    /// Whether none of them gives contexts more than libssl does: what is shared then is what a fork has copied.
    pub fn are_plain(&self) -> bool {
        self.region.is_none()
            && self.group == Group::None
            && !self.force
            && !self.strict_names
            && !self.ticket_keys.are_common()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: None,
            region_size: 64 << 20,
            group: Group::None,
            certificates: Certificates::Compare,
            force: false,
            ticket_keys: TicketKeys::Own,
            agent: Agent::Auto,
            agent_wait: Duration::from_millis(2),
            early_data: EarlyData::Home,
            strict_names: false,
            verbose: false,
            stats: true,
        }
    }
}

/// For fuzzers: what a settings file of this text gives, and the line about what is not understood; `None` if it is no TOML.
/// The keys at its top, as they are read, are the third.
#[cfg(fuzzing)]
pub fn of_text(text: &str) -> Option<(Settings, Option<String>, Vec<(String, Option<String>)>)> {
    let (settings, complaints, entries) = read::of_text(text)?;
    let entries = entries.into_iter().map(|toml::Entry { key, value }| {
        let value = match value {
            toml::Written::Text(text) => Some(text),
            toml::Written::Switch(on) => Some(on.to_string()),
            toml::Written::Number(digits) => Some(digits),
            toml::Written::Other => None,
        };
        (key, value)
    });
    Some((settings, complaints.line(), entries.collect()))
}

/// The settings as they are read now, without complaints: for the moment when the library is loaded.
pub fn settings_without_complaints() -> Settings {
    read::Sources::of_this_process().read().0
}

/// The settings of this process and of the processes that it forks. The first call reads them, which may change errno;
/// later calls cost one load. No call waits: if two threads race, both read, and the settings of one are used.
pub fn settings() -> &'static Settings {
    static READ: OnceBox<Settings> = OnceBox::new();
    READ.get_or_init(|| {
        let _uncancelled = Uncancelled::new();
        let (settings, complaints) = read::Sources::of_this_process().read();
        if let Some(line) = complaints.line() {
            say::once(Topic::Settings, format_args!("{line}"));
        }
        Box::new(settings)
    })
}

/// True if the environment asks for memory that contexts made after a fork share: it sets a group, or ticket keys that
/// processes share.
/// Cheap enough for the moment when the library is loaded: it allocates, opens and keeps nothing.
pub fn sharing_in_environment() -> bool {
    // SAFETY: the names are C strings. The values are null or C strings, which stay unchanged: at this moment the process has
    // one thread, and the program has not started.
    !is_privileged()
        && unsafe {
            let keys = libc::getenv(c"SSLCACHE_TICKET_KEYS".as_ptr());
            let says = |word: &CStr| libc::strcasecmp(keys, word.as_ptr()) == 0;
            !libc::getenv(c"SSLCACHE_GROUP".as_ptr()).is_null()
                || (!keys.is_null() && (says(c"shared") || says(c"fleet")))
        }
}

/// Prints that sslcache is active, if the settings ask for it: once in a process, and not again in processes that it forks.
/// `form` is the form and the host: `preloaded, in front of /usr/lib/libssl.so.3`.
pub fn announce(form: &str) {
    if settings().verbose {
        let version = env!("CARGO_PKG_VERSION");
        say::line_once(
            Topic::Active,
            format_args!("sslcache {version} active, {form}"),
        );
    }
}
