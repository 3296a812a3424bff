//! The forms in which sslcache is loaded into a program, and the hosts.

use std::fmt;

/// The form in which sslcache is loaded. The object file of a program is the same in all forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Without sslcache.
    Plain,
    /// By `-lsslcache` before `-lssl`.
    Linked,
    /// By `LD_PRELOAD`.
    Preloaded,
    /// As the `libssl.so` that is found first.
    Replaced,
}

impl Form {
    pub const ALL: [Self; 4] = [Self::Plain, Self::Linked, Self::Preloaded, Self::Replaced];
    pub const OURS: [Self; 3] = [Self::Linked, Self::Preloaded, Self::Replaced];
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Linked => "linked",
            Self::Preloaded => "preloaded",
            Self::Replaced => "replaced",
        })
    }
}

/// The libssl behind sslcache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// The distribution's libssl. Debian's calls its own cache functions through the PLT.
    System,
    /// A libssl linked as upstream links it, with -Bsymbolic: its internal calls do not go through the PLT.
    Bsymbolic,
    /// OpenSSL 4.0, linked in the same way. The library has another name and other headers.
    Openssl4,
    /// OpenSSL 1.1.1, likewise.
    Openssl111,
}

impl Host {
    pub const ALL: [Self; 4] = [
        Self::System,
        Self::Bsymbolic,
        Self::Openssl4,
        Self::Openssl111,
    ];
    /// The hosts that one program file runs on.
    pub const OF_OPENSSL_3: [Self; 2] = [Self::System, Self::Bsymbolic];

    /// The line of releases, whose headers and library names a program is built with.
    pub fn release(self) -> Option<Release> {
        match self {
            Self::System | Self::Bsymbolic => None,
            Self::Openssl4 => Some(Release {
                name: "openssl4",
                number: "4.0",
                libraries: ["libssl.so.4", "libcrypto.so.4"],
            }),
            Self::Openssl111 => Some(Release {
                name: "openssl111",
                number: "1.1.1",
                libraries: ["libssl.so.1.1", "libcrypto.so.1.1"],
            }),
        }
    }

    /// Hosts that run the same program files have the same number, below [`Self::LINES`].
    pub fn line(self) -> usize {
        match self {
            Self::System | Self::Bsymbolic => 0,
            Self::Openssl4 => 1,
            Self::Openssl111 => 2,
        }
    }

    /// How many lines of releases there are.
    pub const LINES: usize = 3;
}

/// A release that `make` builds as a host for the tests.
#[derive(Clone, Copy, Debug)]
pub struct Release {
    /// The make target, and its folder in cargo's target directory.
    pub name: &'static str,
    /// As people say it.
    pub number: &'static str,
    /// The names of libssl and libcrypto.
    pub libraries: [&'static str; 2],
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::Bsymbolic => "bsymbolic",
            Self::Openssl4 => "openssl4",
            Self::Openssl111 => "openssl111",
        })
    }
}
