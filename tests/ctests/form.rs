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
    /// OpenSSL 3.5, linked in the same way. The library's name is the system's, and the headers have more.
    Openssl35,
    /// OpenSSL 3.6, likewise.
    Openssl36,
    /// OpenSSL 1.1.1k, which RHEL 8 has. It tells less of a connection than 1.1.1w.
    Openssl111k,
}

impl Host {
    pub const ALL: [Self; 7] = [
        Self::System,
        Self::Bsymbolic,
        Self::Openssl4,
        Self::Openssl111,
        Self::Openssl35,
        Self::Openssl36,
        Self::Openssl111k,
    ];
    /// The hosts that one program file runs on: those of the system's OpenSSL 3.
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
            Self::Openssl35 => Some(Release {
                name: "openssl35",
                number: "3.5",
                libraries: ["libssl.so.3", "libcrypto.so.3"],
            }),
            Self::Openssl36 => Some(Release {
                name: "openssl36",
                number: "3.6",
                libraries: ["libssl.so.3", "libcrypto.so.3"],
            }),
            Self::Openssl111k => Some(Release {
                name: "openssl111k",
                number: "1.1.1k",
                libraries: ["libssl.so.1.1", "libcrypto.so.1.1"],
            }),
        }
    }

    /// Hosts that run the same program files have the same number, below [`Self::LINES`]. A program of the system's would run
    /// on 3.5 and 3.6, too, but it lacks what their headers have more.
    pub fn line(self) -> usize {
        match self {
            Self::System | Self::Bsymbolic => 0,
            Self::Openssl4 => 1,
            Self::Openssl111 => 2,
            Self::Openssl35 => 3,
            Self::Openssl36 => 4,
            Self::Openssl111k => 5,
        }
    }

    /// How many lines of releases there are.
    pub const LINES: usize = 6;

    /// The oldest release that it may be: major and minor number.
    pub fn number(self) -> [u32; 2] {
        match self {
            Self::System | Self::Bsymbolic => [3, 0],
            Self::Openssl4 => [4, 0],
            Self::Openssl111 | Self::Openssl111k => [1, 1],
            Self::Openssl35 => [3, 5],
            Self::Openssl36 => [3, 6],
        }
    }

    /// True if every other program is enough there, but for `make test-hosts`.
    pub fn runs_every_other(self) -> bool {
        matches!(
            self,
            Self::Openssl111 | Self::Openssl35 | Self::Openssl36 | Self::Openssl111k
        )
    }
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
            Self::Openssl35 => "openssl35",
            Self::Openssl36 => "openssl36",
            Self::Openssl111k => "openssl111k",
        })
    }
}
