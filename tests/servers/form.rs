//! The forms in which sslcache is loaded into a program, and the two protocols.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The form in which sslcache is loaded into a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// Without sslcache.
    Plain,
    /// By `LD_PRELOAD`.
    Preloaded,
    /// As the libssl that is found first.
    Replacement,
    /// By `-lsslcache` when the program was built.
    Linked,
}

impl Form {
    pub const ALL: [Self; 4] = [
        Self::Plain,
        Self::Preloaded,
        Self::Replacement,
        Self::Linked,
    ];
    pub const WITHOUT_LINKING: [Self; 3] = [Self::Plain, Self::Preloaded, Self::Replacement];

    /// The library of ours that a process in this form has mapped, as the kernel names it.
    pub fn file(self, stage: &Path) -> Option<PathBuf> {
        let name = match self {
            Self::Plain => return None,
            Self::Preloaded | Self::Linked => "lib/libsslcache.so.0",
            Self::Replacement => in_front(stage),
        };
        Some(
            stage
                .join(name)
                .canonicalize()
                .unwrap_or_else(|_| stage.join(name)),
        )
    }

    /// Sets the environment of `command` so that it runs in this form. `also` is preloaded in every form.
    ///
    /// Both variables are always set or removed, because cargo passes its own library path to tests. No setting of sslcache is
    /// inherited, nor a variable of the tests, which sslcache would take for a mistyped setting.
    pub fn prepare(self, command: &mut Command, stage: Option<&Path>, also: Option<&Path>) {
        let mut preload: Vec<_> = also.iter().map(|path| path.display().to_string()).collect();
        command
            .env_remove("LD_PRELOAD")
            .env_remove("LD_LIBRARY_PATH");
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("SSLCACHE_") {
                command.env_remove(name);
            }
        }
        if let Some(stage) = stage {
            match self {
                Self::Plain => {}
                Self::Preloaded => {
                    preload.push(stage.join("lib/libsslcache.so.0").display().to_string());
                }
                Self::Replacement => {
                    command.env("LD_LIBRARY_PATH", stage.join("lib/sslcache"));
                }
                Self::Linked => {
                    command.env("LD_LIBRARY_PATH", stage.join("lib"));
                }
            }
        }
        if !preload.is_empty() {
            command.env("LD_PRELOAD", preload.join(":"));
        }
    }
}

/// The library that stands in front of the host's, whichever that is on this machine.
fn in_front(stage: &Path) -> &'static str {
    let mut names = [
        "lib/sslcache/libssl.so.3",
        "lib/sslcache/libssl.so.4",
        "lib/sslcache/libssl.so.1.1",
    ]
    .into_iter();
    let found = names.find(|name| stage.join(name).exists());
    found.unwrap_or("lib/sslcache/libssl.so.3")
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Preloaded => "preloaded",
            Self::Replacement => "in front",
            Self::Linked => "linked",
        })
    }
}

/// The TLS version of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Protocol {
    Tls12,
    Tls13,
}

impl Protocol {
    /// The name of the protocol in the arguments of our client and our Python program.
    pub fn number(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "TLS {}", self.number())
    }
}
